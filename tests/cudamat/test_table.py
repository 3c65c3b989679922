"""Every operation of the table against numpy: sizes, slices, transposes, targets."""

import numpy as np
import pytest

from tests.cudamat.framed import Framed, frame, rounded
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


@pytest.mark.parametrize(
    "row", [r for r in ELEMENTWISE if r.is_elementwise], ids=lambda row: row.name
)
def test_infinities_and_nan_are_numpy_s(row):
    """Element by element, and all pairs of them; repeated, so that every lane of the
    vector code meets every value."""
    pairs = np.array([(x, y) for x in SPECIAL for y in SPECIAL] * 3)
    operands = [rounded(column[None, :]) for column in pairs.T[: row.operands]]
    given = [Framed(values) for values in operands]
    result = row.ours(*(g.matrix for g in given), None)
    row.check(result.asarray(), operands, "of special values")
