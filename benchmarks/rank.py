"""A training step by ranks, as processes that the benchmarks ask: mpiexec -n N python
-m benchmarks.rank SIZE-AS-JSON THREADS; without a launcher, one process.

Each rank has its part of the batch that `benchmarks.ours` trains on. Requests come to
the first rank, which tells the others.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

import cudamat as cm
from benchmarks.quiet import Moment, now, was_quiet
from benchmarks.sizes import Size, describe, make_frames, start_weights
from benchmarks.worker import SAMPLE, Task, serve
from videolstm.models.composite import LSTMCombo
from videolstm.parallel import ALONE, World
from videolstm.parallel.launch import find_launch
from videolstm.parallel.program import join

# What the first rank tells the others to do; above that: steps.
END, MOMENT, LOSSES = range(3)

# Seconds between two looks of a rank that has nothing to do: others are measured then,
# and most MPI libraries keep a processor busy with waiting.
PAUSE = 0.002


class RankTask(Task):
    """A composite model of a size, of which this rank has its part of the cases."""

    def __init__(self, world: World, size: Size, threads: int) -> None:
        cm.load("cpu")
        cm.set_threads(threads)
        self.world, self.size = world, size
        config = describe(size)
        self.model = LSTMCombo(config, str(size.model), size.frames)
        self.exchange = world.exchange(self.model.params)
        self.model.use_exchange(self.exchange)
        self.ranks = world.describe(size.batch, self.exchange)
        start = start_weights(self.model.params)
        for param in self.model.params:
            param.w.overwrite(start[param.name])
        own = world.share_of(size.batch)
        self.frames = np.ascontiguousarray(make_frames(size)[:, own.start : own.stop])

    def describe(self) -> dict:
        about = {"name": "videolstm", "blas": cm.blas_name(), "threads": cm.threads()}
        return about | {"ranks": self.ranks}

    def step(self) -> None:
        self._together(LOSSES + 1)

    def losses(self) -> list[float]:
        return self._together(LOSSES)

    def arrays(self) -> dict[str, np.ndarray]:
        return {param.name: param.w.asarray() for param in self.model.params}

    def _together(self, what: int):
        """Has every rank do the same; only the first one calls this."""
        self.tell(what)
        return self._do(what)

    def tell(self, what: int) -> None:
        if self.world.ranks > 1:
            self.world.meet().Wait()
            self.world.most(what)

    def _do(self, what: int):
        if what == MOMENT:
            return self._moment()
        if what == LOSSES:
            return self._losses()
        for _ in range(what - LOSSES):
            self.model.train_step(self.frames)
        return cm.cuda_sync_threads()

    def _losses(self) -> list[float]:
        return self.world.sum(self.model.train_losses.read()).tolist()

    def _moment(self) -> Moment:
        here = now()
        return here._replace(own=float(self.world.sum([here.own])[0]))

    def extra(self, what: str) -> dict:
        if what == "rank samples":
            return {"samples": [self._sample() for _ in range(4)]}
        return super().extra(what)

    def _sample(self) -> dict:
        """As `benchmarks.worker.samples`, with what other ranks are at counted as our
        own."""
        start = time.perf_counter()
        self.step()
        steps = max(1, round(SAMPLE / (time.perf_counter() - start)))
        before, start = self._together(MOMENT), time.perf_counter()
        self._together(LOSSES + steps)
        ms = 1e3 * (time.perf_counter() - start) / steps
        quiet = was_quiet(before, self._together(MOMENT))
        return {"ms": ms, "steps": steps, "quiet": quiet}

    def follow(self) -> None:
        """What the other ranks do: as they are told."""
        told = None
        while told != END:
            meeting = self.world.meet()
            while not meeting.Test():
                time.sleep(PAUSE)
            told = self.world.most(END)
            if told != END:
                self._do(told)


def main() -> None:
    launch = find_launch(os.environ)
    world = ALONE if launch is None else join(launch)
    task = RankTask(world, Size(**json.loads(sys.argv[1])), int(sys.argv[2]))
    if world.leads:
        serve(task)
        task.tell(END)
    else:
        task.follow()
    world.close()


if __name__ == "__main__":
    main()
