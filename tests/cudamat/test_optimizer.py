"""The update of a weight against plain numpy, over several steps."""

import numpy as np
import pytest

import cudamat as cm
from cudamat import learn
from tests.cudamat.framed import Framed, assert_close, rounded

SETTINGS = {
    "plain": {"momentum": 0.0, "epsilon": 0.1},
    "momentum": {"momentum": 0.9, "epsilon": 0.01},
    "decay": {"momentum": 0.9, "epsilon": 0.01, "l2_decay": 0.25},
    "clip": {"momentum": 0.5, "epsilon": 0.1, "gradient_clip": 0.05},
    "nothing": {"momentum": 0.0, "epsilon": 0.0},
    "all": {"momentum": 0.5, "epsilon": 0.1, "l2_decay": 0.1, "gradient_clip": 0.1},
}
SHAPES = [(0, 3), (1, 1), (5, 3), (131, 127)]


def plain_update(
    w, history, d, rms, momentum, epsilon, l2_decay=0.0, gradient_clip=0.0, factor=0.95
):
    """w, history and rms after a step; rms None without rms_prop."""
    d = d + l2_decay * w
    if rms is not None:
        rms = np.sqrt(factor * rms**2 + (1 - factor) * d**2)
        d = d / rms
    history = momentum * history - epsilon * d
    if gradient_clip > 0:
        history = np.clip(history, -gradient_clip, gradient_clip)
    return w + history, history, rms


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("rms_prop", [False, True])
def test_update(shape, name, rms_prop):
    rng = np.random.default_rng(0)
    w, history, gradient = rounded(rng.standard_normal((3, *shape)))
    rms = np.ones(shape) if rms_prop else None
    frames = [Framed(values) for values in (w, history, gradient)]
    rms_frame = Framed(rms) if rms_prop else None
    for _ in range(3):
        matrices = [frame.matrix for frame in frames]
        if rms_prop:
            matrices.append(rms_frame.matrix)
            learn.update(*matrices, rms_prop_factor=0.8, **SETTINGS[name])
        else:
            learn.update(*matrices, **SETTINGS[name])
        w, history, rms = plain_update(
            w, history, gradient, rms, factor=0.8, **SETTINGS[name]
        )
    # three steps of a few roundings each; d / rms is at most 1 / sqrt(1 - factor)
    scale = 3 + np.abs(w) + np.abs(gradient)
    assert_close(frames[0].values(), w, 8, scale, "weight")
    assert_close(frames[1].values(), history, 8, scale, "history")
    frames[2].check_untouched()
    if rms_prop:
        assert_close(rms_frame.values(), rms, 8, scale, "root mean square")
        rms_frame.check_marks()
    for frame in frames:
        frame.check_marks()


def test_root_mean_square_of_nothing():
    """Where no gradient ever came, d / r is 0 and not 0 / 0."""
    w, history, gradient, rms = (cm.zeros((1, 2)) for _ in range(4))
    learn.update(w, history, gradient, rms, momentum=0.9, epsilon=0.1)
    assert w.asarray().tolist() == rms.asarray().tolist() == [[0, 0]]


def test_a_nan_shows_through_the_clip():
    w, history = cm.zeros((1, 1)), cm.zeros((1, 1))
    gradient = cm.CUDAMatrix([[np.nan]])
    learn.update(w, history, gradient, momentum=0.9, epsilon=0.1, gradient_clip=0.1)
    assert np.isnan(w.asarray()[0, 0])


@pytest.mark.parametrize("which", range(4))
def test_wrong_matrices(which):
    freed = cm.zeros((2, 3))
    freed.free_device_memory()
    transposed = cm.zeros((3, 2)).T
    for wrong in (cm.zeros((3, 2)), cm.empty((0, 0)), freed, transposed, "x"):
        matrices = [cm.zeros((2, 3)) for _ in range(4)]
        matrices[which] = wrong
        with pytest.raises(cm.CUDAMatException, match="^update: ") as error:
            learn.update(*matrices, momentum=0.9, epsilon=0.1)
        assert len(str(error.value)) > 30
    if which < 3:
        matrices[which] = None
        with pytest.raises(cm.CUDAMatException, match="^update: the .* is missing"):
            learn.update(*matrices, momentum=0.9, epsilon=0.1)


def test_overlapping_matrices():
    for one in range(4):
        for other in range(one):
            matrices = [cm.zeros((2, 3)) for _ in range(4)]
            matrices[one] = matrices[other]
            with pytest.raises(cm.CUDAMatException, match="overlaps the"):
                learn.update(*matrices, momentum=0.9, epsilon=0.1)


def test_settings_that_are_no_numbers():
    matrices = [cm.zeros((2, 3)) for _ in range(3)]
    with pytest.raises(cm.CUDAMatException, match="must be a number, but it is None"):
        learn.update(*matrices, momentum=None, epsilon=0.1)
