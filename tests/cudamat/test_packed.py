"""Matrices that are packed once and multiplied many times, against numpy."""

import ctypes as ct

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import lib
from tests.cudamat.framed import Framed, assert_close, rounded


def random(*shape, seed=0):
    return rounded(np.random.default_rng(seed).standard_normal(shape))


def can_pack(rows: int, depth: int) -> bool:
    count = ct.c_int64()
    lib.cm_packed_size(cm.empty((rows, depth)), ct.byref(count))
    return count.value > 0


# Rows, depth and columns: whole strips, blocks and tiles, one more and one less; no
# column and many; a matrix that is too small to be packed.
SHAPES = [
    (512, 128, 80),
    (128, 512, 12),
    (129, 513, 13),
    (127, 511, 11),
    (33, 1025, 1),
    (1000, 17, 25),
    (300, 77, 0),
    (5, 7, 3),
]


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("transposed", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("shape", SHAPES)
def test_product(shape, transposed, beta):
    rows, depth, columns = shape
    a, b = random(rows, depth), random(depth, columns, seed=1)
    c = random(rows, columns, seed=2)
    left, right = (
        cm.CUDAMatrix(x.T).T if trans else cm.CUDAMatrix(x)
        for x, trans in zip((a, b), transposed, strict=True)
    )
    target = Framed(c)
    cm.Packed().pack(left).dot(right, target.matrix, beta)
    # `depth` products of either sign: their rounding errors do not come near 16 epsilon
    # of the sum of absolute values
    assert_close(
        target.values(), a @ b + beta * c, 16, np.abs(a) @ np.abs(b) + np.abs(c)
    )
    target.check_marks()


def test_columns_of_larger_matrices():
    """As the steps of a sequence: views that begin anywhere."""
    a, b = random(300, 77), random(77, 20, seed=1)
    hidden, gates = Framed(np.tile(b, 3)), Framed(random(300, 60, seed=2))
    packed = cm.Packed().pack(cm.CUDAMatrix(a))
    want = gates.values().copy()
    for t in range(3):
        now = slice(20 * t, 20 * (t + 1))
        views = (m.matrix.slice(now.start, now.stop) for m in (hidden, gates))
        packed.dot(*views, beta=1.0)
        want[:, now] += a @ b
    assert_close(gates.values(), want, 16, np.abs(a) @ np.abs(np.tile(b, 3)) + 5)
    gates.check_marks()
    hidden.check_untouched()


def test_a_target_that_is_not_read_may_hold_anything():
    a, b = random(200, 100), random(100, 9, seed=1)
    target = cm.CUDAMatrix(np.full((200, 9), np.nan))
    cm.Packed().pack(cm.CUDAMatrix(a)).dot(cm.CUDAMatrix(b), target)
    assert_close(target.asarray(), a @ b, 16, np.abs(a) @ np.abs(b))


def test_infinity_stays_where_it_is():
    a, b = random(200, 100), random(100, 13, seed=1)
    a[7], b[:, 12] = np.inf, np.nan
    target = cm.empty((200, 13))
    cm.Packed().pack(cm.CUDAMatrix(a)).dot(cm.CUDAMatrix(b), target)
    odd = ~np.isfinite(target.asarray())
    assert odd[7].all() and odd[:, 12].all()
    assert odd.sum() == 13 + 200 - 1


def test_a_matrix_is_as_it_was_when_it_was_packed_last():
    a, b = random(150, 120), random(120, 8, seed=1)
    if not can_pack(*a.shape):
        pytest.skip("NOT TESTED: without AVX-512, matrices are never packed")
    matrix, packed, target = cm.CUDAMatrix(a), cm.Packed(), cm.empty((150, 8))
    packed.pack(matrix).dot(cm.CUDAMatrix(b), target)
    matrix.mult(2.0)
    before = packed.dot(cm.CUDAMatrix(b), target).asarray().copy()
    packed.pack(matrix)
    after = packed.dot(cm.CUDAMatrix(b), target).asarray()
    np.testing.assert_array_equal(after, 2 * before)  # a power of two rounds nothing


@pytest.mark.skipif(
    cm.real_type() != np.float32, reason="fewer bits are of single precision"
)
def test_fewer_bits_are_those_of_the_plain_product():
    a, b = cm.CUDAMatrix(random(150, 120)), cm.CUDAMatrix(random(120, 8, seed=1))
    cm.set_math_mode("bf16")
    try:
        got = cm.Packed().pack(a).dot(b, cm.empty((150, 8))).asarray()
        want = cm.dot(a, b).asarray()
    finally:
        cm.set_math_mode("fp32")
    np.testing.assert_array_equal(got, want)


def test_the_next_matrix_may_have_another_size():
    packed = cm.Packed()
    for rows, depth in [(200, 100), (3, 4), (100, 200), (200, 300), (130, 200)]:
        a, b = random(rows, depth), random(depth, 6, seed=1)
        got = packed.pack(cm.CUDAMatrix(a)).dot(cm.CUDAMatrix(b), cm.empty((rows, 6)))
        assert_close(got.asarray(), a @ b, 16, np.abs(a) @ np.abs(b))


def test_threads_give_the_same_bytes():
    a, b = cm.CUDAMatrix(random(515, 600)), cm.CUDAMatrix(random(600, 80, seed=1))
    usual, found = cm.threads(), []
    for count in (1, 2, 3):
        cm.set_threads(count)
        target = cm.empty((515, 80))
        found.append(cm.Packed().pack(a).dot(b, target).asarray().tobytes())
    cm.set_threads(usual)
    assert found[0] == found[1] == found[2]


# ---- what does not fit ---------------------------------------------------------------

# The right side and the target; the left side is (200, 100), and has whole strips of
# rows, 224 of them.
WRONG = [
    ((99, 5), (200, 5)),
    ((100, 5), (199, 5)),
    ((100, 5), (224, 5)),
    ((100, 5), (200, 4)),
]


def test_nothing_is_packed_yet():
    with pytest.raises(cm.CUDAMatException, match="nothing has been packed yet"):
        cm.Packed().dot(cm.zeros((2, 2)), cm.zeros((2, 2)))


@pytest.mark.parametrize(("other", "target"), WRONG)
def test_shapes(other, target):
    packed = cm.Packed().pack(cm.zeros((200, 100)))
    with pytest.raises(cm.CUDAMatException, match="shape"):
        packed.dot(cm.zeros(other), cm.zeros(target))


def test_memory_that_is_shared():
    both = cm.zeros((200, 300))
    packed = cm.Packed().pack(cm.zeros((200, 200)))
    with pytest.raises(cm.CUDAMatException, match="overlaps"):
        packed.dot(both.slice(0, 20), both.slice(10, 30))


def test_copies_that_are_none():
    matrix, none = cm.zeros((200, 100)), "nothing would be gained"
    count = ct.c_int64()
    lib.cm_packed_size(matrix, ct.byref(count))
    with pytest.raises(cm.CUDAMatException, match=f"the copy|{none}"):
        lib.cm_pack(matrix, cm.zeros((1, 20)))
    shifted = cm.zeros((1, count.value + 1)).col_slice(1, count.value + 1)
    with pytest.raises(cm.CUDAMatException, match=f"64 bytes|{none}"):
        lib.cm_pack(matrix, shifted)


def test_no_memory_is_taken_again():
    """By a matrix and its transpose in turn, as an LSTM has them."""
    matrix, packed = cm.CUDAMatrix(random(260, 65)), cm.Packed()
    pairs = [(matrix, (65, 3), (260, 3)), (matrix.T, (260, 3), (65, 3))]
    pairs = [(left, cm.zeros(b), cm.zeros(c)) for left, b, c in pairs]
    for left, right, target in pairs:
        packed.pack(left).dot(right, target)
    before = cm.memory_in_use()
    for left, right, target in pairs * 2:
        packed.pack(left).dot(right, target)
        assert cm.memory_in_use() == before
