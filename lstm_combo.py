"""Trains the composite model: python lstm_combo.py MODEL TRAIN VALID BOARD
[options]."""

from __future__ import annotations

import argparse
from pathlib import Path

import cudamat as cm
from videolstm.board import use_board
from videolstm.checkpoint import (
    Progress,
    RunFiles,
    find_checkpoint,
    load_checkpoint,
)
from videolstm.command import LARGEST_SEED, parser, positive_number, run, whole_number
from videolstm.composite import LSTMCombo
from videolstm.config import read_data, read_model
from videolstm.config_check import check_clips, check_composite
from videolstm.data import DataHandler, make_data_handler
from videolstm.errors import UserError
from videolstm.training import Trainer

DESCRIPTION = """Train an LSTM that reconstructs a video and predicts its future.
Printed losses are per frame, summed over pixels: cross-entropy in nats for binary data,
else half the squared error. A MODEL with timestamps, such as a run leaves in its
checkpoint_dir, is continued."""


def arguments() -> argparse.Namespace:
    options = parser("lstm_combo", DESCRIPTION)
    options.add_argument("model", metavar="MODEL.pbtxt", help="describes the model")
    options.add_argument("train", metavar="TRAIN.pbtxt", help="describes training data")
    options.add_argument(
        "valid", metavar="VALID.pbtxt", help="describes validation data"
    )
    options.add_argument("board", metavar="BOARD", help="CUDA device number, or cpu")
    options.add_argument(
        "--max-iters",
        type=whole_number(0),
        metavar="N",
        default=argparse.SUPPRESS,
        help="updates in total, instead of the model's max_iters",
    )
    options.add_argument(
        "--max-minutes",
        type=positive_number,
        metavar="M",
        default=argparse.SUPPRESS,
        help="stop after so many minutes, with a checkpoint",
    )
    options.add_argument(
        "--seed",
        type=whole_number(0, LARGEST_SEED),
        metavar="S",
        default=42,
        help="of weights, dropout and training data; validation data take the next",
    )
    options.add_argument(
        "--out",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="folder for checkpoints, instead of the model's checkpoint_dir",
    )
    return options.parse_args()


def make_data(args: argparse.Namespace) -> tuple[DataHandler, DataHandler]:
    """Handlers of training and validation data, with their notes printed."""
    handlers = []
    for path, seed in ((args.train, args.seed), (args.valid, args.seed + 1)):
        handler = make_data_handler(read_data(path), path, seed % (LARGEST_SEED + 1))
        for note in handler.notes:
            print(f"Note: {note}")
        handlers.append(handler)
    return handlers[0], handlers[1]


def continue_data(data: DataHandler, progress: Progress, checkpoint: Path) -> None:
    try:
        data.restore(progress.data)
    except UserError as error:
        raise UserError(
            f"{checkpoint}: the run cannot go on with other training data ({error}); "
            "to start a new one from its weights, use init_type PRETRAINED"
        ) from None


def start(model: LSTMCombo, path: str, train_data: DataHandler) -> Progress:
    """Loads the newest checkpoint of the description at `path`, if it names any, and
    takes the training data to where that left them."""
    timestamps = model.config.timestamp
    checkpoint = find_checkpoint(model.config, path)
    if checkpoint is not None:
        progress = load_checkpoint(checkpoint, model.params)
        if progress.data:
            continue_data(train_data, progress, checkpoint)
        known = progress.iteration is not None
        after = f" after {progress.iteration} steps" if known else ""
        print(f"Continuing from {checkpoint}{after}")
        return progress
    if timestamps:
        print(
            f"Starting afresh: none of the {len(timestamps)} timestamps in {path} has "
            "an .h5 file"
        )
    return Progress()


def train() -> None:
    """What the command line asks for, from reading files to the last checkpoint."""
    args = arguments()
    config = read_model(args.model)
    for warning in check_composite(config, args.model):
        print(f"Note: {warning}")
    train_data, valid_data = make_data(args)
    for handler in (train_data, valid_data):
        check_clips(config, args.model, handler)
    print(use_board(args.board))
    cm.CUDAMatrix.init_random(args.seed)
    model = LSTMCombo(config, args.model, train_data.num_frames)
    progress = start(model, args.model, train_data)
    max_iters = getattr(args, "max_iters", config.max_iters)
    if progress.iteration is None:  # the release's: max_iters further steps
        progress.iteration = 0
    files = RunFiles(config, args.model, getattr(args, "out", None))
    print(f"Model saved at {files.description}")
    if progress.iteration >= max_iters:
        print(
            f"Note: nothing to train, {progress.iteration} steps are done and "
            f"max_iters is {max_iters}"
        )
    seconds = 60 * getattr(args, "max_minutes", float("inf"))
    Trainer(model, train_data, valid_data, files, progress, max_iters, seconds).run()


def main() -> None:
    """The console command."""
    run(train)


if __name__ == "__main__":
    main()
