"""Clips that are stored in files: the order of the stream, and epochs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from videolstm.data.handler import Batch, DataHandler, State


class StoredClips(DataHandler):
    """Base of the handlers that read a fixed number of clips.

    The stream takes the clips in an order that is shuffled at the start and whenever
    the last clip has been taken, if the data set is randomized; a batch goes on over
    the end of a pass, so it is always full. (The 2016 release crashes there on video
    patches.)
    """

    randomize = False
    views_per_clip = 1
    labels: np.ndarray | None = None

    def _start(self, dataset_size: int) -> None:
        """Set up the order; subclasses call it when they know their clips."""
        self.dataset_size = dataset_size
        self.check_batch_memory()
        self._order = np.arange(dataset_size)
        self.reset()

    @abstractmethod
    def _views(
        self, clip: int, rng: np.random.RandomState
    ) -> Sequence[np.ndarray] | np.ndarray:
        """Views of one clip, `views_per_clip` arrays (num_frames, frame_dims)."""

    def _expect(self, clips: np.ndarray) -> None:
        """Told which clips are asked for next, so that they can be read at once."""

    def _skip(self, rng: np.random.RandomState) -> None:
        """Draw the random numbers that `_views` of any clip draws, and read nothing."""

    def reset(self) -> None:
        """Go to the first clip and, if randomized, shuffle once more."""
        self._row = 0
        if self.randomize:
            # another array, because positions that were saved keep this one
            self._order = self._order.copy()
            self.rng.shuffle(self._order)

    def next_batch(self) -> Batch:
        own = self.own_part(self.batch_size)
        frames = self._empty(len(own))
        clips = np.empty(len(own), dtype=np.int64)
        # Those beyond the end of this pass are not known before they are shuffled.
        coming = (own.start // self.views_per_clip, -(-own.stop // self.views_per_clip))
        self._expect(self._order[self._row :][slice(*coming)])
        # Views of a clip never straddle two batches: each batch begins a new clip, and
        # what is left of the last one is dropped.
        for first in range(0, self.batch_size, self.views_per_clip):
            clip = self._next_clip()
            last = min(first + self.views_per_clip, self.batch_size)
            mine = range(max(first, own.start), min(last, own.stop))
            if not mine:
                self._skip(self.rng)
                continue
            views = self._views(clip, self.rng)
            for j in mine:
                frames[:, j - own.start] = views[j - first]
                clips[j - own.start] = clip
        return self._batch(frames, clips)

    def epoch(self, batch_size: int | None = None) -> Iterator[Batch]:
        size = batch_size or self.batch_size
        rng = np.random.RandomState(self.seed)
        own = self.own_part(self.dataset_size)
        for _ in range(own.start):
            self._skip(rng)
        for start in range(own.start, own.stop, size):
            clips = np.arange(start, min(start + size, own.stop))
            frames = self._empty(len(clips))
            self._expect(clips)
            for j, clip in enumerate(clips):
                frames[:, j] = self._views(clip, rng)[0]
            yield self._batch(frames, clips)

    def clip(self, number: int) -> np.ndarray:
        """One clip as an epoch has it, float32 (num_frames, frame_dims); of random
        crops another one."""
        return self._views(number, np.random.RandomState(self.seed))[0]

    def _next_clip(self) -> int:
        clip = int(self._order[self._row])
        self._row += 1
        # At once, and so before the random numbers of this clip's views are drawn: the
        # order in which the 2016 release draws them.
        if self._row == self.dataset_size:
            self.reset()
        return clip

    def _empty(self, count: int) -> np.ndarray:
        return np.empty((self.num_frames, count, self.frame_dims), dtype=np.float32)

    def _batch(self, frames: np.ndarray, clips: np.ndarray) -> Batch:
        labels = None if self.labels is None else self.labels[clips]
        return Batch(frames, labels, clips)

    def _own_state(self) -> State:
        return {"order": self._order, "row": self._row}

    def _restore_own(self, state: State) -> None:
        order, row = np.asarray(state["order"], dtype=np.int64), int(state["row"])
        if not np.array_equal(np.sort(order), np.arange(self.dataset_size)):
            raise ValueError("another number of clips")
        if not 0 <= row < self.dataset_size:
            raise ValueError("a row that there is not")
        self._order, self._row = order.copy(), row
