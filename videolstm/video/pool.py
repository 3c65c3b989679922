"""One function for many jobs on several cores, whatever happens to a process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import TypeVar

J = TypeVar("J")
R = TypeVar("R")
Advance = Callable[[int], None]
Function = Callable[[J, Advance], R]

_POLL = 0.1  # seconds between two looks at the progress


class Crashed:
    """The result of a job whose process died, twice: alone the second time."""


def run_jobs(
    function: Function,
    jobs: Sequence[J],
    workers: int,
    advance: Advance,
    seconds: float = 0,
) -> Iterator[tuple[J, R | Crashed]]:
    """`function(job, advance)` of each job, as they are done, with that job.

    In so many processes; with 0 workers here. function, jobs and results can be
    pickled; an exception of the function ends the iteration. advance: is told what the
    function tells its own. Where the iteration ends early, by an exception or because
    it is closed, the jobs under way are stopped at their next call of `advance`.

    A process that dies takes its pool with it: the jobs under way are done again, each
    alone, and the one that dies again is Crashed. So is one that takes more than so
    many seconds of the processor from one call of `advance` to the next; 0 for any.
    """
    if workers == 0:
        for job in jobs:
            yield job, function(job, advance)
        return
    waiting = deque(jobs)
    while waiting:
        suspects = yield from _until_broken(
            function, waiting, workers, advance, seconds
        )
        for job in suspects:
            alone = deque([job])
            if (yield from _until_broken(function, alone, 1, advance, seconds)):
                yield job, Crashed()


def _until_broken(
    function: Function,
    waiting: deque[J],
    workers: int,
    advance: Advance,
    seconds: float,
) -> Iterator[tuple[J, R]]:
    """Work through `waiting`; returns the jobs that were under way when a process died,
    none if all went well."""
    # Not forked: the threads of this process would not be there, their locks would.
    context = multiprocessing.get_context("spawn")
    # Without a lock, which a process that dies might hold: now and then a step of the
    # progress is lost.
    counter, stop = context.RawValue("q", 0), context.Event()
    executor = ProcessPoolExecutor(
        workers, context, initializer=_start, initargs=(counter, stop, seconds)
    )
    told = 0
    running = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                # taken off the list when it is under way, since submit may raise, too
                running[executor.submit(_call, function, waiting[0])] = waiting[0]
                waiting.popleft()
            done, _ = wait(running, _POLL, FIRST_COMPLETED)
            now = counter.value
            advance(now - told)
            told = now
            for future in done:
                result = future.result()
                yield running.pop(future), result
    except BrokenProcessPool:
        return list(running.values())
    finally:
        stop.set()
        executor.shutdown(cancel_futures=True)
    return []


# ---- in a worker ---------------------------------------------------------------------


class _StoppedError(Exception):
    """The result is not wanted any more."""


_shared: list = []


def _start(counter: object, stop: object, seconds: float) -> None:
    """What a worker does first."""
    _shared[:] = counter, stop, seconds
    # Ctrl-C reaches all processes of a terminal; the first one tells us what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Where the first process was killed, nobody wants what we do."""
    wait_for([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _call(function: Function, job: J) -> R:
    _give_time()
    try:
        return function(job, _advance)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _advance(amount: int) -> None:
    counter, stop, _ = _shared
    if stop.is_set():
        raise _StoppedError
    counter.value += amount
    _give_time()


def _give_time() -> None:
    """Where the time is over before it is given again, the system ends the process: a
    library that is busy in itself hears of nothing else."""
    signal.setitimer(signal.ITIMER_PROF, _shared[2])
