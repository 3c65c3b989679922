"""What clips are wanted of a video."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

RANDOM, GRID, CENTRE = "random", "grid", "centre"
CROPS = (RANDOM, GRID, CENTRE)


@dataclass(frozen=True)
class Settings:
    """What clips are cut from a video, and what of a frame is in them.

    frames: of a clip. stride: from the start of a clip to the next, in frames that
        count.
    fps: frames a second, by their time stamps; None: each frame of the video counts.
    step: of these frames every so-manyth counts.
    short_side: pixels of the shorter side to which a frame is resized before anything
        is cut from it; 0: it stays as it is.
    size: height and width of a patch. crop: RANDOM, GRID or CENTRE. per_clip: how many
        RANDOM places there are in each clip.
    grey: grey levels instead of three colours.
    cut: change of the picture in one step, in grey levels, that is a cut; 0: none is.
    motion: least change of a patch from frame to frame, in levels; 0: any.
    seed: of the RANDOM places.
    """

    frames: int = 20
    stride: int = 20
    fps: Fraction | None = None
    step: int = 1
    short_side: int = 0
    size: int = 32
    crop: str = RANDOM
    per_clip: int = 4
    grey: bool = False
    cut: float = 0.0
    motion: float = 0.0
    seed: int = 42

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Of a frame of a patch, as VIDEO_PATCH reads it."""
        side = (self.size, self.size)
        return side if self.grey else (3, *side)

    @property
    def dims(self) -> int:
        """Numbers in a frame of a patch."""
        return int(np.prod(self.frame_shape))

    @property
    def record(self) -> np.dtype:
        """A patch as it is kept until all videos are done.

        frame: its first one, counted over those that count, from 0. seconds: when that
        is shown, NaN where the video has no times. top, left: its place in pixels of
        the (resized) frame. pixels: uint8 (frames[, 3], size, size).
        """
        return np.dtype(
            [
                ("frame", "<i8"),
                ("seconds", "<f8"),
                ("top", "<i4"),
                ("left", "<i4"),
                ("pixels", "u1", (self.frames, *self.frame_shape)),
            ]
        )
