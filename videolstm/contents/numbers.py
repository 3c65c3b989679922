"""Ranges, means and densities of arrays that may be larger than memory.

What is large is looked at in places spread evenly over it, and the text says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from videolstm.contents.report import number_text
from videolstm.outside.h5 import H5Dataset
from videolstm.outside.npy import NpyFile

LOOKED_AT = 256 * 2**20  # bytes of an array at most
_BLOCK = 4 * 2**20  # bytes in memory at once
_MOST_CLASSES = 2**20
_PLACES = 64  # where a large array is looked at


class Numbers:
    """A running summary of numbers.

    count: all of them; nans, infinities: those that are not finite; zeros. low, high,
    total: of the finite ones, and squares the sum of their squares.
    """

    def __init__(self) -> None:
        self.count = self.nans = self.infinities = self.zeros = 0
        self.low, self.high = math.inf, -math.inf
        self.total = self.squares = 0.0
        self.is_whole = True
        self.part: float = 1.0  # of the array, that was looked at

    def add(self, values: np.ndarray) -> None:
        """Adds an array of real numbers."""
        self.count += values.size
        if values.dtype.kind == "f":
            self.is_whole = False
            finite = np.isfinite(values)
            if not finite.all():
                nans = int(np.isnan(values).sum())
                self.nans += nans
                self.infinities += values.size - int(finite.sum()) - nans
                values = values[finite]
        if values.size:
            self.zeros += values.size - int(np.count_nonzero(values))
            self.low = min(self.low, values.min().item())
            self.high = max(self.high, values.max().item())
            self.total += float(values.sum(dtype=np.float64))
            self.squares += float(np.square(values, dtype=np.float64).sum())

    @property
    def finite(self) -> int:
        return self.count - self.nans - self.infinities

    @property
    def mean(self) -> float:
        return self.total / self.finite if self.finite else math.nan

    @property
    def density(self) -> float:
        """The part that is not zero."""
        return 1 - self.zeros / self.count if self.count else math.nan

    @property
    def norm(self) -> float:
        """The root of the sum of the squares."""
        return math.sqrt(self.squares)

    def text(self, with_density: bool = True) -> str:
        if not self.count:
            return "there are none"
        said = []
        if self.finite:
            low, high = number_text(self.low), number_text(self.high)
            said += [f"{low} to {high}", f"mean {number_text(float(self.mean))}"]
            if with_density:
                said.append(f"{100 * self.density:.3g}% not zero")
        for found, name in ((self.nans, "NaN"), (self.infinities, "infinite")):
            if found:
                said.append(f"{found:,} {name}")
        if self.part < 1:
            said.append(f"of the {100 * self.part:.2g}% that were looked at")
        return ", ".join(said)

    def value(self) -> dict:
        finite = self.finite > 0
        return {
            "count": self.count,
            "min": self.low if finite else None,
            "max": self.high if finite else None,
            "mean": self.mean if finite else None,
            "density": self.density if self.count else None,
            "nan": self.nans,
            "infinite": self.infinities,
            "part_looked_at": self.part,
        }


def numbers_of(array: H5Dataset | NpyFile | np.ndarray) -> Numbers:
    """A summary of an array, of one on disk at most LOOKED_AT bytes of it."""
    found = Numbers()
    total = math.prod(array.shape)
    if isinstance(array, np.ndarray):
        found.add(array)
    elif isinstance(array, NpyFile):
        for start, stop in spans(total, array.dtype.itemsize):
            found.add(array.numbers(start, stop - start))
    elif not array.shape:
        found.add(np.asarray(array[()]))
    elif total:
        row = array.dtype.itemsize * (total // array.shape[0])
        for start, stop in spans(array.shape[0], row):
            found.add(array[start:stop])
    found.part = found.count / total if total else 1.0
    return found


def spans(
    rows: int, row_bytes: int, most: int = LOOKED_AT
) -> Iterator[tuple[int, int]]:
    """Which rows of an array to look at, from and to: all of them up to `most` bytes,
    else those at places spread evenly over it; a few MiB at a time, one row at least.
    """
    block = max(1, _BLOCK // row_bytes)
    if rows * row_bytes <= most:
        for start in range(0, rows, block):
            yield start, min(start + block, rows)
        return
    places = min(max(1, most // row_bytes), _PLACES, rows)
    each = max(1, min(most // places // row_bytes, rows // places))
    for place in np.linspace(0, rows - each, places).astype(int).tolist():
        for start in range(place, place + each, block):
            yield start, min(start + block, place + each)


def label_counts(labels: np.ndarray) -> dict[int, int]:
    """How many there are of each class, from 0 to the largest; of numbers that can be
    no classes, how many there are of each."""
    values, counts = np.unique(labels, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    if not found or min(found) < 0 or max(found) >= _MOST_CLASSES:
        return found
    return {k: found.get(k, 0) for k in range(max(found) + 1)}


def value_range(frames: np.ndarray) -> tuple[float, float]:
    """The least and the largest of finite values, apart."""
    finite = frames[np.isfinite(frames)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return low, high if high > low else low + 1.0
