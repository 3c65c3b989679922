"""What the CUDA library does with streams, events and graphs, on a simulated CUDA
runtime (simulated_cuda/cuda_runtime.h): its host code alone, which needs no board."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "cudamat" / "src"
SIMULATED = Path(__file__).resolve().parent / "simulated_cuda"
SEEDS = [str(seed) for seed in range(1, 13)]

# What has to be waited for, each by itself. Where one of these is missing the simulated
# board does something too early, so that a check fails: it can tell.
WAITS = {
    "memory that is still read": (
        "upload_cuda.cu",
        "check(cudaStreamWaitEvent(u->stream, stage.read, 0));",
    ),
    "pages that are still sent": (
        "upload_cuda.cu",
        "check(cudaEventSynchronize(piece.sent));",
    ),
    "a batch on its way": (
        "upload_cuda.cu",
        "check(cudaStreamWaitEvent(stream(), u.arrived, 0));",
    ),
    "the work before a branch": (
        "graph_cuda.cu",
        'check_cuda(cudaStreamWaitEvent(stream(), sides.forked, 0), "beginning a '
        'branch");',
    ),
    "the end of a branch": (
        "graph_cuda.cu",
        'check_cuda(cudaStreamWaitEvent(home, sides.finished[k], 0), "waiting for a '
        'branch");',
    ),
}


@pytest.fixture(scope="module")
def compiler() -> str:
    found = os.environ.get("CXX", "g++")
    if shutil.which(found) is None:
        pytest.skip(f"there is no {found}")
    return found


@pytest.fixture(scope="module")
def objects(compiler, tmp_path_factory) -> dict[str, Path]:
    """Each source compiled, by its name."""
    folder = tmp_path_factory.mktemp("streams")
    sources = [SOURCES / "graph_cuda.cu", SOURCES / "upload_cuda.cu"]
    return {
        source.name: compiled(compiler, source, folder)
        for source in (*sources, SIMULATED / "streams.cpp")
    }


def compiled(compiler: str, source: Path, folder: Path) -> Path:
    out = folder / f"{source.name}.o"
    options = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror")
    folders = ("-I", SIMULATED, "-I", SOURCES)
    command = [compiler, *options, *folders, "-x", "c++", "-c", source, "-o", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def checked(compiler: str, objects: list[Path], folder: Path):
    program = folder / "streams"
    subprocess.run([compiler, *objects, "-o", program], check=True)
    return subprocess.run([program, *SEEDS], capture_output=True, text=True)


def test_nothing_is_too_early(compiler, objects, tmp_path):
    done = checked(compiler, list(objects.values()), tmp_path)
    assert (done.returncode, done.stdout) == (0, "0 failures\n"), done.stderr


@pytest.mark.parametrize("name", WAITS)
def test_the_simulation_finds_what_is_missing(name, compiler, objects, tmp_path):
    file, wait = WAITS[name]
    text = (SOURCES / file).read_text()
    assert text.count(wait) == 1
    changed = tmp_path / file
    changed.write_text(text.replace(wait, ""))
    others = [path for key, path in objects.items() if key != file]
    done = checked(compiler, [*others, compiled(compiler, changed, tmp_path)], tmp_path)
    assert done.returncode != 0
