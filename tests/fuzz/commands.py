"""Command lines as a format: a file has a program and its arguments, one a line.

They run in this process, in a folder of their own that has a small model and its data.
No argument that is tried leads out of that folder, because some are names of files that
are written.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import random
import shutil
import sys
from pathlib import Path
from unittest import mock

from tests.commands import write_files
from videolstm.errors import UserError

# Programs whose main() reads sys.argv and ends the process, and tools that are given
# their arguments.
PROGRAMS = ("lstm_combo", "lstm_classifier", "display_results")
TOOLS = ("mnist", "bouncing", "percepts", "config_docs")

VALUES = (
    *("0", "1", "2", "-1", "3.5", "1e3", "nan", "inf", "", " ", "1_0", "0x10", "٣"),
    *("99999999999999999999", "4294967296", "-", "--", "--help", "-h", "--version"),
    *("cpu", "auto", "7", "gpu", "cpu,cpu", "model.pbtxt", "train.pbtxt", "none.pbtxt"),
    *("valid.pbtxt", "digits.h5", "valid.npy", "out", "out/x.h5", "out/x.npy", "."),
    *(
        "a\tb",
        "\x1b[2J",
        "\u202e",
        "n" * 300,
        "%s",
        "{}",
        "out/" + "d/" * 50,
        "=",
        "@x",
    ),
)
OPTIONS = (
    *("--max-iters", "--max-minutes", "--seed", "--out", "--max-iters=-1", "--se"),
    *("--examples", "--steps", "--features", "--cases", "--csv", "--save", "--predict"),
    *("--frames", "--sequences", "--image-size", "--digits", "--labelled", "--dataset"),
    *(
        "--layer",
        "--state",
        "--per-frame",
        "--num-digits",
        "--step-length",
        "--unknown",
    ),
)
GOOD = (
    ("lstm_combo", "model.pbtxt", "train.pbtxt", "valid.pbtxt", "cpu"),
    ("lstm_classifier", "model.pbtxt", "train.pbtxt", "valid.pbtxt", "cpu"),
    ("display_results", "model.pbtxt", "valid.pbtxt", "cpu", "--out", "out"),
    ("mnist", ".", "--out", "out/x.h5"),
    ("bouncing", "--digits", "digits.h5", "--out", "out/x.npy", "--sequences", "2"),
    ("bouncing", "--digits", "digits.h5", "--out", "out/x.npy", "--frames", "3"),
    ("percepts", "model.pbtxt", "valid.pbtxt", "cpu", "--out", "out/x.h5"),
    ("config_docs", "--out", "out/x.md"),
)


def command_lines() -> list[bytes]:
    return ["\n".join(line).encode() for line in GOOD]


def an_argument(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """An argument goes, comes, changes or changes places; the program stays."""
    program, *rest = data.decode("utf-8", "replace").split("\n")
    kind, place = draw.randrange(5), draw.randrange(len(rest) + 1)
    if kind == 0:
        del rest[place : place + 1]
    elif kind == 1:
        rest[place:place] = [draw.choice(OPTIONS), draw.choice(VALUES)]
    elif kind == 2:
        rest[place : place + 1] = [draw.choice(VALUES)]
    elif kind == 3:
        rest[place : place + 1] = [draw.choice(OPTIONS)]
    else:
        draw.shuffle(rest)
    return "\n".join((program, *rest)).encode("utf-8", "replace")


def run_command(path: Path) -> None:
    """Runs a command line; raises UserError with its last line where it ends with 2."""
    program, *arguments = path.read_bytes().decode("utf-8", "replace").split("\n")
    folder = path.with_name("commands")
    if not folder.exists():
        folder.mkdir()
        write_files(folder, max_iters=1)
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    said, complained = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder) if sys.version_info >= (3, 11) else _in(folder),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complained),
    ):
        status = _status(program, arguments)
    errors = complained.getvalue().splitlines()
    if status in (0, None):
        return
    assert status == 2 and errors, (status, errors)
    # argparse shows how the program is used, and then says what is wrong.
    assert len(errors) == 1 or errors[0].startswith("usage: "), errors
    raise UserError(f"commands: {errors[-1]}")


def _status(program: str, arguments: list[str]) -> object:
    with mock.patch.object(sys, "argv", [program, *arguments]):
        try:
            if program in PROGRAMS:
                importlib.import_module(program).main()
            elif program in TOOLS:
                tool = importlib.import_module(f"videolstm.tools.{program}")
                tool.main(arguments)
            else:
                raise UserError("commands: no such program")
        except SystemExit as ended:
            return ended.code
        except UserError as error:  # a tool's main leaves that to `run`
            raise UserError(f"commands: {error}") from None
    return 0


@contextlib.contextmanager
def _in(folder: Path):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
