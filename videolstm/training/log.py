"""The log of a run: the .csv beside its checkpoint."""

from __future__ import annotations

import csv
import errno
import io
import os
from pathlib import Path

from videolstm.files import CannotWrite

Value = float | int | str


class Log:
    """One row for each printed line, on its way to the disk at once.

    Rows that cannot be written, such as on a full disk, are kept and go first the next
    time; a row is in the file whole or not at all. A file that was removed begins anew,
    with its header.

    Raises CannotWrite where not even the header can be written.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path = path
        self.columns = columns
        self._waiting: list[list[Value]] = []
        self._failing = False
        self.flush()

    def row(self, values: dict[str, float | int]) -> None:
        """Adds a row; columns that `values` does not have stay empty.

        Raises CannotWrite at the first of several rows that have to wait.
        """
        self._waiting.append([values.get(column, "") for column in self.columns])
        known = self._failing
        try:
            self.flush()
        except CannotWrite:
            if not known:
                raise

    def flush(self) -> None:
        """Writes what had to wait; raises CannotWrite where it still has to."""
        try:
            with self.path.open("ab", buffering=0) as file:
                self._append(file)
        except OSError as error:
            self._failing = True
            raise CannotWrite(
                f"{self.path}: the log cannot be written "
                f"({os.strerror(error.errno).lower()}); its folder should be there and "
                "have room"
            ) from None
        self._waiting, self._failing = [], False

    def _append(self, file: io.FileIO) -> None:
        end = file.seek(0, os.SEEK_END)
        text = io.StringIO(newline="")
        header = [] if end else [self.columns]
        csv.writer(text).writerows([*header, *self._waiting])
        rows = text.getvalue().encode()
        try:
            if file.write(rows) != len(rows):
                raise OSError(errno.ENOSPC, "written in part")
        except OSError:
            file.truncate(end)
            raise
