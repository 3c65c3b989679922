"""Times a training step of ours and of PyTorch in turn, and checks that both do the
same."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import flops, peer
from benchmarks.quiet import wait_for_quiet
from benchmarks.sizes import Size
from benchmarks.worker import Worker
from videolstm.errors import UserError

UPDATES = 2  # after which both sides are compared
# Rounding differs from the first product on; it was 4e-6 at most after two updates.
TOLERANCE = 1e-4


class Settings:
    """How long, with what.

    seconds: of samples in a round; rounds; patience: seconds to wait for quiet before
    each round, and then again for quiet samples; torch_python: a Python that has torch,
    or None; peer: another script, or None.
    """

    def __init__(
        self,
        seconds: float,
        rounds: int,
        patience: float,
        threads: int,
        torch_python: str | None = None,
        peer: Path | None = None,
    ) -> None:
        self.seconds, self.rounds, self.patience = seconds, rounds, patience
        self.threads = threads
        self.torch_python, self.peer = torch_python, peer


def summary(samples: list[dict]) -> dict:
    """Median of the quiet samples' milliseconds, or of all where none is quiet, and how
    many samples those are of how many."""
    quiet = [sample["ms"] for sample in samples if sample["quiet"]]
    used = quiet or [sample["ms"] for sample in samples]
    quarter = max(len(used) // 4, 1)
    return {
        "ms": statistics.median(used),
        "fastest": min(used),
        "quarter": sorted(used)[quarter - 1],
        "kept": len(used),
        "taken": len(samples),
        "quiet": bool(quiet),
    }


def largest_difference(ours: dict, theirs: dict) -> tuple[float, str]:
    """Of all arrays, |a - b| / |a| in the Euclidean norm: the largest and its name."""
    if ours.keys() != theirs.keys():
        raise UserError(f"arrays of different names: {ours.keys() ^ theirs.keys()}")
    worst = (0.0, "")
    for name, value in ours.items():
        size = float(np.linalg.norm(value))
        off = float(np.linalg.norm(value - theirs[name]))
        off = off / size if size > 0 else off
        if not off <= worst[0]:  # NaN is the largest
            worst = (off, name)
    return worst


def check_equal(ours: Worker, theirs: Worker, folder: Path) -> dict:
    """Both do two updates from the same start: losses, weights and histories must be
    the same to `TOLERANCE`. Raises UserError where they are not."""
    losses = []
    for worker, file in ((ours, "ours.npz"), (theirs, "theirs.npz")):
        request = {"times": UPDATES, "out": str(folder / file)}
        losses.append(np.array(worker.ask("step", **request)["losses"]))
    off = float(np.max(np.abs(losses[1] / losses[0] - 1)))
    with np.load(folder / "ours.npz") as a, np.load(folder / "theirs.npz") as b:
        arrays, name = largest_difference(dict(a), dict(b))
    if not max(off, arrays) <= TOLERANCE:
        raise UserError(
            f"ours and PyTorch's results differ after {UPDATES} updates: losses by "
            f"{off:.1e}, {name} by {arrays:.1e} of its size, and {TOLERANCE} would do"
        )
    return {"losses": off, "arrays": arrays}


def in_turn(workers: dict[str, Worker], settings: Settings) -> dict[str, list[dict]]:
    """Samples of each worker, round after round; more rounds where too few samples were
    quiet."""
    found: dict[str, list[dict]] = {name: [] for name in workers}
    patience = settings.patience
    for round_ in range(settings.rounds * 2):
        lacking = [
            name
            for name, samples in found.items()
            if round_ < settings.rounds or not any(s["quiet"] for s in samples)
        ]
        for name in lacking:
            wait_for_quiet(patience)
            answer = workers[name].ask("samples", seconds=settings.seconds)
            found[name] += answer["samples"]
        if not lacking:
            break
    return found


def measure(size: Size, settings: Settings, say) -> dict:
    """Everything about a size."""
    result: dict = {"gflop": flops.total(size) / 1e9, "size": asdict(size)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        about = json.dumps(asdict(size))
        with Worker(
            sys.executable, "benchmarks.ours", folder, about, settings.threads
        ) as ours:
            result["versions"] = {"ours": ours.ask("describe")}
            _compare(result, ours, size, settings, folder)
            say(f"{size.name}: parts and products")
            result |= ours.ask("parts")
            result["products_ms"] = ours.ask("products")["ms"]
            if not size.classes:
                result["evaluation_ms"] = ours.ask("evaluation")["ms"]
            result |= ours.ask("density")
    return result


def _compare(
    result: dict, ours: Worker, size: Size, settings: Settings, folder: Path
) -> None:
    """Adds `ours` and, where they are there, `torch` and `peer`, measured in turn."""
    workers, theirs = {"ours": ours}, None
    script = settings.peer and peer.script_for(settings.peer, size)
    try:
        if settings.torch_python:
            theirs = Worker(settings.torch_python, "benchmarks.torch_model", folder)
            result["versions"]["torch"] = theirs.ask("describe")
            result["equal"] = check_equal(ours, theirs, folder)
            workers["torch"] = theirs
        for worker in workers.values():
            worker.ask("step", times=2)
        samples: dict[str, list[dict]] = {name: [] for name in workers}
        peers = []
        halves = 2 if script else 1
        for _ in range(halves):
            for name, found in in_turn(workers, settings).items():
                samples[name] += found
            if script:
                wait_for_quiet(settings.patience)
                python = settings.torch_python or sys.executable
                about = (size, settings.threads, 10, settings.patience)
                peers.append(peer.run(python, script, *about))
        for name, worker in workers.items():
            result[name] = summary(samples[name]) | worker.ask("memory")
        if peers:
            best = sorted(peers, key=lambda found: (not found["quiet"], found["ms"]))
            result["peer"] = best[0]
    finally:
        if theirs is not None:
            theirs.close()
