"""BOUNCING_MNIST: digits that move in a square and bounce off its sides, without end.

Each digit starts at a random place and moves in a random direction by step_length times
the way it has (image_size - 28 pixels) in each frame; where digits overlap the brighter
pixel wins. The random numbers are drawn in the order of the 2016 release, so that a
seed gives the same videos: for a batch of N digits N places y, N places x and N
directions; then the digits, from a permutation that is shuffled anew whenever its last
one is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cudamat.paint import paint
from videolstm.config import locate
from videolstm.data.digits import DIGIT_SIZE, SparseDigits, read_digits
from videolstm.data.handler import MOST_PIXELS, Batch, DataHandler, State
from videolstm.errors import UserError

if TYPE_CHECKING:
    from videolstm import config_pb2


class BouncingDigits:
    """Endless videos of bouncing digits.

    digits: (N, 784) or (N, 28, 28), 0 to 1, or a SparseDigits made from such.
    rng: where the random numbers come from, shared with whoever else draws from it.
    step_length: part of the way from side to side that a digit moves in a frame.
    """

    def __init__(
        self,
        digits: np.ndarray | SparseDigits,
        rng: np.random.RandomState,
        image_size: int,
        num_digits: int,
        step_length: float,
        num_frames: int,
    ) -> None:
        if not isinstance(digits, SparseDigits):
            digits = SparseDigits(digits)
        self.digits, self.rng = digits, rng
        self.image_size, self.num_digits = image_size, num_digits
        self.step_length, self.num_frames = step_length, num_frames
        self.indices = np.arange(digits.count)
        self.row = 0
        rng.shuffle(self.indices)

    def restarted(self, rng: np.random.RandomState) -> BouncingDigits:
        """The same kind of videos from another random stream."""
        return BouncingDigits(
            self.digits,
            rng,
            self.image_size,
            self.num_digits,
            self.step_length,
            self.num_frames,
        )

    def sequences(self, count: int, out: np.ndarray | None = None) -> np.ndarray:
        """The next `count` videos, float32 (num_frames, count, image_size ** 2).

        Digit n of video j is number j * num_digits + n of the batch. With `out`, a
        C-order array of that shape and type, they are written there and nothing is
        allocated for them.
        """
        top, left = self.trajectories(count * self.num_digits)
        return self.paint(top, left, self.choose(count * self.num_digits), out)

    def paint(
        self,
        top: np.ndarray,
        left: np.ndarray,
        chosen: np.ndarray,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """The videos of digits `chosen` (count * num_digits,) with their corners at
        `top` and `left`, int32 (num_frames, count * num_digits); as `sequences`."""
        count = len(chosen) // self.num_digits
        shape = (self.num_frames, count, self.image_size**2)
        if out is None:
            out = np.empty(shape, dtype=np.float32)
        elif (
            out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous
        ):
            raise ValueError(f"out should be float32 {shape} in C order")
        return paint(self.digits.images, chosen, top, left, self.image_size, out)

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
        corners = ((self.image_size - DIGIT_SIZE) * places).astype(np.int32)
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


class BouncingMNIST(DataHandler):
    """Bouncing digits as a data set; an epoch is 10,000 videos, as in the 2016 release.

    The digits come from data_file (the release has a fixed path instead), dataset
    dataset_name, `train` by default.
    """

    kind = "BOUNCING_MNIST"
    dataset_size = 10_000
    endless = True

    def __init__(self, config: config_pb2.Data, path: Path, seed: int) -> None:
        super().__init__(config, path, seed)
        size = self.positive("image_size", MOST_PIXELS)
        if size < DIGIT_SIZE:
            raise UserError(
                f"{path}: the field image_size is {size}, and it should be at least "
                f"the {DIGIT_SIZE} of a digit"
            )
        self.frame_dims = size * size
        self.frame_shape = (1, size, size)
        num_digits = self.positive("num_digits", 1000)
        step_length = self._step_length()
        self.check_batch_memory()
        file = locate(self.text("data_file"), path, "data_file")
        digits = read_digits(file, config.dataset_name or "train")
        self.videos = BouncingDigits(
            digits, self.rng, size, num_digits, step_length, self.num_frames
        )
        self._made = 0

    def _step_length(self) -> float:
        step = self.config.step_length
        # Beyond a few widths in a frame there is no motion to see, only sides.
        if self.config.HasField("step_length") and 0 <= step <= 100:
            return step
        found = f"is {step}" if self.config.HasField("step_length") else "is missing"
        raise UserError(
            f"{self.path}: the field step_length {found}, and it should be the part of "
            "the way that a digit moves in a frame, such as 0.1"
        )

    def next_batch(self) -> Batch:
        clips = np.arange(self._made, self._made + self.batch_size)
        self._made += self.batch_size
        return Batch(self.videos.sequences(self.batch_size), None, clips)

    def reset(self) -> None:
        """Nothing: the stream has no passes."""

    def epoch(self, batch_size: int | None = None) -> Iterator[Batch]:
        size = batch_size or self.batch_size
        videos = self.videos.restarted(np.random.RandomState(self.seed))
        # Always made in blocks of the same size, since the random numbers of a block
        # depend on it; so the clips do not depend on the size of the batches.
        made = np.empty((self.num_frames, 0, self.frame_dims), dtype=np.float32)
        for start in range(0, self.dataset_size, size):
            clips = np.arange(start, min(start + size, self.dataset_size))
            while made.shape[1] < len(clips):
                block = videos.sequences(self.batch_size)
                made = np.concatenate([made, block], axis=1) if made.shape[1] else block
            frames = np.ascontiguousarray(made[:, : len(clips)])
            made = made[:, len(clips) :]
            yield Batch(frames, None, clips)

    def _own_state(self) -> State:
        return {
            "order": self.videos.indices,
            "row": self.videos.row,
            "made": self._made,
        }

    def _restore_own(self, state: State) -> None:
        order, row = np.asarray(state["order"], dtype=np.int64), int(state["row"])
        if not np.array_equal(np.sort(order), np.arange(self.videos.digits.count)):
            raise ValueError("another number of digits")
        if not 0 <= row < len(order):
            raise ValueError("a row that there is not")
        self.videos.indices, self.videos.row = order.copy(), row
        self._made = int(state["made"])
