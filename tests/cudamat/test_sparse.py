"""Products with frames that are mostly zero, against numpy's with all of them."""

import ctypes as ct

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import lib
from cudamat.sparse import MOST_DENSITY, NonZeros, Order
from tests.cudamat.framed import Framed, assert_close, rounded

pytestmark = pytest.mark.skipif(
    not cm.sparse.is_worthwhile(), reason="a CUDA board has no sparse product"
)

DIMS, FRAMES = 50, 6


def frames(batch, density=0.1, dims=DIMS, seed=0):
    """(dims, FRAMES batch) with about `density` of it not zero; column 1 is all zero
    and row 2 is lit in no column: empty ranges in the lists."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((dims, FRAMES * batch))
    x[rng.random(x.shape) >= density] = 0
    x[:, 1] = 0
    x[2] = 0
    return rounded(x)


def in_order(x, order, batch):
    """The frames of x in the order, side by side."""
    chosen = [order.first + order.step * t for t in range(order.frames)]
    return np.hstack([x[:, f * batch : (f + 1) * batch] for f in chosen])


ORDERS = [
    Order(0, 1, FRAMES),
    Order(2, 1, 3),
    Order(4, -1, 4),
    Order(FRAMES - 1, -1, FRAMES),
    Order(3, 1, 1),
    Order(0, -1, 1),
]

# rows: strips of 32 are added up together, so one less, one more, several, and a part
ROWS = [1, 31, 32, 33, 160, 200]


def listed(x):
    nonzeros = NonZeros(*x.shape)
    assert nonzeros.fill(cm.CUDAMatrix(x))
    return nonzeros


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("batch", [1, 4, 7])
@pytest.mark.parametrize("rows", ROWS)
def test_product_and_gradient(rows, batch, order):
    x = frames(batch)
    nonzeros = listed(x)
    seen = in_order(x, order, batch)
    rng = np.random.default_rng(1)
    w = rounded(rng.standard_normal((rows, DIMS)))
    g = rounded(rng.standard_normal((rows, seen.shape[1])))

    # sums of at most 50 (or 42) products in the order of the non-zeros
    target = Framed(np.full((rows, seen.shape[1]), np.nan))
    nonzeros.product(cm.CUDAMatrix(w), order, batch, target.matrix)
    assert_close(target.values(), w @ seen, 16, np.abs(w) @ np.abs(seen))
    target.check_marks()

    target = Framed(np.full((rows, DIMS), np.nan))
    nonzeros.gradient(cm.CUDAMatrix(g), order, batch, target.matrix)
    assert_close(target.values(), g @ seen.T, 16, np.abs(g) @ np.abs(seen.T))
    target.check_marks()


def test_the_lists_hold_every_non_zero_in_order():
    x = frames(4)
    nonzeros = listed(x)
    lists = nonzeros.lists

    def read(address, count, kind):
        return np.ctypeslib.as_array(
            ct.cast(address, ct.POINTER(kind)), shape=(count,)
        ).copy()

    real = ct.c_double if cm.real_type() == np.float64 else ct.c_float
    total = np.count_nonzero(x)
    columns, rows = np.nonzero(x.T)  # column after column
    starts = np.concatenate([[0], np.cumsum((x != 0).sum(axis=0))])
    column_start = read(lists.column_start, x.shape[1] + 1, ct.c_int32)
    np.testing.assert_array_equal(column_start, starts)
    np.testing.assert_array_equal(read(lists.entry_row, total, ct.c_int32), rows)
    values = read(lists.entry_value, total, real)
    np.testing.assert_array_equal(values, x[rows, columns])

    rows, columns = np.nonzero(x)  # row after row
    starts = np.concatenate([[0], np.cumsum((x != 0).sum(axis=1))])
    row_start = read(lists.row_start, DIMS + 1, ct.c_int32)
    np.testing.assert_array_equal(row_start, starts)
    np.testing.assert_array_equal(read(lists.entry_column, total, ct.c_int32), columns)
    values = read(lists.row_value, total, real)
    np.testing.assert_array_equal(values, x[rows, columns])


def test_frames_that_are_not_sparse_are_not_listed():
    x = frames(4)
    nonzeros = NonZeros(*x.shape)
    room = int(MOST_DENSITY * x.size)
    flat = np.zeros(x.size)
    flat[:room] = 1
    full = flat.reshape(x.shape, order="F")
    assert nonzeros.fill(cm.CUDAMatrix(full))
    flat[room] = 1
    full = flat.reshape(x.shape, order="F")
    assert not nonzeros.fill(cm.CUDAMatrix(full))
    assert nonzeros.fill(cm.CUDAMatrix(x)), "and can be used again"


def test_nan_and_infinity_are_no_zeros():
    x = frames(2)
    x[5, 0], x[6, 0] = np.nan, np.inf
    target = cm.empty((3, 2))
    listed(x).product(cm.CUDAMatrix(np.ones((3, DIMS))), Order(0, 1, 1), 2, target)
    got = target.asarray()
    assert np.isnan(got[:, 0]).all() and np.isfinite(got[:, 1]).all()


def test_fewer_columns_than_there_is_room_for():
    nonzeros = NonZeros(DIMS, FRAMES * 7)
    for batch in (7, 3, 5):
        x = frames(batch)
        assert nonzeros.fill(cm.CUDAMatrix(x))
        order = Order(FRAMES - 1, -1, FRAMES)
        target = cm.empty((8, FRAMES * batch))
        nonzeros.product(cm.CUDAMatrix(np.ones((8, DIMS))), order, batch, target)
        want = np.ones((8, DIMS)) @ in_order(x, order, batch)
        assert_close(target.asarray(), want, 16, np.abs(x).sum(axis=0).max())


def test_threads_do_not_change_a_bit():
    """Each strip is one thread's, whichever it is."""
    x = frames(40, dims=300)
    w = cm.CUDAMatrix(np.random.default_rng(2).standard_normal((333, 300)))
    results = []
    before = cm.threads()
    for threads in (1, 2):
        cm.set_threads(threads)
        target = cm.empty((333, FRAMES * 40))
        listed(x).product(w, Order(0, 1, FRAMES), 40, target)
        results.append(target.asarray().tobytes())
    cm.set_threads(before)
    assert results[0] == results[1]


WRONG = {
    "frames beyond the end": (Order(3, 1, 4), 4, "frames 3 to 6 are not within the 6"),
    "frames before 0": (Order(2, -1, 4), 4, "frames 2 to -1 are not within the 6"),
    "step of 2": (Order(0, 2, 2), 4, "in steps of 2"),
    "no batch": (Order(0, 1, 4), 0, "4 frames of 0 cases"),
    "more columns than frames": (Order(0, 1, 2), 4, "are not 16 columns"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_orders(name):
    order, batch, message = WRONG[name]
    columns = 16 if order.frames == 2 and order.step == 1 else order.frames * batch
    nonzeros = listed(frames(4))
    with pytest.raises(cm.CUDAMatException, match=message):
        nonzeros.product(cm.zeros((8, DIMS)), order, batch, cm.zeros((8, columns)))
    with pytest.raises(cm.CUDAMatException, match=message):
        nonzeros.gradient(cm.zeros((8, columns)), order, batch, cm.zeros((8, DIMS)))


def test_wrong_shapes_and_missing_lists():
    nonzeros, order = listed(frames(4)), Order(0, 1, 2)
    with pytest.raises(cm.CUDAMatException, match="the weights has shape"):
        nonzeros.product(cm.zeros((8, DIMS + 1)), order, 4, cm.zeros((8, 8)))
    with pytest.raises(cm.CUDAMatException, match="target has shape"):
        nonzeros.gradient(cm.zeros((8, 8)), order, 4, cm.zeros((8, DIMS + 1)))
    with pytest.raises(cm.CUDAMatException, match="the lists of non-zeros are missing"):
        lib.cm_sparse_product(cm.zeros((8, DIMS)), None, None, cm.zeros((8, 8)))
