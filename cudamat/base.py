"""A matrix as operations see it: memory, shape and views, without the operations."""

from __future__ import annotations

import ctypes as ct
import operator

import numpy as np

from .buffer import Buffer
from .library import CUDAMatException, lib
from .prototypes import MatrixStruct


class Base:
    """What the parts of `CUDAMatrix` build on; only `CUDAMatrix` itself is made."""

    # numpy must not try to add, element by element, what it does not know
    __array_ufunc__ = None

    _owns = False  # whether freeing this matrix frees the memory, for its views too
    numpy_array: np.ndarray | None

    def _adopt(self, buffer, offset: int, rows: int, cols: int, trans: int = 0) -> None:
        """Becomes the (rows, cols) matrix that starts `offset` elements into
        `buffer`."""
        self.buffer = buffer
        pointer = buffer.pointer
        if pointer is not None:
            pointer += offset * lib.dtype.itemsize
        self.offset = offset
        self._mat = MatrixStruct(pointer, rows, cols, trans)
        self._pointer = ct.pointer(self._mat)
        self.numpy_array = None

    @classmethod
    def _view(cls, buffer, offset, rows, cols, trans=0):
        """A matrix in the memory of another."""
        matrix = cls.__new__(cls)
        matrix._adopt(buffer, offset, rows, cols, trans)
        return matrix

    @classmethod
    def _new(cls, rows: int, cols: int):
        """A matrix with memory of its own, and undefined values."""
        matrix = cls._view(Buffer(rows * cols * lib.dtype.itemsize), 0, rows, cols)
        matrix._owns = True
        return matrix

    @property
    def mat(self) -> MatrixStruct:
        """What the library gets to see; without memory once that has been freed, be it
        by another view."""
        if self.buffer.pointer is None:
            self._mat.data = None
        return self._mat

    @property
    def _as_parameter_(self):
        # what ctypes passes where a function of the library is given a matrix
        if self.buffer.pointer is None:
            self._mat.data = None
        return self._pointer

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._mat.rows, self._mat.cols

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._mat.rows * self._mat.cols

    @property
    def T(self):
        """The transpose, as a view."""
        rows, cols = self.shape
        return self._view(self.buffer, self.offset, cols, rows, 1 - self.mat.trans)

    def _range(self, what: str, first, last, extent: int) -> tuple[int, int]:
        try:
            first, last = operator.index(first), operator.index(last)
        except TypeError:
            raise CUDAMatException(
                f"{what} {first!r} to {last!r}: a range is given by two whole numbers"
            ) from None
        if not 0 <= first <= last <= extent:
            raise CUDAMatException(
                f"{what} {first} to {last} are not within a matrix of shape "
                f"{self.shape}"
            )
        return first, last


def need_matrix(value, role: str) -> Base:
    """`value`, which must be a CUDAMatrix; `role` names it in the message."""
    if isinstance(value, Base):
        return value
    found = "None" if value is None else f"a {type(value).__name__}"
    raise CUDAMatException(f"{role} must be a CUDAMatrix, but it is {found}")


def scalar(function, *arguments) -> float:
    """What a function of the library writes to the host."""
    result = ct.c_double()
    function(*arguments, ct.byref(result))
    return result.value
