"""What products with fewer bits (`--math`) do to the numbers.

    python -m benchmarks.math_modes BOARD [--sizes S M] [--steps N] [--units N]
                                          [--out FILE.json]

Three tables: for each kind of products the error of those of a training step, against
numpy in double precision; that of a step's gradients, against the CPU library in double
precision; and the losses of a model trained with them, on one digit bouncing, beside
those of two other starts in fp32, which show what differences mean nothing. Errors are
of whole matrices, |found - right| / |right| in the Euclidean norm, and of several the
largest.

On the CPU the kinds are emulated: errors are those of the arithmetic, and times mean
nothing. On a CUDA board they are cuBLAS's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import cudamat as cm
from benchmarks.flops import Product, products
from benchmarks.half_sums import SEED, float32, losses
from benchmarks.sizes import ROOT, SIZES, Size, describe, make_frames, start_weights
from benchmarks.table import table
from videolstm.board import use_board
from videolstm.command import BOARD, parser, run, whole_number
from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.models.composite import LSTMCombo

COMPOSITE = [name for name, size in SIZES.items() if not size.classes]
OTHER_STARTS = (SEED + 1, SEED + 2)
PARTS_OF_RUN = (0.2, 0.5, 1.0)


def relative(found: np.ndarray, right: np.ndarray) -> float:
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


# ---- products ------------------------------------------------------------------------


def product_errors(product: Product, rng: np.random.Generator) -> dict[str, float]:
    """The error of one product of normally distributed numbers, by kind."""
    a = rng.standard_normal((product.m, product.k), dtype=np.float32)
    b = rng.standard_normal((product.k, product.n), dtype=np.float32)
    right = a.astype(np.float64) @ b.astype(np.float64)
    left = cm.CUDAMatrix(a.T).T if product.transposed == "a" else cm.CUDAMatrix(a)
    other = cm.CUDAMatrix(b.T).T if product.transposed == "b" else cm.CUDAMatrix(b)
    target, found = cm.empty((product.m, product.n)), {}
    for mode in cm.MATH_MODES:
        cm.set_math_mode(mode)
        found[mode] = relative(cm.dot(left, other, target).asarray(), right)
    return found


def errors_by_part(size: Size) -> dict[str, dict[str, float]]:
    """Of each part of a step the largest error of its products, by kind."""
    rng = np.random.default_rng(1)
    worst: dict[str, dict[str, float]] = {}
    for product in {p._replace(count=1): None for p in products(size)}:
        found = product_errors(product, rng)
        known = worst.setdefault(product.part, found)
        worst[product.part] = {k: max(v, known[k]) for k, v in found.items()}
    return worst


# ---- gradients -----------------------------------------------------------------------


def gradients(size: Size) -> dict[str, np.ndarray]:
    """Those of a size's model from its first weights, float64."""
    model = LSTMCombo(describe(size), size.model, size.frames)
    start = start_weights(model.params)
    for param in model.params:
        param.w.overwrite(start[param.name])
    model.load(make_frames(size))
    model.fprop(train=True)
    model.add_losses(model.train_losses, derive=True)
    model.bprop()
    return {param.name: param.dw.asarray().astype(float) for param in model.params}


def right_gradients(name: str) -> dict[str, np.ndarray]:
    """The same from another process with the CPU library in double precision."""
    ours = {k: v for k, v in os.environ.items() if k != "CUDAMAT_LIBRARY"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gradients.npz"
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.math_modes", "cpu"]
            + ["--sizes", name, "--gradients", str(file)],
            cwd=ROOT,
            env=ours | {"CUDAMAT_PRECISION": "double"},
        )
        if done.returncode != 0:
            raise UserError(
                "there are no gradients in double precision to compare with"
            )
        with np.load(file) as found:
            return dict(found)


def gradient_errors(name: str) -> dict[str, dict[str, float]]:
    """Of each weight the error of its gradient, by kind."""
    right = right_gradients(name)
    errors: dict[str, dict[str, float]] = {weight: {} for weight in right}
    for mode in cm.MATH_MODES:
        cm.set_math_mode(mode)
        for weight, found in gradients(SIZES[name]).items():
            errors[weight][mode] = relative(found, right[weight])
    return errors


# ---- training ------------------------------------------------------------------------


def mean_losses(found: list[np.ndarray]) -> list[list[float]]:
    """Reconstruction and future, means of a tenth of the steps at three places."""
    values, tenth = np.array(found), len(found) // 10
    ends = [int(len(found) * part) for part in PARTS_OF_RUN]
    return [values[end - tenth : end].mean(axis=0).tolist() for end in ends]


def training(steps: int, units: int) -> dict[str, list[list[float]]]:
    """Losses of a run for each kind of products, and for other starts in fp32."""
    found = {}
    for mode in cm.MATH_MODES:
        cm.set_math_mode(mode)
        found[mode] = mean_losses(losses(float32, 1, steps, units))
    cm.set_math_mode("fp32")
    for number, start in enumerate(OTHER_STARTS, 2):
        name = f"fp32, start {number}"
        found[name] = mean_losses(losses(float32, 1, steps, units, start))
    return found


# ---- what is printed -----------------------------------------------------------------


def shown(errors: dict[str, float]) -> list[str]:
    return [f"{errors[mode]:.1e}" for mode in cm.MATH_MODES]


def error_table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    rows = [
        [f"{size} {name}", *shown(errors)]
        for size, by_name in found.items()
        for name, errors in by_name.items()
    ]
    return table(["", *cm.MATH_MODES], rows)


def worst_gradients(errors: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """By kind of weight, the largest error of its gradients."""
    found: dict[str, dict[str, float]] = {}
    for weight, by_mode in errors.items():
        known = found.setdefault(weight.split(":")[1], by_mode)
        kind = {mode: max(error, known[mode]) for mode, error in by_mode.items()}
        found[weight.split(":")[1]] = kind
    return found


def loss_table(found: dict[str, list[list[float]]], steps: int) -> str:
    heads = [f"steps to {int(steps * part)}" for part in PARTS_OF_RUN]
    rows = [
        [name, *(f"{dec:.2f} / {fut:.2f}" for dec, fut in means)]
        for name, means in found.items()
    ]
    return table(["products", *heads], rows)


def arguments() -> argparse.Namespace:
    options = parser("math_modes", "What products with fewer bits do to the numbers.")
    options.add_argument("board", metavar="BOARD", help=BOARD)
    options.add_argument(
        "--sizes", nargs="+", choices=COMPOSITE, default=["S", "M"], help="of models"
    )
    options.add_argument(
        "--steps", type=whole_number(10), default=1000, help="of each training run"
    )
    options.add_argument(
        "--units", type=whole_number(1), default=64, help="of its model"
    )
    options.add_argument("--out", type=Path, metavar="FILE.json", help="for the result")
    # what the process in double precision is asked for
    options.add_argument("--gradients", type=Path, help=argparse.SUPPRESS)
    return options.parse_args()


def math_modes() -> None:
    args = arguments()
    line = use_board(args.board)
    if args.gradients:
        np.savez(args.gradients, **gradients(SIZES[args.sizes[0]]))
        return
    if cm.real_type() != np.float32:
        raise UserError("products with fewer bits are for single precision")
    print(line)
    result: dict = {"board": line, "products": {}, "gradients": {}}
    for name in args.sizes:
        result["products"][name] = errors_by_part(SIZES[name])
        result["gradients"][name] = worst_gradients(gradient_errors(name))
    print(f"\nErrors of products\n\n{error_table(result['products'])}")
    print(f"\nErrors of gradients\n\n{error_table(result['gradients'])}", flush=True)
    result["losses"] = training(args.steps, args.units)
    print(f"\nDec / Fut, nats a frame, means of {args.steps // 10} steps\n")
    print(loss_table(result["losses"], args.steps))
    if args.out:
        with written_beside(args.out) as beside:
            beside.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    run(math_modes)
