"""Trains a classifier: python lstm_classifier.py MODEL TRAIN VALID BOARD [options]."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cudamat as cm
from videolstm.board import use_board
from videolstm.config import read_model
from videolstm.config_check import check_classifier, check_labelled_clips
from videolstm.config_values import wrong
from videolstm.data import DataHandler
from videolstm.data.scenes import compose_batches
from videolstm.files import check_writable
from videolstm.models.checkpoint import carry_best, load_checkpoint
from videolstm.models.classifier import make_classifier
from videolstm.models.param import without_sources
from videolstm.parallel import World
from videolstm.parallel.program import run
from videolstm.results.evaluation import (
    Evaluation,
    check_predictions_path,
    evaluate,
    write_confusion,
    write_predictions,
)
from videolstm.training.classifier import ClassifierTrainer
from videolstm.training.command import (
    find_origin,
    make_data,
    run_files,
    seconds_to_train,
    start,
    training_parser,
    updates_to_make,
)
from videolstm.training.gradient_table import check_and_report, prepare_check
from videolstm.training.sharing import share_out

DESCRIPTION = """Train a classifier of videos: an LSTM with a softmax at each frame or,
for a MODEL with logreg and no lstm, a logistic regression. A clip's prediction is the
mean over its frames, a video's that over its clips; Acc is the part that is right. The
best model is kept in ..._best.h5. A MODEL with timestamps, such as a run leaves in its
checkpoint_dir, is continued."""


def arguments(world: World) -> argparse.Namespace:
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
        world.lead(lambda: check_writable(args.predict))
    return args


def checked_data(
    args: argparse.Namespace, config, seed: int
) -> tuple[DataHandler, ...]:
    """Training and validation data that fit the model."""
    train_data, valid_data = make_data((args.train, args.valid), seed)
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
    model, world = trainer.model, trainer.world
    weights = trainer.files.weights
    if world.lead(trainer.best_path.exists):
        weights = trainer.best_path
        world.lead(lambda: load_checkpoint(weights, model.params))
        world.copy_start(model.params)
    result = evaluate(model, valid_data, world)
    data = valid_data.path
    world.lead(lambda: write_report(trainer, result, data, weights, predictions))


def write_report(
    trainer: ClassifierTrainer,
    result: Evaluation,
    data: Path,
    weights: Path,
    predictions: str | None,
) -> None:
    """Prints and draws what the model of the file `weights` makes of the `data`, and
    writes it to the file `predictions`."""
    model, files = trainer.model, trainer.files
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
        title = f"{model.config.name}, {data}"
        confusion_picture(picture, result.confusion, title)
        print(f"What is taken for what: {picture} and {table}")
    if predictions is not None:
        write_predictions(predictions, result)
        print(
            f"{predictions}: probabilities of {len(result.video_numbers)} videos by "
            f"{weights}"
        )


def train(world: World) -> None:
    """What the command line asks for, from reading files to the last checkpoint, by one
    process or by several together."""
    args = arguments(world)
    if "check_gradients" in args:
        prepare_check(args.board, world, args.math)
    config = read_model(args.model)
    for warning in check_classifier(config, args.model):
        print(f"Note: {warning}")
    origin = world.lead(lambda: find_origin(args, config))
    train_data, valid_data = checked_data(args, config, origin.seed)
    print(use_board(args.board, world.local_rank, world.threads(), args.math))
    cm.CUDAMatrix.init_random(origin.seed)
    with without_sources(origin.checkpoint is not None):
        model = make_classifier(config, args.model, train_data.num_frames)
    for note in compose_batches(train_data, valid_data):
        print(f"Note: {note}")
    progress = start(origin, config, model.params, args.model, train_data, world)
    if "check_gradients" in args:
        sys.exit(check_and_report(args, model, train_data, origin.seed))
    share_out(world, args, model, train_data, valid_data)
    files = world.lead(lambda: run_files(config, args))
    labelled = getattr(valid_data, "labels", None) is not None
    trainer = ClassifierTrainer(
        model,
        train_data,
        valid_data if labelled else None,
        files,
        progress,
        updates_to_make(args, config, progress),
        seconds_to_train(args),
        best=world.lead(lambda: carry_best(origin.checkpoint, files.path("_best.h5"))),
        world=world,
    )
    trainer.run()
    report(trainer, valid_data, getattr(args, "predict", None))


def main() -> None:
    """The console command."""
    run(train)


if __name__ == "__main__":
    main()
