"""Random changes of a matrix: Bernoulli samples and dropout."""

import math

import numpy as np
import pytest

import cudamat as cm
from tests.cudamat.framed import Framed
from tests.cudamat.test_random import start, uniforms

SHAPES = [(1, 1), (5, 3), (3, 4), (131, 127), (0, 3), (3, 0)]


def numbers(shape, trans) -> np.ndarray:
    """The uniform numbers that each element of a matrix meets, counted as stored."""
    count = shape[0] * shape[1]
    stored = uniforms(7, 9, count)
    return stored.reshape(shape, order="C" if trans else "F")


@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("target_trans", [None, False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_samples_follow_from_the_uniform_numbers(shape, trans, target_trans):
    """1 where the element's number is below its probability; without a target, in
    place."""
    values = np.random.default_rng(1).uniform(-0.1, 1.1, shape)
    values = values.astype(np.float32).astype(np.float64)  # exact in both precisions
    m = Framed(values, trans)
    start(7, 9)
    if target_trans is None:
        target, stored = m, trans
        assert m.matrix.sample_bernoulli() is m.matrix
    else:
        target, stored = Framed(np.full(shape, np.nan), target_trans), target_trans
        assert m.matrix.sample_bernoulli(target=target.matrix) is target.matrix
        m.check_untouched()
    np.testing.assert_array_equal(target.values(), numbers(shape, stored) < values)
    target.check_marks()
    assert cm.random_state.offset == 9 + (m.matrix.size + 3) // 4


@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_dropout_follows_from_the_uniform_numbers(shape, trans):
    values = np.random.default_rng(2).integers(1, 100, shape)
    m = Framed(values, trans)
    start(7, 9)
    assert m.matrix.dropout(0.25, val=-3.0, scale=2.0) is m.matrix
    want = np.where(numbers(shape, trans) < 0.25, -3.0, 2.0 * values)
    np.testing.assert_array_equal(m.values(), want)
    m.check_marks()


SIZE = (1000, 400)
FIVE_SIGMA = 5 / math.sqrt(SIZE[0] * SIZE[1])


@pytest.mark.parametrize("p", [0.0, 0.01, 0.3, 0.97, 1.0])
def test_rate_of_samples(p):
    start(3)
    samples = cm.empty(SIZE).assign(p).sample_bernoulli().asarray()
    assert set(np.unique(samples)) <= {0, 1}
    assert abs(samples.mean() - p) <= FIVE_SIGMA * math.sqrt(p * (1 - p)) + 1e-7


@pytest.mark.parametrize("p", [0.0, 0.01, 0.3, 0.97, 1.0])
def test_rate_of_dropout(p):
    """The mean stays where the kept ones are scaled for that."""
    start(4)
    scale = 1 / (1 - p) if p < 1 else 1.0
    values = cm.empty(SIZE).assign(1.0).dropout(p, scale=scale).asarray()
    assert set(np.unique(values)) <= {0, cm.real_type().type(scale)}
    rate = (values == 0).mean()
    assert abs(rate - p) <= FIVE_SIGMA * math.sqrt(p * (1 - p))


def test_samples_do_not_depend_on_their_neighbours():
    start(5)
    samples = cm.empty(SIZE).assign(0.5).sample_bernoulli().asarray() - 0.5
    for distance in (1, 2, 3, 4, 7):
        correlation = (samples[distance:] * samples[:-distance]).mean() / 0.25
        assert abs(correlation) < 1.01 * FIVE_SIGMA


def test_a_probability_of_nan_is_none():
    assert cm.empty((9, 9)).assign(np.nan).sample_bernoulli().total() == 0


@pytest.mark.parametrize("p", [-0.1, 1.01, math.nan, math.inf])
def test_dropout_probability_out_of_range(p):
    m = cm.zeros((2, 2))
    with pytest.raises(cm.CUDAMatException) as error:
        m.dropout(p, val=5.0)
    assert str(error.value) == (
        f"dropout: the dropout probability is {p:g}; it must be from 0 to 1"
    )
    assert m.total() == 0


def test_what_does_not_fit():
    m = cm.zeros((2, 3))
    with pytest.raises(cm.CUDAMatException, match="they must agree"):
        m.sample_bernoulli(cm.zeros((3, 2)))
    with pytest.raises(cm.CUDAMatException, match="must be a CUDAMatrix"):
        m.sample_bernoulli([1.0])
    square = cm.zeros((3, 3))
    with pytest.raises(cm.CUDAMatException, match="shifted or transposed"):
        square.sample_bernoulli(square.T)
    for wrong in (None, "a"):
        with pytest.raises(cm.CUDAMatException, match="must be a number"):
            m.dropout(wrong)
    m.free_device_memory()
    for call in (m.sample_bernoulli, lambda: m.dropout(0.5)):
        with pytest.raises(cm.CUDAMatException, match=r"was it freed\?"):
            call()
