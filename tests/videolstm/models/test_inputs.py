"""Frames that are mostly zero: the same model with and without looking at that."""

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import lib
from tests.videolstm.helpers import describe, difference, tolerance
from videolstm.models.composite import LSTMCombo

DIMS, BATCH = 60, 5

# conditional decoder and future predictor, layers, copied states: who reads frames
MODELS = {
    "conditional": describe((7,), DIMS, 4, 3, dec_conditional=True),
    "both": describe((7,), DIMS, 4, 3, dec_conditional=True, future_conditional=True),
    "two_layers": describe((6, 7), DIMS, 3, 3, dec_conditional=True),
    "copied": describe(
        (7,),
        DIMS,
        3,
        3,
        dec_conditional=True,
        future_conditional=True,
        decoder_copy_init_state=True,
        future_copy_init_state=True,
    ),
    "unconditional": describe((7,), DIMS, 3, 2),
}


def frames(count, density=0.08):
    rng = np.random.default_rng(3)
    values = rng.random((count, BATCH, DIMS)).astype(np.float32)
    values[rng.random(values.shape) >= density] = 0
    return values


def trained(config, values, steps=3):
    cm.CUDAMatrix.init_random(5)
    model = LSTMCombo(config, "model.pbtxt", len(values))
    for _ in range(steps):
        model.train_step(values)
    model.evaluate(values)
    sums = [model.train_losses.take(), model.valid_losses.take()]
    return {param.name: param.w.asarray().copy() for param in model.params}, sums


@pytest.mark.skipif(not cm.sparse.is_worthwhile(), reason="dense products only")
@pytest.mark.parametrize("name", MODELS)
def test_training_is_the_same_with_and_without(name, monkeypatch):
    config = MODELS[name]
    values = frames(config.dec_seq_length + config.future_seq_length)
    calls = []
    product = lib.cm_sparse_product
    monkeypatch.setattr(
        lib, "cm_sparse_product", lambda *a: calls.append(1) or product(*a)
    )
    sparse, sparse_sums = trained(config, values)
    readers = 1 + config.dec_conditional + config.future_conditional
    # three training passes and one of testing, in which the future runs on its own
    assert len(calls) == 4 * readers - config.future_conditional

    monkeypatch.setattr(cm.sparse, "is_worthwhile", lambda: False)
    calls.clear()
    dense, dense_sums = trained(config, values)
    assert not calls
    for weight, expected in dense.items():
        assert difference(sparse[weight], expected) < tolerance(), weight
    assert difference(sparse_sums, dense_sums) < tolerance()


@pytest.mark.skipif(not cm.sparse.is_worthwhile(), reason="dense products only")
@pytest.mark.skipif(cm.real_type() != np.float32, reason="double has fp32 only")
def test_products_with_fewer_bits_are_dense(monkeypatch):
    """Also in a model whose last batch was listed."""
    config = MODELS["both"]
    values = frames(config.dec_seq_length + config.future_seq_length)
    cm.CUDAMatrix.init_random(5)
    model = LSTMCombo(config, "model.pbtxt", len(values))
    model.train_step(values)
    try:
        cm.set_math_mode("tf32")
        model.train_step(values)  # sparse products would refuse
    finally:
        cm.set_math_mode("fp32")
    calls, product = [], lib.cm_sparse_product
    monkeypatch.setattr(
        lib, "cm_sparse_product", lambda *a: calls.append(1) or product(*a)
    )
    model.train_step(values)
    assert calls


@pytest.mark.skipif(not cm.sparse.is_worthwhile(), reason="dense products only")
def test_dense_frames_go_through_dense_products(monkeypatch):
    config = MODELS["both"]

    def called(*_):
        raise AssertionError("a sparse product of dense frames")

    monkeypatch.setattr(lib, "cm_sparse_product", called)
    trained(config, frames(7, density=0.5), steps=1)
