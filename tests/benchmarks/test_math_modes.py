"""What the benchmark of products with fewer bits measures and prints."""

import json
import subprocess
import sys

import numpy as np
import pytest

import cudamat as cm
from benchmarks import math_modes
from benchmarks.flops import Product
from benchmarks.sizes import ROOT

pytestmark = pytest.mark.skipif(
    cm.real_type() != np.float32, reason="products with fewer bits are for float32"
)


@pytest.fixture(autouse=True)
def as_before():
    yield
    cm.set_math_mode("fp32")


@pytest.mark.parametrize("transposed", ["", "a", "b"])
def test_errors_of_a_product(transposed):
    """With a roundoff of u, numbers between 1 and 2 are wrong by u^2 / 3 in the mean of
    squares, which are 7/3 themselves; those of two operands add up to 2/7 u^2."""
    product = Product("recurrent", 40, 30, 200, 3, transposed)
    found = math_modes.product_errors(product, np.random.default_rng(2))
    assert list(found) == list(cm.MATH_MODES)
    assert found["fp32"] < 5e-7 and found["3xtf32"] < 1e-6
    if cm.load().kind == "cpu":
        for mode, roundoff in (("tf32", 2.0**-11), ("bf16", 2.0**-8)):
            expected = (2 / 7) ** 0.5 * roundoff
            # normally distributed numbers do not fill a binade evenly
            assert 0.85 * expected < found[mode] < 1.15 * expected


def test_largest_of_each_kind():
    errors = {
        "lstm_1_enc:b": {"tf32": 2.0, "bf16": 1.0},
        "lstm_1_dec:b": {"tf32": 1.0, "bf16": 3.0},
        "lstm_1_dec:w_input": {"tf32": 5.0, "bf16": 6.0},
    }
    assert math_modes.worst_gradients(errors) == {
        "b": {"tf32": 2.0, "bf16": 3.0},
        "w_input": {"tf32": 5.0, "bf16": 6.0},
    }


def test_means_of_losses():
    steps = [np.array([k, 10 * k], float) for k in range(100)]
    dec = [np.mean(range(10, 20)), np.mean(range(40, 50)), np.mean(range(90, 100))]
    assert math_modes.mean_losses(steps) == [[d, 10 * d] for d in dec]


def test_the_whole(tmp_path, monkeypatch, capsys):
    """With the measurements that take long replaced."""
    error = dict.fromkeys(cm.MATH_MODES, 1e-3)
    monkeypatch.setattr(math_modes, "errors_by_part", lambda size: {"output": error})
    weights = {"lstm_1_enc:b": error}
    monkeypatch.setattr(math_modes, "gradient_errors", lambda name: weights)
    losses = {"fp32": [[1.0, 2.0]] * 3}
    monkeypatch.setattr(math_modes, "training", lambda steps, units: losses)
    out = tmp_path / "out.json"
    board = "cpu" if cm.load().kind == "cpu" else "0"
    arguments = ["math_modes", board, "--sizes", "S", "--steps", "50"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--out", str(out)])
    math_modes.math_modes()
    printed = capsys.readouterr().out
    assert printed.startswith("Using board ")
    assert "| S output | 1.0e-03 | 1.0e-03 | 1.0e-03 | 1.0e-03 |" in printed
    assert "| S b | 1.0e-03 | 1.0e-03 | 1.0e-03 | 1.0e-03 |" in printed
    assert "| fp32     | 1.00 / 2.00 | 1.00 / 2.00 | 1.00 / 2.00 |" in printed
    assert "steps to 25" in printed and "means of 5 steps" in printed
    found = json.loads(out.read_text())
    assert found["products"] == {"S": {"output": error}}
    assert found["gradients"] == {"S": {"b": error}} and found["losses"] == losses


def test_double_precision_is_refused(monkeypatch):
    monkeypatch.setenv("CUDAMAT_PRECISION", "double")
    monkeypatch.delenv("CUDAMAT_LIBRARY", raising=False)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.math_modes", "cpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "math_modes: products with fewer bits are for single precision\n"
    )
