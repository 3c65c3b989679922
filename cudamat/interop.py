"""What lets other libraries use our matrices: numpy, and all that speak DLPack or the
CUDA array interface, among them PyTorch, JAX, CuPy and Numba.

Memory is shared, not copied, and stays as long as anybody uses it. On a CUDA board what
has been asked of a matrix is finished before it is handed over; work on it elsewhere
is ordered with ours as long as it runs on the default stream.
"""

from __future__ import annotations

import ctypes as ct

import numpy as np

from .capsule import CPU, CUDA, Capsule, Device
from .library import CUDAMatException, lib

_PRINTED = 1000  # elements; numpy abbreviates arrays with more


class SharingError(CUDAMatException, BufferError, ValueError):
    """Memory cannot be shared as asked.

    Also a BufferError, which DLPack asks for, and a ValueError, which numpy does.
    """


class Lease:
    """A matrix's memory in the hands of another library, for as long as this lives.

    numpy makes an array of it, and of that a DLPack capsule. Where the memory is a CUDA
    board's the array must not be touched.
    """

    def __init__(self, matrix) -> None:
        self._entries: list | None = None
        interface = array_interface(matrix)
        if not interface["data"][0]:  # an empty matrix; numpy before 2.0 needs a place
            interface["data"] = (lib.dtype.itemsize, False)
        self.__array_interface__ = interface
        self.buffer = matrix.buffer
        self._entries = self.buffer.lent
        self._entries.append(interface["data"])

    def __del__(self) -> None:
        if self._entries:
            self._entries.pop()


def array_interface(matrix) -> dict:
    """Where a matrix lies, in the words of numpy's array interface, version 3."""
    mat = matrix.mat
    if mat.data is None and matrix.size:
        raise CUDAMatException(
            f"the matrix of shape {matrix.shape} has no memory (was it freed?)"
        )
    rows, cols = matrix.shape
    item = lib.dtype.itemsize
    return {
        "version": 3,
        "shape": (rows, cols),
        "typestr": lib.dtype.str,
        "strides": (cols * item, item) if mat.trans else (item, rows * item),
        "data": (mat.data or 0, False),
    }


def spoken(value) -> str:
    """What a message says of a wrong argument."""
    return "None" if value is None else f"an object of type {type(value).__name__}"


def board_of(address: int | None) -> int:
    """Number of the board that memory is on; of the board in use for None."""
    board = ct.c_int()
    lib.cm_board_of(address, ct.byref(board))
    return board.value


def _wait_for(stream) -> None:
    """Finishes what has been asked of the board, where a consumer needs that.

    `stream` as in DLPack: -1 for no waiting; None and the number of a stream want it.
    """
    if stream is not None and lib.kind == "cpu":
        raise SharingError(f"stream {stream!r} was given for memory on the CPU: None")
    if stream == 0:
        raise SharingError("stream 0 may mean two streams: 1 is the default stream")
    if stream != -1:
        lib.cm_synchronize()


class Interop:
    """What a CUDAMatrix offers to other libraries."""

    # ------------------------------------------------------------------- numpy

    def __array__(self, dtype=None, copy: bool | None = None) -> np.ndarray:
        """``np.asarray(matrix)``: the values as a numpy array of their own, Fortran
        order unless transposed.

        With ``copy=False`` the array shares the matrix's memory, which needs the CPU
        library and its real type; SharingError otherwise.
        """
        if copy is False:
            if lib.kind != "cpu":
                raise SharingError("values on a CUDA board can only be copied")
            if dtype not in (None, lib.dtype):
                raise SharingError(
                    f"values of {lib.dtype} become {np.dtype(dtype)} only by a copy"
                )
            return np.asarray(Lease(self))
        array_interface(self)  # which says so if the memory is gone
        order = "C" if self.mat.trans else "F"
        array = np.empty(self.shape, lib.dtype, order)
        lib.cm_copy_out(array.ctypes.data, self.mat.data, array.nbytes)
        return array if dtype is None else array.astype(dtype, copy=False)

    # ------------------------------------------------------------------- DLPack

    def __dlpack_device__(self) -> Device:
        """Where the memory is: (kDLCPU, 0), or kDLCUDA and the board's number."""
        if lib.kind == "cpu":
            return CPU, 0
        return CUDA, self._board()

    def __dlpack__(
        self,
        *,
        stream=None,
        max_version: tuple[int, int] | None = None,
        dl_device: Device | None = None,
        copy: bool | None = None,
    ):
        """A DLPack capsule of the matrix's memory, for ``from_dlpack`` of another
        library.

        `stream` is where the consumer will work (-1: it does not care); `max_version`
        from (1, 0) up brings a capsule with a version. With `copy`, or where a matrix
        on a CUDA board is asked for on the host (`dl_device`), the capsule has memory
        of its own.
        """
        here = self.__dlpack_device__()
        if dl_device in (None, here):
            source = self.copy() if copy else self
        elif tuple(dl_device) == (CPU, 0) and copy is not False:
            return self._host_capsule(max_version)
        else:
            raise SharingError(
                f"the matrix is on device {here}, and there is no sharing it with "
                f"device {tuple(dl_device)}"
            )
        _wait_for(stream)
        capsule = Capsule(_numpy_capsule(np.asarray(Lease(source)), max_version))
        capsule.device = here
        if copy:
            capsule.mark_as_copied()
        return capsule.capsule

    def _host_capsule(self, max_version):
        capsule = Capsule(_numpy_capsule(self.__array__(), max_version))
        capsule.mark_as_copied()
        return capsule.capsule

    # ------------------------------------------------------------------- CUDA arrays

    @property
    def __cuda_array_interface__(self) -> dict:
        """The CUDA array interface, version 3, of a matrix on a CUDA board.

        What has been asked of the board is finished, so that any stream may go on.
        """
        if lib.kind != "cuda":
            raise AttributeError(
                "__cuda_array_interface__: the matrix is not on a CUDA board"
            )
        interface = array_interface(self)
        lib.cm_synchronize()
        return interface | {"stream": None}

    # ------------------------------------------------------------------- print

    def __repr__(self) -> str:
        """Shape, type and board; the values of all but large matrices."""
        kind = ", transposed view" if self.mat.trans else ""
        try:
            board = "cpu" if lib.kind == "cpu" else f"CUDA board {self._board()}"
            line = f"CUDAMatrix {self.shape} of {lib.dtype} on {board}{kind}"
            if self.size == 0 or self.size > _PRINTED:
                return line
            if self.mat.data is None:
                return f"{line}, freed"
            return f"{line}\n{np.asarray(self)}"
        except CUDAMatException as error:  # a board that is lost, in a debugger
            return f"CUDAMatrix {self.shape} of {lib.dtype}{kind}; {error}"

    def _board(self) -> int:
        return board_of(self.mat.data)


def _numpy_capsule(array: np.ndarray, max_version):
    """numpy's capsule; before 2.1 it knows of no versions, and asks for none."""
    if max_version is None:
        return array.__dlpack__()
    try:
        return array.__dlpack__(max_version=max_version)
    except TypeError:
        return array.__dlpack__()
