"""Matrices on the board, their memory, and the views that share it."""

import ctypes as ct
import operator

import numpy as np

from .library import CUDAMatException, MatrixStruct, lib, load
from .random import random_state


class Buffer:
    """Memory on the board, freed once, when the last matrix that uses it is gone."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.pointer = None
        load()
        pointer = ct.c_void_p()
        lib.cm_allocate(nbytes, ct.byref(pointer))
        self.pointer = pointer.value

    def free(self) -> None:
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            lib.cm_release(pointer, self.nbytes)

    def __del__(self) -> None:
        try:
            self.free()
        except Exception:  # the interpreter is shutting down, or the board is lost
            pass


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


class CUDAMatrix:
    """A matrix on the board, column-major, of the library's real type.

    Args:
        array: 2-D array-like; kept as `numpy_array`, in Fortran order.
        copy_to_device: whether the values go to the board at once.
        copy_on_host: False may use the given array's own memory as `numpy_array`.

    Operations work in place unless `target` names another matrix of the right shape;
    they return the matrix that they wrote. A view (`slice`, `T`) shares memory with the
    matrix it was taken from and keeps that memory alive. Wrong shapes, overlapping
    targets and freed matrices raise CUDAMatException.
    """

    # numpy must not try to add, element by element, what it does not know
    __array_ufunc__ = None

    def __init__(
        self, array, copy_to_device: bool = True, copy_on_host: bool = True
    ) -> None:
        host = reformat(array, copy_on_host)
        self._adopt(Buffer(host.nbytes), 0, *host.shape)
        self.numpy_array: np.ndarray | None = host
        if copy_to_device:
            self.copy_to_device()

    def _adopt(self, buffer, offset: int, rows: int, cols: int, trans: int = 0) -> None:
        """Becomes the (rows, cols) matrix that starts `offset` elements into
        `buffer`."""
        self.buffer = buffer
        pointer = buffer.pointer
        if pointer is not None:
            pointer += offset * lib.dtype.itemsize
        self.offset = offset
        self._mat = MatrixStruct(pointer, rows, cols, trans)
        self._pointer = ct.pointer(self._mat)
        self.numpy_array = None

    @classmethod
    def _view(cls, buffer, offset, rows, cols, trans=0) -> "CUDAMatrix":
        matrix = cls.__new__(cls)
        matrix._adopt(buffer, offset, rows, cols, trans)
        return matrix

    @property
    def mat(self) -> MatrixStruct:
        """What the library gets to see; without memory once that has been freed, be it
        by another view."""
        if self.buffer.pointer is None:
            self._mat.data = None
        return self._mat

    @property
    def _as_parameter_(self):
        # what ctypes passes where a function of the library is given a matrix
        if self.buffer.pointer is None:
            self._mat.data = None
        return self._pointer

    # ------------------------------------------------------------------- shape

    @property
    def shape(self) -> tuple[int, int]:
        return self._mat.rows, self._mat.cols

    @property
    def size(self) -> int:
        return self._mat.rows * self._mat.cols

    @property
    def T(self) -> "CUDAMatrix":
        """The transpose, as a view."""
        rows, cols = self.shape
        return self._view(self.buffer, self.offset, cols, rows, 1 - self.mat.trans)

    def slice(self, first_col: int, last_col: int) -> "CUDAMatrix":
        """Columns first_col to last_col - 1, as a view."""
        rows, cols = self.shape
        first_col, last_col = self._range("columns", first_col, last_col, cols)
        if self.mat.trans:
            raise CUDAMatException(
                "columns of a transposed view are no view; copy first"
            )
        start = self.offset + first_col * rows
        return self._view(self.buffer, start, rows, last_col - first_col)

    col_slice = slice

    def __repr__(self) -> str:
        kind = "transposed view" if self.mat.trans else "matrix"
        return f"<CUDAMatrix {self.shape}, {lib.dtype}, {kind} on the {lib.kind} board>"

    # ------------------------------------------------------------------- host

    def copy_to_device(self) -> None:
        """Brings the values of `numpy_array` to the board."""
        self._host_must_exist()
        self.overwrite(self.numpy_array)

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

    def overwrite(self, array) -> "CUDAMatrix":
        """Takes the values of a host array of the same shape.

        An array that is in Fortran order and of the library's real type is copied as it
        is; the board may still be reading it on return (wait with `cuda_sync_threads`).
        """
        host = _host_array(array)
        if host.shape != self.shape:
            raise CUDAMatException(
                f"an array of shape {host.shape} was given for a matrix of shape "
                f"{self.shape}"
            )
        host = np.asfortranarray(host.T if self.mat.trans else host, lib.dtype)
        lib.cm_copy_in(self.mat.data, host.ctypes.data, host.nbytes)
        return self

    def _host_must_exist(self) -> None:
        if self.numpy_array is None:
            raise CUDAMatException(
                "this matrix has no values on the host; copy_to_host() brings them"
            )

    def free_device_memory(self) -> None:
        """Frees the memory now; using the matrix, or any view of it, again raises
        CUDAMatException."""
        self.buffer.free()

    # ------------------------------------------------------------------- values

    def assign(self, val) -> "CUDAMatrix":
        """Takes the values of a matrix of the same shape, or of a number."""
        if isinstance(val, CUDAMatrix):
            lib.cm_copy(val, self)
        else:
            lib.cm_fill(self, val)
        return self

    def copy(self) -> "CUDAMatrix":
        """A new matrix of the same shape and values."""
        return empty(self.shape).assign(self)

    def get_row_slice(self, start: int, end: int, target=None) -> "CUDAMatrix":
        """A copy of rows start to end - 1."""
        start, end = self._range("rows", start, end, self.shape[0])
        target = empty((end - start, self.shape[1])) if target is None else target
        _need_rows(target, "the target", end - start)
        lib.cm_get_row_slice(self, start, target)
        return target

    def set_row_slice(self, start: int, end: int, mat: "CUDAMatrix") -> "CUDAMatrix":
        """Rows start to end - 1 take the values of `mat`."""
        start, end = self._range("rows", start, end, self.shape[0])
        _need_rows(mat, "the matrix", end - start)
        lib.cm_set_row_slice(self, start, mat)
        return self

    def _range(self, what: str, first, last, extent: int) -> tuple[int, int]:
        try:
            first, last = operator.index(first), operator.index(last)
        except TypeError:
            raise CUDAMatException(
                f"{what} {first!r} to {last!r}: a range is given by two whole numbers"
            ) from None
        if not 0 <= first <= last <= extent:
            raise CUDAMatException(
                f"{what} {first} to {last} are not within a matrix of shape "
                f"{self.shape}"
            )
        return first, last

    # ------------------------------------------------------------------- random

    @staticmethod
    def init_random(seed: int = 0) -> None:
        """Starts the random numbers of all matrices anew from `seed`."""
        try:
            random_state.__init__(seed)
        except (TypeError, ValueError):
            raise CUDAMatException(f"a seed is a whole number, not {seed!r}") from None

    def fill_with_rand(self) -> "CUDAMatrix":
        """Uniform random numbers, above 0 and below 1."""
        lib.cm_fill_uniform(self, random_state.seed, random_state.take(self.size))
        return self

    def fill_with_randn(self) -> "CUDAMatrix":
        """Normal random numbers of mean 0 and variance 1."""
        lib.cm_fill_normal(self, random_state.seed, random_state.take(self.size))
        return self

    def fill_with_dropout_mask(self, dropprob: float) -> "CUDAMatrix":
        """0 with probability `dropprob`, else 1 / (1 - dropprob)."""
        offset = random_state.take(self.size)
        lib.cm_dropout_mask(self, dropprob, random_state.seed, offset)
        return self

    # ------------------------------------------------------------------- arithmetic

    def _binary(self, name: str, val, target) -> "CUDAMatrix":
        target = self if target is None else target
        if isinstance(val, CUDAMatrix):
            getattr(lib, f"cm_{name}")(self, val, target)
        else:
            getattr(lib, f"cm_{name}_scalar")(self, val, target)
        return target

    def add(self, val, target=None) -> "CUDAMatrix":
        """self + val, a matrix or a number."""
        return self._binary("add", val, target)

    def subtract(self, val, target=None) -> "CUDAMatrix":
        """self - val, a matrix or a number."""
        return self._binary("subtract", val, target)

    def mult(self, val, target=None) -> "CUDAMatrix":
        """self * val, element by element; a matrix or a number."""
        return self._binary("mult", val, target)

    def divide(self, val, target=None) -> "CUDAMatrix":
        """self / val, element by element; a matrix or a number."""
        return self._binary("divide", val, target)

    def minimum(self, val, target=None) -> "CUDAMatrix":
        """The smaller of self and val, element by element."""
        return self._binary("minimum", val, target)

    def maximum(self, val, target=None) -> "CUDAMatrix":
        """The larger of self and val, element by element."""
        return self._binary("maximum", val, target)

    def less_than(self, val, target=None) -> "CUDAMatrix":
        """1 where self < val, else 0."""
        return self._binary("less_than", val, target)

    def greater_than(self, val, target=None) -> "CUDAMatrix":
        """1 where self > val, else 0."""
        return self._binary("greater_than", val, target)

    def equals(self, val, target=None) -> "CUDAMatrix":
        """1 where self == val, else 0."""
        return self._binary("equals", val, target)

    def add_mult(self, mat2: "CUDAMatrix", alpha: float = 1.0) -> "CUDAMatrix":
        """self += alpha mat2."""
        lib.cm_add_mult(self, mat2, alpha, self)
        return self

    def _vector(self, name: str, vec: "CUDAMatrix", target) -> "CUDAMatrix":
        target = self if target is None else target
        getattr(lib, f"cm_{name}")(self, vec, target)
        return target

    def add_col_vec(self, vec, target=None) -> "CUDAMatrix":
        """Adds the column vector (rows, 1) to every column."""
        return self._vector("add_col", vec, target)

    def add_row_vec(self, vec, target=None) -> "CUDAMatrix":
        """Adds the row vector (1, cols) to every row."""
        return self._vector("add_row", vec, target)

    def mult_by_col(self, vec, target=None) -> "CUDAMatrix":
        """Multiplies every column by the column vector (rows, 1)."""
        return self._vector("mult_col", vec, target)

    def mult_by_row(self, vec, target=None) -> "CUDAMatrix":
        """Multiplies every row by the row vector (1, cols)."""
        return self._vector("mult_row", vec, target)

    def div_by_col(self, vec, target=None) -> "CUDAMatrix":
        """Divides every column by the column vector (rows, 1)."""
        return self._vector("divide_col", vec, target)

    def div_by_row(self, vec, target=None) -> "CUDAMatrix":
        """Divides every row by the row vector (1, cols)."""
        return self._vector("divide_row", vec, target)

    def apply_relu_squash(self, lambdaa: float = 2.0, target=None) -> "CUDAMatrix":
        """2 / (1 + exp(-lambdaa x)) - 1: from [0, inf) to [0, 1)."""
        target = self if target is None else target
        lib.cm_relu_squash(self, lambdaa, target)
        return target

    # ------------------------------------------------------------------- products, sums

    def dot(self, mat2: "CUDAMatrix", target=None) -> "CUDAMatrix":
        """The matrix product self mat2, in a new matrix unless a target is given."""
        if target is None:
            target = empty((self.shape[0], need_matrix(mat2, "mat2").shape[1]))
        lib.cm_dot(self, mat2, target, 0.0, 1.0)
        return target

    def add_dot(self, m1, m2, mult: float = 1.0, beta: float = 1.0) -> "CUDAMatrix":
        """self = beta self + mult m1 m2."""
        lib.cm_dot(m1, m2, self, beta, mult)
        return self

    def sum(self, axis: int, target=None, mult: float = 1.0) -> "CUDAMatrix":
        """mult times the sums down the columns (axis 0: (1, cols)) or along the rows
        (axis 1: (rows, 1)), in a new matrix unless a target is given."""
        rows, cols = self.shape
        if target is None:
            target = empty((1, cols) if axis == 0 else (rows, 1))
        lib.cm_sum_axis(self, target, axis, mult, 0.0)
        return target

    def add_sums(self, mat, axis: int, mult: float = 1.0, beta: float = 1.0):
        """self = beta self + mult sum(mat, axis)."""
        lib.cm_sum_axis(mat, self, axis, mult, beta)
        return self

    def total(self) -> float:
        """The sum of all elements, added up in double precision."""
        return _scalar(lib.cm_sum, self)

    def euclid_norm(self) -> float:
        """The square root of the sum of squares."""
        return float(np.sqrt(_scalar(lib.cm_sum_squares, self)))


# ----------------------------------------------------------------------- helpers


def need_matrix(value, role: str) -> CUDAMatrix:
    """`value`, which must be a CUDAMatrix; `role` names it in the message."""
    if isinstance(value, CUDAMatrix):
        return value
    found = "None" if value is None else f"a {type(value).__name__}"
    raise CUDAMatException(f"{role} must be a CUDAMatrix, but it is {found}")


def _need_rows(matrix, role: str, rows: int) -> None:
    found = need_matrix(matrix, role).shape[0]
    if found != rows:
        raise CUDAMatException(f"{role} has {found} rows, but the range has {rows}")


def _scalar(function, *matrices: CUDAMatrix) -> float:
    result = ct.c_double()
    function(*(matrix for matrix in matrices), ct.byref(result))
    return result.value


def empty(shape: tuple[int, int]) -> CUDAMatrix:
    """A matrix of the shape with undefined values."""
    load()
    try:
        rows, cols = (operator.index(extent) for extent in shape)
    except (TypeError, ValueError):
        raise CUDAMatException(
            f"a shape is two whole numbers, rows and columns, but it is {shape!r}"
        ) from None
    if rows < 0 or cols < 0 or max(rows, cols, rows * cols) >= 2**59:
        raise CUDAMatException(f"a matrix cannot have the shape {(rows, cols)}")
    return CUDAMatrix._view(Buffer(rows * cols * lib.dtype.itemsize), 0, rows, cols)


def zeros(shape: tuple[int, int]) -> CUDAMatrix:
    """A matrix of the shape full of zeros."""
    return empty(shape).assign(0.0)
