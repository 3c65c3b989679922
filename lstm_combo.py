"""Trains the composite model: python lstm_combo.py MODEL TRAIN VALID BOARD
[options]."""

from __future__ import annotations

import cudamat as cm
from videolstm.board import use_board
from videolstm.command import run
from videolstm.config import read_model
from videolstm.config_check import check_clips, check_composite
from videolstm.models.composite import LSTMCombo
from videolstm.training.command import (
    make_data,
    seconds_to_train,
    start,
    training_parser,
    updates_to_make,
)
from videolstm.training.composite import Trainer
from videolstm.training.run_files import RunFiles

DESCRIPTION = """Train an LSTM that reconstructs a video and predicts its future.
Printed losses are per frame, summed over pixels: cross-entropy in nats for binary data,
else half the squared error. A MODEL with timestamps, such as a run leaves in its
checkpoint_dir, is continued."""


def train() -> None:
    """What the command line asks for, from reading files to the last checkpoint."""
    args = training_parser("lstm_combo", DESCRIPTION).parse_args()
    config = read_model(args.model)
    for warning in check_composite(config, args.model):
        print(f"Note: {warning}")
    train_data, valid_data = make_data((args.train, args.valid), args.seed)
    for handler in (train_data, valid_data):
        check_clips(config, args.model, handler)
    print(use_board(args.board))
    cm.CUDAMatrix.init_random(args.seed)
    model = LSTMCombo(config, args.model, train_data.num_frames)
    progress = start(config, model.params, args.model, train_data)
    files = RunFiles(config, args.model, getattr(args, "out", None))
    print(f"Model saved at {files.description}")
    max_iters = updates_to_make(args, config, progress)
    seconds = seconds_to_train(args)
    Trainer(model, train_data, valid_data, files, progress, max_iters, seconds).run()


def main() -> None:
    """The console command."""
    run(train)


if __name__ == "__main__":
    main()
