"""How programs end, and how they read numbers."""

import argparse
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from videolstm.command import Stopped, positive_number, run, whole_number
from videolstm.errors import UserError


@pytest.mark.parametrize(
    ("ending", "status", "line"),
    [
        (UserError("a.h5: is empty"), 2, "digits: a.h5: is empty\n"),
        (KeyboardInterrupt(), 130, "digits: interrupted\n"),
        (Stopped(signal.SIGTERM), 143, "digits: ended by SIGTERM\n"),
        (Stopped(signal.SIGHUP, "step 7 is saved"), 129, "digits: step 7 is saved\n"),
    ],
)
def test_endings_are_a_line_and_a_status(ending, status, line, capsys, monkeypatch):
    def main():
        raise ending

    monkeypatch.setattr("sys.argv", ["/somewhere/digits.py", "--out", "a.h5"])
    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == status
    assert capsys.readouterr() == ("", line)


def test_a_reader_that_stops_ends_the_program_quietly():
    program = (
        "from videolstm.command import run\n"
        "run(lambda: [print('line', flush=True) for _ in range(100_000)])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "line\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141
    process.stderr.close()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_a_program_in_good_order(name, tmp_path):
    program = (
        "import sys, time\n"
        "from videolstm.command import run\n"
        "from videolstm.files import written_beside\n"
        "def main():\n"
        "    with written_beside('a.h5'):\n"
        "        print('writing', flush=True)\n"
        "        time.sleep(60)\n"
        "sys.argv = ['digits.py']\n"
        "run(main)\n"
    )
    number = getattr(signal, name)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        said = "interrupted" if name == "SIGINT" else f"ended by {name}"
        assert process.stderr.read() == f"digits: {said}\n"
        assert process.wait() == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_faults_of_ours_keep_their_traceback():
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main)


# ---- options -------------------------------------------------------------------------

TRAIN_OR_SHOW = ("lstm_combo", "lstm_classifier", "display_results")
TOOLS = (
    "bouncing", "config_docs", "demo", "digits", "download", "features", "few_labels",
    "inspect", "mnist", "patches", "percepts",
)  # fmt: skip


def called(name, monkeypatch, *arguments) -> int:
    """The exit status of a program, called with arguments that end it at once."""
    tool = name in TOOLS
    module = importlib.import_module(f"videolstm.tools.{name}" if tool else name)
    monkeypatch.setattr("sys.argv", [name, *arguments])
    main = module.few_labels if name == "few_labels" else module.main
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


@pytest.mark.parametrize("name", [*TRAIN_OR_SHOW, *TOOLS])
def test_options_are_spelled_out(name, monkeypatch, capsys):
    assert called(name, monkeypatch, "--hel") == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert "error: " in error


@pytest.mark.parametrize("name", [*TRAIN_OR_SHOW, "percepts", "few_labels"])
def test_help_says_which_boards_there_are(name, monkeypatch, capsys):
    assert called(name, monkeypatch, "--help") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "CUDA device number, cpu, or auto" in said


# ---- numbers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (whole_number(1), "1", 1),
        (whole_number(0, 9), "9", 9),
        (positive_number, "1e-3", 1e-3),
    ],
)
def test_numbers_are_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (whole_number(1), "0", "must be a whole number from 1 up, not '0'"),
        (whole_number(1), "1.5", "must be a whole number from 1 up, not '1.5'"),
        (whole_number(0, 9), "10", "must be a whole number from 0 to 9, not '10'"),
        (whole_number(0, 9), "", "must be a whole number from 0 to 9, not ''"),
        (positive_number, "0", "must be a number above 0, not '0'"),
        (positive_number, "nan", "must be a number above 0, not 'nan'"),
        (positive_number, "inf", "must be a number above 0, not 'inf'"),
        (positive_number, "x", "must be a number above 0, not 'x'"),
    ],
)
def test_wrong_numbers_are_sentences(read, text, message):
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        read(text)
    assert str(caught.value) == message
