"""Ranges of columns and of vectors, chosen columns, single elements."""

import numpy as np
import pytest

import cudamat as cm
from tests.cudamat.framed import Framed


def numbered(rows, cols) -> np.ndarray:
    return np.arange(rows * cols, dtype=np.float64).reshape(rows, cols)


# ----------------------------------------------------------------------- ranges


def test_a_slice_of_a_column_vector_has_elements():
    """As in cudamat 0.3; `col_slice` takes columns of any matrix."""
    m = cm.CUDAMatrix(numbered(7, 1))
    assert m.slice(2, 5).asarray().tolist() == [[2], [3], [4]]
    assert m.get_col_slice(0, 7).shape == (7, 1)
    m.slice(0, 2).assign(-1.0)
    m.set_col_slice(5, 7, cm.CUDAMatrix([[50.0], [60.0]]))
    assert m.asarray().ravel().tolist() == [-1, -1, 2, 3, 4, 50, 60]
    assert m.col_slice(0, 1).shape == (7, 1)
    assert m.T.slice(2, 5).asarray().tolist() == [[2, 3, 4]]
    with pytest.raises(cm.CUDAMatException) as error:
        m.slice(2, 8)
    assert str(error.value) == (
        "elements 2 to 8 are not within a matrix of shape (7, 1)"
    )


def test_a_slice_of_a_row_vector():
    m = cm.CUDAMatrix(numbered(1, 7))
    assert m.slice(2, 5).asarray().tolist() == [[2, 3, 4]]
    assert m.T.slice(2, 5).asarray().tolist() == [[2], [3], [4]]
    assert m.T.T.slice(2, 5).T.asarray().tolist() == [[2], [3], [4]]
    assert m.T.col_slice(0, 1).asarray().ravel().tolist() == list(range(7))


def test_slices_with_their_host_part():
    m = cm.CUDAMatrix(numbered(3, 4))
    view = m.slice(1, 3, include_host=True)
    assert np.shares_memory(view.numpy_array, m.numpy_array)
    view.assign(-1.0).copy_to_host()
    want = numbered(3, 4)
    want[:, 1:3] = -1
    np.testing.assert_array_equal(m.numpy_array, want)
    column = cm.CUDAMatrix(numbered(4, 1))
    assert column.slice(1, 3, include_host=True).numpy_array.tolist() == [[1], [2]]
    assert m.slice(1, 3).numpy_array is None
    assert cm.empty((2, 2)).slice(0, 1, include_host=True).numpy_array is None


@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("other_trans", [False, True])
def test_columns_into_a_target_and_back(trans, other_trans):
    m = Framed(numbered(5, 7), trans)
    target = Framed(np.full((5, 3), np.nan), other_trans)
    assert m.matrix.get_col_slice(2, 5, target.matrix) is target.matrix
    np.testing.assert_array_equal(target.values(), numbered(5, 7)[:, 2:5])
    m.check_untouched()
    target.check_marks()
    source = Framed(-numbered(5, 2), other_trans)
    assert m.matrix.set_col_slice(3, 5, source.matrix) is m.matrix
    want = numbered(5, 7)
    want[:, 3:5] = -numbered(5, 2)
    np.testing.assert_array_equal(m.values(), want)
    m.check_marks()
    source.check_untouched()


def test_columns_that_do_not_fit():
    m = cm.zeros((4, 6))
    for matrix in (m, cm.zeros((6, 4)).T):
        for wrong in (cm.zeros((4, 2)), cm.zeros((3, 3)), None, [1.0], m.copy):
            for call in (matrix.set_col_slice, matrix.get_col_slice):
                if call == matrix.get_col_slice and wrong is None:
                    continue  # no target
                with pytest.raises(cm.CUDAMatException):
                    call(1, 4, wrong)
        for first, last in ((-1, 2), (3, 2), (0, 7), (0.0, 1)):
            with pytest.raises(cm.CUDAMatException, match=f"columns {first} to {last}"):
                matrix.set_col_slice(first, last, cm.zeros((4, 1)))


# ----------------------------------------------------------------------- chosen columns

INDICES = [0, 4, 4, -1, -5, 2]


@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("target_trans", [False, True])
def test_select_columns(trans, target_trans):
    m = Framed(numbered(3, 5), trans)
    target = Framed(np.zeros((3, 6)), target_trans)
    indices = Framed([[float(i) for i in INDICES]])
    assert m.matrix.select_columns(indices.matrix, target.matrix) is target.matrix
    np.testing.assert_array_equal(target.values(), numbered(3, 5)[:, INDICES])
    target.check_marks()
    for framed in (m, indices):
        framed.check_untouched()


@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("source_trans", [False, True])
def test_set_selected_columns(trans, source_trans):
    """Of equal indices (4 and -1) the last one counts, as in numpy."""
    m = Framed(numbered(3, 5), trans)
    source = Framed(-numbered(3, 6), source_trans)
    indices = cm.CUDAMatrix([[float(i) for i in INDICES]])
    assert m.matrix.set_selected_columns(indices, source.matrix) is m.matrix
    want = numbered(3, 5)
    want[:, INDICES] = -numbered(3, 6)
    np.testing.assert_array_equal(m.values(), want)
    m.check_marks()
    source.check_untouched()


NO_COLUMNS = [5.0, -6.0, 1e30, -1e30, np.inf, -np.inf, np.nan]


def test_columns_that_are_not_there():
    """NaN comes out, and nothing goes in."""
    m = Framed(numbered(3, 5))
    indices = cm.CUDAMatrix([NO_COLUMNS])
    target = Framed(np.zeros((3, len(NO_COLUMNS))))
    m.matrix.select_columns(indices, target.matrix)
    assert np.isnan(target.values()).all()
    target.check_marks()
    m.matrix.set_selected_columns(indices, cm.zeros((3, len(NO_COLUMNS))))
    m.check_untouched()
    empty = cm.empty((3, 0))
    assert empty.select_columns(cm.empty((1, 0)), cm.empty((3, 0))).shape == (3, 0)
    assert np.isnan(
        empty.select_columns(cm.zeros((1, 1)), cm.zeros((3, 1))).asarray()
    ).all()


def test_many_selected_columns():
    """Enough elements for several threads."""
    host = numbered(200, 300)
    chosen = np.random.default_rng(0).integers(-300, 300, 250)
    m, indices = cm.CUDAMatrix(host), cm.CUDAMatrix(chosen[None, :])
    got = m.select_columns(indices, cm.empty((200, 250)))
    np.testing.assert_array_equal(got.asarray(), host[:, chosen])
    m.set_selected_columns(indices, cm.zeros((200, 250)))
    host[:, chosen] = 0
    np.testing.assert_array_equal(m.asarray(), host)


SELECTIONS = {
    "target of other columns": ((3, 5), (1, 4), (3, 2), "has shape (1, 4), but (1, 2)"),
    "target of other rows": ((3, 5), (1, 2), (2, 2), "shape (2, 2), but (3, 2)"),
    "column of indices": ((3, 5), (2, 1), (3, 2), "has shape (2, 1), but (1, 2)"),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections_that_do_not_fit(name):
    *shapes, message = SELECTIONS[name]
    m, indices, part = (cm.zeros(shape) for shape in shapes)
    for call in (m.select_columns, m.set_selected_columns):
        with pytest.raises(cm.CUDAMatException) as error:
            call(indices, part)
        assert message in str(error.value)
    square = cm.zeros((1, 1))
    for arguments in ((square, square), (square, cm.zeros((1, 1)))):
        with pytest.raises(cm.CUDAMatException, match="the target overlaps"):
            square.set_selected_columns(*arguments)
    for arguments in ((None, part), (indices, None), ([0], part)):
        with pytest.raises(cm.CUDAMatException):
            m.select_columns(*arguments)


# ----------------------------------------------------------------------- elements


@pytest.mark.parametrize("trans", [False, True])
def test_single_elements(trans):
    m = Framed(numbered(3, 5), trans)
    assert m.matrix.read_value(2, 1) == 11.0
    assert m.matrix.write_value(1, 4, -7.5) is m.matrix
    want = numbered(3, 5)
    want[1, 4] = -7.5
    np.testing.assert_array_equal(m.values(), want)
    m.check_marks()


@pytest.mark.parametrize(("row", "col"), [(3, 0), (0, 5), (-1, 0), (0, -1), (2**62, 0)])
def test_elements_that_are_not_there(row, col):
    m = cm.zeros((3, 5))
    for call in (m.read_value, lambda r, c: m.write_value(r, c, 1.0)):
        with pytest.raises(cm.CUDAMatException) as error:
            call(row, col)
        assert str(error.value).endswith(
            f"row {row}, column {col} is not within a matrix of shape (3, 5)"
        )
    assert m.total() == 0
    for wrong in (None, 0.5, "a"):
        with pytest.raises(cm.CUDAMatException, match="must be a whole number"):
            m.read_value(wrong, 0)
    with pytest.raises(cm.CUDAMatException, match="must be a number, but it is a str"):
        m.write_value(0, 0, "a")
