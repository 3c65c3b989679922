"""The size of a model against the model itself: its weights, the products that a step
of it calls, and the memory that it holds."""

import gc

import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import (
    GOLDEN,
    describe,
    describe_classifier,
    describe_logreg,
    read_h5,
)
from videolstm.config import read_model
from videolstm.contents.model_size import (
    is_classifier,
    memory,
    operations,
    weight_shapes,
)
from videolstm.models.classifier import make_classifier
from videolstm.models.composite import LSTMCombo

FRAMES, BATCH = 7, 3
MODELS = {
    "both": describe(dec=4, future=3),
    "conditional": describe(
        dec=4, future=3, dec_conditional=True, future_conditional=1
    ),
    "copies": describe(
        dec=4, future=3, decoder_copy_init_state=True, future_copy_init_state=True
    ),
    "deep": describe(units=(6, 5, 4), dec=4, future=3, dec_conditional=True),
    "deep copies": describe(
        units=(6, 5),
        dec=4,
        future=3,
        decoder_copy_init_state=True,
        dec_conditional=True,
    ),
    "autoencoder": describe(dec=7, future=0),
    "future": describe(dec=0, future=3),
    "classifier": describe_classifier(units=(6, 5)),
    "logreg": describe_logreg(),
}


def built(config):
    cm.CUDAMatrix.init_random(1)
    if is_classifier(config):
        return make_classifier(config, "model.pbtxt", FRAMES)
    return LSTMCombo(config, "model.pbtxt", FRAMES)


def step(model):
    """A training step; frames without a zero, so that all products are dense."""
    frames = np.random.RandomState(2).rand(FRAMES, BATCH, 5).astype(np.float32) + 0.1
    if is_classifier(model.config):
        model.train_step(frames, np.arange(BATCH) % 3)
    else:
        model.train_step(frames)


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_those_of_the_model(name):
    model = built(MODELS[name])
    assert weight_shapes(MODELS[name]) == {p.name: p.shape for p in model.params}


def test_weights_are_those_of_the_release():
    for path in sorted((GOLDEN / "cases").glob("*.model.pbtxt")):
        arrays, _ = read_h5(path.with_name(path.name.replace(".model.pbtxt", ".h5")))
        found = {n[5:]: a.shape for n, a in arrays.items() if n.startswith("init/")}
        assert weight_shapes(read_model(path)) == found, path.name


@pytest.mark.parametrize("name", MODELS)
def test_operations_are_those_of_the_products(name, monkeypatch):
    model = built(MODELS[name])
    step(model)
    counted = 0

    def dot(a, b, *args, **kwargs):
        nonlocal counted
        counted += 2 * a.shape[0] * a.shape[1] * b.shape[1]
        return real(a, b, *args, **kwargs)

    def dot_packed(packed, b, *args, **kwargs):
        nonlocal counted
        counted += 2 * packed.matrix.shape[0] * packed.matrix.shape[1] * b.shape[1]
        return real_packed(packed, b, *args, **kwargs)

    real, real_packed = cm.dot, cm.Packed.dot
    monkeypatch.setattr(cm, "dot", dot)
    monkeypatch.setattr(cm.Packed, "dot", dot_packed)
    step(model)
    assert counted == BATCH * operations(MODELS[name], FRAMES)


@pytest.mark.parametrize("name", MODELS)
def test_memory_is_what_the_model_holds(name):
    config = type(MODELS[name])()
    config.CopyFrom(MODELS[name])
    if name == "both":
        for layer in (*config.lstm, *config.lstm_dec, *config.lstm_future):
            layer.w_dense.rms_prop = True
    gc.collect()
    before = cm.memory_in_use()
    model = built(config)
    weights, batch = memory(config, FRAMES, BATCH, cm.real_type().itemsize)
    held = cm.memory_in_use() - before
    # The totals of the losses are a few numbers.
    assert weights <= held <= weights + 200
    step(model)
    # What the library keeps for itself of these tiny batches: masks, labels, ones, the
    # list of frames that are not zero; of large ones a few percent.
    added = cm.memory_in_use() - before - held
    assert 0.8 * batch <= added <= 1.6 * batch
