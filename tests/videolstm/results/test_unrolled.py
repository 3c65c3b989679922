"""The predictor run on: against an LSTM written out in numpy, step by step."""

import numpy as np
import pytest

from tests.videolstm.helpers import describe, make, random_frames
from videolstm.config import messages
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.pictures.unrolled import activity_figure, long_figure
from videolstm.results.unrolled import (
    activity_of,
    check_future,
    chosen_units,
    known_frames,
    run_on,
    unrolled,
)

STEPS, CASES = 11, 2


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(layer, x, h, c):
    """One step of a peephole LSTM (the paper, section 2.1); gates i f a o."""
    w = {name: p.w.asarray().astype(float) for name, p in layer.params.items()}
    z = w["b"] + h @ w["w_dense"].T
    if x is not None:
        z = z + x @ w["w_input"].T
    i, f, a, o = np.split(z, 4, axis=1)
    ci, cf, co = np.split(w["w_diag"], 3, axis=1)
    i, f, a = sigmoid(i + ci * c), sigmoid(f + cf * c), np.tanh(a)
    c = f * c + i * a
    o = sigmoid(o + co * c)
    return o * np.tanh(c), c, np.concatenate([i, f, a, o], axis=1)


def run(model, past, steps):
    """The predictor's frames, and gates, cell and output of its one layer."""
    n = model.encoder.top.num_hid
    h = c = np.zeros((past.shape[1], n))
    for x in past.astype(float):
        h, c, _ = step(model.encoder.top, x, h, c)
    decoder, layer, frame, trace = model.future, model.future.stack.top, None, []
    w, b = (layer.params[k].w.asarray() for k in ("w_output", "b_output"))
    for t in range(steps):
        if not (t == 0 and decoder.copy_state):
            h, c, gates = step(layer, frame, h, c)
        else:
            gates = np.full((past.shape[1], 4 * n), np.nan)
        y = h @ w.T + b
        y = sigmoid(y) if model.binary else y
        frame = y if decoder.conditional else None
        trace.append((y, gates, c, h))
    return [np.array(values) for values in zip(*trace, strict=True)]


@pytest.mark.parametrize("dec", [3, 0], ids=["both", "future-only"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"binary_data": True},
        {"future_conditional": True},
        {"future_copy_init_state": True, "binary_data": True},
    ],
    ids=["plain", "binary", "conditional", "copy"],
)
def test_it_goes_on_as_one_would_by_hand(fields, dec):
    model = make(describe(dec=dec, future=3, **fields), num_frames=6)
    frames = random_frames(model, CASES)
    longer = unrolled(model, STEPS)
    made = run_on(longer, frames)
    assert made.truth.shape == (3 + STEPS, CASES, 5)
    np.testing.assert_array_equal(made.truth[:6], frames)
    assert np.isnan(made.truth[6:]).all()
    expected, gates, cell, hidden = run(model, frames[:3], STEPS)
    # float: eleven steps of sums of a few terms
    tolerance = {"rtol": 2e-5, "atol": 2e-6}
    np.testing.assert_allclose(made.future, expected, **tolerance)
    i, f, a, o = np.split(gates, 4, axis=2)
    activity = activity_of(longer.future.stack.top, 1)
    wanted = [i, f, o, a, cell, hidden]
    for (name, values), right in zip(activity.items(), wanted, strict=True):
        np.testing.assert_allclose(values, right[:, 1], err_msg=name, **tolerance)


def test_fewer_steps_than_in_training():
    model = make(describe(future=3))
    frames = random_frames(model, CASES)
    made = run_on(unrolled(model, 2), frames)
    np.testing.assert_array_equal(made.truth, frames[:5])
    assert made.future.shape[0] == 2


def test_a_model_without_a_predictor():
    model = make(describe(future=0), num_frames=3)
    with pytest.raises(UserError, match="future_seq_length is 0, and it should be"):
        check_future(model)


def test_units_are_chosen_by_the_seed():
    assert np.array_equal(chosen_units(9, 1), np.arange(9))
    many = chosen_units(2048, 1)
    assert len(many) == 200 == len(set(many)) and (np.diff(many) > 0).all()
    assert np.array_equal(many, chosen_units(2048, 1))
    assert not np.array_equal(many, chosen_units(2048, 2))


def test_pictures_have_every_panel():
    model = make(describe(units=(3, 2), dims=12, future=3))
    longer = unrolled(model, 45)
    made = run_on(longer, random_frames(model, CASES))
    figure = activity_figure(longer, 3, 0, "title")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    gates = ["input gate", "forget gate", "output gate"]
    assert titles == 2 * [*gates, "cell input", "cell", "hidden state"]
    look = {"frame_shape": (3, 2, 2), "value_range": (0.0, 1.0)}
    figure = long_figure(made, trained=3, title="title", **look)
    texts = [text.get_text() for text in figure.axes[0].texts]
    # the truth is known in the first line only
    assert texts.count("truth") == CASES and texts.count("model") == 3 * CASES
    assert "frames 41 to 48" in texts
    assert "beyond the 3 frames it was trained to predict" in texts


# ---- truth beyond num_frames ---------------------------------------------------------


def patches(folder, clips, frames, num_frames):
    values = np.random.RandomState(0).randint(0, 256, (clips, frames, 4, 4), np.uint8)
    np.save(folder / "v.npy", values)
    types = messages()
    config = types.Data(
        dataset_type=types.Data.VIDEO_PATCH,
        data_file="v.npy",
        num_frames=num_frames,
        batch_size=2,
        image_size=4,
    )
    return make_data_handler(config, folder / "data.pbtxt"), values


@pytest.mark.parametrize(("asked", "known"), [(9, 9), (12, 6), (4, 4)])
def test_frames_that_the_file_has(asked, known, tmp_path):
    data, values = patches(tmp_path, 5, 10, 6)
    frames = known_frames(data, asked, [0, 3, 1])
    expected = values[[0, 3, 1], :known].transpose(1, 0, 2, 3).reshape(known, 3, 16)
    np.testing.assert_array_equal(frames, expected.astype("f4") / np.float32(255))


def test_a_file_that_would_be_read_another_way(tmp_path):
    # Of 10 frames it would be 10 clips of 8: frames first.
    data, values = patches(tmp_path, 10, 8, 6)
    assert known_frames(data, 10, [0, 1, 2]).shape[0] == 6
