"""A run that was stopped anywhere and continued leaves the same bytes as one that was
not, through the command lines, with every kind of data."""

import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

import lstm_classifier
import lstm_combo
from tests.campaigns.scenarios import SCENARIOS, contents, merged_logs
from tests.commands import FILES
from videolstm.config import read_model, write_text
from videolstm.models.composite import LSTMCombo
from videolstm.models.vote import Classifier
from videolstm.training import loop

PROGRAMS = {"lstm_combo": lstm_combo, "lstm_classifier": lstm_classifier}
SEED = ("--seed", "7")


@dataclass
class Run:
    """What a program printed, and its exit status."""

    output: str
    errors: str
    status: int

    @property
    def description(self) -> Path:
        return Path(re.search(r"^Model saved at (.+)$", self.output, re.MULTILINE)[1])

    def left(self) -> dict[str, object]:
        """Checkpoint, best model and the log of the whole chain, all bit for bit."""
        path = self.description
        config = read_model(path)
        best = path.with_name(f"{path.stem}_best.h5")
        return {
            "weights": contents(path.with_suffix(".h5")),
            "best": contents(best) if best.exists() else None,
            "log": merged_logs(path.parent, config.name, config.timestamp),
        }


class Here:
    """Runs programs in this process: a hundred of them in the time of five others."""

    def __init__(self, monkeypatch, capsys) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, scenario, model: str | Path, *args) -> Run:
        argv = [f"{scenario.program}.py", str(model), *FILES[1:], *map(str, args)]
        self.monkeypatch.setattr(sys, "argv", argv)
        self.capsys.readouterr()
        try:
            PROGRAMS[scenario.program].main()
            status = 0
        except SystemExit as end:
            status = end.code
        return Run(*self.capsys.readouterr(), status)

    def whole(self, scenario, *args) -> Run:
        """A run that must succeed without a word on stderr."""
        run = self(scenario, *args)
        assert (run.errors, run.status) == ("", 0)
        return run


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # a picture takes longer than all the rest of such a run
    monkeypatch.setattr(loop, "draw_curves", lambda *_, **__: False)
    return Here(monkeypatch, capsys)


# After which of its 12 steps a run is stopped, each time by another run.
STOPS = {name: (1, 5, 8) for name in SCENARIOS}
STOPS |= {name: tuple(range(1, 12)) for name in ("bouncing", "classifier")}


@pytest.mark.parametrize("name", SCENARIOS)
def test_stopped_after_steps(name, here, tmp_path):
    scenario = SCENARIOS[name]
    scenario.write(tmp_path)
    whole = here.whole(scenario, "model.pbtxt", *SEED)
    first, *others = STOPS[name]
    run = here.whole(scenario, "model.pbtxt", *SEED, "--max-iters", first)
    assert run.left() != whole.left()
    for steps in (*others, 12):
        run = here.whole(scenario, run.description, "--max-iters", steps)
    assert run.left() == whole.left()
    assert len(read_model(run.description).timestamp) == len(STOPS[name]) + 1


@pytest.mark.parametrize("name", ["bouncing", "classifier"])
def test_stopped_by_a_signal_in_every_single_step(name, here, tmp_path, monkeypatch):
    # Before what is due at the step is printed, validated and saved.
    scenario = SCENARIOS[name]
    scenario.write(tmp_path)
    whole = here.whole(scenario, "model.pbtxt", *SEED)
    model = LSTMCombo if scenario.program == "lstm_combo" else Classifier
    step = model.train_step

    def step_with_a_signal(self, *args):
        step(self, *args)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(model, "train_step", step_with_a_signal)
    run = here(scenario, "model.pbtxt", *SEED)
    for steps in range(1, 13):
        assert run.status == 143
        where = f"stopped by SIGTERM; step {steps} is saved, to go on: "
        assert where in run.errors and run.errors.count("\n") == 1
        command = f"python {scenario.program}.py {run.description} train.pbtxt "
        assert command in run.errors
        run = here(scenario, run.description)
    # all steps were done, and the last was still to be reported
    assert (run.status, run.errors) == (0, "")
    assert "nothing to train" not in run.output
    assert run.left() == whole.left()


@pytest.mark.parametrize("name", ["patches", "classifier"])
def test_stopped_by_a_signal_in_every_validation(name, here, tmp_path, monkeypatch):
    scenario = SCENARIOS[name]
    scenario.write(tmp_path)
    whole = here.whole(scenario, "model.pbtxt", *SEED)
    combo = scenario.program == "lstm_combo"
    model, method = (LSTMCombo, "evaluate") if combo else (Classifier, "predict")
    validate = getattr(model, method)
    seen = set()

    def validate_with_a_signal(self, *args):
        result = validate(self, *args)
        t = self.params[0].t
        if t not in seen and t < 12:  # the first batch of each, and there are several
            seen.add(t)
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(model, method, validate_with_a_signal)
    run = here(scenario, "model.pbtxt", *SEED)
    for steps in (4, 8):
        assert run.status == 130
        assert f"stopped by SIGINT; step {steps} is saved, to go on: " in run.errors
        run = here(scenario, run.description)
    assert run.left() == whole.left()


def test_stopped_by_the_clock(here, tmp_path):
    scenario = SCENARIOS["unlabelled"]
    scenario.write(tmp_path)
    whole = here.whole(scenario, "model.pbtxt", *SEED)
    run = here.whole(scenario, "model.pbtxt", *SEED, "--max-minutes", 1e-9)
    while "Continuing" not in run.output or "after 12 steps" not in run.output:
        run = here.whole(scenario, run.description, "--max-minutes", 1e-4)
    assert run.left() == whole.left()


# ---- what need not be given again ----------------------------------------------------


def test_the_seed_is_remembered_and_another_one_starts_anew(here, tmp_path):
    scenario = SCENARIOS["labelled"]
    scenario.write(tmp_path, validate_after=1, print_after=1)
    first = here.whole(scenario, "model.pbtxt", *SEED, "--max-iters", 2)
    on = [here.whole(scenario, first.description, *seed) for seed in ((), SEED)]
    assert on[0].left() == on[1].left()
    assert "Note: --seed" not in on[0].output + on[1].output
    other = here.whole(scenario, first.description, "--seed", 8)
    where = first.description.with_suffix(".h5")
    assert (
        f"Note: --seed is 8 and that of {where} is 7: its weights and steps go on, "
        "with data and dropout that start anew from the new seed\n"
    ) in other.output
    rows = [run.left()["log"] for run in (on[0], other)]
    assert rows[0][:2] == rows[1][:2] and len(rows[0]) == len(rows[1]) == 12
    assert all(
        a["dec"] != b["dec"] for a, b in zip(*(r[2:] for r in rows), strict=True)
    )
    # and from then on the new seed is the one that is remembered
    scenario.write(tmp_path)
    third = here.whole(scenario, other.description, "--max-iters", 13)
    again = here.whole(scenario, other.description, "--max-iters", 13, "--seed", 8)
    assert third.left() == again.left()
    with h5py.File(third.description.with_suffix(".h5")) as file:
        assert file["resume"].attrs["random_seed"] == 8


def test_files_that_weights_started_from_may_be_gone(here, tmp_path):
    scenario = SCENARIOS["bouncing"]
    scenario.write(tmp_path)
    source = here.whole(scenario, "model.pbtxt", "--max-iters", 1)
    weights = source.description.with_suffix(".h5").rename("trained.h5")
    config = read_model("model.pbtxt")
    param = config.lstm[0].w_dense
    param.init_type = type(param).PRETRAINED
    param.file_name, param.dataset_name = str(weights), "lstm_1_enc:w_dense"
    layer = config.lstm_dec[0]
    layer.pretrained.checkpoint, layer.pretrained.layer = str(weights), layer.name
    write_text(config, "model.pbtxt")
    whole = here.whole(scenario, "model.pbtxt")
    first = here.whole(scenario, "model.pbtxt", "--max-iters", 4)
    weights.unlink()
    second = here.whole(scenario, first.description)
    assert second.left() == whole.left()
    # what it was is still said
    left = read_model(second.description)
    assert left.lstm[0].w_dense.init_type == type(param).PRETRAINED
    assert left.lstm_dec[0].pretrained.layer == layer.name
    # a new run needs them
    run = here(scenario, "model.pbtxt")
    assert run.status == 2 and "trained.h5" in run.errors


# ---- data that change ----------------------------------------------------------------


def test_data_that_are_cut_short_end_the_run_with_a_checkpoint(
    here, tmp_path, monkeypatch
):
    scenario = SCENARIOS["patches"]
    scenario.write(tmp_path, save_after=0)
    whole = here.whole(scenario, "model.pbtxt")
    data = (tmp_path / "train.npy").read_bytes()
    kept = os.stat(tmp_path / "train.npy")
    step = LSTMCombo.train_step

    def step_and_cut(self, frames):
        step(self, frames)
        if self.params[0].t == 5:
            os.truncate(tmp_path / "train.npy", len(data) // 2)

    monkeypatch.setattr(LSTMCombo, "train_step", step_and_cut)
    run = here(scenario, "model.pbtxt")
    assert run.status == 2 and run.errors.count("\n") == 1
    assert run.errors.startswith("lstm_combo: train.npy: was ")
    assert f"{len(data)} bytes" in run.errors
    assert f"and is {len(data) // 2} bytes" in run.errors
    # some batches were made ahead; with the file as it was the run goes on
    saved = contents(run.description.with_suffix(".h5"))
    assert 5 <= np.frombuffer(saved["resume@iteration"], np.int64)[0] <= 8
    (tmp_path / "train.npy").write_bytes(data)
    os.utime(tmp_path / "train.npy", ns=(kept.st_atime_ns, kept.st_mtime_ns))
    monkeypatch.setattr(LSTMCombo, "train_step", step)
    assert here.whole(scenario, run.description).left() == whole.left()


def test_validation_data_that_vanish_end_the_run_with_a_checkpoint(
    here, tmp_path, monkeypatch
):
    scenario = SCENARIOS["patches"]
    scenario.write(tmp_path, save_after=0)
    whole = here.whole(scenario, "model.pbtxt")
    step = LSTMCombo.train_step

    def step_and_rename(self, frames):
        step(self, frames)
        if self.params[0].t == 6:
            os.rename("valid.npy", "elsewhere.npy")

    monkeypatch.setattr(LSTMCombo, "train_step", step_and_rename)
    run = here(scenario, "model.pbtxt")
    assert (run.status, run.errors) == (
        2,
        "lstm_combo: valid.npy: is no longer there; it should stay as it is while it "
        "is used\n",
    )
    os.rename("elsewhere.npy", "valid.npy")
    monkeypatch.setattr(LSTMCombo, "train_step", step)
    # step 8, which could not be validated, is printed by the run that goes on
    assert here.whole(scenario, run.description).left() == whole.left()
