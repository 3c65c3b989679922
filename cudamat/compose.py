"""Composing videos of images on the board, from a table of images that lies there."""

from __future__ import annotations

import ctypes as ct
import operator

import numpy as np

from .library import CUDAMatException, lib, load
from .matrix import Buffer, CUDAMatrix, empty
from .paint import Images

_AT_ONCE = 4096  # images that are brought to the board together


class ScenesStruct(ct.Structure):
    """`cm_scenes` of the C ABI."""

    _fields_ = [
        ("chosen", ct.c_void_p),
        ("top", ct.c_void_p),
        ("left", ct.c_void_p),
        ("steps", ct.c_int64),
        ("videos", ct.c_int64),
        ("each", ct.c_int64),
        ("side", ct.c_int64),
        ("size", ct.c_int64),
    ]


class Table:
    """Square images on the board, and the memory that composing with them needs.

    Attributes:
        images: CUDAMatrix (side * side, count), a column for each image, row by row.
        side: of an image, in pixels. count: of images.
    """

    def __init__(self, images: Images, side: int) -> None:
        """Raises CUDAMatException for pixels that are not within an image of that side,
        and where the board has no room."""
        self.side, self.count = side, images.count
        _check_pixels(images, side)
        self.images = empty((side * side, self.count))
        for first in range(0, self.count, _AT_ONCE):
            last = min(first + _AT_ONCE, self.count)
            dense = _dense(images, first, last, side)
            self.images.col_slice(first, last).overwrite(dense.T)
        self._places: Buffer | None = None

    @staticmethod
    def bytes_of(images: Images, side: int) -> int:
        """Bytes on the board that a table of these images takes."""
        return images.count * side * side * load().dtype.itemsize

    def compose(
        self,
        chosen: np.ndarray,
        top: np.ndarray,
        left: np.ndarray,
        size: int,
        target: CUDAMatrix,
    ) -> CUDAMatrix:
        """Fills target (size * size, steps * videos), and returns it.

        The values are those of `cudamat.paint.paint`: frames are black, and where
        images overlap the brighter pixel wins. chosen (videos, each): whole numbers,
        which images a video shows; top, left (steps, videos, each): row and column of
        their corners. These go to the board, and nothing else does; like the frames,
        they are there only when the board has come so far. Memory for them is kept.

        Raises CUDAMatException for an image that there is not, for one that is not
        wholly within its frame, whatever its dark sides are, and for shapes that do not
        fit; then target is as it was.
        """
        places = [np.asarray(array) for array in (chosen, top, left)]
        steps, videos, each = _shape(*places)
        size = _whole(size)
        room = size - self.side
        if room < 0:
            raise CUDAMatException(
                f"compose: images of side {self.side} are not within frames of side "
                f"{size}"
            )
        _check_range("image", places[0], self.count - 1)
        _check_range("row", places[1], room)
        _check_range("column", places[2], room)
        packed = np.concatenate([array.ravel().astype(np.int32) for array in places])
        start = self._brought(packed)
        addresses = [
            None if start is None else start + 4 * first
            for first in (0, places[0].size, places[0].size + places[1].size)
        ]
        struct = ScenesStruct(*addresses, steps, videos, each, self.side, size)
        lib.cm_compose(self.images, ct.byref(struct), target)
        return target

    def _brought(self, packed: np.ndarray) -> int | None:
        """The address on the board of these numbers, until the next ones come."""
        if self._places is None or self._places.nbytes < packed.nbytes:
            self._places = None  # before there is more of it
            self._places = Buffer(packed.nbytes)
        lib.cm_copy_in(self._places.pointer, packed.ctypes.data, packed.nbytes)
        return self._places.pointer


def _whole(size) -> int:
    try:
        return operator.index(size)
    except TypeError:
        raise CUDAMatException(
            f"compose: the side of a frame is {size!r}, and it should be a whole number"
        ) from None


def _shape(chosen, top, left) -> tuple[int, int, int]:
    """Steps, videos and images of a video."""
    arrays = {"chosen": chosen, "top": top, "left": left}
    for name, array in arrays.items():
        if array.dtype.kind not in "iu":
            raise CUDAMatException(
                f"compose: {name} should be whole numbers, and it is an array of "
                f"{array.dtype}"
            )
    fits = chosen.ndim == 2 and top.ndim == 3 and top.shape[1:] == chosen.shape
    if not fits or left.shape != top.shape:
        raise CUDAMatException(
            f"compose: images {chosen.shape} of videos with corners {top.shape} and "
            f"{left.shape} do not fit; they should be (videos, each) and twice (steps, "
            "videos, each)"
        )
    return top.shape


def _check_range(what: str, values: np.ndarray, most: int) -> None:
    if values.size == 0:
        return
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > most:
        wrong = low if low < 0 else high
        there = f"those from 0 to {most}" if most >= 0 else "none"
        raise CUDAMatException(
            f"compose: {what} {wrong} was given, and there are {there}"
        )


def _check_pixels(images: Images, side: int) -> None:
    starts, rows, columns, _ = images.arrays
    if not 1 <= side <= 32768:
        raise CUDAMatException(f"an image of side {side}; it should be 1 to 32768")
    if starts[0] != 0 or starts[-1] != len(rows) or (np.diff(starts) < 0).any():
        raise CUDAMatException(
            f"the pixels of images should begin at numbers that ascend from 0 to the "
            f"{len(rows)} that there are, and they are {starts[0]} to {starts[-1]}"
        )
    most = max(rows.max(initial=0), columns.max(initial=0))
    if most >= side:
        raise CUDAMatException(
            f"a pixel in row or column {most} is not within an image of side {side}"
        )


def _dense(images: Images, first: int, last: int, side: int) -> np.ndarray:
    """Images `first` to `last` - 1 with all their pixels, (last - first, side *
    side)."""
    starts, rows, columns, values = images.arrays
    lit = slice(starts[first], starts[last])
    image = np.repeat(np.arange(last - first), np.diff(starts[first : last + 1]))
    dense = np.zeros((last - first, side, side), load().dtype)
    dense[image, rows[lit], columns[lit]] = values[lit]
    return dense.reshape(last - first, -1)
