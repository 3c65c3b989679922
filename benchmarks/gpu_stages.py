"""The stages of the GPU check. Each takes a Session, returns what it found, and raises
Failed or LeftOut."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from benchmarks.gpu_session import (
    ROOT,
    Failed,
    LeftOut,
    Session,
    find_tool,
    library,
    tail,
    using,
)
from cudamat import MATH_MODES

PACKAGES = ("numpy", "h5py", "protobuf", "matplotlib", "tqdm", "pytest")
PRECISIONS = ("float", "double")
CORES_OF_A_SHARE = 2  # of the host: of each process that runs a part of the tests
_CONFIG = ROOT / "videolstm" / "config_pb2.py"

# Sanitizers slow every launch down: the table's small sizes meet every kernel, and what
# other libraries launch is not ours to check.
_SMALL = "not large and not tall and not wide and not another_library"
_SANITIZER_FOUND = 86  # exit status, which pytest does not use
_SANITIZER_CANNOT = ("Device not supported", "Unable to find injection library")


@dataclass(frozen=True)
class Stage:
    """A part of the check.

    Attributes:
        name: what ``--stage`` calls it.
        purpose: what it shows, in a few words.
        run: does it, returns numbers and words for the report.
    """

    name: str
    purpose: str
    run: Callable[[Session], dict]


# ----------------------------------------------------------------------- what there is


def machine(session: Session) -> dict:
    """Versions of everything that may matter."""
    missing = [name for name in PACKAGES if _version(name) is None]
    found = {"python": sys.version.split()[0]}
    found |= {name: _version(name) or "missing" for name in PACKAGES}
    nvcc = find_tool("nvcc")
    if nvcc:
        release = re.search(r"release ([\d.]+)", session.call(nvcc, "--version").output)
        found["nvcc"] = release[1] if release else "unknown"
    smi = find_tool("nvidia-smi")
    if smi:
        query = ("--query-gpu=driver_version,clocks.max.sm", "--format=csv,noheader")
        found["nvidia-smi"] = session.call(smi, *query, check=False).output.strip()
    if missing:
        raise Failed(f"Python packages are missing: {', '.join(missing)}")
    return found


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


# ----------------------------------------------------------------------- build


def build(session: Session) -> dict:
    """All four libraries, CUDA's for this board alone, and the configuration module."""
    if not _CONFIG.is_file():
        _make_config(session)
    for precision in PRECISIONS:
        _make(session, "cpu", precision)
    nvcc = find_tool("nvcc")
    if nvcc is None:
        raise LeftOut("there is no nvcc; stages go on with the libraries that are here")
    architecture = f"CUDA_ARCH={session.board.architecture}"
    for precision in PRECISIONS:
        _make(session, "cuda", precision, architecture)
    sizes = {
        f"{kind} {precision}": library(kind, precision).stat().st_size
        for kind in ("cpu", "cuda")
        for precision in PRECISIONS
    }
    return {"architecture": f"sm_{session.board.architecture}", "library bytes": sizes}


def _make(session: Session, kind: str, precision: str, *more: str) -> None:
    options = (f"PRECISION={precision}", f"PYTHON={sys.executable}", *more)
    session.call("make", "-C", "cudamat", kind, *options)


def _make_config(session: Session) -> None:
    out = ("--proto_path=.", "--python_out=videolstm", "config.proto")
    for compiler in (["protoc"], [sys.executable, "-m", "grpc_tools.protoc"]):
        try:
            if session.call(*compiler, *out, check=False).status == 0:
                return
        except LeftOut:
            continue
    raise Failed(
        "videolstm/config_pb2.py is not there, and no protoc to make it of config.proto"
    )


# ----------------------------------------------------------------------- tests


def suite(session: Session, precision: str) -> dict:
    """The whole suite, in several processes at a time; in double precision the parts
    that have something to gain."""
    parts = ["tests"]
    if precision == "double":
        parts = ["tests/cudamat", "tests/videolstm"]
    environment = using("cuda", precision)
    with ThreadPoolExecutor() as pool:
        files = shares(parts, max(1, (os.cpu_count() or 1) // CORES_OF_A_SHARE))
        runs = [pool.submit(_pytest, session, each, environment) for each in files]
    # one that took too long does not hide what the others have found
    late = [run.exception() for run in runs if run.exception() is not None]
    done = [run.result() for run in runs if run.exception() is None]
    failed = [
        name
        for one in done
        for name in re.findall(r"^(?:FAILED|ERROR) (\S+)", one.output, re.MULTILINE)
    ]
    if failed:
        also = f"; {late[0]}" if late else ""
        raise Failed(f"{len(failed)} tests failed: {', '.join(failed[:20])}{also}")
    if late:
        raise late[0]
    for one in done:
        if one.status != 0:
            raise Failed(tail(one.output))
    return dict(sum((Counter(pytest_counts(one.output)) for one in done), Counter()))


def shares(parts: Sequence[str], count: int) -> list[list[str]]:
    """The files of tests in these folders, dealt out to so many, large ones first."""
    found = [path for part in parts for path in (ROOT / part).rglob("test_*.py")]
    found.sort(key=lambda path: (-path.stat().st_size, path))
    names = [str(path.relative_to(ROOT)) for path in found]
    return [names[k::count] for k in range(min(count, len(names)))]


def _pytest(session: Session, parts: list[str], environment, *before: str):
    options = ("-q", "-rfE", "--tb=short", "-p", "no:cacheprovider")
    command = (*before, sys.executable, "-m", "pytest", *options, *parts)
    return session.call(*command, check=False, environment=environment)


def pytest_counts(output: str) -> dict[str, int]:
    """How many tests passed, failed, were skipped, from pytest's last line."""
    lines = [line for line in output.splitlines() if re.search(r" in [\d.]+s", line)]
    words = re.findall(r"(\d+) ([a-z]+)", lines[-1].split(" in ")[0]) if lines else []
    return {what: int(count) for count, what in words}


def sanitize(session: Session, tool: str) -> dict:
    """compute-sanitizer over the tests of the matrix library, small sizes only."""
    program = find_tool("compute-sanitizer")
    if program is None:
        raise LeftOut("there is no compute-sanitizer")
    environment = using("cuda", "float")
    before = (
        program,
        *("--tool", tool),
        *("--error-exitcode", str(_SANITIZER_FOUND)),
    )
    if tool == "memcheck":  # errors that CUDA reports are what some tests ask for
        before += ("--report-api-errors", "no")
    parts = ["tests/cudamat", "-k", _SMALL, "-m", "not slow"]
    parts += ["--ignore=tests/cudamat/test_library.py"]  # loads other libraries
    done = _pytest(session, parts, environment, *before)
    for sentence in _SANITIZER_CANNOT:
        if sentence in done.output:
            raise LeftOut(f"compute-sanitizer says: {sentence}")
    if done.status == _SANITIZER_FOUND:
        raise Failed(f"{tool} found errors: {_sanitizer_lines(done.output)}")
    if done.status != 0:
        raise Failed(tail(done.output))
    return pytest_counts(done.output)


def _sanitizer_lines(output: str) -> str:
    return tail("\n".join(x for x in output.splitlines() if x.startswith("=====")))


# ----------------------------------------------------------------------- both libraries


def agreement(session: Session) -> dict:
    """The same operations and models on both libraries, compared."""
    files = []
    for kind in ("cpu", "cuda"):
        files.append(str(session.folder / f"agreement-{kind}.npz"))
        session.python(
            *("-m", "benchmarks.agreement", "answer", "--out", files[-1]),
            environment=using(kind, "float"),
        )
    report = session.folder / "agreement.json"
    done = session.python(
        *("-m", "benchmarks.agreement", "compare", *files, "--out", str(report)),
        check=False,
        environment=using("cpu", "float"),
    )
    for file in files:
        Path(file).unlink()
    if not report.is_file():
        raise Failed(tail(done.output))
    found = _taken(report)
    if done.status != 0:
        raise Failed(tail(done.output))
    return found


# ----------------------------------------------------------------------- training


def training(session: Session) -> dict:
    """Steps of the paper's model at its full size, and their time."""
    report = session.folder / "full_size.json"
    session.python(
        *("-m", "benchmarks.full_size", "0", "--out", str(report)),
        environment=using("cuda", "float"),
    )
    return _taken(report)


def batches(session: Session) -> dict:
    """The time of a batch of bouncing digits, painted on the host and composed on the
    board."""
    report = session.folder / "batches.json"
    session.python(
        *("-m", "benchmarks.batches", "0", "--out", str(report)),
        environment=using("cuda", "float"),
    )
    return _taken(report)


def math_modes(session: Session) -> dict:
    """What products with fewer bits do to the numbers, and how long a step of the
    paper's model takes with each kind."""
    report, environment = session.folder / "math_modes.json", using("cuda", "float")
    session.python(
        *("-m", "benchmarks.math_modes", "0", "--out", str(report)),
        environment=environment,
    )
    found = _taken(report)
    times = {}
    for mode in MATH_MODES:
        session.python(
            *("-m", "benchmarks.full_size", "0", "--math", mode, "--steps", "50"),
            *("--out", str(report)),
            environment=environment,
        )
        times[mode] = _taken(report)["ms"]["step"]
    return {
        "largest errors of products": _largest(found["products"]),
        "largest errors of gradients": _largest(found["gradients"]),
        "losses at the end": {k: means[-1] for k, means in found["losses"].items()},
        "ms of a step": times,
    }


def _largest(errors: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """By kind of products the largest error of any size and part."""
    worst: dict[str, float] = {}
    for parts in errors.values():
        for by_mode in parts.values():
            for mode, error in by_mode.items():
                worst[mode] = max(error, worst.get(mode, 0.0))
    return worst


def graphs(session: Session) -> dict:
    """Steps that are asked for each time against steps that are repeated as graphs: the
    same bytes, and their times, of all sizes and kinds of products."""
    report = session.folder / "gpu_steps.json"
    session.python(
        *("-m", "benchmarks.gpu_steps", "0", "--out", str(report)),
        environment=using("cuda", "float"),
    )
    return _taken(report)["sizes"]


def bench(session: Session) -> dict:
    """`make bench`, where the Makefile has it."""
    if session.call("make", "-n", "bench", check=False).status != 0:
        raise LeftOut("this tree has no `make bench`")
    return {"printed": tail(session.call("make", "bench").output)}


def _taken(report: Path) -> dict:
    found = json.loads(report.read_text())
    report.unlink()
    return found


STAGES = (
    Stage("machine", "versions of everything", machine),
    Stage("build", "libraries for this board's architecture", build),
    Stage(
        "tests",
        "the whole suite on the CUDA library",
        partial(suite, precision="float"),
    ),
    Stage(
        "tests-double",
        "the suite on the CUDA library in double precision",
        partial(suite, precision="double"),
    ),
    Stage("memcheck", "no access out of bounds", partial(sanitize, tool="memcheck")),
    Stage("racecheck", "no race in shared memory", partial(sanitize, tool="racecheck")),
    Stage(
        "initcheck", "no read of unwritten memory", partial(sanitize, tool="initcheck")
    ),
    Stage("agreement", "CPU and CUDA compute the same", agreement),
    Stage("training", "the paper's model at full size", training),
    Stage("batches", "digits painted on the host, or composed on the board", batches),
    Stage("math", "errors and times of products with fewer bits", math_modes),
    Stage("graphs", "steps as CUDA graphs: the same bytes, and times", graphs),
    Stage("bench", "`make bench`", bench),
)
