"""How gradients come to the MPI library and back.

* In the computer's own memory MPI adds up the matrices where they lie.
* On CUDA boards likewise, where the MPI library takes such memory, which it is given by
  `__cuda_array_interface__`.
* Where it does not, they go through page-locked memory of the host, since the board's
  copies are fast only with that.
"""

from __future__ import annotations

import ctypes as ct
import os
from abc import ABC, abstractmethod

import numpy as np
from mpi4py import MPI

import cudamat as cm
from cudamat.library import lib

# What a user can say where the question below gets the wrong answer.
VARIABLE = "VIDEOLSTM_CUDA_MPI"

# Bytes that are summed at a time: what MPI copies should still be in the cache when it
# is added. 130 MB between two processes of one machine took 57 to 80 ms in pieces of 8
# to 32 MB, and 166 ms in one.
PIECE = 16 * 2**20

# Variables by which some MPI libraries are told to take memory of CUDA boards.
_TOLD = ("MPICH_GPU_SUPPORT_ENABLED", "MV2_USE_CUDA")


class Transport(ABC):
    """Brings one matrix (1, n), always the same, to MPI and the sum back into it."""

    way = ""  # in words, after "adds up gradients"

    def __init__(self, matrix: cm.CUDAMatrix) -> None:
        self.matrix = matrix

    @abstractmethod
    def start(self, comm: MPI.Comm) -> list[MPI.Request]:
        """Begins to sum what is in the matrix, once that has been computed."""

    @abstractmethod
    def finish(self) -> None:
        """Called when these requests are complete: sees to it that the sum is in the
        matrix for all that is asked of the board from now on."""


class InPlace(Transport):
    """Matrices in the computer's own memory."""

    way = "where they lie"

    def __init__(self, matrix: cm.CUDAMatrix) -> None:
        super().__init__(matrix)
        self._values = matrix.__array__(copy=False)[0]

    def start(self, comm: MPI.Comm) -> list[MPI.Request]:
        return sum_pieces(comm, self._values)

    def finish(self) -> None:
        """Nothing: it is there."""


class OnBoard(Transport):
    """Matrices on a CUDA board, for an MPI that takes them."""

    way = "on the boards"

    def start(self, comm: MPI.Comm) -> list[MPI.Request]:
        # asking for the interface waits for the board
        return [comm.Iallreduce(MPI.IN_PLACE, BoardMemory(self.matrix), MPI.SUM)]

    def finish(self) -> None:
        """Nothing: it is there."""


class BoardMemory:
    """A matrix (1, n) on a CUDA board as the vector that its memory is."""

    def __init__(self, matrix: cm.CUDAMatrix) -> None:
        interface = matrix.__cuda_array_interface__
        size = (matrix.shape[1],)
        self.__cuda_array_interface__ = interface | {"shape": size, "strides": None}


class Staged(Transport):
    """Matrices on a CUDA board, through page-locked memory of the host."""

    way = "in page-locked memory of the host"

    def __init__(self, matrix: cm.CUDAMatrix) -> None:
        super().__init__(matrix)
        self._host = np.empty(matrix.size, cm.real_type())
        lib.cm_page_lock(self._host.ctypes.data, self._host.nbytes)

    def start(self, comm: MPI.Comm) -> list[MPI.Request]:
        lib.cm_copy_out(self._host.ctypes.data, self.matrix.mat.data, self._host.nbytes)
        return sum_pieces(comm, self._host)

    def finish(self) -> None:
        # The board may still be reading when this returns; the host writes there again
        # only after the next copy to it, which the board does after this one.
        lib.cm_copy_in(self.matrix.mat.data, self._host.ctypes.data, self._host.nbytes)

    def __del__(self) -> None:
        try:
            lib.cm_page_unlock(self._host.ctypes.data)
        except Exception:  # it was not locked, or the interpreter is shutting down
            pass


def sum_pieces(comm: MPI.Comm, values: np.ndarray) -> list[MPI.Request]:
    """Begins to sum a vector in the computer's own memory, piece by piece."""
    step = PIECE // values.itemsize
    return [
        comm.Iallreduce(MPI.IN_PLACE, values[start : start + step], MPI.SUM)
        for start in range(0, len(values), step)
    ]


def choose_transport() -> type[Transport]:
    """The transport for the board in use and the MPI library at hand."""
    if cm.load().kind == "cpu":
        return InPlace
    return OnBoard if takes_boards_memory() else Staged


def takes_boards_memory() -> bool:
    """Whether MPI can be given memory of a CUDA board: what the user says, else what
    the library was told, else what it answers itself; no where it knows of no such
    question."""
    said = os.environ.get(VARIABLE, "")
    if said in ("0", "1"):
        return said == "1"
    if any(os.environ.get(name, "0") not in ("", "0") for name in _TOLD):
        return True
    try:
        # a name that is looked up in a library is looked up in those it was linked to
        ask = ct.CDLL(MPI.__file__).MPIX_Query_cuda_support
    except (OSError, AttributeError):
        return False
    return bool(ask())
