"""Shows what a trained model has learned: python display_results.py MODEL DATA BOARD
[options]."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from videolstm.command import BOARD, LARGEST_SEED, add_math, parser, run, whole_number
from videolstm.errors import UserError
from videolstm.files import check_writable
from videolstm.results.answers import Answer, answers, joined
from videolstm.results.examples import example_clips
from videolstm.results.metrics import Metrics
from videolstm.results.predictions import StreamedDatasets
from videolstm.results.tables import legend, tables, write_csv
from videolstm.results.trained import ENDLESS_CASES, Trained, load_trained
from videolstm.results.unrolled import (
    check_future,
    clips_that_go_on,
    known_frames,
    run_on,
    unrolled,
)

if TYPE_CHECKING:
    from videolstm.pictures.gallery import Gallery

DESCRIPTION = """Show what a trained model has learned: numbers for each frame, and, for
some videos, a picture and an animation of the truth and of what the model makes of it.
MODEL is the .pbtxt that a run has left in its checkpoint_dir, DATA any data set with
frames of that size. With --save or --csv pictures are drawn only if one of their own
options is there, too."""

OUTPUTS = {"save": ".h5", "csv": ".csv"}  # options that name files, and their kind
EXAMPLES = 5
LONG_EXAMPLES = 2  # whose every frame a picture of --steps shows


def arguments() -> argparse.Namespace:
    options = parser("display_results", DESCRIPTION)
    absent = {"default": argparse.SUPPRESS}
    add = options.add_argument
    add("model", metavar="MODEL.pbtxt", help="a trained model, with its timestamps")
    add("data", metavar="DATA.pbtxt", help="describes the data to show it on")
    add("board", metavar="BOARD", help=BOARD)
    text = f"the first N videos; otherwise all, or {ENDLESS_CASES} of endless data"
    add("--cases", type=whole_number(1), metavar="N", help=text, **absent)
    text = "write predictions, and the encoder's states, of every video"
    add("--save", metavar="FILE.h5", help=text, **absent)
    text = "write the numbers for other programs to read"
    add("--csv", metavar="FILE.csv", help=text, **absent)
    text = "of bouncing digits, 43 gives those that lstm_combo validates on; of units"
    add(
        "--seed", type=whole_number(0, LARGEST_SEED), metavar="S", default=43, help=text
    )
    add_math(options)
    add = options.add_argument_group("pictures").add_argument
    text = f"how many clips they show, the videos taking turns; otherwise {EXAMPLES}"
    add("--examples", type=whole_number(1, 100), metavar="N", help=text, **absent)
    text = "run the future predictor for K frames, and show what its units do"
    add("--steps", type=whole_number(1, 10_000), metavar="K", help=text, **absent)
    text = "show the weights of the units whose weights are the largest"
    add("--features", action="store_true", help=text, **absent)
    text = "of the pictures; otherwise png"
    add("--format", choices=("png", "pdf"), help=text, **absent)
    text = "folder for them, made if need be; otherwise that of MODEL.pbtxt"
    add("--out", metavar="DIR", help=text, **absent)
    add("--show", action="store_true", help="open them in windows, too", **absent)
    return options.parse_args()


def gallery_of(args: argparse.Namespace) -> Gallery | None:
    """Where pictures go, or None where none are asked for."""
    own = ("examples", "steps", "features", "format", "out", "show")
    if ("save" in args or "csv" in args) and not any(name in args for name in own):
        return None
    # here, because matplotlib takes longer to import than all the rest together
    from videolstm.pictures.gallery import Gallery

    folder = getattr(args, "out", None) or Path(args.model).parent
    stem = f"{Path(args.model).stem}_{Path(args.data).stem}"
    return Gallery(folder, stem, getattr(args, "format", "png"), "show" in args)


# ---- files that are written ----------------------------------------------------------


def check_output(option: str, path: str, suffix: str) -> None:
    """Raises UserError for a file of another kind, which may be somebody's work, and
    for one that cannot be written."""
    if Path(path).suffix.lower() != suffix:
        raise UserError(f"{option} is {path!r}, and it should end in {suffix}")
    check_writable(path)


def check_apart(args: argparse.Namespace, trained: Trained) -> None:
    """Raises UserError where a file that is read would be replaced."""
    data = trained.data.config
    named = [value for field, value in data.ListFields() if field.name[-5:] == "_file"]
    folders = (Path(), Path(args.data).parent)  # as videolstm.config.locate looks
    files = [folder / name for folder in folders for name in named]
    read = {os.path.realpath(file) for file in (trained.checkpoint, *files)}
    for name in OUTPUTS:
        path = getattr(args, name, None)
        if path is not None and os.path.realpath(path) in read:
            raise UserError(
                f"--{name} is {path!r}, which is read and would be replaced: name "
                "another file"
            )


# ---- the one pass over the data ------------------------------------------------------


def pass_over(
    args: argparse.Namespace,
    trained: Trained,
    value_range: tuple[float, float],
    examples: np.ndarray,
) -> tuple[Metrics, Answer | None]:
    """Asks the model for every video once: adds up the numbers, saves the predictions,
    and keeps the videos that `examples` numbers. Returns the numbers and these."""
    low, high = value_range
    data, cases = trained.data, trained.cases
    metrics = Metrics(trained.model.binary, data.frame_shape, high - low)
    kept: list[Answer] = []
    ascending = np.sort(examples)
    bar = tqdm(total=cases, unit=" videos", disable=None)  # on a terminal only
    with bar, saving(args, trained) as save:
        for made in answers(trained.model, data.epoch(), cases):
            count = made.truth.shape[1]
            here = ascending - metrics.cases
            here = here[(here >= 0) & (here < count)]
            metrics.add(made)
            save(made)
            if len(here):
                kept.append(made.some(here))
            bar.update(count)
    places = np.searchsorted(ascending, examples)
    return metrics, joined(kept).some(places) if kept else None


@contextmanager
def saving(
    args: argparse.Namespace, trained: Trained
) -> Iterator[Callable[[Answer], None]]:
    """Gives a function that appends an answer to the file of --save, if there is
    one."""
    if "save" not in args:
        yield lambda made: None
        return
    names = {"model": args.model, "data": args.data, "checkpoint": trained.checkpoint}
    with StreamedDatasets(args.save) as file:
        file.set_attributes(**{name: str(path) for name, path in names.items()})
        if trained.iteration is not None:
            file.set_attributes(iteration=trained.iteration)

        def save(made: Answer) -> None:
            file.append("input", made.truth.swapaxes(0, 1))
            for name, _, frames in made.parts:
                file.append(name, frames.swapaxes(0, 1))
            for name, state in made.states.items():
                file.append(f"state/{name}", state)

        yield save


# ---- what is shown of it -------------------------------------------------------------


def say_numbers(args: argparse.Namespace, trained: Trained, metrics: Metrics) -> None:
    """Prints the tables, and writes the file of --csv."""
    videos = f"{metrics.cases} video" + ("s" if metrics.cases > 1 else "")
    print(f"\n{trained.title}, {videos}, weights from {trained.checkpoint}")
    scores = list(metrics.scores())
    for table in tables(scores, metrics.binary, trained.conditions):
        print(f"\n{table.text()}")
    print()
    how = (trained.data.frame_dims, metrics.data_range, metrics.without)
    for line in legend(metrics.binary, *how):
        print(line)
    if "csv" in args:
        forced = {"reconstruction": trained.teacher_forced, "future": False}
        write_csv(args.csv, metrics, forced)
        print(f"Numbers written to {args.csv}")
    if "save" in args:
        print(f"Predictions written to {args.save}")


def draw(
    args: argparse.Namespace,
    trained: Trained,
    made: Answer,
    examples: np.ndarray,
    value_range: tuple[float, float],
    gallery: Gallery,
) -> None:
    """Draws everything that was asked for of `made`, the answer for `examples`."""
    from videolstm.pictures.animation import animate
    from videolstm.pictures.features import features_figure
    from videolstm.pictures.sequences import sequence_figure

    shape = trained.data.frame_shape
    look = {"frame_shape": shape, "value_range": value_range}
    parts = (made.truth, made.reconstruction, made.future)
    gallery.add("", sequence_figure(*parts, title=trained.title, **look))
    animate(gallery.path("", "gif"), made, title=trained.title, **look)
    gallery.written.append(gallery.path("", "gif"))
    if "steps" in args:
        draw_long(args, trained, examples, look, gallery)
    if "features" in args:
        gallery.add("features", features_figure(trained.model, shape, trained.title))
    for path in gallery.written:
        print(f"Picture written to {path}")


def draw_long(
    args: argparse.Namespace,
    trained: Trained,
    examples: np.ndarray,
    look: dict,
    gallery: Gallery,
) -> None:
    """Runs the future predictor for --steps frames and draws frames and units."""
    from videolstm.pictures.animation import animate
    from videolstm.pictures.unrolled import activity_figure, long_figure

    steps, trained_steps = args.steps, trained.model.future_seq_length
    length = trained.model.enc_seq_length + steps
    frames = known_frames(trained.data, length, examples)
    longer = unrolled(trained.model, steps)
    long = run_on(longer, frames)
    title = f"{trained.title}, {steps} frames of the future"
    units = activity_figure(longer, trained_steps, args.seed, title)
    gallery.add(f"{steps}_steps_units", units)
    few = long.some(range(min(LONG_EXAMPLES, len(examples))))
    figure = long_figure(few, trained=trained_steps, title=title, **look)
    gallery.add(f"{steps}_steps", figure)
    path = gallery.path(f"{steps}_steps", "gif")
    animate(path, long, title=title, trained=trained_steps, **look)
    gallery.written.append(path)


def show_results() -> None:
    """What the command line asks for."""
    args = arguments()
    for name, suffix in OUTPUTS.items():
        if name in args:
            check_output(f"--{name}", getattr(args, name), suffix)
    cases = getattr(args, "cases", None)
    named = (args.model, args.data, args.board)
    trained = load_trained(*named, args.seed, cases, args.math)
    check_apart(args, trained)
    gallery = gallery_of(args)
    among = None
    if "steps" in args:
        check_future(trained.model)
        among = clips_that_go_on(
            trained.data, trained.model.enc_seq_length + args.steps
        )
    count = getattr(args, "examples", EXAMPLES) if gallery else 0
    examples = example_clips(trained.data, trained.cases, count, among)
    value_range = trained.value_range()
    metrics, made = pass_over(args, trained, value_range, examples)
    say_numbers(args, trained, metrics)
    if gallery:
        draw(args, trained, made, examples, value_range, gallery)
        if "show" in args:
            gallery.show()


def main() -> None:
    """The console command."""
    run(show_results)


if __name__ == "__main__":
    main()
