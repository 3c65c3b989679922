"""Softmax, cross-entropy and vote of a classifier against plain numpy."""

import numpy as np
import pytest

import cudamat as cm
from cudamat import learn
from tests.cudamat.framed import Framed, assert_close, rounded

# classes, frames, cases
SHAPES = [(1, 1, 1), (2, 3, 1), (5, 1, 4), (4, 3, 2), (101, 16, 5), (300, 2, 3)]
SHAPE = pytest.mark.parametrize("shape", [*SHAPES, (3, 2, 0), (3, 0, 0)], ids=str)


def data(shape, seed=0, scale=3.0):
    """Logits (classes, frames cases), bias (1, classes), labels (cases,)."""
    classes, frames, cases = shape
    rng = np.random.default_rng(seed)
    z = rounded(scale * rng.standard_normal((classes, frames * cases)))
    b = rounded(rng.standard_normal((1, classes)))
    return z, b, rng.integers(0, classes, cases)


def softmax(logits):
    with np.errstate(under="ignore"):
        e = np.exp(logits - logits.max(axis=0))
    return e / e.sum(axis=0)


def plain_loss(logits, labels):
    """Cross-entropy of each column, and the place of its label."""
    columns = np.arange(logits.shape[1])
    classes = np.tile(labels, logits.shape[1] // max(1, len(labels)))
    top = logits.max(axis=0) if logits.shape[1] else 0
    denominator = top + np.log(np.exp(logits - top).sum(axis=0))
    return denominator - logits[classes, columns], (classes, columns)


def error_of(logits):
    """Roundings: of the sum of logit and bias, whose size decides, and of exp."""
    return 6 + np.abs(logits).max(initial=0)


@SHAPE
def test_softmax_output(shape):
    z, b, _ = data(shape)
    source, bias = Framed(z), Framed(b)
    target = Framed(np.full(z.shape, np.nan))
    assert learn.softmax_output(source.matrix, bias.matrix, target.matrix) is (
        target.matrix
    )
    logits = z + b.T
    if z.size:
        assert_close(target.values(), softmax(logits), error_of(logits))
    target.check_marks()
    source.check_untouched()
    bias.check_untouched()


@SHAPE
@pytest.mark.parametrize("derive", [False, True])
def test_softmax_loss(shape, derive):
    z, b, labels = data(shape)
    source, bias, known = Framed(z), Framed(b), Framed(labels[None])
    target = Framed(np.full(z.shape, np.nan))
    totals = learn.Totals(3)
    totals.write([10.0, 20.0, 30.0])
    given = (source.matrix, bias.matrix, known.matrix, target.matrix)
    learn.softmax_loss(*given, totals, 1, derive)
    logits = z + b.T
    loss, places = plain_loss(logits, labels)
    assert totals.read()[[0, 2]].tolist() == [10, 30]
    scale = 30 + np.abs(loss).sum() + np.abs(logits).sum()
    assert_close(totals.read()[1], 20 + loss.sum(), 4, scale)
    p = softmax(logits) if z.size else z
    assert_close(target.values(), p, error_of(logits))
    if derive:
        p[places] -= 1
        assert_close(source.values(), p, error_of(logits), 1)
        source.check_marks()
    else:
        source.check_untouched()
    target.check_marks()
    bias.check_untouched()
    known.check_untouched()


def test_derivative_is_that_of_the_loss():
    # central differences of the plain loss: both plain functions are of one thing
    z, b, labels = data((4, 2, 3), seed=1)
    logits = z + b.T
    _, places = plain_loss(logits, labels)
    expected = softmax(logits)
    expected[places] -= 1
    for i, j in np.ndindex(*z.shape):
        step = np.zeros_like(z)
        step[i, j] = 1e-5
        up, down = (plain_loss(logits + s, labels)[0].sum() for s in (step, -step))
        assert abs((up - down) / 2e-5 - expected[i, j]) < 1e-8


# logits of a column, its label, its loss
EXTREME = [
    ((1e4, 0.0, -1e4), 0, 0.0),
    ((1e4, 0.0, -1e4), 1, 1e4),
    ((1e4, 0.0, -1e4), 2, 2e4),
    ((-1e4, -1e4, -1e4), 1, np.log(3)),
    ((0.0, 0.0, 0.0), 2, np.log(3)),
]


@pytest.mark.parametrize(("logits", "label", "loss"), EXTREME)
def test_extreme_logits(logits, label, loss):
    """Finite and right where the logarithm of a probability would be infinite."""
    z, totals = cm.CUDAMatrix(np.array(logits)[:, None]), learn.Totals(1)
    zero, target = cm.zeros((1, 3)), cm.empty((3, 1))
    learn.softmax_loss(z, zero, cm.CUDAMatrix([[label]]), target, totals, 0, True)
    assert totals.read()[0] == pytest.approx(loss, rel=1e-15)
    assert np.isfinite(z.asarray()).all()


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, 1e9, np.nan])
def test_a_label_that_is_no_class(label):
    z, b, _ = data((3, 2, 1))
    source, target = Framed(z), Framed(np.zeros_like(z))
    known, totals = cm.CUDAMatrix([[label]]), learn.Totals(2)
    bias = cm.CUDAMatrix(b)
    learn.softmax_loss(source.matrix, bias, known, target.matrix, totals, 0, True)
    average = Framed(np.zeros((3, 1)))
    learn.vote(target.matrix, average.matrix, known, totals, 1)
    assert np.isnan(totals.read()[0]) and totals.read()[1] == 0
    for framed in (source, target, average):
        framed.check_marks()


@SHAPE
def test_vote(shape):
    classes, frames, cases = shape
    rng = np.random.default_rng(2)
    p = rounded(rng.uniform(0, 1, (classes, frames * cases)))
    labels = rng.integers(0, classes, cases)
    source, target = Framed(p), Framed(np.full((classes, cases), np.nan))
    known, totals = Framed(labels[None]), learn.Totals(2)
    totals.write([5.0, 7.0])
    assert learn.vote(source.matrix, target.matrix, known.matrix, totals, 1) is (
        target.matrix
    )
    if frames:
        mean = p.reshape(classes, frames, cases).mean(axis=1)
        assert_close(target.values(), mean, 1)  # summed in double
        right = (mean.argmax(axis=0) == labels).sum()
        assert totals.read().tolist() == [5, 7 + right]
    alone = Framed(np.full((classes, cases), np.nan))
    learn.vote(source.matrix, alone.matrix)  # nobody counts
    np.testing.assert_array_equal(alone.values(), target.values())
    for framed in (source, known):
        framed.check_untouched()
    for framed in (target, alone):
        framed.check_marks()


def test_of_equals_the_first_is_voted_for():
    p = cm.CUDAMatrix(np.full((400, 3), 0.25))
    totals, average = learn.Totals(1), cm.empty((400, 3))
    for labels, right in (([0, 0, 0], 3), ([0, 1, 399], 1)):
        learn.vote(p, average, cm.CUDAMatrix([labels]), totals)
        assert totals.take()[0] == right


def test_a_diverged_model_is_never_right():
    totals, average = learn.Totals(1), cm.empty((3, 1))
    p = cm.CUDAMatrix(np.full((3, 2), np.nan))
    learn.vote(p, average, cm.CUDAMatrix([[0]]), totals)
    assert totals.take()[0] == 0 and np.isnan(average.asarray()).all()


# ----------------------------------------------------------------------- errors


def matrices():
    return {
        "z": cm.zeros((4, 6)),
        "b": cm.zeros((1, 4)),
        "labels": cm.zeros((1, 3)),
        "target": cm.zeros((4, 6)),
        "average": cm.zeros((4, 3)),
    }


def calls(m, totals):
    yield "b z target", lambda: learn.softmax_output(m["z"], m["b"], m["target"])
    yield (
        "b z target labels",
        lambda: learn.softmax_loss(
            m["z"], m["b"], m["labels"], m["target"], totals, 0, True
        ),
    )
    yield (
        "average target",
        lambda: learn.vote(m["target"], m["average"], m["labels"], totals),
    )


@pytest.mark.parametrize("which", matrices())
def test_wrong_matrices(which):
    totals = learn.Totals(1)
    freed = cm.zeros(matrices()[which].shape)
    freed.free_device_memory()
    for wrong in (cm.zeros((5, 4)), cm.zeros((3, 7)), freed, None, "x"):
        m = matrices() | {which: wrong}
        for reads, call in calls(m, totals):
            if which in reads.split():
                with pytest.raises(cm.CUDAMatException, match="softmax|vote"):
                    call()
    assert totals.read()[0] == 0


def test_columns_are_whole_frames():
    m = matrices()
    with pytest.raises(cm.CUDAMatException, match="6 columns are no whole number"):
        learn.softmax_loss(
            m["z"], m["b"], cm.zeros((1, 4)), m["target"], learn.Totals(1), 0
        )
    with pytest.raises(cm.CUDAMatException, match="6 columns are no whole number"):
        learn.vote(m["z"], cm.zeros((4, 5)))
    with pytest.raises(cm.CUDAMatException, match=r"labels has shape \(1, 2\)"):
        learn.vote(m["z"], m["average"], cm.zeros((1, 2)), learn.Totals(1))


def test_overlapping_and_transposed():
    m, square = matrices(), cm.zeros((4, 4))
    with pytest.raises(cm.CUDAMatException, match="the target overlaps the linear out"):
        learn.softmax_output(m["z"], m["b"], m["z"])
    with pytest.raises(cm.CUDAMatException, match="transposed view"):
        learn.softmax_output(square.T, m["b"], cm.zeros((4, 4)))
    with pytest.raises(cm.CUDAMatException, match="overlaps the probabilities"):
        learn.vote(m["z"], m["z"].slice(0, 3))
