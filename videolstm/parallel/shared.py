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
from videolstm.errors import UserError
from videolstm.parallel.layout import ALIGNED, layout, place, size_of
from videolstm.parallel.progress import Progress
from videolstm.parallel.share import share_of
from videolstm.parallel.transport import sum_pieces
from videolstm.parallel.world import Exchange

if TYPE_CHECKING:
    from videolstm.models.param import Param

# What a user can set to 0 so that each rank has weights of its own.
VARIABLE = "VIDEOLSTM_SHARED_MEMORY"

# Where the memory that processes share comes from, on Linux; in containers it may be
# small, and to use more than there is ends the process.
PLACE = "/dev/shm"

# Elements that are added up at a time: they should still be in the cache when the step
# is taken with them.
_BLOCK = 2**16


class Piece:
    """The elements `part` of a weight, as vectors (1, n).

    Args:
        gradients: one of each rank of the machine. others: the weight, its history and,
            perhaps, its running root mean square. All of many weights, (1, end).
    """

    def __init__(
        self,
        param: Param,
        part: range,
        gradients: Sequence[cm.CUDAMatrix],
        others: Sequence[cm.CUDAMatrix],
    ) -> None:
        def cut(flat: cm.CUDAMatrix) -> cm.CUDAMatrix:
            return flat.col_slice(part.start, part.stop)

        self.param = param
        self.sum_of, *self.others = map(cut, gradients)
        self.w, self.history = map(cut, others[:2])
        self.rms = None if param.rms is None else cut(others[2])

    def sum(self) -> None:
        """Into the gradient of the machine's first rank, in the order of the ranks."""
        for other in self.others:
            self.sum_of.add(other)

    def step(self) -> None:
        self.param.step(self.w, self.history, self.sum_of, self.rms)


class SharedWeights:
    """Weights of some params with all that belongs to them, in memory that the ranks of
    a machine share: the matrices of each `Param` are moved there.

    `Param.dw` is each rank's own until `sum`; then that of the machine's first rank is
    the sum over the machine, and the others' mean nothing.
    """

    def __init__(self, params: Sequence[Param], machine: MPI.Comm) -> None:
        self.params = list(params)
        starts, end = layout(self.params)
        count = _others(self.params)
        size = end * np.dtype(cm.real_type()).itemsize
        own_size = size if machine.rank else size * (1 + count)
        self._window = _window(own_size, machine)
        gradients = [_flat(self._window, rank, 0, end) for rank in range(machine.size)]
        others = [_flat(self._window, 0, end * (1 + n), end) for n in range(count)]
        share = share_of(end // ALIGNED, machine.rank, machine.size)
        own = range(share.start * ALIGNED, share.stop * ALIGNED)
        # this rank's part of the sum, for messages to other machines
        self.values = gradients[0].__array__(copy=False)[0, own.start : own.stop]
        self.pieces: list[Piece] = []
        for param, start in zip(self.params, starts, strict=True):
            for part in _blocks(own, start, start + size_of(param)):
                self.pieces.append(Piece(param, part, gradients, others))
            _move(param, start, gradients[machine.rank], others, machine.rank == 0)
        machine.Barrier()

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


def needed(params: Sequence[Param], ranks: int) -> int:
    """Bytes that the ranks of a machine take for these weights together."""
    _, end = layout(params)
    return end * (ranks + _others(params)) * cm.real_type().itemsize


def can_have(count: int) -> bool:
    """Whether there are so many bytes that processes can share."""
    try:
        found = os.statvfs(PLACE)
    except OSError:  # no Linux: MPI knows another place
        return True
    return count <= found.f_bavail * found.f_frsize


def _others(params: Iterable[Param]) -> int:
    """How many matrices there are for a weight beside its gradient."""
    return 3 if any(param.rms is not None for param in params) else 2


def _window(size: int, machine: MPI.Comm) -> MPI.Win:
    try:
        return MPI.Win.Allocate_shared(size, comm=machine)
    except MPI.Exception as error:
        raise UserError(
            f"the MPI library gives the ranks of a machine no memory to share "
            f"({error}): set {VARIABLE}=0, so that each has weights of its own"
        ) from None


def _flat(window: MPI.Win, rank: int, start: int, count: int) -> cm.CUDAMatrix:
    """Elements of a rank's memory as a matrix (1, count)."""
    memory, _ = window.Shared_query(rank)
    kind = np.dtype(cm.real_type())
    values = np.frombuffer(memory, kind, count, start * kind.itemsize)
    return cm.from_dlpack(values.reshape(1, -1), copy=False)


def _blocks(own: range, start: int, stop: int) -> Iterable[range]:
    """What of the elements from `start` to `stop` is in `own`, block by block."""
    first, last = max(own.start, start), min(own.stop, stop)
    for begin in range(first, last, _BLOCK):
        yield range(begin, min(begin + _BLOCK, last))


def _move(param: Param, start: int, gradient, others, leads: bool) -> None:
    """Has the matrices of `param` be parts of these, which begin at `start`; the first
    rank takes their values there."""

    def move(matrix: cm.CUDAMatrix, flat: cm.CUDAMatrix) -> cm.CUDAMatrix:
        found = place(flat, param, start)
        return found.assign(matrix) if leads else found

    param.dw = place(gradient, param, start).assign(param.dw)
    param.w = move(param.w, others[0])
    param.history = move(param.history, others[1])
    if param.rms is not None:
        param.rms = move(param.rms, others[2])


class SharedExchange(Exchange):
    """Of the ranks of one machine, or of several with as many ranks on each.

    Every rank has to say `ready` of the same weights in the same order.

    Args:
        machine: the ranks of this machine. machines: on each machine the one that has
            this one's number there; itself alone where there is one machine.
    """

    def __init__(self, machine: MPI.Comm, machines: MPI.Comm) -> None:
        self._machine, self._machines = machine, machines
        self._many = machines.size > 1
        self._progress = Progress()
        self._shared: dict[str, SharedWeights] = {}
        self._complete: dict[str, list[MPI.Request]] = {}

    def ready(self, params: Iterable[Param]) -> None:
        params = list(params)
        name = params[0].name
        shared = self._shared.get(name)
        if shared is None or shared.params != params:  # or another model's
            self._wait()
            shared = self._shared[name] = SharedWeights(params, self._machine)
        requests: list[MPI.Request] = []
        if self._many:
            self._wait(name)
            self._machine.Barrier()  # all gradients of this machine are there
            shared.sum()
            requests = sum_pieces(self._machines, shared.values)
            self._progress.watch(requests)
        self._complete[name] = requests

    def update(self, params: Iterable[Param]) -> None:
        if not self._many:
            self._machine.Barrier()
        for name in self._complete:
            self._wait(name)
            self._shared[name].step(summed=self._many)
        # nobody reads a weight that is not new yet, or writes a gradient that is read
        self._machine.Barrier()
        for name in self._complete:
            for param in self._shared[name].params:
                param.t += 1
        self._complete.clear()

    def describe(self, mpi: str) -> str:
        text = f"they share their weights in memory of {mpi}"
        if not self._many:
            return text
        return f"those of a machine share their weights, and {mpi} adds up between them"

    def _wait(self, name: str | None = None) -> None:
        """For the messages about these weights, or for all."""
        for key in self._complete if name is None else {name} & {*self._complete}:
            requests = self._complete[key]
            if requests:
                with self._progress.paused():
                    MPI.Request.Waitall(requests)
                requests.clear()
