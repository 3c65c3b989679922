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


@pytest.mark.parametrize("workers", [1, 2])
def test_results_and_progress(workers):
    told = []
    given = dict(run_jobs(double, list(range(20)), workers, told.append))
    assert given == {job: 2 * job for job in range(20)}
    # A step may be lost between processes, see pool.py.
    assert sum(range(20)) * 0.9 < sum(told) <= sum(range(20))


def test_a_process_that_dies_takes_no_other_job_with_it():
    jobs = ["a", "dies", "b", "c", "d"]
    given = dict(run_jobs(fragile, jobs, 2, lambda amount: None))
    assert isinstance(given.pop("dies"), Crashed)
    assert given == {job: job.upper() for job in "abcd"}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_ends_it(workers):
    with pytest.raises(UserError, match="a full disk"):
        list(run_jobs(fragile, ["a", "raises", "b"], workers, lambda amount: None))


def test_jobs_under_way_are_stopped():
    with pytest.raises(UserError, match="a full disk"):  # and not: never
        list(run_jobs(endless, [1, 0], 2, lambda amount: None))
