"""Work in a process that may die: its items, its exceptions, its death."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.outside.apart import TRUST, Apart, Died

ROOT = Path(__file__).resolve().parents[3]


class Counter:
    """Counts from a number; what the methods are called says what they do."""

    def __init__(self, start):
        self.next = start

    def some(self, count):
        for _ in range(count):
            yield self.next
            self.next += 1

    def arrays(self, count):
        for size in range(count):
            yield np.arange(size * 100_000, dtype=np.float32)

    def who(self):
        yield os.getpid()

    def mistake(self):
        yield 1
        raise UserError("file: a mistake")

    def cannot_be_sent(self):
        class Local(Exception):
            pass

        raise Local("of here")
        yield

    def dies(self, number):
        yield 1
        os.kill(os.getpid(), number)

    def ends(self):
        os._exit(3)
        yield

    def speaks(self):
        os.write(1, b"nobody hears this")
        os.write(2, b"nobody hears this")
        yield 1


@pytest.fixture(scope="module")
def counter():
    with Apart(Counter, 5) as apart:
        yield apart


@pytest.fixture(params=["", "1"], ids=["apart", "here"])
def either(request, monkeypatch):
    """A counter in a process, and one in this one."""
    monkeypatch.setenv(TRUST, request.param)
    with Apart(Counter, 5) as apart:
        yield apart


def test_items_come_in_order(either):
    assert list(either.each("some", 3)) == [5, 6, 7]
    assert list(either.each("some", 0)) == []
    assert list(either.each("some", 1)) == [8]  # it is still the same object
    sizes = [len(array) for array in either.each("arrays", 4)]
    assert sizes == [0, 100_000, 200_000, 300_000]
    here = bool(os.environ[TRUST])
    assert (list(either.each("who")) == [os.getpid()]) == here
    items = either.each("mistake")
    assert next(items) == 1
    with pytest.raises(UserError, match="^file: a mistake$"):
        next(items)


def test_an_exception_leaves_it_as_it_is(counter):
    before = list(counter.each("who"))
    with pytest.raises(UserError):
        list(counter.each("mistake"))
    with pytest.raises(RuntimeError, match="^Local: of here$"):
        list(counter.each("cannot_be_sent"))
    assert list(counter.each("who")) == before


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_its_death_is_an_exception_and_the_next_call_another_process(counter, name):
    before = list(counter.each("who"))
    items = counter.each("dies", getattr(signal, name))
    assert next(items) == 1
    with pytest.raises(Died, match=name):
        next(items)
    assert list(counter.each("who")) != before


def test_an_end_without_a_signal(counter):
    with pytest.raises(Died, match="exit status 3"):
        list(counter.each("ends"))


def test_who_stops_listening_gets_no_old_answers(counter):
    for value in counter.each("some", 100):
        assert value >= 5
        break
    assert list(counter.each("some", 2)) == [5, 6]


def test_what_libraries_print_goes_nowhere(counter, capfd):
    assert list(counter.each("speaks")) == [1]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_the_program(end, tmp_path):
    script = (
        "import time\n"
        "from tests.videolstm.outside.test_apart import Counter\n"
        "from videolstm.outside.apart import Apart\n"
        "if __name__ == '__main__':\n"
        "    with Apart(Counter, 1) as apart:\n"
        "        print(*apart.each('who'), flush=True)\n"
        "        time.sleep(60)\n"
    )
    (tmp_path / "script.py").write_text(script)
    running = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT), TRUST: ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process = Path("/proc") / running.stdout.readline().strip()
    assert process.exists()
    running.send_signal(end)
    running.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not process.exists()
