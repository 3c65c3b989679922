"""Finding, loading and naming the library: each case in a process of its own, because a
process uses one library."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import HERE
from cudamat.prototypes import PROTOTYPES


def run(code: str, **environment) -> str:
    """What the code prints in a fresh Python; a CUDAMatException prints its message."""
    script = (
        "import cudamat as cm\n"
        "try:\n"
        f"{textwrap.indent(code, '    ')}\n"
        "except cm.CUDAMatException as error:\n"
        "    print(error)\n"
    )
    ours = {k: v for k, v in os.environ.items() if not k.startswith("CUDAMAT_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=HERE.parent,
        env=ours | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def need(name: str) -> str:
    """Path of a library of the package; the test is skipped where it is not built."""
    path = HERE / name
    if not path.is_file():
        goal = "cuda" if "cuda" in name else "cpu"
        pytest.skip(f"{name} is not built ('make -C cudamat {goal}' does that)")
    return str(path)


FLOAT, DOUBLE = "libcudamat_cpu.so", "libcudamat_cpu_double.so"
CUDA = "libcudamat_cuda.so"


# ----------------------------------------------------------------------- found


@pytest.mark.parametrize(("name", "dtype"), [(FLOAT, "float32"), (DOUBLE, "float64")])
def test_precision_by_environment(name, dtype):
    need(name)
    precision = "double" if "double" in name else "float"
    code = "cm.load('cpu'); print(cm.real_type(), cm.load().path.name)"
    assert run(code, CUDAMAT_PRECISION=precision) == f"{dtype} {name}"
    code = "cm.load('cpu'); print(cm.zeros((1, 1)).asarray().dtype)"
    assert run(code, CUDAMAT_PRECISION=precision) == dtype


def test_path_by_environment():
    """The file decides, whatever precision is asked for."""
    path = need(DOUBLE)
    code = "print(cm.real_type(), cm.load().kind, cm.load().path)"
    assert run(code, CUDAMAT_LIBRARY=path) == f"float64 cpu {path}"
    assert run(code, CUDAMAT_LIBRARY=path, CUDAMAT_PRECISION="float").startswith(
        "float64"
    )
    assert run("print(cm.load('cpu').path)", CUDAMAT_LIBRARY=path) == path


def test_loading_twice_is_fine():
    need(FLOAT)
    assert run("print(cm.load('cpu') is cm.load() is cm.load('cpu'))") == "True"


def test_import_alone_loads_nothing():
    assert run("print(cm.load.__module__)", CUDAMAT_LIBRARY="/nowhere.so") == (
        "cudamat.library"
    )


def test_every_function_is_there_and_described():
    library = cm.load()
    for name in PROTOTYPES:
        assert callable(getattr(library, name))
    with pytest.raises(AttributeError):
        _ = library.cm_no_such_function


def test_what_is_loaded_has_a_name():
    assert cm.load().kind in ("cpu", "cuda")
    assert cm.real_type() in (np.float32, np.float64)
    assert cm.board_count() >= 1 and cm.threads() >= 1
    assert cm.board_name() == "cpu" or cm.load().kind == "cuda"
    assert len(cm.blas_name()) > 3
    cm.cublas_init()
    cm.cuda_sync_threads()


# ----------------------------------------------------------------------- not found


@pytest.mark.parametrize("call", ["cm.load()", "cm.zeros((1, 1))", "cm.load('cpu')"])
def test_library_that_is_not_there(call):
    message = run(call, CUDAMAT_LIBRARY="/nowhere/lib.so", CUDAMAT_PRECISION="double")
    goal = "cpu" if "cpu" in call else "all"
    assert message == (
        f"the {'cpu ' if goal == 'cpu' else ''}library was not found; 'make -C {HERE} "
        f"{goal} PRECISION=double' builds it. Tried: /nowhere/lib.so (from "
        "CUDAMAT_LIBRARY)"
    )


def test_library_that_is_not_built(tmp_path):
    """The package without its libraries."""
    for source in HERE.glob("*.py"):
        place = tmp_path / "cudamat" / source.name
        place.parent.mkdir(exist_ok=True)
        place.write_text(source.read_text())
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    script = path + "import cudamat as cm; cm.load('cuda' if sys.argv[1:] else None)"
    for arguments, kind in (([], "cpu"), (["cuda"], "cuda")):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if not k.startswith("CUDAMAT_")},
            capture_output=True,
            text=True,
        )
        folder = tmp_path / "cudamat"
        assert done.stderr.splitlines()[-1] == (
            f"cudamat.library.CUDAMatException: the {kind} library was not found; "
            f"'make -C {folder} {kind}' builds it. Tried: "
            f"{folder}/libcudamat_{kind}.so"
        )


def test_unknown_precision():
    message = "CUDAMAT_PRECISION is 'half'; it must be 'float' or 'double'"
    assert run("cm.load()", CUDAMAT_PRECISION="half") == message


def test_file_that_is_no_library(tmp_path):
    path = tmp_path / "text.so"
    path.write_text("text")
    message = run("cm.load()", CUDAMAT_LIBRARY=str(path))
    assert message.startswith(f"{path} cannot be loaded: ")


def test_library_that_is_another_one():
    """BLAS is a library, and there, but it is not ours."""
    scipy_openblas32 = pytest.importorskip("scipy_openblas32")
    path = os.path.join(
        scipy_openblas32.get_lib_dir(), scipy_openblas32.get_library(fullname=True)
    )
    message = run("cm.load()", CUDAMAT_LIBRARY=path)
    assert message == (
        f"{path} has no cm_last_error: it is no library of this package, or an old "
        f"one; 'make -C {HERE}' builds them"
    )


def test_failed_load_leaves_nothing_behind():
    path = need(FLOAT)
    code = f"""
import os
try:
    cm.load()
except cm.CUDAMatException:
    os.environ["CUDAMAT_LIBRARY"] = {path!r}
print(cm.zeros((2, 2)).total(), cm.load().path)
"""
    assert run(code, CUDAMAT_LIBRARY="/nowhere.so") == f"0.0 {path}"


# ----------------------------------------------------------------------- kinds


def test_other_kind_after_the_first():
    need(FLOAT)
    message = run("cm.load('cpu'); cm.load('cuda')")
    assert message == (
        "the cpu library is already in use; choose cuda before the first matrix is made"
    )


def test_library_of_the_other_kind():
    path = need(FLOAT)
    message = run("cm.cuda_set_device(0)", CUDAMAT_LIBRARY=path)
    assert message == f"{path} is a library for cpu, not for cuda"


def test_board_without_the_cuda_library():
    if (HERE / CUDA).is_file():
        pytest.skip(f"{CUDA} is built")
    message = run("cm.cuda_set_device(0)")
    assert message == (
        f"the cuda library was not found; 'make -C {HERE} cuda' builds it. Tried: "
        f"{HERE / CUDA}"
    )


def has_driver() -> bool:
    return os.path.exists("/dev/nvidiactl") or os.path.exists("/dev/dxg")


@pytest.mark.skipif(has_driver(), reason="this machine has a CUDA driver")
def test_cuda_library_without_a_driver():
    need(CUDA)
    message = run("cm.cuda_set_device(0)")
    assert message.endswith("no CUDA driver is installed on this machine")
    assert run("print(cm.load().kind)") == "cpu"  # unless told otherwise
    message = run("cm.load('cuda'); cm.zeros((2, 2))")
    assert "CUDA driver" in message


@pytest.mark.gpu
@pytest.mark.skipif(not has_driver(), reason="this machine has no CUDA driver")
def test_board_that_is_not_there():
    need(CUDA)
    assert run("cm.cuda_set_device(99)").startswith("there is no CUDA board 99; there ")
    assert run("cm.cuda_set_device(-1)").startswith("there is no CUDA board -1; there ")


# ----------------------------------------------------------------------- BLAS


def test_blas_that_is_not_there():
    need(FLOAT)
    message = run("cm.load('cpu')", CUDAMAT_BLAS="/nowhere/libblas.so")
    assert message.startswith("blas_open: this BLAS cannot be used:")
    assert "/nowhere/libblas.so" in message


def test_blas_that_is_none():
    path = need(FLOAT)
    message = run("cm.load('cpu')", CUDAMAT_BLAS=path)
    assert f"{path}: it has no cblas_sgemm" in message


def test_blas_by_environment():
    need(FLOAT)
    scipy_openblas32 = pytest.importorskip("scipy_openblas32")
    path = os.path.join(
        scipy_openblas32.get_lib_dir(), scipy_openblas32.get_library(fullname=True)
    )
    assert "OpenBLAS" in run("cm.load('cpu'); print(cm.blas_name())", CUDAMAT_BLAS=path)
