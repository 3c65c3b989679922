"""The encoder's state after every clip of a data set, as features for any classifier.

    python -m videolstm.tools.percepts MODEL.pbtxt DATA.pbtxt BOARD --out features.h5

MODEL.pbtxt is the description that a training run left; its newest checkpoint is read.
The features are written as LABELLED data: features.h5 with the dataset `features`, a
row for each clip, features_num_frames.txt with the number of clips of each video,
features_labels.txt with its class, where DATA has labels, and features.pbtxt, which
describes these files. So a clip of DATA is a frame there. With --per-frame there is a
row after each frame of each clip, and features.pbtxt cuts the rows into these clips
again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from videolstm.board import use_board
from videolstm.command import BOARD, add_out, parser, run
from videolstm.config import check_description, read_data, read_model
from videolstm.data import DataHandler, make_data_handler
from videolstm.data.labelled_files import describe_labelled
from videolstm.data.scenes import compose_batches
from videolstm.errors import UserError
from videolstm.files import check_writable
from videolstm.models.percepts import STATES, Encoder
from videolstm.results.predictions import StreamedDatasets

DATASET = "features"


def write_percepts(
    out: Path, encoder: Encoder, data: DataHandler, per_frame: bool = False
) -> Path:
    """Writes the states of all clips, batch by batch, and the files beside `out` that
    make them LABELLED data; returns the .pbtxt that describes them."""
    kept = {
        "checkpoint": str(encoder.checkpoint),
        "data": str(data.path),
        "layer": encoder.layer.name,
        "state": encoder.state,
    }
    bar = tqdm(total=data.dataset_size, desc="percepts", unit=" clips", disable=None)
    with bar, StreamedDatasets(out, **kept) as file:
        for batch in data.epoch():
            states = encoder.encode(batch.frames, per_frame)
            file.append(DATASET, states.reshape(-1, encoder.dims).astype(np.float32))
            bar.update(len(states))
    rows = data.num_frames if per_frame else 1
    videos, numbers = data.videos_of_clips()
    clips = np.bincount(videos, minlength=len(numbers))
    lists = {"num_frames": clips * rows}
    labels = getattr(data, "video_labels", None)  # LABELLED data may have some
    if labels is not None:
        lists["labels"] = labels
    randomize = data.config.randomize  # whether training on them takes any order
    return describe_labelled(out, DATASET, lists, rows, data.batch_size, randomize)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: write an encoder's states as features."""
    chosen = _options(arguments)
    out = Path(chosen.out)
    if out.suffix != ".h5":
        raise UserError(f"{out}: features are an .h5: name one")
    check_writable(out)
    if out.with_suffix(".pbtxt").resolve() == Path(chosen.data).resolve():
        raise UserError(
            f"{out}: {chosen.data} would be replaced by the description of the "
            "features: give them another name"
        )
    check_description(out.with_suffix(".pbtxt"), out)
    config = read_model(chosen.model)
    data = make_data_handler(read_data(chosen.data), chosen.data)
    for note in data.notes:
        print(f"Note: {note}")
    print(use_board(chosen.board))
    start = time.monotonic()
    encoder = Encoder(config, chosen.model, data.num_frames, chosen.layer, chosen.state)
    encoder.check_data(data)
    for note in compose_batches(data):
        print(f"Note: {note}")
    description = write_percepts(out, encoder, data, chosen.per_frame)
    each = f"{data.num_frames} rows" if chosen.per_frame else "a row"
    print(
        f"{out}: {each} of {encoder.dims} numbers for each of {data.dataset_size:,} "
        f"clips, from {encoder.layer.name} of {encoder.checkpoint}, "
        f"{time.monotonic() - start:.1f} s"
    )
    print(f"{description} describes it as a data set")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser(
        "python -m videolstm.tools.percepts",
        "Write the state of a trained encoder after each clip as features with labels.",
    )
    add = options.add_argument
    add("model", metavar="MODEL.pbtxt", help="the description that a run left")
    add("data", metavar="DATA.pbtxt", help="describes the data")
    add("board", metavar="BOARD", help=BOARD)
    add_out(options, "FILE.h5")
    add(
        "--state",
        choices=STATES,
        default="both",
        help="the hidden state, the cell, or both one after the other",
    )
    add(
        "--layer",
        default=argparse.SUPPRESS,
        metavar="NAME",
        help="of the layer whose state is taken; without it the top one",
    )
    add(
        "--per-frame",
        action="store_true",
        help="the state after each frame, not only after the last one of a clip",
    )
    chosen = options.parse_args(arguments)
    vars(chosen).setdefault("layer", None)
    return chosen


if __name__ == "__main__":
    run(main)
