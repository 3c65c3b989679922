"""How a program that several ranks run starts and ends.

Only the first rank prints. A rank that fails ends the run on all: where all fail alike,
in good order and with one message, the first rank's; where one fails by itself, with
its message and MPI_Abort, because the others may be waiting for it.
"""

from __future__ import annotations

import io
import os
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from videolstm import command
from videolstm.errors import UserError
from videolstm.parallel.launch import Launch, find_launch
from videolstm.parallel.world import ALONE, World

if TYPE_CHECKING:
    from videolstm.parallel.ranks import Ranks

# Ranks that fail alike do so within moments of each other, unless one waits for a slow
# disk; then it is told of as if it were the only one.
PATIENCE = 5.0

# Launchers drop what they have not passed on yet when a rank ends the others: so long
# what it has printed last may be on its way.
TRAVEL = 1.0


def run(main: Callable[[World], None]) -> None:
    """`videolstm.command.run` of `main`, which is given the processes that it is one
    of: those that an MPI launcher has started together, else itself alone.

    mpi4py is imported only where there is a launcher. Raises SystemExit as there.
    """
    launch = find_launch(os.environ)
    if launch is None:
        command.run(lambda: main(ALONE))
        return
    output = _Output(launch)
    joined: list[Ranks] = []

    def together() -> None:
        world = join(launch)
        if world is not ALONE:
            joined.append(world)
        main(world)

    status = _status_of(together)
    if not joined:
        if launch.speaks:
            output.tell()
        sys.exit(status)
    if status != 0:
        _end(joined[0], status, output)
    else:
        joined[0].close()
    sys.stdout.flush()
    sys.exit(status)


def join(launch: Launch) -> World:
    """The ranks of this launch. Raises UserError where MPI cannot be had, or has found
    others than the launcher started."""
    count = "several" if launch.ranks is None else launch.ranks
    try:
        with warnings.catch_warnings():
            # mpi4py's guess of what is said below, if it is right
            warnings.simplefilter("ignore", RuntimeWarning)
            from videolstm.parallel.ranks import Ranks
    except (ImportError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"{launch.launcher} has started {count} processes, and to work together "
            f"they need mpi4py, which cannot be loaded ({reason}): pip install mpi4py, "
            "and mpich too where the system has no MPI of its own"
        ) from None
    world = Ranks()
    if launch.ranks not in (None, world.ranks):
        raise UserError(
            f"{launch.launcher} has started {count} processes, but {world.mpi} sees "
            f"{world.ranks} of them: the launcher and mpi4py have to be of the same "
            "MPI (with Slurm: srun --mpi=pmi2 or --mpi=pmix)"
        )
    return world if world.ranks > 1 else ALONE


class _Output:
    """What this process prints: the first rank as it comes, others nothing.

    What another one writes to stderr is held back, for the case that only it fails.
    """

    def __init__(self, launch: Launch) -> None:
        self.held: io.StringIO | None = None
        self._stderr = sys.stderr
        if launch.rank == 0:
            # a launcher is no terminal, so that Python would hold lines back
            sys.stdout.reconfigure(line_buffering=True)
        else:
            sys.stdout = open(os.devnull, "w")
            sys.stderr = self.held = io.StringIO()

    def tell(self, who: str = "") -> None:
        """Prints what was held back, `who` before the last line, which is the one that
        says what happened."""
        sys.stdout.flush()
        if self.held is None:
            return
        *lines, last = self.held.getvalue().rstrip("\n").split("\n")
        program, colon, rest = last.partition(": ")
        if who:
            last = f"{program}, {who}{colon}{rest}" if colon else f"{who}: {last}"
        if last:
            print(*lines, last, sep="\n", file=self._stderr, flush=True)
        self.held.seek(0)
        self.held.truncate()


def _status_of(main: Callable[[], None]) -> int:
    """The exit status that `main` would end the program with."""
    try:
        command.run(main)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(world: Ranks, status: int, output: _Output) -> None:
    """Returns once all ranks have come here; where they do not come, ends them all."""
    if world.leads:
        output.tell()
    end = time.monotonic() + PATIENCE
    meeting = world.meet()
    while not meeting.Test():
        if time.monotonic() > end:
            output.tell(f"rank {world.rank} of {world.ranks} on {socket.gethostname()}")
            time.sleep(TRAVEL)
            world.abort(status)
        time.sleep(0.01)
