"""A long run's figures, from a log written by hand and from a short run."""

import json

import pytest

from benchmarks.long_run import figures, read_log
from tests.commands import BOARD, run_program, write_files
from videolstm.errors import UserError

LOG = """iteration,seconds,dec,fut,vdec,vfut
100,10.0,9.0,8.0,,
200,15.0,7.0,6.0,,
300,30.0,5.0,4.0,5.5,4.5
400,35.0,3.0,2.0,,
"""


def test_figures(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    found = figures(read_log(path))
    assert found["steps a second"] == 20  # 20, 20 / 3 and 20
    assert found["steps a second, all in all"] == 400 / 35
    assert found["losses a frame"] == {
        "dec": 3.0,
        "fut": 2.0,
        "vdec": 5.5,
        "vfut": 4.5,
    }
    assert found["curves"]["vfut"] == [[300, 4.5]]
    assert (found["steps"], found["seconds"]) == (400, 35.0)


def test_too_short():
    with pytest.raises(UserError, match="has to print two lines"):
        figures([])


def test_a_run(tmp_path):
    write_files(tmp_path, print_after=1)
    files = ("--model", "model.pbtxt", "--train", "train.pbtxt", "--valid")
    command = ("benchmarks/long_run.py", BOARD, *files, "valid.pbtxt")
    done = run_program(tmp_path, *command, "--minutes", 1, "--cases", 7, "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "out" / "long_run.json").read_text())
    assert found["steps"] >= 2 and found["losses a frame"]["dec"] > 0
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"frames.csv", "long_run.json", "pictures"} <= left
    assert len(list((tmp_path / "out" / "pictures").glob("*.png"))) == 1


def test_a_program_that_fails(tmp_path):
    done = run_program(
        tmp_path,
        "benchmarks/long_run.py",
        BOARD,
        *("--model", "none.pbtxt", "--out", "out"),
    )
    assert done.returncode == 2
    assert "none.pbtxt" in done.stdout
    assert "lstm_combo.py ended with 2, as said above" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
