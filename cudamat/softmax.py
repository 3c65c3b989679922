"""Softmax of a matrix, and what a classifier learns from it.

A distribution is a column and its label the element of a row vector (1, cols); in the
``_row_major`` methods it is a row, and labels are a column vector (rows, 1). A label
that is no class is wrong: its gradient is the probability alone, it is not correct and
its cross-entropy is NaN. Memory outside of the matrix is not touched for it.
"""

from __future__ import annotations

from .base import Base
from .library import lib


class Softmax(Base):
    """The methods of CUDAMatrix that deal with distributions over classes."""

    def apply_softmax(self, target=None):
        """exp(x) / sum exp(x) of each column, in place unless a target is given."""
        target = self if target is None else target
        lib.cm_softmax(self, target)
        return target

    def apply_softmax_row_major(self, num_slices: int | None = None):
        """exp(x) / sum exp(x) of each row, in place.

        With `num_slices`, which must divide the columns, of each `num_slices`
        consecutive elements of a row.
        """
        group = self.shape[1] if num_slices is None else num_slices
        lib.cm_softmax_row_major(self, group, self)
        return self

    def apply_softmax_grad(self, labels, target=None):
        """self, 1 less at each column's label: of probabilities, the derivative of
        their cross-entropy. In place unless a target is given."""
        target = self if target is None else target
        lib.cm_softmax_grad(self, labels, target)
        return target

    def apply_softmax_grad_row_major(self, labels, target=None):
        """self, 1 less at each row's label, in place unless a target is given."""
        target = self if target is None else target
        lib.cm_softmax_grad_row_major(self, labels, target)
        return target

    def get_softmax_correct(self, labels, target=None):
        """1 where a column is largest at its label (the first of equals), else 0:
        (1, cols), in a new matrix unless a target is given."""
        target = self._new(1, self.shape[1]) if target is None else target
        lib.cm_softmax_correct(self, labels, target)
        return target

    def get_softmax_correct_row_major(self, labels, target=None):
        """1 where a row is largest at its label (the first of equals), else 0:
        (rows, 1), in a new matrix unless a target is given."""
        target = self._new(self.shape[0], 1) if target is None else target
        lib.cm_softmax_correct_row_major(self, labels, target)
        return target

    def get_softmax_cross_entropy(self, labels, target=None, tiny: float = 1e-10):
        """-log(p + tiny) of each column's element p at its label, in nats: (1, cols),
        in a new matrix unless a target is given."""
        target = self._new(1, self.shape[1]) if target is None else target
        lib.cm_softmax_cross_entropy(self, labels, tiny, target)
        return target

    def get_softmax_cross_entropy_row_major(
        self, labels, target=None, tiny: float = 1e-10
    ):
        """-log(p + tiny) of each row's element p at its label, in nats: (rows, 1), in a
        new matrix unless a target is given."""
        target = self._new(self.shape[0], 1) if target is None else target
        lib.cm_softmax_cross_entropy_row_major(self, labels, tiny, target)
        return target
