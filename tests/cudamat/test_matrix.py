"""Matrices: host and board, views, and who owns the memory."""

import gc

import numpy as np
import pytest

import cudamat as cm
from tests.cudamat.framed import MARK, Framed


@pytest.fixture
def in_use():
    """Bytes in use before a test; after it they must be the same."""
    gc.collect()
    before = cm.memory_in_use()
    yield before
    gc.collect()
    assert cm.memory_in_use() == before


def numbered(rows, cols) -> np.ndarray:
    return np.arange(rows * cols, dtype=np.float64).reshape(rows, cols)


# ----------------------------------------------------------------------- host and board

ARRAYS = {
    "C order": np.ascontiguousarray(numbered(3, 4)),
    "Fortran order": np.asfortranarray(numbered(3, 4)),
    "strided": numbered(6, 8)[::2, ::-2],
    "float32": numbered(3, 4).astype(np.float32),
    "whole numbers": numbered(3, 4).astype(np.int16),
    "truth values": numbered(3, 4) > 5,
    "lists": [[1, 2.5], [3, 4]],
    "row": numbered(1, 5),
    "column": numbered(5, 1),
    "no rows": np.zeros((0, 3)),
    "no columns": np.zeros((3, 0)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_there_and_back(name):
    array = ARRAYS[name]
    m = cm.CUDAMatrix(array)
    got = m.asarray()
    assert got is m.numpy_array
    assert got.dtype == cm.real_type() and got.flags.f_contiguous
    assert m.shape == np.shape(array)
    np.testing.assert_array_equal(got, array)
    np.testing.assert_array_equal(m.T.asarray(), np.transpose(array))
    m.assign(7.0).overwrite(np.asarray(array))
    np.testing.assert_array_equal(m.asarray(), array)
    transposed = cm.empty(m.shape[::-1]).T.overwrite(np.asarray(array))
    np.testing.assert_array_equal(transposed.asarray(), array)
    for target in (cm.empty(m.shape), cm.empty(m.shape[::-1]).T):
        np.testing.assert_array_equal(target.upload(np.asarray(array)).asarray(), array)


@pytest.mark.parametrize("rows", [3, 1 << 19, (1 << 20) + 1, (1 << 21) + 5])
def test_uploads_follow_each_other(rows):
    """What is asked for between them sees each in its turn, though the host's memory
    has changed meanwhile; from a few bytes to more than are sent in one piece."""
    host = np.arange(2.0 * rows, dtype=cm.real_type()).reshape((rows, 2), order="F")
    expected, host = [], host % 1000  # whole numbers, so that sums are exact
    m, total = cm.zeros(host.shape), cm.zeros(host.shape)
    for _ in range(4):
        m.upload(host)
        total.add(m)
        expected.append(host.copy())
        host += 1
        host[::7] *= 3
    np.testing.assert_array_equal(total.asarray(), np.sum(expected, axis=0))


def test_copies_between_host_and_board():
    m = cm.CUDAMatrix([[1.0, 2.0]])
    m.numpy_array[0, 0] = 5.0
    assert m.copy().asarray()[0, 0] == 1.0  # not yet on the board
    m.copy_to_device()
    assert m.copy().asarray()[0, 0] == 5.0
    m.assign(8.0)
    assert m.numpy_array[0, 0] == 5.0  # not yet on the host
    m.copy_to_host()
    assert m.numpy_array.tolist() == [[8.0, 8.0]]


def test_the_given_array_is_copied_unless_told_not_to():
    array = np.asfortranarray(numbered(2, 3).astype(cm.real_type()))
    assert cm.CUDAMatrix(array).numpy_array is not array
    assert cm.CUDAMatrix(array, copy_on_host=False).numpy_array is array
    assert cm.reformat(array, copy=False) is array
    assert cm.reformat(array) is not array
    cm.CUDAMatrix(array).assign(0.0).asarray()
    assert array[0, 1] == 1.0


def test_zeros_empty_size_repr():
    m = cm.zeros((2, 3))
    assert (m.asarray() == 0).all()
    assert m.size == 6 and m.T.shape == (3, 2)
    assert cm.empty((np.int64(2), 3)).shape == (2, 3)
    assert "(2, 3)" in repr(m) and str(cm.real_type()) in repr(m)
    assert "transposed" in repr(m.T)


# ----------------------------------------------------------------------- views


def test_views_share_memory():
    m = cm.CUDAMatrix(numbered(3, 5))
    m.slice(1, 3).assign(-1.0)
    m.col_slice(4, 5).T.assign(-2.0)
    want = numbered(3, 5)
    want[:, 1:3], want[:, 4] = -1, -2
    np.testing.assert_array_equal(m.asarray(), want)
    np.testing.assert_array_equal(m.T.T.slice(1, 4).slice(1, 3).asarray(), want[:, 2:4])
    assert m.slice(2, 2).shape == (3, 0)


def test_row_ranges():
    host = numbered(7, 4)
    m = cm.CUDAMatrix(host)
    np.testing.assert_array_equal(m.get_row_slice(2, 5).asarray(), host[2:5])
    assert m.get_row_slice(3, 3).shape == (0, 4)
    for matrix, values in ((m, host), (cm.CUDAMatrix(host.T).T, host)):
        for transposed in (False, True):
            target = Framed(np.full((3, 4), np.nan), transposed)
            assert matrix.get_row_slice(1, 4, target.matrix) is target.matrix
            np.testing.assert_array_equal(target.values(), values[1:4])
            target.check_marks()


@pytest.mark.parametrize("source_transposed", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_setting_row_ranges(transposed, source_transposed):
    target = Framed(numbered(7, 4), transposed)
    source = Framed(-numbered(2, 4), source_transposed)
    assert target.matrix.set_row_slice(4, 6, source.matrix) is target.matrix
    want = numbered(7, 4)
    want[4:6] = -numbered(2, 4)
    np.testing.assert_array_equal(target.values(), want)
    target.check_marks()
    source.check_untouched()


def test_large_row_ranges():
    """Enough elements for several threads."""
    host = numbered(300, 120)
    m = cm.CUDAMatrix(host)
    np.testing.assert_array_equal(m.get_row_slice(50, 250).asarray(), host[50:250])
    m.set_row_slice(100, 290, cm.zeros((190, 120)))
    host[100:290] = 0
    np.testing.assert_array_equal(m.asarray(), host)


RANGES = [(-1, 2), (2, 1), (0, 5), (5, 5), (2**64, 2**64 + 1), (2**63 - 1, 2**63)]


@pytest.mark.parametrize(("first", "last"), RANGES)
def test_ranges_outside_of_the_matrix(first, last):
    m = cm.zeros((4, 4))
    for what, call in {
        "columns": lambda: m.slice(first, last),
        "rows": lambda: m.get_row_slice(first, last),
    }.items():
        with pytest.raises(cm.CUDAMatException) as error:
            call()
        assert str(error.value) == (
            f"{what} {first} to {last} are not within a matrix of shape (4, 4)"
        )
    with pytest.raises(cm.CUDAMatException, match="are not within a matrix"):
        m.set_row_slice(first, last, cm.zeros((1, 4)))


def test_row_ranges_of_another_size():
    m = cm.zeros((4, 4))
    with pytest.raises(cm.CUDAMatException, match="has 3 rows, but the range has 2"):
        m.set_row_slice(0, 2, cm.zeros((3, 4)))
    with pytest.raises(cm.CUDAMatException, match="has 3 rows, but the range has 2"):
        m.get_row_slice(0, 2, cm.zeros((3, 4)))
    with pytest.raises(cm.CUDAMatException, match="3 columns, are not within a matrix"):
        m.get_row_slice(0, 2, cm.zeros((2, 3)))
    with pytest.raises(cm.CUDAMatException, match="the target overlaps the matrix"):
        m.get_row_slice(0, 4, m)


def test_columns_of_a_transposed_view():
    with pytest.raises(cm.CUDAMatException, match="columns of a transposed view"):
        cm.zeros((4, 4)).T.slice(0, 2)


# ----------------------------------------------------------------------- ownership


def test_bytes_in_use(in_use):
    size = cm.real_type().itemsize
    m = cm.empty((10, 20))
    assert cm.memory_in_use() == in_use + 200 * size
    views = [m.T, m.slice(0, 3), m.slice(0, 3).T]
    assert cm.memory_in_use() == in_use + 200 * size
    copy = m.copy()
    assert cm.memory_in_use() == in_use + 400 * size
    del m, copy
    assert cm.memory_in_use() == in_use + 200 * size  # the views keep it
    views.clear()
    assert cm.memory_in_use() == in_use


def test_views_keep_memory_alive(in_use):
    view = cm.CUDAMatrix(numbered(100, 100)).slice(40, 50).T
    others = [cm.empty((100, 100)).assign(MARK) for _ in range(20)]
    np.testing.assert_array_equal(view.asarray(), numbered(100, 100)[:, 40:50].T)
    del view, others


def test_created_and_dropped_in_any_order(in_use):
    """Matrices, views, views of views, copies and early frees, 20,000 of them."""
    rng = np.random.default_rng(5)
    alive = [cm.zeros((4, 4))]
    for step in range(20_000):
        m = alive[rng.integers(len(alive))]
        cols = m.shape[1]
        kind = step % 5
        if kind == 0 or cols < 2:
            alive.append(cm.empty(tuple(rng.integers(0, 9, 2))))
        elif kind == 1:
            alive.append(m.T)
        elif kind == 2 and "transposed" not in repr(m):
            alive.append(m.slice(1, cols))
        elif kind == 3 and step % 4 == 0:
            m.free_device_memory()
        if len(alive) > 50:
            del alive[rng.integers(len(alive))]
    del m
    alive.clear()


def test_freed_memory_is_not_used_again(in_use):
    m = cm.zeros((3, 4))
    views = [m.T, m.slice(1, 2), m.slice(1, 2).T]
    m.free_device_memory()
    assert cm.memory_in_use() == in_use
    m.free_device_memory()  # again: nothing
    for matrix in [m, *views, m.T]:
        for use in (
            matrix.asarray,
            matrix.copy,
            matrix.total,
            lambda matrix=matrix: matrix.assign(1.0),
            lambda matrix=matrix: matrix.overwrite(np.zeros(matrix.shape)),
            lambda matrix=matrix: cm.dot(matrix, matrix.T),
        ):
            with pytest.raises(cm.CUDAMatException, match=r"was it freed\?"):
                use()


def test_freeing_an_empty_matrix():
    m = cm.empty((0, 3))
    m.free_device_memory()
    assert m.asarray().shape == (0, 3)


# ----------------------------------------------------------------------- shapes

TOO_LARGE = [(2**40, 2**40), (2**62, 2), (2**31, 2**31), (1, 2**59), (2**70, 0)]


@pytest.mark.parametrize("shape", [(-1, 2), (2, -1), *TOO_LARGE])
def test_shapes_that_cannot_be(shape):
    with pytest.raises(cm.CUDAMatException) as error:
        cm.empty(shape)
    assert str(error.value) == f"a matrix cannot have the shape {shape}"


@pytest.mark.parametrize("shape", [None, 3, (3,), (1, 2, 3), (1.5, 2), "ab", (None, 1)])
def test_what_is_no_shape(shape):
    with pytest.raises(cm.CUDAMatException, match="a shape is two whole numbers"):
        cm.empty(shape)


def test_out_of_memory(in_use):
    with pytest.raises(cm.CUDAMatException) as error:
        cm.empty((10**6, 10**8))
    wanted = 1e14 * cm.real_type().itemsize / 1e6
    assert f"out of memory: {wanted:.1f} MB were wanted and " in str(error.value)
    assert str(error.value).endswith(" MB are free")
    assert cm.zeros((2, 2)).total() == 0.0  # and it goes on


NO_ARRAYS = {
    "None": (None, r"shape \(\) was given; a matrix has 2 dimensions"),
    "number": (3.0, r"shape \(\) was given; a matrix has 2 dimensions"),
    "vector": ([1.0, 2.0], r"shape \(2,\) was given"),
    "cube": (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\) was given"),
    "ragged": ([[1.0], [1.0, 2.0]], "this is no array of real numbers"),
    "text": ([["a", "b"]], "this is no array of real numbers"),
    "complex": ([[1j]], "this is no array of real numbers: they are complex"),
    "objects": ([[{}]], "this is no array of real numbers"),
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_what_is_no_matrix(name):
    array, message = NO_ARRAYS[name]
    with pytest.raises(cm.CUDAMatException, match=message):
        cm.CUDAMatrix(array)


def test_host_arrays_of_another_shape():
    for method in ("overwrite", "upload"):
        with pytest.raises(cm.CUDAMatException) as error:
            getattr(cm.zeros((2, 3)), method)(np.zeros((3, 2)))
        assert str(error.value) == (
            "an array of shape (3, 2) was given for a matrix of shape (2, 3)"
        )
    with pytest.raises(cm.CUDAMatException, match="copy_to_host"):
        cm.empty((2, 2)).copy_to_device()
