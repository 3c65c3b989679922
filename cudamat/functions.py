"""Functions of the module: start and stop, products, sums, element-wise mathematics."""

import ctypes as ct

import numpy as np

from .library import CUDAMatException, lib, load
from .matrix import CUDAMatrix, _scalar, empty, need_matrix

# ----------------------------------------------------------------------- boards


def cublas_init() -> None:
    """Loads the library and its BLAS, so that a mistake shows here and not later."""
    load()
    blas_name()


def cuda_set_device(dev_id: int) -> None:
    """Uses CUDA board `dev_id` for all matrices made from now on."""
    load("cuda")
    count = board_count()
    if not 0 <= dev_id < count:
        have = "there is none" if count == 0 else f"there are boards 0 to {count - 1}"
        raise CUDAMatException(f"there is no CUDA board {dev_id}; {have}")
    lib.cm_board_select(dev_id)


def board_count() -> int:
    """How many boards the loaded library can use; the CPU's counts as one."""
    count = ct.c_int()
    load().cm_board_count(ct.byref(count))
    return count.value


def board_name(board: int = 0) -> str:
    """The name of a board: ``cpu``, or what the CUDA driver calls it."""
    text = ct.create_string_buffer(256)
    major, minor = ct.c_int(), ct.c_int()
    load().cm_board_name(board, text, len(text), ct.byref(major), ct.byref(minor))
    return text.value.decode(errors="replace")


def blas_name() -> str:
    """Name, version and kernels of the BLAS in use."""
    text = ct.create_string_buffer(512)
    load().cm_blas_describe(text, len(text))
    return text.value.decode(errors="replace")


def cuda_sync_threads() -> None:
    """Waits until the board has done everything it was asked to."""
    lib.cm_synchronize()


def threads() -> int:
    """Threads of the CPU library."""
    count = ct.c_int()
    load().cm_threads(ct.byref(count))
    return count.value


def set_threads(count: int) -> None:
    """Threads for the CPU library and its BLAS from now on, at least 1."""
    load().cm_set_threads(count)


def memory_in_use() -> int:
    """Bytes on the board held by matrices."""
    used = ct.c_longlong()
    load().cm_bytes_in_use(ct.byref(used))
    return used.value


def real_type() -> np.dtype:
    """The numpy type of the loaded library's reals: float32 or float64."""
    return load().dtype


# ----------------------------------------------------------------------- products, sums


def dot(
    m1: CUDAMatrix,
    m2: CUDAMatrix,
    target: CUDAMatrix | None = None,
    beta: float = 0.0,
    alpha: float = 1.0,
) -> CUDAMatrix:
    """target = beta target + alpha m1 m2, in a new matrix unless a target is given."""
    if target is None:
        rows, cols = need_matrix(m1, "m1").shape[0], need_matrix(m2, "m2").shape[1]
        target = empty((rows, cols))
        beta = 0.0
    lib.cm_dot(m1, m2, target, beta, alpha)
    return target


def vdot(m1: CUDAMatrix, m2: CUDAMatrix) -> float:
    """The sum of the products of corresponding elements."""
    return _scalar(lib.cm_vdot, m1, m2)


def sum(mat: CUDAMatrix, axis: int, target=None, mult: float = 1.0) -> CUDAMatrix:
    """mult times the sums of `mat` along an axis; see `CUDAMatrix.sum`."""
    return need_matrix(mat, "mat").sum(axis, target, mult)


# ----------------------------------------------------------------------- element-wise


def _unary(name: str, doc: str):
    function_name = f"cm_{name}"

    def apply(mat: CUDAMatrix, target: CUDAMatrix | None = None) -> CUDAMatrix:
        target = mat if target is None else target
        getattr(lib, function_name)(mat, target)
        return target

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"{doc}, element by element, in place unless a target is given."
    return apply


sigmoid = _unary("sigmoid", "1 / (1 + e^-x)")
tanh = _unary("tanh", "The hyperbolic tangent")
relu = _unary("relu", "The larger of x and 0")
exp = _unary("exp", "e^x")
log = _unary("log", "The natural logarithm")
log_1_plus_exp = _unary("log_1_plus_exp", "log(1 + e^x)")
sqrt = _unary("sqrt", "The square root")
abs = _unary("abs", "The absolute value")
sign = _unary("sign", "-1, 0 or 1")
reciprocal = _unary("reciprocal", "1 / x")
