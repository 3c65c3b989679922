"""The ranks that train together: what the rest of the program knows of them.

`World` is one process by itself, for which all of this is nothing. Several, over MPI,
are a `videolstm.parallel.ranks.Ranks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from videolstm.parallel.share import share_of

if TYPE_CHECKING:
    from videolstm.parallel.weight import Weight

T = TypeVar("T")


class Exchange:
    """Where gradients go between the backward pass and the update: with one process
    nowhere."""

    def ready(self, params: Iterable[Weight]) -> None:
        """Says that `Weight.dw` of these is complete, and will be changed by nobody
        before the update."""

    def update(self, params: Iterable[Weight]) -> None:
        """Updates the same params, each as soon as its gradient is summed over all
        ranks, perhaps in another order. On the first rank `Weight.dw` is that sum from
        then on."""
        for param in params:
            param.update()

    def describe(self, mpi: str) -> str:
        """What happens to gradients, for the user; `mpi` is the name of the library."""
        return ""

    def close(self) -> None:
        """The end: gives back what it holds."""


class World:
    """The processes that train together; this one by itself.

    Attributes:
        rank, ranks: number of this process, from 0, and of all of them.
    """

    rank = 0
    ranks = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that prints, logs, draws and saves."""
        return self.rank == 0

    @property
    def local_rank(self) -> int:
        """Number of this process among those of its machine, from 0."""
        return 0

    def threads(self) -> int | None:
        """How many threads this process should use; None: as many as it would."""
        return None

    def share_of(self, count: int) -> range:
        """Which of `count` cases are this process's."""
        return share_of(count, self.rank, self.ranks)

    def lead(self, make: Callable[[], T]) -> T:
        """What `make`, called by the first rank alone, returns, on every rank; a
        UserError that it raises there is raised on every rank."""
        return make()

    def alike(self, action: Callable[[], T]) -> T:
        """What `action`, called by every rank, returns to this one; an exception that
        it raises on any rank is raised on every rank. It must not talk to others."""
        return action()

    def most(self, value: int) -> int:
        """The largest of all ranks' values, so that all decide alike."""
        return value

    def sum(self, values: np.ndarray | Sequence[float]) -> np.ndarray:
        """The sum of all ranks' vectors, the same bits on every rank."""
        return np.asarray(values)

    def gather(self, value: T) -> list[T]:
        """All ranks' values, in their order."""
        return [value]

    def copy_start(self, params: Sequence[Weight]) -> None:
        """Takes weights, histories and the state of the random numbers from the first
        rank."""

    def check_alike(self, what: dict[str, object]) -> None:
        """Raises UserError, on every rank, where what is named differs between
        ranks."""

    def check_weights(self, params: Sequence[Weight], step: int) -> None:
        """Raises UserError, on every rank, where the ranks' weights are no longer the
        same bits."""

    def exchange(self, params: Sequence[Weight]) -> Exchange:
        """For the gradients of a model with these weights, on the board in use."""
        return Exchange()

    def close(self) -> None:
        """The end of a program that went well: gives back what exchanges hold, which
        nobody uses any more. Every rank has to call it."""

    def describe(self, batch_size: int, exchange: Exchange) -> str:
        """A line for the user on who has what part of a batch, and what happens to
        gradients; empty for one process."""
        return ""


ALONE = World()
