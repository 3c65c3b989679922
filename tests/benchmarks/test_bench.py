"""The benchmark's command line, and what it measures beside steps."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import around, bench
from benchmarks.parts import PARTS
from benchmarks.sizes import ROOT, SIZES
from benchmarks.steps import Settings
from videolstm.errors import UserError


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.bench", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--torch-python", "no/such"], "no/such: there is no such program, to be the"),
        (["--peer", "no/such.py"], "no/such.py: there is no such script, to be the"),
        (["--sizes", "XL"], "invalid choice: 'XL'"),
        (["--threads", "0"], "--threads"),
    ],
)
def test_mistakes(arguments, found, tmp_path):
    done = run(*arguments, "--out", tmp_path)
    assert done.returncode == 2
    assert found in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_torch(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(UserError, match="this Python cannot import torch"):
        bench.find_torch(str(script))
    script.write_text("#!/bin/sh\nexit 0\n")
    assert bench.find_torch(str(script)) == str(script)


def test_results_are_kept_with_machine_and_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "use_board", lambda name: "Using board cpu: a BLAS")
    monkeypatch.setattr(bench, "find_torch", lambda named: None)
    monkeypatch.setattr(bench, "measure", lambda size, settings, say: FOUND)
    arguments = f"bench --sizes S --around --date 20261123 --out {tmp_path}".split()
    monkeypatch.setattr(sys, "argv", arguments)
    bench.bench()
    kept = json.loads((tmp_path / "cpu-20261123.json").read_text())
    assert kept["sizes"]["S"] == FOUND
    assert kept["machine"]["cores"] == os.cpu_count()
    assert kept["board"] == "Using board cpu: a BLAS"
    assert str(tmp_path) not in kept["command"]  # nobody else has that folder
    printed = capsys.readouterr().out
    assert "PyTorch is not installed here" in printed
    assert "S, ours: 4 samples kept, 1 thrown away\n" in printed
    assert "S: evaluation 40.0 ms a batch, 2000 videos a second\n" in printed


def test_what_was_measured_before_a_failure_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "use_board", lambda name: "Using board cpu: a BLAS")
    monkeypatch.setattr(bench, "find_torch", lambda named: None)
    monkeypatch.setattr(bench, "measure", lambda size, settings, say: FOUND)

    def start_up():
        around._seconds([sys.executable, "-c", "print(no)"], str(tmp_path), 1)

    monkeypatch.setattr(around, "start_up", start_up)
    arguments = f"bench --sizes S --around start --date 1 --out {tmp_path}".split()
    monkeypatch.setattr(sys, "argv", arguments)
    kept = tmp_path / "cpu-1.json"
    with pytest.raises(UserError) as caught:
        bench.bench()
    why = "-c print(no) failed: NameError: name 'no' is not defined"
    assert str(caught.value).endswith(f"{why}; {kept} has what was measured before")
    assert json.loads(kept.read_text())["sizes"]["S"] == FOUND


SAMPLES = {"kept": 4, "taken": 5, "quiet": True}
FOUND = {
    "gflop": 10.0,
    "ours": {"ms": 50.0, "peak_mib": 300.0, **SAMPLES},
    "products_ms": 40.0,
    "parts": dict.fromkeys(PARTS, 1.0),
    "evaluation_ms": 40.0,
    "size": {"batch": 80},
}


def test_the_generator_s_numbers_belong_together():
    found = around.generator(patience=0.1)
    assert 0 < found["ms"] < 100
    assert found["batches per second"] == pytest.approx(1e3 / found["ms"])


@pytest.mark.slow
def test_starting():
    found = around.start_up(times=1, patience=0)
    assert 0 < found["python"] < found["lstm_combo.py --help"]
    assert found["python"] < found["lstm_combo.py --max-iters 0"] < 60


def test_growth(monkeypatch):
    """Each point has its size: here a model so small that it takes no time."""
    small = SIZES["S"].changed(units=4, dims=8, batch=2, read=2, frames=4)
    monkeypatch.setattr(around, "S", small)
    monkeypatch.setattr(around, "GROWTH", {"units": [{"units": 4}, {"units": 8}]})
    found = around.growth(Settings(0.01, 1, 0.0, 1), False, lambda text: None)
    points = found["units"]
    assert [point["value"] for point in points] == [4, 8]
    assert points[1]["gflop"] > points[0]["gflop"] > 0
    assert all(point["ms"] > 0 for point in points)
