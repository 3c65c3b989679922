"""Who else was at work, from a /proc/stat that the test writes."""

import os

import pytest

from benchmarks import quiet
from benchmarks.quiet import Moment, busy_seconds, others, was_quiet

STAT = """cpu  100 20 30 5000 60 7 8 9 40 5
cpu0 50 10 15 2500 30 3 4 4 20 2
cpu1 50 10 15 2500 30 4 4 5 20 3
intr 12345 0 0
"""


def test_busy_is_everything_but_idle_and_waiting():
    # user nice system irq softirq steal, not idle, iowait, guest
    assert busy_seconds(STAT, 100) == pytest.approx((100 + 20 + 30 + 7 + 8 + 9) / 100)


def test_an_old_line_without_steal():
    assert busy_seconds("cpu 1 2 3 4\n", 1) == 6 - 0
    with pytest.raises(ValueError, match="all processors"):
        busy_seconds("cpu0 1 2 3 4\n", 1)


def test_a_moment(tmp_path):
    path = tmp_path / "stat"
    path.write_text(STAT)
    one = quiet.now(path)
    path.write_text(STAT.replace("100", "150", 1))
    two = quiet.now(path)
    assert two.busy - one.busy == pytest.approx(50 / os.sysconf("SC_CLK_TCK"))
    assert two.clock > one.clock and two.own >= one.own


@pytest.mark.parametrize(
    ("busy", "own", "used", "is_quiet"),
    [
        (2.0, 2.0, 0.0, True),  # both processors ours
        (2.05, 2.0, 0.05, True),  # 0.06 s of 2 are allowed, and two ticks
        (2.2, 2.0, 0.2, False),
        (2.0, 0.9, 1.1, False),  # one was somebody else's
        (1.0, 1.1, 0.0, True),  # clocks that tick at different times
    ],
)
def test_others(busy, own, used, is_quiet):
    before, after = Moment(5.0, 100.0, 3.0), Moment(6.0, 100.0 + busy, 3.0 + own)
    assert others(before, after) == pytest.approx(used)
    assert was_quiet(before, after, processors=2) == is_quiet


def test_waiting_ends(monkeypatch):
    """Somebody is at work all the time, then nobody is."""
    moments = iter(Moment(float(k), 2.0 * min(k, 6), 0.0) for k in range(100))
    monkeypatch.setattr(quiet, "now", lambda: next(moments))
    assert not quiet.wait_for_quiet(0, look=0)
    assert quiet.wait_for_quiet(60, look=0)
    assert next(moments).clock == 8  # it looked from 6 to 7 and found nobody
