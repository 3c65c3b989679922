"""What is measured beside training steps: making batches, starting, growing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import flops
from benchmarks.ours import PATIENCE, median_ms
from benchmarks.quiet import wait_for_quiet
from benchmarks.sizes import DIGITS, ROOT, S, Size
from benchmarks.steps import Settings, in_turn, summary
from benchmarks.worker import Failed, Worker
from videolstm.data.bouncing import BouncingDigits
from videolstm.tools.digits import render_digits, save_digits

# What is changed of the smallest size, one thing at a time.
GROWTH = {
    "units": [{"units": n} for n in (128, 256, 512, 1024)],
    "batch": [{"batch": n} for n in (20, 40, 80, 160)],
    "frames": [{"read": n, "frames": 2 * n} for n in (5, 10, 20)],
    "layers": [{"layers": n} for n in (1, 2, 3)],
}

DATA = """dataset_type: BOUNCING_MNIST
data_file: "digits.h5"
num_frames: 20
batch_size: 8
image_size: 64
num_digits: 2
step_length: 0.1
"""


def generator(patience: float = PATIENCE) -> dict:
    """Milliseconds of a batch of 80 videos of 20 frames of 64x64, made on one core:
    into memory that is there, and with new memory for each."""
    digits, _ = render_digits(DIGITS, seed=42)
    videos = BouncingDigits(digits, np.random.RandomState(42), 64, 2, 0.1, 20)
    out = np.empty((20, 80, 4096), np.float32)
    ms = median_ms(lambda: videos.sequences(80, out), 1.0, patience)
    fresh = median_ms(lambda: videos.sequences(80), 1.0, patience)
    return {"ms": ms, "ms with new memory": fresh, "batches per second": 1e3 / ms}


def _seconds(command: list[str], folder: str, times: int) -> float:
    """Median of the seconds that a command takes, the first time not counted."""
    took = []
    for _ in range(times + 1):
        start = time.perf_counter()
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if ran.returncode:
            last = ran.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise Failed(f"{' '.join(command)} failed: {last[0]}")
        took.append(time.perf_counter() - start)
    return statistics.median(took[1:])


def start_up(times: int = 5, patience: float = PATIENCE) -> dict[str, float]:
    """Seconds until a program is there: modules, the help, a run without a step."""
    script = str(ROOT / "lstm_combo.py")
    with tempfile.TemporaryDirectory() as folder:
        digits, labels = render_digits(50, seed=42)
        save_digits(Path(folder) / "digits.h5", train=digits, labels=labels)
        for name in ("train.pbtxt", "valid.pbtxt"):
            (Path(folder) / name).write_text(DATA)
        model = str(ROOT / "models/lstm_combo_demo.pbtxt")
        path = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        commands = {
            "python": ["-c", "pass"],
            "import numpy": ["-c", "import numpy"],
            "import cudamat": ["-c", path + "import cudamat"],
            "lstm_combo.py --help": [script, "--help"],
            "lstm_combo.py --max-iters 0": [
                *(script, _demo(Path(folder), model), "train.pbtxt", "valid.pbtxt"),
                *("cpu", "--max-iters", "0", "--out", "out"),
            ],
        }
        wait_for_quiet(patience)
        return {
            name: _seconds([sys.executable, *arguments], folder, times)
            for name, arguments in commands.items()
        }


def _demo(folder: Path, model: str) -> str:
    """The demo's model, for frames of 64x64, in a file of the folder."""
    text = Path(model).read_text().replace(": 1600", ": 4096")
    (folder / "model.pbtxt").write_text(text)
    return "model.pbtxt"


def growth(settings: Settings, quick: bool, say) -> dict[str, list[dict]]:
    """Time of a step of dense frames as the size S grows in one direction."""
    found: dict[str, list[dict]] = {}
    dense = S.changed(sparse=False)
    for what, changes in GROWTH.items():
        say(f"growing: {what}")
        chosen = [changes[0], changes[-1]] if quick else changes
        found[what] = [
            {"value": change[what], **_point(dense.changed(**change), settings)}
            for change in chosen
        ]
    return found


def _point(size: Size, settings: Settings) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        about = json.dumps(asdict(size))
        with Worker(
            sys.executable, "benchmarks.ours", folder, about, settings.threads
        ) as ours:
            ours.ask("step", times=2)
            measured = summary(in_turn({"ours": ours}, settings)["ours"])
    return {"gflop": flops.total(size) / 1e9, **measured}
