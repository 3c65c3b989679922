"""Matrices on a CUDA board, or on the CPU, from Python.

    >>> import cudamat as cm
    >>> a = cm.CUDAMatrix([[1.0, 2.0], [3.0, 4.0]])
    >>> cm.dot(a, a.T).asarray().tolist()
    [[5.0, 11.0], [11.0, 25.0]]

The same kernels are built as a CUDA library and as a CPU library; `load` chooses one,
and the first matrix does where nobody has chosen.
"""

from . import learn, sparse
from .functions import (
    abs,
    blas_name,
    board_count,
    board_name,
    cublas_init,
    cuda_set_device,
    cuda_sync_threads,
    dot,
    exp,
    log,
    log_1_plus_exp,
    memory_in_use,
    real_type,
    reciprocal,
    relu,
    set_threads,
    sigmoid,
    sign,
    sqrt,
    sum,
    tanh,
    threads,
    vdot,
)
from .library import CUDAMatException, load
from .matrix import CUDAMatrix, empty, reformat, zeros
from .random import RandomState, random_state

__all__ = [
    "CUDAMatException",
    "CUDAMatrix",
    "RandomState",
    "abs",
    "blas_name",
    "board_count",
    "board_name",
    "cublas_init",
    "cuda_set_device",
    "cuda_sync_threads",
    "dot",
    "empty",
    "exp",
    "learn",
    "load",
    "log",
    "log_1_plus_exp",
    "memory_in_use",
    "random_state",
    "real_type",
    "reciprocal",
    "reformat",
    "relu",
    "set_threads",
    "sigmoid",
    "sign",
    "sparse",
    "sqrt",
    "sum",
    "tanh",
    "threads",
    "vdot",
    "zeros",
]
