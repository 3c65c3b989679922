"""Matrices on the board: `CUDAMatrix`, put together from its parts, and what makes
them."""

from __future__ import annotations

import operator

import numpy as np

from .arithmetic import Arithmetic
from .base import Base, need_matrix
from .buffer import NOTHING, Buffer
from .interop import Interop, SharingError
from .library import CUDAMatException, lib, load
from .parts import Parts
from .random import Randomness
from .reductions import Reductions
from .softmax import Softmax


def reformat(array, copy: bool = True) -> np.ndarray:
    """`array` as a 2-D numpy array of the library's real type in Fortran order.

    With ``copy=False`` the array itself is returned where it already is all that.
    """
    load()
    array = _host_array(array)
    if array.ndim != 2:
        raise CUDAMatException(
            f"an array of shape {array.shape} was given; a matrix has 2 dimensions"
        )
    return np.array(array, dtype=lib.dtype, order="F", copy=True if copy else None)


def _host_array(array) -> np.ndarray:
    """`array` as a numpy array of numbers that are or become reals."""
    try:
        array = np.asarray(array)
        if array.dtype.kind == "c":
            raise TypeError("they are complex")
        return array if array.dtype.kind in "biuf" else array.astype(lib.dtype)
    except (TypeError, ValueError) as error:
        raise CUDAMatException(f"this is no array of real numbers: {error}") from None


class CUDAMatrix(Arithmetic, Reductions, Parts, Softmax, Randomness, Interop):
    """A matrix on the board, column-major, of the library's real type.

    Args:
        array: 2-D array-like; kept as `numpy_array`, in Fortran order.
        copy_to_device: whether the values go to the board at once.
        copy_on_host: False may use the given array's own memory as `numpy_array`.

    Attributes:
        ones: after `cublas_init` a column of ones, else 0. (Nothing here needs it.)

    Operations work in place unless `target` names another matrix of the right shape;
    they return the matrix that they wrote. A view (`slice`, `T`) shares memory with the
    matrix it was taken from and keeps that memory alive. Wrong shapes, overlapping
    targets and freed matrices raise CUDAMatException.
    """

    ones: CUDAMatrix | int = 0

    def __init__(
        self, array, copy_to_device: bool = True, copy_on_host: bool = True
    ) -> None:
        host = reformat(array, copy_on_host)
        self._adopt(Buffer(host.nbytes), 0, *host.shape)
        self._owns = True
        self.numpy_array = host
        if copy_to_device:
            self._bring(host)

    # ------------------------------------------------------------------- shape

    def reshape(self, shape: tuple[int, int]) -> CUDAMatrix:
        """Takes another shape of as many elements, column by column, in place; so does
        `numpy_array`. One extent may be -1: what is left."""
        rows, cols = self._other_shape(shape)
        if self.mat.trans and 1 not in self.shape:
            raise CUDAMatException(
                "a transposed view cannot be reshaped; copy it first"
            )
        self._mat.rows, self._mat.cols, self._mat.trans = rows, cols, 0
        if self.numpy_array is not None:
            self.numpy_array = self.numpy_array.reshape((rows, cols), order="F")
        return self

    def _other_shape(self, shape) -> tuple[int, int]:
        rows, cols = _two_whole_numbers(shape)
        if rows == -1 and cols > 0:
            rows = self.size // cols
        elif cols == -1 and rows > 0:
            cols = self.size // rows
        if rows < 0 or cols < 0 or rows * cols != self.size:
            raise CUDAMatException(
                f"a matrix of shape {self.shape} cannot take the shape {tuple(shape)}"
            )
        return rows, cols

    def set_trans(self, is_trans: bool) -> None:
        """Sees what is stored transposed (True) or as it is (False), in place; shape
        and `numpy_array` follow."""
        if bool(is_trans) == bool(self._mat.trans):
            return
        mat = self._mat
        mat.rows, mat.cols, mat.trans = mat.cols, mat.rows, int(bool(is_trans))
        if self.numpy_array is not None:
            self.numpy_array = self.numpy_array.T

    def transpose(self, target=None) -> CUDAMatrix:
        """A transposed copy, in a new matrix unless a target is given. (`T` is a
        view.)"""
        rows, cols = self.shape
        target = self._new(cols, rows) if target is None else target
        lib.cm_copy(self.T, target)
        return target

    # ------------------------------------------------------------------- host

    def copy_to_device(self) -> None:
        """Brings the values of `numpy_array` to the board, where memory that was freed
        is had anew."""
        if self.numpy_array is None:
            raise CUDAMatException(
                "this matrix has no values on the host; copy_to_host() brings them"
            )
        host = _host_array(self.numpy_array)
        self._need_shape(host)
        if self.size and self._owns and self.buffer.pointer is None:
            self._adopt(Buffer(self.size * lib.dtype.itemsize), 0, *self.shape)
            self.numpy_array = host
        self._bring(host)

    def copy_to_host(self) -> None:
        """Brings the values of the board to `numpy_array`, made if it is not there."""
        rows, cols = self.shape
        stored = (cols, rows) if self.mat.trans else (rows, cols)
        host = np.empty(stored, lib.dtype, order="F")
        lib.cm_copy_out(host.ctypes.data, self.mat.data, host.nbytes)
        host = host.T if self.mat.trans else host
        if self.numpy_array is not None and self.numpy_array.shape == self.shape:
            self.numpy_array[...] = host
        else:
            self.numpy_array = host

    def asarray(self) -> np.ndarray:
        """The values as a numpy array (rows, cols); it is `numpy_array`."""
        self.copy_to_host()
        return self.numpy_array

    def overwrite(self, array, copy_to_device: bool = True) -> CUDAMatrix:
        """Takes the values of a host array of the same shape. A matrix that is no view
        takes also the shape of an array with fewer elements, and may grow again as far
        as its memory reaches.

        An array that is in Fortran order and of the library's real type is copied as it
        is; the board may still be reading it on return (wait with `cuda_sync_threads`).
        Without `copy_to_device` it only becomes `numpy_array`.
        """
        host = _host_array(array)
        if host.shape != self.shape:
            self._resize(host)
        if copy_to_device:
            self._bring(host)
        else:
            self.numpy_array = reformat(host)
        return self

    def upload(self, array) -> CUDAMatrix:
        """Takes the values of a host array of the same shape, which may change as soon
        as this returns. On a CUDA board that goes on beside the work that was asked for
        before; what is asked for next comes after it."""
        host = _host_array(array)
        self._need_shape(host)
        self._bring(host, lib.cm_upload)
        return self

    def _resize(self, host: np.ndarray) -> None:
        """Takes the shape of an array that has room."""
        room = self.buffer.nbytes // lib.dtype.itemsize if self._owns else 0
        fits = host.ndim == 2 and host.size <= room and host.size != self.size
        if not fits or self.mat.trans:
            self._need_shape(host)
        self._mat.rows, self._mat.cols = host.shape
        self.numpy_array = None

    def _bring(self, host: np.ndarray, copy=None) -> None:
        """The values of an array of this shape go to the board."""
        host = np.asfortranarray(host.T if self.mat.trans else host, lib.dtype)
        copy = copy or lib.cm_copy_in
        copy(self.mat.data, host.ctypes.data, host.nbytes)

    def _need_shape(self, host: np.ndarray) -> None:
        if host.shape != self.shape:
            raise CUDAMatException(
                f"an array of shape {host.shape} was given for a matrix of shape "
                f"{self.shape}"
            )

    def free_device_memory(self) -> None:
        """Frees the memory now; using the matrix, or any view of it, again raises
        CUDAMatException. Of a view only the view goes.

        Raises SharingError where other libraries use the memory through DLPack.
        """
        if not self._owns:
            self.buffer = NOTHING
            return
        if self.buffer.lent:
            raise SharingError(
                "this memory cannot be freed while arrays of other libraries use it; "
                f"there are {len(self.buffer.lent)} of them"
            )
        self.buffer.free()

    # ------------------------------------------------------------------- values

    def assign(self, val) -> CUDAMatrix:
        """Takes the values of a matrix of the same shape, or of a number."""
        if isinstance(val, Base):
            lib.cm_copy(val, self)
        else:
            lib.cm_fill(self, val)
        return self

    def copy(self, include_host: bool = False) -> CUDAMatrix:
        """A new matrix of the same shape and values, with `include_host` also those of
        `numpy_array`."""
        matrix = self._new(*self.shape).assign(self)
        if include_host and self.numpy_array is not None:
            matrix.numpy_array = self.numpy_array.copy(order="F")
        return matrix


# ----------------------------------------------------------------------- makers


def _two_whole_numbers(shape) -> tuple[int, int]:
    try:
        rows, cols = (operator.index(extent) for extent in shape)
    except (TypeError, ValueError):
        raise CUDAMatException(
            f"a shape is two whole numbers, rows and columns, but it is {shape!r}"
        ) from None
    return rows, cols


def empty(shape: tuple[int, int]) -> CUDAMatrix:
    """A matrix of the shape with undefined values."""
    load()
    rows, cols = _two_whole_numbers(shape)
    if rows < 0 or cols < 0 or max(rows, cols, rows * cols) >= 2**59:
        raise CUDAMatException(f"a matrix cannot have the shape {(rows, cols)}")
    return CUDAMatrix._new(rows, cols)


def empty_like(m: CUDAMatrix) -> CUDAMatrix:
    """A matrix of the shape of `m` with undefined values."""
    return need_matrix(m, "m")._new(*m.shape)


def zeros(shape: tuple[int, int]) -> CUDAMatrix:
    """A matrix of the shape full of zeros."""
    return empty(shape).assign(0.0)
