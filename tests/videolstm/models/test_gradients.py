"""Every gradient of the composite model against central finite differences.

(f(w + h d) - f(w - h d)) / 2h along random directions d of each weight, all its
elements at once, and along single elements. f is the training loss: the future is
teacher-forced and dropout's masks are given. Only double precision can resolve the
difference.
"""

import numpy as np
import pytest

from cudamat.library import precision
from tests.videolstm.helpers import (
    GOLDEN,
    describe,
    frames_of,
    make,
    random_frames,
    random_masks,
    read_h5,
)
from videolstm.config import read_model

if precision() != "double":
    pytest.skip(
        "finite differences need CUDAMAT_PRECISION=double, as make test's second run",
        allow_module_level=True,
    )

STEP = 1e-4
# The error of a central difference is about h^2/6 times the third derivative, plus
# 1e-16 f/h: together 1e-10 to 1e-8. Beside the largest element of a gradient that is
# at most 3e-7, for peepholes whose gradient is 3e-5; h ten times larger or smaller is
# worse.
TOLERANCE = 1e-6
BATCH = 3

CONDITIONAL = {"dec_conditional": True, "future_conditional": True}
COPIES = {"decoder_copy_init_state": True, "future_copy_init_state": True}
CONFIGURATIONS = {
    # data and outputs
    "binary": {"binary_data": True},
    "real": {},
    "relu data": {"relu_data": True, **CONDITIONAL},
    "squashed": {"squash_relu": True, "squash_relu_lambda": 1.5, **CONDITIONAL},
    "use relu": {"use_relu": True, "binary_data": True, **CONDITIONAL},
    "use relu, two layers": {"use_relu": True, "units": (4, 3)},
    # parts
    "autoencoder": {"future": 0, "binary_data": True},
    "autoencoder, conditional": {"future": 0, "dec_conditional": True},
    "predictor": {"dec": 0, "num_frames": 7, "binary_data": True},
    "predictor, conditional": {"dec": 0, "num_frames": 5, "future_conditional": True},
    "decoder conditional": {"dec_conditional": True},
    "future conditional": {"future_conditional": True},
    "decoder copies": {"decoder_copy_init_state": True, **CONDITIONAL},
    "future copies": {"future_copy_init_state": True, **CONDITIONAL},
    "both copy": {**COPIES, **CONDITIONAL, "binary_data": True},
    "both copy, unconditional": COPIES,
    # depth
    "two layers": {"units": (4, 3), **CONDITIONAL, "binary_data": True},
    "two layers, copies": {"units": (4, 6), **CONDITIONAL, **COPIES},
    "three layers": {"units": (3, 4, 5), **CONDITIONAL},
    "three layers, copies, unconditional": {"units": (3, 4, 2), **COPIES},
    # lengths
    "one frame each": {"dec": 1, "future": 1, **CONDITIONAL},
    "one frame each, two layers": {"dec": 1, "future": 1, "units": (4, 3)},
    "one frame each, copies": {"dec": 1, "future": 1, **COPIES, **CONDITIONAL},
    "one frame each, copies, two layers": {
        "dec": 1,
        "future": 1,
        "units": (3, 4),
        **COPIES,
    },
    "two frames, copies": {"dec": 2, "future": 2, **COPIES, **CONDITIONAL},
    "long future": {"dec": 2, "future": 5, **CONDITIONAL},
    "long past": {"dec": 5, "future": 1, **CONDITIONAL},
    "one case": {"batch": 1, **CONDITIONAL, "binary_data": True},
    "one case, one frame": {"batch": 1, "dec": 1, "future": 1},
    # dropout
    "input dropout": {"dropprob": (0.3, 0.0), **CONDITIONAL},
    "output dropout": {"dropprob": (0.0, 0.4), **CONDITIONAL},
    "dropout": {"dropprob": (0.3, 0.4), "binary_data": True},
    "dropout, three layers": {"dropprob": (0.2, 0.5), "units": (4, 3, 5)},
    "dropout, conditional, two layers": {
        "dropprob": (0.3, 0.4),
        "units": (5, 4),
        **CONDITIONAL,
    },
    "dropout, copies, two layers": {
        "dropprob": (0.3, 0.4),
        "units": (5, 4),
        **CONDITIONAL,
        **COPIES,
    },
    "dropout, one frame": {"dropprob": (0.3, 0.4), "dec": 1, "future": 1},
    "dropout, use relu": {"dropprob": (0.3, 0.4), "use_relu": True, **CONDITIONAL},
}
GOLDEN_CASES = sorted(path.stem for path in (GOLDEN / "cases").glob("combo_*.h5"))


def training_loss(model) -> float:
    model.fprop(train=True)
    model.add_losses(model.train_losses)
    return float(model.train_losses.take().sum())


def directions(shape, rng):
    """Two directions through all elements, of length 1, and three through one each."""
    for _ in range(2):
        direction = rng.randn(*shape)
        yield direction / np.linalg.norm(direction)
    for element in rng.choice(np.prod(shape), min(3, np.prod(shape)), replace=False):
        direction = np.zeros(shape)
        direction.flat[element] = 1.0
        yield direction


def slope(model, param, direction) -> float:
    """The finite difference of the training loss along a direction of one weight."""
    start = param.w.asarray().copy()
    losses = []
    for h in (STEP, -STEP):
        param.w.overwrite(start + h * direction)
        losses.append(training_loss(model))
    param.w.overwrite(start)
    return (losses[0] - losses[1]) / (2 * STEP)


def check_gradients(model, frames) -> None:
    batch = frames.shape[1]
    model.set_masks(random_masks(model, batch))
    model.load(frames)
    model.fprop(train=True)
    model.add_losses(model.train_losses, derive=True)
    for param in model.params:  # every gradient must be written, zeros too
        param.dw.assign(float("nan"))
    model.bprop()
    model.train_losses.clear()
    rng = np.random.RandomState(4)
    wrong, biggest = [], 0.0
    for param in model.params:
        gradient = param.dw.asarray().copy()
        biggest = max(biggest, np.abs(gradient).max())
        for direction in directions(param.shape, rng):
            exact = float((gradient * direction).sum())
            found = slope(model, param, direction)
            # a weight that nothing depends on has gradient 0, and exactly so
            limit = TOLERANCE * np.abs(gradient).max()
            if not abs(found - exact) <= limit:
                wrong.append((param.name, param.shape, exact, found, limit))
    assert not wrong
    assert biggest > 0.1  # the comparison is not one of zeros


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations(name):
    options = dict(CONFIGURATIONS[name])
    num_frames = options.pop("num_frames", None)
    batch = options.pop("batch", BATCH)
    model = make(describe(**options), num_frames)
    check_gradients(model, random_frames(model, batch))


@pytest.mark.parametrize("name", GOLDEN_CASES)
def test_golden_cases(name):
    path = GOLDEN / "cases" / name
    arrays, attributes = read_h5(path.with_suffix(".h5"))
    num_frames = int(attributes["seq_length"])
    model = make(read_model(path.with_suffix(".model.pbtxt")), num_frames)
    for param in model.params:
        param.w.overwrite(arrays[f"init/{param.name}"])
    check_gradients(model, frames_of(arrays["input/v"], num_frames))
