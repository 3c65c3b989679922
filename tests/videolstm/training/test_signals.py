"""Signals: what asks a program to end, what ends it, and what it says then."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from videolstm.training import signals
from videolstm.training.signals import (
    ECHO_SECONDS,
    Interruptible,
    Left,
    StopRequest,
    command_to_continue,
)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_asks_and_ends_nothing(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert stop.asked is None
        send(number)
        assert stop.asked == number
        send(signal.SIGTERM)  # so soon after the first it is the same wish
        assert stop.asked == number
    assert signal.getsignal(number) is before


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            send(signal.SIGHUP)
            assert stop.asked is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_only_ask_asks():
    found = []

    def work():
        with StopRequest() as stop:
            stop.ask(15)
            found.append(stop.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [15]


PROGRAM = """
import time
from videolstm.training.signals import StopRequest
with StopRequest() as stop:
    print("ready", flush=True)
    while stop.asked is None:
        time.sleep(0.01)
    print("asked", flush=True)
    time.sleep({seconds})
print("in good order", flush=True)
"""


@pytest.mark.parametrize(
    ("wait", "status", "said"),
    [(ECHO_SECONDS + 0.2, -signal.SIGTERM, ""), (0.0, 0, "in good order\n")],
    ids=["a second one", "an echo"],
)
def test_a_second_signal_ends_the_program_at_once(wait, status, said):
    # the wait of the program is cut short only by its end
    program = PROGRAM.format(seconds=60 if wait else 0.2)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "asked\n"
        time.sleep(wait)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.stdout.read() == said
        assert process.wait() == status
        assert time.monotonic() - began < 30


def test_an_epoch_is_left_between_batches():
    class Data:
        def epoch(self, batch_size=None):
            yield from "abc"

    stop = StopRequest()
    assert list(Interruptible(Data(), stop).epoch()) == ["a", "b", "c"]
    epoch = Interruptible(Data(), stop).epoch()
    assert next(epoch) == "a"
    stop.ask(2)
    with pytest.raises(Left):
        next(epoch)


# How a program was called, and the command line that goes on from `out/a b.pbtxt`.
CALLS = {
    "a script": (
        ["/v/bin/python", "-u", "there/lstm_combo.py"],
        "/v/bin/python -u there/lstm_combo.py 'out/a b.pbtxt' t.pbtxt v cpu --seed 7",
    ),
    "a module": (
        ["python3", "-m", "lstm_combo"],
        "python3 -m lstm_combo 'out/a b.pbtxt' t.pbtxt v cpu --seed 7",
    ),
    "a console command": (
        ["/v/bin/python", "/v/bin/lstm_combo"],
        "lstm_combo 'out/a b.pbtxt' t.pbtxt v cpu --seed 7",
    ),
    "a console command that shells do not find": (
        ["/v/bin/python", "/hidden/lstm_combo"],
        "/v/bin/python /hidden/lstm_combo 'out/a b.pbtxt' t.pbtxt v cpu --seed 7",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_command_line_that_goes_on(name, monkeypatch):
    program, command = CALLS[name]
    arguments = ["m.pbtxt", "t.pbtxt", "v", "cpu", "--seed", "7"]
    monkeypatch.setattr(signals.sys, "argv", [program[-1], *arguments])
    monkeypatch.setattr(signals.sys, "orig_argv", [*program, *arguments])
    monkeypatch.setenv("PATH", "/usr/bin:/v/bin")
    assert command_to_continue(Path("m.pbtxt"), Path("out/a b.pbtxt")) == command


def test_the_command_line_of_a_program_that_was_called_from_python(monkeypatch):
    monkeypatch.setattr(signals.sys, "argv", ["lstm_combo.py", "m.pbtxt", "t"])
    assert command_to_continue("m.pbtxt", Path("a.pbtxt")) == (
        "python lstm_combo.py a.pbtxt t"
    )


@pytest.mark.parametrize("stays", [False, True])
def test_signals_after_the_block(stays):
    """Ranks receive a scheduler's signal one after another."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with StopRequest(stays) as stop:
            stop.ask(signal.SIGTERM)
        assert (signal.getsignal(signal.SIGTERM) is before) is not stays
        if stays:
            os.kill(os.getpid(), signal.SIGTERM)  # an echo: the test goes on
        with StopRequest(stays):  # to which nothing comes
            pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(
                number,
                signal.default_int_handler
                if number == signal.SIGINT
                else signal.SIG_DFL,
            )
        signal.signal(signal.SIGTERM, before)
