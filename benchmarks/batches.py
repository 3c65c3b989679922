"""Times a batch of bouncing digits both ways: painted on the host and brought to the
board, and composed on the board.

    python -m benchmarks.batches BOARD [--out FILE.json]

The batch is that of datasets/bouncing_mnist.pbtxt (80 videos of 20 frames of 64x64);
the digits are drawn from fonts. Times are medians in milliseconds, each waiting for the
board: `drawn` is what both have in common, random places and digits; `painted` and
`brought` make frames on the host and bring them to the board; `composed` brings the
places there and makes the frames. In training all but `brought` and `composed` happens
in the background, while the board is at the step before. That both give the same values
is checked.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np

import cudamat as cm
from benchmarks.full_size import DATA, DIGITS, bouncing, clock
from cudamat.compose import Table
from videolstm.board import use_board
from videolstm.command import parser, run, whole_number
from videolstm.config import read_data
from videolstm.data.bouncing_mnist import BouncingMNIST
from videolstm.data.scenes import Scenes
from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.models.sequence import Sequence


def check_kind(path: Path) -> None:
    """Raises UserError for the description of other data."""
    config = read_data(path)
    kind = type(config).DatasetType.Name(config.dataset_type)
    if kind != BouncingMNIST.kind:
        raise UserError(
            f"{path}: the field dataset_type is {kind}, and it should be "
            f"{BouncingMNIST.kind}"
        )


def check_same(scenes: Scenes, sequence: Sequence) -> None:
    """Raises UserError where the two ways differ."""
    made = []
    for frames in (scenes.paint(), scenes):
        sequence.load(frames)
        made.append(sequence.asarray())
    if not np.array_equal(*made):
        count = int((made[0] != made[1]).sum())
        raise UserError(
            f"{count} of {made[0].size} values that were composed on the board are not "
            "those that were painted on the host"
        )


def measure(data: BouncingMNIST, times: int) -> dict:
    """Times and bytes of a batch both ways."""
    digits, count = data.videos.digits, data.batch_size
    table = Table(digits.images, digits.side)
    sequence = Sequence(data.frame_dims, data.num_frames)
    scenes = replace(data.videos.scenes(count), table=table)
    check_same(scenes, sequence)
    painted = scenes.paint()
    ways = {
        "drawn": lambda: data.videos.scenes(count),
        "painted": lambda: scenes.paint(painted),
        "brought": lambda: sequence.load(painted),
        "composed": lambda: sequence.load(scenes),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times):  # in turn, so that all have the same disturbances
        for name, make in ways.items():
            taken[name] += clock(make, 1)
    places = 1 + 2 * data.num_frames  # which digit, and where in each frame
    return {
        "same values": True,
        "ms": {name: statistics.median(ms) for name, ms in taken.items()},
        "bytes to the board": {
            "brought": painted.size * cm.real_type().itemsize,
            "composed": 4 * len(scenes.chosen) * places,
        },
        "bytes of the digits on the board": Table.bytes_of(digits.images, digits.side),
    }


def batches() -> None:
    """What the command line asks for."""
    options = parser(
        "python -m benchmarks.batches", "Times a batch painted and composed."
    )
    add = options.add_argument
    add("board", metavar="BOARD", help="CUDA device number, or cpu")
    add("--data", type=Path, default=DATA, help="BOUNCING_MNIST data")
    add("--digits", type=whole_number(1), default=DIGITS, help="how many are drawn")
    add("--times", type=whole_number(1), default=50, help="batches to measure")
    add("--out", type=Path, metavar="FILE.json", help="for the result")
    args = options.parse_args()
    check_kind(args.data)
    line = use_board(args.board)
    print(line)
    data = bouncing(args.data, args.digits)
    result = {"board": line, "data": args.data.name, "batch": data.batch_size}
    result |= measure(data, args.times)
    print(json.dumps(result, indent=2))
    if args.out:
        with written_beside(args.out) as beside:
            beside.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    run(batches)
