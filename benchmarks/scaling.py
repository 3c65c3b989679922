"""How fast ranks train: two of one thread each against one process of two threads, in
turn, and what a model of links says of more.

    python -m benchmarks.scaling [--sizes M,S] [--rounds N] [--model-only]

The efficiency is the time of a step of the one process over that of the ranks; the
batch is the same. Samples that others disturbed are thrown away, as in `make bench`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.links import report
from benchmarks.quiet import wait_for_quiet
from benchmarks.sizes import SIZES, Size
from benchmarks.steps import summary
from benchmarks.table import number, table
from benchmarks.worker import ROOT, Worker
from videolstm.command import parser, positive_number, run, whole_number
from videolstm.errors import UserError

PATIENCE = 30.0  # seconds to wait for quiet before each sample

# 512 units, as M, of frames without zeros
DENSE = SIZES["M"].changed(name="M, dense frames", sparse=False)
CHOICES = {**SIZES, "MD": DENSE}


class RankWorker(Worker):
    """Ranks that a launcher has started; the first one answers."""

    def __init__(self, ranks: int, size: Size, threads: int) -> None:
        self.name = f"{ranks} ranks of {threads} threads"
        command = [sys.executable, "-m", "benchmarks.rank", json.dumps(asdict(size))]
        if ranks > 1:
            mpiexec = Path(sys.executable).with_name("mpiexec")
            launcher = str(mpiexec) if mpiexec.exists() else "mpiexec"
            command = [launcher, "-n", str(ranks), *command]
        self.process = subprocess.Popen(
            [*command, str(threads)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def measure(size: Size, rounds: int, patience: float) -> dict[str, dict]:
    """Summaries of the steps of each way to use two processors."""
    ways = {"2 threads": (1, 2), "1 thread": (1, 1), "2 ranks": (2, 1)}
    samples: dict[str, list[dict]] = {name: [] for name in ways}
    workers: dict[str, RankWorker] = {}
    try:
        for name, (ranks, threads) in ways.items():
            workers[name] = RankWorker(ranks, size, threads)
            workers[name].ask("step", times=2)
        check_alike(workers)
        for _ in range(rounds):
            for name, worker in workers.items():
                wait_for_quiet(patience)
                samples[name] += worker.ask("rank samples")["samples"]
    finally:
        for worker in workers.values():
            worker.process.stdin.close()
    return {name: summary(found) for name, found in samples.items()}


def check_alike(workers: dict[str, RankWorker]) -> None:
    """After as many steps all have the same loss, summed over the ranks' cases."""
    losses = [sum(w.ask("step", times=1)["losses"][0]) for w in workers.values()]
    if not max(losses) - min(losses) <= 1e-4 * abs(losses[0]):
        raise UserError(f"after three steps the losses are {losses}; they should agree")


def efficiency(found: dict[str, dict]) -> tuple[float, float]:
    """Of medians, and of the fastest samples."""
    alone, ranks = found["2 threads"], found["2 ranks"]
    return alone["ms"] / ranks["ms"], alone["fastest"] / ranks["fastest"]


def measured_table(results: dict[str, dict[str, dict]]) -> str:
    heads = ["", "one process, 2 threads", "1 thread", "2 ranks of 1 thread"]
    heads += ["efficiency", "quiet samples"]
    rows = []
    for name, found in results.items():
        quiet = [f"{part['kept']}/{part['taken']}" for part in found.values()]
        if not all(part["quiet"] for part in found.values()):
            quiet.append("(others were at work)")
        times = [number(part["ms"]) for part in found.values()]
        rows.append([name, *times, f"{efficiency(found)[0]:.2f}", " ".join(quiet)])
    return table(heads, rows)


def arguments() -> argparse.Namespace:
    options = parser("scaling", "Times training by ranks.")
    options.add_argument("--sizes", default="M,MD,S", help="of " + ", ".join(CHOICES))
    options.add_argument("--rounds", type=whole_number(1), default=5)
    options.add_argument("--patience", type=positive_number, default=PATIENCE)
    options.add_argument("--model-only", action="store_true")
    options.add_argument("--json", type=Path, help="also write what was measured here")
    return options.parse_args()


def scaling() -> None:
    args = arguments()
    if not args.model_only:
        results = {}
        for name in args.sizes.split(","):
            if name not in CHOICES:
                raise UserError(f"--sizes: {name!r} is none of {', '.join(CHOICES)}")
            results[name] = measure(CHOICES[name], args.rounds, args.patience)
            fastest = efficiency(results[name])[1]
            print(f"{name}: efficiency of the fastest samples {fastest:.2f}")
        print(f"\nMilliseconds of a step:\n\n{measured_table(results)}\n")
        if args.json:
            args.json.write_text(json.dumps(results, indent=1) + "\n")
    print(report())


if __name__ == "__main__":
    run(scaling)
