"""Makes several runs in one launch, because the start of processes takes longer than
the runs: [mpiexec -n N] python -m tests.videolstm.parallel.driver PLAN.json

Each run is what the command line would do. Every rank leaves a digest of its weights
beside the run's files.
"""

import contextlib
import hashlib
import importlib
import json
import os
import sys
from pathlib import Path

from videolstm.data.bouncing_mnist import BouncingMNIST
from videolstm.parallel import World
from videolstm.parallel.program import run
from videolstm.training.loop import TrainingLoop


def digest(params) -> str:
    found = hashlib.sha256()
    for param in params:
        for matrix in (param.w, param.history, param.rms):
            if matrix is not None:
                found.update(matrix.asarray().tobytes())
    return found.hexdigest()


@contextlib.contextmanager
def leave_digests(world: World, name: str) -> None:
    """Lets `TrainingLoop.run` write one at its end."""
    train = TrainingLoop.run

    def run_and_tell(self):
        train(self)
        Path(name, f"rank{world.rank}.txt").write_text(digest(self.model.params))

    TrainingLoop.run = run_and_tell
    try:
        yield
    finally:
        TrainingLoop.run = train


def main(world: World) -> None:
    folder = Path.cwd()
    BouncingMNIST.dataset_size = 23  # not 10,000
    for case in json.loads(Path(sys.argv[1]).read_text()):
        if world.ranks > 1:  # one process has no MPI
            from tests.videolstm.parallel import probes
        if "probe" in case:
            getattr(probes, case["probe"])(world, folder / case["name"])
            continue
        usual = world.exchange
        if "exchange" in case:
            world.exchange = getattr(probes, case["exchange"])(world)
        os.makedirs(folder / case["name"], exist_ok=True)
        program = importlib.import_module(case["program"])
        before, sys.argv = sys.argv, [case["program"], *case["arguments"]]
        with leave_digests(world, case["name"]):
            program.train(world)
        world.exchange, sys.argv = usual, before


if __name__ == "__main__":
    run(main)
