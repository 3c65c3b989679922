"""Floating point operations of a step, against cases counted by hand."""

import pytest

from benchmarks import flops
from benchmarks.sizes import SIZES, S

# 3 units, 5 pixels, a batch of 2, 2 frames to read and 3 to predict. A gate is 12 x.
TINY = S.changed(units=3, dims=5, batch=2, read=2, frames=5)


def test_a_small_model_by_hand():
    # inputs: 2 frames read, 1 given to the decoder, 2 to the future, 12 x 5 for a case
    inputs = 2 * (2 * 12 * 5) * (2 + 1 + 2)
    # steps after another, 1 + 2 + 3, forward 12 x 3 and backward 3 x 12
    recurrent = 2 * (2 * 12 * 3 + 2 * 3 * 12) * (1 + 2 + 3)
    # frames that are emitted, 2 + 3, forward 5 x 3 and backward
    output = 2 * (2 * 5 * 3 * 2) * (2 + 3)
    # as often as forward
    gradients = inputs + recurrent // 2 + output // 2
    assert flops.by_part(TINY) == {
        "input products": inputs,
        "recurrent": recurrent,
        "output": output,
        "weight gradients": gradients,
    }
    assert flops.total(TINY) == inputs + recurrent + output + gradients


def test_a_second_layer_by_hand():
    one, two = flops.by_part(TINY), flops.by_part(TINY.changed(layers=2))
    # all steps, 2 + 2 + 3, forward and backward 12 x 3
    assert two["input products"] - one["input products"] == 2 * (4 * 12 * 3) * 7
    assert two["recurrent"] == 2 * one["recurrent"]
    assert two["output"] == one["output"]


def test_a_classifier_by_hand():
    tiny = TINY.changed(classes=4, read=3, frames=3)
    assert flops.by_part(tiny) == {
        "input products": 2 * (2 * 12 * 5) * 3,
        "recurrent": 2 * (4 * 12 * 3) * 2,
        "output": 2 * (4 * 4 * 3) * 3,
        "weight gradients": 2 * (2 * 12 * 5 * 3 + 2 * 12 * 3 * 2 + 2 * 4 * 3 * 3),
    }


@pytest.mark.parametrize(
    ("name", "gflop"),
    # what others have counted of the same models
    [("S", 24.736), ("L", 614.8), ("P", 649.3), ("C", 471.1)],
)
def test_sizes(name, gflop):
    assert flops.total(SIZES[name]) / 1e9 == pytest.approx(gflop, rel=1e-3)
