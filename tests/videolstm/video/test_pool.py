"""Jobs on several cores: their results, their progress, and processes that die."""

import os
import signal
import time

import pytest

from videolstm.errors import UserError
from videolstm.video.pool import Crashed, run_jobs


def double(job, advance):
    for _ in range(job):
        advance(1)
    return 2 * job


def fragile(job, advance):
    if job == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if job == "raises":
        raise UserError("a full disk")
    return job.upper()


def endless(job, advance):
    if job == 0:
        raise UserError("a full disk")
    while True:
        advance(1)
        time.sleep(0.01)


def busy(job, advance):
    """So many seconds of the processor from one step to the next, of three."""
    for _ in range(3):
        until = time.process_time() + job
        while time.process_time() < until:
            pass
        advance(1)
    return "done"


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_and_progress(workers):
    told = []
    given = dict(run_jobs(double, list(range(20)), workers, told.append))
    assert given == {job: 2 * job for job in range(20)}
    # A step may be lost between processes, see pool.py.
    assert sum(range(20)) * 0.9 < sum(told) <= sum(range(20))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_process_that_dies_takes_no_other_job_with_it(workers):
    jobs = ["a", "dies", "b", "c", "d"]
    given = dict(run_jobs(fragile, jobs, workers, lambda amount: None))
    assert isinstance(given.pop("dies"), Crashed)
    assert given == {job: job.upper() for job in "abcd"}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_exception_ends_it(workers):
    with pytest.raises(UserError, match="a full disk"):
        list(run_jobs(fragile, ["a", "raises", "b"], workers, lambda amount: None))


def test_a_job_that_gets_nowhere():
    """Half a second for three tenths a step, and for five seconds a step."""
    given = dict(run_jobs(busy, [0.3, 5], 1, lambda amount: None, seconds=0.5))
    assert given.pop(0.3) == "done"
    assert isinstance(given[5], Crashed)


def test_jobs_under_way_are_stopped():
    with pytest.raises(UserError, match="a full disk"):  # and not: never
        list(run_jobs(endless, [1, 0], 2, lambda amount: None))
