"""A model in a process of its own that does what it is told, line by line.

So ours and theirs are measured in turn, each with its own libraries and threads, and
neither is started again for it. Requests and answers are JSON, a line each. Needs
nothing but the standard library and numpy, because PyTorch may live in another Python.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np

from benchmarks.quiet import now, was_quiet

ROOT = Path(__file__).resolve().parents[1]

SAMPLE = 0.5  # seconds: shorter ones say too little about who else was at work


class Task(ABC):
    """What a worker measures."""

    @abstractmethod
    def describe(self) -> dict:
        """Name, version, threads."""

    @abstractmethod
    def step(self) -> None:
        """One training step."""

    @abstractmethod
    def losses(self) -> list[float]:
        """Losses of the last step, summed over everything."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """All weights and histories, under their names in a checkpoint."""

    def extra(self, what: str) -> dict:
        """Whatever else this task can measure."""
        raise ValueError(f"nobody has measured {what!r}")


def samples(task: Task, seconds: float, sample: float = SAMPLE) -> list[dict]:
    """Steps for about so long, at least one sample. A sample is as many steps as last
    `sample` seconds: milliseconds of a step, and whether the machine was quiet."""
    found, end = [], time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        before, steps = now(), 0
        start = time.perf_counter()
        while steps == 0 or time.perf_counter() - start < sample:
            task.step()
            steps += 1
        ms = 1e3 * (time.perf_counter() - start) / steps
        found.append({"ms": ms, "steps": steps, "quiet": was_quiet(before, now())})
    return found


def answer(task: Task, request: dict) -> dict:
    what = request["do"]
    if what == "describe":
        return task.describe()
    if what == "step":  # also to get ready
        losses = []
        for _ in range(request["times"]):
            task.step()
            losses.append(task.losses())
        if "out" in request:
            np.savez(request["out"], **task.arrays())
        return {"losses": losses}
    if what == "samples":
        return {"samples": samples(task, request["seconds"])}
    if what == "memory":
        return {"peak_mib": peak_kib() / 1024}
    return task.extra(what)


def peak_kib() -> int:
    """The most memory that this process has had at a time. Not `ru_maxrss` where it can
    be helped: that begins with the memory of the process that started this one."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.partition("VmHWM:")[2].split()[0])


def serve(task: Task) -> None:
    """Answers requests until there are no more."""
    for line in sys.stdin:
        print(json.dumps(answer(task, json.loads(line))), flush=True)


class Failed(Exception):
    """A program that was started has ended in another way than it should."""


class Worker:
    """The other end: starts a module of this project in a process and asks it."""

    def __init__(self, python: str | Path, module: str, *arguments) -> None:
        self.name = module
        self.process = subprocess.Popen(
            [str(python), "-m", module, *map(str, arguments)],
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **request) -> dict:
        """The answer to a request. Raises Failed where there is none."""
        try:
            print(
                json.dumps({"do": do, **request}), file=self.process.stdin, flush=True
            )
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            status = self.process.wait()
            raise Failed(f"{self.name} ended with exit status {status} at {do!r}")
        return json.loads(line)

    def close(self) -> None:
        """Ends it."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_) -> None:
        self.close()
