"""What the stages of the GPU check share: commands with a time limit and a log."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu_board import Board

ROOT = Path(__file__).resolve().parents[1]

LIMIT = 470  # seconds of a stage: under 8 minutes

_WIDE = 240  # characters of a command that are worth showing
_TAIL = 3000  # characters of a failed command's output that are worth showing

# A make that started this has jobs of its own, which others cannot join.
_NOT_HANDED_ON = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")


class Failed(Exception):
    """Something that was checked is wrong."""


class LeftOut(Exception):
    """A stage cannot run on this machine."""


@dataclass
class Done:
    """What a command left: its exit status and what it printed."""

    status: int
    output: str


class Session:
    """The run of one stage.

    Args:
        board: the board that is checked.
        folder: where results go.
        log: file that the commands' output is added to.
        limit: seconds for all commands of the stage.
    """

    def __init__(
        self, board: Board, folder: Path, log: Path, limit: float = LIMIT
    ) -> None:
        self.board = board
        self.folder = folder
        self.log = log
        self.limit = limit
        self.end = time.monotonic() + limit

    def call(
        self,
        *command: str,
        check: bool = True,
        environment: dict[str, str] | None = None,
    ) -> Done:
        """Runs a command in the root of the tree, with `environment` on top of ours.

        Raises Failed where it takes longer than the stage may and, with `check`, where
        it fails; LeftOut where there is no such program.
        """
        extra = environment or {}
        words = [f"{k}={v}" for k, v in extra.items()] + [shlex.join(command)]
        line = " ".join(words)
        if len(line) > _WIDE:  # the log has all of it
            line = f"{line[:_WIDE]} ..."
        print(f"  $ {line}", flush=True)
        done = self._run(command, extra)
        if check and done.status != 0:
            raise Failed(
                f"{shlex.join(command)} ended with {done.status}: {tail(done.output)}"
            )
        return done

    def _run(self, command: Sequence[str], extra: dict[str, str]) -> Done:
        if shutil.which(command[0]) is None:
            raise LeftOut(f"there is no {command[0]} on this machine")
        ours = {k: v for k, v in os.environ.items() if k not in _NOT_HANDED_ON}
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=ours | extra,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that its children end with it
        )
        late = False
        try:
            left = max(self.end - time.monotonic(), 0.1)
            output, _ = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        if late:
            output, _ = process.communicate()
        self._note(command, extra, output)
        if late:
            raise Failed(
                f"{shlex.join(command)} was stopped: the stage may take "
                f"{self.limit:.0f} seconds; at the end it said: {tail(output)}"
            )
        return Done(process.returncode, output)

    def _note(self, command: Sequence[str], extra: dict[str, str], output: str) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"\n$ {extra or ''} {shlex.join(command)}\n{output}")

    def python(self, *arguments: str, **options) -> Done:
        """Runs the Python that runs us."""
        return self.call(sys.executable, *arguments, **options)


def tail(text: str) -> str:
    """The end of what a command printed."""
    text = text.strip()
    return text if len(text) <= _TAIL else f"...{text[-_TAIL:]}"


def find_tool(name: str) -> str | None:
    """A program of the CUDA toolkit, on the PATH or in the toolkit's folder."""
    folders = [os.environ.get(k) for k in ("CUDA_ROOT", "CUDA_HOME", "CUDA_PATH")]
    for folder in [f for f in folders if f] + ["/usr/local/cuda", "/opt/cuda"]:
        path = Path(folder) / "bin" / name
        if path.is_file():
            return str(path)
    return shutil.which(name)


def library(kind: str, precision: str) -> Path:
    """Where a library of cudamat is. Raises LeftOut where it is not built."""
    suffix = "_double" if precision == "double" else ""
    path = ROOT / "cudamat" / f"libcudamat_{kind}{suffix}.so"
    if not path.is_file():
        raise LeftOut(f"{path.name} is not built; the stage `build` does that")
    return path


def using(kind: str, precision: str) -> dict[str, str]:
    """The environment in which Python uses that library."""
    path = library(kind, precision)
    return {"CUDAMAT_LIBRARY": str(path), "CUDAMAT_PRECISION": precision}
