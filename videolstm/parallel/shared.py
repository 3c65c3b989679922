"""Weights that the ranks of a machine share.

They lie once in memory that MPI makes for all ranks of a machine, and so do the
gradients that each of them computes. Where a sum is needed, every rank adds up a part
of the elements, and takes the step with them: no gradient is copied, and no rank does
what another one does.

With several machines, ranks of the same number on each of them add up their part over
the machines before the step.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from mpi4py import MPI

import cudamat as cm
from videolstm.parallel.layout import ALIGNED, layout, place, size_of
from videolstm.parallel.progress import Progress
from videolstm.parallel.share import share_of
from videolstm.parallel.transport import sum_pieces
from videolstm.parallel.world import Exchange

if TYPE_CHECKING:
    from videolstm.parallel.weight import Weight

# What a user can set to 0 so that each rank has weights of its own.
VARIABLE = "VIDEOLSTM_SHARED_MEMORY"

# Where the memory that processes share comes from, on Linux; in containers it may be
# small, and to use more than there is ends the process.
PLACE = "/dev/shm"

# Elements that are added up at a time: they should still be in the cache when the step
# is taken with them.
_BLOCK = 2**16


class SharedMemory:
    """Weights and all that belongs to them, in memory that the ranks of a machine
    share; the ranks' own gradients, too.

    Attributes:
        gradients: one of each rank of the machine, as vectors (1, end).
        others: the weights, their histories and, if there is any, their running root
            mean squares, likewise.
    """

    def __init__(self, params: Sequence[Weight], machine: MPI.Comm) -> None:
        """Raises MPI.Exception where the MPI library cannot give it."""
        self.machine = machine
        self.params = list(params)
        starts, self.end = layout(self.params)
        self.starts = {id(p): s for p, s in zip(self.params, starts, strict=True)}
        count = _others(self.params)
        size = self.end * np.dtype(cm.real_type()).itemsize
        own_size = size if machine.rank else size * (1 + count)
        self._window = MPI.Win.Allocate_shared(own_size, comm=machine)
        self._window.Lock_all(MPI.MODE_NOCHECK)
        self.gradients = [self._flat(rank, 0) for rank in range(machine.size)]
        self.others = [self._flat(0, 1 + number) for number in range(count)]

    def _flat(self, rank: int, number: int) -> cm.CUDAMatrix:
        """One of the vectors in the memory of a rank."""
        memory, _ = self._window.Shared_query(rank)
        kind = np.dtype(cm.real_type())
        start = number * self.end * kind.itemsize
        values = np.frombuffer(memory, kind, self.end, start)
        return cm.from_dlpack(values.reshape(1, -1), copy=False)

    def take(self) -> None:
        """Moves all matrices of each weight here, which but for its gradient have the
        values of the machine's first rank."""
        for param in self.params:
            self._move(param, self.starts[id(param)])
        self.meet()

    def _move(self, param: Weight, start: int) -> None:
        def move(matrix: cm.CUDAMatrix, flat: cm.CUDAMatrix) -> cm.CUDAMatrix:
            found = place(flat, param, start)
            return found.assign(matrix) if self.machine.rank == 0 else found

        own = place(self.gradients[self.machine.rank], param, start)
        param.dw = own.assign(param.dw)
        param.w = move(param.w, self.others[0])
        param.history = move(param.history, self.others[1])
        if param.rms is not None:
            param.rms = move(param.rms, self.others[2])

    def meet(self) -> None:
        """Returns when all ranks of the machine have come here; each sees then what the
        others had written before."""
        self._window.Sync()
        self.machine.Barrier()
        self._window.Sync()

    def free(self) -> None:
        """Gives the memory back: nobody may use the weights any more. Every rank has to
        call it."""
        self._window.Unlock_all()
        self._window.Free()


class Piece:
    """The elements `part` of a weight, as vectors (1, n)."""

    def __init__(self, param: Weight, part: range, memory: SharedMemory) -> None:
        def cut(flat: cm.CUDAMatrix) -> cm.CUDAMatrix:
            return flat.col_slice(part.start, part.stop)

        self.param = param
        self.sum_of, *self.others = map(cut, memory.gradients)
        self.w, self.history = map(cut, memory.others[:2])
        self.rms = None if param.rms is None else cut(memory.others[2])

    def sum(self) -> None:
        """Into the gradient of the machine's first rank, in the order of the ranks."""
        for other in self.others:
            self.sum_of.add(other)

    def step(self) -> None:
        self.param.step(self.w, self.history, self.sum_of, self.rms)


class Group:
    """Weights that are complete together, one after the other in the memory: what this
    rank does with them.

    Attributes:
        values: its part of the sum.
    """

    def __init__(self, params: Sequence[Weight], memory: SharedMemory) -> None:
        self.params = list(params)
        start = memory.starts[id(self.params[0])]
        sizes, length = layout(self.params)
        if [memory.starts[id(p)] for p in self.params] != [start + s for s in sizes]:
            raise ValueError("these weights do not follow each other in the model")
        machine = memory.machine
        share = share_of(length // ALIGNED, machine.rank, machine.size)
        own = range(start + share.start * ALIGNED, start + share.stop * ALIGNED)
        sum_of = memory.gradients[0].__array__(copy=False)
        self.values = sum_of[0, own.start : own.stop]
        self.pieces = [
            Piece(param, part, memory)
            for param, begin in zip(self.params, sizes, strict=True)
            for part in _blocks(own, start + begin, start + begin + size_of(param))
        ]
        self.requests: list[MPI.Request] = []

    def sum(self) -> None:
        """This rank's part of the sum over the machine."""
        for piece in self.pieces:
            piece.sum()

    def step(self, summed: bool) -> None:
        """This rank's part of the update; adds up before, unless that was done."""
        for piece in self.pieces:
            if not summed:
                piece.sum()
            piece.step()


def needed(params: Sequence[Weight], ranks: int) -> int:
    """Bytes that the ranks of a machine take for these weights together."""
    _, end = layout(params)
    return end * (ranks + _others(params)) * np.dtype(cm.real_type()).itemsize


def can_have(count: int) -> bool:
    """Whether there are so many bytes that processes can share."""
    try:
        found = os.statvfs(PLACE)
    except OSError:  # no Linux: MPI knows another place
        return True
    return count <= found.f_bavail * found.f_frsize


def _others(params: Iterable[Weight]) -> int:
    """How many matrices there are for a weight beside its gradient."""
    return 3 if any(param.rms is not None for param in params) else 2


def _blocks(own: range, start: int, stop: int) -> Iterable[range]:
    """What of the elements from `start` to `stop` is in `own`, block by block."""
    first, last = max(own.start, start), min(own.stop, stop)
    for begin in range(first, last, _BLOCK):
        yield range(begin, min(begin + _BLOCK, last))


class SharedExchange(Exchange):
    """Of the ranks of one machine, or of several with as many ranks on each.

    Every rank has to say `ready` of the same weights in the same order. From then on
    `Weight.dw` is each rank's own until `update`; then that of the machine's first rank
    is the sum over all ranks, and the others' mean nothing.

    Args:
        memory: whose params were moved there.
        machines: on each machine the rank that has this one's number there; itself
            alone where there is one machine.
    """

    def __init__(self, memory: SharedMemory, machines: MPI.Comm) -> None:
        self._memory, self._machines = memory, machines
        self._many = machines.size > 1
        self._progress = Progress()
        self._groups: dict[int, Group] = {}
        self._complete: list[Group] = []

    def ready(self, params: Iterable[Weight]) -> None:
        params = list(params)
        group = self._groups.get(id(params[0]))
        if group is None:
            group = self._groups[id(params[0])] = Group(params, self._memory)
        again = group in self._complete  # a backward pass that no update followed
        if again:
            self._wait(group)
        if self._many:
            self._memory.meet()  # all gradients of this machine are there
            group.sum()
            group.requests = sum_pieces(self._machines, group.values)
            self._progress.watch(group.requests)
        if not again:
            self._complete.append(group)

    def update(self, params: Iterable[Weight]) -> None:
        if not self._many:
            self._memory.meet()
        for group in self._complete:
            self._wait(group)
            group.step(summed=self._many)
        # nobody reads a weight that is not new yet, or writes a gradient that is read
        self._memory.meet()
        for group in self._complete:
            for param in group.params:
                param.t += 1
        self._complete.clear()

    def _wait(self, group: Group) -> None:
        if group.requests:
            self._progress.wait(group.requests)
            group.requests = []

    def describe(self, mpi: str) -> str:
        if self._many:
            between = f"{mpi} adds up between them"
            return f"those of a machine share their weights, and {between}"
        return f"they share their weights in memory of {mpi}"

    def close(self) -> None:
        self._memory.free()
