"""Training by several ranks, as a user and a cluster see it: what is printed, and how
it ends when something goes wrong."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import cudamat as cm
from tests.videolstm.helpers import difference, read_h5
from tests.videolstm.parallel.hosts import NoHosts, two_hosts
from tests.videolstm.parallel.runs import (
    ROOT,
    environment,
    launch,
    mpiexec,
    write_data,
    write_models,
)
from videolstm.parallel.program import PATIENCE

pytest.importorskip("mpi4py", reason="mpi4py is not there: no ranks are tested")
pytestmark = pytest.mark.skipif(
    cm.load().kind != "cpu", reason="the runs of one machine are on the CPU"
)

FILES = ("digits_model.pbtxt", "bouncing.pbtxt", "patches.pbtxt", "cpu")
# Longer than any of these takes; a test that waits so long has found a hang.
HANG = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    write_data(folder)
    write_models(folder)
    return folder


@pytest.fixture
def without_mpi4py(tmp_path):
    """A PYTHONPATH where mpi4py is what it is where it was never installed."""
    package = tmp_path / "mpi4py"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('No module named mpi4py')")
    return f"{tmp_path}{os.pathsep}{ROOT}"


def program(*arguments) -> list[str]:
    return [sys.executable, str(ROOT / "lstm_combo.py"), *map(str, arguments)]


# ---- what is said, once --------------------------------------------------------------


def test_without_mpi4py_one_sentence_says_what_to_install(folder, without_mpi4py):
    command = mpiexec(3, *program(*FILES, "--out=no_mpi"))
    done = launch(folder, command, PYTHONPATH=without_mpi4py)
    said = [line for line in done.stderr.splitlines() if "lstm_combo" in line]
    assert (done.returncode, done.stdout) == (2, "")
    assert said == [
        "lstm_combo: mpiexec has started 3 processes, and to work together they need "
        "mpi4py, which cannot be loaded (No module named mpi4py): pip install mpi4py, "
        "and mpich too where the system has no MPI of its own"
    ]
    assert not (folder / "no_mpi").exists()


def test_without_a_launcher_mpi4py_is_not_imported(folder, without_mpi4py):
    command = program(*FILES, "--max-iters=1", "--out=alone")
    done = launch(folder, command, PYTHONPATH=without_mpi4py)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ranks" not in done.stdout
    assert list((folder / "alone").glob("*.h5"))


def test_a_launcher_of_one_process_needs_no_mpi4py(folder, without_mpi4py):
    command = mpiexec(1, *program(*FILES, "--max-iters=1", "--out=one"))
    done = launch(folder, command, PYTHONPATH=without_mpi4py)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_launcher_of_another_mpi(folder):
    """Each process finds itself alone: the variables are not those of its MPI."""
    names = ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")
    said = []
    for rank in (0, 1):
        more = dict(zip(names, (str(rank), "2"), strict=True))
        done = launch(folder, program(*FILES, "--out=no_mpi"), **more)
        assert done.returncode == 2
        said.append(done.stderr)
    assert re.fullmatch(
        r"lstm_combo: Open MPI's mpirun has started 2 processes, but MPICH \S+ sees 1 "
        "of them: the launcher and mpi4py have to be of the same MPI .*\n",
        said[0],
    )
    assert said[1] == ""


# Command lines that end with exit status 2, and the line that says why.
WRONG = {
    "a file that is missing": (
        ("digits_model.pbtxt", "none.pbtxt", "patches.pbtxt", "cpu"),
        "lstm_combo: none.pbtxt: there is no such file",
    ),
    "an option that there is not": (
        (*FILES, "--bogus"),
        "lstm_combo: error: unrecognized arguments: --bogus",
    ),
    "a board that there is not": (
        (*FILES[:3], "board"),
        "lstm_combo: board 'board': it should be the number of a CUDA device, such as "
        "0, cpu or auto",
    ),
    "a folder that cannot be made": (
        (*FILES, "--out=bouncing.pbtxt"),
        "lstm_combo: --out is 'bouncing.pbtxt', and no folder can be made there",
    ),
    "fewer cases than ranks": (
        ("digits_model.pbtxt", "few.pbtxt", "patches.pbtxt", "cpu"),
        "lstm_combo: few.pbtxt: the field batch_size is 2, and it should be at least "
        "3, a case for each rank",
    ),
    "a learning rate that is too large": (
        ("diverging.pbtxt", "patches.pbtxt", *FILES[2:], "--out=diverged"),
        "training has diverged",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_told_once(name, folder):
    text = (folder / "bouncing.pbtxt").read_text()
    (folder / "few.pbtxt").write_text(text.replace("batch_size: 5", "batch_size: 2"))
    text = (folder / "patches_model.pbtxt").read_text()
    wild = re.sub(r"epsilon: \S+", "epsilon: 1e30", text)
    (folder / "diverging.pbtxt").write_text(wild)
    arguments, said = WRONG[name]
    start = time.monotonic()
    done = launch(folder, mpiexec(3, *program(*arguments)))
    assert time.monotonic() - start < HANG
    assert done.returncode == 2
    assert done.stderr.count(said) == 1
    assert done.stderr.count("lstm_combo:") == 1
    assert "Traceback" not in done.stderr and "abort" not in done.stderr.lower()


# ---- one of several ------------------------------------------------------------------


def by_two(folder: Path, first: list[str], second: list[str]):
    """Two ranks with command lines of their own."""
    return launch(folder, [*mpiexec(1, *first), ":", "-n", "1", *second])


def test_a_rank_that_fails_ends_the_run_on_all(folder):
    wrong = ("digits_model.pbtxt", "none.pbtxt", *FILES[2:])
    start = time.monotonic()
    done = by_two(folder, program(*FILES, "--out=x"), program(*wrong, "--out=x"))
    assert PATIENCE < time.monotonic() - start < HANG
    assert done.returncode != 0
    assert re.search(
        r"^lstm_combo, rank 1 of 2 on \S+: none.pbtxt: there is no such file, and it "
        "should be",
        done.stderr,
        re.MULTILINE,
    )


def test_ranks_with_other_options(folder):
    runs = [program(*FILES, "--out=x", f"--max-iters={n}") for n in (5, 6)]
    done = by_two(folder, *runs)
    assert done.returncode == 2
    assert re.fullmatch(
        r"lstm_combo: rank 1, on \S+, has another command line than rank 0, on \S+: "
        "all ranks need the same files, options and build\n",
        done.stderr,
    )


class Running:
    """A run of three ranks that would not end by itself, in the middle of training."""

    def __init__(
        self,
        folder: Path,
        out: str,
        hosts: list[str] | None = None,
        files: tuple[str, ...] = FILES,
        until: str = "Step 20 ",
    ) -> None:
        arguments = (*files, f"--out={out}", "--max-iters=1000000")
        self.out = folder / out
        command = mpiexec(3, *program(*arguments))
        self.process = subprocess.Popen(
            command if hosts is None else on_hosts(hosts, command),
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            if line.startswith(until):
                break

    def everybody(self) -> dict[int, str]:
        """Numbers of all processes that the launcher has started, and their
        environments, as /proc tells."""
        parents = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has just ended
                after_name = (place / "stat").read_text().rpartition(")")[2]
                parents[int(place.name)] = int(after_name.split()[1])
        found, new = {}, [self.process.pid]
        while new:
            new = [child for child, parent in parents.items() if parent in new]
            for child in new:
                with contextlib.suppress(OSError):
                    found[child] = Path(f"/proc/{child}/environ").read_text()
        return found

    def send(self, number: int, name: int) -> None:
        """Sends a signal to a rank."""
        os.kill(self.rank(number), name)

    def rank(self, number: int) -> int:
        """The process that its launcher has told that it is that rank."""
        for process, told in self.everybody().items():
            command = Path(f"/proc/{process}/cmdline").read_text()
            if "lstm_combo.py" in command and f"\0PMI_RANK={number}\0" in told:
                return process
        raise AssertionError(f"there is no rank {number}")

    def end(self) -> tuple[int, str, str]:
        """Exit status, and the rest of what it printed; not in `HANG` seconds is a
        failure."""
        # Not communicate, which loses what was read ahead of the line in __init__.
        late = threading.Timer(HANG, self.process.kill)
        late.start()
        try:
            out, error = self.process.stdout.read(), self.process.stderr.read()
            status = self.process.wait()
        finally:
            late.cancel()
            self.process.kill()
        return status, out, error


def is_running(process: int) -> bool:
    """Whether there is such a process, and it is not only waiting to be buried."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] != "Z"


def wait_for_end(processes) -> None:
    end = time.monotonic() + 10
    while any(is_running(process) for process in processes):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def running(folder, request):
    run = Running(folder, request.node.name)
    yield run
    run.process.kill()


@pytest.mark.parametrize("number", [0, 2])
def test_a_rank_that_is_killed_ends_the_run(number, running):
    everybody = running.everybody()
    running.send(number, signal.SIGKILL)
    status, _, _ = running.end()
    assert status != 0
    wait_for_end(everybody)


@pytest.mark.parametrize("number", [0, 2])
def test_sigterm_to_one_rank_saves(number, running):
    running.send(number, signal.SIGTERM)
    status, out, error = running.end()
    assert status == 143
    (stopped,) = re.findall(
        r"^lstm_combo: stopped by SIGTERM; step (\d+) is saved, to go on: .+$",
        error,
        re.MULTILINE,
    )
    assert int(stopped) >= 20
    assert out.splitlines()[-1].startswith("Writing model to ")
    assert len(list(running.out.glob("*.h5"))) == 1


def test_sigterm_during_validation_leaves_it_on_all(folder):
    """Of 10,000 videos one by one, which takes longer than anybody waits."""
    text = (folder / "patches_model.pbtxt").read_text()
    slow = text.replace("validate_after: 25", "validate_after: 20")
    (folder / "slow.pbtxt").write_text(slow.replace("print_after: 10", ""))
    files = ("slow.pbtxt", "patches.pbtxt", "one_by_one.pbtxt", "cpu")
    text = (folder / "bouncing.pbtxt").read_text()
    one_by_one = text.replace("batch_size: 5", "batch_size: 1")
    (folder / "one_by_one.pbtxt").write_text(one_by_one)
    run = Running(folder, "validating", files=files, until="Step 19 ")
    time.sleep(1)  # in the middle of validation
    run.send(2, signal.SIGTERM)
    status, _, error = run.end()
    assert status == 143
    assert "stopped by SIGTERM; step 20 is saved" in error


def test_sigterm_to_all_as_a_scheduler_sends_it(running):
    for process in [running.rank(number) for number in range(3)]:
        os.kill(process, signal.SIGTERM)
    status, _, error = running.end()
    assert status == 143
    assert error.count("lstm_combo: stopped by SIGTERM") == 1


# ---- two hosts -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    try:
        with two_hosts(tmp_path_factory.mktemp("hosts")) as command:
            yield command
    except NoHosts as error:
        pytest.skip(f"NOT TESTED across two hosts, which cannot be made here: {error}")


def on_hosts(hosts: list[str], command: list[str]) -> list[str]:
    """The command line of an mpiexec, on two hosts in turn."""
    mpiexec, *rest = command
    return [mpiexec if word == "MPIEXEC" else word for word in hosts] + rest


# With as many ranks on each host as on the other, those of a host share their weights.
WAYS = {
    3: r"MPICH \S+ adds up their gradients where they lie \(machines with as many "
    r"ranks each would share weights\)",
    4: r"those of a machine share their weights, and MPICH \S+ adds up between them",
}


@pytest.mark.parametrize("ranks", WAYS)
def test_two_hosts_compute_what_one_process_does(ranks, folder, hosts):
    command = program(*FILES[:3], "auto")
    outs = [f"host{ranks}", f"hosts{ranks}"]
    alone = launch(folder, [*command, f"--out={outs[0]}"])
    launcher = mpiexec(ranks, *command, f"--out={outs[1]}")
    both = launch(folder, on_hosts(hosts, launcher))
    for done in (alone, both):
        assert (done.returncode, done.stderr) == (0, "")
    said = rf"^{ranks} ranks on 2 machines, each with .+; {WAYS[ranks]}$"
    assert re.search(said, both.stdout, re.MULTILINE)
    arrays = []
    for out in outs:
        (found,) = (folder / out).glob("*.h5")
        arrays.append(read_h5(found)[0])
    for key, value in arrays[0].items():
        # as in tests/videolstm/parallel: rounding, after 50 gentle steps
        assert difference(arrays[1][key], value) <= 1e-5, key
