"""What pretraining on unlabelled videos is worth when labels are few.

    python -m videolstm.tools.few_labels --folder few_labels

Accuracy on videos of digits that no training has seen, against the number of labelled
videos per class, of four classifiers: the LSTM from scratch; the same LSTM, trained in
the same way, from the encoder of a composite model that was pretrained on unlabelled
videos; logistic regression on that encoder's state; logistic regression on single
frames. Each is trained for several choices of the labelled videos. Everything lands in
one folder: data, models, which videos were chosen, the results as .csv and as picture.
docs/experiments.md says what comes out and how long it takes.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

import cudamat as cm
from videolstm.board import use_board
from videolstm.command import BOARD, parser, run, whole_number
from videolstm.config import read_data, read_model
from videolstm.data import DataHandler, make_data_handler
from videolstm.data.files import read_integers
from videolstm.data.labelled_bouncing import DIRECTIONS, KINDS
from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.models.checkpoint import checkpoint_iteration, find_checkpoint
from videolstm.models.classifier import make_classifier
from videolstm.models.percepts import Encoder
from videolstm.pictures.label_curve import Point, label_curve_picture
from videolstm.results.evaluation import evaluate
from videolstm.tools.demo import ROOT, TRAIN, VALID, call, make_data
from videolstm.tools.percepts import write_percepts

MODELS = ROOT / "models"
COMPOSITE = MODELS / "lstm_combo_few_labels.pbtxt"
CLIP, STRIDE, BATCH = 10, 5, 32  # of the labelled videos
POOL, TESTED = 2000, 1000  # videos to choose from, and to test on
_TOOLS = "videolstm.tools"

# Options: the value in full, and with --quick.
SIZES = {
    "pretrain_steps": (8000, 1500, "updates of the composite model"),
    "most": (64, 8, "labelled videos per class: 1, 2, 4 and so on up to this"),
    "seeds": (5, 2, "how often the labelled videos are chosen"),
}


@dataclass(frozen=True)
class Method:
    """A classifier of the comparison: its name in the results, the file in models/ that
    describes it, and whether it reads the encoder's state instead of the pixels."""

    name: str
    model: str
    on_states: bool = False


METHODS = (
    Method("LSTM, pretrained encoder", "lstm_classifier_few_labels_pretrained"),
    Method("LSTM from scratch", "lstm_classifier_few_labels"),
    Method("logistic regression, encoder's state", "logreg_few_labels", on_states=True),
    Method("logistic regression, single frames", "logreg_few_labels"),
)


# ---- data and encoder ----------------------------------------------------------------


def make_labelled(folder: Path, label: str) -> None:
    """A pool of labelled videos, and others to test on, of other digit samples."""
    sets = (("train", "digits.h5", POOL, 1), ("test", "digits_valid.h5", TESTED, 2))
    for part, digits, count, seed in sets:
        out = f"{label}_{part}.h5"
        if not (folder / out).with_suffix(".pbtxt").exists():
            words = f"-m {_TOOLS}.bouncing --digits {digits} --labelled {label}"
            sizes = f"--image-size 40 --sequences {count} --seed {seed} --out {out}"
            call(folder, [*words.split(), *sizes.split()])


def pretrained(folder: Path, steps: int) -> Path | None:
    """The description of a run in the folder that has had so many updates."""
    for path in sorted((folder / "pretrained").glob("*.pbtxt"), reverse=True):
        checkpoint = find_checkpoint(read_model(path), path)
        if checkpoint is not None and checkpoint_iteration(checkpoint) == steps:
            return path
    return None


def pretrain(folder: Path, steps: int, board: str) -> Path:
    """Trains the composite model on unlabelled videos, unless that is done; returns
    the description that its run left."""
    if (description := pretrained(folder, steps)) is not None:
        print(f"{description} is trained; remove {folder} to train anew")
        return description
    files = [ROOT / "lstm_combo.py", COMPOSITE, TRAIN, VALID]
    options = ["--out", "pretrained", "--max-iters", str(steps)]
    call(folder, [*map(str, files), board, *options])
    return pretrained(folder, steps)


def write_states(folder: Path, label: str, encoder: Encoder) -> None:
    """The encoder's state after each clip of both labelled sets, as labelled sets."""
    for part in ("train", "test"):
        data = labelled_data(folder / f"{label}_{part}.pbtxt")
        encoder.check_data(data)
        write_percepts(folder / f"{label}_states_{part}.h5", encoder, data)


def labelled_data(path: Path, chosen: Path | None = None, seed: int = 0) -> DataHandler:
    """A labelled set, or the videos of it that the file `chosen` lists, in overlapping
    clips; of the encoder's states each is a clip already."""
    config = read_data(path)
    config.batch_size, config.randomize = BATCH, True
    if "_states_" not in path.name:
        config.num_frames, config.stride = CLIP, STRIDE
    if chosen is not None:
        config.video_ids_file = str(chosen)
    return make_data_handler(config, path, seed)


def choose_videos(folder: Path, label: str, per_class: int, seed: int) -> Path:
    """Writes which videos of the pool have labels: `per_class` of each class, at
    random, those of a smaller number among those of a larger one."""
    labels = read_integers(folder / f"{label}_train_labels.txt", "a class", 0, 9)
    rng = np.random.RandomState(seed)
    chosen = []
    for k in range(number_of_classes(label)):
        own = rng.permutation(np.flatnonzero(labels == k))
        if len(own) < per_class:
            raise UserError(
                f"--most is {per_class}, and it should be at most the {len(own)} "
                f"videos of class {k} in {folder / f'{label}_train.pbtxt'}"
            )
        chosen.extend(own[:per_class])
    path = folder / "chosen" / f"{label}_{per_class}_{seed}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{video}\n" for video in chosen))
    return path


def number_of_classes(label: str) -> int:
    return DIRECTIONS if label == "direction" else 10


# ---- comparison ----------------------------------------------------------------------


def accuracy(
    method: Method, folder: Path, label: str, encoder: Encoder, chosen: Path, seed: int
) -> float:
    """Trains a classifier on the chosen videos; the part of the test videos that it is
    right about."""
    path = MODELS / f"{method.model}.pbtxt"
    config = read_model(path)
    classes = number_of_classes(label)
    if config.lstm:
        config.lstm[-1].output_dims = classes
        if config.lstm[0].HasField("pretrained"):
            config.lstm[0].pretrained.checkpoint = str(encoder.checkpoint)
    else:
        config.logreg.num_outputs = classes
    name = f"{label}_states" if method.on_states else label
    data = labelled_data(folder / f"{name}_train.pbtxt", chosen, seed)
    if method.on_states:
        config.logreg.num_inputs = data.frame_dims
    cm.CUDAMatrix.init_random(seed)
    model = make_classifier(config, path, data.num_frames)
    for _ in range(config.max_iters):
        batch = data.next_batch()
        model.train_step(batch.frames, batch.labels)
    return evaluate(model, labelled_data(folder / f"{name}_test.pbtxt")).pooled_accuracy


def compare(
    folder: Path, label: str, encoder: Encoder, most: int, seeds: int
) -> Iterator[Point]:
    """The results, as they come."""
    numbers = [2**k for k in range(most.bit_length())]
    total = len(numbers) * seeds * len(METHODS)
    bar = tqdm(total=total, desc="classifiers", unit="", disable=None)
    with bar:
        for per_class in numbers:
            for seed in range(seeds):
                chosen = choose_videos(folder, label, per_class, seed)
                for method in METHODS:
                    right = accuracy(method, folder, label, encoder, chosen, seed)
                    yield Point(method.name, per_class, seed, right)
                    bar.update()


def write_results(path: Path, points: Sequence[Point]) -> None:
    """All results as a .csv."""
    rows = [(p.method, p.per_class, p.seed, p.accuracy) for p in points]
    with written_beside(path) as beside, open(beside, "w", newline="") as file:
        csv.writer(file).writerow(("method", "labels_per_class", "seed", "accuracy"))
        csv.writer(file).writerows(rows)


def print_table(points: Sequence[Point]) -> None:
    """Mean and standard deviation of the accuracy, in percent, as a table."""
    numbers = sorted({point.per_class for point in points})
    print(f"{'labels per class':38}" + "".join(f"{n:>11}" for n in numbers))
    for method in METHODS:
        cells = []
        for n in numbers:
            found = [
                100 * p.accuracy
                for p in points
                if (p.method, p.per_class) == (method.name, n)
            ]
            cells.append(f"{np.mean(found):5.1f} ±{np.std(found):4.1f}")
        print(f"{method.name:38}" + "".join(f"{cell:>11}" for cell in cells))


def few_labels(arguments: Sequence[str] | None = None) -> None:
    """What the command line asks for."""
    args = _options(arguments)
    if not COMPOSITE.is_file():
        raise UserError(
            f"{COMPOSITE}: there is no such file; the experiment needs the source "
            "tree, where its models are described"
        )
    start = time.monotonic()
    folder, label = Path(args.folder).resolve(), args.label
    folder.mkdir(parents=True, exist_ok=True)
    make_data(folder)
    make_labelled(folder, label)
    description = pretrain(folder, args.pretrain_steps, args.board)
    print(f"\n{use_board(args.board)}")
    encoder = Encoder(read_model(description), description, CLIP)
    write_states(folder, label, encoder)
    table, points = folder / f"{label}.csv", []
    for point in compare(folder, label, encoder, args.most, args.seeds):
        points.append(point)
        write_results(table, points)
    print_table(points)
    picture = folder / f"{label}.png"
    title = f"Bouncing digits, class: {label}; {TESTED} test videos"
    label_curve_picture(picture, points, 1 / number_of_classes(label), title)
    minutes = (time.monotonic() - start) / 60
    print(f"{picture} and {table}, {minutes:.1f} minutes")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser(
        "python -m videolstm.tools.few_labels",
        "Accuracy against the number of labelled videos, with and without pretraining.",
    )
    add = options.add_argument
    add("--folder", default="few_labels", metavar="DIR", help="where everything goes")
    add("--label", choices=KINDS, default="digit", help="what is to be told")
    add("--board", default="cpu", help=BOARD)
    for name, (full, quick, text) in SIZES.items():
        words = f"{text}; {full}, or {quick} with --quick"
        option = f"--{name.replace('_', '-')}"
        add(
            option,
            type=whole_number(1),
            default=argparse.SUPPRESS,
            metavar="N",
            help=words,
        )
    add("--quick", action="store_true", help="a smaller experiment")
    args = options.parse_args(arguments)
    for name, (full, quick, _) in SIZES.items():
        vars(args).setdefault(name, quick if args.quick else full)
    return args


if __name__ == "__main__":
    run(few_labels)
