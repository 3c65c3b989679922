"""Whether the machine was ours while something was measured.

With one other busy process products on several threads take a multiple of their time,
so a time that was taken then is no time at all. What others use is what /proc/stat says
of all processors, less what this process used.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path
from typing import NamedTuple

STAT = Path("/proc/stat")

# Others may use so much of what all processors have, beside two ticks of the clock that
# /proc/stat counts in, by which it is wrong for short times.
MOST_OTHERS = 0.03
TICKS = 2


class Moment(NamedTuple):
    """A point in time: seconds of the clock, of all processors being busy, and of this
    process and those that it has waited for being at work."""

    clock: float
    busy: float
    own: float


def busy_seconds(stat: str, ticks_per_second: int) -> float:
    """Seconds that all processors together have been at work, from the text of
    /proc/stat; what another guest of the same host took away counts."""
    for line in stat.splitlines():
        words = line.split()
        if words and words[0] == "cpu":
            # user nice system idle iowait irq softirq steal; guest is within user
            numbers = [int(word) for word in words[1:9]] + [0] * 8
            return (sum(numbers) - numbers[3] - numbers[4]) / ticks_per_second
    raise ValueError("there is no line of all processors")


def now(stat: Path = STAT) -> Moment:
    own = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        own += used.ru_utime + used.ru_stime
    busy = busy_seconds(stat.read_text(), os.sysconf("SC_CLK_TCK"))
    return Moment(time.perf_counter(), busy, own)


def others(before: Moment, after: Moment) -> float:
    """Seconds that others kept processors busy."""
    return max(0.0, (after.busy - before.busy) - (after.own - before.own))


def was_quiet(before: Moment, after: Moment, processors: int | None = None) -> bool:
    """Whether others used next to nothing."""
    processors = processors or os.cpu_count() or 1
    allowed = MOST_OTHERS * processors * (after.clock - before.clock)
    return others(before, after) <= allowed + TICKS / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(most_seconds: float, look: float = 0.3) -> bool:
    """Sleeps until for `look` seconds others did next to nothing; False where that
    takes too long."""
    end = time.perf_counter() + most_seconds
    while True:
        before = now()
        time.sleep(look)
        if was_quiet(before, now()):
            return True
        if time.perf_counter() >= end:
            return False
