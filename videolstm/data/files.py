"""Checked readers of the files that data sets are made of.

Each raises UserError for a file that is not what it should be. Files are opened for
reading only, and nothing in them is ever executed (no pickles).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from videolstm.data.unchanged import Unchanged
from videolstm.errors import UserError
from videolstm.limits import check_regular, read_bounded
from videolstm.outside.h5 import H5Dataset, H5File, read_rows
from videolstm.outside.h5_process import Unreadable
from videolstm.outside.npy import NpyFile

# Data up to this size is kept in memory: reading a clip from an .h5 costs up to a
# millisecond, and compressed data is unpacked again each time. Larger data (the
# features of UCF-101 are tens of GiB) is read clip by clip.
KEEP_BYTES = 256 * 2**20

# What is raised for a file that is no .h5, or a damaged one: Unreadable, and KeyError
# and the like where something in it is not what it should be.
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError)

# A line for each of a million videos, with their paths, is below both.
_MOST_TEXT = 128 * 2**20
_MOST_LINES = 4_000_000


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, stripped, without the empty ones at its end."""
    check_regular(path)
    try:
        data = read_bounded(path, _MOST_TEXT, "a list with an entry on each line")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(
            f"{path} is not a text file, and it should be one with an entry on each "
            "line"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    count = text.count("\n")
    if count > _MOST_LINES:
        raise UserError(
            f"{path} has {count} lines, and it should have at most {_MOST_LINES}"
        )
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise UserError(f"{path} is empty, and it should have an entry on each line")
    return lines


def read_integers(path: Path, what: str, least: int, most: int) -> np.ndarray:
    """One integer a line, each from `least` to `most`, as int64 (lines,).

    `what` says what a number means, for the message.
    """
    values = []
    for number, line in enumerate(read_lines(path), start=1):
        # Not int() alone, which also takes 1_000 and digits of other scripts.
        value = int(line) if re.fullmatch(r"[+-]?[0-9]{1,18}", line) else None
        if value is None or not least <= value <= most:
            raise UserError(
                f"{path}, line {number}: found {line[:60]!r}, and it should be {what}, "
                f"an integer from {least} to {most}"
            )
        values.append(value)
    return np.array(values, dtype=np.int64)


@contextmanager
def open_h5(path: Path) -> Iterator[H5File]:
    """An .h5 for reading; what is wrong with it is a UserError."""
    try:
        with H5File(path) as file:
            yield file
    except Unreadable as error:
        raise UserError(
            f"{path}: cannot be read as an .h5 file, it is damaged, cut short or of "
            f"another kind ({' '.join(str(error).split())})"
        ) from None


def h5_dataset(file: H5File, name: str, field: str = "dataset_name") -> H5Dataset:
    """The dataset `name` of an open .h5, of real numbers.

    `field` is where the name comes from, for the message.
    """
    dataset = file.get(name) if name else None
    if not isinstance(dataset, H5Dataset):
        names, more = file.datasets()
        listed = ", ".join(names) or "none"
        raise UserError(
            f"{file.filename}: there is no dataset {name[:100]!r} ({field}); the file "
            f"has {listed}{' and more' if more else ''}"
        )
    if dataset.dtype is None:
        raise UserError(
            f"{file.filename}: the dataset {name[:100]!r} is of {dataset.kind}, and it "
            "should be numbers"
        )
    return dataset


def open_npy(path: Path) -> np.ndarray:
    """The array of an .npy, in memory; object arrays and pickles are refused."""
    return NpyFile(path).read()


def read_clips(wanted: Sequence[tuple[FrameRows, int, int]]) -> list[np.ndarray]:
    """What `FrameRows.read` gives for rows `start` to `stop` of each, read at once.

    Each request to the process that reads .h5 files waits for its turn on a busy
    computer, and a batch has more than a hundred clips.
    """
    if all(rows.kept for rows, _, _ in wanted):
        return [rows.read(start, stop) for rows, start, stop in wanted]
    named = [(rows.path, rows.dataset, start, stop) for rows, start, stop in wanted]
    with contextlib.ExitStack() as stack:
        for rows in {entry[0] for entry in wanted}:
            stack.enter_context(rows.unchanged.read())
        found = _stored_rows(named)
    return [
        rows.checked(values, start, stop)
        for (rows, start, stop), values in zip(wanted, found, strict=True)
    ]


def _stored_rows(wanted: Sequence[tuple[Path, str, int, int]]) -> list[np.ndarray]:
    try:
        return read_rows(wanted)
    except Unreadable as error:
        raise UserError(
            f"{error.filename}: cannot be read as an .h5 file any more "
            f"({' '.join(error.strerror.split())})"
        ) from None


class FrameRows:
    """The rows of a dataset (frames, dims), from memory if small, else from the file.

    Reading from the file opens it each time: a data set can have more files than a
    process may hold open, and a handler stays free of open files.

    `place` says in words which frame a row is, for a message.
    """

    def __init__(
        self, path: Path, dataset: str, place: Callable[[int], str] = "row {}".format
    ) -> None:
        self.path, self.dataset, self.place = path, dataset, place
        self._kept: np.ndarray | None = None
        self.unchanged = Unchanged(path)
        with open_h5(path) as file:
            shape = h5_dataset(file, dataset).shape
        if len(shape) != 2 or 0 in shape:
            raise UserError(
                f"{path}: the dataset {dataset!r} has the shape {shape}, and it should "
                "be (frames, numbers in a frame)"
            )
        self.frames, self.dims = shape

    @property
    def kept(self) -> bool:
        """Whether all of it is in memory."""
        return self._kept is not None

    @property
    def nbytes(self) -> int:
        """Size in memory, as float32."""
        return 4 * self.frames * self.dims

    def keep(self) -> None:
        """Read all of it into memory now."""
        self._kept = self.read(0, self.frames)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`, float32 (stop - start, dims)."""
        if self._kept is not None:
            return self._kept[start:stop]
        with self.unchanged.read():
            (rows,) = _stored_rows([(self.path, self.dataset, start, stop)])
        return self.checked(rows, start, stop)

    def checked(self, rows: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Rows as they were read, as float32; UserError where they are not numbers of
        the shape that the file had."""
        if rows.shape != (stop - start, self.dims):
            raise UserError(
                f"{self.path}: rows {start} to {stop} of {self.dataset!r} have the "
                f"shape {rows.shape}, and it should be {(stop - start, self.dims)}"
            )
        with np.errstate(over="ignore"):  # what is too large becomes infinite
            single = rows.astype(np.float32, copy=False)
        finite = np.isfinite(single)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise UserError(
                f"{self.path}: the dataset {self.dataset!r} has {rows[row, column]} in "
                f"{self.place(start + row)}, column {column} (all counted from 0), and "
                "values should be finite numbers of single precision"
            )
        return single
