"""A matrix that is multiplied many times before it changes."""

from __future__ import annotations

import ctypes as ct

from .library import CUDAMatException, lib
from .matrix import CUDAMatrix, empty


class Packed:
    """The left side of many products: `pack` it once, then `dot`.

    The CPU library copies it into the order in which its kernels read it, which a
    product otherwise does each time; where that gains nothing, and on a CUDA board, the
    products are those of the matrix itself. Both are rounded in an order of their own.
    """

    def __init__(self) -> None:
        self.matrix: CUDAMatrix | None = None
        self._copy: CUDAMatrix | None = None

    def pack(self, matrix: CUDAMatrix) -> Packed:
        """Takes another matrix, or this one after it has changed. Memory is kept, so
        that one of the same size needs no more."""
        count = ct.c_int64()
        lib.cm_packed_size(matrix, ct.byref(count))
        if count.value == 0:
            self._copy = None
        else:
            if self._copy is None or self._copy.size != count.value:
                self._copy = empty((1, count.value))
            lib.cm_pack(matrix, self._copy)
        self.matrix = matrix
        return self

    def dot(
        self, other: CUDAMatrix, target: CUDAMatrix, beta: float = 0.0
    ) -> CUDAMatrix:
        """target = beta target + the matrix times `other`. Raises CUDAMatException
        before there is a matrix, and where shapes do not fit."""
        if self.matrix is None:
            raise CUDAMatException("nothing has been packed yet")
        if self._copy is None:
            lib.cm_dot(self.matrix, other, target, beta, 1.0)
            return target
        rows = self.matrix.shape[0]  # which the copy, of whole strips, does not tell
        if target.shape[0] != rows:
            raise CUDAMatException(
                f"the target has shape {target.shape}, the packed matrix {rows} rows"
            )
        lib.cm_dot_packed(self._copy, other, target, beta)
        return target
