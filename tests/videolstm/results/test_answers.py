"""What a model makes of videos, against the release and against numpy."""

import numpy as np
import pytest

from tests.videolstm.helpers import (
    GOLDEN,
    describe,
    difference,
    frames_of,
    make,
    random_frames,
    read_h5,
    tolerance,
)
from videolstm.config import read_model
from videolstm.data import Batch
from videolstm.models.composite import LSTMCombo
from videolstm.results.answers import answer, answers, joined

CASES = (
    "combo_uncond",
    "combo_cond",
    "combo_2layer_cond",
    "combo_future_only_ext",
    "combo_autoencoder",
    "combo_squash_relu_ext",
    "combo_both_copy_2layer",
)


@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_what_the_release_computes(name):
    arrays, attributes = read_h5(GOLDEN / "cases" / f"{name}.h5")
    path = GOLDEN / "cases" / f"{name}.model.pbtxt"
    model = LSTMCombo(read_model(path), path, int(attributes["seq_length"]))
    for param in model.params:
        param.w.overwrite(arrays[f"init/{param.name}"])
    frames = frames_of(arrays["input/v"], model.frames.steps)
    made = answer(model, frames)
    found = {}
    for part, short, step in (("reconstruction", "dec", -1), ("future", "fut", 1)):
        frames_made = getattr(made, part)
        assert (frames_made is not None) == (part in made.losses)
        if frames_made is not None:
            emitted = frames_made[::step].transpose(1, 0, 2)
            found[f"test/v_{short}"] = emitted.reshape(len(emitted), -1)
            found[f"test/loss_{short}_raw"] = made.losses[part].sum()
    for layer, state in made.states.items():
        found[f"train/enc_state/{layer}"] = state  # without dropout as in testing
    for key, value in found.items():
        assert difference(value, arrays[f"expect/{key}"]) <= tolerance(), key
    assert {layer.name for layer in model.encoder.layers} == set(made.states)


def test_losses_of_frames_stand_beside_their_frames():
    # Only the frame that is wrong has a loss: a model of zeros, and one frame of ones.
    model = make(describe())
    for param in model.params:
        param.w.assign(0.0)
    for wrong, (part, place) in {
        0: ("reconstruction", 0),
        2: ("reconstruction", 2),
        4: ("future", 1),
    }.items():
        frames = np.zeros((6, 2, 5), np.float32)
        frames[wrong] = 1
        losses = answer(model, frames).losses
        expected = {"reconstruction": np.zeros(3), "future": np.zeros(3)}
        expected[part][place] = 0.5 * 2 * 5  # half the square, 2 videos, 5 values
        for name in expected:
            np.testing.assert_array_equal(losses[name], expected[name])


def test_answers_stop_at_the_last_case_and_can_be_joined():
    model = make(describe(units=(3, 2)))
    frames = random_frames(model, 7)
    whole = answer(model, frames).some(range(5))
    batches = [
        Batch(np.ascontiguousarray(frames[:, k : k + 3]), None, np.arange(3))
        for k in (0, 3, 6)
    ]
    parts = list(answers(model, batches, 5))
    assert [part.truth.shape[1] for part in parts] == [3, 2]
    both = joined(parts)
    # Products of other sizes may add up in another order: a few roundings.
    for name in ("truth", "reconstruction", "future"):
        np.testing.assert_allclose(
            getattr(both, name), getattr(whole, name), rtol=1e-5, atol=1e-6
        )
    assert both.states["lstm_2_enc"].shape == (5, 6 * 2)
    for name, state in both.states.items():
        np.testing.assert_allclose(state, whole.states[name], rtol=1e-5, atol=1e-6)


def test_answers_do_not_share_memory():
    # The matrices bring their values to the same place each time.
    model = make(describe())
    first = answer(model, random_frames(model, 2, seed=1))
    kept = [a.copy() for a in (first.truth, first.future, first.states["lstm_1_enc"])]
    answer(model, random_frames(model, 2, seed=5))
    for now, before in zip(
        (first.truth, first.future, first.states["lstm_1_enc"]), kept, strict=True
    ):
        np.testing.assert_array_equal(now, before)
