"""Comparing two libraries' answers: what passes, and what is found."""

import numpy as np
import pytest

import cudamat as cm
from benchmarks import agreement, full_size
from benchmarks.agreement import answers, compare
from videolstm.errors import UserError


@pytest.fixture(scope="module")
def computed():
    return answers()


def test_a_library_agrees_with_itself(computed):
    worst, wrong = compare(computed, computed)
    assert wrong == [] and set(worst) == {"op", "random", "model"}
    assert all(kind["largest part"] == 0 for kind in worst.values())
    assert sum(kind["answers"] for kind in worst.values()) == len(computed)
    assert worst["op"]["answers"] > 400 and worst["model"]["answers"] > 300


EPSILON = float(np.finfo(cm.real_type()).eps)

# How an answer is changed, and whether that is more than is allowed.
CHANGES = {
    "exp, one rounding": ("op/exp/odd", lambda a: a * (1 + EPSILON), False),
    "exp, many": ("op/exp/odd", lambda a: a * (1 + 50 * EPSILON), True),
    "an exact operation": ("op/minimum/odd", lambda a: a * (1 + EPSILON), True),
    "one NaN": ("op/sum_0/odd", lambda a: np.where(a == a.max(), np.nan, a), True),
    "another shape": ("op/add/odd", lambda a: a.T, True),
    "one bit": ("random/uniform", lambda a: np.nextafter(a, np.float64(2)), True),
    "normal numbers": ("random/normal", lambda a: a + 1e-6, False),
    "other normal numbers": ("random/normal", lambda a: a[::-1], True),
    "losses": ("model/combo_cond/losses", lambda a: a * 1.001, True),
    "weights": ("model/combo_cond/lstm_1_enc:b", lambda a: a + 1.0, True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_differences(computed, name):
    where, change, is_wrong = CHANGES[name]
    _, wrong = compare(computed, computed | {where: change(computed[where])})
    assert [line.split(":")[0] for line in wrong] == ([where.split(":")[0]] * is_wrong)


def test_an_answer_that_is_missing(computed):
    fewer = {k: v for k, v in computed.items() if k != "op/log/one"}
    for pair in ((computed, fewer), (fewer, computed)):
        assert compare(*pair)[1] == ["op/log/one: only one of them has it"]


def test_file_that_has_no_answers(tmp_path):
    for path, text in ((tmp_path / "none.npz", None), (tmp_path / "text.npz", "text")):
        if text:
            path.write_text(text)
        with pytest.raises(UserError, match="is no file of answers, as `answer --out`"):
            agreement._load(str(path))


# ----------------------------------------------------------------------- full size


def test_times_and_losses_of_steps(tmp_path):
    """With the demo's small model in place of the large one."""
    data = full_size.bouncing(full_size.ROOT / "datasets/bouncing_demo.pbtxt", 50)
    path = full_size.ROOT / "models/lstm_combo_demo.pbtxt"
    model = full_size.LSTMCombo(full_size.read_model(path), path, data.num_frames)
    found = full_size.measure(model, data, steps=5)
    assert found["steps"] == 1 + 1 + 5 + 5
    ms = found["ms"]
    assert 0 < ms["step, fastest"] <= ms["step"] <= ms["step, slowest"]
    assert ms["batch"] > 0 and ms["step with data"] > 0
    # weights of almost 0 give a probability of 1/2 to each of 40x40 pixels
    assert found["loss of the first step"]["dec"] == pytest.approx(
        1600 * np.log(2), rel=0.02
    )
    last = found["mean loss of the last steps"]
    assert 0 < last["fut"] < found["loss of the first step"]["fut"]
