"""The classifiers against the reference values of tests/golden, made by running the
2016 release's algorithm in double precision.

`release`, with reproduce_2016_release, must meet what the release computes. Without it
only the decay of the learning rate differs in these cases: the same values, or those
with the decay applied, must come out.
"""

import functools

import numpy as np
import pytest

from tests.videolstm.helpers import (
    GOLDEN,
    difference,
    frames_of,
    gradients_of,
    read_h5,
    tolerance,
)
from videolstm.config import read_model
from videolstm.models.classifier import make_classifier
from videolstm.models.sequence import Sequence
from videolstm.models.vote import CROSS_ENTROPY, RIGHT, Classifier

FOLDER = GOLDEN / "cases"
CLASSIFIERS = sorted(path.stem for path in FOLDER.glob("classifier_*.h5"))
NAMES = [*CLASSIFIERS, "logreg"]
MODES = ("release", "right")


@functools.cache
def case_of(name: str):
    """Arrays and attributes of a case."""
    return read_h5(FOLDER / f"{name}.h5")


def group(name: str, path: str) -> dict[str, np.ndarray]:
    """The arrays of a case below a path, by the rest of their names."""
    arrays = case_of(name)[0]
    return {
        k[len(path) + 1 :]: v for k, v in arrays.items() if k.startswith(f"{path}/")
    }


def make_case(name: str, mode: str = "release") -> tuple[Classifier, np.ndarray]:
    """The model of a case with its first weights, and its batch of frames."""
    path = FOLDER / f"{name}.model.pbtxt"
    config = read_model(path)
    config.reproduce_2016_release = mode == "release"
    arrays, attributes = case_of(name)
    num_frames = int(attributes.get("seq_length", 1))
    model = make_classifier(config, path, num_frames)
    initial = group(name, "init")
    assert {param.name for param in model.params} == set(initial)
    for param in model.params:
        param.w.overwrite(initial[param.name])
    return model, frames_of(arrays["input/v"], num_frames)


def labels_of(name: str) -> np.ndarray:
    return case_of(name)[0]["input/labels"][:, 0].astype(np.int64)


def give_masks(model: Classifier, name: str, step: int) -> None:
    """The masks that the release drew in a step, if it drew any."""
    masks: dict[str, dict[str, np.ndarray]] = {}
    for path, mask in group(name, f"masks/step{step}").items():
        layer, place = path.split("/")
        masks.setdefault(layer, {})[place] = mask
    model.set_masks(masks)


def assert_same(actual: dict, expected: dict) -> None:
    """Every array of `expected` is met by the one of that name."""
    wrong = {k: difference(actual[k], v) for k, v in expected.items()}
    # `not <=`, so that NaN is wrong
    assert not {k: v for k, v in wrong.items() if not v <= tolerance()}


def flat(sequence: np.ndarray) -> np.ndarray:
    """(frames, batch, dims) as the golden files have it, (batch, frames * dims)."""
    rows = sequence.transpose(1, 0, 2)
    return rows.reshape(len(rows), -1)


def test_all_cases_are_there():
    assert len(CLASSIFIERS) == 4


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_testing(name):
    model, frames = make_case(name)
    expected = group(name, "expect/test")
    average = model.predict(frames)
    actual = {"o": flat(model.probabilities.asarray()), "avg_o": average}
    # and the same again where there are labels
    model.load(frames)
    model.fprop(train=False)
    model.add_losses(labels_of(name), model.train_totals)
    assert np.array_equal(model.average.asarray()[0], average)
    actual["correct"] = model.train_totals.take()[RIGHT]
    assert set(actual) == set(expected)
    assert_same(actual, expected)


@pytest.mark.parametrize("name", NAMES)
def test_training_step(name):
    model, frames = make_case(name)
    give_masks(model, name, 1)
    expected = group(name, "expect/train")
    model.load(frames)
    model.fprop(train=True)
    model.add_losses(labels_of(name), model.train_totals, derive=True)
    totals = model.train_totals.take()
    actual = {
        "o": flat(model.probabilities.asarray()),
        "avg_o": model.average.asarray()[0],
        "correct": totals[RIGHT],
        "acc": totals[RIGHT] / frames.shape[1],
        "aux_sum_ce": totals[CROSS_ENTROPY],
    }
    deriv = Sequence(model.num_classes, model.num_frames, frames.shape[1])
    deriv.all.assign(model.logits)
    actual["o_deriv"] = flat(deriv.asarray())
    if name == "logreg":
        inputs = Sequence(model.dims, 1, frames.shape[1])
        model.input_bprop(inputs.all)
        actual["input_deriv"] = flat(inputs.asarray())
    else:
        for layer in model.layers:
            state, gates = layer.state(), layer.gates[layer.steps - 1]
            matrices = (state.hidden, state.cell, gates)  # gates: i f a o
            rows = np.concatenate([m.asarray() for m in matrices]).T
            actual[f"state/{layer.name}"] = rows
    assert set(expected) <= set(actual)
    assert_same(actual, expected)
    model.bprop()
    assert set(group(name, "expect/grad")) == set(gradients_of(model))
    assert_same(gradients_of(model), group(name, "expect/grad"))


def arrays_of(model: Classifier) -> dict[str, np.ndarray]:
    """Weights and histories by the names they have in a checkpoint."""
    arrays = {}
    for param in model.params:
        arrays[param.name] = param.w.asarray().copy()
        arrays[f"{param.name}_grad"] = param.history.asarray().copy()
    return arrays


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_five_updates(name, mode):
    model, frames = make_case(name, mode)
    decays = group(name, "alt_eps_decay_applied/step5")
    labels = labels_of(name)
    correct = []
    for step in range(5):
        give_masks(model, name, step + 1)
        model.train_step(frames, labels)
        correct.append(model.train_totals.take()[RIGHT])
        if step == 0:
            assert_same(arrays_of(model), group(name, "expect/step1"))
    if mode == "right" and decays:
        assert_same(arrays_of(model), decays)
        return
    assert_same(arrays_of(model), group(name, "expect/step5"))
    assert np.array_equal(correct, case_of(name)[0]["expect/train_correct"])
    if name != "logreg":
        right = model.predict(frames).argmax(axis=1) == labels
        assert right.sum() == case_of(name)[0]["expect/step5_test_correct"]


def test_pretrained_weights():
    # 1-D datasets of an .h5, read as one row; no history and no updates yet
    path = GOLDEN / "checkpoint" / "pretrained_classifier.pbtxt"
    model = make_classifier(read_model(path), path, 2)
    stored, _ = read_h5(path.parent / "pretrained_1d.h5")
    weights = {param.name: param.w.asarray() for param in model.params}
    for weight in ("w_dense", "w_diag", "b", "w_input"):
        values = np.atleast_2d(stored[f"old_enc:{weight}"])
        assert difference(weights[f"lstm_1:{weight}"], values) <= 1e-7  # float32
    assert (weights["lstm_1:w_output"] == 0.25).all()
    assert (weights["lstm_1:b_output"] == -0.5).all()
    assert {param.t for param in model.params} == {0}
