"""Matrices that hold one column for each case and time step, time outermost."""

from __future__ import annotations

import numpy as np

import cudamat as cm
from videolstm.data.scenes import Scenes


class Sequence:
    """A (rows, steps * batch) matrix with a view of each step's (rows, batch).

    Step t is columns t * batch to (t + 1) * batch, contiguous in memory, so that one
    product can cover any range of steps. `resize` changes the batch without allocating,
    as long as it has been that large before.

    `Sequence.moves` counts how often any of them took other memory.
    """

    moves = 0

    def __init__(self, rows: int, steps: int, batch: int = 0) -> None:
        self.rows, self.steps, self.batch = rows, steps, -1
        self._memory: cm.CUDAMatrix | None = None
        self._room = 0
        self._views: dict[tuple[int, int], cm.CUDAMatrix] = {}
        if batch:
            self.resize(batch)

    def resize(self, batch: int) -> None:
        """Holds `batch` cases from now on; what was in it is undefined."""
        if batch == self.batch:
            return
        if batch > self._room:
            # give the old memory back before asking for more, which may fail
            self._memory, self._room, self.batch = None, 0, -1
            self._views = {}
            self._memory = cm.empty((self.rows, self.steps * batch))
            self._room = batch
            Sequence.moves += 1
        self.batch = batch
        self._views = {}

    def span(self, first: int, last: int) -> cm.CUDAMatrix:
        """Steps first to last - 1, as a view (rows, (last - first) * batch)."""
        view = self._views.get((first, last))
        if view is None:
            view = self._memory.col_slice(first * self.batch, last * self.batch)
            self._views[first, last] = view
        return view

    def __getitem__(self, step: int) -> cm.CUDAMatrix:
        return self.span(step, step + 1)

    @property
    def all(self) -> cm.CUDAMatrix:
        return self.span(0, self.steps)

    def load(self, frames: np.ndarray | Scenes) -> None:
        """Takes the values of a host array (steps, batch, rows), C order, or of Scenes
        of that shape, which are composed on the board if they can be.

        Raises CUDAMatException for another number of steps or rows.
        """
        steps, batch, rows = frames.shape
        self.resize(batch)
        if isinstance(frames, Scenes):
            frames.fill(self.all)
        else:
            self.all.upload(frames.reshape(steps * batch, rows).T)

    def asarray(self):
        """The values as a host array (steps, batch, rows) of its own."""
        # a matrix gives out the same memory each time: the next batch would be in it
        values = self.all.asarray().T.copy()
        return values.reshape(self.steps, self.batch, self.rows)
