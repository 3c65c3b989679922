"""The CUDA library on a simulated board: built from its own sources by the host's
compiler, against the CUDA runtime and the cuBLAS of simulated_cuda/.

    python -m tests.cudamat.simulated FOLDER

builds both there and prints the environment in which Python uses them. Kernels run
thread by thread, streams run late and in any order that is allowed, memory is full of
rubbish when it is new: what is left of a real board is nvcc, its arithmetic and speed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "cudamat" / "src"
SIMULATED = Path(__file__).resolve().parent / "simulated_cuda"
OPTIONS = ("-std=c++17", "-O1", "-fPIC", "-Wall", "-Wextra", "-Werror")
# a pragma of OpenMP is for the library for the CPU
OPTIONS += ("-Wno-unknown-pragmas", "-I", str(SIMULATED), "-I", str(SOURCES))


class CannotBuild(Exception):
    """There is no compiler, or it says something."""


def find_compiler() -> str:
    """Raises CannotBuild where there is none."""
    found = os.environ.get("CXX", "g++")
    if shutil.which(found) is None:
        raise CannotBuild(f"there is no {found}")
    return found


def run_compiler(*arguments: str | Path) -> None:
    """Raises CannotBuild with what it says, warnings included."""
    command = [find_compiler(), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotBuild(done.stderr)


def compiled(source: Path, folder: Path, *options: str) -> Path:
    """A source as an object in the folder."""
    out = folder / f"{source.name}.o"
    run_compiler(*OPTIONS, *options, "-x", "c++", "-c", source, "-o", out)
    return out


def build_cublas(folder: Path) -> Path:
    out = folder / "libcublas.so"
    run_compiler(*OPTIONS, "-shared", SIMULATED / "cublas.cpp", "-o", out)
    return out


def build(folder: Path) -> dict[str, str]:
    """The library and cuBLAS in the folder; returns the environment to use them in.
    Raises CannotBuild."""
    find_compiler()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = pool.map(
            lambda source: compiled(source, folder, "-D__CUDACC__"),
            sorted(SOURCES.glob("*.cu")),
        )
        cublas = pool.submit(build_cublas, folder)
        library = folder / "libcudamat_cuda.so"
        run_compiler("-shared", *objects, "-Wl,-z,defs", "-o", library, "-ldl")
    return {"CUDAMAT_LIBRARY": str(library), "CUDAMAT_BLAS": str(cublas.result())}


if __name__ == "__main__":
    chosen = Path(sys.argv[1])
    chosen.mkdir(parents=True, exist_ok=True)
    for item in build(chosen.resolve()).items():
        print("=".join(item))
