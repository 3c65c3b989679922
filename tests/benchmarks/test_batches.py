"""The benchmark of batches, on few digits, and what it does where values differ."""

import json
import subprocess
import sys

import pytest

import cudamat as cm
from benchmarks import batches, full_size
from cudamat.compose import Table
from tests.commands import BOARD, ROOT
from videolstm.errors import UserError

DATA = ROOT / "datasets" / "bouncing_demo.pbtxt"


def test_both_ways_are_timed(tmp_path):
    out = tmp_path / "batches.json"
    options = ("--digits", "30", "--times", "3", "--data", DATA, "--out", out)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batches", BOARD, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, _, printed = done.stdout.partition("\n")
    found = json.loads(printed)
    assert first == found["board"] and json.loads(out.read_text()) == found
    assert found["same values"] is True
    assert list(found["ms"]) == ["drawn", "painted", "brought", "composed"]
    assert all(0 < ms < 10_000 for ms in found["ms"].values())
    data = full_size.read_data(DATA)
    frames, batch, real = data.num_frames, data.batch_size, cm.real_type().itemsize
    assert found["bytes to the board"] == {
        "brought": frames * batch * data.image_size**2 * real,
        "composed": 4 * batch * data.num_digits * (1 + 2 * frames),
    }
    # and the dark one
    assert found["bytes of the digits on the board"] == 31 * 28**2 * real


def test_values_that_differ(monkeypatch):
    data = full_size.bouncing(DATA, 30)
    compose = Table.compose

    def wrong(*arguments):
        compose(*arguments).write_value(3, 2, 0.123)

    monkeypatch.setattr(Table, "compose", wrong)
    with pytest.raises(UserError, match="^1 of [0-9]+ values that were composed on"):
        batches.measure(data, 1)


def test_other_data():
    path = ROOT / "datasets" / "bouncing_mnist_valid.pbtxt"
    with pytest.raises(UserError, match="is VIDEO_PATCH, and it should be BOUNCING_MN"):
        batches.check_kind(path)
    batches.check_kind(DATA)
