"""What it does to the loss when ranks sum their gradients in 16 bits.

    python -m benchmarks.half_sums [--ranks N] [--steps N] [--units N]

Half the bytes would travel. Here one process plays all ranks: the gradient of each
one's cases is rounded to 16 bits, sums are rounded after each addition, and the model
of `make demo` is trained with them, on one digit bouncing. All runs see the same
videos from the same start.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import cudamat as cm
from benchmarks.sizes import DIGITS, ROOT
from benchmarks.table import table
from videolstm.command import parser, run, whole_number
from videolstm.config import read_model
from videolstm.data.bouncing import BouncingDigits
from videolstm.models.composite import LSTMCombo
from videolstm.parallel.share import share_of
from videolstm.tools.digits import render_digits

MODEL = "models/lstm_combo_demo.pbtxt"
BATCH, SEED = 40, 42


def bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 rounded to the 8 bits of a bfloat16's fraction, to nearest even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    odd = (bits >> 16) & 1
    return ((bits + np.uint32(0x7FFF) + odd) & np.uint32(0xFFFF0000)).view(np.float32)


def float16(values: np.ndarray) -> np.ndarray:
    """float32 rounded to float16: 11 bits of fraction, from 6e-8 to 65504."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def float32(values: np.ndarray) -> np.ndarray:
    return values


ROUNDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "float32": float32,
    "bfloat16": bfloat16,
    "float16": float16,
}


def step(model: LSTMCombo, frames: np.ndarray, ranks: int, rounding: Callable) -> None:
    """A training step in which each of so many ranks has its part of the cases."""
    sums: list[np.ndarray] = []
    for rank in range(ranks):
        own = share_of(frames.shape[1], rank, ranks)
        model.load(np.ascontiguousarray(frames[:, own.start : own.stop]))
        model.fprop(train=True)
        model.add_losses(model.train_losses, derive=True)
        model.bprop()
        found = [rounding(param.dw.asarray()) for param in model.params]
        if sums:
            found = [rounding(a + b) for a, b in zip(sums, found, strict=True)]
        sums = [values.copy() for values in found]
    for param, values in zip(model.params, sums, strict=True):
        param.dw.overwrite(values)
    model.update()


def losses(
    rounding: Callable, ranks: int, steps: int, units: int, start: int = SEED
) -> list[np.ndarray]:
    """Nats a frame, reconstruction and future, of each step; `start` is the seed of the
    first weights, and the videos are always the same."""
    config = read_model(ROOT / MODEL)
    for layer in (*config.lstm, *config.lstm_dec, *config.lstm_future):
        layer.num_hid = units
    side = round(config.lstm[0].input_dims ** 0.5)
    frames = config.dec_seq_length + config.future_seq_length
    cm.CUDAMatrix.init_random(start)
    model = LSTMCombo(config, MODEL, frames)
    digits, _ = render_digits(DIGITS, seed=SEED)
    rng = np.random.RandomState(SEED)
    videos = BouncingDigits(digits, rng, side, 1, 0.1, frames)
    lengths = np.array([config.dec_seq_length, config.future_seq_length])
    found = []
    for _ in range(steps):
        step(model, videos.sequences(BATCH), ranks, rounding)
        found.append(model.train_losses.take() / (BATCH * lengths))
    return found


def arguments() -> argparse.Namespace:
    options = parser("half_sums", "Trains with gradients summed in 16 bits.")
    options.add_argument("--ranks", type=whole_number(1), default=4)
    options.add_argument("--steps", type=whole_number(10), default=1000)
    options.add_argument("--units", type=whole_number(1), default=64)
    return options.parse_args()


def half_sums() -> None:
    args = arguments()
    cm.load("cpu")
    rows = []
    for name, rounding in ROUNDINGS.items():
        found = np.array(losses(rounding, args.ranks, args.steps, args.units))
        tenths = [
            found[int(args.steps * part) - args.steps // 10 :][: args.steps // 10]
            for part in (0.2, 0.5, 1.0)
        ]
        means = [f"{d:.2f} / {f:.2f}" for d, f in (t.mean(axis=0) for t in tenths)]
        rows.append([name, *means])
    steps = [f"steps to {int(args.steps * part)}" for part in (0.2, 0.5, 1.0)]
    print(
        f"Dec / Fut, nats a frame, {args.ranks} ranks, means of {args.steps // 10}:\n"
    )
    print(table(["gradients summed in", *steps], rows))


if __name__ == "__main__":
    run(half_sums)
