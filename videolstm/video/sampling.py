"""Which frames of a video count: a frame rate, every so-manyth."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from videolstm.video.frame import Frame

# A frame that is shown for longer is not repeated for all that time: what follows is
# taken as another scene. It also bounds what a broken time stamp can do.
LONGEST = 10  # seconds


def at_rate(frames: Iterable[Frame], fps: Fraction) -> Iterator[Frame]:
    """The frame that is shown at each tick of a clock with `fps` ticks a second.

    The clock starts with the first frame. A frame that is t seconds later begins at
    tick round(t * fps), halves up, and is shown until the next one begins, so that time
    stamps which were rounded do no harm; of several that begin at one tick the last is
    shown. That is the rule of FFmpeg's filter `fps`. The last frame of all is shown for
    one tick. Frames without times are given as they are; where time runs backwards, or
    a frame is shown for more than LONGEST seconds, the next one does not follow.
    """
    held: Frame | None = None
    start = Fraction(0)
    tick = 0  # the next one, for which `held` is the last frame so far
    follows = False
    for frame in frames:
        if frame.time is None:
            yield frame
            continue
        if held is None:
            start = frame.time
        begins = math.floor((frame.time - start) * fps + Fraction(1, 2))
        if held is None or not frame.follows or _apart(held, frame):
            if held is not None:
                yield replace(held, time=start + tick / fps, follows=follows)
            tick, follows = begins, False
        elif held is not None:
            while tick < begins:
                yield replace(held, time=start + tick / fps, follows=follows)
                tick, follows = tick + 1, True
        held = frame
    if held is not None:
        yield replace(held, time=start + tick / fps, follows=follows)


def _apart(before: Frame, after: Frame) -> bool:
    return not 0 <= after.time - before.time <= LONGEST


def every(frames: Iterable[Frame], step: int) -> Iterator[Frame]:
    """Every `step`-th frame, from the first one after each gap on."""
    count = 0
    for frame in frames:
        if not frame.follows:
            count = 0
        if count % step == 0:
            yield frame
        count += 1


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video count. fps: the frame shown at each tick of a clock, or
    None for all frames; step: every so-manyth of these; most: at most so many of a
    video, or None."""

    fps: Fraction | None = None
    step: int = 1
    most: int | None = None

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        chosen = every(at_rate(frames, self.fps) if self.fps else frames, self.step)
        return itertools.islice(chosen, self.most)
