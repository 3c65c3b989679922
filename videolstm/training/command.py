"""What the programs that train share: their arguments, their data and where they start
from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cudamat as cm
from videolstm.command import (
    BOARD,
    LARGEST_SEED,
    add_math,
    parser,
    positive_number,
    whole_number,
)
from videolstm.config import read_data
from videolstm.data import DataHandler, make_data_handler
from videolstm.errors import UserError
from videolstm.models.checkpoint import (
    Progress,
    checkpoint_progress,
    find_checkpoint,
    load_checkpoint,
)
from videolstm.parallel import World
from videolstm.training.run_files import RunFiles

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.models.param import Param


DEFAULT_SEED = 42


@dataclass(frozen=True)
class Origin:
    """Where a run starts from.

    checkpoint: of the run that it continues, None for a new one. seed: of its random
    numbers. renewed: whether they start anew from that, not where the checkpoint left
    them.
    """

    checkpoint: Path | None
    seed: int
    renewed: bool


def training_parser(program: str, description: str) -> argparse.ArgumentParser:
    """A parser of MODEL TRAIN VALID BOARD and of the options that all have."""
    options = parser(program, description)
    add = options.add_argument
    add("model", metavar="MODEL.pbtxt", help="describes the model")
    add("train", metavar="TRAIN.pbtxt", help="describes training data")
    add("valid", metavar="VALID.pbtxt", help="describes validation data")
    add("board", metavar="BOARD", help=BOARD)
    add(
        "--max-iters",
        type=whole_number(0),
        metavar="N",
        default=argparse.SUPPRESS,
        help="updates in total, instead of the model's max_iters",
    )
    add(
        "--max-minutes",
        type=positive_number,
        metavar="M",
        default=argparse.SUPPRESS,
        help="stop after so many minutes, with a checkpoint",
    )
    add(
        "--seed",
        type=whole_number(0, LARGEST_SEED),
        metavar="S",
        default=argparse.SUPPRESS,
        help="of weights, dropout and training data; validation data take the next "
        f"(default: {DEFAULT_SEED}, or that of the run that is continued; with another "
        "that goes on with other data and dropout)",
    )
    add(
        "--out",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="folder for checkpoints, instead of the model's checkpoint_dir",
    )
    add_math(options)
    add(
        "--check-gradients",
        action="store_true",
        default=argparse.SUPPRESS,
        help="instead of training, compare the gradients with differences of the loss, "
        "on clips of TRAIN and in double precision, and print a table; exit status 1 "
        "where a weight does not pass",
    )
    add(
        "--check-entries",
        type=whole_number(1, 10_000),
        metavar="N",
        default=10,
        help="so many entries of each weight, with --check-gradients",
    )
    return options


def make_data(paths: Sequence[str], seed: int) -> tuple[DataHandler, ...]:
    """Handlers of the data at `paths`, each with the seed after the one before it;
    prints their notes."""
    handlers = []
    for number, path in enumerate(paths):
        own_seed = (seed + number) % (LARGEST_SEED + 1)
        handler = make_data_handler(read_data(path), path, own_seed)
        for note in handler.notes:
            print(f"Note: {note}")
        handlers.append(handler)
    return tuple(handlers)


def continue_data(data: DataHandler, progress: Progress, checkpoint: Path) -> None:
    """Takes training data to where a checkpoint left them."""
    try:
        data.restore(progress.data)
    except UserError as error:
        raise UserError(
            f"{checkpoint}: the run cannot go on with other training data ({error}); "
            "to start a new one from its weights, use init_type PRETRAINED"
        ) from None


def find_origin(args: argparse.Namespace, config: config_pb2.Model) -> Origin:
    """The newest checkpoint of the description `args.model`, if it names any, and the
    seed: --seed, else that of the run that is continued, else 42. Says where the two
    differ what that means."""
    checkpoint = find_checkpoint(config, args.model)
    known = None if checkpoint is None else checkpoint_progress(checkpoint).seed
    seed = getattr(args, "seed", DEFAULT_SEED if known is None else known)
    renewed = known is not None and seed != known
    if renewed:
        print(
            f"Note: --seed is {seed} and that of {checkpoint} is {known}: its weights "
            "and steps go on, with data and dropout that start anew from the new seed"
        )
    return Origin(checkpoint, seed, renewed)


def start(
    origin: Origin,
    config: config_pb2.Model,
    params: list[Param],
    path: str | Path,
    train_data: DataHandler,
    world: World,
) -> Progress:
    """Loads the checkpoint of a run that is continued, and takes the random numbers and
    the training data to where that left them; says so. Weights and random numbers are
    those of the first rank alone."""
    checkpoint = origin.checkpoint
    if checkpoint is not None:
        progress = world.lead(lambda: load_checkpoint(checkpoint, params))
        if origin.renewed:
            cm.CUDAMatrix.init_random(origin.seed)
        elif progress.data:
            continue_data(train_data, progress, checkpoint)
        known = progress.iteration is not None
        after = f" after {progress.iteration} steps" if known else ""
        print(f"Continuing from {checkpoint}{after}")
        return progress
    if config.timestamp:
        print(
            f"Starting afresh: none of the {len(config.timestamp)} timestamps in "
            f"{path} has an .h5 file"
        )
    return Progress()


def run_files(config: config_pb2.Model, args: argparse.Namespace) -> RunFiles:
    """The files of this run; says where its description is."""
    files = RunFiles(config, args.model, getattr(args, "out", None))
    for note in files.notes:
        print(f"Note: {note}")
    # at once, because whoever kills this program later needs it to go on
    print(f"Model saved at {files.description}", flush=True)
    return files


def updates_to_make(
    args: argparse.Namespace, config: config_pb2.Model, progress: Progress
) -> int:
    """Updates in total; says so where they are done already. A checkpoint of the
    release does not know how many it has had: then so many more, counted from 1."""
    max_iters = getattr(args, "max_iters", config.max_iters)
    if progress.iteration is None:
        progress.iteration = 0
    if progress.iteration >= max_iters and progress.reported:
        print(
            f"Note: nothing to train, {progress.iteration} steps are done and "
            f"max_iters is {max_iters}"
        )
    return max_iters


def seconds_to_train(args: argparse.Namespace) -> float:
    return 60 * getattr(args, "max_minutes", float("inf"))
