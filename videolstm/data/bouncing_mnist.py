"""BOUNCING_MNIST: bouncing digits, made on the fly, as a data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import locate
from videolstm.data.bouncing import BouncingDigits
from videolstm.data.digits import read_digits
from videolstm.data.handler import MOST_PIXELS, Batch, DataHandler, State
from videolstm.data.scenes import Scenes, table_for
from videolstm.errors import UserError

if TYPE_CHECKING:
    from cudamat.compose import Table
    from videolstm import config_pb2


class BouncingMNIST(DataHandler):
    """Bouncing digits as a data set; an epoch is 10,000 videos, as in the 2016 release.

    The digits come from data_file (the release has a fixed path instead), of any kind
    and size that `load_digits` takes, dataset dataset_name, `train` by default.
    """

    kind = "BOUNCING_MNIST"
    dataset_size = 10_000
    endless = True

    def __init__(self, config: config_pb2.Data, path: Path, seed: int) -> None:
        super().__init__(config, path, seed)
        size = self.positive("image_size", MOST_PIXELS)
        self.frame_dims = size * size
        self.frame_shape = (1, size, size)
        num_digits = self.positive("num_digits", 1000)
        step_length = self._step_length()
        # Places and corners of each digit, and what they are computed from.
        self.check_batch_memory(beside=48 * num_digits)
        file = locate(self.text("data_file"), path, "data_file")
        digits = read_digits(file, config.dataset_name or None)
        if size < digits.side:
            raise UserError(
                f"{path}: the field image_size is {size}, and it should be at least "
                f"the {digits.side} of a digit"
            )
        self.videos = BouncingDigits(
            digits, self.rng, size, num_digits, step_length, self.num_frames
        )
        self._made = 0
        self._table: Table | None = None  # the digits on the board

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
        own = self.own_part(self.batch_size)
        clips = self._made + np.arange(own.start, own.stop)
        self._made += self.batch_size
        return self._batch(self.videos.scenes(self.batch_size, only=own), clips)

    def _batch(self, scenes: Scenes, clips: np.ndarray) -> Batch:
        if self._table is None:
            return Batch(scenes.paint(), None, clips)
        return Batch(replace(scenes, table=self._table), None, clips)

    def compose_on_board(self) -> str | None:
        self._table, why = table_for(self.videos.digits)
        return f"{self.path}: {why}" if self._table is None else None

    def reset(self) -> None:
        """Nothing: the stream has no passes."""

    def epoch(self, batch_size: int | None = None) -> Iterator[Batch]:
        size = batch_size or self.batch_size
        videos = self.videos.restarted(np.random.RandomState(self.seed))
        # Always made in blocks of the same size, since the random numbers of a block
        # depend on it; so the clips do not depend on the size of the batches.
        made = videos.no_scenes()
        drawn = 0
        own = self.own_part(self.dataset_size)
        for start in range(own.start, own.stop, size):
            clips = np.arange(start, min(start + size, own.stop))
            while made.count < len(clips):
                before = min(max(own.start - drawn, 0), self.batch_size)
                block = range(before, self.batch_size)
                made = made.joined(videos.scenes(self.batch_size, only=block))
                drawn += self.batch_size
            batch = made.part(range(len(clips)))
            made = made.part(range(len(clips), made.count))
            yield self._batch(batch, clips)

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
        made = int(state["made"])
        if not 0 <= made < 2**62:
            raise ValueError("a number of videos that cannot have been made")
        self.videos.indices, self.videos.row = order.copy(), row
        self._made = made
