"""Everything that can be checked on one machine in ninety minutes: `make check-all`.

    python -m tests.campaigns.check_all                 all of it
    python -m tests.campaigns.check_all --quick         a few minutes of each stage
    python -m tests.campaigns.check_all --list          which stages there are
    python -m tests.campaigns.check_all --stage oldest --stage kills

A stage is a row of commands; it has a line with ✓, ✗ or, where the machine lacks what
it needs, – and why. What its commands print is in a file of its own in build/check_all.
A stage that takes longer than it may is ended and has failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("build") / "check_all"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# What other versions of packages and of Python can break: files, configuration, models,
# training, the command lines. The kernels do not know of them.
CORE = (
    *("tests/videolstm/models", "tests/videolstm/training", "tests/videolstm/data"),
    *("tests/videolstm/test_config.py", "tests/videolstm/test_h5_writing.py"),
    *("tests/test_lstm_combo.py", "tests/test_lstm_classifier.py"),
)
# The tests of the matrix library that call it in this process.
SANITIZED = (
    *("table errors parts shapes lstm loss optimizer".split()),
    *("sparse packed products random".split()),
)
OTHER_LIBRARY = "test_float_and_double_draw_the_same_numbers"
QUICK = ("tests/videolstm/training", "tests/test_resume.py")


class Missing(Exception):
    """This machine lacks what a stage needs; the text says what."""


@dataclass(frozen=True)
class Command:
    """A command line, and what it has in its environment besides ours."""

    words: list[str]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """A row of commands, made when it is its turn, and the minutes that it may take."""

    name: str
    what: str
    minutes: float
    commands: Callable[[bool], list[Command]]


def pytest(python: str, *args: str, **environment: str) -> Command:
    return Command([python, "-m", "pytest", "-q", *args], environment)


# ---- the library ---------------------------------------------------------------------


def suite(quick: bool) -> list[Command]:
    return [pytest(sys.executable, *(QUICK if quick else ("tests",)))]


def one_thread(quick: bool) -> list[Command]:
    tests = QUICK if quick else ("tests/cudamat", *CORE, "tests/test_resume.py")
    return [pytest(sys.executable, *tests, OMP_NUM_THREADS="1")]


def double(quick: bool) -> list[Command]:
    tests = (
        QUICK if quick else ("tests/cudamat", "tests/videolstm", "tests/test_resume.py")
    )
    return [pytest(sys.executable, *tests, CUDAMAT_PRECISION="double")]


def sanitizers(quick: bool) -> list[Command]:
    """AddressSanitizer and UndefinedBehaviorSanitizer: every operation, fuzzed and by
    its table, and whole models."""
    compiler = shutil.which("g++")
    if compiler is None:
        raise Missing("there is no g++")
    preload = []
    for name in ("libasan.so", "libstdc++.so"):
        found = subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True
        ).stdout.strip()
        if not os.path.isabs(found):
            raise Missing(f"{compiler} has no {name}")
        preload.append(found)
    checked = {
        "CUDAMAT_LIBRARY": str(ROOT / "cudamat/build/cpu_sanitize/libcudamat_cpu.so"),
        "LD_PRELOAD": " ".join(preload),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        # the process that reads .h5 files has less memory than the sanitizer wants
        "VIDEOLSTM_TRUST_H5": "1",
    }
    make = ["make", "-C", "cudamat", "cpu", "SANITIZE=address,undefined"]
    fuzz = [sys.executable, "-m", "tests.cudamat.fuzz", "7", "400" if quick else "4000"]
    names = ["lstm"] if quick else SANITIZED
    tests = [f"tests/cudamat/test_{name}.py" for name in names]
    tests += [] if quick else ["tests/videolstm/models"]
    # This one starts a process with the other library, which is not checked.
    tests.append("--deselect=tests/cudamat/test_random.py::" + OTHER_LIBRARY)
    return [
        Command([*make, f"PYTHON={sys.executable}"]),
        Command(fuzz, checked),
        pytest(sys.executable, *tests, **checked),
    ]


def simulated(quick: bool) -> list[Command]:
    """The CUDA library on a simulated board."""
    if shutil.which("g++") is None:
        raise Missing("there is no g++")
    folder = ROOT / "build" / "simulated_cuda"
    use = {
        "CUDAMAT_LIBRARY": str(folder / "libcudamat_cuda.so"),
        "CUDAMAT_BLAS": str(folder / "libcublas.so"),
    }
    small = ("-k", "not large and not tall and not wide", "-m", "not slow")
    left_out = ("library", "streams", "processes")  # of several libraries, of forks
    own = ["tests/cudamat", *small]
    own += [f"--ignore=tests/cudamat/test_{name}.py" for name in left_out]
    models = ("tests/videolstm/models", "tests/videolstm/training")
    programs = ("tests/test_lstm_combo.py", "tests/test_lstm_classifier.py")
    rows = [["tests/cudamat/test_graph.py"]] if quick else [own, [*models, *programs]]
    return [
        Command([sys.executable, "-m", "tests.cudamat.simulated", str(folder)]),
        *(pytest(sys.executable, *row, **use) for row in rows),
    ]


# ---- other Pythons and other packages ------------------------------------------------


def required() -> list[str]:
    """The packages that the project cannot do without, as pyproject.toml names them."""
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    return re.findall(r'^\s*"([^"]+)"', block[1], re.MULTILINE)


def find_python(version: str) -> str:
    """A Python of that version that can make environments; raises Missing."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    folders = sorted(pyenv.glob(f"versions/{version}.*/bin"), reverse=True)
    candidates = [folder / "python" for folder in folders]
    if on_path := shutil.which(f"python{version}"):
        candidates.append(Path(on_path))
    test = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        done = subprocess.run(
            [str(candidate), "-c", test], capture_output=True, text=True
        )
        if done.stdout.strip() == version:
            return str(candidate)
    raise Missing(f"there is no Python {version} here that can make environments")


def environment(
    name: str, python: str, packages: list[str]
) -> tuple[str, list[Command]]:
    """The Python of a new environment with packages, and the commands that make it."""
    folder = ROOT / FOLDER / f"venv_{name}"
    own = str(folder / "bin" / "python")
    install = ["-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    return own, [
        Command([python, "-m", "venv", "--clear", str(folder)]),
        Command([own, *install, "--upgrade", *packages]),
        Command([own, "-m", "pip", "list", "--disable-pip-version-check"]),
    ]


def oldest(quick: bool) -> list[Command]:
    """Of every package the version that pyproject.toml begins at, under the oldest
    Python: those have wheels for no newer one."""
    python = find_python(PYTHONS[0])
    pinned = [requirement.replace(">=", "==") for requirement in required()]
    own, commands = environment("oldest", python, [*pinned, "pytest"])
    return [*commands, pytest(own, *(QUICK[:1] if quick else CORE))]


def newest(version: str) -> Callable[[bool], list[Command]]:
    """The newest packages under one Python."""

    def commands(quick: bool) -> list[Command]:
        python = find_python(version)
        packages = [*required(), "pytest"]
        own, made = environment(version, python, packages)
        return [*made, pytest(own, *(QUICK[:1] if quick else CORE))]

    return commands


def installed(quick: bool) -> list[Command]:
    """`pip install .` in an environment of its own, without what is optional, and the
    commands from another folder."""
    own, commands = environment("installed", sys.executable, ["pip"])
    folder = Path(own).parent
    install = [own, "-m", "pip", "install", "--quiet", str(ROOT)]
    elsewhere = ["env", "-C", str(folder.parent)]
    programs = [
        Command([*elsewhere, str(folder / name), "--help"])
        for name in ("lstm_combo", "lstm_classifier", "display_results")
    ]
    look = "import cudamat, videolstm; print(cudamat.load('cpu'), videolstm.__file__)"
    return [
        *commands,
        Command(install, {"CUDAMAT_TARGET": "cpu"}),
        Command([*elsewhere, own, "-c", look]),
        *programs,
    ]


# ---- campaigns -----------------------------------------------------------------------


def campaign(module: str, full: list[str], short: list[str]):
    def commands(quick: bool) -> list[Command]:
        words = [sys.executable, "-m", module, *(short if quick else full)]
        return [Command(words, {"OMP_NUM_THREADS": "1"})]

    return commands


def stages() -> list[Stage]:
    """All of them, in their order; together they may take 90 minutes."""
    kills = campaign("tests.campaigns.kills", ["--kills", "300"], ["--kills", "10"])
    some = ["--inputs", "500"]
    most = ["--inputs", "100000", "--minutes", "5"]
    inputs = campaign("tests.fuzz.campaign", most, some)
    long_run = campaign("tests.campaigns.long_run", [], ["--steps", "1000"])
    return [
        Stage(
            "suite", "all tests, single precision, as many threads as cores", 20, suite
        ),
        Stage("double", "double precision", 9, double),
        Stage("one-thread", "one thread", 6, one_thread),
        Stage(
            "sanitizers", "AddressSanitizer, UndefinedBehaviorSanitizer", 8, sanitizers
        ),
        Stage("simulated", "the CUDA library on a simulated board", 9, simulated),
        Stage("installed", "pip install . without optional packages", 5, installed),
        Stage("oldest", "the oldest packages that are supported", 5, oldest),
        *(
            Stage(f"python{version}", f"the newest packages, Python {version}", 3, of)
            for version, of in ((v, newest(v)) for v in PYTHONS)
        ),
        Stage("inputs", "damaged files for every reader", 6, inputs),
        Stage("kills", "300 training runs killed and continued", 10, kills),
        Stage("long-run", "10,000 steps, twice", 6, long_run),
    ]


# ---- the program ---------------------------------------------------------------------


def run_command(command: Command, log, until: float) -> int:
    """Runs a command with its output in `log`; returns its status, 124 where its time
    is over."""
    shown = [f"{name}={value}" for name, value in command.environment.items()]
    print("$", *shown, *command.words, file=log, flush=True)
    process = subprocess.Popen(
        command.words,
        cwd=ROOT,
        env=os.environ | command.environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return 124
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_stage(stage: Stage, quick: bool, path: Path) -> tuple[str, str]:
    """Runs a stage with its output in a file; returns its mark and what to say."""
    began = time.monotonic()
    until = began + 60 * stage.minutes
    with path.open("w") as log:
        try:
            for command in stage.commands(quick):
                status = run_command(command, log, until)
                if status == 124:
                    return "✗", f"not done in {stage.minutes} minutes; see {path}"
                if status != 0:
                    return "✗", f"status {status}; see {path}"
        except Missing as missing:
            return "–", f"left out: {missing}"
    return "✓", f"{(time.monotonic() - began) / 60:.1f} minutes{_result(path)}"


def _result(path: Path) -> str:
    """The last line that says how many tests there were, or what a campaign found."""
    lines = path.read_text(errors="replace").splitlines()
    found = [line for line in lines if re.search(r"\d+ passed|^✓", line)]
    return f": {found[-1].strip('✓ =')}" if found else ""


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_argument("--quick", action="store_true", help="little of each stage")
    options.add_argument("--list", action="store_true", help="the stages, and the end")
    names = [stage.name for stage in stages()]
    options.add_argument("--stage", action="append", choices=names, metavar="NAME")
    args = options.parse_args()
    chosen = [stage for stage in stages() if stage.name in (args.stage or names)]
    if args.list:
        for stage in chosen:
            print(f"{stage.name:12} {stage.what}, at most {stage.minutes} minutes")
        return 0
    (ROOT / FOLDER).mkdir(parents=True, exist_ok=True)
    began, marks = time.monotonic(), []
    for stage in chosen:
        path = FOLDER / f"{stage.name}.log"
        mark, said = run_stage(stage, args.quick, path)
        marks.append(mark)
        print(f"{mark} {stage.name:12} {stage.what}: {said}", flush=True)
    minutes = (time.monotonic() - began) / 60
    counts = f"{marks.count('✓')} ✓, {marks.count('✗')} ✗, {marks.count('–')} left out"
    print(f"{counts}, {minutes:.0f} minutes; all output is in {FOLDER}")
    return 1 if "✗" in marks else 0


if __name__ == "__main__":
    sys.exit(main())
