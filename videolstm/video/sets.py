"""From the parts of all videos to the files of a training and a validation set."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videolstm.files import written_beside
from videolstm.video.part import Job

BY_VIDEO, BY_TIME = "video", "time"
SPLITS = (BY_VIDEO, BY_TIME)

_BLOCK_BYTES = 32 * 2**20  # of clips that are in memory while a set is written


@dataclass(frozen=True, eq=False)
class Picked:
    """Clips of a set in their order. part: index into the jobs, int64 (clips,); row: of
    its part, int64 (clips,)."""

    part: np.ndarray
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.part)

    @property
    def videos(self) -> int:
        """How many videos they are of."""
        return len(np.unique(self.part))


def split(
    jobs: Sequence[Job], how: str, valid_part: float, seed: int
) -> tuple[Picked, Picked]:
    """A training and a validation set of the clips in the jobs' parts, in random order.

    how: BY_VIDEO takes round(valid_part * videos) videos at random for validation, at
    least one and not all. BY_TIME takes the last `valid_part` of the clips of each
    video, and leaves out those before that share a frame with them. Nothing is for
    validation where valid_part is 0, or there is nothing to part. The order is random
    because VIDEO_PATCH is read in the order of the file; seed decides both.
    """
    rng = np.random.RandomState(seed)
    if how == BY_VIDEO:
        count = math.floor(valid_part * len(jobs) + 0.5) if valid_part else 0
        if valid_part:
            count = min(max(count, 1), len(jobs) - 1)
        valid_jobs = set(rng.permutation(len(jobs))[:count].tolist())
    sides: tuple[list, list] = ([], [])
    for index, job in enumerate(jobs):
        rows = np.arange(job.patches())
        if how == BY_VIDEO:
            ranges = (rows[:0], rows) if index in valid_jobs else (rows, rows[:0])
        else:
            ranges = _by_time(job, valid_part)
        for side, chosen in zip(sides, ranges, strict=True):
            side.append((np.full(len(chosen), index), chosen))
    return tuple(_shuffled(side, rng) for side in sides)


def _by_time(job: Job, valid_part: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a part for training, and those for validation."""
    with closing(_Rows(job)) as records:
        first = np.array([records.frame(row) for row in range(job.patches())])
    rows = np.arange(len(first))
    starts = np.unique(first)
    count = min(math.ceil(valid_part * len(starts)), len(starts) - 1)
    if count == 0:
        return rows, rows[:0]
    border = starts[-count]
    return rows[first + job.settings.frames <= border], rows[first >= border]


def _shuffled(side: list, rng: np.random.RandomState) -> Picked:
    part, row = (np.concatenate(arrays) for arrays in zip(*side, strict=True))
    order = rng.permutation(len(part))
    return Picked(part[order], row[order])


# ---- writing -------------------------------------------------------------------------


def write_set(
    path: Path, jobs: Sequence[Job], picked: Picked, advance: Callable[[int], None]
) -> None:
    """Write the clips to the .npy `path`, uint8 (clips, frames[, 3], size, size), and
    where each is from to a .csv beside it; `advance` is told of clips as they are
    written.

    The .csv: clip (its row in the .npy, from 0), video, frame (its first, of those that
    count), seconds (empty where the video has no times), top and left in pixels.
    """
    settings = jobs[0].settings
    shape = (len(picked), settings.frames, *settings.frame_shape)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with (
        written_beside(path) as clips,
        written_beside(path.with_suffix(".csv")) as origins,
        open(clips, "wb") as file,
        open(
            origins, "w", newline="", encoding="utf-8", errors="backslashreplace"
        ) as o,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        table = csv.writer(o, lineterminator="\n")
        table.writerow(["clip", "video", "frame", "seconds", "top", "left"])
        for start, pixels, origins_of_block in _blocks(jobs, picked):
            file.write(pixels)
            for number, (video, frame, seconds, top, left) in enumerate(
                origins_of_block, start
            ):
                when = "" if math.isnan(seconds) else f"{seconds:.3f}"
                path = jobs[video].source.path
                table.writerow([number, path, frame, when, top, left])
            advance(len(pixels))


def _blocks(
    jobs: Sequence[Job], picked: Picked
) -> Iterator[tuple[int, np.ndarray, list[tuple]]]:
    """Clips in order, a block at a time: the number of the first one, their pixels, and
    for each the index of its job, its first frame, seconds, top and left.

    Within a block the parts are read one after the other, front to back, which is what
    disks are good at.
    """
    settings = jobs[0].settings
    size = max(1, _BLOCK_BYTES // settings.record.itemsize)
    for start in range(0, len(picked), size):
        part, row = (a[start : start + size] for a in (picked.part, picked.row))
        pixels = np.empty((len(part), *settings.record["pixels"].shape), np.uint8)
        origins: list[tuple] = [()] * len(part)
        order = np.lexsort((row, part))
        for ours in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
            video = int(part[ours[0]])
            with closing(_Rows(jobs[video])) as rows:
                for place in ours:
                    *origin, pixels[place] = rows[row[place]]
                    origins[place] = (video, *(value.item() for value in origin))
        yield start, pixels, origins


class _Rows:
    """Records of a part, read one by one: a map of the file would stay in memory as
    long as there is room."""

    def __init__(self, job: Job) -> None:
        self._kind = job.settings.record
        self._file = os.open(job.part, os.O_RDONLY)

    def __getitem__(self, row: int) -> np.void:
        size = self._kind.itemsize
        return np.frombuffer(os.pread(self._file, size, int(row) * size), self._kind)[0]

    def frame(self, row: int) -> int:
        """The first frame of a clip, which a record begins with."""
        start = os.pread(self._file, 8, row * self._kind.itemsize)
        return int.from_bytes(start, "little")

    def close(self) -> None:
        os.close(self._file)
