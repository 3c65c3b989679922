"""The table of the matrix library's operations.

A new operation is one more `Row`: it is then run on every size, plain, sliced and
transposed, into a target and in place, and given wrong shapes, freed and missing
matrices. Reference values come from numpy in double precision.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import cudamat as cm
from tests.cudamat.framed import MARGIN, assert_close, rounded

# ----------------------------------------------------------------------- sizes

# m, n, k of the patterns. From 16384 elements on the CPU library uses several threads,
# with fewer than 8 columns in another way.
SIZES = {
    "no_rows": (0, 3, 2),
    "no_columns": (3, 0, 2),
    "no_inner": (3, 4, 0),
    "one": (1, 1, 1),
    "row": (1, 7, 5),
    "column": (9, 1, 4),
    "odd": (5, 3, 7),
    "large": (131, 127, 37),
    "tall": (20011, 2, 3),
    "wide": (3, 8009, 2),
}


def shapes(pattern: str, size: str) -> list[tuple[int, int]]:
    """Shapes of the operands and, last, of the result: "mk,kn->mn"."""
    extent = dict(zip("mnk1", (*SIZES[size], 1), strict=True))
    operands, result = pattern.split("->")
    parts = operands.split(",") + ([result] if result else [])
    return [(extent[rows], extent[cols]) for rows, cols in parts]


# ----------------------------------------------------------------------- values


def normal(rng, shape):
    return rng.standard_normal(shape)


def spread(rng, shape):
    return rng.uniform(-20, 20, shape)


def positive(rng, shape):
    return rng.uniform(0.01, 50, shape)


def away_from_zero(rng, shape):
    return rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape)


def repeated(rng, shape):
    return rng.integers(-1, 2, shape) / 2


# ----------------------------------------------------------------------- rows


@dataclass(frozen=True)
class Row:
    """One operation.

    Attributes:
        pattern: shapes of operands and result, in letters of `SIZES`; nothing after the
            arrow: a Python number.
        ours: ours(*operands, target) calls the library; returns what it returns.
        numpy: the same on float64 arrays.
        modes: "target" writes into a given matrix, "in place" into the first operand,
            "new" makes a matrix, "number" returns a float.
        values: makes an operand's values from a random generator and a shape.
        ulps, why: tolerance in units of the real type's epsilon, and its reason.
        scale: what epsilon is relative to, from the operands' absolute values; without
            one, the result.
    """

    name: str
    pattern: str
    ours: Callable
    numpy: Callable
    modes: tuple[str, ...] = ("target", "in place")
    values: Callable = normal
    ulps: float = 1.0
    why: str = "one rounding"
    scale: Callable | None = None

    @property
    def operands(self) -> int:
        return self.pattern.split("->")[0].count(",") + 1

    @property
    def is_elementwise(self) -> bool:
        return self.pattern in ("mn->mn", "mn,mn->mn")

    @property
    def takes_certain_shapes(self) -> bool:
        return self.operands > 1 or "target" in self.modes

    def sizes(self) -> list[str]:
        return [name for name in SIZES if "k" in self.pattern or name != "no_inner"]

    def make(self, size: str) -> list[np.ndarray]:
        """The operands' values, the same in each run."""
        rng = np.random.default_rng(list(self.name.encode()))
        count = self.operands
        needed = shapes(self.pattern, size)[:count]
        return [rounded(self.values(rng, shape)) for shape in needed]

    def check(self, got, operands: list[np.ndarray], message: str) -> None:
        with np.errstate(all="ignore"):
            want = self.numpy(*operands)
            scale = self.scale and self.scale(*map(np.abs, operands))
        assert_close(got, want, self.ulps, scale, f"{self.name} {message}")


def layouts(matrices: int):
    """(transposed or not of each matrix, margin): plain, then slices of all kinds."""
    yield (False,) * matrices, 0
    for transposed in itertools.product((False, True), repeat=matrices):
        yield transposed, MARGIN


def unary(name, numpy, values=normal, ulps=1.0, why="one rounding") -> Row:
    function = getattr(cm, name)
    ours = lambda m, t: function(m, t)  # noqa: E731
    return Row(name, "mn->mn", ours, numpy, values=values, ulps=ulps, why=why)


def binary(name, column, row, numpy, values=normal, ulps=1.0) -> list[Row]:
    """An operation with a matrix, a number, and, where they exist, vectors."""

    def method(called):
        return lambda m, other, t: getattr(m, called)(other, target=t)

    number = 0.5  # exact in every precision; among the `repeated` values
    options = {"values": values, "ulps": ulps}
    rows = [
        Row(name, "mn,mn->mn", method(name), numpy, **options),
        Row(
            f"{name}_number",
            "mn->mn",
            lambda m, t: getattr(m, name)(number, target=t),
            lambda m: numpy(m, number),
            **options,
        ),
    ]
    if column:
        rows.append(Row(column, "mn,m1->mn", method(column), numpy, **options))
        rows.append(Row(row, "mn,1n->mn", method(row), numpy, **options))
    return rows


def _as_number(function):
    return lambda *arrays: function(*arrays).astype(np.float64)


ELEMENTWISE = [
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x)), spread, 3, "scalar.h"),
    unary("tanh", np.tanh, spread, 2, "scalar.h"),
    unary("exp", np.exp, spread, 2, "scalar.h"),
    unary("log_1_plus_exp", lambda x: np.logaddexp(0, x), spread, 3, "scalar.h"),
    unary("relu", lambda x: np.maximum(x, 0), ulps=0, why="exact"),
    unary("log", np.log, positive, 2, "the C library's"),
    unary("sqrt", np.sqrt, positive),
    unary("abs", np.abs, ulps=0, why="exact"),
    unary("sign", np.sign, repeated, 0, "exact"),
    unary("reciprocal", lambda x: 1 / x, away_from_zero),
    *binary("add", "add_col_vec", "add_row_vec", np.add),
    *binary("subtract", None, None, np.subtract),
    *binary("mult", "mult_by_col", "mult_by_row", np.multiply),
    *binary("divide", "div_by_col", "div_by_row", np.divide, away_from_zero),
    *binary("minimum", None, None, np.minimum, ulps=0),
    *binary("maximum", None, None, np.maximum, ulps=0),
    *binary("less_than", None, None, _as_number(np.less), repeated, 0),
    *binary("greater_than", None, None, _as_number(np.greater), repeated, 0),
    *binary("equals", None, None, _as_number(np.equal), repeated, 0),
    Row(
        "add_mult",
        "mn,mn->mn",
        lambda m, other, t: m.add_mult(other, -0.75),
        lambda m, other: m - 0.75 * other,
        ("in place",),
        ulps=2,
        why="two roundings",
        scale=lambda m, other: m + other,
    ),
    Row(
        "apply_relu_squash",
        "mn->mn",
        lambda m, t: m.apply_relu_squash(1.5, target=t),
        lambda m: np.tanh(0.75 * m),  # 2 / (1 + exp(-1.5 m)) - 1 without cancellation
        ulps=4,
        why="tanh, and two roundings of its argument",
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
]

MANY_TERMS = "at most 40022 terms, added up in several lanes; errors of either sign"

PRODUCTS = [
    Row(
        "dot",
        "mk,kn->mn",
        lambda a, b, t: cm.dot(a, b, t),
        np.matmul,
        ("target", "new"),
        ulps=16,
        why="at most 37 products, their rounding errors of either sign",
        scale=np.matmul,
    ),
    Row(
        "dot_method",
        "mk,kn->mn",
        lambda a, b, t: a.dot(b, t),
        np.matmul,
        ("target", "new"),
        ulps=16,
        why="as dot",
        scale=np.matmul,
    ),
    Row(
        "dot_accumulate",
        "mn,mk,kn->mn",
        lambda c, a, b, t: cm.dot(a, b, c, beta=0.5, alpha=-2.0),
        lambda c, a, b: 0.5 * c - 2 * a @ b,
        ("in place",),
        ulps=16,
        why="as dot",
        scale=lambda c, a, b: c + 2 * a @ b,
    ),
    Row(
        "add_dot",
        "mn,mk,kn->mn",
        lambda c, a, b, t: c.add_dot(a, b, mult=0.5),
        lambda c, a, b: c + 0.5 * a @ b,
        ("in place",),
        ulps=16,
        why="as dot",
        scale=lambda c, a, b: c + a @ b,
    ),
]


def sums(axis: int) -> list[Row]:
    shape = "1n" if axis == 0 else "m1"

    def total(m):
        return m.sum(axis=axis, keepdims=True)

    return [
        Row(
            f"sum_{axis}",
            f"mn->{shape}",
            lambda m, t: m.sum(axis, t),
            total,
            ("target", "new"),
            ulps=16,
            why=MANY_TERMS,
            scale=total,
        ),
        Row(
            f"sum_function_{axis}",
            f"mn->{shape}",
            lambda m, t: cm.sum(m, axis, t, mult=-0.5),
            lambda m: -0.5 * total(m),
            ("target", "new"),
            ulps=16,
            why=MANY_TERMS,
            scale=total,
        ),
        Row(
            f"add_sums_{axis}",
            f"{shape},mn->{shape}",
            lambda v, m, t: v.add_sums(m, axis, mult=2.0, beta=0.25),
            lambda v, m: 0.25 * v + 2 * total(m),
            ("in place",),
            ulps=16,
            why=MANY_TERMS,
            scale=lambda v, m: v + 2 * total(m),
        ),
    ]


REDUCTIONS = [
    *sums(0),
    *sums(1),
    Row(
        "total",
        "mn->",
        lambda m, t: m.total(),
        np.sum,
        ("number",),
        ulps=16,
        why=MANY_TERMS,
        scale=np.sum,
    ),
    Row(
        "euclid_norm",
        "mn->",
        lambda m, t: m.euclid_norm(),
        lambda m: np.sqrt((m * m).sum()),
        ("number",),
        ulps=16,
        why=MANY_TERMS,
    ),
    Row(
        "vdot",
        "mn,mn->",
        lambda a, b, t: cm.vdot(a, b),
        lambda a, b: (a * b).sum(),
        ("number",),
        ulps=16,
        why=MANY_TERMS,
        scale=lambda a, b: (a * b).sum(),
    ),
]

ROWS = ELEMENTWISE + PRODUCTS + REDUCTIONS
