"""Checked readers of the files that data sets are made of.

Each raises UserError for a file that is not what it should be. Files are opened for
reading only, and nothing in them is ever executed (no pickles).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from videolstm.errors import UserError

# Data up to this size is kept in memory: reading a clip from an .h5 costs up to a
# millisecond, and compressed data is unpacked again each time. Larger data (the
# features of UCF-101 are tens of GiB) is read clip by clip.
KEEP_BYTES = 256 * 2**20

_NAMES_LISTED = 20

# What h5py raises for a file that is no .h5, or a damaged one.
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, stripped, without the empty ones at its end."""
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise UserError(
            f"{path} is not a text file, and it should be one with an entry on each "
            "line"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
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
def open_h5(path: Path) -> Iterator[h5py.File]:
    """An .h5 for reading; errors of the HDF5 library inside are UserErrors too."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except UNREADABLE as error:
        raise UserError(
            f"{path}: cannot be read as an .h5 file, it is damaged, cut short or of "
            f"another kind ({' '.join(str(error).split())})"
        ) from None


def h5_dataset(file: h5py.File, name: str, field: str = "dataset_name") -> h5py.Dataset:
    """The dataset `name` of an open .h5, of real numbers.

    `field` is where the name comes from, for the message.
    """
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        there: list[str] = []
        file.visititems(
            lambda path, item: (
                there.append(path) if isinstance(item, h5py.Dataset) else None
            )
        )
        listed = ", ".join(there[:_NAMES_LISTED]) or "none"
        more = (
            f" and {len(there) - _NAMES_LISTED} more" if there[_NAMES_LISTED:] else ""
        )
        raise UserError(
            f"{file.filename}: there is no dataset {name!r} ({field}); the file has "
            f"{listed}{more}"
        )
    _check_numbers(Path(file.filename), dataset.dtype, f"the dataset {name!r}")
    return dataset


def open_npy(path: Path) -> np.ndarray:
    """An .npy as a read-only memory map; object arrays and pickles are refused."""
    try:
        with open(path, "rb") as file:
            magic = file.read(6)
        if magic != b"\x93NUMPY":
            raise UserError(
                f"{path} is not an .npy file, and it should be one that numpy.save "
                "wrote"
            )
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        if "object" in str(error).lower():
            raise UserError(
                f"{path} holds Python objects, and it should be an array of numbers"
            ) from None
        raise UserError(
            f"{path}: cannot be read as an .npy file, it is damaged or cut short "
            f"({' '.join(str(error).split())})"
        ) from None
    _check_numbers(path, array.dtype, "the array")
    return array


def _check_numbers(path: Path, dtype: np.dtype, what: str) -> None:
    if dtype.kind not in "buif":
        raise UserError(f"{path}: {what} is of type {dtype}, and it should be numbers")


class FrameRows:
    """The rows of a dataset (frames, dims), from memory if small, else from the file.

    Reading from the file opens it each time: a data set can have more files than a
    process may hold open, and a handler stays free of open files.
    """

    def __init__(self, path: Path, dataset: str) -> None:
        self.path, self.dataset = path, dataset
        self._kept: np.ndarray | None = None
        with open_h5(path) as file:
            shape = h5_dataset(file, dataset).shape
        if len(shape) != 2 or 0 in shape:
            raise UserError(
                f"{path}: the dataset {dataset!r} has the shape {shape}, and it should "
                "be (frames, numbers in a frame)"
            )
        self.frames, self.dims = shape

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
        with open_h5(self.path) as file:
            rows = h5_dataset(file, self.dataset)[start:stop]
        rows = rows.astype(np.float32, copy=False)
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0]
            raise UserError(
                f"{self.path}: the dataset {self.dataset!r} has {rows[row, column]} in "
                f"row {start + row}, column {column} (counted from 0), and all values "
                "should be finite"
            )
        return rows
