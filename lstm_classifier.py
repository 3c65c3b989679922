"""Trains a classifier: python lstm_classifier.py MODEL TRAIN VALID BOARD [options]."""

from __future__ import annotations

import argparse

import cudamat as cm
from videolstm.board import use_board
from videolstm.command import run
from videolstm.config import read_model
from videolstm.config_check import check_classifier, check_labelled_clips
from videolstm.config_values import wrong
from videolstm.data import DataHandler
from videolstm.files import check_writable
from videolstm.models.checkpoint import carry_best, find_checkpoint, load_checkpoint
from videolstm.models.classifier import make_classifier
from videolstm.results.evaluation import (
    check_predictions_path,
    evaluate,
    write_confusion,
    write_predictions,
)
from videolstm.training.classifier import ClassifierTrainer
from videolstm.training.command import (
    make_data,
    seconds_to_train,
    start,
    training_parser,
    updates_to_make,
)
from videolstm.training.run_files import RunFiles

DESCRIPTION = """Train a classifier of videos: an LSTM with a softmax at each frame or,
for a MODEL with logreg and no lstm, a logistic regression. A clip's prediction is the
mean over its frames, a video's that over its clips; Acc is the part that is right. The
best model is kept in ..._best.h5. A MODEL with timestamps, such as a run leaves in its
checkpoint_dir, is continued."""


def arguments() -> argparse.Namespace:
    options = training_parser("lstm_classifier", DESCRIPTION)
    options.add_argument(
        "--predict",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="at the end, write the class probabilities of each video of VALID, .csv "
        "or .h5, by the best model; with --max-iters 0 nothing else is done",
    )
    args = options.parse_args()
    if "predict" in args:
        check_predictions_path(args.predict)
        check_writable(args.predict)
    return args


def checked_data(args: argparse.Namespace, config) -> tuple[DataHandler, ...]:
    """Training and validation data that fit the model."""
    train_data, valid_data = make_data((args.train, args.valid), args.seed)
    check_labelled_clips(config, args.model, train_data)
    need_labels = "predict" not in args
    check_labelled_clips(config, args.model, valid_data, need_labels)
    if valid_data.num_frames != train_data.num_frames:
        right = f"{train_data.num_frames} as in {args.train}"
        raise wrong(args.valid, "num_frames", valid_data.num_frames, right)
    return train_data, valid_data


def report(
    trainer: ClassifierTrainer, valid_data: DataHandler, predictions: str | None
) -> None:
    """Says how good the best model is on the validation data, or the last one where
    none was validated, and writes what it confuses and predicts."""
    model, files = trainer.model, trainer.files
    weights = files.weights
    if trainer.best_path.exists():
        weights = trainer.best_path
        load_checkpoint(weights, model.params)
    result = evaluate(model, valid_data)
    if result.labels is not None:
        shown = [
            f"Valid Acc {result.clip_accuracy:.5f}",
            f"Pooled Valid Acc {result.pooled_accuracy:.5f}",
        ]
        if model.num_classes > 5:
            shown.append(f"Pooled Top-5 {result.top_k(5):.5f}")
        print(f"{weights}: {' ; '.join(shown)}")
        # here, because matplotlib takes longer to import than all the rest together
        from videolstm.pictures.confusion import confusion_picture

        table, picture = files.path("_confusion.csv"), files.path("_confusion.png")
        write_confusion(table, result)
        title = f"{model.config.name}, {valid_data.path}"
        confusion_picture(picture, result.confusion, title)
        print(f"What is taken for what: {picture} and {table}")
    if predictions is not None:
        write_predictions(predictions, result)
        print(
            f"{predictions}: probabilities of {len(result.video_numbers)} videos by "
            f"{weights}"
        )


def train() -> None:
    """What the command line asks for, from reading files to the last checkpoint."""
    args = arguments()
    config = read_model(args.model)
    for warning in check_classifier(config, args.model):
        print(f"Note: {warning}")
    train_data, valid_data = checked_data(args, config)
    print(use_board(args.board))
    cm.CUDAMatrix.init_random(args.seed)
    model = make_classifier(config, args.model, train_data.num_frames)
    progress = start(config, model.params, args.model, train_data)
    checkpoint = find_checkpoint(config, args.model)
    files = RunFiles(config, args.model, getattr(args, "out", None))
    print(f"Model saved at {files.description}")
    labelled = getattr(valid_data, "labels", None) is not None
    trainer = ClassifierTrainer(
        model,
        train_data,
        valid_data if labelled else None,
        files,
        progress,
        updates_to_make(args, config, progress),
        seconds_to_train(args),
        best=carry_best(checkpoint, files.path("_best.h5")),
    )
    trainer.run()
    report(trainer, valid_data, getattr(args, "predict", None))


def main() -> None:
    """The console command."""
    run(train)


if __name__ == "__main__":
    main()
