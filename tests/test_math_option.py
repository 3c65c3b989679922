"""--math of the three programs, as a user gives it: what is printed, what is kept, and
what is refused."""

import csv
import re

import numpy as np
import pytest

import cudamat as cm
from tests.commands import BOARD, FILES, run_program, train, write_files
from tests.test_lstm_classifier import train as train_classifier
from tests.test_lstm_classifier import write_files as write_classifier
from tests.videolstm.helpers import difference

pytestmark = pytest.mark.skipif(
    cm.real_type() != np.float32, reason="products with fewer bits are for float32"
)

SAID = "emulated and slower than fp32" if BOARD == "cpu" else ""


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path, print_after=1)
    return tmp_path


def said(output: str) -> str:
    """What the line of the board says of products, or nothing."""
    (line,) = re.findall(r"^Using board .+, float32(.*)$", output, re.MULTILINE)
    return line.removeprefix(", ")


def products_in(mode: str) -> str:
    return f"products in {mode}" + (f", {SAID}" if SAID else "")


def test_a_run_and_what_it_leaves(folder):
    """The same files with other numbers in them; a run that is continued does not
    remember, and does when it is told again."""
    plain = train(folder, *FILES)
    fewer = train(folder, *FILES, "--math", "bf16")
    assert said(plain.output) == ""
    assert said(fewer.output) == products_in("bf16")
    # operands are wrong by 2^-8; dropout's masks and the videos are the same
    for key, loss in plain.losses.items():
        assert abs(fewer.losses[key] / loss - 1) < 2.0**-6
    arrays, attributes = plain.checkpoint()
    others, other_attributes = fewer.checkpoint()
    assert arrays.keys() == others.keys()
    assert attributes.keys() == other_attributes.keys()
    assert plain.weights() != fewer.weights()
    weight = "lstm_1_enc:w_input"
    assert difference(others[weight], arrays[weight]) < 2.0**-6
    model = (str(fewer.description), *FILES[1:], "--max-iters", "4")
    on = train(folder, *model)
    assert said(on.output) == "" and "Continuing from " in on.output
    assert said(train(folder, *model, "--math", "bf16").output) == products_in("bf16")


def test_fp32_by_name_is_what_there_is_without(folder):
    plain, named = train(folder, *FILES), train(folder, *FILES, "--math", "fp32")
    assert said(named.output) == ""
    assert plain.losses == named.losses and plain.weights() == named.weights()


def test_the_classifier(tmp_path):
    write_classifier(tmp_path)
    files = ("model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)
    run = train_classifier(tmp_path, *files, "--math", "3xtf32")
    assert said(run.output) == products_in("3xtf32")


def test_results(folder):
    """Numbers that differ in their last places."""
    model = train(folder, *FILES).description
    output = {}
    for mode in ("fp32", "bf16"):
        args = (model, "valid.pbtxt", BOARD, "--csv", f"{mode}.csv", "--math", mode)
        done = run_program(folder, "display_results.py", *args)
        assert (done.returncode, done.stderr) == (0, "")
        output[mode] = done.stdout
    assert said(output["fp32"]) == "" and said(output["bf16"]) == products_in("bf16")
    values = []
    for mode in output:
        with (folder / f"{mode}.csv").open(newline="") as file:
            rows = [r for r in csv.DictReader(file) if r["predictor"] == "model"]
        values.append([float(row["loss"]) for row in rows])
    assert values[0] != values[1]
    assert difference(values[1], values[0]) < 2.0**-6


@pytest.mark.parametrize(
    "name", ["lstm_combo.py", "lstm_classifier.py", "display_results.py"]
)
def test_other_names(name, folder):
    files = FILES if name != "display_results.py" else FILES[1:]
    done = run_program(folder, name, *files, "--math", "fp16")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "argument --math: invalid choice: 'fp16'" in last
    assert "3xtf32" in last


def test_double_precision_has_no_fewer_bits(folder, monkeypatch):
    monkeypatch.setenv("CUDAMAT_PRECISION", "double")
    monkeypatch.delenv("CUDAMAT_LIBRARY", raising=False)
    done = run_program(folder, "lstm_combo.py", *FILES, "--math", "tf32")
    assert done.returncode == 2
    assert done.stderr == (
        "lstm_combo: --math tf32 rounds what is in single precision, and this library "
        "computes in double; use CUDAMAT_PRECISION=float, or leave --math out\n"
    )


def test_gradients_are_checked_in_full(folder):
    args = (*FILES, "--check-gradients", "--math", "tf32")
    done = run_program(folder, "lstm_combo.py", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "lstm_combo: --check-gradients compares with differences in full precision, "
        "and --math is tf32; leave one of them out\n"
    )
