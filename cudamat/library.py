"""Finding, loading and calling the compiled library.

Four builds of one source may be there: ``libcudamat_cpu.so`` and
``libcudamat_cuda.so``, each also in double precision. One process uses one of them, the
first that `load` is asked for; every function of the C ABI is reached through `lib`,
whose attributes have the types of `PROTOTYPES` and raise `CUDAMatException` when the
library reports an error.

Environment:
    CUDAMAT_LIBRARY    path of the library, instead of looking for it
    CUDAMAT_PRECISION  ``float`` (default) or ``double``
    CUDAMAT_BLAS       path of the CBLAS or cuBLAS to open, instead of looking for it
"""

import ctypes as ct
import importlib.util
import os
import re
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


class CUDAMatException(Exception):
    """Whatever goes wrong in this package: the message says what, where and why."""


class WrongTypeException(CUDAMatException, ValueError):
    """An argument of a type that an operation does not take. Also a ValueError, which
    cudamat 0.3 raises."""


class MatrixStruct(ct.Structure):
    """`cm_matrix` of the C ABI: column-major memory, its shape as seen, and whether
    that is transposed."""

    _fields_ = [
        ("data", ct.c_void_p),
        ("rows", ct.c_int64),
        ("cols", ct.c_int64),
        ("trans", ct.c_int32),
    ]


# ----------------------------------------------------------------------- prototypes

_MATRIX = ct.POINTER(MatrixStruct)
_INT, _LONG, _SIZE = ct.c_int, ct.c_int64, ct.c_size_t
_SEED, _REAL, _POINTER, _TEXT = ct.c_uint64, ct.c_double, ct.c_void_p, ct.c_char_p
_WORDS = {_MATRIX: "a CUDAMatrix", _REAL: "a number", _SEED: "a whole number"}
_WORDS |= {_INT: "a whole number", _LONG: "a whole number"}


def _elementwise() -> dict:
    """What the macros of elementwise.h make."""
    unary = "copy sigmoid tanh relu exp log log_1_plus_exp sqrt abs sign reciprocal "
    unary += "sin cos floor ceil gamma lgamma"
    number = "relu_squash soft_threshold"
    pair = "logistic_deriv tanh_deriv rectified_linear_deriv"
    either = "pow upper_bound_mod"
    binary = "add subtract mult divide minimum maximum less_than greater_than equals"
    table = {f"cm_{name}": [_MATRIX, _MATRIX] for name in unary.split()}
    table |= {f"cm_{name}": [_MATRIX, _REAL, _MATRIX] for name in number.split()}
    for name in f"{either} {binary}".split():
        table[f"cm_{name}_scalar"] = [_MATRIX, _REAL, _MATRIX]
    vectors = [f"{name}_{kind}" for name in binary.split() for kind in ("col", "row")]
    for name in f"{pair} {either} {binary}".split() + vectors:
        table[f"cm_{name}"] = [_MATRIX, _MATRIX, _MATRIX]
    return table


PROTOTYPES = {
    # errors, boards, memory (board.cu)
    "cm_last_error": [ct.POINTER(_TEXT)],
    "cm_flavour": [ct.POINTER(_INT), ct.POINTER(_INT)],
    "cm_board_count": [ct.POINTER(_INT)],
    "cm_board_select": [_INT],
    "cm_board_name": [_INT, _TEXT, _INT, ct.POINTER(_INT), ct.POINTER(_INT)],
    "cm_board_memory": [_INT, ct.POINTER(_SIZE), ct.POINTER(_SIZE)],
    "cm_board_of": [_POINTER, ct.POINTER(_INT)],
    "cm_synchronize": [],
    "cm_threads": [ct.POINTER(_INT)],
    "cm_set_threads": [_INT],
    "cm_allocate": [_SIZE, ct.POINTER(_POINTER)],
    "cm_allocate_seen": [_SIZE, ct.POINTER(_POINTER)],
    "cm_release": [_POINTER, _SIZE],
    "cm_bytes_in_use": [ct.POINTER(ct.c_longlong)],
    "cm_page_lock": [_POINTER, _SIZE],
    "cm_page_unlock": [_POINTER],
    "cm_copy_in": [_POINTER, _POINTER, _SIZE],
    "cm_upload": [_POINTER, _POINTER, _SIZE],
    "cm_copy_out": [_POINTER, _POINTER, _SIZE],
    # work done again, and at the same time (graph.cu)
    "cm_graph_begin": [],
    "cm_graph_end": [ct.POINTER(_POINTER)],
    "cm_graph_give_up": [],
    "cm_graph_launch": [_POINTER],
    "cm_graph_release": [_POINTER],
    "cm_fork": [],
    "cm_branch": [_INT],
    "cm_join": [],
    # element-wise (elementwise.cu, special.cu, derivatives.cu)
    **_elementwise(),
    "cm_add_mult": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_subtract_mult": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_add_mult_col": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_add_mult_row": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_mult_add": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_mult_add_scalar": [_MATRIX, _REAL, _REAL, _MATRIX],
    "cm_where": [_MATRIX] * 4,
    "cm_fill": [_MATRIX, _REAL],
    "cm_cross_entropy": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_cross_entropy_bernoulli": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    # reductions (reduce.cu, extremes.cu)
    "cm_sum_axis": [_MATRIX, _MATRIX, _INT, _REAL, _REAL],
    "cm_sqsum_axis": [_MATRIX, _MATRIX, _INT, _REAL, _REAL],
    "cm_min_axis": [_MATRIX, _MATRIX, _INT],
    "cm_max_axis": [_MATRIX, _MATRIX, _INT],
    "cm_argmin_axis": [_MATRIX, _MATRIX, _INT],
    "cm_argmax_axis": [_MATRIX, _MATRIX, _INT],
    "cm_sum": [_MATRIX, ct.POINTER(_REAL)],
    "cm_sum_squares": [_MATRIX, ct.POINTER(_REAL)],
    "cm_sum_abs": [_MATRIX, ct.POINTER(_REAL)],
    "cm_count_nonfinite": [_MATRIX, ct.POINTER(_REAL)],
    "cm_vdot": [_MATRIX, _MATRIX, ct.POINTER(_REAL)],
    # parts (slice.cu, columns.cu)
    "cm_get_row_slice": [_MATRIX, _LONG, _MATRIX],
    "cm_set_row_slice": [_MATRIX, _LONG, _MATRIX],
    "cm_select_columns": [_MATRIX] * 3,
    "cm_set_selected_columns": [_MATRIX] * 3,
    "cm_read_value": [_MATRIX, _LONG, _LONG, ct.POINTER(_REAL)],
    "cm_write_value": [_MATRIX, _LONG, _LONG, _REAL],
    # products (product.cu, correlate.cu, packed.cu)
    "cm_dot": [_MATRIX, _MATRIX, _MATRIX, _REAL, _REAL],
    "cm_subtract_dot": [_MATRIX, _MATRIX, _MATRIX, _REAL, _REAL],
    "cm_correlate": [_MATRIX] * 3,
    "cm_packed_size": [_MATRIX, ct.POINTER(_LONG)],
    "cm_pack": [_MATRIX] * 2,
    "cm_dot_packed": [_MATRIX] * 3 + [_REAL],
    "cm_blas_open": [_TEXT],
    "cm_blas_describe": [_TEXT, _INT],
    # their bits (fewer_bits.cu)
    "cm_set_math_mode": [_INT],
    "cm_math_mode": [ct.POINTER(_INT)],
    # sparse frames (sparse.cu)
    "cm_compress": [_MATRIX, _POINTER, ct.POINTER(_LONG)],
    "cm_sparse_product": [_MATRIX, _POINTER, _POINTER, _MATRIX],
    "cm_sparse_gradient": [_MATRIX, _POINTER, _POINTER, _MATRIX],
    # random numbers (random.cu)
    "cm_fill_uniform": [_MATRIX, _SEED, _SEED],
    "cm_fill_normal": [_MATRIX, _SEED, _SEED],
    "cm_dropout_mask": [_MATRIX, _REAL, _SEED, _SEED],
    "cm_dropout_mask_part": [_MATRIX, _REAL, _LONG, _LONG, _LONG, _SEED, _SEED],
    "cm_dropout": [_MATRIX, _REAL, _REAL, _REAL, _SEED, _SEED],
    "cm_sample_bernoulli": [_MATRIX, _SEED, _SEED, _MATRIX],
    "cm_philox_words": [_POINTER, ct.c_longlong, _SEED, _SEED],
    # distributions over classes (softmax.cu)
    "cm_softmax": [_MATRIX, _MATRIX],
    "cm_softmax_row_major": [_MATRIX, _LONG, _MATRIX],
    "cm_softmax_grad": [_MATRIX] * 3,
    "cm_softmax_grad_row_major": [_MATRIX] * 3,
    "cm_softmax_correct": [_MATRIX] * 3,
    "cm_softmax_correct_row_major": [_MATRIX] * 3,
    "cm_softmax_cross_entropy": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    "cm_softmax_cross_entropy_row_major": [_MATRIX, _MATRIX, _REAL, _MATRIX],
    # learning (lstm.cu, loss.cu, optimizer.cu, watch.cu)
    "cm_lstm_fprop": [_MATRIX] * 6 + [_INT],
    "cm_lstm_bprop": [_MATRIX] * 6 + [_INT],
    "cm_lstm_diag_grad": [_MATRIX] * 4,
    "cm_output": [_MATRIX, _MATRIX, _INT, _MATRIX],
    "cm_output_loss": [_MATRIX, _MATRIX, _MATRIX, _INT, _INT, _REAL, _POINTER],
    "cm_update": [_MATRIX] * 4 + [_REAL] * 5 + [_POINTER] * 2,
    "cm_watch_step": [_POINTER, _REAL],
    "cm_watch_total": [_POINTER] * 3,
    # classes (classify.cu)
    "cm_softmax_output": [_MATRIX] * 3,
    "cm_softmax_loss": [_MATRIX] * 4 + [_INT, _REAL, _POINTER],
    "cm_vote": [_MATRIX] * 3 + [_REAL, _POINTER],
    # videos, on the host (paint.cu)
    "cm_paint": [_POINTER] * 3,
    # the same on the board (compose.cu)
    "cm_compose": [_MATRIX, _POINTER, _MATRIX],
}


# ----------------------------------------------------------------------- finding


def precision() -> str:
    """``float`` or ``double``, as the environment asks."""
    wanted = os.environ.get("CUDAMAT_PRECISION", "float")
    if wanted not in ("float", "double"):
        raise CUDAMatException(
            f"CUDAMAT_PRECISION is {wanted!r}; it must be 'float' or 'double'"
        )
    return wanted


def _library_name(kind: str) -> str:
    return f"libcudamat_{kind}{'_double' if precision() == 'double' else ''}.so"


def find(kind: str) -> Path:
    """Path of the library for `kind`: ``cpu``, ``cuda`` or, where the environment names
    the file, ``any``."""
    named = os.environ.get("CUDAMAT_LIBRARY")
    path = Path(named) if named else HERE / _library_name(kind)
    if path.is_file():
        return path
    double = " PRECISION=double" if precision() == "double" else ""
    what, goal = ("", "all") if kind == "any" else (f"{kind} ", kind)
    raise CUDAMatException(
        f"the {what}library was not found; 'make -C {HERE} {goal}{double}' builds it. "
        f"Tried: {path}{' (from CUDAMAT_LIBRARY)' if named else ''}"
    )


def _package_file(package: str, *parts: str) -> Path | None:
    """A file inside an installed package, without importing it."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(place).glob("/".join(parts)):
            return path
    return None


def find_blas(kind: str) -> Path | None:
    """The BLAS that a pip package ships, for the CPU also numpy's own; None where there
    is none, and the library tries the system's."""
    if kind == "cpu":
        own = _package_file("scipy_openblas32", "lib", "libscipy_openblas.*")
        beside = Path(np.__file__).parents[1] / "numpy.libs"
        return own or next(beside.glob("lib*openblas*"), None)
    for folder in ("cu13", "cublas"):
        path = _package_file("nvidia", folder, "lib", "libcublas.so.*")
        if path:
            return path
    return None


# ----------------------------------------------------------------------- loading


class Library:
    """The loaded library. Its attributes are the functions of `PROTOTYPES`.

    Attributes:
        path: file it was loaded from, None before that.
        kind: ``cpu`` or ``cuda``.
        dtype: numpy type of its reals.
    """

    def __init__(self) -> None:
        self.path: Path | None = None
        self.kind = ""
        self.dtype = np.dtype(np.float32)

    def __getattr__(self, name: str):
        if name in PROTOTYPES and self.path is None:
            load()
            return getattr(self, name)
        raise AttributeError(name)

    def open(self, path: Path, kind: str) -> None:
        # Two thread pools that spin while the other works cost a factor of 2 to 4: let
        # threads of OpenMP and OpenBLAS sleep as soon as they have nothing to do.
        # Those of OpenMP look for more work so often first, a tenth of a millisecond at
        # most: where one kernel follows the other, to be woken takes longer.
        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ["OMP_WAIT_POLICY"] = "passive"
            os.environ.setdefault("GOMP_SPINCOUNT", "5000")
        os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
        try:
            shared = ct.CDLL(str(path))
        except OSError as error:
            raise CUDAMatException(f"{path} cannot be loaded: {error}") from None
        functions = {}
        for name, argtypes in PROTOTYPES.items():
            try:
                function = getattr(shared, name)
            except AttributeError:
                raise CUDAMatException(
                    f"{path} has no {name}: it is no library of this package, or an "
                    f"old one; 'make -C {HERE}' builds them"
                ) from None
            function.argtypes = argtypes
            function.restype = ct.c_int
            if name != "cm_last_error":
                function.errcheck = self._check
            functions[name] = _checked(name, function)
        cuda, real_bytes = ct.c_int(), ct.c_int()
        functions["cm_flavour"](ct.byref(cuda), ct.byref(real_bytes))
        found = "cuda" if cuda.value else "cpu"
        if kind not in ("any", found):
            raise CUDAMatException(f"{path} is a library for {found}, not for {kind}")
        vars(self).update(functions)
        self.kind = found
        self.dtype = np.dtype(np.float64 if real_bytes.value == 8 else np.float32)
        self.path = path

    def _check(self, code, function, arguments):
        if code:
            message = ct.c_char_p()
            self.cm_last_error(ct.byref(message))
            raise CUDAMatException(message.value.decode(errors="replace"))
        return code


def _checked(name: str, function):
    """`function`, with a sentence instead of ctypes' words for a wrong argument."""

    def call(*arguments):
        try:
            return function(*arguments)
        except ct.ArgumentError as error:
            raise WrongTypeException(_misfit(name, arguments, str(error))) from None

    return call


def _misfit(name: str, arguments: tuple, error: str) -> str:
    place = int(re.match(r"argument (\d+)", error)[1])
    given = arguments[place - 1]
    found = "None" if given is None else f"a {type(given).__name__}"
    wanted = _WORDS.get(PROTOTYPES[name][place - 1], "an address")
    if wanted == "a number" and (name.endswith("_scalar") or name == "cm_fill"):
        wanted = "a CUDAMatrix or a number"
    spoken = name.removeprefix("cm_").removesuffix("_scalar")
    return f"{spoken}: argument {place} must be {wanted}, but it is {found}"


lib = Library()
_for_host = Library()


def load(kind: str | None = None) -> Library:
    """Loads the library for `kind`, ``cpu`` or ``cuda``; without a kind, CUDA's where
    it is built and a board is there, else the CPU's. Returns `lib`.

    One process uses one library: asking later for another kind raises CUDAMatException.
    """
    if kind not in (None, "cpu", "cuda"):
        raise CUDAMatException(f"there is no library {kind!r}, only 'cpu' and 'cuda'")
    if lib.path is not None:
        if kind not in (None, lib.kind):
            raise CUDAMatException(
                f"the {lib.kind} library is already in use; choose {kind} before the "
                "first matrix is made"
            )
        return lib
    if kind is None and os.environ.get("CUDAMAT_LIBRARY"):
        lib.open(find("any"), "any")
    else:
        chosen = kind or _best_kind()
        lib.open(find(chosen), chosen)
    _open_blas()
    return lib


def for_host() -> Library:
    """A library for what is done in the computer's own memory: the one in use or, as
    long as there is none, any that is built. That decides nothing."""
    if lib.path is not None:
        return lib
    if _for_host.path is None:
        if os.environ.get("CUDAMAT_LIBRARY"):
            _for_host.open(find("any"), "any")
        else:
            built = [k for k in ("cpu", "cuda") if (HERE / _library_name(k)).is_file()]
            kind = built[0] if built else "cpu"
            _for_host.open(find(kind), kind)
    return _for_host


def _open_blas() -> None:
    named = os.environ.get("CUDAMAT_BLAS")
    path = named or find_blas(lib.kind)
    if path is None:
        return
    try:
        lib.cm_blas_open(os.fsencode(path))
    except CUDAMatException:
        # A package's BLAS that does not load is no reason not to try the system's,
        # which the first product does. What was asked for by name is.
        if named:
            lib.path = None
            raise


def _best_kind() -> str:
    path = HERE / _library_name("cuda")
    if sys.platform != "darwin" and path.is_file():
        try:
            trial = ct.CDLL(str(path))
        except OSError:
            return "cpu"
        count = ct.c_int()
        if trial.cm_board_count(ct.byref(count)) == 0 and count.value > 0:
            return "cuda"
    return "cpu"
