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

from .prototypes import PROTOTYPES, WORDS

HERE = Path(__file__).resolve().parent


class CUDAMatException(Exception):
    """Whatever goes wrong in this package: the message says what, where and why."""


class WrongTypeException(CUDAMatException, ValueError):
    """An argument of a type that an operation does not take. Also a ValueError, which
    cudamat 0.3 raises."""


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
    wanted = WORDS.get(PROTOTYPES[name][place - 1], "an address")
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
