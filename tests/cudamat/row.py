"""What a row of the table of operations is: shapes, values, reference, tolerance.

A new operation is one more `Row` in ``rows_*.py``: it is then run on every size, plain,
sliced and transposed, into a target and in place, given wrong shapes, freed and missing
matrices, and compared between CPU and CUDA. Reference values come from numpy in double
precision.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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


def whole(rng, shape):
    return rng.integers(-3, 4, shape)


def probability(rng, shape):
    return rng.uniform(0.01, 0.99, shape)


def labels(rng, shape):
    """Class numbers, some of them no class of a small matrix."""
    return rng.integers(-1, 6, shape)


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
        values: makes an operand's values from a random generator and a shape; or one
            such maker for each operand.
        ulps, why: tolerance in units of the real type's epsilon, and its reason.
        scale: what epsilon is relative to, from the operands' absolute values; without
            one, the result.
        refuses: sizes for which there is no result.
        receiver: the operand whose method is called, which is never anything else.
        free: operands that may have any shape.
        derives: where the operation is g, y -> g f'(x) with y = f(x), the library's f;
            it is then compared with finite differences.
    """

    name: str
    pattern: str
    ours: Callable
    numpy: Callable
    modes: tuple[str, ...] = ("target", "in place")
    values: Callable | tuple[Callable, ...] = normal
    ulps: float = 1.0
    why: str = "one rounding"
    scale: Callable | None = None
    refuses: tuple[str, ...] = ()
    receiver: int = 0
    free: tuple[int, ...] = ()
    derives: Callable | None = None

    @property
    def operands(self) -> int:
        return self.pattern.split("->")[0].count(",") + 1

    @property
    def is_elementwise(self) -> bool:
        return set(self.pattern.split("->")[0].split(",")) == {"mn"} and (
            self.pattern.endswith("->mn")
        )

    @property
    def takes_certain_shapes(self) -> bool:
        return self.operands > 1 or "target" in self.modes

    def sizes(self) -> list[str]:
        unused = () if "k" in self.pattern else ("no_inner",)
        return [name for name in SIZES if name not in self.refuses + unused]

    def make(self, size: str) -> list[np.ndarray]:
        """The operands' values, the same in each run."""
        rng = np.random.default_rng(list(self.name.encode()))
        count = self.operands
        needed = shapes(self.pattern, size)[:count]
        makers = (
            self.values if isinstance(self.values, tuple) else [self.values] * count
        )
        return [
            rounded(make(rng, shape))
            for make, shape in zip(makers, needed, strict=True)
        ]

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


def as_number(function):
    """A comparison whose result is 1 or 0."""
    return lambda *arrays: function(*arrays).astype(np.float64)
