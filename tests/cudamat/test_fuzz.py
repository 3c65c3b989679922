"""Arguments at random, of the C functions and of Python's: an error with a sentence,
and never a crash."""

import ctypes as ct
import inspect
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import HERE
from cudamat.prototypes import PROTOTYPES

ROOT = HERE.parent


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"CUDAMAT_LIBRARY": str(cm.load().path)} | environment,
        capture_output=True,
        text=True,
    )


def said(done: subprocess.CompletedProcess) -> str:
    return (
        f"exit status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    )


# ----------------------------------------------------------------------- exports


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_export_survives(seed):
    done = run("-m", "tests.cudamat.fuzz", str(seed), "300")
    assert done.returncode == 0, said(done)
    counted = {line.split()[0] for line in done.stdout.splitlines()}
    assert counted == set(PROTOTYPES)


@pytest.mark.slow
@pytest.mark.skipif(
    cm.load().kind == "cuda" or cm.real_type() != np.float32,
    reason="once is enough: with the CPU library, in float",
)
def test_every_operation_under_the_sanitizers():
    """Fuzzed exports, and the tests of the table, in a build that notices every access
    outside of memory (AddressSanitizer) and undefined behaviour (UBSan)."""
    compiler = os.environ.get("CXX", "g++")
    # the sanitizer's run-time library, and C++'s, whose exceptions it wants to see
    preloaded = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    if not all(Path(path).is_file() for path in preloaded):
        pytest.skip(f"{compiler} has no AddressSanitizer")
    built = subprocess.run(
        ["make", "-C", HERE, "cpu", "SANITIZE=address,undefined", f"CXX={compiler}"],
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, said(built)
    environment = {
        "CUDAMAT_LIBRARY": str(HERE / "build/cpu_sanitize/libcudamat_cpu.so"),
        "LD_PRELOAD": " ".join(preloaded),
        # Python itself leaks on purpose; the library's own refusal of too much memory
        # is what is tested, not the sanitizer's
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    names = "table errors parts shapes lstm loss optimizer sparse packed".split()
    names += ["math_modes", "graph", "paint", "compose"]
    files = [f"tests/cudamat/test_{name}.py" for name in names]
    for arguments in (
        ["-m", "tests.cudamat.fuzz", "4", "400"],
        ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files],
    ):
        done = run(*arguments, **environment)
        assert done.returncode == 0, said(done)


# ----------------------------------------------------------------------- Python


def public() -> dict:
    """Every function of the module and method of a matrix that makes no other one's
    test impossible."""
    left_out = {"load", "cuda_set_device", "set_threads"}
    left_out |= {"init", "cublas_init"}  # ones as many as are asked for
    functions = {
        name: getattr(cm, name)
        for name in cm.__all__
        if inspect.isfunction(getattr(cm, name)) and name not in left_out
    }
    functions |= {
        f"m.{name}": method
        for name, method in inspect.getmembers(cm.CUDAMatrix, callable)
        if not name.startswith("_")
    }
    return functions | {"CUDAMatrix": cm.CUDAMatrix}


class Arguments:
    """Values at random for a parameter."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def matrix(self):
        draw = self.draw
        rows, cols = draw.choice((0, 1, 2, 3, 5)), draw.choice((0, 1, 2, 3, 5))
        m = cm.zeros((rows, cols))
        kind = draw.randrange(5)
        if kind == 0:
            m.free_device_memory()
        elif kind == 1:
            m = m.T
        elif kind == 2 and cols:
            m = m.col_slice(1, cols)
        return m

    def value(self):
        draw = self.draw
        if draw.random() < 0.5:
            return self.matrix()
        return draw.choice(
            (
                *(None, "text", b"bytes", "", [], (), {}, object(), ct.c_int(3)),
                *(0, 1, -1, 2, 2**31, 2**63, 2**64, -(2**70), True, 0.5, 1e400, 1j),
                *(float("nan"), (2, 2), (-1, 2), (2, None), [[1.0]], [[1.0], [1.0, 2]]),
                *(
                    np.zeros((2, 3)),
                    np.zeros(3),
                    np.array("a"),
                    np.float32(2),
                    np.int8(1),
                ),
            )
        )


@pytest.mark.parametrize("name", public())
def test_python_gives_a_sentence(name):
    """Anything goes: a result, or a CUDAMatException. As many arguments as it takes."""
    function = public()[name]
    signature = inspect.signature(function)
    parameters = [
        p
        for p in signature.parameters.values()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)
    ]
    needed = sum(p.default is p.empty for p in parameters)
    arguments = Arguments(seed=len(name))
    for _ in range(300):
        count = arguments.draw.randint(needed, len(parameters))
        values = [arguments.value() for _ in range(count)]
        if (
            name.startswith("m.")
            and parameters
            and parameters[0].name in ("self", "mat")
        ):
            values[0] = arguments.matrix()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                function(*values)
            except cm.CUDAMatException as error:
                assert len(str(error)) > 15, values
            except MemoryError:
                pass  # numpy's, of an array that is too large for the host
            except ValueError as error:  # an array is given for True or False
                assert "truth value of an array" in str(error), values


def test_the_random_state_is_what_it_was():
    """Whatever was tried above, numbers come as always."""
    cm.CUDAMatrix.init_random(3)
    first = cm.empty((2, 2)).fill_with_rand().asarray().tolist()
    cm.CUDAMatrix.init_random(3)
    assert cm.empty((2, 2)).fill_with_rand().asarray().tolist() == first
