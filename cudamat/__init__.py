"""Matrices on a CUDA board, or on the CPU, from Python.

    >>> import cudamat as cm
    >>> a = cm.CUDAMatrix([[1.0, 2.0], [3.0, 4.0]])
    >>> cm.dot(a, a.T).asarray().tolist()
    [[5.0, 11.0], [11.0, 25.0]]

The same kernels are built as a CUDA library and as a CPU library; `load` chooses one,
and the first matrix does where nobody has chosen.
"""

from . import learn, sparse
from .boards import Device, devices
from .dlpack import from_dlpack
from .functions import (
    MATH_MODES,
    MAX_ONES,
    abs,
    blas_name,
    board_count,
    board_name,
    ceil,
    correlate,
    cos,
    cross_entropy,
    cross_entropy_bernoulli,
    cublas_init,
    cublas_shutdown,
    cuda_set_device,
    cuda_sync_threads,
    dot,
    exp,
    floor,
    gamma,
    init,
    lgamma,
    log,
    log_1_plus_exp,
    math_mode,
    mean,
    memory_free,
    memory_in_use,
    pow,
    real_type,
    reciprocal,
    relu,
    set_math_mode,
    set_threads,
    shutdown,
    sigmoid,
    sin,
    soft_threshold,
    sqrt,
    sum,
    tanh,
    threads,
    vdot,
    where,
)
from .gpuarray import from_gpuarray, to_gpuarray
from .graph import Graph, together
from .interop import SharingError
from .learn import mult_by_sigmoid_deriv
from .library import CUDAMatException, load
from .matrix import CUDAMatrix, empty, empty_like, reformat, zeros
from .packed import Packed
from .random import RandomState, random_state

__all__ = [
    "CUDAMatException",
    "CUDAMatrix",
    "Device",
    "Graph",
    "MATH_MODES",
    "MAX_ONES",
    "Packed",
    "RandomState",
    "SharingError",
    "abs",
    "blas_name",
    "board_count",
    "board_name",
    "ceil",
    "correlate",
    "cos",
    "cross_entropy",
    "cross_entropy_bernoulli",
    "cublas_init",
    "cublas_shutdown",
    "cuda_set_device",
    "cuda_sync_threads",
    "devices",
    "dot",
    "empty",
    "empty_like",
    "exp",
    "floor",
    "from_dlpack",
    "from_gpuarray",
    "gamma",
    "init",
    "learn",
    "lgamma",
    "load",
    "log",
    "log_1_plus_exp",
    "math_mode",
    "mean",
    "memory_free",
    "memory_in_use",
    "mult_by_sigmoid_deriv",
    "pow",
    "random_state",
    "real_type",
    "reciprocal",
    "reformat",
    "relu",
    "set_math_mode",
    "set_threads",
    "shutdown",
    "sigmoid",
    "sin",
    "soft_threshold",
    "sparse",
    "sqrt",
    "sum",
    "tanh",
    "threads",
    "to_gpuarray",
    "together",
    "vdot",
    "where",
    "zeros",
]
