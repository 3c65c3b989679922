"""Matrices in memory that belongs to other libraries."""

from __future__ import annotations

import numpy as np

from .capsule import (
    CPU,
    CUDA,
    CUDA_HOST,
    CUDA_MANAGED,
    READ_ONLY,
    VERSION,
    Capsule,
    Device,
)
from .interop import SharingError, board_of, spoken
from .library import CUDAMatException, lib, load
from .matrix import Buffer, CUDAMatrix

LEGACY_DEFAULT_STREAM = 1  # ours waits for it, and it for ours


class BorrowedBuffer(Buffer):
    """Memory of another library, given back when the last matrix that uses it is gone.

    `owner` is whatever keeps the memory alive.
    """

    def __init__(self, pointer: int | None, nbytes: int, owner) -> None:
        self.nbytes = nbytes
        self.pointer = pointer
        self.lent = []
        self.owner = owner

    def free(self) -> None:
        self.pointer = self.owner = None


def borrow(pointer: int, shape, transposed: bool, owner) -> CUDAMatrix:
    """The matrix of `shape` at `pointer`, column by column or, `transposed`, row by
    row."""
    rows, cols = shape
    nbytes = rows * cols * lib.dtype.itemsize
    buffer = BorrowedBuffer(pointer or None, nbytes, owner)
    return CUDAMatrix._view(buffer, 0, rows, cols, int(transposed))


def from_dlpack(x, /, *, copy: bool | None = None) -> CUDAMatrix:
    """A matrix that shares the memory of `x`: an array or tensor of numpy, PyTorch,
    JAX, CuPy or any other library with ``__dlpack__``.

    Shared is what has two dimensions, the library's real type and packed columns, or
    packed rows (C order), which makes the matrix a transposed view. The memory stays
    as long as the matrix does.

    Args:
        x: on the host for the CPU library, on the board in use for the CUDA library.
        copy: None copies what is on the host and cannot be shared (another layout or
            type, read-only, or wanted on a CUDA board); True always copies; False never
            does.

    Raises SharingError where `x` cannot be shared and is not to be, or cannot be,
    copied; the message says why. Raises CUDAMatException where it is no such tensor.
    """
    load()
    capsule = _capsule_of(x)
    device = capsule.device
    read_only = bool(capsule.flags & READ_ONLY)
    try:
        array = capsule.take()
    except (BufferError, RuntimeError, TypeError) as error:
        raise SharingError(f"numpy cannot stand for this tensor: {error}") from None
    return shared(array, device, read_only, copy)


def shared(
    array: np.ndarray, device: Device, read_only: bool, copy: bool | None
) -> CUDAMatrix:
    """A matrix in the memory on `device` that `array` stands for, or a copy; `copy` as
    in `from_dlpack`."""
    if array.ndim != 2:
        raise CUDAMatException(
            f"a tensor of shape {array.shape} was given; a matrix has 2 dimensions"
        )
    on_host = device[0] in (CPU, CUDA_HOST)
    problem = _why_elsewhere(*device) or _why_not(array, read_only and not copy)
    if on_host and (copy or (problem and copy is None)):
        return CUDAMatrix(array)
    if problem:
        hint = "" if on_host else "; convert or copy it where it comes from"
        raise SharingError(f"this tensor cannot be shared: {problem}{hint}")
    transposed = not array.flags.f_contiguous
    matrix = borrow(array.ctypes.data, array.shape, transposed, array)
    return matrix.copy() if copy else matrix


def _capsule_of(x) -> Capsule:
    """The capsule of `x`, with a version where its maker knows of them."""
    try:
        kind, _ = x.__dlpack_device__()
        # PyTorch and CuPy order their work with ours; there is no stream on the host.
        on_board = kind in (CUDA, CUDA_MANAGED)
        stream = {"stream": LEGACY_DEFAULT_STREAM} if on_board else {}
        try:
            capsule = x.__dlpack__(max_version=VERSION, **stream)
        except TypeError:  # it is older than versions
            capsule = x.__dlpack__(**stream)
    except AttributeError:
        raise CUDAMatException(
            f"from_dlpack takes an array or a tensor with __dlpack__, but it was given "
            f"{spoken(x)}"
        ) from None
    except (BufferError, RuntimeError, ValueError) as error:
        # numpy before 2.1 and a read-only array, a tensor that needs its gradient, ...
        raise SharingError(f"this tensor cannot be shared: {error}") from None
    try:
        return Capsule(capsule)
    except TypeError as error:
        raise SharingError(f"this tensor cannot be shared: {error}") from None


def _why_elsewhere(kind: int, board: int) -> str:
    """Why the loaded library cannot reach the tensor; empty where it can."""
    if lib.kind == "cpu":
        if kind in (CPU, CUDA_HOST):
            return ""
        return f"it is on device {(kind, board)}, where the cpu library cannot reach"
    if kind not in (CUDA, CUDA_MANAGED):
        return "it is on the host, where the cuda library cannot reach"
    if kind == CUDA and board != board_of(None):
        return f"it is on CUDA board {board}, and board {board_of(None)} is in use"
    return ""


def _why_not(array: np.ndarray, read_only: bool) -> str:
    """Why memory in reach cannot be a matrix's; empty where it can."""
    if array.dtype != lib.dtype:
        return f"it holds {array.dtype}, and matrices {lib.dtype}"
    if read_only:
        return "it is read-only, and matrices are not"
    if not (array.flags.f_contiguous or array.flags.c_contiguous):
        return (
            f"neither its columns nor its rows are packed (strides {array.strides} in "
            "bytes)"
        )
    if array.ctypes.data % lib.dtype.itemsize:
        return f"it starts in the middle of a {lib.dtype}"
    return ""
