"""Trains the paper's model at its full size on bouncing digits for some steps, and
says how long a step takes.

    python -m benchmarks.full_size BOARD [--out FILE.json]

The model is models/lstm_combo_1layer_mnist.pbtxt (2048 units, 10 + 10 frames of 64x64
pixels, 80 videos a batch); the digits are drawn from fonts. Three times are measured,
each the median over steps: `step` with the batch there already, waiting for the board
after each step; `step with data` as in training, batch by batch without waiting; and
`batch`, making the batch alone, which where frames are composed on the board (as in
training: a CUDA board) is what is shown where. Losses are nats per frame.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import cudamat as cm
from videolstm.board import use_board
from videolstm.command import BOARD, add_math, parser, run, whole_number
from videolstm.config import read_data, read_model
from videolstm.data import DataHandler, make_data_handler
from videolstm.data.scenes import compose_batches
from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.models.composite import LSTMCombo
from videolstm.tools.digits import render_digits, save_digits

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models" / "lstm_combo_1layer_mnist.pbtxt"
DATA = ROOT / "datasets" / "bouncing_mnist.pbtxt"
DIGITS = 2000  # their drawing takes seconds; more would look the same to the clock
ROUNDS = 5  # of steps with data: each is one time


def bouncing(data: Path, digits: int) -> DataHandler:
    """The data set of a description, with digits drawn from fonts."""
    config = read_data(data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.h5"
        images, labels = render_digits(digits, seed=42)
        save_digits(path, train=images, labels=labels)
        config.data_file = str(path)
        return make_data_handler(config, data, 42)


def clock(function, times: int) -> list[float]:
    """Milliseconds of each of so many calls, each waiting for the board."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        cm.cuda_sync_threads()
        took.append(1e3 * (time.perf_counter() - start))
    return took


def losses(model: LSTMCombo, cases: int) -> dict[str, float]:
    """Mean training losses per frame over so many cases, which then start anew."""
    dec, fut = model.train_losses.take().tolist()
    return {
        "dec": dec / (cases * max(model.dec_seq_length, 1)),
        "fut": fut / (cases * max(model.future_seq_length, 1)),
    }


def measure(model: LSTMCombo, data: DataHandler, steps: int) -> dict:
    """Times in milliseconds and losses of a model that has not learnt anything yet."""
    batch = data.next_batch().frames
    model.train_step(batch)
    first = losses(model, data.batch_size)
    clock(lambda: model.train_step(batch), max(steps // 10, 1))  # until all is warm
    fixed = clock(lambda: model.train_step(batch), steps)
    model.train_losses.clear()
    per_round = max(steps // ROUNDS, 1)

    def train():
        for _ in range(per_round):
            model.train_step(data.next_batch().frames)

    with_data = [ms / per_round for ms in clock(train, ROUNDS)]
    last = losses(model, data.batch_size * per_round * ROUNDS)
    batches = clock(data.next_batch, steps)
    if not all(np.isfinite([*first.values(), *last.values()])):
        raise UserError(f"{model.path}: the loss is not a number after {steps} steps")
    return {
        "steps": 1 + max(steps // 10, 1) + steps + per_round * ROUNDS,
        "ms": {
            "step": statistics.median(fixed),
            "step, fastest": min(fixed),
            "step, slowest": max(fixed),
            "step with data": statistics.median(with_data),
            "batch": statistics.median(batches),
        },
        "loss of the first step": first,
        "mean loss of the last steps": last,
        "bytes on the board": cm.memory_in_use(),
    }


def full_size() -> None:
    """What the command line asks for."""
    options = parser(
        "python -m benchmarks.full_size", "Times training steps of the paper's model."
    )
    options.add_argument("board", metavar="BOARD", help=BOARD)
    options.add_argument("--model", type=Path, default=MODEL, help="its description")
    options.add_argument("--data", type=Path, default=DATA, help="BOUNCING_MNIST data")
    options.add_argument(
        "--steps", type=whole_number(1), default=200, help="steps to measure"
    )
    add_math(options)
    options.add_argument("--out", type=Path, metavar="FILE.json", help="for the result")
    args = options.parse_args()
    line = use_board(args.board, math=args.math)
    print(line)
    data = bouncing(args.data, DIGITS)
    cm.CUDAMatrix.init_random(42)
    model = LSTMCombo(read_model(args.model), args.model, data.num_frames)
    for note in compose_batches(data):
        print(f"Note: {note}")
    result = {"board": line, "model": args.model.name, "batch": data.batch_size}
    result |= measure(model, data, args.steps)
    print(json.dumps(result, indent=2))
    if args.out:
        with written_beside(args.out) as beside:
            beside.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    run(full_size)
