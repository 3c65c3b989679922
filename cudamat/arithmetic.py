"""Arithmetic of a matrix with matrices, vectors and numbers, element by element."""

from __future__ import annotations

import warnings

from .base import Base
from .face import either, pair, unary, vector
from .library import lib


class Arithmetic(Base):
    """The element-wise methods of CUDAMatrix.

    Where `val` may be a matrix or a number, the matrix has the same shape. A column
    vector is (rows, 1) and a row vector (1, cols).
    """

    # ------------------------------------------------------------------- one matrix

    apply_sigmoid = unary("sigmoid", "1 / (1 + e^-x)", "apply_sigmoid")
    apply_tanh = unary("tanh", "The hyperbolic tangent", "apply_tanh")
    apply_sin = unary("sin", "The sine", "apply_sin")
    apply_cos = unary("cos", "The cosine", "apply_cos")
    reciprocal = unary("reciprocal", "1 / x")

    def sign(self, target=None):
        """-1, 0 or 1 for negative elements, zeros and positive ones, in a new matrix
        unless a target is given."""
        target = self._new(*self.shape) if target is None else target
        lib.cm_sign(self, target)
        return target

    def apply_soft_threshold(self, alpha: float, target=None):
        """Each element moved by `alpha` towards 0, and no further, in place unless a
        target is given."""
        target = self if target is None else target
        lib.cm_soft_threshold(self, alpha, target)
        return target

    def apply_relu_squash(self, lambdaa: float = 2.0, target=None):
        """2 / (1 + exp(-lambdaa x)) - 1: from [0, inf) to [0, 1), in place unless a
        target is given."""
        target = self if target is None else target
        lib.cm_relu_squash(self, lambdaa, target)
        return target

    # ------------------------------------------------------------------- with val

    add = either("add", "self + val, a matrix or a number")
    subtract = either("subtract", "self - val, a matrix or a number")
    divide = either("divide", "self / val, a matrix or a number")
    minimum = either("minimum", "The smaller of self and val")
    maximum = either("maximum", "The larger of self and val")
    less_than = either("less_than", "1 where self < val, else 0")
    greater_than = either("greater_than", "1 where self > val, else 0")
    equals = either("equals", "1 where self == val, else 0")
    upper_bound = either("minimum", "The smaller of self and val", "upper_bound")
    lower_bound = either("maximum", "The larger of self and val", "lower_bound")
    upper_bound_mod = either("upper_bound_mod", "self, held within -val and val")

    def mult(self, val, target=None, scale_targets: float = 0.0):
        """scale_targets * target + self * val, element by element, a matrix or a
        number, in place unless a target is given."""
        target = self if target is None else target
        if scale_targets != 0:
            name = "cm_mult_add" if isinstance(val, Base) else "cm_mult_add_scalar"
            getattr(lib, name)(self, val, scale_targets, target)
        elif isinstance(val, Base):
            lib.cm_mult(self, val, target)
        else:
            lib.cm_mult_scalar(self, val, target)
        return target

    def add_mult(self, mat2, alpha: float = 1.0, *, mult: float | None = None):
        """self += alpha mat2; `mult` is another name for alpha."""
        lib.cm_add_mult(self, mat2, alpha if mult is None else mult, self)
        return self

    def subtract_mult(self, mat2, alpha: float = 1.0, *, mult: float | None = None):
        """self -= alpha mat2; `mult` is another name for alpha."""
        lib.cm_subtract_mult(self, mat2, alpha if mult is None else mult, self)
        return self

    # ------------------------------------------------------------------- with vectors

    add_col_vec = vector("add_col", "self + a column vector", "add_col_vec")
    add_row_vec = vector("add_row", "self + a row vector", "add_row_vec")
    mult_by_col = vector("mult_col", "self * a column vector", "mult_by_col")
    mult_by_row = vector("mult_row", "self * a row vector", "mult_by_row")
    div_by_col = vector("divide_col", "self / a column vector", "div_by_col")
    div_by_row = vector("divide_row", "self / a row vector", "div_by_row")

    def add_col_mult(self, vec, mult: float, target=None):
        """self + mult times a column vector, in place unless a target is given."""
        target = self if target is None else target
        lib.cm_add_mult_col(self, vec, mult, target)
        return target

    def add_row_mult(self, vec, mult: float, target=None):
        """self + mult times a row vector, in place unless a target is given."""
        target = self if target is None else target
        lib.cm_add_mult_row(self, vec, mult, target)
        return target

    # ------------------------------------------------------------------- learning

    apply_logistic_deriv = pair(
        "logistic_deriv",
        "self * val (1 - val): through a sigmoid with the output val",
        "apply_logistic_deriv",
    )
    apply_tanh_deriv = pair(
        "tanh_deriv",
        "self * (1 - val^2): through a tanh with the output val",
        "apply_tanh_deriv",
    )
    apply_rectified_linear_deriv = pair(
        "rectified_linear_deriv",
        "self where val > 0, else 0: through a relu with the output val",
        "apply_rectified_linear_deriv",
    )

    def cross_entropy(self, p, target=None, tiny: float = 1e-10):
        """-self log(p + tiny), element by element, in place unless a target is
        given."""
        target = self if target is None else target
        lib.cm_cross_entropy(self, p, tiny, target)
        return target

    def cross_entropy_bernoulli(self, p, target=None, tiny: float = 1e-10):
        """-self log(p + tiny) - (1 - self) log(1 - p + tiny), element by element, in
        place unless a target is given."""
        target = self if target is None else target
        lib.cm_cross_entropy_bernoulli(self, p, tiny, target)
        return target

    # ------------------------------------------------------------------- old names

    def add_scalar(self, value, target=None):
        """Deprecated: use `add`."""
        return _renamed("add_scalar", "add", self.add)(value, target)

    def mult_by_scalar(self, value, target=None):
        """Deprecated: use `mult`."""
        return _renamed("mult_by_scalar", "mult", self.mult)(value, target)

    def div_by_scalar(self, value, target=None):
        """Deprecated: use `divide`."""
        return _renamed("div_by_scalar", "divide", self.divide)(value, target)

    def assign_scalar(self, value):
        """Deprecated: use `assign`."""
        return _renamed("assign_scalar", "assign", self.assign)(value)


def _renamed(old: str, new: str, method):
    """The method, after a word about its name to whoever called."""
    message = f"{old} is deprecated; use {new}"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return method
