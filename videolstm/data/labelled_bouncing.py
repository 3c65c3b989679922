"""Bouncing digits with a class: which digit it is, where it goes, or how many there
are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videolstm.data.bouncing import BouncingDigits

KINDS = ("digit", "direction", "count")
DIRECTIONS = 8  # right, down and right, down, and so on, clockwise
_SPREAD = np.pi / 12  # to either side of a direction: a gap parts it from the next
LONGEST_WAY = 0.8  # of a video that shows a direction, in parts of the way there is


@dataclass(frozen=True, eq=False)
class Videos:
    """Videos of different lengths, of which the first `lengths` frames count.

    frames: float32 (longest, n, dims), 0 to 1. labels, lengths: int64 (n,). digits:
    int64, the digit samples shown, (n,), or of kind `count` (n, most digits) with -1
    for none.
    """

    frames: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray
    digits: np.ndarray


class LabelledBouncing:
    """Endless videos with a class.

    kind `digit`: a digit bounces as in BOUNCING_MNIST, the class is the digit that is
    shown. kind `direction`: a digit goes straight on and reaches no side, so that its
    direction, the class, is the same in every part of the video. kind `count`: digits
    bounce, 1 to `num_digits` of them, and the class is one less than their number.

    images: digits (N, 784) or as BouncingDigits takes them; digit_labels: (N,), used
    for `digit` alone; least, most: frames of the shortest and the longest video, every
    length between being as likely; digit_size: the side that digits are resized to.
    """

    def __init__(
        self,
        kind: str,
        images: np.ndarray,
        digit_labels: np.ndarray | None,
        rng: np.random.RandomState,
        image_size: int,
        step_length: float,
        least: int,
        most: int,
        num_digits: int = 1,
        digit_size: int | None = None,
    ) -> None:
        if kind == "direction" and step_length * most > 1:
            raise ValueError(f"{most} steps of {step_length} reach a side")
        if kind == "digit" and digit_labels is None:
            raise ValueError("the class of a digit is not known")
        self.kind, self.digit_labels, self.rng = kind, digit_labels, rng
        self.least, self.most = least, most
        shown = (1, num_digits) if kind == "count" else 1
        self.bouncing = BouncingDigits(
            images, rng, image_size, shown, step_length, most, digit_size=digit_size
        )

    @property
    def classes(self) -> int:
        many = {"digit": 10, "direction": DIRECTIONS, "count": self.bouncing.num_digits}
        return many[self.kind]

    def videos(self, count: int) -> Videos:
        """The next `count` videos."""
        if self.kind == "direction":
            labels, top, left = self._straight(count)
            chosen = self.bouncing.choose(count)
        else:
            top, left, chosen = self.bouncing.draw(count)
        samples = self.bouncing.samples_of(chosen)
        if self.kind == "count":
            labels = (samples >= 0).sum(axis=1) - 1
        else:
            samples = samples[:, 0]
            if self.kind == "digit":
                labels = self.digit_labels[samples].astype(np.int64)
        lengths = self.rng.randint(self.least, self.most + 1, size=count)
        frames = self.bouncing.paint(top, left, chosen)
        return Videos(frames, labels, lengths.astype(np.int64), samples)

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
        return labels, *self.bouncing.corners(places)


def split_digits(
    count: int, test_part: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of `count` digit samples in two parts that share none, at random;
    sorted. Each part has one at least where there are two."""
    order = np.random.RandomState(seed).permutation(count)
    tested = min(max(round(test_part * count), 1), count - 1)
    return np.sort(order[tested:]), np.sort(order[:tested])
