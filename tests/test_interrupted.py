"""Training in a world that does not let it finish: signals, full disks, folders that
cannot be written to, other runs; with real processes."""

import ctypes
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.campaigns.scenarios import SCENARIOS, contents, merged_logs
from tests.commands import BOARD, FILES, ROOT
from videolstm.config import read_model
from videolstm.results.trained import load_trained

COMBO = str(ROOT / "lstm_combo.py")
ENDLESS = 10**6
SECONDS = 120  # until a program counts as hung


@contextmanager
def running(folder: Path, *args, **options) -> Iterator[subprocess.Popen]:
    """lstm_combo.py in `folder`, which prints its errors between its other lines."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, COMBO, *map(str, args)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_until(process: subprocess.Popen, text: str) -> list[str]:
    """The lines that a program prints, up to one with `text` in it."""
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    raise AssertionError(f"it never said {text!r}: {lines}")


def description_in(lines: list[str], folder: Path) -> Path:
    (name,) = [line[15:] for line in lines if line.startswith("Model saved at ")]
    return folder / name


def weights_in(description: Path) -> bytes:
    return contents(description.with_suffix(".h5"))


def steps_in(description: Path) -> list[int]:
    """The iterations of a log, and of those that it goes on from."""
    config = read_model(description)
    rows = merged_logs(description.parent, config.name, config.timestamp)
    return [int(row["iteration"]) for row in rows]


def half_written(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


@pytest.fixture
def folder(tmp_path):
    SCENARIOS["bouncing"].write(
        tmp_path, max_iters=ENDLESS, print_after=1, validate_after=0, save_after=5
    )
    return tmp_path


# ---- signals -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_run_with_a_checkpoint_and_says_how_to_go_on(name, folder):
    number = getattr(signal, name)
    with running(folder, *FILES, "--seed", 3) as process:
        lines = lines_until(process, "Step 6 ")
        process.send_signal(number)
        rest = process.stdout.read().splitlines()
        assert process.wait(SECONDS) == 128 + number
    found = re.fullmatch(
        rf"lstm_combo: stopped by {name}; step (\d+) is saved, to go on: (.+)", rest[-1]
    )
    assert rest[-2].startswith("Writing model to out/")
    steps, command = int(found[1]), found[2]
    first = description_in(lines, folder)
    # the command, as somebody types it who has it from the terminal
    done = subprocess.run(
        f"{command} --max-iters {steps + 3}",
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert f"after {steps} steps" in done.stdout
    second = description_in(done.stdout.splitlines(), folder)
    assert list(read_model(second).timestamp)[:1] == list(read_model(first).timestamp)
    assert steps_in(second) == list(range(1, steps + 4))
    if name == "SIGTERM":
        with running(folder, *FILES, "--seed", 3, "--max-iters", steps + 3) as whole:
            undisturbed = description_in(lines_until(whole, "Writing"), folder)
            assert whole.wait(SECONDS) == 0
        assert weights_in(second) == weights_in(undisturbed)


def test_a_signal_before_the_first_step(folder):
    with running(folder, *FILES) as process:
        lines_until(process, "Using board")
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == 143
    # in time, or a moment later, when there are files
    assert re.search(
        r"^lstm_combo: (ended by SIGTERM|stopped by SIGTERM; step \d is saved, to go "
        r"on: .+)\n\Z",
        rest,
        re.MULTILINE,
    )
    assert not (folder / "out").exists() or half_written(folder / "out") == []


def test_a_reader_that_goes_away_ends_a_run_with_a_checkpoint(folder):
    command = shlex.join([sys.executable, COMBO, *FILES])
    done = subprocess.run(
        ["bash", "-c", f"{command} 2> errors | head -n 4; exit ${{PIPESTATUS[0]}}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 141
    error = (folder / "errors").read_text()
    assert error.startswith("lstm_combo: stopped by SIGPIPE; step ")
    assert error.count("\n") == 1
    assert len(list((folder / "out").glob("*.h5"))) == 1


# ---- full disks ----------------------------------------------------------------------


class Limit:
    """A limit on the size of files, set to a process from outside while it runs."""

    def __init__(self, process: subprocess.Popen, _: Path) -> None:
        self.process = process

    def full(self) -> None:
        self._set(10)

    def free(self) -> None:
        self._set(resource.RLIM_INFINITY)

    def _set(self, size: int) -> None:
        hard = resource.RLIM_INFINITY
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, hard))


class SmallDisk:
    """A disk of a megabyte that is filled up to the last byte."""

    def __init__(self, _: subprocess.Popen, folder: Path) -> None:
        self.filler = folder / "out" / "filler"

    def full(self) -> None:
        with self.filler.open("wb", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    pass

    def free(self) -> None:
        self.filler.unlink()


@pytest.fixture
def small_disk(folder):
    """A small disk at out, where this system lets us have one."""
    (folder / "out").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder / "out")]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    yield
    subprocess.run(["umount", "-l", str(folder / "out")], check=True)


@pytest.mark.parametrize("kind", [Limit, SmallDisk])
def test_a_full_disk_is_complained_of_and_training_goes_on(kind, folder, request):
    if kind is SmallDisk:
        request.getfixturevalue("small_disk")
    with running(folder, *FILES) as process:
        lines = lines_until(process, "Writing model")
        description = description_in(lines, folder)
        disk = kind(process, folder)
        disk.full()
        said = lines_until(process, "is not saved")
        if "the log cannot be written" not in "".join(said):
            said += lines_until(process, "the log cannot be written")
        assert weights_in(description)  # it can be read
        said += lines_until(process, "is not saved")  # it is tried again
        disk.free()
        lines_until(process, "Writing model")
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(SECONDS) == 143
    complaints = [line for line in said if line.startswith("lstm_combo: ")]
    logs = [line for line in complaints if "the log cannot" in line]
    assert len(logs) == 1
    assert logs[0].endswith("; its rows are kept for later; training goes on")
    for line in [line for line in complaints if "is not saved" in line]:
        assert re.fullmatch(
            r"lstm_combo: out/model_\d+\.h5: cannot be written .+: make room, or name "
            r"a file on another disk; step \d+ is not saved, the checkpoint of step "
            r"\d+ is still there; training goes on",
            line,
        )
    # nothing is missing in the log, and the end is saved
    last = int(re.search(r"step (\d+) is saved", rest)[1])
    rows = steps_in(description)
    assert rows == list(range(1, len(rows) + 1)) and len(rows) in (last, last - 1)
    assert half_written(folder / "out") == []


def test_what_cannot_be_saved_at_the_end_is_an_error(folder):
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    with running(folder, *FILES, "--max-iters", 7, preexec_fn=small_files) as process:
        lines = process.stdout.read().splitlines()
        assert process.wait(SECONDS) == 2
    assert lines[-1].endswith("; step 7 is not saved, of this run nothing is saved yet")
    assert sum("step 5 is not saved" in line for line in lines) == 1
    description = description_in(lines, folder)
    assert not description.with_suffix(".h5").exists()
    assert steps_in(description) == list(range(1, 8))
    assert half_written(folder / "out") == []


# ---- a folder that cannot be written to ----------------------------------------------


def without_privileges() -> None:
    """For a process to be: the superuser's rights over files are taken from it, so that
    permissions count; for anybody else nothing."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
                raise OSError(ctypes.get_errno(), "prctl")


def test_a_folder_that_becomes_read_only(folder):
    with running(folder, *FILES, preexec_fn=without_privileges) as process:
        lines = lines_until(process, "Writing model")
        description = description_in(lines, folder)
        os.chmod(folder / "out", 0o555)
        said = lines_until(process, "is not saved")[-1]
        assert weights_in(description)
        assert re.fullmatch(
            r"lstm_combo: out/model_\d+\.h5: cannot be written in \S+ \(permission "
            r"denied\): name a file in a folder that can be written to; step \d+ is "
            r"not saved, the checkpoint of step \d+ is still there; training goes on",
            said,
        )
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
        assert process.wait(SECONDS) == 2  # the end of the run is not saved
        assert "is still there" in rest[-1]
    os.chmod(folder / "out", 0o755)
    assert half_written(folder / "out") == []


def test_a_folder_that_is_read_only_from_the_start(folder):
    (folder / "out").mkdir(mode=0o555)
    with running(folder, *FILES, preexec_fn=without_privileges) as process:
        lines = process.stdout.read().splitlines()
        assert process.wait(SECONDS) == 2
    assert re.fullmatch(
        r"lstm_combo: model\.pbtxt: the field checkpoint_dir is 'out', and .+ cannot "
        r"be made in it \(permission denied\); it should be a folder that can be "
        r"written to",
        lines[-1],
    )
    assert os.listdir(folder / "out") == []


# ---- others --------------------------------------------------------------------------


def test_runs_that_start_together_do_not_meet(folder):
    count = 2
    started = [running(folder, *FILES, "--max-iters", 6) for _ in range(count)]
    processes = [context.__enter__() for context in started]
    try:
        outputs = [process.communicate(timeout=SECONDS)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * count
    finally:
        for context in started:
            context.__exit__(None, None, None)
    descriptions = {description_in(text.splitlines(), folder) for text in outputs}
    assert len(descriptions) == count
    weights = [weights_in(description) for description in descriptions]
    assert weights[0] == weights[1]
    for description in descriptions:
        assert steps_in(description) == [1, 2, 3, 4, 5, 6]
        assert len(read_model(description).timestamp) == 1
    # and each can be shown
    path = str(descriptions.pop())
    assert load_trained(path, str(folder / "valid.pbtxt"), BOARD, 1, 2).iteration == 6
