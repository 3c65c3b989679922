"""Matrices and PyCUDA's arrays in the same memory.

PyCUDA is an extra (``pip install .[cuda]``) that is imported when it is asked for. Our
memory belongs to the board's primary context, so that is the one that PyCUDA gets: its
kernels can then work on our matrices, and our operations on its arrays. PyCUDA launches
on the default stream, which waits for ours and ours for it.
"""

from __future__ import annotations

import atexit

import numpy as np

from .capsule import CUDA
from .dlpack import shared
from .interop import Lease, SharingError, array_interface, board_of, spoken
from .library import CUDAMatException, lib, load
from .matrix import CUDAMatrix, need_matrix

_contexts: dict[int, object] = {}  # PyCUDA's contexts that we pushed, by board


def to_gpuarray(matrix: CUDAMatrix):
    """A ``pycuda.gpuarray.GPUArray`` in the matrix's memory, which stays as long as the
    array does.

    Makes the board's primary context PyCUDA's current one, until the program ends.
    Kernels see the elements column by column (of a transposed view, row by row).

    Raises CUDAMatException without PyCUDA, and SharingError with the CPU library.
    """
    need_matrix(matrix, "the matrix")
    if lib.kind != "cuda":
        raise SharingError(
            "PyCUDA works on CUDA boards, but the cpu library is in use; choose the "
            "other one by load('cuda') before the first matrix is made"
        )
    gpuarray = _import_gpuarray()
    lease = Lease(matrix)
    lib.cm_synchronize()
    interface = array_interface(matrix)
    return gpuarray.GPUArray(
        interface["shape"],
        lib.dtype,
        base=lease,
        gpudata=interface["data"][0],
        strides=interface["strides"],
    )


def from_gpuarray(array, *, copy: bool | None = None) -> CUDAMatrix:
    """A matrix in the memory of a ``pycuda.gpuarray.GPUArray``, or of any other array
    with ``__cuda_array_interface__``, which stays as long as the matrix does.

    The array has two dimensions, the library's real type, and packed columns or packed
    rows (the matrix is then a transposed view). Its memory belongs to the primary
    context, which ``import pycuda.autoprimaryctx`` or `to_gpuarray` gives to PyCUDA,
    and ``pycuda.autoinit`` does not.

    Raises SharingError where it cannot be shared; with ``copy=True`` what could be
    shared is copied.
    """
    load()
    try:
        interface = dict(array.__cuda_array_interface__)
        read_only = bool(interface["data"][1])
        # numpy's interface has the same words; see capsule.py for why numpy may stand
        # for memory on a board
        stand_in = np.asarray(_StandIn(array, interface))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CUDAMatException(
            "from_gpuarray takes an array on a CUDA board, but it was given "
            f"{spoken(array)}: {error}"
        ) from None
    board = board_of(interface["data"][0] or None)
    return shared(stand_in, (CUDA, board), read_only, copy)


class _StandIn:
    """An array's address, shape and strides, for numpy; keeps the array."""

    def __init__(self, array, interface: dict) -> None:
        self.array = array
        names = ("shape", "typestr", "strides", "data")
        self.__array_interface__ = {name: interface.get(name) for name in names}
        self.__array_interface__["version"] = 3


def _import_gpuarray():
    """``pycuda.gpuarray``, with the primary context of the board in use as its
    context."""
    try:
        import pycuda.driver as driver

        driver.init()
        board = board_of(None)
        if board not in _contexts:
            context = driver.Device(board).retain_primary_context()
            context.push()
            _contexts[board] = context
            atexit.register(_leave, context)
        from pycuda import gpuarray
    except ImportError as error:
        raise CUDAMatException(
            f"PyCUDA cannot be imported ({error}): 'pip install .[cuda]' installs it, "
            "and it needs a CUDA driver"
        ) from None
    return gpuarray


def _leave(context) -> None:
    """What PyCUDA wants to be done at the end: an empty stack of contexts."""
    from pycuda.tools import clear_context_caches

    context.pop()
    _contexts.clear()
    clear_context_caches()
