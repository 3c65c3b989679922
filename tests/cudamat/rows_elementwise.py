"""Rows of the table: element-wise operations."""

import math

import numpy as np

import cudamat as cm
from tests.cudamat.row import (
    Row,
    as_number,
    away_from_zero,
    normal,
    positive,
    probability,
    repeated,
    spread,
    whole,
)


def unary(name, numpy, values=normal, ulps=1.0, why="one rounding", scale=None):
    function = getattr(cm, name)

    def ours(m, t):
        return function(m, t)

    return Row(
        name, "mn->mn", ours, numpy, values=values, ulps=ulps, why=why, scale=scale
    )


def method(called, *arguments, **keywords):
    """The call of a method of the first operand."""

    def call(m, *others_and_target):
        *others, t = others_and_target
        return getattr(m, called)(*others, *arguments, target=t, **keywords)

    return call


def binary(name, column, row, numpy, values=normal, ulps=1.0) -> list[Row]:
    """An operation with a matrix, a number, and, where they exist, vectors."""
    number = 0.5  # exact in every precision; among the `repeated` values
    options = {"values": values, "ulps": ulps}
    one = values[0] if isinstance(values, tuple) else values
    rows = [
        Row(name, "mn,mn->mn", method(name), numpy, **options),
        Row(
            f"{name}_number",
            "mn->mn",
            method(name, number),
            lambda m: numpy(m, number),
            values=one,
            ulps=ulps,
        ),
    ]
    if column:
        rows.append(Row(column, "mn,m1->mn", method(column), numpy, **options))
        rows.append(Row(row, "mn,1n->mn", method(row), numpy, **options))
    return rows


# ----------------------------------------------------------------------- references


def _gamma(x: float) -> float:
    try:
        return math.gamma(x)
    except OverflowError:
        return math.inf
    except ValueError:  # a pole
        return math.copysign(math.inf, x) if x == 0 else math.nan


def _lgamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except ValueError:  # a pole
        return math.inf


gamma = np.vectorize(_gamma, otypes=[float])
lgamma = np.vectorize(_lgamma, otypes=[float])


def between_poles(rng, shape):
    """From -4.8 to 9.8, and not near the whole numbers, where there may be a pole."""
    return rng.integers(-5, 10, shape) + rng.uniform(0.2, 0.8, shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def soft(x):
    return np.sign(x) * np.maximum(np.abs(x) - 0.75, 0)


def within(x, limit):
    return np.where(x > limit, limit, np.where(x < -limit, -limit, x))


LIBC = "the C library's, or CUDA's"

ONE_MATRIX = [
    unary("sigmoid", sigmoid, spread, 3, "scalar.h"),
    unary("tanh", np.tanh, spread, 2, "scalar.h"),
    unary("exp", np.exp, spread, 2, "scalar.h"),
    unary("log_1_plus_exp", lambda x: np.logaddexp(0, x), spread, 3, "scalar.h"),
    unary("relu", lambda x: np.maximum(x, 0), ulps=0, why="exact"),
    unary("log", np.log, positive, 2, LIBC),
    unary("sqrt", np.sqrt, positive),
    unary("abs", np.abs, ulps=0, why="exact"),
    unary("reciprocal", lambda x: 1 / x, away_from_zero),
    unary("sin", np.sin, spread, 4, LIBC),
    unary("cos", np.cos, spread, 4, LIBC),
    unary("floor", np.floor, spread, 0, "exact"),
    unary("ceil", np.ceil, spread, 0, "exact"),
    unary("gamma", gamma, between_poles, 16, LIBC),
    unary(
        "lgamma",
        lgamma,
        between_poles,
        16,
        "the reference itself, Python's, is absolute to rounding near the zeros",
        scale=lambda x: 3 + lgamma(x),
    ),
    Row("apply_sigmoid", "mn->mn", method("apply_sigmoid"), sigmoid, ulps=3),
    Row("apply_tanh", "mn->mn", method("apply_tanh"), np.tanh, ulps=2),
    Row("apply_sin", "mn->mn", method("apply_sin"), np.sin, ulps=4),
    Row("apply_cos", "mn->mn", method("apply_cos"), np.cos, ulps=4),
    Row(
        "sign",
        "mn->mn",
        method("sign"),
        np.sign,
        ("target", "new"),
        values=repeated,
        ulps=0,
        why="exact",
    ),
    Row(
        "apply_relu_squash",
        "mn->mn",
        method("apply_relu_squash", 1.5),
        lambda m: np.tanh(0.75 * m),  # 2 / (1 + exp(-1.5 m)) - 1 without cancellation
        ulps=4,
        why="tanh, and two roundings of its argument",
    ),
    Row("apply_soft_threshold", "mn->mn", method("apply_soft_threshold", 0.75), soft),
    Row(
        "soft_threshold",
        "mn->mn",
        lambda m, t: cm.soft_threshold(m, 0.75, t),
        soft,
    ),
]

TWO_MATRICES = [
    *binary("add", "add_col_vec", "add_row_vec", np.add),
    *binary("subtract", None, None, np.subtract),
    *binary("mult", "mult_by_col", "mult_by_row", np.multiply),
    *binary("divide", "div_by_col", "div_by_row", np.divide, away_from_zero),
    *binary("minimum", None, None, np.minimum, ulps=0),
    *binary("maximum", None, None, np.maximum, ulps=0),
    *binary("upper_bound", None, None, np.minimum, ulps=0),
    *binary("lower_bound", None, None, np.maximum, ulps=0),
    *binary("upper_bound_mod", None, None, within, (normal, positive), ulps=0),
    *binary("less_than", None, None, as_number(np.less), repeated, 0),
    *binary("greater_than", None, None, as_number(np.greater), repeated, 0),
    *binary("equals", None, None, as_number(np.equal), repeated, 0),
    Row(
        "pow",
        "mn,mn->mn",
        lambda m, p, t: cm.pow(m, p, t),
        np.power,
        values=(away_from_zero, whole),
        ulps=8,
        why=LIBC,
    ),
    Row(
        "pow_number",
        "mn->mn",
        lambda m, t: cm.pow(m, 2.5, t),
        lambda m: np.power(m, 2.5),
        values=positive,
        ulps=8,
        why=LIBC,
    ),
    Row(
        "pow_whole",
        "mn->mn",
        lambda m, t: cm.pow(m, 3, t),
        lambda m: m**3,
        ulps=8,
        why=LIBC,
    ),
]


def add_scaled(sign):
    return lambda m, other: m + sign * 0.75 * other


def of_sum(m, other):
    return m + other


SCALED = [
    Row(
        "add_mult",
        "mn,mn->mn",
        lambda m, other, t: m.add_mult(other, -0.75),
        add_scaled(-1),
        ("in place",),
        ulps=2,
        why="two roundings",
        scale=of_sum,
    ),
    Row(
        "add_mult_by_its_other_name",
        "mn,mn->mn",
        lambda m, other, t: m.add_mult(other, mult=0.75),
        add_scaled(1),
        ("in place",),
        ulps=2,
        why="two roundings",
        scale=of_sum,
    ),
    Row(
        "subtract_mult",
        "mn,mn->mn",
        lambda m, other, t: m.subtract_mult(other, 0.75),
        add_scaled(-1),
        ("in place",),
        ulps=2,
        why="two roundings",
        scale=of_sum,
    ),
    Row(
        "add_col_mult",
        "mn,m1->mn",
        lambda m, v, t: m.add_col_mult(v, 0.75, target=t),
        add_scaled(1),
        ulps=2,
        why="two roundings",
        scale=of_sum,
    ),
    Row(
        "add_row_mult",
        "mn,1n->mn",
        lambda m, v, t: m.add_row_mult(v, -0.75, target=t),
        add_scaled(-1),
        ulps=2,
        why="two roundings",
        scale=of_sum,
    ),
    Row(
        "mult_accumulate",
        "mn,mn,mn->mn",
        lambda c, a, b, t: a.mult(b, target=c, scale_targets=0.5),
        lambda c, a, b: 0.5 * c + a * b,
        ("in place",),
        ulps=2,
        why="two roundings",
        scale=lambda c, a, b: c + a * b,
        receiver=1,
    ),
    Row(
        "mult_accumulate_number",
        "mn,mn->mn",
        lambda c, a, t: a.mult(0.75, target=c, scale_targets=0.5),
        lambda c, a: 0.5 * c + 0.75 * a,
        ("in place",),
        ulps=2,
        why="two roundings",
        scale=of_sum,
        receiver=1,
    ),
]


def entropy(x, y):
    return -x * np.log(y + 1e-10)


LEARNING = [
    Row(
        "apply_logistic_deriv",
        "mn,mn->mn",
        method("apply_logistic_deriv"),
        lambda x, y: x * y * (1 - y),
        values=(normal, probability),
        ulps=3,
        why="three roundings",
        derives=cm.sigmoid,
    ),
    Row(
        "apply_tanh_deriv",
        "mn,mn->mn",
        method("apply_tanh_deriv"),
        lambda x, y: x * (1 - y * y),
        values=(normal, probability),
        ulps=64,
        why="1 - y^2 loses what y^2 = 0.98 has rounded",
        derives=cm.tanh,
    ),
    Row(
        "apply_rectified_linear_deriv",
        "mn,mn->mn",
        method("apply_rectified_linear_deriv"),
        lambda x, y: np.where(y > 0, x, 0),
        ulps=0,
        why="exact",
        derives=cm.relu,
    ),
    *[
        Row(
            name,
            "mn,mn->mn",
            ours,
            entropy,
            values=probability,
            ulps=4,
            why="the logarithm's argument is rounded",
            scale=lambda x, y: x * (1 + np.abs(np.log(y + 1e-10))),
        )
        for name, ours in {
            "cross_entropy": lambda x, y, t: cm.cross_entropy(x, y, t),
            "cross_entropy_method": method("cross_entropy"),
        }.items()
    ],
    *[
        Row(
            name,
            "mn,mn->mn",
            ours,
            lambda x, y: entropy(x, y) + entropy(1 - x, 1 - y),
            values=probability,
            ulps=4,
            why="the logarithms' arguments are rounded",
            scale=lambda x, y: 2 + np.abs(np.log(y + 1e-10)) + np.abs(np.log(1 - y)),
        )
        for name, ours in {
            "cross_entropy_bernoulli": lambda x, y, t: cm.cross_entropy_bernoulli(
                x, y, t
            ),
            "cross_entropy_bernoulli_method": method("cross_entropy_bernoulli"),
        }.items()
    ],
]

COPIES = [
    Row(
        "where",
        "mn,mn,mn->mn",
        lambda c, a, b, t: cm.where(c, a, b, t),
        lambda c, a, b: np.where(c, a, b),
        values=(repeated, normal, normal),
        ulps=0,
        why="a copy",
    ),
    Row(
        "assign",
        "mn,mn->mn",
        lambda m, other, t: m.assign(other),
        lambda m, other: other,
        ("in place",),
        ulps=0,
        why="a copy",
    ),
    Row(
        "assign_number",
        "mn->mn",
        lambda m, t: m.assign(-2.5),
        lambda m: np.full_like(m, -2.5),
        ("in place",),
        ulps=0,
        why="a copy",
    ),
    Row("copy", "mn->mn", lambda m, t: m.copy(), lambda m: m, ("new",), ulps=0),
    Row(
        "transpose",
        "nm->mn",
        lambda m, t: m.transpose(),
        np.transpose,
        ("new",),
        ulps=0,
        why="a copy",
    ),
]

ELEMENTWISE = ONE_MATRIX + TWO_MATRICES + SCALED + LEARNING + COPIES
