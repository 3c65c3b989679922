"""Dropout: masks, drawn or given, and what they do to values and derivatives."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

import cudamat as cm
from videolstm.models.sequence import Sequence


class Dropout:
    """Masks for one input or output of a layer, drawn anew for each batch.

    A mask is 0 where a unit is dropped and 1 / (1 - dropprob) where it is kept, so that
    nothing changes in testing. `given` (steps, batch, dim), 1 kept and 0 dropped, takes
    the place of the drawn masks.

    `part` are the cases of a batch that this process has, and `whole` how many the
    batch has, where others have the rest: drawn are the masks that one process would.
    """

    def __init__(self, dropprob: float, dim: int, steps: int) -> None:
        self.dropprob = dropprob
        self.mask = Sequence(dim, steps)
        self.dropped = Sequence(dim, steps)
        self.given: np.ndarray | None = None
        self.part: range | None = None
        self.whole = 0

    def draw(self, batch: int) -> None:
        self.mask.resize(batch)
        self.dropped.resize(batch)
        if self.given is None and self.part is None:
            self.mask.all.fill_with_dropout_mask(self.dropprob)
        elif self.given is None:
            own = (self.part.start, len(self.part), self.whole)
            self.mask.all.fill_with_part_of_dropout_mask(self.dropprob, *own)
        else:
            self.mask.load(np.asarray(self.given, np.float32))
            self.mask.all.divide(1 - self.dropprob)

    def apply(self, values: cm.CUDAMatrix, first: int, last: int) -> cm.CUDAMatrix:
        """Values of steps first to last - 1 with some of them dropped, in memory of its
        own that lasts until the next batch."""
        return values.mult(self.mask.span(first, last), self.dropped.span(first, last))

    def derive(self, deriv: cm.CUDAMatrix, first: int, last: int) -> None:
        """Turns the derivative of what `apply` returned into that of what it was
        given."""
        deriv.mult(self.mask.span(first, last))


def draw_masks(dropouts: Iterable[Dropout], batch: int) -> None:
    """The masks of a batch, in the order in which a model has them."""
    for dropout in dropouts:
        dropout.draw(batch)
