"""Classifiers: what they compute, written out in numpy, and their gradients against
central finite differences."""

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import precision
from tests.videolstm.helpers import (
    describe_classifier,
    describe_logreg,
    difference,
    gradients_of,
    tolerance,
    weights_of,
)
from videolstm.models.classifier import LSTMClassifier, make_classifier
from videolstm.models.logreg import LogisticRegression
from videolstm.models.vote import CROSS_ENTROPY, RIGHT

FRAMES, DIMS, CLASSES, BATCH = 4, 5, 3, 6

MODELS = {
    "one layer": describe_classifier,
    "three layers": lambda **kw: describe_classifier((4, 3, 5), **kw),
    "dropout": lambda **kw: describe_classifier((4, 3), dropprob=(0.3, 0.4), **kw),
    "squashed": lambda **kw: describe_classifier(squash_relu=True, **kw),
    "logreg": describe_logreg,
    "logreg, dropout": lambda **kw: describe_logreg(dropprob=0.3, **kw),
}


def make(config, num_frames=FRAMES, seed=1):
    cm.CUDAMatrix.init_random(seed)
    return make_classifier(config, "model.pbtxt", num_frames)


def examples(batch=BATCH, num_frames=FRAMES, seed=2):
    """Frames (num_frames, batch, dims) and labels (batch,)."""
    rng = np.random.RandomState(seed)
    frames = rng.rand(num_frames, batch, DIMS).astype(np.float32)
    return frames, rng.randint(CLASSES, size=batch)


def masks_of(model, batch=BATCH, seed=3):
    """Masks, 1 kept, for every dropout of the model."""
    rng = np.random.RandomState(seed)
    if isinstance(model, LogisticRegression):
        return {"logreg": {"input": rng.rand(FRAMES, batch, DIMS) > 0.3}}
    masks = {}
    for layer in model.layers:
        own = masks.setdefault(layer.name, {})
        for place in ("input", "output"):
            dropout = getattr(layer, f"{place}_dropout")
            if dropout is not None:
                own[place] = rng.rand(FRAMES, batch, dropout.mask.rows) > 0.3
    return masks


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def plain_probabilities(model, frames):
    """Softmax of each frame, (frames, batch, classes), by numpy, without dropout."""
    w = {name: value.astype(float) for name, value in weights_of(model).items()}
    x = frames.astype(float)
    if model.config.squash_relu:
        x = 2 / (1 + np.exp(-model.config.squash_relu_lambda * x)) - 1
    if isinstance(model, LogisticRegression):
        return softmax(x @ w["logreg:w"].T + w["logreg:b"])
    for layer in model.layers:
        get = {name: w[f"{layer.name}:{name}"] for name in layer.params}
        n = layer.num_hid
        h, c, outputs = np.zeros((x.shape[1], n)), np.zeros((x.shape[1], n)), []
        ci, cf, co = get["w_diag"].reshape(3, n)
        for frame in x:
            z = frame @ get["w_input"].T + h @ get["w_dense"].T + get["b"]
            zi, zf, za, zo = np.split(z, 4, axis=1)
            i, f = sigmoid(zi + ci * c), sigmoid(zf + cf * c)
            c = f * c + i * np.tanh(za)
            h = sigmoid(zo + co * c) * np.tanh(c)
            outputs.append(h)
        x = np.array(outputs)
    return softmax(x @ get["w_output"].T + get["b_output"])


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_those_of_numpy(name):
    model = make(MODELS[name]())
    frames, labels = examples()
    p = plain_probabilities(model, frames)
    average = model.predict(frames)
    assert difference(average, p.mean(axis=0)) <= tolerance()
    assert difference(model.probabilities.asarray(), p) <= tolerance()
    model.add_losses(labels, model.train_totals)
    totals = model.train_totals.take()
    loss = -np.log(p[:, np.arange(BATCH), labels]).sum()
    assert totals[CROSS_ENTROPY] == pytest.approx(loss, rel=tolerance())
    assert totals[RIGHT] == (p.mean(axis=0).argmax(axis=1) == labels).sum()


def test_predictions_of_batches_do_not_share_memory():
    # a matrix gives out the same host memory each time that it is read
    model = make(describe_classifier())
    first, second = (examples(seed=seed)[0] for seed in (4, 5))
    kept = model.predict(first)
    copy = kept.copy()
    model.predict(second)
    np.testing.assert_array_equal(kept, copy)


@pytest.mark.parametrize("name", MODELS)
def test_batch_sizes_may_change(name):
    model = make(MODELS[name]())
    frames, labels = examples(9)
    whole = model.predict(frames)
    for first, last in ((0, 4), (4, 9), (2, 3)):
        part = model.predict(np.ascontiguousarray(frames[:, first:last]))
        # another order of sums
        assert difference(part, whole[first:last]) <= tolerance()
        model.train_step(frames[:, :last], labels[:last])
        model = make(MODELS[name]())


def test_logistic_regression_is_that_of_single_frames():
    # its gradient on a clip is the sum of those on its frames, each a clip of one
    frames, labels = examples()
    model, single = make(describe_logreg()), make(describe_logreg(), num_frames=1)
    for one in (model, single):
        for param in one.params:
            param.config.epsilon = 0
    model.train_step(frames, labels)
    total = dict.fromkeys(gradients_of(model), 0.0)
    for t in range(FRAMES):
        single.train_step(frames[t : t + 1], labels)
        total = {k: total[k] + v for k, v in gradients_of(single).items()}
    for name, gradient in gradients_of(model).items():
        assert difference(gradient, total[name]) <= tolerance()


def test_dropout_acts_in_training_only():
    model = make(describe_classifier((4,), dropprob=(0.5, 0.5)))
    frames, labels = examples()
    model.load(frames)
    averages = []
    for train in (True, True, False, False):
        model.fprop(train=train)
        model.add_losses(labels, model.train_totals)
        averages.append(model.average.asarray())
    assert not np.array_equal(averages[0], averages[1])
    assert np.array_equal(averages[2], averages[3])


def test_kinds():
    assert isinstance(make(describe_classifier()), LSTMClassifier)
    assert isinstance(make(describe_logreg()), LogisticRegression)
    both = describe_classifier()
    both.logreg.CopyFrom(describe_logreg().logreg)
    assert isinstance(make(both), LSTMClassifier)


# ---- gradients -----------------------------------------------------------------------

needs_double = pytest.mark.skipif(
    precision() != "double", reason="finite differences need CUDAMAT_PRECISION=double"
)
STEP = 1e-4


def training_loss(model, frames, labels):
    model.load(frames)
    model.fprop(train=True)
    model.add_losses(labels, model.train_totals)
    return model.train_totals.take()[CROSS_ENTROPY]


@needs_double
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_finite_differences(name):
    model = make(MODELS[name]())
    frames, labels = examples()
    model.set_masks(masks_of(model))
    model.load(frames)
    model.fprop(train=True)
    model.add_losses(labels, model.train_totals, derive=True)
    model.bprop()
    gradients = gradients_of(model)
    model.train_totals.clear()
    rng = np.random.RandomState(5)
    for param in model.params:
        w = param.w.asarray().copy()
        for _ in range(3):
            direction = rng.randn(*w.shape)
            losses = []
            for sign in (1, -1):
                param.w.overwrite(w + sign * STEP * direction)
                losses.append(training_loss(model, frames, labels))
            param.w.overwrite(w)
            slope = (losses[0] - losses[1]) / (2 * STEP)
            found = (gradients[param.name] * direction).sum()
            # the error of a central difference: h^2 times a third derivative of 1
            scale = np.abs(gradients[param.name] * direction).sum()
            assert abs(found - slope) <= 1e-6 * max(scale, 1), param.name
