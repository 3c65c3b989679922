"""The GPU check, as far as it can be checked without a GPU: the board, the report, the
whole."""

import ctypes as ct
import json
import os
import shutil
import subprocess
import sys
from datetime import date

import pytest

from benchmarks import gpu_board, gpu_check
from benchmarks.gpu_board import Board
from benchmarks.gpu_report import Report, in_words
from benchmarks.gpu_session import ROOT, Failed, LeftOut, Session
from benchmarks.gpu_stages import Stage
from videolstm.errors import UserError

PYTHON = f"PYTHON={sys.executable}"
BOARD = Board("NVIDIA H200", (9, 0), 150_000_000_000)
DAY = date(2026, 11, 23)


class Driver:
    """A CUDA driver with one board, of which the check can ask everything."""

    def __init__(self, start=0, count=1):
        self.start, self.count = start, count

    def cuInit(self, _):
        return self.start

    def cuDeviceGetCount(self, count):
        count._obj.value = self.count

    def cuDeviceGet(self, device, number):
        device._obj.value = 10 + number

    def cuDeviceGetName(self, name, room, device):
        assert (room, device.value) == (len(name), 10)
        name.value = b"NVIDIA H200"

    def cuDeviceTotalMem_v2(self, total, device):
        total._obj.value = 150_000_000_000

    def cuDeviceGetAttribute(self, number, attribute, device):
        number._obj.value = {75: 9, 76: 0}[attribute]


@pytest.fixture
def session(tmp_path):
    return Session(BOARD, tmp_path, tmp_path / "check.log", limit=20)


# ----------------------------------------------------------------------- the board


def test_a_board(monkeypatch):
    monkeypatch.setattr(gpu_board, "open_driver", Driver)
    assert gpu_board.first_board() == BOARD
    assert BOARD.architecture == "90"
    assert Board("x", (12, 0), 1).architecture == "120"


NO_BOARD = {
    "no driver": (lambda: ct.CDLL("/nowhere.so"), "no CUDA driver is installed"),
    "no start": (
        lambda: Driver(start=100),
        "the CUDA driver does not start (error 100",
    ),
    "none": (lambda: Driver(count=0), "the CUDA driver knows of none"),
}


@pytest.mark.parametrize("name", NO_BOARD)
def test_no_board(monkeypatch, name):
    driver, message = NO_BOARD[name]
    monkeypatch.setattr(gpu_board, "open_driver", driver)
    with pytest.raises(UserError) as error:
        gpu_board.first_board()
    assert str(error.value).startswith("this machine has no CUDA board, ")
    assert message in str(error.value)


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="this machine has a board")
@pytest.mark.parametrize("start", [("-m", "benchmarks.gpu_check"), None])
def test_without_a_board_it_is_one_sentence(start):
    """And status 2, of `make` as well."""
    command = [sys.executable, *start] if start else ["make", "gpu-check", PYTHON]
    if not start and shutil.which("make") is None:
        pytest.skip("there is no make")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    lines = [x for x in done.stderr.splitlines() if not x.startswith("make")]
    assert len(lines) == 1
    assert lines[0].startswith("gpu_check: this machine has no CUDA board, ")


# ----------------------------------------------------------------------- the report


def test_report_for_machines_and_for_people(tmp_path):
    report = Report(tmp_path, BOARD, DAY)
    assert report.path.name == "gpu-nvidia-h200-20261123.json"
    found = {"ms": {"step": 12.34567, "runs": 3}}
    entry = {"status": "passed", "purpose": "speed", "seconds": 5.0, "found": found}
    report.add("training", entry)
    lost = {"status": "failed", "purpose": "right", "seconds": 61.0, "why": "a\n|b|"}
    report.add("tests", lost)
    content = json.loads(report.path.read_text())
    assert content["board"] == {
        "name": "NVIDIA H200",
        "compute_capability": "9.0",
        "total_bytes": 150_000_000_000,
    }
    assert content["stages"]["training"]["found"] == found
    assert content["date"] == "2026-11-23" and content["commit"]
    lines = report.summary.read_text().splitlines()
    assert lines[0] == "# GPU check: NVIDIA H200, 2026-11-23"
    assert "| ✓ | training | speed | 5 | ms: step: 12.35, runs: 3 |" in lines
    assert "| ✗ | tests | right | 61 | failed, see below |" in lines
    assert lines[-4:] == ["```", "a", "|b|", "```"]


def test_stages_that_run_later_join(tmp_path):
    entry = {"status": "passed", "purpose": "p", "seconds": 1.0, "found": {}}
    Report(tmp_path, BOARD, DAY).add("build", entry)
    second = Report(tmp_path, BOARD, DAY)
    second.add("tests", entry)
    assert list(json.loads(second.path.read_text())["stages"]) == ["build", "tests"]
    assert list(Report(tmp_path, BOARD, date(2026, 11, 24)).stages) == []


def test_another_file_in_the_report_s_place(tmp_path):
    (tmp_path / "gpu-nvidia-h200-20261123.json").write_text("[]")
    with pytest.raises(UserError, match="is not a result of this check, which would"):
        Report(tmp_path, BOARD, DAY)


def test_words():
    assert in_words({"a": 1.23456, "b": {"c": "d"}}) == "a: 1.235, b: c: d"


# ----------------------------------------------------------------------- the whole


def fails(session):
    raise Failed("it is wrong")


def cannot(session):
    raise LeftOut("there is no such thing")


def works(session):
    session.log.write_text("printed")
    return {"answer": 42}


FAKE = (
    Stage("first", "is wrong", fails),
    Stage("second", "cannot run", cannot),
    Stage("third", "works", works),
)


@pytest.fixture
def faked(monkeypatch):
    monkeypatch.setattr(gpu_check, "first_board", lambda: BOARD)
    monkeypatch.setattr(gpu_check, "STAGES", FAKE)


def test_a_stage_that_fails_stops_no_other(faked, tmp_path, capsys):
    with pytest.raises(SystemExit) as status:
        gpu_check.check(["--out", str(tmp_path / "new")])
    assert status.value.code == 1
    printed = capsys.readouterr().out
    assert "✗ first: it is wrong" in printed
    assert "- second: left out: there is no such thing" in printed
    assert "✓ third: answer: 42" in printed
    (path,) = (tmp_path / "new").glob("gpu-nvidia-h200-*.json")
    states = {k: v["status"] for k, v in json.loads(path.read_text())["stages"].items()}
    assert states == {"first": "failed", "second": "left out", "third": "passed"}
    assert path.with_suffix(".log").read_text() == "printed"


def test_one_stage(faked, tmp_path, capsys):
    gpu_check.check(["--out", str(tmp_path), "--stage", "third", "--stage", "second"])
    assert "first" not in capsys.readouterr().out


def test_wrong_arguments(faked, tmp_path, capsys):
    with pytest.raises(SystemExit) as status:
        gpu_check.check(["--stage", "fourth"])
    assert status.value.code == 2
    assert "invalid choice: 'fourth'" in capsys.readouterr().err
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="cannot be made a folder"):
        gpu_check.check(["--out", str(file)])
