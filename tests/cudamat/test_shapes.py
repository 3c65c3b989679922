"""Shapes that change in place, copies and frees, host arrays of other sizes."""

import gc
import random

import numpy as np
import pytest

import cudamat as cm


def numbered(rows, cols) -> np.ndarray:
    return np.arange(rows * cols, dtype=np.float64).reshape(rows, cols)


# ----------------------------------------------------------------------- reshape

SHAPES = [((4, 3), (4, 3)), ((2, 6), (2, 6)), ((12, 1), (12, 1)), ((1, 12), (1, 12))]
SHAPES += [((-1, 6), (2, 6)), ((4, -1), (4, 3)), ((-1, 1), (12, 1)), ((1, -1), (1, 12))]


@pytest.mark.parametrize(("shape", "result"), SHAPES)
def test_reshape(shape, result):
    """Column by column, on the board and on the host."""
    m = cm.CUDAMatrix(numbered(3, 4))
    assert m.reshape(shape) is m
    want = numbered(3, 4).reshape(result, order="F")
    assert m.shape == m.numpy_array.shape == result
    np.testing.assert_array_equal(m.numpy_array, want)
    np.testing.assert_array_equal(m.asarray(), want)
    m.numpy_array[...] = -want
    m.copy_to_device()
    np.testing.assert_array_equal(m.copy().asarray(), -want)


def test_reshape_of_views():
    m = cm.CUDAMatrix(numbered(3, 4))
    m.slice(1, 3).reshape((2, 3)).slice(0, 1).assign(-1.0)
    want = numbered(3, 4)
    want[:2, 1] = -1
    np.testing.assert_array_equal(m.asarray(), want)
    vector = cm.CUDAMatrix(numbered(1, 6))
    assert vector.T.reshape((2, 3)).asarray().tolist() == [[0, 2, 4], [1, 3, 5]]
    assert cm.empty((0, 3)).reshape((5, 0)).shape == (5, 0)
    assert cm.empty((0, 3)).reshape((-1, 2)).shape == (0, 2)


NO_SHAPES = [(3, 5), (-1, 5), (5, -1), (-1, -1), (-3, -4), (-1, 0), (0, -1), (0, 0)]


@pytest.mark.parametrize("shape", NO_SHAPES)
def test_shapes_of_another_size(shape):
    m = cm.CUDAMatrix(numbered(3, 4))
    with pytest.raises(cm.CUDAMatException) as error:
        m.reshape(shape)
    assert str(error.value) == (
        f"a matrix of shape (3, 4) cannot take the shape {shape}"
    )
    assert m.shape == m.numpy_array.shape == (3, 4)


def test_what_cannot_be_reshaped():
    with pytest.raises(cm.CUDAMatException, match="view cannot be reshaped; copy it"):
        cm.zeros((3, 4)).T.reshape((3, 4))
    for shape in (None, 12, (12,), (2, 3, 2), (1.5, 8), "ab"):
        with pytest.raises(cm.CUDAMatException, match="a shape is two whole numbers"):
            cm.zeros((3, 4)).reshape(shape)


# ----------------------------------------------------------------------- transpose


def test_set_trans():
    """What follows sees the transpose; so does the host."""
    m = cm.CUDAMatrix(numbered(2, 3))
    m.set_trans(True)
    assert m.shape == m.numpy_array.shape == (3, 2)
    np.testing.assert_array_equal(m.sum(0).asarray(), [[3, 12]])
    np.testing.assert_array_equal(m.mean(1).asarray(), [[1.5], [2.5], [3.5]])
    product = cm.dot(m, cm.CUDAMatrix(numbered(2, 1)))
    np.testing.assert_array_equal(product.asarray(), numbered(2, 3).T @ numbered(2, 1))
    m.set_trans(True)
    np.testing.assert_array_equal(m.asarray(), numbered(2, 3).T)
    m.copy_to_device()
    m.set_trans(False)
    np.testing.assert_array_equal(m.asarray(), numbered(2, 3))


def test_transpose():
    m = cm.CUDAMatrix(numbered(3, 4))
    copy = m.transpose()
    m.assign(0.0)
    np.testing.assert_array_equal(copy.asarray(), numbered(3, 4).T)
    target = cm.empty((3, 4))
    assert copy.transpose(target=target) is target
    np.testing.assert_array_equal(target.asarray(), numbered(3, 4))
    with pytest.raises(cm.CUDAMatException, match="they must agree"):
        m.transpose(cm.empty((3, 4)))
    square = cm.zeros((3, 3))
    with pytest.raises(cm.CUDAMatException, match="shifted or transposed"):
        square.transpose(square)


# ----------------------------------------------------------------------- copies


def test_copy_with_the_host():
    m = cm.CUDAMatrix(numbered(2, 3))
    m.numpy_array[0, 0] = 9.0
    assert m.copy().numpy_array is None
    both = m.copy(include_host=True)
    assert both.numpy_array[0, 0] == 9.0
    assert not np.shares_memory(both.numpy_array, m.numpy_array)
    assert both.asarray()[0, 0] == 0.0
    assert cm.empty((2, 2)).copy(include_host=True).numpy_array is None
    assert cm.empty_like(m.T).shape == (3, 2)
    with pytest.raises(cm.CUDAMatException, match="m must be a CUDAMatrix"):
        cm.empty_like((2, 2))


def test_smaller_arrays():
    """The matrix has their shape from then on, and may grow as far as it once was."""
    m = cm.CUDAMatrix(numbered(3, 8))
    for cols in (5, 0, 6, 8):
        assert m.overwrite(-numbered(3, cols)) is m
        assert m.shape == (3, cols)
        np.testing.assert_array_equal(m.asarray(), -numbered(3, cols))
    m.overwrite(numbered(2, 2), copy_to_device=False)
    assert m.numpy_array.tolist() == [[0, 1], [2, 3]]
    m.copy_to_device()
    assert m.total() == 6.0


def test_host_arrays_that_stay_there():
    m = cm.CUDAMatrix(numbered(1, 2))
    assert m.overwrite([[5.0, 6.0]], copy_to_device=False) is m
    assert m.total() == 1.0
    m.copy_to_device()
    assert m.total() == 11.0


def test_arrays_that_do_not_fit():
    m = cm.CUDAMatrix(numbered(3, 4))
    views = [m.slice(0, 4), m.T, m.slice(0, 2)]  # of a view nothing may be left over
    for matrix in [m, *views]:
        for shape in ((3, 5), matrix.shape[::-1], (12, 1), (1,), (2, 2, 2), ()):
            before = matrix.shape
            with pytest.raises(cm.CUDAMatException, match="was given for a matrix of"):
                matrix.overwrite(np.zeros(shape))
            assert matrix.shape == before
    for view in views:
        with pytest.raises(cm.CUDAMatException, match="was given for a matrix of"):
            view.overwrite(np.zeros((1, 1)))


# ----------------------------------------------------------------------- frees


def test_freeing_a_view_leaves_the_matrix():
    m = cm.CUDAMatrix(numbered(3, 4))
    for view in (m.T, m.slice(1, 2), m.slice(0, 4)):
        other = view.T
        view.free_device_memory()
        with pytest.raises(cm.CUDAMatException, match=r"was it freed\?"):
            view.total()
        view.free_device_memory()
        assert other.T.shape == view.shape
        other.total()
    np.testing.assert_array_equal(m.asarray(), numbered(3, 4))


def test_freed_memory_can_be_had_again():
    """As in cudamat 0.3; views of what was there before stay without."""
    m = cm.CUDAMatrix(numbered(3, 4))
    view = m.T
    m.free_device_memory()
    m.copy_to_device()
    np.testing.assert_array_equal(m.copy().asarray(), numbered(3, 4))
    assert m.slice(0, 1).total() == 12.0
    with pytest.raises(cm.CUDAMatException, match=r"was it freed\?"):
        view.total()
    m.free_device_memory()
    with pytest.raises(cm.CUDAMatException, match=r"was it freed\?"):
        m.total()


@pytest.mark.slow
def test_a_million_matrices_and_views():
    """Created and dropped in random order, some freed early: nothing is left."""
    gc.collect()
    before = cm.memory_in_use()
    draw = random.Random(5)
    alive = [cm.zeros((4, 4)) for _ in range(64)]
    kinds = (
        lambda m: cm.empty((4, 4)),
        lambda m: cm.empty((0, 4)),
        lambda m: m.T,
        lambda m: m.T.T,
        lambda m: m.T.T.col_slice(0, m.shape[1]) if not m.mat.trans else m.T,
        lambda m: m.T.reshape((-1, 1)) if 1 in m.shape else m,
    )
    made = 0
    while made < 1_000_000:
        place = int(draw.random() * 64)
        kind = int(draw.random() * 6)
        alive[place] = kinds[kind](alive[int(draw.random() * 64)])
        made += 1 + (kind == 3) + 2 * (kind == 4)
        if made % 1000 == 0:
            alive[place].free_device_memory()
    # at most 64 different buffers of 16 elements can still be in use
    assert cm.memory_in_use() - before <= 64 * 16 * cm.real_type().itemsize
    alive.clear()
    assert cm.memory_in_use() == before
