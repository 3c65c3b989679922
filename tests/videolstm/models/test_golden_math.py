"""Products with fewer bits (`--math`): the golden cases once more, each kind of
products at a tolerance of its own.

An operand that is rounded is wrong by its format's unit roundoff u at most, 2^-11 of
TF32 and 2^-8 of bfloat16, so a product by 2 u. In sums such errors partly cancel; steps
and layers pass them on, and a gradient is behind twice as many products as an output.
Measured on the CPU over the 22 composite cases and the 5 classifiers, of 2 to 12 frames
and 1 to 3 layers: errors in units of u are the same for both formats, half of them
below 0.4 (outputs and states), 0.01 (losses) and 0.9 (gradients), and the largest of
all what `WORST` has.
Allowed is twice that, and four times on a CUDA board, where cuBLAS may cut bits off
instead of rounding. 3xtf32 has the tolerance of float32 itself.
"""

import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import difference, gradients_of, tolerance
from tests.videolstm.models import test_golden_classifier as classifiers
from tests.videolstm.models import test_golden_composite as composites
from videolstm.models.vote import CROSS_ENTROPY

ROUNDOFF = {"tf32": 2.0**-11, "bf16": 2.0**-8}
WORST = {"outputs": 2.1, "losses": 0.09, "gradients": 6.1}
MARGIN = 2 if cm.load().kind == "cpu" else 4
MODES = cm.MATH_MODES if cm.real_type() == np.float32 else ("fp32",)


@pytest.fixture(autouse=True)
def as_before():
    yield
    cm.set_math_mode("fp32")


def allowed(mode: str, what: str) -> float:
    return MARGIN * WORST[what] * ROUNDOFF[mode] if mode in ROUNDOFF else tolerance()


def assert_within(mode: str, found: dict[str, dict], expected: dict[str, dict]) -> None:
    """Each array of `expected`, by what it is and its name, is met as it should be."""
    wrong = {}
    for what, arrays in expected.items():
        assert set(arrays) <= set(found[what])
        for name, values in arrays.items():
            off = difference(found[what][name], values)
            if not off <= allowed(mode, what):  # not >, so that NaN is wrong
                wrong[name] = off
    assert not wrong


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", composites.NAMES)
def test_composite(name, mode):
    cm.set_math_mode(mode)
    model, frames = composites.make_case(name, "right")
    model.load(frames)
    model.fprop(train=True)
    outputs = {
        f"v_{part}": classifiers.flat(decoder.predictions())
        for part, attribute in composites.PARTS
        if (decoder := getattr(model, attribute))
    }
    model.add_losses(model.train_losses, derive=True)
    right, losses, right_losses = composites.group(name, "expect/train"), {}, {}
    totals = model.train_losses.take()
    for (part, attribute), total in zip(composites.PARTS, totals, strict=True):
        if getattr(model, attribute):
            losses[part] = total
            right_losses[part] = right[f"loss_{part}_raw"]
    for layer in model.encoder.layers:
        state, gates = layer.state(), layer.gates[layer.steps - 1]
        matrices = (state.hidden, state.cell, gates)
        rows = np.concatenate([m.asarray() for m in matrices]).T
        outputs[f"enc_state/{layer.name}"] = rows
    model.bprop()
    expected = composites.group(name, "expect/grad")
    expected |= composites.group(name, "exact/grad")
    assert_within(
        mode,
        {"outputs": outputs, "losses": losses, "gradients": gradients_of(model)},
        {
            "outputs": {key: right[key] for key in outputs},
            "losses": right_losses,
            "gradients": expected,
        },
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", classifiers.NAMES)
def test_classifier(name, mode):
    cm.set_math_mode(mode)
    model, frames = classifiers.make_case(name, "right")
    classifiers.give_masks(model, name, 1)
    model.load(frames)
    model.fprop(train=True)
    model.add_losses(classifiers.labels_of(name), model.train_totals, derive=True)
    right = classifiers.group(name, "expect/train")
    outputs = {"o": classifiers.flat(model.probabilities.asarray())}
    losses = {"aux_sum_ce": model.train_totals.take()[CROSS_ENTROPY]}
    model.bprop()
    assert_within(
        mode,
        {"outputs": outputs, "losses": losses, "gradients": gradients_of(model)},
        {
            "outputs": {key: right[key] for key in outputs},
            "losses": {key: right[key] for key in losses},
            "gradients": classifiers.group(name, "expect/grad"),
        },
    )
