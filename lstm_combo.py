"""Trains the composite model: python lstm_combo.py MODEL TRAIN VALID BOARD
[options]."""

from __future__ import annotations

import sys

import cudamat as cm
from videolstm.board import use_board
from videolstm.config import read_model
from videolstm.config_check import check_clips, check_composite
from videolstm.data.scenes import compose_batches
from videolstm.models.composite import LSTMCombo
from videolstm.models.param import without_sources
from videolstm.parallel import World
from videolstm.parallel.program import run
from videolstm.training.command import (
    find_origin,
    make_data,
    run_files,
    seconds_to_train,
    start,
    training_parser,
    updates_to_make,
)
from videolstm.training.composite import Trainer
from videolstm.training.gradient_table import check_and_report, prepare_check
from videolstm.training.sharing import share_out

DESCRIPTION = """Train an LSTM that reconstructs a video and predicts its future.
Printed losses are per frame, summed over pixels: cross-entropy in nats for binary data,
else half the squared error. A MODEL with timestamps, such as a run leaves in its
checkpoint_dir, is continued."""


def train(world: World) -> None:
    """What the command line asks for, from reading files to the last checkpoint, by one
    process or by several together."""
    args = training_parser("lstm_combo", DESCRIPTION).parse_args()
    if "check_gradients" in args:
        prepare_check(args.board, world, args.math)
    config = read_model(args.model)
    for warning in check_composite(config, args.model):
        print(f"Note: {warning}")
    origin = world.lead(lambda: find_origin(args, config))
    train_data, valid_data = make_data((args.train, args.valid), origin.seed)
    for handler in (train_data, valid_data):
        check_clips(config, args.model, handler)
    print(use_board(args.board, world.local_rank, world.threads(), args.math))
    cm.CUDAMatrix.init_random(origin.seed)
    with without_sources(origin.checkpoint is not None):
        model = LSTMCombo(config, args.model, train_data.num_frames)
    for note in compose_batches(train_data, valid_data):
        print(f"Note: {note}")
    progress = start(origin, config, model.params, args.model, train_data, world)
    if "check_gradients" in args:
        sys.exit(check_and_report(args, model, train_data, origin.seed))
    share_out(world, args, model, train_data, valid_data)
    files = world.lead(lambda: run_files(config, args))
    max_iters = updates_to_make(args, config, progress)
    limits = (max_iters, seconds_to_train(args))
    Trainer(model, train_data, valid_data, files, progress, *limits, world).run()


def main() -> None:
    """The console command."""
    run(train)


if __name__ == "__main__":
    main()
