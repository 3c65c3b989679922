"""The clips of one video as a file of its own, until those of all videos are there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.video.clips import ClipCutter
from videolstm.video.frame import Frame
from videolstm.video.settings import Settings
from videolstm.video.source import Source

FORMAT = 1  # of the part files; another one is not taken for this


@dataclass(frozen=True)
class Job:
    """A video to cut. number: its place in the list, from 0; folder: for its part."""

    number: int
    source: Source
    settings: Settings
    folder: Path

    @property
    def part(self) -> Path:
        """Where its clips go; another name for other settings or a changed video."""
        meant = {
            "format": FORMAT,
            "number": self.number,
            "path": os.fspath(self.source.path),
            "kind": self.source.kind,
            "stamp": self.source.stamp,
            "settings": asdict(self.settings),
        }
        text = json.dumps(meant, default=str, sort_keys=True)
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / f"{self.number:06d}-{digest[:16]}.part"

    def patches(self) -> int | None:
        """How many patches its part has; None where it is not done."""
        try:
            size = self.part.stat().st_size
        except FileNotFoundError:
            return None
        each = self.settings.record.itemsize
        return size // each if size % each == 0 and size else None


@dataclass(frozen=True)
class Cut:
    """What came of a job: `patches` in its part, sentences on what was odd, and what
    made it fail, if anything did."""

    patches: int
    notes: tuple[str, ...] = ()
    failure: str = ""


def cut_video(job: Job, advance: Callable[[int], None]) -> Cut:
    """Decode a video and write its part, whole or not at all; none without patches.

    advance: is told how many bytes of the video have been read since the last time; may
    raise to stop. What is wrong with the video is in the result. Raises UserError where
    the disk is full.
    """
    notes: list[str] = []
    cutter = ClipCutter(job.settings, job.source.path, job.number)
    patches = told = 0

    def tell(amount: int) -> None:
        nonlocal told
        told += amount
        advance(amount)

    try:
        with written_beside(job.part) as beside, open(beside, "wb") as file:
            for records in _cut(job, cutter, notes, tell):
                file.write(records.tobytes())
                patches += len(records)
            if not patches:
                raise _VideoError(_why_none(job, cutter))
    except _VideoError as error:
        advance(job.source.size - told)
        return Cut(0, tuple(notes), str(error))
    return Cut(patches, tuple(notes))


class _VideoError(Exception):
    """Why there are no patches of a video."""


def _cut(
    job: Job, cutter: ClipCutter, notes: list[str], advance: Callable[[int], None]
) -> Iterator[np.ndarray]:
    """What the cutter gives; whatever is wrong with the video is a _VideoError."""
    try:
        with closing(job.source.frames(notes)) as frames:
            yield from cutter.cut(_watched(frames, job.source.size, advance))
    except UserError as error:
        raise _VideoError(str(error)) from None
    except MemoryError:
        raise _VideoError(
            f"{job.source.path}: takes more memory than there is"
        ) from None


def _watched(
    frames: Iterable[Frame], size: int, advance: Callable[[int], None]
) -> Iterator[Frame]:
    """The same frames, and `advance` is told of the bytes, `size` in the end."""
    done = 0
    for frame in frames:
        now = max(done, min(frame.done, size))
        advance(now - done)
        done = now
        yield frame
    advance(size - done)


def _why_none(job: Job, cutter: ClipCutter) -> str:
    settings, path = job.settings, job.source.path
    if cutter.still:
        return (
            f"{path}: nothing moves in it: all of its {cutter.still:,} patches change "
            f"by less than {settings.motion:g} levels from frame to frame"
        )
    counted = f"{cutter.frames:,} frame{'s' if cutter.frames != 1 else ''}"
    if settings.fps:
        counted += f" at {float(settings.fps):g} a second"
    if settings.step > 1:
        counted += f", taking 1 of {settings.step}"
    between = f" between its {cutter.cuts:,} cuts" if cutter.cuts else ""
    return (
        f"{path}: too short for a clip of {settings.frames} frames{between} ({counted})"
    )
