"""Every operation of the table against numpy: sizes, slices, transposes, targets."""

import itertools

import numpy as np
import pytest

import cudamat as cm
from tests.cudamat.framed import Framed, frame, rounded
from tests.cudamat.row import away_from_zero, normal
from tests.cudamat.table import ELEMENTWISE, ROWS, layouts, shapes

CASES = [
    pytest.param(row, size, id=f"{row.name}-{size}")
    for row in ROWS
    for size in row.sizes()
]


def run_into_target(row, operands, size):
    shape = shapes(row.pattern, size)[-1]
    for (*transposed, target_transposed), margin in layouts(row.operands + 1):
        given = frame(operands, transposed, margin)
        # NaN: whoever reads the target before writing it is found out
        target = Framed(np.full(shape, np.nan), target_transposed, margin)
        result = row.ours(*(g.matrix for g in given), target.matrix)
        assert result is target.matrix
        row.check(target.values(), operands, f"{transposed} to {target_transposed}")
        target.check_marks()
        for g in given:
            g.check_untouched()


def run_in_place(row, operands, size):
    for transposed, margin in layouts(row.operands):
        given = frame(operands, transposed, margin)
        result = row.ours(*(g.matrix for g in given), None)
        assert result is given[0].matrix
        row.check(given[0].values(), operands, f"in place {transposed}")
        given[0].check_marks()
        for g in given[1:]:
            g.check_untouched()


def run_to_new(row, operands, size):
    for transposed, margin in layouts(row.operands):
        given = frame(operands, transposed, margin)
        result = row.ours(*(g.matrix for g in given), None)
        got = result if isinstance(result, float) else result.asarray()
        row.check(got, operands, f"{transposed}")
        for g in given:
            assert result is not g.matrix
            g.check_untouched()


RUNS = {
    "target": run_into_target,
    "in place": run_in_place,
    "new": run_to_new,
    "number": run_to_new,
}


@pytest.mark.parametrize(("row", "size"), CASES)
def test_operation(row, size):
    operands = row.make(size)
    for mode in row.modes:
        RUNS[mode](row, operands, size)


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e4, -1e4, 0.125]


# (the logarithm of 1 + 1e-10 is 0 in float, and infinity times that is NaN)
@pytest.mark.parametrize(
    "row",
    [r for r in ELEMENTWISE if r.is_elementwise and "entropy" not in r.name],
    ids=lambda row: row.name,
)
def test_infinities_and_nan_are_numpy_s(row):
    """All combinations of them; repeated, so that every lane of the vector code meets
    every value."""
    combinations = np.array(list(itertools.product(SPECIAL, repeat=row.operands)) * 3)
    operands = [rounded(column[None, :]) for column in combinations.T]
    given = [Framed(values) for values in operands]
    result = row.ours(*(g.matrix for g in given), None)
    row.check(result.asarray(), operands, "of special values")


@pytest.mark.skipif(
    cm.real_type() != np.float64, reason="differences of floats are too coarse"
)
@pytest.mark.parametrize(
    "row", [r for r in ROWS if r.derives], ids=lambda row: row.name
)
def test_derivatives_are_those_of_the_function(row):
    """Central differences of the library's own function."""
    rng = np.random.default_rng(3)
    x, g = away_from_zero(rng, (5, 7)), normal(rng, (5, 7))
    ours = row.ours(cm.CUDAMatrix(g), row.derives(cm.CUDAMatrix(x)), None).asarray()
    step = 1e-6
    up = row.derives(cm.CUDAMatrix(x + step)).asarray()
    down = row.derives(cm.CUDAMatrix(x - step)).asarray()
    # step^2 of curvature and 1e-16 / step of rounding
    np.testing.assert_allclose(ours, g * (up - down) / (2 * step), 0, 1e-9)
