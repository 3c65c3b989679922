"""Products with frames that are mostly zero, from the non-zeros alone (CPU library)."""

from __future__ import annotations

import ctypes as ct
from dataclasses import dataclass

from .functions import math_mode
from .library import lib, load
from .matrix import Buffer, CUDAMatrix

# Frames are listed where at most this part of them is not zero. On the machines that
# this was measured on (see docs/performance.md) the sparse product is as fast as the
# dense one at about 20%; it is a constant, and not measured at run time, so that the
# same seed gives the same bytes everywhere.
MOST_DENSITY = 0.15


def is_worthwhile() -> bool:
    """Whether the loaded library has a product that gains from zeros. There is none for
    operands of fewer bits than float32 (`set_math_mode`): dense products have them, on
    the CPU as on a board."""
    return load().kind == "cpu" and math_mode() == "fp32"


class ListsStruct(ct.Structure):
    """`cm_lists` of the C ABI."""

    _fields_ = [
        ("column_start", ct.c_void_p),
        ("entry_row", ct.c_void_p),
        ("entry_value", ct.c_void_p),
        ("row_start", ct.c_void_p),
        ("entry_column", ct.c_void_p),
        ("row_value", ct.c_void_p),
        ("room", ct.c_int64),
        ("dims", ct.c_int64),
        ("count", ct.c_int64),
    ]


class OrderStruct(ct.Structure):
    """`cm_order` of the C ABI."""

    _fields_ = [
        ("batch", ct.c_int64),
        ("first", ct.c_int64),
        ("step", ct.c_int64),
        ("frames", ct.c_int64),
    ]


@dataclass(frozen=True)
class Order:
    """Frames of a batch in the order in which a stack of layers sees them: `frames` of
    them, from frame `first` on, the next one `step` (1 or -1) further."""

    first: int
    step: int
    frames: int

    def struct(self, batch: int) -> OrderStruct:
        return OrderStruct(batch, self.first, self.step, self.frames)


class NonZeros:
    """The non-zeros of a matrix X (dims, count), by column and by row.

    Memory is taken once, for `MOST_DENSITY` of the elements of so many columns.

    Attributes:
        most: columns that there is room for.
    """

    def __init__(self, dims: int, count: int) -> None:
        self.most = count
        room = int(MOST_DENSITY * dims * count)
        real = lib.dtype.itemsize
        sizes = [
            4 * (count + 1),
            4 * room,
            real * room,
            4 * (dims + 1),
            4 * room,
            real * room,
        ]
        self._buffers = [Buffer(size) for size in sizes]
        pointers = [buffer.pointer for buffer in self._buffers]
        self.lists = ListsStruct(*pointers, room, dims, count)

    def fill(self, x: CUDAMatrix) -> bool:
        """Lists the non-zeros of x (dims, at most `most`); False where they are too
        many, and the lists cannot be used."""
        self.lists.count = x.shape[1]
        self.lists.room = int(MOST_DENSITY * x.size)
        found = ct.c_int64()
        lib.cm_compress(x, ct.byref(self.lists), ct.byref(found))
        return found.value >= 0

    def product(
        self, w: CUDAMatrix, order: Order, batch: int, target: CUDAMatrix
    ) -> None:
        """target (rows, frames batch) = w X in the order; w (rows, dims)."""
        struct = order.struct(batch)
        lib.cm_sparse_product(w, ct.byref(self.lists), ct.byref(struct), target)

    def gradient(
        self, g: CUDAMatrix, order: Order, batch: int, target: CUDAMatrix
    ) -> None:
        """target (rows, dims) = g X^T in the order; g (rows, frames batch)."""
        struct = order.struct(batch)
        lib.cm_sparse_gradient(g, ct.byref(self.lists), ct.byref(struct), target)
