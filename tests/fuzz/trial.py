"""One input, and what became of it.

What must hold: a reader takes a file or raises UserError, with a message of one line
that names a file; it takes no more than some seconds and some hundred megabytes, warns
of nothing, and nothing crashes. Inputs are numbered, and a number always makes the same
bytes.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import resource
import signal
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from cudamat import CUDAMatException
from tests.fuzz.formats import Format
from tests.fuzz.readings import prepare
from tests.fuzz.video_readings import prepare_videos
from videolstm.errors import UserError
from videolstm.outside import apart, h5_process

SLOW = 5.0  # seconds of the processor for one input
STUCK = 10  # seconds of the processor after which an input is given up
MOST_GROWTH = 512 * 2**20  # bytes of memory that one input may add
LONGEST_MESSAGE = 1200
# What begins the text of a failure that may be the library's.
LIBRARY = "took "
_ISOLATED = 50  # of how many files for a library one is read in a process of its own
# How the programs say that a library has failed.
_FAILED = re.compile(
    "(?:makes|keeps) (?:the HDF5 library|ONNX Runtime|the decoder,?) ?([^,;]+)"
)


class Stuck(BaseException):
    """An input has taken too long."""


@dataclass
class Tally:
    """What became of the inputs of a format. By the number of the input: library, how
    a library failed, which is no failure of ours where it ended in a sentence;
    failures, what should not have been; again, what is to be read once more, by a
    process, and is not counted yet."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    messages: Counter = field(default_factory=Counter)
    library: dict[int, str] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    again: dict[int, str] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.refused += other.refused
        self.library.update(other.library)
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        self.messages.update(other.messages)
        self.failures.update(other.failures)


class Trials:
    """Inputs of a format, made and read one after the other in a folder."""

    def __init__(
        self, format_: Format, seed: int, folder: Path, isolated: bool = True
    ) -> None:
        """isolated: every file for a library is read as the programs do, in a process
        of its own; else some."""
        self.format, self.seed, self.folder = format_, seed, folder
        self.isolated = isolated
        self.tally = Tally()
        prepare(folder)
        prepare_videos(folder)
        self.path = folder / f"input{format_.suffix}"
        self._seeds = format_.seeds()
        self._known = {entry.name for entry in folder.iterdir()} | {"commands"}

    def made(self, number: int) -> bytes:
        """The bytes of an input; the first ones are the good files themselves."""
        if number < len(self._seeds):
            return self._seeds[number]
        name = f"{self.seed}/{self.format.name}/{number}"
        draw = random.Random(hashlib.sha256(name.encode()).digest())
        data, other = draw.choice(self._seeds), draw.choice(self._seeds)
        return self.format.mutate(draw, data, other)

    def run(self, number: int, data: bytes | None = None) -> str | None:
        """Reads an input and counts it; returns what is wrong with how that went."""
        data = self.made(number) if data is None else data
        self.path.write_bytes(data)
        trusting = not self.isolated and number % _ISOLATED > 0
        for name in (h5_process.TRUST, apart.TRUST):
            os.environ[name] = "1" if trusting else ""
        before, start, busy = _peak(), time.perf_counter(), time.process_time()
        message, failure = self._outcome()
        taken, grown = time.process_time() - busy, _peak() - before
        if failure is None and taken > SLOW:
            failure = f"{LIBRARY}{taken:.1f} s"
        if failure is None and grown > MOST_GROWTH:
            failure = f"{LIBRARY}{grown / 2**20:.0f} MiB of memory"
        if failure and trusting and failure.startswith(LIBRARY) and self.format.library:
            self.tally.again[number] = failure
            return failure
        failure = failure or self._wrong_message(message) or self._stray()
        self._count(number, time.perf_counter() - start, message, failure)
        return failure

    def _outcome(self) -> tuple[str | None, str | None]:
        """The message with which the input was refused, and what should not be."""
        # Inside a library no handler of Python is called: there the system ends the
        # process, and the campaign goes on behind the input.
        in_library = apart.trusting() and bool(self.format.library)
        signal.signal(signal.SIGPROF, signal.SIG_DFL if in_library else _give_up)
        signal.setitimer(signal.ITIMER_PROF, STUCK)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self.format.read(self.path)
        except (UserError, CUDAMatException) as error:
            return str(error), None
        except Stuck:
            return None, f"{LIBRARY}more than {STUCK} s"
        except (Exception, SystemExit):
            return None, traceback.format_exc(limit=-8)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return None, None

    def _wrong_message(self, message: str | None) -> str | None:
        if message is None:
            return None
        spaces = str.maketrans(dict.fromkeys("\u00a0\u2003\u3000", " "))
        if not message.translate(spaces).isprintable():
            return f"a message that cannot be printed: {message!r}"
        if len(message) > LONGEST_MESSAGE:
            return f"a message of {len(message)} characters"
        names = (*self._known, self.path.name, "passwd", "/dev/")
        named = any(name in message for name in names) or self._is_read(message)
        if not named and "data.pbtxt" not in message and "model" not in message:
            return f"a message that names no file: {message!r}"
        return None

    def _is_read(self, message: str) -> bool:
        """Whether it begins with a name that stands in the input: a list may name any
        file of this computer."""
        name = message.partition(": ")[0].removeprefix(f"{self.folder}/")
        return bool(name) and name.encode(errors="replace") in self.path.read_bytes()

    def _stray(self) -> str | None:
        stray = {entry.name for entry in self.folder.iterdir()} - self._known
        stray -= {self.path.name, "input.png"}
        return f"left the files {stray}" if stray else None

    def _count(
        self, number: int, taken: float, message: str | None, failure: str | None
    ) -> None:
        tally = self.tally
        tally.inputs += 1
        tally.seconds += taken
        tally.slowest = max(tally.slowest, taken)
        if failure is not None:
            tally.failures[number] = failure
        elif message is None:
            tally.accepted += 1
        else:
            tally.refused += 1
            tally.messages[_shape(message.replace(str(self.folder), ""))] += 1
            if failed := _FAILED.search(message):
                tally.library[number] = failed[1]


def _give_up(*_) -> None:
    raise Stuck


def _shape(message: str) -> str:
    """A message without what differs from input to input."""
    message = re.sub(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"", "'...'", message)
    message = re.sub(r"-?\d[\d.,e+-]*", "0", message)
    return re.sub(r"\((0,? ?)+\)", "(0)", message)[:160]


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def limit_memory(more: int) -> None:
    """From now on this process gets no more than so many bytes beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGESIZE") + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
