"""Distributions beyond the table: slices of a row, large logits, what the gradient is
the gradient of, labels that are none."""

import numpy as np
import pytest

import cudamat as cm
from tests.cudamat.framed import Framed


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("num_slices", [None, 1, 2, 3, 6, 12])
def test_slices_of_a_row(num_slices, trans):
    """Each so many consecutive elements of a row are a distribution."""
    x = np.random.default_rng(0).standard_normal((5, 12))
    m = Framed(x, trans)
    assert m.matrix.apply_softmax_row_major(num_slices) is m.matrix
    want = softmax(x.reshape(5, -1, num_slices or 12), 2).reshape(5, 12)
    np.testing.assert_allclose(m.values(), want, 1e-5)  # float's exp of a difference
    m.check_marks()


@pytest.mark.parametrize("num_slices", [0, -1, 5, 13, 2**62])
def test_slices_that_do_not_divide_a_row(num_slices):
    m = cm.zeros((5, 12))
    with pytest.raises(cm.CUDAMatException) as error:
        m.apply_softmax_row_major(num_slices)
    assert str(error.value) == (
        "softmax_row_major: rows of 12 values do not divide into slices of "
        f"{num_slices}"
    )
    assert m.total() == 0


def test_large_logits_do_not_overflow():
    m = cm.CUDAMatrix([[1e4, -1e4, 0.0], [1e4 - 1, -1e4, -1e4], [-1e4, -1e4, 500.0]])
    want = [[0.7310586, 1 / 3, 0], [0.2689414, 1 / 3, 0], [0, 1 / 3, 1]]
    target = m.apply_softmax(target=cm.empty((3, 3)))
    np.testing.assert_allclose(target.asarray(), want, 1e-4, 1e-30)
    np.testing.assert_allclose(
        m.T.apply_softmax_row_major().T.asarray(), want, 1e-4, 1e-30
    )


@pytest.mark.skipif(
    cm.real_type() != np.float64, reason="differences of floats are too coarse"
)
def test_the_gradient_is_that_of_the_cross_entropy():
    """Central differences of the library's own loss, -log p of the label."""
    x = np.random.default_rng(1).standard_normal((4, 6))
    labels = cm.CUDAMatrix([[0.0, 3, 1, 1, 2, 0]])

    def loss(values):
        p = cm.CUDAMatrix(values).apply_softmax()
        return p.get_softmax_cross_entropy(labels, tiny=0.0).total()

    p = cm.CUDAMatrix(x).apply_softmax()
    gradient = p.apply_softmax_grad(labels, target=cm.empty(p.shape)).asarray()
    by_rows = p.T.copy().apply_softmax_grad_row_major(labels.T).asarray().T
    np.testing.assert_array_equal(by_rows, gradient)
    for place in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[place] += 1e-5
        down[place] -= 1e-5
        slope = (loss(up) - loss(down)) / 2e-5
        assert abs(slope - gradient[place]) < 1e-9  # curvature, and 1e-16 / 1e-5


NO_CLASSES = [3.0, -1.0, 1.5, 1e30, -1e30, np.inf, -np.inf, np.nan]


def test_labels_that_are_no_classes():
    """They are wrong, cost NaN, and nothing outside of the matrix is touched."""
    p = softmax(np.random.default_rng(2).standard_normal((3, len(NO_CLASSES))), 0)
    m, labels = Framed(p), cm.CUDAMatrix([NO_CLASSES])
    assert m.matrix.get_softmax_correct(labels).total() == 0
    assert np.isnan(m.matrix.get_softmax_cross_entropy(labels).asarray()).all()
    before = m.values()
    m.matrix.apply_softmax_grad(labels)
    np.testing.assert_array_equal(m.values(), before)
    m.check_marks()


def test_the_first_of_equals_is_the_largest():
    m = cm.CUDAMatrix([[1.0, 2.0], [1.0, 3.0], [1.0, 3.0]])
    correct = m.get_softmax_correct(cm.CUDAMatrix([[0.0, 1.0]]))
    assert correct.asarray().tolist() == [[1, 1]]
    correct = m.get_softmax_correct(cm.CUDAMatrix([[2.0, 2.0]]))
    assert correct.asarray().tolist() == [[0, 0]]


def test_shapes_that_do_not_fit():
    m = cm.zeros((3, 4))
    for labels in (cm.zeros((1, 3)), cm.zeros((4, 1)), cm.zeros((3, 4))):
        for name in ("get_softmax_correct", "get_softmax_cross_entropy"):
            with pytest.raises(cm.CUDAMatException, match=r"but \(1, 4\) is needed"):
                getattr(m, name)(labels)
        with pytest.raises(cm.CUDAMatException, match=r"but \(3, 1\) is needed"):
            m.get_softmax_correct_row_major(labels)
    with pytest.raises(cm.CUDAMatException, match="the vector of labels is missing"):
        m.get_softmax_correct(None)
