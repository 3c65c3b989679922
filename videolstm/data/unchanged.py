"""Data files that should stay as they are for as long as they are read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from videolstm.errors import UserError


class Unchanged:
    """A file that was there when this was made, and is looked at again at each reading.

    What is compared is which file it is, its size and when it was last written: a
    thousandth of a millisecond each time. A change is found by the next reading, unless
    it keeps all of these (some systems count time in steps of 4 ms).
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._then = self._look()

    def _look(self) -> os.stat_result | None:
        try:
            return os.stat(self.path)
        except OSError:
            return None

    def check(self) -> None:
        """Raise UserError where the file is another one, or gone."""
        now = self._look()
        if _identity(now) == _identity(self._then):
            return
        if now is None:
            found = "is no longer there"
        else:
            found = f"was {_said(self._then)} when it was opened, and is {_said(now)}"
        raise UserError(
            f"{self.path}: {found}; it should stay as it is while it is used"
        )

    @contextmanager
    def read(self) -> Iterator[None]:
        """Around a reading: `check` after it, and, where it fails, in its place."""
        try:
            yield
        except UserError:
            self.check()
            raise
        self.check()


def _identity(found: os.stat_result | None) -> tuple[int, ...] | None:
    if found is None:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _said(found: os.stat_result | None) -> str:
    if found is None:
        return "not there"
    written = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.st_mtime))
    return f"{found.st_size} bytes of {written}"
