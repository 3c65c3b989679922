"""A checkpoint that the 2016 release wrote, after three updates: it is loaded, computes
what the release computes, and what is saved here has the release's format."""

import h5py
import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import (
    GOLDEN,
    difference,
    frames_of,
    read_h5,
    tolerance,
)
from videolstm.config import read_model
from videolstm.models.checkpoint import (
    Progress,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from videolstm.models.composite import LSTMCombo
from videolstm.models.stack import LSTMStack

FOLDER = GOLDEN / "checkpoint"
DESCRIPTION = FOLDER / "lstm_combo_20150402101112.pbtxt"
WEIGHTS = DESCRIPTION.with_suffix(".h5")
NUM_FRAMES = 6


@pytest.fixture
def model():
    """The model with the checkpoint's weights, computing as the release does."""
    config = read_model(DESCRIPTION)
    config.reproduce_2016_release = True
    model = LSTMCombo(config, DESCRIPTION, NUM_FRAMES)
    progress = load_checkpoint(WEIGHTS, model.params)
    assert progress.iteration is None  # the release does not say
    return model


@pytest.fixture
def reference():
    return read_h5(FOLDER / "expect.h5")[0]


def rows(frames: np.ndarray) -> np.ndarray:
    """(frames, batch, dims) as the reference's (batch, frames * dims)."""
    return frames.transpose(1, 0, 2).reshape(frames.shape[1], -1)


def test_found_by_its_timestamp():
    assert find_checkpoint(read_model(DESCRIPTION), DESCRIPTION) == WEIGHTS


def test_weights_histories_and_counts(model):
    arrays, attributes = read_h5(WEIGHTS)
    assert len(arrays) == 2 * len(model.params)
    for param in model.params:
        np.testing.assert_array_equal(param.w.asarray(), arrays[param.name])
        history = arrays[f"{param.name}_grad"]
        np.testing.assert_array_equal(param.history.asarray(), history)
        assert param.t == attributes[f"{param.name}_t"] == 3


@pytest.mark.parametrize("phase", ["test", "train"])
def test_outputs_and_losses(model, reference, phase):
    frames = frames_of(reference["input/v"], NUM_FRAMES)
    model.load(frames)
    model.fprop(train=phase == "train")
    model.add_losses(model.valid_losses)
    losses = model.valid_losses.take()
    parts = (("dec", model.decoder), ("fut", model.future))
    for (part, decoder), loss in zip(parts, losses, strict=True):
        found = {
            f"v_{part}": rows(decoder.predictions()),
            f"loss_{part}_raw": loss,
            f"loss_{part}_per_frame": loss / (decoder.steps * frames.shape[1]),
        }
        for key, value in found.items():
            expected = reference[f"expect/{phase}/{key}"]
            assert difference(value, expected) <= tolerance(), key


def test_two_more_updates(model, reference):
    frames = frames_of(reference["input/v"], NUM_FRAMES)
    for _ in range(2):
        model.train_step(frames)
    after = "expect/after_2_more_updates"
    for param in model.params:
        w, history = param.w.asarray(), param.history.asarray()
        assert difference(w, reference[f"{after}/{param.name}"]) <= tolerance()
        expected = reference[f"{after}/{param.name}_grad"]
        assert difference(history, expected) <= tolerance()
        assert param.t == reference["expect/t_after"] == 5


def test_what_is_saved_is_in_the_format_of_the_release(model, tmp_path):
    path = tmp_path / "saved.h5"
    save_checkpoint(path, model.params, Progress(iteration=3))
    arrays, attributes = read_h5(WEIGHTS)
    with h5py.File(path) as file:
        # beyond what the release reads there is one group, by a name of no weight
        assert set(file) - {"resume"} == set(arrays)
        for name, expected in arrays.items():
            np.testing.assert_array_equal(file[name][...], expected)
        assert {key: file.attrs[key] for key in attributes} == attributes


def test_pretrained_from_one_dimension(reference):
    """init_type PRETRAINED from datasets as old checkpoints have them."""
    path = FOLDER / "pretrained_classifier.pbtxt"
    stack = LSTMStack(read_model(path).lstm, NUM_FRAMES, path)
    frames = frames_of(reference["input/v"], NUM_FRAMES)
    batch = frames.shape[1]
    stack.begin(batch)
    stack.fprop(cm.CUDAMatrix(frames.reshape(NUM_FRAMES * batch, -1).T))
    z = stack.outputs.asarray() + stack.top.b_output.asarray()
    outputs = np.exp(z - z.max(-1, keepdims=True))
    outputs /= outputs.sum(-1, keepdims=True)
    expected = "expect/pretrained_classifier"
    hidden = stack.states()[0].hidden.asarray().T
    assert difference(hidden, reference[f"{expected}/hidden_last"]) <= tolerance()
    assert difference(rows(outputs), reference[f"{expected}/o"]) <= tolerance()
