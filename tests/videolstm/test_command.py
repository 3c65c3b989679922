"""How programs end, and how they read numbers."""

import argparse
import subprocess
import sys

import pytest

from videolstm.command import positive_number, run, whole_number
from videolstm.errors import UserError


@pytest.mark.parametrize(
    ("ending", "status", "line"),
    [
        (UserError("a.h5: is empty"), 2, "digits: a.h5: is empty\n"),
        (KeyboardInterrupt(), 130, "digits: interrupted\n"),
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


def test_faults_of_ours_keep_their_traceback():
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main)


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
