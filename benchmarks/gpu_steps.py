"""Times training steps on a board: of each size, with each kind of products, asked for
one by one and repeated as a graph.

    python -m benchmarks.gpu_steps BOARD [--sizes S M] [--math fp32 tf32] [--out FILE]

A step is an update on a batch that is on the board already, and ends when the board has
been waited for; `load` is bringing such a batch there, with what a model does to it
first. Both ways of asking start from the same weights, and after some updates all of
their weights, gradients and histories, and the sums of the losses, must be the same
bytes. All of a size is measured in turn, in rounds, and the median of the rounds is
given: of milliseconds of a step over as many steps as fit into a tenth of a second.
Where the time goes, `parts`, is measured call by call, each waited for. The bytes taken
of the board are those of this size beyond what sizes before it have taken and kept.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import cudamat as cm
from benchmarks.parts import time_parts
from benchmarks.sizes import SIZES, Size, describe, make_frames, make_labels
from benchmarks.sizes import start_weights as weights_of
from benchmarks.table import table
from videolstm.board import use_board
from videolstm.command import parser, run, whole_number
from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.models.classifier import make_classifier
from videolstm.models.composite import LSTMCombo
from videolstm.models.replay import VARIABLE
from videolstm.models.vote import Classifier

UPDATES = 4  # until both ways are compared: the second is the first that is noted
SECONDS = 0.1  # of a round
WAYS = {"one by one": "0", "graph": "1"}


def make(size: Size) -> LSTMCombo | Classifier:
    config, path = describe(size), size.model
    if size.classes:
        return make_classifier(config, path, size.frames)
    return LSTMCombo(config, path, size.frames)


def restart(model) -> None:
    """The weights that all measurements start from; histories of zeros."""
    start = weights_of(model.params)
    for param in model.params:
        param.w.overwrite(start[param.name])
        param.history.assign(0.0)
        param.t = 0


def left_by(model) -> dict[str, np.ndarray]:
    """What some updates leave."""
    found = {"the sums of the losses": totals_of(model).take()}
    for param in model.params:
        for kind in ("w", "dw", "history"):
            matrix = getattr(param, kind)
            found[f"{kind} of {param.name}"] = matrix.asarray().copy()
    return found


def totals_of(model: LSTMCombo | Classifier) -> cm.learn.Totals:
    """What its training steps add their losses to."""
    if isinstance(model, Classifier):
        return model.train_totals
    return model.train_losses


def check_bytes(model, what: str) -> None:
    """Raises UserError unless both ways leave the same bytes."""
    found = []
    for value in WAYS.values():
        os.environ[VARIABLE] = value
        cm.CUDAMatrix.init_random(42)
        restart(model)
        totals_of(model).clear()
        for _ in range(UPDATES):
            model.train_again()
        found.append(left_by(model))
    for name, expected in found[0].items():
        if not np.array_equal(expected, found[1][name]):
            most = np.abs(expected - found[1][name]).max()
            raise UserError(
                f"{what}: after {UPDATES} updates {name} is another where steps are "
                f"repeated as a graph, by up to {most:g}; it should be the same bytes"
            )


def milliseconds(work: Callable[[], None], times: int) -> float:
    """Of one of so many calls, after which the board is waited for."""
    start = time.perf_counter()
    for _ in range(times):
        work()
    cm.cuda_sync_threads()
    return 1e3 * (time.perf_counter() - start) / times


class Timer:
    """Rounds of some work.

    Attributes:
        rounds: milliseconds of one call, a number for each round.
    """

    def __init__(self, work: Callable[[], None], before: Callable[[], None]) -> None:
        self.work, self.before, self.rounds = work, before, []
        before()
        once = [milliseconds(work, 1) for _ in range(UPDATES)]
        self.times = max(1, round(1e3 * SECONDS / once[-1]))

    def round(self) -> None:
        self.before()
        milliseconds(self.work, 2)  # what another setting may have left undone
        self.rounds.append(milliseconds(self.work, self.times))

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


def measure(size: Size, maths: list[str], rounds: int) -> dict:
    """All of one size."""
    free = cm.memory_free()
    model, frames = make(size), make_frames(size)
    batch = (frames, make_labels(size)) if size.classes else (frames,)
    model.train_step(*batch)

    def change(math: str, way: str = "one by one") -> None:
        cm.set_math_mode(math)
        os.environ[VARIABLE] = WAYS[way]
        model.load(frames)  # on the CPU that depends on the kind of products

    for math in maths:
        change(math)
        check_bytes(model, f"{size.name}, {math}")
    timers = {
        (math, way): Timer(model.train_again, partial(change, math, way))
        for math in maths
        for way in WAYS
    }
    load = Timer(lambda: model.load(frames), lambda: None)
    for _ in range(rounds):
        for timer in [*timers.values(), load]:
            timer.round()
    change(maths[0])
    parts = time_parts(model.train_again, model.params, 3)["parts"]
    return {
        "ms": {f"{math}, {way}": t.median for (math, way), t in timers.items()},
        "fastest ms": {f"{m}, {w}": min(t.rounds) for (m, w), t in timers.items()},
        "load ms": load.median,
        f"parts ({maths[0]})": parts,
        "bytes of matrices": cm.memory_in_use(),
        "bytes taken of the board": free - cm.memory_free(),
    }


def shown(found: dict[str, dict]) -> str:
    """Milliseconds of a step."""
    settings = list(next(iter(found.values()))["ms"])
    rows = [
        [name, *(f"{ms:.3g}" for ms in (*one["ms"].values(), one["load ms"]))]
        for name, one in found.items()
    ]
    return table(["ms", *settings, "load"], rows)


def arguments() -> argparse.Namespace:
    options = parser("gpu_steps", "Times training steps on a board.")
    options.add_argument("board", metavar="BOARD", help="CUDA device number, or cpu")
    options.add_argument(
        "--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="of models"
    )
    options.add_argument(
        "--math", nargs="+", choices=cm.MATH_MODES, default=list(cm.MATH_MODES)
    )
    options.add_argument("--rounds", type=whole_number(1), default=5, help="of each")
    options.add_argument("--out", type=Path, metavar="FILE.json", help="for the result")
    return options.parse_args()


def gpu_steps() -> None:
    """What the command line asks for."""
    args = arguments()
    line = use_board(args.board)
    print(line, flush=True)
    found = {}
    for name in args.sizes:
        found[name] = measure(SIZES[name], args.math, args.rounds)
        print(f"\n{shown({name: found[name]})}", flush=True)
        if args.out:  # what there is, however far the time reaches
            with written_beside(args.out) as beside:
                content = {"board": line, "sizes": found}
                beside.write_text(json.dumps(content, indent=2) + "\n")
    print(f"\n{shown(found)}")


if __name__ == "__main__":
    run(gpu_steps)
