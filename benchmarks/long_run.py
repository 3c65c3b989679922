"""A long training run on a board, with the programs that everybody uses, and its
figures in one file.

    python -m benchmarks.long_run BOARD --minutes 8 --out FOLDER

trains the paper's model on its bouncing digits (datasets/bouncing_mnist.pbtxt, which
says how to make the mnist.h5 that it needs) and then shows it other videos. In FOLDER
are the run's own files, the loss curve among them, the pictures of
`display_results.py`, its table for each frame (frames.csv), and long_run.json: steps a
second, losses per frame and when they were had.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

from videolstm.command import add_math, parser, run, whole_number
from videolstm.errors import UserError
from videolstm.files import written_beside

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models" / "lstm_combo_1layer_mnist.pbtxt"
TRAIN = ROOT / "datasets" / "bouncing_mnist.pbtxt"
VALID = ROOT / "datasets" / "bouncing_mnist_valid.pbtxt"
FRAMES = "frames.csv"


def call(program: str, *arguments: object) -> list[str]:
    """Runs one of the programs; what it prints is shown and returned. Raises UserError
    where it fails."""
    command = [sys.executable, program, *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line.rstrip("\n"))
    if process.wait() != 0:
        raise UserError(f"{program} ended with {process.returncode}, as said above")
    return lines


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a run's .csv; a number that is not there is NaN."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: float(value or "nan") for key, value in row.items()} for row in rows]


def figures(rows: list[dict[str, float]]) -> dict:
    """Of a log: how many steps, how many in a second, and its losses.

    Steps a second are the median over the pairs of rows that follow one another, so
    that what validation and saving take, in a few of them, does not count.
    """
    if len(rows) < 2:
        raise UserError("the run was too short for figures: it has to print two lines")
    pairs = zip(rows[:-1], rows[1:], strict=True)
    rates = [
        (after["iteration"] - before["iteration"]) / seconds
        for before, after in pairs
        if (seconds := after["seconds"] - before["seconds"]) > 0
    ]
    losses = {}
    for name in ("dec", "fut", "vdec", "vfut"):
        known = [row for row in rows if not math.isnan(row[name])]
        if known:
            losses[name] = [[int(row["iteration"]), row[name]] for row in known]
    last = rows[-1]
    return {
        "steps": int(last["iteration"]),
        "seconds": last["seconds"],
        "steps a second": statistics.median(rates),
        "steps a second, all in all": last["iteration"] / last["seconds"],
        "losses a frame": {name: pairs[-1][1] for name, pairs in losses.items()},
        "curves": losses,
    }


def arguments() -> argparse.Namespace:
    options = parser("long_run", "Trains for some time and writes down what it gave.")
    options.add_argument("board", metavar="BOARD", help="CUDA device number, or cpu")
    options.add_argument("--minutes", type=float, default=8.0, help="of training")
    options.add_argument("--model", type=Path, default=MODEL, help="to be trained")
    options.add_argument("--train", type=Path, default=TRAIN, help="training data")
    options.add_argument("--valid", type=Path, default=VALID, help="validation data")
    options.add_argument(
        "--cases", type=whole_number(1), default=1000, help="videos that are shown"
    )
    add_math(options)
    options.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    return options.parse_args()


def long_run() -> None:
    """What the command line asks for."""
    args = arguments()
    out = args.out.resolve()
    data, math_mode = (args.train.resolve(), args.valid.resolve()), args.math
    lines = call(
        *("lstm_combo.py", args.model.resolve(), *data, args.board),
        *("--max-minutes", args.minutes, "--math", math_mode, "--out", out),
    )
    logs = [path for path in out.glob("*.csv") if path.name != FRAMES]
    if not logs:
        raise UserError(f"{out}: the run has left no .csv there")
    log = max(logs, key=lambda path: path.stat().st_mtime)
    result = {"said": lines[:1], "model": args.model.name, "math": math_mode}
    result |= figures(read_log(log))
    with written_beside(out / "long_run.json") as beside:
        beside.write_text(json.dumps(result, indent=2) + "\n")
    call(
        *("display_results.py", log.with_suffix(".pbtxt"), data[1], args.board),
        *("--cases", args.cases, "--examples", 5, "--math", math_mode),
        *("--csv", out / FRAMES, "--out", out / "pictures"),
    )
    shown = {k: v for k, v in result.items() if k != "curves"}
    print(json.dumps(shown, indent=2))


if __name__ == "__main__":
    run(long_run)
