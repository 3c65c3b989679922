"""Sums beyond the table: precision of totals, and the same bytes on every run and for
any number of threads."""

import numpy as np
import pytest

import cudamat as cm
from tests.cudamat.framed import assert_close, rounded


@pytest.fixture
def thread_count():
    """Puts back the number of threads that a test changes."""
    before = cm.threads()
    yield
    cm.set_threads(before)


def large(seed=0):
    """Enough elements for several threads, of very different sizes."""
    rng = np.random.default_rng(seed)
    return rounded(
        rng.standard_normal((301, 203)) * 10.0 ** rng.uniform(-6, 6, (301, 203))
    )


def test_totals_are_added_up_in_double_precision():
    """In float, 1e8 + 1 is 1e8."""
    m = cm.CUDAMatrix(np.array([[1e8, 1.0, 2.0, -1e8]] * 3))
    assert m.total() == 9.0
    assert cm.vdot(m, cm.zeros(m.shape).assign(1.0)) == 9.0
    assert cm.CUDAMatrix([[1e4, 1.0]]).euclid_norm() == np.sqrt(1e8 + 1)


def test_totals_of_many_equal_terms():
    """Adding 0.1 up a million times in float is off by 1%."""
    value = rounded(0.1)
    m = cm.empty((1000, 1000)).assign(0.1)
    # a million roundings of double precision of either sign: far below 1e-10
    assert abs(m.total() / (1e6 * value) - 1) < 1e-10


def test_sums_of_nothing_are_zero():
    for shape in ((0, 3), (3, 0), (0, 0)):
        m = cm.empty(shape)
        assert m.total() == m.euclid_norm() == cm.vdot(m, m) == 0.0
        for axis in (0, 1):
            assert (m.sum(axis).asarray() == 0).all()


def test_beta_zero_does_not_read_the_target():
    target = cm.CUDAMatrix([[np.nan, np.nan]])
    target.add_sums(cm.CUDAMatrix([[1.0, 2.0], [3.0, 4.0]]), axis=0, beta=0.0)
    assert target.asarray().tolist() == [[4.0, 6.0]]


def test_a_nan_shows():
    m = cm.CUDAMatrix([[1.0, np.nan], [2.0, 3.0]])
    assert np.isnan(m.total()) and np.isnan(m.euclid_norm())
    np.testing.assert_array_equal(m.sum(0).asarray(), [[3.0, np.nan]])
    np.testing.assert_array_equal(m.sum(1).asarray(), [[np.nan], [5.0]])


REDUCTIONS = {
    "total": lambda m: np.float64(m.total()),
    "euclid_norm": lambda m: np.float64(m.euclid_norm()),
    "vdot": lambda m: np.float64(cm.vdot(m, m)),
    "sum_0": lambda m: m.sum(0).asarray(),
    "sum_1": lambda m: m.sum(1).asarray(),
    "sum_0 transposed": lambda m: m.T.sum(0).asarray(),
    "sum_1 transposed": lambda m: m.T.sum(1).asarray(),
    "dot": lambda m: cm.dot(m, m.T).asarray(),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_same_bytes_each_time(name):
    m = cm.CUDAMatrix(large())
    first = REDUCTIONS[name](m).tobytes()
    assert all(REDUCTIONS[name](m).tobytes() == first for _ in range(5))


@pytest.mark.parametrize("name", [name for name in REDUCTIONS if name != "dot"])
def test_same_bytes_for_any_number_of_threads(name, thread_count):
    m = cm.CUDAMatrix(large())
    results = set()
    for threads in (1, 2, 3):
        cm.set_threads(threads)
        results.add(REDUCTIONS[name](m).tobytes())
    assert len(results) == 1


def test_products_of_one_and_of_two_threads_agree(thread_count):
    """BLAS shares out the work in another way, so only to rounding."""
    a = large()
    m = cm.CUDAMatrix(a)
    results = []
    for threads in (1, 2):
        cm.set_threads(threads)
        results.append(cm.dot(m, m.T).asarray())
    scale = np.abs(a) @ np.abs(a).T  # 203 products, errors of either sign
    assert_close(results[0], results[1].astype(np.float64), 16, scale)


@pytest.mark.skipif(cm.load().kind == "cuda", reason="a board has no such setting")
def test_threads_are_as_set(thread_count):
    cm.set_threads(2)
    assert cm.threads() == 2


@pytest.mark.parametrize("count", [0, -1, 10**6])
def test_threads_out_of_range(count):
    with pytest.raises(
        cm.CUDAMatException, match=f"{count} threads; there may be 1 to"
    ):
        cm.set_threads(count)


def test_axis_out_of_range():
    with pytest.raises(cm.CUDAMatException, match="sum: axis is 2; it must be 0 or 1"):
        cm.zeros((2, 3)).sum(2)


def test_shapes_of_a_sum():
    with pytest.raises(cm.CUDAMatException) as error:
        cm.zeros((2, 3)).sum(0, target=cm.zeros((1, 2)))
    assert str(error.value) == "sum: target has shape (1, 2), but (1, 3) is needed"
    with pytest.raises(cm.CUDAMatException, match="they must agree"):
        cm.vdot(cm.zeros((2, 3)), cm.zeros((3, 2)))
