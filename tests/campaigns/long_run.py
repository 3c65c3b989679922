"""Trains for ten thousand steps and looks whether anything grows.

    python -m tests.campaigns.long_run --steps 10000

A small model is trained with everything that a run does: batches made in the
background, lines, validation, pictures, checkpoints, curves. After every tenth of the
steps the memory of the process, its open files and its threads are counted. At the end

* memory has not grown from the third tenth to the last by more than 16 MiB (before that
  there are libraries to load and caches to fill), open files and threads not at all;
* the log has every row, and the checkpoint stands at the last step;
* the checkpoint, validated once more by another process, gives the last row's numbers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import h5py

from tests.campaigns.scenarios import SCENARIOS, merged_logs
from tests.commands import FILES
from videolstm.command import whole_number
from videolstm.config import read_model, write_text

ROOT = Path(__file__).resolve().parents[2]
PARTS = 10
MOST_GROWTH = 16 * 2**20  # bytes


class Grown(AssertionError):
    """Something grew, or log and checkpoint do not agree."""


@dataclass(frozen=True)
class Sample:
    """What a process holds after a step: bytes, open files, threads."""

    step: int
    memory: int
    files: int
    threads: int


def intervals(steps: int) -> dict[str, int]:
    """When a run of so many steps prints, validates, saves and draws."""
    return {
        "max_iters": steps,
        "print_after": max(1, steps // 500),
        "validate_after": max(1, steps // 100),
        "save_after": max(4, steps // 100),
        "display_after": max(1, steps // 10),
    }


def train(name: str, folder: Path, steps: int) -> tuple[Path, list[Sample]]:
    """Trains in `folder`; returns the description of the run and the samples."""
    scenario = SCENARIOS[name]
    scenario.write(folder, **intervals(steps))
    script = ROOT / f"{scenario.program}.py"
    samples, description = [], None
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, str(script), *FILES],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        for line in process.stdout:
            if line.startswith("Model saved at "):
                description = folder / line[15:].rstrip()
            words = line.split()
            if words[0] == "Step" and int(words[1]) % (steps // PARTS) == 0:
                samples.append(sample(process.pid, int(words[1])))
    if process.returncode != 0:
        raise Grown(f"the run ended with {process.returncode}")
    return description, samples


def sample(pid: int, step: int) -> Sample:
    place = Path("/proc") / str(pid)
    status = dict(
        line.split(":", 1)
        for line in (place / "status").read_text().splitlines()
        if ":" in line
    )
    # RssAnon: what the process has asked for, without the pages of files that the
    # system keeps for it
    memory = 1024 * int(status["RssAnon"].split()[0])
    files = len(os.listdir(place / "fd"))
    return Sample(step, memory, files, int(status["Threads"]))


def check_growth(samples: list[Sample], most: int) -> None:
    """Raises Grown where a process has more memory than `most` bytes above what it had
    at its third sample, or more files or threads."""
    settled, last = samples[2], samples[-1]
    if last.memory - settled.memory > most:
        raise Grown(f"memory: {[round(s.memory / 2**20, 1) for s in samples]} MiB")
    # the moment of a sample may be in the middle of a save, with a file more
    for what in ("files", "threads"):
        counts = [getattr(sample, what) for sample in samples]
        if min(counts[-3:]) > max(counts[:3]):
            raise Grown(f"{what}: {counts}")


def check_log(description: Path, steps: int) -> None:
    """Raises Grown where the log is not what the checkpoint says."""
    config = read_model(description)
    folder = description.parent
    rows = merged_logs(folder, config.name, config.timestamp)
    every = [config.print_after, config.validate_after]
    due = [str(k) for k in range(1, steps + 1) if any(k % n == 0 for n in every)]
    if [row["iteration"] for row in rows] != due:
        raise Grown(f"{description.with_suffix('.csv')} lacks rows")
    with h5py.File(description.with_suffix(".h5")) as file:
        iteration = int(file["resume"].attrs["iteration"])
        counts = {int(t) for name, t in file.attrs.items() if name.endswith("_t")}
    if iteration != steps or counts != {steps}:
        raise Grown(f"the checkpoint is of step {iteration}, its weights of {counts}")


def check_numbers(name: str, description: Path, steps: int) -> None:
    """Raises Grown where the checkpoint, validated anew, is not what the log says."""
    config = read_model(description)
    columns = ["vdec", "vfut"]
    if SCENARIOS[name].program == "lstm_classifier":
        columns = ["valid_acc", "pooled_valid_acc"]
    logged = merged_logs(description.parent, config.name, config.timestamp)[-1]
    script = ROOT / f"{SCENARIOS[name].program}.py"
    folder = description.parents[1]
    # a step further without learning: its validation is that of the weights there are
    again = read_model(description)
    for layer in (*again.lstm, *again.lstm_dec, *again.lstm_future):
        for field, param in layer.ListFields():
            if field.message_type is not None and hasattr(param, "epsilon"):
                param.epsilon = param.momentum = 0
    again.max_iters, again.validate_after, again.display_after = steps + 1, 1, 0
    write_text(again, folder / "again.pbtxt")
    subprocess.run(
        [sys.executable, str(script), "again.pbtxt", *FILES[1:]],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    newest = max(description.parent.glob(f"{config.name}_*.pbtxt"))
    found = merged_logs(newest.parent, config.name, read_model(newest).timestamp)[-1]
    if [found[c] for c in columns] != [logged[c] for c in columns]:
        raise Grown(f"validated anew: {found}; in the log: {logged}")


def long_run(
    name: str, folder: Path, steps: int, most: int = MOST_GROWTH
) -> list[Sample]:
    """All of it; raises Grown."""
    description, samples = train(name, folder, steps)
    check_growth(samples, most)
    check_log(description, steps)
    check_numbers(name, description, steps)
    return samples


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_argument("--steps", type=whole_number(PARTS), default=10_000)
    options.add_argument("--scenarios", default="bouncing,classifier")
    args = options.parse_args()
    status = 0
    for name in args.scenarios.split(","):
        folder = Path(tempfile.mkdtemp(prefix="long_run_"))
        began = time.monotonic()
        try:
            samples = long_run(name, folder, args.steps)
        except Grown as error:
            print(f"✗ {name}: {error}")
            status = 1
            continue
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"{name}\n    step   MiB  files  threads")
        for one in samples:
            memory = one.memory / 2**20
            print(f"{one.step:8d} {memory:5.1f} {one.files:6d} {one.threads:8d}")
        print(
            f"✓ {name}: {args.steps} steps in {time.monotonic() - began:.0f} s, "
            "nothing grew; log and checkpoint agree"
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
