"""What the CUDA library does with streams, events and graphs, on a simulated CUDA
runtime (simulated_cuda/cuda_runtime.h): its host code alone, which needs no board."""

import subprocess
from pathlib import Path

import pytest

from tests.cudamat.simulated import (
    SIMULATED,
    SOURCES,
    CannotBuild,
    build_cublas,
    compiled,
    find_compiler,
    run_compiler,
)

SEEDS = [str(seed) for seed in range(1, 13)]

# What has to be waited for or kept apart, each by itself: a piece of a source and what
# stands in its place. Then the simulated board does something too early, so that a
# check fails: it can tell.
WRONG = {
    "memory that is still read": (
        "upload_cuda.cu",
        "check(cudaStreamWaitEvent(u.stream, stage.read, 0));",
        "",
    ),
    "pages that are still sent": (
        "upload_cuda.cu",
        "check(cudaEventSynchronize(piece.sent));",
        "",
    ),
    "a batch on its way": (
        "upload_cuda.cu",
        "check(cudaStreamWaitEvent(stream(), u.arrived, 0));",
        "",
    ),
    "the work before a branch": (
        "graph_cuda.cu",
        'check_cuda(cudaStreamWaitEvent(stream(), sides.forked, 0), "beginning a '
        'branch");',
        "",
    ),
    "the end of a branch": (
        "graph_cuda.cu",
        'check_cuda(cudaStreamWaitEvent(home, sides.finished[k], 0), "waiting for a '
        'branch");',
        "",
    ),
    "cuBLAS of a branch": ("blas_cuda.cu", "contexts[branch()]", "contexts[0]"),
    "cuBLAS that forgets its memory": (
        "blas_cuda.cu",
        "    if (context.workspace) {",
        "    if (false) {",
    ),
    "cuBLAS that is made too late": ("blas_cuda.cu", "check_may_take_memory();", ""),
}


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> dict[str, Path]:
    """Each source compiled, by its name."""
    try:
        find_compiler()
    except CannotBuild as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("streams")
    names = ("graph_cuda.cu", "upload_cuda.cu", "blas_cuda.cu")
    sources = [*(SOURCES / name for name in names), SIMULATED / "streams.cpp"]
    return {source.name: compiled(source, folder) for source in sources}


@pytest.fixture(scope="module")
def cublas(objects, tmp_path_factory) -> Path:
    return build_cublas(tmp_path_factory.mktemp("cublas"))


def checked(objects: dict[str, Path], cublas: Path, folder: Path):
    program = folder / "streams"
    # what it opens as cuBLAS works on the same simulated board
    run_compiler(*objects.values(), "-rdynamic", "-o", program, "-ldl")
    return subprocess.run([program, cublas, *SEEDS], capture_output=True, text=True)


def test_nothing_is_too_early(objects, cublas, tmp_path):
    done = checked(objects, cublas, tmp_path)
    assert (done.returncode, done.stdout) == (0, "0 failures\n"), done.stderr


@pytest.mark.parametrize("name", WRONG)
def test_the_simulation_finds_what_is_wrong(name, objects, cublas, tmp_path):
    file, right, wrong = WRONG[name]
    text = (SOURCES / file).read_text()
    assert text.count(right) == 1
    changed = tmp_path / file
    changed.write_text(text.replace(right, wrong))
    own = {file: compiled(changed, tmp_path)}
    assert checked(objects | own, cublas, tmp_path).returncode != 0
