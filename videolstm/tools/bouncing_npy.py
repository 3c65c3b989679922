"""Bouncing digits as the .npy that VIDEO_PATCH reads, for videolstm.tools.bouncing."""

from __future__ import annotations

import argparse
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from videolstm.config import check_description, messages, read_data, write_text
from videolstm.contents.report import counted
from videolstm.data import make_data_handler
from videolstm.data.bouncing import BouncingDigits
from videolstm.errors import UserError
from videolstm.files import check_writable, written_beside
from videolstm.tools.bouncing_sets import Wanted

NUM_DIGITS = (2, 2)
STEP_LENGTH = 0.1  # of digits that bounce

_BATCH = 80  # clips in a batch of the description
_BLOCK = 100  # videos made at once
_BLOCK_BYTES = 64 * 2**20  # of a block at most, where a single video is not larger


def write_sets(chosen: argparse.Namespace, sets: list[Wanted]) -> None:
    """Makes the sets, each with its description, after a look at whether they can be
    made."""
    for wanted in sets:
        _check(wanted, chosen)
    _check_room(sets, chosen)
    for wanted in sets:
        start = time.monotonic()
        videos = BouncingDigits(
            wanted.images,
            wanted.seed,
            chosen.image_size,
            chosen.num_digits or NUM_DIGITS,
            chosen.step_length or STEP_LENGTH,
            chosen.frames,
            digit_size=chosen.digit_size,
        )
        write_bouncing(wanted.out, videos, wanted.sequences, True, chosen.frames_first)
        described = describe(wanted, chosen)
        first = ", frames first" if chosen.frames_first else ""
        print(
            f"{wanted.out}: {counted(wanted.sequences, 'video')} of "
            f"{counted(chosen.frames, 'frame')} of {chosen.image_size}x"
            f"{chosen.image_size} pixels{first}, {described}, "
            f"{time.monotonic() - start:.1f} s"
        )


def write_bouncing(
    path: str | Path,
    videos: BouncingDigits,
    sequences: int,
    progress: bool = False,
    frames_first: bool = False,
) -> None:
    """Write the first `sequences` of `videos` to an .npy, a block at a time.

    uint8 (sequences, num_frames, image_size, image_size), with `frames_first`
    (num_frames, sequences, ...). A smaller file is the beginning of a larger one with
    the same seed. progress: show a bar where stderr is a terminal. Memory does not grow
    with the number of videos.
    """
    frames = videos.num_frames
    first = (frames, sequences) if frames_first else (sequences, frames)
    shape = (*first, videos.image_size, videos.image_size)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    bar = tqdm(
        total=sequences,
        desc=Path(path).name,
        unit=" videos",
        disable=None if progress else True,
    )
    # Plain writes, not a memory map: a full disk is then an error, not a dead process.
    with bar, written_beside(path) as beside, open(beside, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        begin, done = file.tell(), 0
        for block in _blocks(videos, sequences):
            if frames_first:
                _write_by_frames(file, begin, block, done, sequences)
            else:
                file.write(block)
            done += len(block)
            bar.update(len(block))


def _blocks(videos: BouncingDigits, sequences: int) -> Iterator[np.ndarray]:
    """`sequences` videos in blocks, uint8 (videos, num_frames, dims) in C order, each
    to be used before the next."""
    dims = videos.image_size**2
    size = _BLOCK_BYTES // (4 * videos.num_frames * dims)
    size = min(max(size, 1), _BLOCK)
    scratch = np.empty((videos.num_frames, size, dims), np.float32)
    block = np.empty((size, videos.num_frames, dims), np.uint8)
    for start in range(0, sequences, size):
        # Whole blocks, also at the end, since the random numbers depend on their size.
        videos.levels(scratch, block)
        yield block[: sequences - start]


def _write_by_frames(
    file: BinaryIO, begin: int, block: np.ndarray, first: int, sequences: int
) -> None:
    """Writes videos, of which the first is number `first`, into an array (num_frames,
    sequences, dims) that begins at byte `begin`."""
    _, frames, dims = block.shape
    for t in range(frames):
        file.seek(begin + (t * sequences + first) * dims)
        file.write(np.ascontiguousarray(block[:, t]))


# ---- before the work -----------------------------------------------------------------


def _check(wanted: Wanted, chosen: argparse.Namespace) -> None:
    out = wanted.out
    if out.suffix != ".npy":
        raise UserError(
            f"{out}: a set without labels is an .npy: name one, or choose --labelled"
        )
    check_writable(out)
    if chosen.frames_first and wanted.sequences == chosen.frames:
        raise UserError(
            f"{out}: {wanted.sequences} videos of as many frames cannot be told from "
            "frames first: choose another number of videos, or leave --frames-first out"
        )
    check_description(out.with_suffix(".pbtxt"), out)


def _check_room(sets: list[Wanted], chosen: argparse.Namespace) -> None:
    """Raises UserError now where the disk cannot take what will be written."""
    needed: dict[int, int] = {}
    for wanted in sets:
        device = wanted.out.resolve().parent.stat().st_dev
        size = math.prod((wanted.sequences, chosen.frames, chosen.image_size**2))
        needed[device] = needed.get(device, 0) + size
        free = shutil.disk_usage(wanted.out.resolve().parent).free
        if needed[device] > free:
            raise UserError(
                f"{wanted.out}: {needed[device] / 2**30:,.1f} GiB are needed for "
                f"{wanted.sequences:,} videos, and {free / 2**30:,.1f} GiB of the disk "
                "are free: make fewer or smaller ones, or name a file on another disk"
            )


# ---- the description -----------------------------------------------------------------


def describe(wanted: Wanted, chosen: argparse.Namespace) -> str:
    """Writes the .pbtxt beside a set, unless one is there that still reads it; returns
    what to say of it."""
    path = wanted.out.with_suffix(".pbtxt")
    if path.exists() and _still_reads(path):
        return f"{path} was there and reads it"
    types = messages()
    config = types.Data(
        dataset_type=types.Data.VIDEO_PATCH,
        data_file=wanted.out.name,
        num_frames=chosen.frames,
        batch_size=min(_BATCH, wanted.sequences),
        image_size=chosen.image_size,
    )
    write_text(config, path)
    return f"described by {path}"


def _still_reads(path: Path) -> bool:
    try:
        handler = make_data_handler(read_data(path), path)
    except UserError:
        return False
    return handler.file.resolve() == path.with_suffix(".npy").resolve()
