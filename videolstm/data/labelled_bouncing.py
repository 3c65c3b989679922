"""Bouncing digits with a class: which digit it is, or where it goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videolstm.data.bouncing import BouncingDigits
from videolstm.data.digits import DIGIT_SIZE

KINDS = ("digit", "direction")
DIRECTIONS = 8  # right, down and right, down, and so on, clockwise
_SPREAD = np.pi / 12  # to either side of a direction: a gap parts it from the next
LONGEST_WAY = 0.8  # of a video that shows a direction, in parts of the way there is


@dataclass(frozen=True, eq=False)
class Videos:
    """Videos of different lengths, of which the first `lengths` frames count.

    frames: float32 (longest, n, dims), 0 to 1. labels, lengths: int64 (n,). digits:
    int64 (n,), the digit samples shown.
    """

    frames: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray
    digits: np.ndarray


class LabelledBouncing:
    """Endless videos of one digit each, with a class.

    kind `digit`: the digits bounce as in BOUNCING_MNIST, the class is the digit that is
    shown. kind `direction`: a digit goes straight on and reaches no side, so that its
    direction, the class, is the same in every part of the video.

    images: digits (N, 784), 0 to 1; digit_labels: (N,), used for `digit`; least,
    most: frames of the shortest and the longest video, every length between being as
    likely.
    """

    def __init__(
        self,
        kind: str,
        images: np.ndarray,
        digit_labels: np.ndarray,
        rng: np.random.RandomState,
        image_size: int,
        step_length: float,
        least: int,
        most: int,
    ) -> None:
        if kind == "direction" and step_length * most > 1:
            raise ValueError(f"{most} steps of {step_length} reach a side")
        self.kind, self.digit_labels, self.rng = kind, digit_labels, rng
        self.least, self.most = least, most
        self.bouncing = BouncingDigits(images, rng, image_size, 1, step_length, most)

    @property
    def classes(self) -> int:
        return DIRECTIONS if self.kind == "direction" else 10

    def videos(self, count: int) -> Videos:
        """The next `count` videos."""
        if self.kind == "direction":
            labels, top, left = self._straight(count)
            chosen = self.bouncing.choose(count)
        else:
            top, left = self.bouncing.trajectories(count)
            chosen = self.bouncing.choose(count)
            labels = self.digit_labels[chosen].astype(np.int64)
        lengths = self.rng.randint(self.least, self.most + 1, size=count)
        frames = self.bouncing.paint(top, left, chosen)
        return Videos(frames, labels, lengths.astype(np.int64), chosen)

    def _straight(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Classes, and corners as `BouncingDigits.trajectories` gives them."""
        labels = self.rng.permutation(np.arange(count) % DIRECTIONS)
        theta = labels * (2 * np.pi / DIRECTIONS)
        theta = theta + self.rng.uniform(-_SPREAD, _SPREAD, count)
        # One row for y, which grows downwards, and one for x.
        velocity = np.stack([np.sin(theta), np.cos(theta)])
        velocity *= self.bouncing.step_length
        way = velocity * self.most
        start = np.maximum(0, -way)
        start += self.rng.rand(2, count) * (1 - np.abs(way))
        steps = np.arange(1, self.most + 1)[:, None, None]
        places = np.clip(start + steps * velocity, 0, 1)
        corners = ((self.bouncing.image_size - DIGIT_SIZE) * places).astype(np.int32)
        return labels, corners[:, 0], corners[:, 1]


def split_digits(
    count: int, test_part: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of `count` digit samples in two parts that share none, at random;
    sorted. Each part has one at least where there are two."""
    order = np.random.RandomState(seed).permutation(count)
    tested = min(max(round(test_part * count), 1), count - 1)
    return np.sort(order[tested:]), np.sort(order[:tested])
