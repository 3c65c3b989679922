"""The files of a run: their names, and that each run has its own."""

import fcntl
import gc
import time

import pytest

from tests.videolstm.helpers import describe
from videolstm.config import read_model
from videolstm.errors import UserError
from videolstm.training import run_files as module
from videolstm.training.run_files import RunFiles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_has_a_description_at_once(folder):
    config = describe(checkpoint_dir="deep/runs", timestamp=["2014"])
    before = time.strftime("%Y%m%d%H%M%S")
    files = RunFiles(config, "model.pbtxt")
    after = time.strftime("%Y%m%d%H%M%S")
    assert before <= config.timestamp[-1] <= after
    stem = f"deep/runs/model_{config.timestamp[-1]}"
    paths = (files.description, files.weights, files.log, files.path("_3.png"))
    suffixes = (".pbtxt", ".h5", ".csv", "_3.png")
    assert [str(path) for path in paths] == [stem + suffix for suffix in suffixes]
    assert read_model(files.description) == config
    assert not files.weights.exists()


def test_runs_of_one_second_have_files_of_their_own(folder, monkeypatch):
    monkeypatch.setattr(module.time, "time", lambda: 1.5e9)
    runs = [RunFiles(describe(checkpoint_dir="runs"), "model.pbtxt") for _ in range(3)]
    assert len({run.stem for run in runs}) == 3
    assert all(len(read_model(run.description).timestamp) == 1 for run in runs)
    # another model's do not count, and old descriptions without a log do
    other = describe(checkpoint_dir="runs")
    other.name = "other"
    assert RunFiles(other, "m.pbtxt").stem == runs[0].stem.replace("model", "other")
    runs[0].log.unlink()
    again = RunFiles(describe(checkpoint_dir="runs"), "model.pbtxt")
    assert again.stem not in {run.stem for run in runs}


def test_a_folder_that_cannot_be_written_to(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.Path, "open", refuse)
    with pytest.raises(UserError) as caught:
        RunFiles(describe(checkpoint_dir="runs"), "model.pbtxt")
    message = str(caught.value)
    assert message.startswith("model.pbtxt: the field checkpoint_dir is 'runs', and ")
    assert "cannot be made in it (permission denied); it should be a folder" in message
    with pytest.raises(UserError, match="^--out is 'there', and "):
        RunFiles(describe(checkpoint_dir="runs"), "model.pbtxt", "there")


# ---- what runs that were killed have left --------------------------------------------


LEFT = {
    ".model_1.0a1b2c3d.h5": True,
    ".model_1_best.0a1b2c3d.h5": True,
    ".model_1_confusion.0a1b2c3d.csv": True,
    ".model_1_1500.0a1b2c3d.png": True,
    ".model_1.0a1b2c3d.pbtxt": True,
    ".model_2.0a1b2c3d.h5": False,  # of a run that still lives
    ".model_3.0a1b2c3d.h5": False,  # of a run without a log: nobody knows
    ".model_4.0a1b2c3d.pbtxt": True,  # of one that had no description yet
    ".model_1_recon.0a1b2c3d.png": False,  # of another program
    ".model_1.0a1b2c3d.npy": False,
    ".model_1.0a1b2c.h5": False,
    "model_1.0a1b2c3d.h5": False,
    ".other_1.0a1b2c3d.h5": False,
}


def test_what_killed_runs_have_left_half_written_is_removed(folder):
    runs = folder / "runs"
    runs.mkdir()
    for name in (*LEFT, "model_1.csv", "model_2.csv", "model_4.csv"):
        (runs / name).touch()
    config = describe(checkpoint_dir="runs", timestamp=["1", "2", "3"])
    with (runs / "model_2.csv").open() as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        files = RunFiles(config, "model.pbtxt")
    there = {name for name in LEFT if (runs / name).exists()}
    assert there == {name for name, removed in LEFT.items() if not removed}
    assert files.notes == [
        "model_2 seems to be running still; this run goes on from what that has saved "
        "so far, beside it"
    ]


def test_a_run_that_lives_is_known_until_it_ends(folder):
    first = RunFiles(describe(checkpoint_dir="runs"), "model.pbtxt")
    left = first.folder / f".{first.stem}.0a1b2c3d.h5"
    left.touch()
    config = read_model(first.description)
    assert len(RunFiles(config, first.description).notes) == 1
    assert left.exists()
    config = read_model(first.description)
    name = first.description
    del first
    gc.collect()
    assert RunFiles(config, name).notes == []
    assert not left.exists()
