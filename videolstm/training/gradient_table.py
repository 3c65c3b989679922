"""``--check-gradients``: from the command line to the table of `gradient_check`."""

from __future__ import annotations

import argparse
import os
import sys

from cudamat.library import HERE
from videolstm.data import Batch, DataHandler
from videolstm.errors import UserError
from videolstm.models.vote import Classifier
from videolstm.parallel import ALONE, World
from videolstm.training.gradient_check import Row, check_gradients, limits

CLIPS = 4  # of a batch; more take longer and tell nothing new
DIFFERENT = 1  # exit status


def prepare_check(board: str, world: World = ALONE, math: str = "fp32") -> None:
    """Starts this program again with the matrix library's double build, if that is
    there and nobody has chosen a build: differences of losses in single precision are
    too coarse to tell much.

    To be called before anything is computed; returns where it stays as it is. Raises
    UserError for several processes and for products with fewer bits.
    """
    if world.ranks > 1:
        raise UserError(
            "--check-gradients is for one process, and an MPI launcher has started "
            f"{world.ranks}; start the program without it"
        )
    if math != "fp32":
        raise UserError(
            "--check-gradients compares with differences in full precision, and --math "
            f"is {math}; leave one of them out"
        )
    if {"CUDAMAT_PRECISION", "CUDAMAT_LIBRARY"} & os.environ.keys():
        return
    kinds = {"cpu": ["cpu"], "auto": ["cpu", "cuda"]}.get(board, ["cuda"])
    if not any((HERE / f"libcudamat_{kind}_double.so").is_file() for kind in kinds):
        return
    sys.stdout.flush()
    environment = os.environ | {"CUDAMAT_PRECISION": "double"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def check_and_report(
    args: argparse.Namespace, model, train_data: DataHandler, seed: int
) -> int:
    """Checks the gradients of a model, with the weights that it has, on some clips of
    its training data; prints a table. Returns the exit status: 0 where all weights
    pass."""
    batch = first_clips(train_data.next_batch(), CLIPS)
    used = limits()
    print(
        f"Gradients of {args.model} on {batch.frames.shape[1]} clips of {args.train}, "
        f"in {used.name} precision"
    )
    if used.name != "double":
        print(
            "Note: in single precision only gross errors show; make -C cudamat "
            "PRECISION=double builds the library for double"
        )
    rows = check_gradients(model, batch, args.check_entries, seed)
    print("\n".join([*table(rows), summary(rows)]))
    for note in notes(model, rows):
        print(f"Note: {note}")
    return 0 if all(row.verdict == "pass" for row in rows) else DIFFERENT


def first_clips(batch: Batch, count: int) -> Batch:
    labels = None if batch.labels is None else batch.labels[:count]
    return Batch(batch.frames[:, :count], labels, batch.clips[:count])


def table(rows: list[Row]) -> list[str]:
    """A line for each weight."""
    width = max(len("weight"), *(len(row.name) for row in rows))
    lines = [f"{'weight':{width}}  entries  compared  largest error  result"]
    for row in rows:
        compared = row.count("agrees") + row.count("differs")
        worst = row.worst
        error = f"{worst.error:.1e}" if worst else "-"
        line = f"{row.name:{width}}  {len(row.entries):7}  {compared:8}  {error:>13}  "
        lines.append(line + row.verdict + _detail(row))
    return lines


def _detail(row: Row) -> str:
    """What to know of a row that is not simply right."""
    parts = []
    if row.verdict == "FAIL":
        worst = row.worst
        parts.append(
            f"{row.count('differs')} differ, such as [{worst.row}, {worst.column}]: "
            f"gradient {worst.analytic:.6g}, difference {worst.numeric:.6g}"
        )
    if row.count("kink"):
        parts.append(f"{row.count('kink')} at a kink")
    if row.verdict == "unclear" and row.count("small"):
        parts.append("gradients too small for this precision")
    return f" ({'; '.join(parts)})" if parts else ""


def summary(rows: list[Row]) -> str:
    used = limits()
    passed = sum(row.verdict == "pass" for row in rows)
    return (
        f"{passed} of {len(rows)} weights pass: relative errors up to "
        f"{used.tolerance:g} are allowed, for the differences' own, with steps of "
        f"{used.steps[0]:g} to {used.steps[-1]:g}"
    )


def notes(model, rows: list[Row]) -> list[str]:
    """Why weights are known to fail, and what the words of the table mean."""
    found = []
    config = model.config
    failed = any(row.verdict == "FAIL" for row in rows)
    if config.reproduce_2016_release and failed:
        if not isinstance(model, Classifier) and model.decoder and model.future:
            found.append(
                "reproduce_2016_release keeps the release's fault that the derivatives "
                "of decoder and future predictor with respect to the encoder's last "
                "state overwrite each other, so the encoder is expected to fail"
            )
        if any(layer.use_relu for layer in _layers(config)):
            found.append(
                "reproduce_2016_release derives use_relu as o relu(c) where o c is "
                "computed, as the release does, so layers with cells below 0 are "
                "expected to fail"
            )
    if any(row.verdict == "unclear" for row in rows):
        found.append(
            "unclear is a weight of which no entry could be compared; it does not "
            "count as passed"
        )
    if any(row.count("kink") for row in rows):
        found.append(
            "at a kink the loss has two slopes (a relu at 0), and the gradient lies "
            "between them: not compared"
        )
    return found


def _layers(config) -> list:
    return [*config.lstm, *config.lstm_dec, *config.lstm_future]
