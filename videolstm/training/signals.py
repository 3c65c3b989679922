"""Signals during training: the step is finished and saved, and the run ends."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from videolstm.command import ENDING
from videolstm.data import Batch
from videolstm.data.ahead import Ahead

# Some send a signal twice for one wish: `timeout` to the program and to its group, a
# launcher what the terminal has sent already. So soon after the first it is an echo.
ECHO_SECONDS = 0.5


class StopRequest:
    """Within a `with` block, the signals that would end the program only ask it to.

        with StopRequest() as stop:
            while not stop.asked: ...

    A second one ends it at once, as if there were no block: what is being written is
    lost, and what stands on the disk is not. Signals that are ignored (in the
    background, under nohup) stay ignored. In another thread than the main one, where
    Python has no signals, only `ask` asks.

    Attributes:
        asked: number of the signal that came first, or None.
        stays: whether signals go on to be received after the block when one has come:
            a scheduler's reach each of several ranks at a moment of its own, and the
            last one may have stopped by then, because the first was told.
    """

    def __init__(self, stays: bool = False) -> None:
        self.asked: int | None = None
        self.stays = stays
        self._when = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *ENDING):
                # None is a handler that was not set from Python: somebody else's
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_) -> None:
        if self.stays and self.asked is not None:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def ask(self, number: int) -> None:
        """As if the signal had come."""
        if self.asked is None:
            self.asked, self._when = number, time.monotonic()

    def _received(self, number: int, _: FrameType | None) -> None:
        if self.asked is None:
            self.ask(number)
        elif time.monotonic() - self._when > ECHO_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


class Left(Exception):
    """Validation was left in the middle, because the run is to end."""


class Interruptible(Ahead):
    """Data whose epochs are left, by the exception Left, when a stop is asked for:
    validation can take much longer than a step."""

    def __init__(self, handler, stop: StopRequest) -> None:
        super().__init__(handler)
        self._stop_request = stop

    def epoch(self, batch_size: int | None = None) -> Iterator[Batch]:
        for batch in super().epoch(batch_size):
            if self._stop_request.asked is not None:
                raise Left
            yield batch


def command_to_continue(model: str | Path, description: Path) -> str:
    """The command line of this program, for a shell, with the run's own `description`
    in place of the `model` that it was given."""
    arguments = list(sys.argv[1:])
    if str(model) in arguments:
        arguments[arguments.index(str(model))] = str(description)
    return shlex.join([*_program(), *arguments])


def _program() -> list[str]:
    """How this program was called, without its arguments."""
    called = getattr(sys, "orig_argv", [])
    count = len(sys.argv) - 1
    if count < len(called) and called[len(called) - count :] == sys.argv[1:]:
        called = called[: len(called) - count]
    else:  # called from within Python
        called = ["python", sys.argv[0]]
    name = Path(called[-1])
    # a console command is a script of that name in a folder where shells look
    on_path = str(name.parent) in os.environ.get("PATH", "").split(os.pathsep)
    if on_path and name.suffix != ".py" and len(called) == 2:
        return [name.name]
    return called
