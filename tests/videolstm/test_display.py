"""Pictures of a batch: which frames stand where."""

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
from videolstm import display, pictures
from videolstm.composite import LSTMCombo
from videolstm.config import read_model
from videolstm.data import Batch


@pytest.fixture
def drawn(monkeypatch):
    """What would be drawn: the arguments of the last picture."""
    arguments = {}

    def picture(path, truth, reconstruction, future, **more):
        arguments.update(more, path=path, truth=truth)
        arguments.update(reconstruction=reconstruction, future=future)

    monkeypatch.setattr(pictures, "sequence_picture", picture)
    return arguments


def test_reconstruction_is_in_natural_order(drawn):
    model = make(describe(binary_data=True))
    frames = random_frames(model, 2)
    display.draw_batch(model, frames, (1, 1, 5), "a.png", "title")
    np.testing.assert_array_equal(drawn["truth"], frames)
    # the decoder's first frame is the last that the encoder read
    model.load(frames)
    model.fprop()
    decoded = model.decoder.predictions()
    for t in range(3):
        np.testing.assert_array_equal(drawn["reconstruction"][t], decoded[2 - t])
    np.testing.assert_array_equal(drawn["future"], model.future.predictions())
    more = {key: drawn[key] for key in ("path", "title", "frame_shape", "value_range")}
    assert more == {
        "path": "a.png",
        "title": "title",
        "frame_shape": (1, 1, 5),
        "value_range": (0.0, 1.0),
    }


def test_future_is_free_running(drawn):
    # A conditional predictor's own outputs: the true future frames change nothing.
    model = make(describe(future_conditional=True))
    frames = random_frames(model, 2)
    display.draw_batch(model, frames, None, "a.png", "")
    first = drawn["future"]
    frames[3:] = 0
    display.draw_batch(model, frames, None, "a.png", "")
    np.testing.assert_array_equal(drawn["future"], first)


@pytest.mark.parametrize(
    ("lengths", "missing"),
    [({"dec": 0}, "reconstruction"), ({"future": 0}, "future")],
)
def test_a_part_that_the_model_has_not(lengths, missing, drawn):
    config = describe(**lengths)
    model = make(config, num_frames=config.dec_seq_length or 6)
    display.draw_batch(model, random_frames(model, 2), None, "a.png", "")
    parts = ("truth", "reconstruction", "future")
    assert [part for part in parts if drawn[part] is None] == [missing]


@pytest.mark.parametrize(
    ("values", "value_range"),
    [((-3.0, 5.0), (-3.0, 5.0)), ((1e6, 1e6), (1e6, 1e6 + 1))],
)
def test_real_data_are_drawn_over_their_range(values, value_range, drawn):
    model = make(describe())
    frames = np.full((6, 2, 5), values[0], np.float32)
    frames[0] = values[1]
    display.draw_batch(model, frames, None, "a.png", "")
    assert drawn["value_range"] == value_range


def test_squashed_data_are_drawn_squashed(drawn):
    model = make(describe(squash_relu=True, squash_relu_lambda=2.0))
    frames = 3 * random_frames(model, 2)
    display.draw_batch(model, frames, None, "a.png", "")
    expected = 2 / (1 + np.exp(-2.0 * frames.astype(float))) - 1
    np.testing.assert_allclose(drawn["truth"], expected, atol=2e-7)  # two float steps
    assert drawn["value_range"] == (0.0, 1.0)


def test_a_picture_is_written(tmp_path):
    model = make(describe(dims=12))
    frames = random_frames(model, 2)
    display.draw_batch(model, frames, (3, 2, 2), tmp_path / "a.png", "a model, step 1")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


# ---- answers -------------------------------------------------------------------------


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
    made = display.answer(model, frames)
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
        losses = display.answer(model, frames).losses
        expected = {"reconstruction": np.zeros(3), "future": np.zeros(3)}
        expected[part][place] = 0.5 * 2 * 5  # half the square, 2 videos, 5 values
        for name in expected:
            np.testing.assert_array_equal(losses[name], expected[name])


def test_answers_stop_at_the_last_case_and_can_be_joined():
    model = make(describe(units=(3, 2)))
    frames = random_frames(model, 7)
    whole = display.answer(model, frames).some(5)
    batches = [
        Batch(np.ascontiguousarray(frames[:, k : k + 3]), None, np.arange(3))
        for k in (0, 3, 6)
    ]
    parts = list(display.answers(model, batches, 5))
    assert [part.truth.shape[1] for part in parts] == [3, 2]
    both = display.joined(parts)
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
    first = display.answer(model, random_frames(model, 2, seed=1))
    kept = [a.copy() for a in (first.truth, first.future, first.states["lstm_1_enc"])]
    display.answer(model, random_frames(model, 2, seed=5))
    for now, before in zip(
        (first.truth, first.future, first.states["lstm_1_enc"]), kept, strict=True
    ):
        np.testing.assert_array_equal(now, before)
