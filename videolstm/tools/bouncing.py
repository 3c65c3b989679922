"""Bouncing digits as files: a fixed set of videos, or videos with labels.

    python -m videolstm.tools.bouncing --digits digits.h5 --out bouncing_mnist_test.npy

The videos are those of BOUNCING_MNIST. The file, which VIDEO_PATCH reads: uint8
(sequences, frames, height, width), 0 background to 255 ink, a pixel of the digits times
255, rounded.

    python -m videolstm.tools.bouncing --digits digits.h5 --labelled digit \\
        --out bouncing_train.h5 --test bouncing_test.h5

With --labelled each video has one digit, a length of its own and a class: the digit, or
the direction in which it goes (eight of them, clockwise from the right; it then goes
straight on and reaches no side). Files in the format LABELLED: bouncing_train.h5 with
the dataset `frames`, (frames of all videos, pixels) from 0 to 1, and beside it
bouncing_train_labels.txt, bouncing_train_num_frames.txt and bouncing_train.pbtxt,
which describes them. With --test the digit samples are parted first: none is in both
sets.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from videolstm.command import (
    add_out,
    add_seed,
    parser,
    positive_number,
    run,
    whole_number,
)
from videolstm.data.bouncing import BouncingDigits
from videolstm.data.digits import DIGIT_SIZE, read_digits
from videolstm.data.handler import MOST_PIXELS
from videolstm.data.labelled_bouncing import KINDS, LONGEST_WAY
from videolstm.errors import UserError
from videolstm.files import check_writable, written_beside
from videolstm.tools.bouncing_labelled import STEP_LENGTH, write_labelled_sets

_BLOCK = 100  # videos made at once
_BLOCK_BYTES = 64 * 2**20  # of a block at most, where a single video is not larger
_VIDEO_BYTES = 2**30  # of a single video at most
_NUM_DIGITS = 2


def write_bouncing(
    path: str | Path, videos: BouncingDigits, sequences: int, progress: bool = False
) -> None:
    """Write the first `sequences` of `videos` to an .npy, a block at a time.

    uint8 (sequences, num_frames, image_size, image_size). A smaller file is the
    beginning of a larger one with the same seed. progress: show a bar where stderr is a
    terminal.
    """
    shape = (sequences, videos.num_frames, videos.image_size, videos.image_size)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    bar = tqdm(
        total=sequences,
        desc="bouncing digits",
        unit=" videos",
        disable=None if progress else True,
    )
    # Plain writes, not a memory map: a full disk is then an error, not a dead process.
    with bar, written_beside(path) as beside, open(beside, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in _blocks(videos, sequences):
            file.write(block)
            bar.update(len(block))


def _blocks(videos: BouncingDigits, sequences: int) -> Iterator[np.ndarray]:
    """`sequences` videos in blocks, uint8 (videos, num_frames, dims) in C order."""
    dims = videos.image_size**2
    size = _BLOCK_BYTES // (4 * videos.num_frames * dims)
    size = min(max(size, 1), _BLOCK)
    frames = np.empty((videos.num_frames, size, dims), np.float32)
    for start in range(0, sequences, size):
        # Whole blocks, also at the end, since the random numbers depend on their size.
        videos.sequences(size, out=frames)
        levels = np.rint(frames * np.float32(255)).astype(np.uint8)
        wanted = levels[:, : sequences - start].transpose(1, 0, 2)
        yield np.ascontiguousarray(wanted)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: make a set of bouncing digits."""
    chosen = _options(arguments)
    digits_file = Path(chosen.digits)
    if not digits_file.is_file():
        raise UserError(
            f"{digits_file}: no such file: make it with "
            f"`python -m videolstm.tools.digits --out {digits_file}`"
        )
    _check_memory(chosen)
    if chosen.labelled:
        write_labelled_sets(chosen)
        return
    for option in ("test", "min_frames"):
        if getattr(chosen, option) is not None:
            raise UserError(f"--{option.replace('_', '-')} is for --labelled sets only")
    check_writable(chosen.out)
    start = time.monotonic()
    videos = BouncingDigits(
        read_digits(digits_file, chosen.dataset),
        np.random.RandomState(chosen.seed),
        chosen.image_size,
        _NUM_DIGITS if chosen.num_digits is None else chosen.num_digits,
        STEP_LENGTH if chosen.step_length is None else chosen.step_length,
        chosen.frames,
    )
    write_bouncing(chosen.out, videos, chosen.sequences, progress=True)
    print(
        f"{chosen.out}: {chosen.sequences:,} videos of {chosen.frames} frames of "
        f"{chosen.image_size}x{chosen.image_size} pixels, "
        f"{time.monotonic() - start:.1f} s"
    )


def _check_memory(chosen: argparse.Namespace) -> None:
    bytes_ = 4 * chosen.frames * chosen.image_size**2  # float32, while it is made
    if bytes_ > _VIDEO_BYTES:
        raise UserError(
            f"--frames {chosen.frames} of --image-size {chosen.image_size} need "
            f"{bytes_ / 2**30:.1f} GiB of memory for a video: at most "
            f"{_VIDEO_BYTES / 2**30:.0f} GiB is taken, choose fewer or smaller frames"
        )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser(
        "python -m videolstm.tools.bouncing",
        "Make a fixed set of bouncing digits, the .npy that VIDEO_PATCH reads, or "
        "labelled sets, which LABELLED reads.",
    )
    add = options.add_argument
    add(
        "--digits",
        required=True,
        default=argparse.SUPPRESS,
        metavar="FILE.h5",
        help="the digits: (N, 784), 0 to 1",
    )
    add_out(options, "FILE")
    for name, least, most, default, text in (
        ("--sequences", 1, None, 10000, "number of videos"),
        ("--frames", 1, 10000, 20, "frames of a video"),
        ("--image-size", DIGIT_SIZE, MOST_PIXELS, 64, "side of a frame, in pixels"),
    ):
        kind = whole_number(least, most)
        add(name, type=kind, default=default, metavar="N", help=text)
    # What the other kind of set has not, or has another default for, is None until it
    # is needed, and the help shows no default.
    add(
        "--num-digits",
        type=whole_number(1, 1000),
        default=argparse.SUPPRESS,
        metavar="N",
        help=f"digits in a video, {_NUM_DIGITS} without --labelled and 1 with it",
    )
    add(
        "--step-length",
        type=positive_number,
        default=argparse.SUPPRESS,
        metavar="X",
        help="how far a digit moves in a frame, a part of the way from side to side; "
        f"{STEP_LENGTH}, or for directions {LONGEST_WAY} / frames",
    )
    add_seed(options, default=1)
    add("--dataset", default="train", metavar="NAME", help="data set of the digits .h5")
    add(
        "--labelled",
        choices=KINDS,
        default=argparse.SUPPRESS,
        help="write .h5 files with this as the class",
    )
    add(
        "--min-frames",
        type=whole_number(1, 10000),
        default=argparse.SUPPRESS,
        metavar="N",
        help="labelled: frames of the shortest video, half of --frames if left out",
    )
    add(
        "--test",
        default=argparse.SUPPRESS,
        metavar="FILE.h5",
        help="labelled: a set of other digit samples",
    )
    add(
        "--test-sequences",
        type=whole_number(1),
        default=1000,
        metavar="N",
        help="labelled: number of videos in it",
    )
    add(
        "--test-part",
        type=_part,
        default=0.2,
        metavar="X",
        help="labelled: part of the digit samples that are for it",
    )
    chosen = options.parse_args(arguments)
    for name in ("num_digits", "step_length", "labelled", "min_frames", "test"):
        vars(chosen).setdefault(name, None)
    return chosen


def _part(text: str) -> float:
    value = positive_number(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text!r}")
    return value


if __name__ == "__main__":
    run(main)
