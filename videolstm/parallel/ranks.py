"""The ranks that an MPI launcher has started, by mpi4py.

Importing this initialises MPI; nothing but `videolstm.parallel.program` does.
"""

from __future__ import annotations

import os
import pickle
import socket
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from mpi4py import MPI

import cudamat as cm
from videolstm.errors import UserError
from videolstm.parallel import shared
from videolstm.parallel.exchange import GradientExchange
from videolstm.parallel.shared import SharedExchange, SharedMemory
from videolstm.parallel.transport import choose_transport
from videolstm.parallel.world import Exchange, World

if TYPE_CHECKING:
    from videolstm.parallel.weight import Weight

T = TypeVar("T")

# Variables by which a user says how many threads there should be.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Ranks(World):
    """All processes of MPI's COMM_WORLD; see `World`. Every rank has to make the same
    calls in the same order.

    Attributes:
        mpi: name and version of the MPI library.
    """

    def __init__(self) -> None:
        self.comm = MPI.COMM_WORLD
        self.rank, self.ranks = self.comm.rank, self.comm.size
        self._machine = self.comm.Split_type(MPI.COMM_TYPE_SHARED)
        self._meeting = self.comm.Dup()  # where no other message can be in the way
        self.mpi = _library()
        self._exchanges: list[Exchange] = []

    @property
    def local_rank(self) -> int:
        return self._machine.rank

    def threads(self) -> int | None:
        mine = processors()
        everybody = self._machine.allgather(mine)
        if any(os.environ.get(name) for name in _THREADS):
            return None
        return fair_share(mine, everybody)

    # ------------------------------------------------------------------- agreeing

    def lead(self, make: Callable[[], T]) -> T:
        value = error = None
        if self.leads:
            try:
                value = make()
            except (UserError, cm.CUDAMatException) as found:
                error = found
        value, error = self.comm.bcast((value, error))
        if error is not None:
            raise error
        return value

    def alike(self, action: Callable[[], T]) -> T:
        value = own = None
        try:
            value = action()
        except Exception as error:
            own = error
        if self.most(own is not None):
            found = self.comm.allgather(None if own is None else portable(own))
            raise own or next(error for error in found if error is not None)
        return value

    def most(self, value: int) -> int:
        found = np.empty(1, np.int64)
        self.comm.Allreduce(np.array([value], np.int64), found, MPI.MAX)
        return int(found[0])

    def sum(self, values: np.ndarray | Sequence[float]) -> np.ndarray:
        own = np.ascontiguousarray(values, np.float64)
        found = np.empty((self.ranks, *own.shape))
        self.comm.Allgather(own, found)
        # here and not by MPI, which does not promise the same bits to every rank
        return found.sum(axis=0)

    def gather(self, value: T) -> list[T]:
        return self.comm.allgather(value)

    # ------------------------------------------------------------------- being alike

    def copy_start(self, params: Sequence[Weight]) -> None:
        state = cm.random_state
        counts = [param.t for param in params]
        state.seed, state.offset, counts = self.comm.bcast(
            (state.seed, state.offset, counts)
        )
        for param, count in zip(params, counts, strict=True):
            param.t = count
            for matrix in _matrices(param):
                values = np.array(matrix)  # not asarray, whose result a matrix keeps
                self.comm.Bcast(values)
                if not self.leads:
                    matrix.overwrite(values)

    def check_alike(self, what: Mapping[str, object]) -> None:
        first = self.comm.bcast(dict(what))
        other = next((name for name in what if what[name] != first.get(name)), None)
        found = self.comm.allgather((other, socket.gethostname()))
        for rank, (name, host) in enumerate(found):
            if name is not None:
                raise UserError(
                    f"rank {rank}, on {host}, has another {name} than rank 0, on "
                    f"{found[0][1]}: all ranks need the same files, options and build"
                )

    def check_weights(self, params: Sequence[Weight], step: int) -> None:
        check = 0
        for param in params:
            for matrix in _matrices(param):
                check = zlib.crc32(np.asarray(matrix).T.ravel(), check)
        checks = self.comm.allgather((check, socket.gethostname()))
        for rank, (found, host) in enumerate(checks):
            if found != checks[0][0]:
                raise UserError(
                    f"the weights of rank {rank}, on {host}, are not the bits of rank "
                    f"0, on {checks[0][1]}, after step {step}: ranks that train "
                    "together need the same build on the same kind of processor or "
                    "board"
                )

    # ------------------------------------------------------------------- gradients

    def exchange(self, params: Sequence[Weight]) -> Exchange:
        found, note = self._shared_exchange(params)
        if found is None:
            found = GradientExchange(self.comm.Dup(), choose_transport(), note)
        self._exchanges.append(found)
        return found

    def _shared_exchange(self, params: Sequence[Weight]) -> tuple[Exchange | None, str]:
        """For ranks that share their weights; None and, for the user, why not."""
        here = self._machine.size
        able = cm.load().kind == "cpu" and os.environ.get(shared.VARIABLE) != "0"
        needed = shared.needed(params, here)
        short = able and here > 1 and not shared.can_have(needed)
        found = self.comm.allgather((able, here, short, socket.gethostname()))
        if not all(able for able, *_ in found) or all(n == 1 for _, n, *_ in found):
            return None, ""
        if len({there for _, there, *_ in found}) > 1:
            return None, " (machines with as many ranks each would share weights)"
        for *_, short, host in found:
            if short:
                size = f"{needed / 2**20:.0f} MiB of {shared.PLACE}"
                return None, f" (to share weights, {host} lacks {size})"
        memory, error = None, ""
        try:
            memory = SharedMemory(params, self._machine.Dup())
        except MPI.Exception as problem:
            error = " ".join(str(problem).split())
        for text in self.comm.allgather(error):
            if text:  # what one rank has got is left until the end of the program
                return None, f" (the ranks of a machine get no memory to share: {text})"
        memory.take()
        return SharedExchange(memory, self.comm.Split(self.local_rank)), ""

    def close(self) -> None:
        # some MPI libraries do not end well without
        for exchange in self._exchanges:
            exchange.close()
        self._exchanges.clear()

    # ------------------------------------------------------------------- the end

    def meet(self) -> MPI.Request:
        """Completes once every rank has called this."""
        return self._meeting.Ibarrier()

    def abort(self, status: int) -> None:
        """Ends every rank, this one too."""
        self.comm.Abort(status)

    # ------------------------------------------------------------------- in words

    def describe(self, batch_size: int, exchange: Exchange) -> str:
        about = (self.local_rank, len(self.share_of(batch_size)), cm.threads())
        numbers, cases, threads = zip(*self.comm.allgather(about), strict=True)
        machines = numbers.count(0)
        where = "one machine" if machines == 1 else f"{machines} machines"
        parts = [f"{_span(cases, 'case')} of each batch"]
        if cm.load().kind == "cpu":
            parts.append(_span(threads, "thread"))
        return (
            f"{self.ranks} ranks on {where}, each with {' and '.join(parts)}; "
            f"{exchange.describe(self.mpi)}"
        )


def portable(error: Exception) -> Exception:
    """The error as other ranks can raise it."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a class of somebody else's does when it is pickled
        return RuntimeError(f"{type(error).__name__}: {error}")


def processors() -> set[int]:
    """Numbers of the processors that this process may use."""
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not on every system
        return set(range(os.cpu_count() or 1))


def fair_share(mine: set[int], everybody: Sequence[set[int]]) -> int:
    """How many threads a process should have that may use the processors `mine`, where
    the processes of `everybody`, among them this one, may use theirs."""
    share = sum(1 / sum(number in other for other in everybody) for number in mine)
    return max(1, int(share + 1e-6))


def _matrices(param: Weight) -> list[cm.CUDAMatrix]:
    """What an update of a weight changes."""
    found = (param.w, param.history, param.rms)
    return [matrix for matrix in found if matrix is not None]


def _library() -> str:
    """Such as ``MPICH 4.3.1``."""
    name, version = MPI.get_vendor()
    return f"{name} {'.'.join(map(str, version))}"


def _span(counts: Sequence[int], noun: str) -> str:
    least, most = min(counts), max(counts)
    text = str(most) if least == most else f"{least} to {most}"
    return f"{text} {noun}{'s' if most != 1 else ''}"
