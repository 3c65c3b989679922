"""Bouncing digits as files: a fixed set of videos, or videos with labels.

    python -m videolstm.tools.bouncing --digits digits.h5 --out bouncing_mnist_test.npy

The videos are those of BOUNCING_MNIST, or with digits of another size or number. The
file, which VIDEO_PATCH reads: uint8 (videos, frames, height, width), or with
--frames-first (frames, videos, height, width) as the standard test set of moving MNIST
has it; 0 background to 255 ink, a pixel of the digits times 255, rounded. Beside it
bouncing_mnist_test.pbtxt describes it.

    python -m videolstm.tools.bouncing --digits digits.h5 --labelled digit \\
        --out bouncing_train.h5 --test bouncing_test.h5

With --labelled each video has a length of its own and a class: the digit that it shows;
the direction in which its digit goes (eight of them, clockwise from the right; it then
goes straight on and reaches no side); or how many digits there are, less one. Files in
the format LABELLED: bouncing_train.h5 with the dataset `frames`, (frames of all videos,
pixels) from 0 to 1, and beside it bouncing_train_labels.txt,
bouncing_train_num_frames.txt and bouncing_train.pbtxt, which describes them. Further
datasets say what each video shows: `samples`, the digit samples, and `digits`, what
they are.

With --test the digit samples are parted first: none is in both sets.

In a program: `videolstm.data.bouncing.BouncingDigits`.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from videolstm.command import (
    add_out,
    add_seed,
    parser,
    positive_number,
    run,
    whole_number,
)
from videolstm.data.digits import LEAST_SIDE, MOST_SIDE
from videolstm.data.handler import MOST_PIXELS
from videolstm.data.labelled_bouncing import KINDS, LONGEST_WAY
from videolstm.errors import UserError
from videolstm.tools.bouncing_labelled import MOST_COUNTED, write_labelled_sets
from videolstm.tools.bouncing_npy import NUM_DIGITS, STEP_LENGTH, write_sets
from videolstm.tools.bouncing_sets import check_fit, wanted_sets

_VIDEO_BYTES = 2**30  # of a single video at most
_MOST_DIGITS = 1000
# Options without a default that the help could show: they are None where left out.
_OPTIONAL = (
    "num_digits", "step_length", "digit_size", "dataset", "labelled", "min_frames",
    "test", "test_dataset", "frames_first",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: make a set of bouncing digits, or two."""
    chosen = _options(arguments)
    if not os.path.exists(chosen.digits):
        raise UserError(
            f"{chosen.digits}: no such file: make it with "
            f"`python -m videolstm.tools.digits --out {chosen.digits}`"
        )
    _check_memory(chosen)
    if not chosen.labelled and chosen.min_frames is not None:
        raise UserError("--min-frames is for --labelled sets only")
    if chosen.labelled and chosen.frames_first:
        raise UserError("--frames-first is for sets without --labelled only")
    if chosen.test is None and chosen.test_dataset is not None:
        raise UserError("--test-dataset says of what --test is made, which is missing")
    if chosen.test is not None and Path(chosen.test) == Path(chosen.out):
        raise UserError(f"{chosen.test}: --test and --out should be two files")
    sets = wanted_sets(chosen)
    for wanted in sets:
        check_fit(chosen, wanted.images)
    write = write_labelled_sets if chosen.labelled else write_sets
    write(chosen, sets)


def _check_memory(chosen: argparse.Namespace) -> None:
    bytes_ = 4 * chosen.frames * chosen.image_size**2  # float32, while it is made
    if bytes_ > _VIDEO_BYTES:
        raise UserError(
            f"--frames {chosen.frames} of --image-size {chosen.image_size} need "
            f"{bytes_ / 2**30:.1f} GiB of memory for a video: at most "
            f"{_VIDEO_BYTES / 2**30:.0f} GiB is taken, choose fewer or smaller frames"
        )


# ---- options -------------------------------------------------------------------------


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser(
        "python -m videolstm.tools.bouncing",
        "Make videos of bouncing digits: the .npy that VIDEO_PATCH reads, or with "
        "--labelled the .h5 that LABELLED reads, and the .pbtxt that describes it.",
    )
    options.add_argument(
        "--digits",
        required=True,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help="the digits: an .h5 or .npz, or MNIST's own files or their folder",
    )
    add_out(options, "FILE")
    add_seed(options, default=1)
    _add_videos(options.add_argument_group("videos").add_argument)
    _add_labels(options.add_argument_group("with labels").add_argument)
    _add_test(
        options.add_argument_group(
            "a second set", "of other digit samples, with the next seed"
        ).add_argument
    )
    chosen = options.parse_args(arguments)
    for name in _OPTIONAL:
        vars(chosen).setdefault(name, None)
    return chosen


def _add_videos(add) -> None:
    absent = {"default": argparse.SUPPRESS}
    for name, least, most, default, text in (
        ("--sequences", 1, None, 10000, "number of videos"),
        ("--frames", 1, 10000, 20, "frames of a video"),
        ("--image-size", LEAST_SIDE, MOST_PIXELS, 64, "side of a frame, in pixels"),
    ):
        kind = whole_number(least, most)
        add(name, type=kind, default=default, metavar="N", help=text)
    many = "-".join(map(str, MOST_COUNTED))
    add(
        "--num-digits",
        type=_digit_range,
        metavar="N",
        help="digits in a video, or from how many to how many, such as 1-3; "
        f"{NUM_DIGITS[0]} if left out, with labels 1 or {many}",
        **absent,
    )
    add(
        "--digit-size",
        type=whole_number(LEAST_SIDE, MOST_SIDE),
        metavar="N",
        help="side that digits are resized to, by a bilinear filter; otherwise as they "
        "are",
        **absent,
    )
    add(
        "--step-length",
        type=positive_number,
        metavar="X",
        help="how far a digit moves in a frame, a part of the way from side to side; "
        f"{STEP_LENGTH} if left out, for directions {LONGEST_WAY} / frames",
        **absent,
    )
    add(
        "--dataset",
        metavar="NAME",
        help="which set of the digits file, train if left out",
        **absent,
    )
    add(
        "--frames-first",
        action="store_true",
        help="write (frames, videos, height, width)",
        **absent,
    )


def _add_labels(add) -> None:
    absent = {"default": argparse.SUPPRESS}
    add("--labelled", choices=KINDS, help="what the class of a video is", **absent)
    add(
        "--min-frames",
        type=whole_number(1, 10000),
        metavar="N",
        help="frames of the shortest video, half of --frames if left out",
        **absent,
    )


def _add_test(add) -> None:
    absent = {"default": argparse.SUPPRESS}
    add("--test", metavar="FILE", help="where to write it", **absent)
    add(
        "--test-sequences",
        type=whole_number(1),
        default=1000,
        metavar="N",
        help="number of videos in it",
    )
    add(
        "--test-part",
        type=_part,
        default=0.2,
        metavar="X",
        help="part of the digit samples that are for it",
    )
    add(
        "--test-dataset",
        metavar="NAME",
        help="instead of a part, another set of the digits file, such as test",
        **absent,
    )


def _digit_range(text: str) -> tuple[int, int]:
    """An argparse `type`: N or A-B."""
    is_right = re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})?", text)
    numbers = [int(n) for n in text.split("-")] if is_right else [0]
    if not 1 <= numbers[0] <= numbers[-1] <= _MOST_DIGITS:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 1 to {_MOST_DIGITS}, or two of them such as "
            f"1-3, not {text!r}"
        )
    return numbers[0], numbers[-1]


def _part(text: str) -> float:
    value = positive_number(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text!r}")
    return value


if __name__ == "__main__":
    run(main)
