"""Functions of the module: start and stop, products, sums, element-wise mathematics."""

from __future__ import annotations

import ctypes as ct

import numpy as np

from .base import Base, need_matrix, scalar
from .face import unary
from .library import CUDAMatException, lib, load
from .matrix import CUDAMatrix, empty

MAX_ONES = 1024 * 256

# What products make of their operands, as fewer_bits.cu counts them.
MATH_MODES = ("fp32", "3xtf32", "tf32", "bf16")

# ----------------------------------------------------------------------- boards


def cublas_init(max_ones: int = MAX_ONES) -> None:
    """Loads the library and its BLAS, so that a mistake shows here and not later, and
    makes `CUDAMatrix.ones` (max_ones, 1). Everything works without it too."""
    load()
    blas_name()
    CUDAMatrix.ones = empty((max_ones, 1)).assign(1.0)


def cublas_shutdown() -> None:
    """Forgets `CUDAMatrix.ones`; everything goes on working."""
    CUDAMatrix.ones = 0


init = cublas_init
shutdown = cublas_shutdown


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


def memory_free() -> int:
    """Bytes of the board in use that nobody has taken; of the computer itself, those
    that can be had without pushing other programs out."""
    board, free, total = ct.c_int(), ct.c_size_t(), ct.c_size_t()
    load().cm_board_of(None, ct.byref(board))
    load().cm_board_memory(board, ct.byref(free), ct.byref(total))
    return free.value


def real_type() -> np.dtype:
    """The numpy type of the loaded library's reals: float32 or float64."""
    return load().dtype


# ----------------------------------------------------------------------- products, sums


def set_math_mode(name: str) -> None:
    """What all matrix products make of their operands from now on: ``fp32`` (as at the
    start) nothing, ``tf32`` and ``bf16`` round them to 10 and to 7 bits of fraction,
    ``3xtf32`` splits each into two parts of TF32 and makes three products, which lose
    little. Sums, and whatever is no product, stay float32.

    On a CUDA board cuBLAS does it on tensor cores, which it is allowed and not obliged
    to. The CPU library rounds operands to nearest, ties to even, before a product in
    float32: slower than ``fp32``, and made to measure errors. Products with listed
    frames (`cudamat.sparse`) are in fp32 only. The double library refuses all others.
    """
    if not isinstance(name, str) or name not in MATH_MODES:
        raise CUDAMatException(
            f"set_math_mode: {name!r} is no kind of products; there are "
            f"{', '.join(MATH_MODES[:-1])} and {MATH_MODES[-1]}"
        )
    load().cm_set_math_mode(MATH_MODES.index(name))


def math_mode() -> str:
    """What matrix products make of their operands, as `set_math_mode` names it."""
    mode = ct.c_int()
    load().cm_math_mode(ct.byref(mode))
    return MATH_MODES[mode.value]


def dot(
    m1: CUDAMatrix,
    m2: CUDAMatrix,
    target: CUDAMatrix | None = None,
    beta: float = 0.0,
    alpha: float = 1.0,
    *,
    mult: float | None = None,
    scale_targets: float | None = None,
) -> CUDAMatrix:
    """target = beta target + alpha m1 m2, in a new matrix unless a target is given;
    `mult` and `scale_targets` are other names for alpha and beta."""
    alpha = alpha if mult is None else mult
    beta = beta if scale_targets is None else scale_targets
    if target is None:
        rows, cols = need_matrix(m1, "m1").shape[0], need_matrix(m2, "m2").shape[1]
        target = empty((rows, cols))
        beta = 0.0
    lib.cm_dot(m1, m2, target, beta, alpha)
    return target


def vdot(m1: CUDAMatrix, m2: CUDAMatrix) -> float:
    """The sum of the products of corresponding elements."""
    return scalar(lib.cm_vdot, m1, m2)


def sum(mat: CUDAMatrix, axis: int | None, target=None, mult: float = 1.0):
    """mult times the sums of `mat` along an axis; see `CUDAMatrix.sum`."""
    return need_matrix(mat, "mat").sum(axis, target, mult)


def mean(mat: CUDAMatrix, axis: int, target=None) -> CUDAMatrix:
    """The means of `mat` along an axis; see `CUDAMatrix.mean`."""
    return need_matrix(mat, "mat").mean(axis, target)


# ----------------------------------------------------------------------- element-wise

sigmoid = unary("sigmoid", "1 / (1 + e^-x)")
tanh = unary("tanh", "The hyperbolic tangent")
relu = unary("relu", "The larger of x and 0")
exp = unary("exp", "e^x")
log = unary("log", "The natural logarithm")
log_1_plus_exp = unary("log_1_plus_exp", "log(1 + e^x)")
sqrt = unary("sqrt", "The square root")
abs = unary("abs", "The absolute value")
reciprocal = unary("reciprocal", "1 / x")
sin = unary("sin", "The sine")
cos = unary("cos", "The cosine")
floor = unary("floor", "The largest whole number that is not above x")
ceil = unary("ceil", "The smallest whole number that is not below x")
gamma = unary("gamma", "The gamma function")
lgamma = unary("lgamma", "log |gamma(x)|")


def pow(mat: CUDAMatrix, p: CUDAMatrix | float, target=None) -> CUDAMatrix:
    """`mat` to the power of `p`, a matrix of the same shape or a number, element by
    element, in place unless a target is given. Powers of negative numbers are NaN
    unless p is whole."""
    target = mat if target is None else target
    if isinstance(p, Base):
        lib.cm_pow(mat, p, target)
    else:
        lib.cm_pow_scalar(mat, p, target)
    return target


def soft_threshold(mat: CUDAMatrix, alpha: float, target=None) -> CUDAMatrix:
    """Each element moved by `alpha` towards 0, and no further, in place unless a target
    is given."""
    target = mat if target is None else target
    lib.cm_soft_threshold(mat, alpha, target)
    return target


def where(
    condition_mat: CUDAMatrix,
    if_mat: CUDAMatrix,
    else_mat: CUDAMatrix,
    target: CUDAMatrix | None = None,
) -> CUDAMatrix:
    """The element of `if_mat` where the condition is not 0, else that of `else_mat`, in
    the condition's place unless a target is given."""
    target = condition_mat if target is None else target
    lib.cm_where(condition_mat, if_mat, else_mat, target)
    return target


def cross_entropy(mat: CUDAMatrix, p: CUDAMatrix, target=None, tiny: float = 1e-10):
    """-mat log(p + tiny), element by element; see `CUDAMatrix.cross_entropy`."""
    return need_matrix(mat, "mat").cross_entropy(p, target, tiny)


def cross_entropy_bernoulli(
    mat: CUDAMatrix, p: CUDAMatrix, target=None, tiny: float = 1e-10
):
    """-mat log(p + tiny) - (1 - mat) log(1 - p + tiny), element by element; see
    `CUDAMatrix.cross_entropy_bernoulli`."""
    return need_matrix(mat, "mat").cross_entropy_bernoulli(p, target, tiny)


def correlate(mat: CUDAMatrix, kernel: CUDAMatrix, target=None) -> CUDAMatrix:
    """The correlation of `mat` with a kernel (K, L), of the same size and with zeros
    around, in a new matrix unless a target is given::

        target[i, j] = sum over h, w of mat[i + h - K//2, j + w - L//2] kernel[h, w]
    """
    target = empty(need_matrix(mat, "mat").shape) if target is None else target
    lib.cm_correlate(mat, kernel, target)
    return target
