"""The composite model against the reference values of tests/golden, made by running the
2016 release's algorithm in double precision.

Two modes: `release`, with reproduce_2016_release, must meet what the release computes;
`right`, without, must meet the exact gradient. They differ only in the gradient.
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
from videolstm.models.composite import LSTMCombo

FOLDER = GOLDEN / "cases"
NAMES = sorted(path.stem for path in FOLDER.glob("combo_*.h5"))
MODES = ("release", "right")
PARTS = (("dec", "decoder"), ("fut", "future"))

# The release's dropout multiplies by masks that it never writes: what it computes in
# training is no value to meet, only its forward pass and the exact gradient without
# dropout are.
WITHOUT_DROPOUT = "combo_dropout_quirk"


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


def make_case(name: str, mode: str) -> tuple[LSTMCombo, np.ndarray]:
    """The model of a case with its first weights, and its batch of frames."""
    path = FOLDER / f"{name}.model.pbtxt"
    config = read_model(path)
    config.reproduce_2016_release = mode == "release"
    if name == WITHOUT_DROPOUT:
        for layer in [*config.lstm, *config.lstm_dec, *config.lstm_future]:
            layer.input_dropprob = layer.output_dropprob = 0
    num_frames = int(case_of(name)[1]["seq_length"])
    model = LSTMCombo(config, path, num_frames)
    initial = group(name, "init")
    assert {param.name for param in model.params} == set(initial)
    for param in model.params:
        param.w.overwrite(initial[param.name])
    return model, frames_of(case_of(name)[0]["input/v"], num_frames)


def is_exact(name: str) -> bool:
    """Whether the release's gradient is the exact one."""
    return bool(case_of(name)[1]["orig_gradient_is_exact"])


def gradients_with_reference() -> list[tuple[str, str]]:
    return [
        (name, mode)
        for name in NAMES
        for mode in MODES
        if (name, mode) != (WITHOUT_DROPOUT, "release")
    ]


def updates_with_reference() -> list[tuple[str, str, str]]:
    """Case, mode, and where the weights after five updates are."""
    table = []
    for name in NAMES:
        if name == WITHOUT_DROPOUT:
            continue
        table.append((name, "release", "expect"))
        if is_exact(name):
            table.append((name, "right", "expect"))
        elif group(name, "exact/step5"):
            table.append((name, "right", "exact"))
    return table


def assert_same(actual: dict, expected: dict) -> None:
    """Every array of `expected` is met by the one of that name."""
    wrong = {k: difference(actual[k], v) for k, v in expected.items()}
    # `not <=`, so that NaN is wrong
    assert not {k: v for k, v in wrong.items() if not v <= tolerance()}


# ---- values
# ----------------------------------------------------------------------------


def test_all_cases_are_there():
    assert len(NAMES) == 22
    assert len([row for row in updates_with_reference() if row[2] == "exact"]) == 4


@pytest.mark.parametrize("phase", ["test", "train"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_losses(name, mode, phase):
    model, frames = make_case(name, mode)
    model.load(frames)
    model.fprop(train=phase == "train")
    model.add_losses(model.valid_losses)
    losses = dict(zip(("dec", "fut"), model.valid_losses.take(), strict=True))
    actual = {}
    for part, attribute in PARTS:
        actual[f"loss_{part}_raw"] = losses[part]
        actual[f"loss_{part}_per_frame"] = 0.0
        if decoder := getattr(model, attribute):
            frames_in_all = decoder.steps * frames.shape[1]
            actual[f"loss_{part}_per_frame"] = losses[part] / frames_in_all
            rows = decoder.predictions().transpose(1, 0, 2)
            actual[f"v_{part}"] = rows.reshape(len(rows), -1)
    for layer in model.encoder.layers:
        state, gates = layer.state(), layer.gates[layer.steps - 1]
        matrices = (state.hidden, state.cell, gates)  # gates: i f a o
        rows = np.concatenate([m.asarray() for m in matrices]).T
        actual[f"enc_state/{layer.name}"] = rows
    expected = group(name, f"expect/{phase}")
    assert set(actual) - {f"enc_state/{la.name}" for la in model.encoder.layers} == {
        key for key in expected if not key.startswith("enc_state")
    }
    assert_same(actual, expected)


# ---- gradients and updates
# -------------------------------------------------------------


@pytest.mark.parametrize(("name", "mode"), gradients_with_reference())
def test_gradients(name, mode):
    model, frames = make_case(name, mode)
    model.load(frames)
    model.fprop(train=True)
    model.add_losses(model.train_losses, derive=True)
    model.bprop()
    expected = group(name, "expect/grad")
    assert set(expected) == {param.name for param in model.params}
    if mode == "right":
        expected.update(group(name, "exact/grad"))
    assert_same(gradients_of(model), expected)


def arrays_of(model: LSTMCombo) -> dict[str, np.ndarray]:
    """Weights and histories by the names they have in a checkpoint."""
    arrays = {}
    for param in model.params:
        arrays[param.name] = param.w.asarray().copy()
        arrays[f"{param.name}_grad"] = param.history.asarray().copy()
    return arrays


@pytest.mark.parametrize(("name", "mode", "where"), updates_with_reference())
def test_five_updates(name, mode, where):
    model, frames = make_case(name, mode)
    losses = []
    for step in range(5):
        model.train_step(frames)
        losses.append(model.train_losses.take())
        if step == 0 and where == "expect":
            assert_same(arrays_of(model), group(name, "expect/step1"))
    assert_same(arrays_of(model), group(name, f"{where}/step5"))
    if where == "expect":
        arrays = case_of(name)[0]
        model.evaluate(frames)
        test_losses = arrays["expect/step5_test_loss_raw"]
        for k in range(2):  # each loss by itself: one may be far smaller
            expected = arrays["expect/train_losses_raw"][:, k]
            assert difference(np.array(losses)[:, k], expected) <= tolerance()
        assert difference(model.valid_losses.take(), test_losses) <= tolerance()


def test_learning_rate_decay():
    # The release's gradient with the decay that it computes and does not use.
    model, frames = make_case("combo_optimizer", "release")
    for param in model.params:
        assert not param.decays
        param.decays = True
    for _ in range(5):
        model.train_step(frames)
    expected = group("combo_optimizer", "alt_eps_decay_applied/step5")
    assert set(expected) == {param.name for param in model.params}
    assert_same(arrays_of(model), expected)


def test_the_release_differs_where_it_is_wrong():
    # Guards the table above: if both modes computed the same, one of them would lie.
    gradients = {}
    for mode in MODES:
        model, frames = make_case("combo_cond", mode)
        model.train_step(frames)
        gradients[mode] = gradients_of(model)
    wrong = case_of("combo_cond")[1]["params_with_inexact_gradient"]
    for name, gradient in gradients["right"].items():
        differs = difference(gradients["release"][name], gradient) > 0.1
        assert differs == (name in set(wrong)), name
