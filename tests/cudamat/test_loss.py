"""Outputs and losses of a decoder against plain numpy, and the sums that stay on the
board."""

import numpy as np
import pytest

import cudamat as cm
from cudamat import learn
from tests.cudamat.framed import Framed, assert_close, rounded


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


# kind: output, loss and derivative by logit (with bias) and data
PLAIN = {
    learn.BINARY: (
        sigmoid,
        lambda z, v: np.logaddexp(0, z) - v * z,
        lambda z, v: sigmoid(z) - v,
    ),
    learn.REAL: (lambda z: z, lambda z, v: (z - v) ** 2 / 2, lambda z, v: z - v),
    learn.RECTIFIED: (
        lambda z: np.maximum(z, 0),
        lambda z, v: (np.maximum(z, 0) - v) ** 2 / 2,
        lambda z, v: np.where(z > 0, z - v, 0),
    ),
}
KINDS = pytest.mark.parametrize("kind", PLAIN, ids=["binary", "real", "rectified"])

SHAPES = [(0, 3), (3, 0), (1, 1), (5, 3), (3, 7), (131, 127), (20011, 2)]
SHAPE = pytest.mark.parametrize("shape", SHAPES, ids=str)


def data(shape, seed=0):
    """Linear outputs, bias (1, dims) and data from 0 to 1."""
    rng = np.random.default_rng(seed)
    z, b = 3 * rng.standard_normal(shape), rng.standard_normal((1, shape[0]))
    return rounded(z), rounded(b), rounded(rng.uniform(0, 1, shape))


@KINDS
@SHAPE
def test_output(kind, shape):
    z, b, _ = data(shape)
    source, bias = Framed(z), Framed(b)
    target = Framed(np.full(shape, np.nan))
    assert (
        learn.output(source.matrix, bias.matrix, kind, target.matrix) is target.matrix
    )
    logit = z + b.T
    want = PLAIN[kind][0](logit)
    # the sum's rounding, and sigmoid's 3 ulp
    assert_close(target.values(), want, 6, 1 + np.abs(logit))
    target.check_marks()
    source.check_untouched()
    bias.check_untouched()
    learn.output(source.matrix, bias.matrix, kind, source.matrix)  # in place
    assert (source.values() == target.values()).all()
    source.check_marks()


@KINDS
@SHAPE
@pytest.mark.parametrize("derive", [False, True])
def test_loss(kind, shape, derive):
    z, b, v = data(shape)
    source, bias, seen = Framed(z), Framed(b), Framed(v)
    totals = learn.Totals(3)
    totals.write([10.0, 20.0, 30.0])
    arguments = (source.matrix, bias.matrix, seen.matrix, kind, totals, 1)
    learn.output_loss(*arguments, derive=derive)
    logit = z + b.T
    _, loss, derivative = PLAIN[kind]
    first, second, third = totals.read()
    assert (first, third) == (10, 30)
    # terms in the real type, their sum in double precision
    scale = (1 + np.abs(logit) ** 2 + v**2).sum() + 30
    assert_close(second, 20 + loss(logit, v).sum(), 4, scale)
    if derive:
        got = source.values()
        assert_close(got, derivative(logit, v), 6, 1 + np.abs(logit), "derivative")
        source.check_marks()
    else:
        source.check_untouched()
    bias.check_untouched()
    seen.check_untouched()


@KINDS
def test_derivative_is_that_of_the_loss(kind):
    """Central differences of the plain loss, so that the two rows of the table above
    are of one function."""
    rng = np.random.default_rng(1)
    z, v = 3 * rng.standard_normal(200), rng.uniform(0, 1, 200)
    _, loss, derivative = PLAIN[kind]
    slope = (loss(z + 1e-6, v) - loss(z - 1e-6, v)) / 2e-6
    np.testing.assert_allclose(derivative(z, v), slope, atol=1e-8)


# logit, data, loss, derivative
EXTREME = [
    (1e4, 1.0, 0.0, 0.0),
    (1e4, 0.0, 1e4, 1.0),
    (-1e4, 1.0, 1e4, -1.0),
    (-1e4, 0.0, 0.0, 0.0),
    (1e4, 0.5, 5e3, 0.5),
    (0.0, 0.5, np.log(2), 0.0),
]


@pytest.mark.parametrize(("logit", "value", "loss", "derivative"), EXTREME)
def test_extreme_logits(logit, value, loss, derivative):
    """Finite and right where the logarithm of a probability would be infinite."""
    z, totals = cm.CUDAMatrix([[logit]]), learn.Totals(1)
    data = cm.CUDAMatrix([[value]])
    zero = cm.zeros((1, 1))
    learn.output_loss(z, zero, data, learn.BINARY, totals, 0, derive=True)
    epsilon = float(np.finfo(cm.real_type()).eps)  # a rounding of softplus
    assert totals.read()[0] == pytest.approx(loss, rel=2 * epsilon)
    assert z.asarray()[0, 0] == derivative


def test_losses_are_added_up_in_double_precision():
    """Halves beside 2^23, which a sum in float would round away."""
    z, zero, totals = cm.zeros((1, 1)), cm.zeros((1, 1)), learn.Totals(1)
    small, large = cm.CUDAMatrix([[1.0]]), cm.CUDAMatrix([[4096.0]])
    for _ in range(100):
        learn.output_loss(z, zero, small, learn.REAL, totals, 0)
        learn.output_loss(z, zero, large, learn.REAL, totals, 0)
    assert totals.read()[0] == 100 * (0.5 + 4096.0**2 / 2)


def test_the_bias_may_be_a_column():
    z, b, _ = data((5, 3))
    target = cm.empty((5, 3))
    learn.output(cm.CUDAMatrix(z), cm.CUDAMatrix(b.T), learn.REAL, target)
    assert_close(target.asarray(), z + b.T, 1)


# ----------------------------------------------------------------------- totals


def test_totals():
    totals = learn.Totals(2)
    assert totals.read().tolist() == [0, 0]
    totals.write([1.5, -2.0])
    assert totals.read().tolist() == [1.5, -2.0]
    assert totals.take().tolist() == [1.5, -2.0]
    assert totals.read().tolist() == [0, 0]


@pytest.mark.parametrize("index", [-1, 2, 0.5, None])
def test_totals_that_are_not_there(index):
    with pytest.raises(cm.CUDAMatException, match=f"there is no sum {index!r}"):
        learn.Totals(2).place(index)


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 3.0], 1.0])
def test_totals_of_another_number(values):
    with pytest.raises(cm.CUDAMatException, match="were given for 2 sums"):
        learn.Totals(2).write(values)


# ----------------------------------------------------------------------- errors


def output_arguments():
    return [cm.zeros((4, 3)), cm.zeros((1, 4)), cm.zeros((4, 3))]


@pytest.mark.parametrize("which", range(3))
def test_wrong_matrices(which):
    totals = learn.Totals(1)

    def calls(z, b, other):
        yield lambda: learn.output(z, b, learn.REAL, other)
        yield lambda: learn.output_loss(z, b, other, learn.REAL, totals, 0)

    freed = cm.zeros(output_arguments()[which].shape)
    freed.free_device_memory()
    for wrong in (
        cm.zeros((5, 3)),
        cm.zeros((4, 4)),
        cm.empty((0, 0)),
        freed,
        None,
        "x",
    ):
        matrices = output_arguments()
        matrices[which] = wrong
        for call in calls(*matrices):
            with pytest.raises(cm.CUDAMatException, match="output") as error:
                call()
            assert len(str(error.value)) >= len("output: target is missing")
    assert totals.read()[0] == 0


def test_unknown_kind():
    z, b, target = output_arguments()
    for kind in (-1, 3):
        with pytest.raises(cm.CUDAMatException, match=f"{kind} is no kind of output"):
            learn.output(z, b, kind, target)
    with pytest.raises(cm.CUDAMatException, match="must be a whole number"):
        learn.output(z, b, "binary", target)


def test_overlapping_and_transposed():
    z, b, data = cm.zeros((4, 4)), cm.zeros((1, 4)), cm.zeros((4, 4))
    with pytest.raises(cm.CUDAMatException, match="transposed view"):
        learn.output(z, b, learn.REAL, data.T)
    with pytest.raises(cm.CUDAMatException, match="the target overlaps the data"):
        learn.output_loss(z, b, z, learn.REAL, learn.Totals(1), 0)
    with pytest.raises(cm.CUDAMatException, match="the target overlaps the bias"):
        learn.output(z, data.slice(0, 1), learn.REAL, data)
