"""How the composite model computes: which matrix products, what memory, what repeats.
Its values are tested against tests/golden, its gradients by finite differences."""

import gc
from collections import Counter

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import lib
from tests.videolstm.helpers import (
    describe,
    difference,
    gradients_of,
    make,
    random_frames,
    random_masks,
    tolerance,
    weights_of,
)

CONDITIONAL = {"dec_conditional": True, "future_conditional": True}
COPIES = {"decoder_copy_init_state": True, "future_copy_init_state": True}
BATCH = 3

# Everything that may need memory of its own, in one model.
FULL = {"units": (6, 4), "dropprob": (0.2, 0.3), "binary_data": True, **CONDITIONAL}


# ---- matrix products -----------------------------------------------------------------


@pytest.fixture
def products(monkeypatch):
    """Addresses (left, target) of each matrix product."""
    calls = []
    cm.cublas_init()  # lib.cm_dot is there once the library is loaded
    dot = lib.cm_dot

    def noted(m1, m2, target, beta, alpha):
        calls.append((m1.mat.data, target.mat.data))
        return dot(m1, m2, target, beta, alpha)

    monkeypatch.setattr(lib, "cm_dot", noted)
    return calls


def counted(model, calls) -> dict[str, int]:
    """How often each weight is multiplied by something (``lstm_1_enc:w_input``) and how
    often a product is its gradient (``d lstm_1_enc:w_input``)."""
    names = {param.w.mat.data: param.name for param in model.params}
    names |= {param.dw.mat.data: f"d {param.name}" for param in model.params}
    counts = Counter(names.get(left) or names[target] for left, target in calls)
    return dict(counts)


def per_layer(name, w_input, w_dense, w_output=0, gradients=1):
    """What `counted` should say of a layer."""
    counts = {"w_input": w_input, "w_dense": w_dense, "w_output": w_output}
    table = {f"{name}:{weight}": count for weight, count in counts.items()}
    table |= {f"d {key}": gradients for key, count in table.items() if count}
    return {key: count for key, count in table.items() if count}


# In the tables: an input known beforehand is one product for the whole sequence, and
# back to the layer below it is one more, so w_input 1 at the bottom and 2 above.
# w_dense is one product a step forward and one back, less 1 each for the encoder, whose
# first step has no state before it, and for a copied step 0. w_output is one product
# forward and one back. Every gradient is one product over all steps.
PRODUCTS = {
    "one layer, conditional": (
        {"dec": 4, "future": 3, **CONDITIONAL},
        [
            per_layer("lstm_1_enc", w_input=1, w_dense=3 + 3),
            per_layer("lstm_1_dec", w_input=1, w_dense=4 + 4, w_output=2),
            per_layer("lstm_1_fut", w_input=1, w_dense=3 + 3, w_output=2),
        ],
    ),
    "one layer, longer": (
        {"dec": 9, "future": 8, **CONDITIONAL},
        [
            per_layer("lstm_1_enc", w_input=1, w_dense=8 + 8),
            per_layer("lstm_1_dec", w_input=1, w_dense=9 + 9, w_output=2),
            per_layer("lstm_1_fut", w_input=1, w_dense=8 + 8, w_output=2),
        ],
    ),
    "unconditional": (
        {"dec": 4, "future": 3},
        [
            per_layer("lstm_1_enc", w_input=1, w_dense=3 + 3),
            per_layer("lstm_1_dec", w_input=0, w_dense=4 + 4, w_output=2),
            per_layer("lstm_1_fut", w_input=0, w_dense=3 + 3, w_output=2),
        ],
    ),
    "two layers, conditional": (
        {"dec": 4, "future": 3, "units": (4, 6), **CONDITIONAL},
        [
            per_layer("lstm_1_enc", w_input=1, w_dense=3 + 3),
            per_layer("lstm_2_enc", w_input=2, w_dense=3 + 3),
            per_layer("lstm_1_dec", w_input=1, w_dense=4 + 4),
            per_layer("lstm_2_dec", w_input=2, w_dense=4 + 4, w_output=2),
            per_layer("lstm_1_fut", w_input=1, w_dense=3 + 3),
            per_layer("lstm_2_fut", w_input=2, w_dense=3 + 3, w_output=2),
        ],
    ),
    "three layers, dropout, copies": (
        {"dec": 4, "future": 0, "units": (4, 6, 2), "dropprob": (0.2, 0.2), **COPIES},
        [
            per_layer("lstm_1_enc", w_input=1, w_dense=3 + 3),
            per_layer("lstm_2_enc", w_input=2, w_dense=3 + 3),
            per_layer("lstm_3_enc", w_input=2, w_dense=3 + 3),
            per_layer("lstm_1_dec", w_input=0, w_dense=3 + 3),
            per_layer("lstm_2_dec", w_input=2, w_dense=3 + 3),
            per_layer("lstm_3_dec", w_input=2, w_dense=3 + 3, w_output=2),
        ],
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_a_training_step(name, products):
    options, layers = PRODUCTS[name]
    model = make(describe(**options))
    model.train_step(random_frames(model, BATCH))
    expected = {key: count for layer in layers for key, count in layer.items()}
    assert counted(model, products) == expected


def test_products_of_a_test(products):
    """Only a predictor that reads its own frames multiplies its input step by step."""
    model = make(describe(dec=4, future=3, **CONDITIONAL))
    model.evaluate(random_frames(model, BATCH))
    counts = counted(model, products)
    assert counts["lstm_1_enc:w_input"] == counts["lstm_1_dec:w_input"] == 1
    assert counts["lstm_1_fut:w_input"] == 2  # three steps, the first without an input


# ---- memory --------------------------------------------------------------------------


@pytest.fixture
def allocations(monkeypatch):
    """The bytes of each allocation."""
    sizes = []
    cm.cublas_init()
    allocate = lib.cm_allocate

    def noted(nbytes, pointer):
        sizes.append(nbytes)
        return allocate(nbytes, pointer)

    monkeypatch.setattr(lib, "cm_allocate", noted)
    return sizes


@pytest.mark.parametrize(
    "options",
    [FULL, {}, {"squash_relu": True, **COPIES, **CONDITIONAL}, {"dec": 0}],
    ids=["full", "plain", "squashed and copied", "predictor"],
)
def test_no_allocation_after_the_first_step(options, allocations):
    model = make(describe(**options), num_frames=6)
    frames = random_frames(model, BATCH)
    model.train_step(frames)
    model.evaluate(frames)
    assert allocations
    allocations.clear()
    gc.collect()  # what other tests left
    in_use = cm.memory_in_use()
    for batch in (BATCH, 1, 2, BATCH):  # smaller ones fit into what is there
        model.train_step(frames[:, :batch])
        model.evaluate(frames[:, :batch])
    assert allocations == []
    assert cm.memory_in_use() == in_use


def test_a_model_that_is_gone_leaves_nothing():
    gc.collect()
    before = cm.memory_in_use()
    model = make(describe(**FULL))
    model.train_step(random_frames(model, BATCH))
    assert cm.memory_in_use() > before
    del model
    assert cm.memory_in_use() == before


def test_batches_up_and_down():
    """Losses and gradients of a batch do not depend on the batches before it."""
    model = make(describe(**FULL))
    for batch in (4, 2, 6, 1, 5):
        results = []
        for one in (model, make(describe(**FULL))):
            one.set_masks(random_masks(one, batch, seed=batch))
            one.load(random_frames(one, batch, seed=batch))
            one.fprop(train=True)
            one.add_losses(one.train_losses, derive=True)
            one.bprop()
            one.evaluate(random_frames(one, batch, seed=batch))
            losses = [*one.train_losses.take(), *one.valid_losses.take()]
            results.append((losses, gradients_of(one)))
        assert results[0][0] == results[1][0]
        for name, gradient in results[1][1].items():
            np.testing.assert_array_equal(results[0][1][name], gradient, err_msg=name)


@pytest.mark.parametrize("shape", [(5, BATCH, 5), (7, BATCH, 5), (6, BATCH, 4)])
def test_frames_of_another_shape_do_not_fit(shape):
    model = make(describe(dec=3, future=3))
    with pytest.raises(cm.CUDAMatException, match="was given for a matrix of shape"):
        model.load(np.zeros(shape, np.float32))


# ---- what repeats --------------------------------------------------------------------


def trained(seed=1, steps=5, batch=BATCH, **options):
    """The weights after a few steps."""
    model = make(describe(**(options or FULL)), seed=seed)
    for step in range(steps):
        model.train_step(random_frames(model, batch, seed=step))
    return weights_of(model)


def test_the_same_seed_gives_the_same_bytes():
    first, again, other = trained(), trained(), trained(seed=2)
    for name, weight in first.items():
        assert weight.tobytes() == again[name].tobytes(), name
        assert weight.tobytes() != other[name].tobytes(), name


def test_threads_change_no_more_than_rounding():
    # large enough for the work to be divided, weights small enough not to be chaotic
    options = {"units": (64,), "dims": 256, "binary_data": True, **CONDITIONAL}
    before, results = cm.threads(), []
    try:
        for count in (1, 2):
            cm.set_threads(count)
            results.append(trained(steps=5, batch=32, **options))
    finally:
        cm.set_threads(before)
    for name, weight in results[0].items():
        assert difference(results[1][name], weight) <= tolerance(), name


# ---- dropout and data ----------------------------------------------------------------


def losses_of(model, train):
    model.fprop(train=train)
    model.add_losses(model.valid_losses)
    return tuple(model.valid_losses.take())


def test_dropout_acts_in_training_only_and_anew_each_time():
    dropping = make(describe(**FULL))
    plain = make(describe(**{**FULL, "dropprob": (0.0, 0.0)}))
    for model in (dropping, plain):
        model.load(random_frames(model, BATCH))
    assert losses_of(dropping, train=False) == losses_of(plain, train=False)
    first, second = (losses_of(dropping, train=True) for _ in range(2))
    assert first != second
    assert losses_of(plain, train=True) not in (first, second)


def test_given_masks_take_the_place_of_drawn_ones():
    model = make(describe(**FULL))
    model.load(random_frames(model, BATCH))
    model.set_masks(random_masks(model, BATCH))
    first = losses_of(model, train=True)
    assert losses_of(model, train=True) == first
    model.set_masks(None)
    assert losses_of(model, train=True) != first


def test_masks_that_keep_all_scale_by_what_would_be_dropped():
    """1 / (1 - dropprob) is exact for 0.5: the same as weights twice as large."""
    model = make(describe(dec=3, future=0, dropprob=(0.0, 0.5)))
    doubled = make(describe(dec=3, future=0))
    doubled.decoder.stack.top.w_output.mult(2.0)
    mask = np.ones((3, BATCH, 4))
    model.set_masks({"lstm_1_dec": {"output": mask}})
    for one in (model, doubled):
        one.load(random_frames(one, BATCH))
    actual, expected = losses_of(model, train=True), losses_of(doubled, train=True)
    assert difference(actual, expected) <= tolerance()


def test_data_is_squashed_once_on_loading():
    model = make(describe(squash_relu=True, squash_relu_lambda=1.5))
    frames = random_frames(model, BATCH)
    model.load(frames)
    expected = 2 / (1 + np.exp(-1.5 * frames.astype(float))) - 1
    for _ in range(2):  # a forward pass leaves the data alone
        model.fprop(train=True)
        assert difference(model.frames.asarray(), expected) <= tolerance()
    reversed_in_time = expected[model.dec_seq_length - 1 :: -1]
    assert difference(model.reversed.asarray(), reversed_in_time) <= tolerance()


@pytest.mark.parametrize(
    ("options", "lengths"),
    [
        ({"dec": 3, "future": 2}, (3, 3, 2)),
        ({"dec": 3, "future": 0}, (3, 3, 0)),
        ({"dec": 0, "future": 2}, (3, 0, 2)),
    ],
)
def test_lengths(options, lengths):
    num_frames = 5 if options["future"] else 3
    model = make(describe(**options), num_frames)
    found = (model.enc_seq_length, model.dec_seq_length, model.future_seq_length)
    assert found == lengths
    assert (model.decoder is None) == (lengths[1] == 0)
    assert (model.future is None) == (lengths[2] == 0)


def test_losses_add_up():
    model = make(describe(binary_data=True))
    batches = [random_frames(model, batch, seed=batch) for batch in (1, 2, 3)]
    singles = []
    for frames in batches:
        model.evaluate(frames)
        singles.append(model.valid_losses.take())
    for frames in batches:
        model.evaluate(frames)
    assert difference(model.valid_losses.take(), np.sum(singles, 0)) <= tolerance()
    np.testing.assert_array_equal(model.valid_losses.take(), [0.0, 0.0])
    np.testing.assert_array_equal(model.train_losses.take(), [0.0, 0.0])
