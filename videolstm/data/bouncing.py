"""Videos of bouncing digits ("moving MNIST") as numpy arrays, without end.

    from videolstm.data.bouncing import BouncingDigits

    bouncing = BouncingDigits("mnist.h5", rng=1, image_size=64, num_digits=2)
    frames = bouncing.videos(80)                    # float32 (20, 80, 64, 64), 0 to 1
    frames, tracks = bouncing.videos(80, tracks=True)      # and where each digit is
    for frames in bouncing.batches(80): ...                # for ever

Each digit starts at a random place and moves in a random direction by step_length times
the way it has (image_size less the digit's size) in each frame; where digits overlap
the brighter pixel wins. The random numbers are drawn in the order of the 2016 release,
so that a seed gives the same videos: for a batch of N digits N places y, N places x and
N directions; then the digits, from a permutation that is shuffled anew whenever its
last one is taken; then, where it is not fixed, how many of its digits each video shows.
So the videos of a batch depend on its size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from videolstm.data.digits import (
    SparseDigits,
    load_digits,
    resized,
    unit_images,
)
from videolstm.data.painting import paint
from videolstm.data.scenes import Scenes


@dataclass(frozen=True, eq=False)
class Tracks:
    """What is seen in some videos, and where.

    top, left: int32 (frames, videos, digits), the pixel of each digit's upper left
    corner. samples: int64 (videos, digits), which of the images; -1 where a video has
    fewer digits. labels: int64 (videos, digits), what they are, -1 for none; None where
    nobody has said.
    """

    top: np.ndarray
    left: np.ndarray
    samples: np.ndarray
    labels: np.ndarray | None


class BouncingDigits:
    """Endless videos of bouncing digits.

    digits: the images, (N, side * side) or (N, side, side), 0 to 1 or whole numbers 0
        to 255; or the path of a file of them, see `load_digits`; or a SparseDigits.
    rng: a seed, or a RandomState, shared with whoever else draws from it.
    num_digits: digits in a video, or the least and the most of them.
    step_length: part of the way from side to side that a digit moves in a frame.
    digit_size: side that digits are resized to, their own if left out.
    labels: (N,) what the images are, for `Tracks`; of a path the file's own.

    Raises ValueError for images that are none or do not fit into a frame, UserError for
    a file that is none of digits.
    """

    def __init__(
        self,
        digits: np.ndarray | SparseDigits | str | os.PathLike,
        rng: np.random.RandomState | int = 1,
        image_size: int = 64,
        num_digits: int | tuple[int, int] = 2,
        step_length: float = 0.1,
        num_frames: int = 20,
        *,
        digit_size: int | None = None,
        labels: np.ndarray | None = None,
    ) -> None:
        if isinstance(digits, (str, os.PathLike)):
            digits, labels = load_digits(digits)
        if not isinstance(digits, SparseDigits):
            digits = _prepared(digits, digit_size)
        if not isinstance(rng, np.random.RandomState):
            rng = np.random.RandomState(rng)
        if isinstance(num_digits, int):
            num_digits = (num_digits, num_digits)
        self.least_digits, self.num_digits = num_digits
        if not 0 <= self.least_digits <= self.num_digits or self.num_digits < 1:
            raise ValueError(f"there cannot be {num_digits} digits in a video")
        if digits.side > image_size:
            raise ValueError(
                f"digits of {digits.side} pixels are not within the {image_size} of a "
                "frame"
            )
        self.digits, self.labels, self.rng = digits, labels, rng
        self.image_size, self.step_length = image_size, step_length
        self.num_frames = num_frames
        self._levels: SparseDigits | None = None
        self.indices = np.arange(digits.count)
        self.row = 0
        rng.shuffle(self.indices)

    def restarted(self, rng: np.random.RandomState) -> BouncingDigits:
        """The same kind of videos from another random stream."""
        return BouncingDigits(
            self.digits,
            rng,
            self.image_size,
            (self.least_digits, self.num_digits),
            self.step_length,
            self.num_frames,
            labels=self.labels,
        )

    # ---- videos ----------------------------------------------------------------------

    def videos(
        self, count: int = 1, tracks: bool = False
    ) -> np.ndarray | tuple[np.ndarray, Tracks]:
        """The next `count` videos, float32 (num_frames, count, image_size, image_size)
        from 0 to 1; with `tracks` also where their digits are."""
        top, left, chosen = self.draw(count)
        frames = self.paint(top, left, chosen)
        frames = frames.reshape(*frames.shape[:2], self.image_size, self.image_size)
        return (frames, self._tracks(top, left, chosen)) if tracks else frames

    def batches(self, count: int) -> Iterator[np.ndarray]:
        """`videos(count)` without end."""
        while True:
            yield self.videos(count)

    def sequences(
        self, count: int, out: np.ndarray | None = None, only: range | None = None
    ) -> np.ndarray:
        """The next `count` videos, float32 (num_frames, count, image_size ** 2); with
        `only`, those in that range, where all are drawn and these alone are painted.

        Digit n of video j is number j * num_digits + n of the batch. With `out`, a
        C-order array of that shape and type, they are written there and nothing is
        allocated for them.
        """
        return self.scenes(count, only).paint(out)

    def scenes(self, count: int, only: range | None = None) -> Scenes:
        """The same videos, not painted yet."""
        drawn = self._scenes(*self.draw(count))
        return drawn if only is None else drawn.part(only)

    def no_scenes(self) -> Scenes:
        """None of them, to which others can be joined."""
        corners = np.empty((self.num_frames, 0), np.int32)
        return self._scenes(corners, corners, np.empty(0, np.int64))

    def _scenes(self, top: np.ndarray, left: np.ndarray, chosen: np.ndarray) -> Scenes:
        places = (chosen, top, left)
        return Scenes(self.digits, *places, self.num_digits, self.image_size)

    def levels(self, scratch: np.ndarray, out: np.ndarray) -> None:
        """The next videos as files keep them, into `out`, uint8 (count, num_frames,
        image_size ** 2): 255 times the value, rounded.

        scratch: float32 (num_frames, count, image_size ** 2), overwritten.
        """
        if self._levels is None:
            self._levels = self.digits.levels()
        top, left, chosen = self.draw(scratch.shape[1])
        # The brighter of two pixels has the higher level, so that levels can be painted
        # instead of values, and the whole frames need no arithmetic.
        paint(self._levels, chosen, top, left, self.image_size, scratch)
        np.copyto(out, scratch.swapaxes(0, 1), casting="unsafe")

    def paint(
        self,
        top: np.ndarray,
        left: np.ndarray,
        chosen: np.ndarray,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """The videos of digits `chosen` (count * num_digits,) with their corners at
        `top` and `left`, int32 (num_frames, count * num_digits); as `sequences`."""
        return self._scenes(top, left, chosen).paint(out)

    # ---- what is random --------------------------------------------------------------

    def draw(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Corners and digits of the next `count` videos, as `paint` takes them."""
        top, left = self.trajectories(count * self.num_digits)
        chosen = self.choose(count * self.num_digits)
        if self.least_digits < self.num_digits:
            shown = self.rng.randint(self.least_digits, self.num_digits + 1, size=count)
            hidden = np.arange(self.num_digits) >= shown[:, None]
            chosen[hidden.ravel()] = self.digits.dark
        return top, left, chosen

    def trajectories(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Top and left corner of `count` digits, two int32 (num_frames, count).

        The first frame is one step after the place that was drawn. A digit that has
        reached a side stops there and turns round.
        """
        y, x, theta = (self.rng.rand(count) for _ in range(3))
        theta = theta * 2 * np.pi
        place = np.stack([y, x])
        # What a step adds; a digit that turns round has the same with the other sign.
        change = np.stack([np.sin(theta), np.cos(theta)]) * self.step_length
        places = np.empty((self.num_frames, 2, count))
        for t in range(self.num_frames):
            place = np.add(place, change, out=places[t])
            arrived = (place <= 0) | (place >= 1)
            np.negative(change, out=change, where=arrived)
            np.maximum(place, 0, out=place)
            np.minimum(place, 1, out=place)
        return self.corners(places)

    def corners(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Top and left pixel of places (frames, 2, count), y and x, in parts of the way
        from side to side."""
        way = self.image_size - self.digits.side
        corners = (way * places).astype(np.int32)
        return corners[:, 0], corners[:, 1]

    def choose(self, count: int) -> np.ndarray:
        """The next `count` digits of the permutation."""
        parts = []
        while count:
            part = self.indices[self.row : self.row + count].copy()
            parts.append(part)
            count -= len(part)
            self.row += len(part)
            if self.row == len(self.indices):
                self.row = 0
                # another array, because positions that were saved keep this one
                self.indices = self.indices.copy()
                self.rng.shuffle(self.indices)
        return np.concatenate(parts)

    def samples_of(self, chosen: np.ndarray) -> np.ndarray:
        """`chosen` by videos, int64 (videos, num_digits), -1 for digits not shown."""
        samples = np.where(chosen == self.digits.dark, -1, chosen)
        return samples.reshape(-1, self.num_digits).astype(np.int64)

    def _tracks(self, top: np.ndarray, left: np.ndarray, chosen: np.ndarray) -> Tracks:
        samples, labels = self.samples_of(chosen), None
        shape = (len(top), *samples.shape)
        if self.labels is not None:
            labels = np.where(samples < 0, -1, np.asarray(self.labels)[samples])
        return Tracks(top.reshape(shape), left.reshape(shape), samples, labels)


def _prepared(digits: np.ndarray, side: int | None) -> SparseDigits:
    try:
        images = unit_images(np.asarray(digits))
    except ValueError as error:
        raise ValueError(f"the array of digits {error}") from None
    return SparseDigits(images if side is None else resized(images, side))
