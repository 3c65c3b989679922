"""Cutting a stream of frames into clips of patches."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from videolstm.errors import UserError
from videolstm.video.crops import count_places, places
from videolstm.video.frame import Frame, grey, new_size, resized
from videolstm.video.sampling import at_rate, every
from videolstm.video.settings import Settings

MOST_BYTES = 2**30  # of the clips that are being filled, of one video
_THUMBNAIL = (32, 32)  # pixels in which cuts are looked for


@dataclass(frozen=True, eq=False)
class _Clip:
    """Patches that are being filled. start: its first frame; corners: (top, left) of
    each patch; records: (patches,), see Settings.record."""

    start: int
    corners: list[tuple[int, int]]
    records: np.ndarray

    def add(self, number: int, picture: np.ndarray, size: int) -> None:
        """Copies the patches of frame `number` of the video, (..., height, width)."""
        pixels = self.records["pixels"]
        index = number - self.start
        for patch, (top, left) in zip(pixels, self.corners, strict=True):
            patch[index] = picture[..., top : top + size, left : left + size]


class ClipCutter:
    """Cuts the clips of one video.

    path: of the video, for messages. video: its number, which RANDOM places depend on.
    What `cut` has met so far: frames that count, clips that are full, cuts, and patches
    that were dropped because they keep still.
    """

    def __init__(self, settings: Settings, path: Path, video: int) -> None:
        self.settings, self.path, self.video = settings, path, video
        self.frames = self.clips = self.still = self.cuts = 0
        self._open: deque[_Clip] = deque()
        self._numbers = 0
        self._shot = 0  # the frame that the present shot begins with
        self._size: tuple[int, int] | None = None
        self._is_cut = _CutFinder(settings.cut)

    def cut(self, frames: Iterable[Frame]) -> Iterator[np.ndarray]:
        """The patches of each clip that is full, (patches,) of Settings.record.

        A clip begins every `stride` frames, counted from the first frame, from each gap
        and, where cuts are looked for, from each cut; none goes over a gap or a cut.
        Only the patches of clips that are not full are kept in memory.

        Raises UserError for frames that are smaller than a patch.
        """
        settings = self.settings
        if settings.fps:
            frames = at_rate(frames, settings.fps)
        for frame in every(frames, settings.step):
            size = self._resized_size(frame.size)
            if not frame.follows or size != self._size:
                self._begin_shot(size)
            yield from self._take(frame, size)
            self.frames += 1

    def _take(self, frame: Frame, size: tuple[int, int]) -> Iterator[np.ndarray]:
        settings = self.settings
        picture = _Picture(frame, settings)
        if settings.cut and self._is_cut(picture.rgb()):
            self.cuts += 1
            self._begin_shot(size)
        if (self.frames - self._shot) % settings.stride == 0:
            self._open.append(self._new_clip(frame, size))
        for clip in self._open:
            clip.add(self.frames, picture.final(), settings.size)
        if self._open and self.frames - self._open[0].start == settings.frames - 1:
            yield self._finished(self._open.popleft())

    def _begin_shot(self, size: tuple[int, int]) -> None:
        self._open.clear()
        self._shot, self._size = self.frames, size

    def _resized_size(self, size: tuple[int, int]) -> tuple[int, int]:
        try:
            size = new_size(size, self.settings.short_side)
        except UserError as error:
            raise UserError(f"{self.path}: its {error}") from None
        patch = self.settings.size
        if min(size) < patch:
            raise UserError(
                f"{self.path}: its frames are {size[1]}x{size[0]} pixels, smaller than "
                f"patches of {patch}x{patch}: choose smaller patches, or a "
                "short side to resize to"
            )
        return size

    def _new_clip(self, frame: Frame, size: tuple[int, int]) -> _Clip:
        settings = self.settings
        open_clips = -(-settings.frames // settings.stride)
        patches = count_places(settings, size)
        wanted = open_clips * patches * settings.record.itemsize
        if wanted > MOST_BYTES:
            raise UserError(
                f"{self.path}: {open_clips} clips at a time of {patches} patches need "
                f"{wanted / 2**30:.1f} GiB, and at most {MOST_BYTES // 2**30} is "
                "taken: choose fewer or smaller patches, or a longer stride"
            )
        corners = places(settings, size, self.video, self._numbers)
        self._numbers += 1
        records = np.zeros(len(corners), settings.record)
        records["frame"] = self.frames
        records["seconds"] = np.nan if frame.time is None else float(frame.time)
        records["top"], records["left"] = corners.T
        return _Clip(self.frames, corners.tolist(), records)

    def _finished(self, clip: _Clip) -> np.ndarray:
        self.clips += 1
        if not self.settings.motion:
            return clip.records
        moving = [_motion(r["pixels"]) >= self.settings.motion for r in clip.records]
        self.still += len(moving) - sum(moving)
        return clip.records[moving]


class _Picture:
    """The pixels of a frame in the forms that are asked for, each made once."""

    def __init__(self, frame: Frame, settings: Settings) -> None:
        self._frame, self._settings = frame, settings
        self._rgb: np.ndarray | None = None
        self._final: np.ndarray | None = None

    def rgb(self) -> np.ndarray:
        """Resized, uint8 (height, width, 3)."""
        if self._rgb is None:
            rgb = self._frame.rgb()
            short_side = self._settings.short_side
            self._rgb = resized(rgb, short_side) if short_side else rgb
        return self._rgb

    def final(self) -> np.ndarray:
        """What patches are cut from: grey (height, width), or (3, height, width)."""
        if self._final is None:
            rgb = self.rgb()
            self._final = grey(rgb) if self._settings.grey else rgb.transpose(2, 0, 1)
        return self._final


class _CutFinder:
    """Tells whether a picture is the first one after a cut.

    How much it differs from the one before, as a mean over the picture in grey levels,
    must be above the limit, and so must be by how much this difference differs from
    the one before it, so that fast motion, which goes on, is no cut. FFmpeg's filter
    `select` measures scenes so.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._last: np.ndarray | None = None
        self._change = 0.0

    def __call__(self, rgb: np.ndarray) -> bool:
        """rgb: the next picture, uint8 (height, width, 3)."""
        image = Image.fromarray(rgb).resize(_THUMBNAIL, Image.Resampling.BOX)
        small = np.asarray(image.convert("L"), np.int16)
        last, self._last = self._last, small
        if last is None:
            return False
        change = float(np.abs(small - last).mean())
        before, self._change = self._change, change
        return min(change, abs(change - before)) > self.limit


def _motion(pixels: np.ndarray) -> float:
    """Mean change of uint8 (frames, ...) from frame to frame, in levels."""
    if len(pixels) < 2:
        return 0.0
    return float(np.abs(np.diff(pixels.astype(np.int16), axis=0)).mean())
