"""Pictures of a batch: which frames stand where."""

import numpy as np
import pytest

from tests.videolstm.helpers import describe, make, random_frames
from videolstm.pictures import sequences
from videolstm.pictures.batch import draw_batch


@pytest.fixture
def drawn(monkeypatch):
    """What would be drawn: the arguments of the last picture."""
    arguments = {}

    def picture(path, truth, reconstruction, future, **more):
        arguments.update(more, path=path, truth=truth)
        arguments.update(reconstruction=reconstruction, future=future)

    monkeypatch.setattr(sequences, "sequence_picture", picture)
    return arguments


def test_reconstruction_is_in_natural_order(drawn):
    model = make(describe(binary_data=True))
    frames = random_frames(model, 2)
    draw_batch(model, frames, (1, 1, 5), "a.png", "title")
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
    draw_batch(model, frames, None, "a.png", "")
    first = drawn["future"]
    frames[3:] = 0
    draw_batch(model, frames, None, "a.png", "")
    np.testing.assert_array_equal(drawn["future"], first)


@pytest.mark.parametrize(
    ("lengths", "missing"),
    [({"dec": 0}, "reconstruction"), ({"future": 0}, "future")],
)
def test_a_part_that_the_model_has_not(lengths, missing, drawn):
    config = describe(**lengths)
    model = make(config, num_frames=config.dec_seq_length or 6)
    draw_batch(model, random_frames(model, 2), None, "a.png", "")
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
    draw_batch(model, frames, None, "a.png", "")
    assert drawn["value_range"] == value_range


def test_squashed_data_are_drawn_squashed(drawn):
    model = make(describe(squash_relu=True, squash_relu_lambda=2.0))
    frames = 3 * random_frames(model, 2)
    draw_batch(model, frames, None, "a.png", "")
    expected = 2 / (1 + np.exp(-2.0 * frames.astype(float))) - 1
    np.testing.assert_allclose(drawn["truth"], expected, atol=2e-7)  # two float steps
    assert drawn["value_range"] == (0.0, 1.0)


def test_a_picture_is_written(tmp_path):
    model = make(describe(dims=12))
    frames = random_frames(model, 2)
    draw_batch(model, frames, (3, 2, 2), tmp_path / "a.png", "a model, step 1")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
