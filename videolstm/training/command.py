"""What the programs that train share: their arguments, their data and where they start
from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.command import LARGEST_SEED, parser, positive_number, whole_number
from videolstm.config import read_data
from videolstm.data import DataHandler, make_data_handler
from videolstm.errors import UserError
from videolstm.models.checkpoint import Progress, find_checkpoint, load_checkpoint

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.models.param import Param


def training_parser(program: str, description: str) -> argparse.ArgumentParser:
    """A parser of MODEL TRAIN VALID BOARD and of the options that all have."""
    options = parser(program, description)
    add = options.add_argument
    add("model", metavar="MODEL.pbtxt", help="describes the model")
    add("train", metavar="TRAIN.pbtxt", help="describes training data")
    add("valid", metavar="VALID.pbtxt", help="describes validation data")
    add("board", metavar="BOARD", help="CUDA device number, or cpu")
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
        default=42,
        help="of weights, dropout and training data; validation data take the next",
    )
    add(
        "--out",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="folder for checkpoints, instead of the model's checkpoint_dir",
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


def start(
    config: config_pb2.Model,
    params: list[Param],
    path: str | Path,
    train_data: DataHandler,
) -> Progress:
    """Loads the newest checkpoint of the description at `path`, if it names any, and
    takes the training data to where that left them; says so."""
    checkpoint = find_checkpoint(config, path)
    if checkpoint is not None:
        progress = load_checkpoint(checkpoint, params)
        if progress.data:
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


def updates_to_make(
    args: argparse.Namespace, config: config_pb2.Model, progress: Progress
) -> int:
    """Updates in total; says so where they are done already. A checkpoint of the
    release does not know how many it has had: then so many more, counted from 1."""
    max_iters = getattr(args, "max_iters", config.max_iters)
    if progress.iteration is None:
        progress.iteration = 0
    if progress.iteration >= max_iters:
        print(
            f"Note: nothing to train, {progress.iteration} steps are done and "
            f"max_iters is {max_iters}"
        )
    return max_iters


def seconds_to_train(args: argparse.Namespace) -> float:
    return 60 * getattr(args, "max_minutes", float("inf"))
