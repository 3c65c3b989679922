"""Matrices between marks, and comparison with what they should hold."""

import numpy as np

import cudamat as cm

MARK = 12345.0  # what surrounds every matrix of a test
MARGIN = 3  # columns of it on each side; odd, so that slices are not aligned in memory


class Framed:
    """A matrix on the board in the middle of a larger one that is full of marks.

    `matrix` holds `values`; with `trans` it is a transposed view of what is stored.
    """

    def __init__(self, values, trans: bool = False, margin: int = MARGIN) -> None:
        stored = np.asarray(values).T if trans else np.asarray(values)
        self.columns = slice(margin, margin + stored.shape[1])
        host = np.full((stored.shape[0], stored.shape[1] + 2 * margin), MARK)
        host[:, self.columns] = stored
        self.before = host
        self.whole = cm.CUDAMatrix(host)
        view = self.whole.col_slice(self.columns.start, self.columns.stop)
        self.matrix = view.T if trans else view

    def values(self) -> np.ndarray:
        return self.matrix.copy().asarray().astype(np.float64)

    def check_marks(self) -> None:
        """Nothing was written beside the matrix."""
        marks = np.delete(self.whole.asarray(), self.columns, axis=1)
        assert (marks == MARK).all(), "written outside of the target"

    def check_untouched(self) -> None:
        """Nothing was written at all."""
        now, before = self.whole.asarray(), self.before.astype(cm.real_type())
        np.testing.assert_array_equal(now, before, "an operand was written")


def rounded(values) -> np.ndarray:
    """Float64 values that the library's real type holds exactly."""
    return np.asarray(values).astype(cm.real_type()).astype(np.float64)


def assert_close(got, want, ulps: float, scale=None, message: str = "") -> None:
    """|got - want| <= ulps * epsilon * scale element by element, the scale being |want|
    where none is given; infinities and NaN as they are."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, f"{message}: shape {got.shape}, not {want.shape}"
    epsilon = np.finfo(cm.real_type()).eps
    with np.errstate(invalid="ignore"):
        allowed = ulps * epsilon * np.abs(want if scale is None else scale)
        right = (np.abs(got - want) <= allowed) | (got == want)
    right |= np.isnan(got) & np.isnan(want)
    assert right.all(), (
        f"{message}: {np.count_nonzero(~right)} of {right.size} values are wrong, "
        f"first {got[~right][0]!r} instead of {want[~right][0]!r}"
    )


def frame(operands, transposed, margin: int = MARGIN) -> list[Framed]:
    """Each operand's values in a frame, transposed or not."""
    pairs = zip(operands, transposed, strict=True)
    return [Framed(values, trans, margin) for values, trans in pairs]
