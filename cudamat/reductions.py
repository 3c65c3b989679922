"""Products, sums, extremes and norms of a matrix."""

from __future__ import annotations

import math
import operator

from .base import Base, need_matrix, scalar
from .library import CUDAMatException, lib


class Reductions(Base):
    """The methods of CUDAMatrix that add up or choose.

    Axis 0 goes down the columns and gives (1, cols); axis 1 goes along the rows and
    gives (rows, 1). Every sum is taken in a fixed order.
    """

    # ------------------------------------------------------------------- products

    def dot(self, mat2, target=None, *, mult: float = 1.0, scale_targets: float = 0.0):
        """scale_targets * target + mult * self mat2, the matrix product, in a new
        matrix unless a target is given."""
        if target is None:
            target = self._new(self.shape[0], need_matrix(mat2, "mat2").shape[1])
            scale_targets = 0.0
        lib.cm_dot(self, mat2, target, scale_targets, mult)
        return target

    def add_dot(self, m1, m2, mult: float = 1.0, beta: float = 1.0):
        """self = beta self + mult m1 m2."""
        lib.cm_dot(m1, m2, self, beta, mult)
        return self

    def subtract_dot(self, m1, m2, mult: float = 1.0, beta: float = 1.0):
        """self = beta self - mult m1 m2."""
        lib.cm_subtract_dot(m1, m2, self, beta, mult)
        return self

    # ------------------------------------------------------------------- along an axis

    def _along(self, name: str, axis: int, target, *numbers):
        axis = _whole(axis)
        rows, cols = self.shape
        if target is None:
            target = self._new(1, cols) if axis == 0 else self._new(rows, 1)
        getattr(lib, name)(self, target, axis, *numbers)
        return target

    def sum(self, axis: int | None = None, target=None, mult: float = 1.0):
        """mult times the sums along an axis, in a new matrix unless a target is given;
        without an axis mult times the sum of all elements, a float."""
        if axis is None and target is None:
            return mult * self.total()
        return self._along("cm_sum_axis", axis, target, mult, 0.0)

    def sqsum(self, axis: int, target=None, mult: float = 1.0):
        """mult times the sums of squares along an axis, in a new matrix unless a target
        is given."""
        return self._along("cm_sqsum_axis", axis, target, mult, 0.0)

    def mean(self, axis: int, target=None):
        """The means along an axis, in a new matrix unless a target is given; NaN where
        there is nothing to average."""
        count = self.shape[0 if _whole(axis) == 0 else 1]
        mult = 1.0 / count if count else math.nan
        return self._along("cm_sum_axis", axis, target, mult, 0.0)

    def add_sums(self, mat, axis: int, mult: float = 1.0, beta: float = 1.0):
        """self = beta self + mult sum(mat, axis)."""
        lib.cm_sum_axis(mat, self, axis, mult, beta)
        return self

    def min(self, axis: int, target=None):
        """The smallest elements along an axis, in a new matrix unless a target is
        given; NaN where there is one, as in numpy."""
        return self._along("cm_min_axis", axis, target)

    def max(self, axis: int, target=None):
        """The largest elements along an axis, in a new matrix unless a target is given;
        NaN where there is one, as in numpy."""
        return self._along("cm_max_axis", axis, target)

    def argmin(self, axis: int, target=None):
        """Where the smallest elements along an axis are, the first of equals, in a new
        matrix unless a target is given. Float32 counts to 2^24."""
        return self._along("cm_argmin_axis", axis, target)

    def argmax(self, axis: int, target=None):
        """Where the largest elements along an axis are, the first of equals, in a new
        matrix unless a target is given. Float32 counts to 2^24."""
        return self._along("cm_argmax_axis", axis, target)

    # ------------------------------------------------------------------- one number

    def total(self) -> float:
        """The sum of all elements, added up in double precision."""
        return scalar(lib.cm_sum, self)

    def euclid_norm(self) -> float:
        """The square root of the sum of squares."""
        return math.sqrt(scalar(lib.cm_sum_squares, self))

    def manhattan_norm(self) -> float:
        """The sum of absolute values."""
        return scalar(lib.cm_sum_abs, self)

    def allfinite(self) -> bool:
        """Whether no element is infinite or NaN."""
        return scalar(lib.cm_count_nonfinite, self) == 0


def _whole(axis) -> int:
    try:
        return operator.index(axis)
    except TypeError:
        raise CUDAMatException(f"axis is {axis!r}; it must be 0 or 1") from None
