"""A matrix that is multiplied many times before it changes."""

from __future__ import annotations

import ctypes as ct

from .library import CUDAMatException, lib
from .matrix import CUDAMatrix, empty


class Packed:
    """The left side of many products: `pack` it once, then `dot`.

    The CPU library copies it, at the first product, into the order in which its kernels
    read it, which a product otherwise does each time; where that gains nothing, and on
    a CUDA board, the products are those of the matrix itself. Both are rounded in an
    order of their own.
    """

    def __init__(self) -> None:
        self.matrix: CUDAMatrix | None = None
        self._memory: CUDAMatrix | None = None
        self._copy: CUDAMatrix | None = None
        self._is_new = False

    def pack(self, matrix: CUDAMatrix) -> Packed:
        """Takes another matrix, or this one after it has changed. From the next product
        on it must not change. Memory is kept for the next one."""
        self.matrix, self._is_new = matrix, True
        return self

    def dot(
        self, other: CUDAMatrix, target: CUDAMatrix, beta: float = 0.0
    ) -> CUDAMatrix:
        """target = beta target + the matrix times `other`. Raises CUDAMatException
        before there is a matrix, and where shapes do not fit."""
        if self.matrix is None:
            raise CUDAMatException("nothing has been packed yet")
        if self._is_new:
            self._make_copy()
        if self._copy is None:
            lib.cm_dot(self.matrix, other, target, beta, 1.0)
            return target
        # the copy, of whole strips, does not tell how many rows there are
        rows, depth = self.matrix.shape
        if other.shape[0] != depth or target.shape[0] != rows:
            raise CUDAMatException(
                f"a packed matrix of shape {self.matrix.shape} times one of shape "
                f"{other.shape} does not make a target of shape {target.shape}"
            )
        lib.cm_dot_packed(self._copy, other, target, beta)
        return target

    def _make_copy(self) -> None:
        count = ct.c_int64()
        lib.cm_packed_size(self.matrix, ct.byref(count))
        self._copy = None
        if count.value:
            if self._memory is None or self._memory.size < count.value:
                self._memory = None  # before there is more of it
                self._memory = empty((1, count.value))
            self._copy = self._memory.col_slice(0, count.value)
            lib.cm_pack(self.matrix, self._copy)
        self._is_new = False
