"""The stages of the GPU check and the commands that they run, without a GPU."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from benchmarks import gpu_check, gpu_session, gpu_stages
from benchmarks.gpu_board import Board
from benchmarks.gpu_session import ROOT, Failed, LeftOut, Session
from benchmarks.gpu_stages import STAGES

PYTHON = f"PYTHON={sys.executable}"
BOARD = Board("NVIDIA H200", (9, 0), 150_000_000_000)


@pytest.fixture
def session(tmp_path):
    return Session(BOARD, tmp_path, tmp_path / "check.log", limit=20)


# ----------------------------------------------------------------------- commands


def test_commands_leave_what_they_print(session):
    done = session.python(
        "-c", "print('out'); import sys; print('err', file=sys.stderr)"
    )
    assert done.status == 0 and set(done.output.split()) == {"out", "err"}
    log = session.log.read_text()
    assert "\nout\n" in log and "sys.stderr" in log  # with the command


def test_commands_run_in_the_root_with_our_environment(session, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-j")
    code = "import os; print(os.getcwd(), os.environ['A'], 'MAKEFLAGS' in os.environ)"
    done = session.python("-c", code, environment={"A": "b"})
    assert done.output.strip() == f"{ROOT} b False"


def test_commands_that_fail(session):
    with pytest.raises(Failed, match=r"ended with 3: why$"):
        session.python("-c", "print('why'); raise SystemExit(3)")
    assert session.python("-c", "raise SystemExit(3)", check=False).status == 3
    with pytest.raises(LeftOut, match="there is no no-such-program on this machine"):
        session.call("no-such-program")


def test_commands_that_take_too_long(tmp_path):
    """They are ended with all that they started, and their output is kept."""
    session = Session(BOARD, tmp_path, tmp_path / "check.log", limit=1)
    child = "import time; time.sleep(60)"
    code = (
        "import subprocess, sys\nprint('begun', flush=True)\n"
        f"subprocess.run([sys.executable, '-c', {child!r}])"
    )
    start = time.monotonic()
    with pytest.raises(Failed, match=r"may take 1 seconds; at the end it said: begun"):
        session.python("-c", code)
    assert time.monotonic() - start < 20  # and not 60


def test_long_output_is_cut():
    assert gpu_session.tail("x" * 10_000 + "end\n").endswith("xend")
    assert len(gpu_session.tail("x" * 10_000)) == 3003


def test_tools_of_the_toolkit(tmp_path, monkeypatch):
    tool = tmp_path / "bin" / "cuda-tool"
    tool.parent.mkdir()
    tool.write_text("")
    assert gpu_session.find_tool("cuda-tool") is None
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert gpu_session.find_tool("cuda-tool") == str(tool)


def test_library_that_is_not_built(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_session, "ROOT", tmp_path)
    with pytest.raises(
        LeftOut, match="libcudamat_cuda_double.so is not built; the stag"
    ):
        gpu_session.using("cuda", "double")
    path = tmp_path / "cudamat" / "libcudamat_cuda.so"
    path.parent.mkdir()
    path.write_text("")
    assert gpu_session.using("cuda", "float") == {
        "CUDAMAT_LIBRARY": str(path),
        "CUDAMAT_PRECISION": "float",
    }


# ----------------------------------------------------------------------- stages


def test_stages_are_named_once_and_take_under_eight_minutes():
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names) and all(stage.purpose for stage in STAGES)
    assert gpu_session.LIMIT < 8 * 60


def test_chosen_stages():
    assert gpu_check.chosen_stages([]) == list(STAGES)
    chosen = gpu_check.chosen_stages(["training", "build"])
    assert [stage.name for stage in chosen] == ["build", "training"]


def test_modules_that_stages_run_are_there():
    source = (ROOT / "benchmarks" / "gpu_stages.py").read_text()
    modules = set(re.findall(r'"(benchmarks\.\w+)"', source))
    assert modules == {
        "benchmarks.agreement",
        "benchmarks.batches",
        "benchmarks.full_size",
        "benchmarks.gpu_steps",
        "benchmarks.math_modes",
    }
    for module in modules:
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True
        )
        assert done.returncode == 0, done.stderr


def test_machine(session):
    found = gpu_stages.machine(session)
    assert found["python"] == sys.version.split()[0] and found["pytest"]


def test_machine_without_a_package(session, monkeypatch):
    monkeypatch.setattr(gpu_stages, "PACKAGES", ("numpy", "no-such-package"))
    with pytest.raises(Failed, match="^Python packages are missing: no-such-package$"):
        gpu_stages.machine(session)


class Recording(Session):
    """Notes commands instead of running them."""

    def __init__(self, folder, answers=()):
        super().__init__(BOARD, folder, folder / "check.log")
        self.commands, self.environments = [], []
        self.answers = list(answers)

    def _run(self, command, extra):
        self.commands.append(list(command))
        self.environments.append(extra)
        status, output = self.answers.pop(0) if self.answers else (0, "")
        return gpu_session.Done(status, output)


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Four files where the libraries would be, and a toolkit."""
    monkeypatch.setattr(gpu_session, "ROOT", tmp_path)
    (tmp_path / "cudamat").mkdir()
    for kind in ("cpu", "cuda"):
        for suffix in ("", "_double"):
            (tmp_path / "cudamat" / f"libcudamat_{kind}{suffix}.so").write_text("12345")
    monkeypatch.setattr(gpu_stages, "find_tool", lambda name: f"/toolkit/{name}")
    return tmp_path


def test_build_for_the_board_s_architecture(built):
    session = Recording(built)
    found = gpu_stages.build(session)
    made = [(c[3], c[4], c[-1]) for c in session.commands if c[0] == "make"]
    assert made == [
        ("cpu", "PRECISION=float", PYTHON),
        ("cpu", "PRECISION=double", PYTHON),
        ("cuda", "PRECISION=float", "CUDA_ARCH=90"),
        ("cuda", "PRECISION=double", "CUDA_ARCH=90"),
    ]
    assert found["architecture"] == "sm_90" and set(
        found["library bytes"].values()
    ) == {5}


def test_build_without_nvcc(built, monkeypatch):
    monkeypatch.setattr(gpu_stages, "find_tool", lambda name: None)
    with pytest.raises(LeftOut, match="there is no nvcc"):
        gpu_stages.build(Recording(built))


def test_goals_of_make_are_there(session):
    """The commands of the stage `build`, asked without running them."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    options = ("PRECISION=double", PYTHON)
    session.call("make", "-n", "-C", "cudamat", "cpu", *options)


PASSED = "....\n4 passed, 1 skipped in 5.23s\n"
BROKEN = "FAILED tests/a.py::test_b - assert\n1 failed, 3 passed in 65.30s (0:01:05)\n"


def test_suite(built, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    session = Recording(built, [(0, PASSED), (1, BROKEN), (2, "no tests\n")])
    assert gpu_stages.suite(session, "float") == {"passed": 4, "skipped": 1}
    assert session.commands[0][:3] == [sys.executable, "-m", "pytest"]
    assert "tests/test_docs.py" in session.commands[0]
    assert session.environments[0]["CUDAMAT_LIBRARY"].endswith("libcudamat_cuda.so")
    with pytest.raises(Failed, match="^1 tests failed: tests/a.py::test_b$"):
        gpu_stages.suite(session, "double")
    assert "tests/test_docs.py" not in session.commands[1]
    assert session.environments[1]["CUDAMAT_LIBRARY"].endswith("cuda_double.so")
    with pytest.raises(Failed, match="no tests"):
        gpu_stages.suite(session, "float")
    assert gpu_stages.pytest_counts(BROKEN) == {"failed": 1, "passed": 3}


def test_suite_in_shares(built, monkeypatch):
    """On eight cores four processes, which together have every file once."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    session = Recording(built, [(0, PASSED)] * 4)
    assert gpu_stages.suite(session, "float") == {"passed": 16, "skipped": 4}
    files = [word for command in session.commands for word in command[8:]]
    everything = {str(p.relative_to(ROOT)) for p in (ROOT / "tests").rglob("test_*.py")}
    assert len(session.commands) == 4
    assert len(files) == len(everything) and set(files) == everything
    session = Recording(built, [(0, PASSED), (1, BROKEN), (0, PASSED), (1, BROKEN)])
    with pytest.raises(Failed, match="^2 tests failed: tests/a.py::test_b, tests/a.py"):
        gpu_stages.suite(session, "float")


def test_sanitizers(built):
    session = Recording(
        built,
        [
            (0, PASSED),
            (86, "noise\n========= Invalid __global__ read of size 4\n"),
            (86, "========= Error: Device not supported\n"),
            (1, BROKEN),
        ],
    )
    assert gpu_stages.sanitize(session, "memcheck") == {"passed": 4, "skipped": 1}
    assert session.commands[0][:5] == [
        "/toolkit/compute-sanitizer",
        *("--tool", "memcheck"),
        *("--error-exitcode", "86"),
    ]
    assert session.commands[0][5:7] == ["--report-api-errors", "no"]
    assert session.commands[0][7:10] == [sys.executable, "-m", "pytest"]
    with pytest.raises(Failed) as error:
        gpu_stages.sanitize(session, "racecheck")
    assert str(error.value) == (
        "racecheck found errors: ========= Invalid __global__ read of size 4"
    )
    with pytest.raises(LeftOut, match="compute-sanitizer says: Device not supported"):
        gpu_stages.sanitize(session, "initcheck")
    assert session.commands[-1][5:8] == [sys.executable, "-m", "pytest"]
    with pytest.raises(Failed, match="1 failed"):
        gpu_stages.sanitize(session, "initcheck")


def test_sanitizer_that_is_not_there(built, monkeypatch):
    monkeypatch.setattr(gpu_stages, "find_tool", lambda name: None)
    with pytest.raises(LeftOut, match="there is no compute-sanitizer"):
        gpu_stages.sanitize(Recording(built), "memcheck")


class Writing(Recording):
    """Writes what programs would write with --out."""

    def _run(self, command, extra):
        mode = command[command.index("--math") + 1] if "--math" in command else None
        found = {
            "benchmarks.math_modes": {
                "products": {"S": {"a": {"tf32": 3e-4}, "b": {"tf32": 4e-4}}},
                "gradients": {"S": {"w": {"tf32": 2e-3}}, "M": {"w": {"tf32": 1e-3}}},
                "losses": {"tf32": [[3.0, 4.0], [1.0, 2.0]]},
            },
            "benchmarks.batches": {"same values": True, "ms": {"composed": 0.1}},
            "benchmarks.full_size": {"ms": {"step": 12.0 if mode == "fp32" else 3.0}},
        }
        out = command[command.index("--out") + 1]
        with open(out, "w") as file:
            json.dump(found[command[2]], file)
        return super()._run(command, extra)


def test_math_modes(built):
    """The largest errors, and the time of a step for each kind of products."""
    session = Writing(built)
    found = gpu_stages.math_modes(session)
    assert found == {
        "largest errors of products": {"tf32": 4e-4},
        "largest errors of gradients": {"tf32": 2e-3},
        "losses at the end": {"tf32": [1.0, 2.0]},
        "ms of a step": {"fp32": 12.0, "3xtf32": 3.0, "tf32": 3.0, "bf16": 3.0},
    }
    assert all("cuda.so" in env["CUDAMAT_LIBRARY"] for env in session.environments)
    assert not list(built.glob("*.json"))


def test_batches(built):
    session = Writing(built)
    found = gpu_stages.batches(session)
    assert found == {"same values": True, "ms": {"composed": 0.1}}
    (command,) = session.commands
    assert command[:4] == [sys.executable, "-m", "benchmarks.batches", "0"]
    assert session.environments[0]["CUDAMAT_LIBRARY"].endswith("libcudamat_cuda.so")
    assert not list(built.glob("*.json"))


def test_bench_that_is_not_there(built):
    with pytest.raises(LeftOut, match="no `make bench`"):
        gpu_stages.bench(Recording(built, [(2, "make: *** No rule")]))
    found = gpu_stages.bench(Recording(built, [(0, ""), (0, "fast\n")]))
    assert found == {"printed": "fast"}
