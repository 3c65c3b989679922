"""The process in which .h5 files are read (h5_reader.py), seen from the program.

It is started with the first .h5 and ends with the program; it costs a third of a second
once, and some 0.1 ms for each request. Where it dies, of a signal that the HDF5 library
or a limit has sent it, the request fails with a sentence, and the next one starts
another process.

VIDEOLSTM_H5_SECONDS in the environment says how long the library may be busy with a
block of data, in seconds of the processor; 20 where it is not there.

VIDEOLSTM_TRUST_H5=1 in the environment reads in the program itself: for a debugger, or
where no process may be started. Then a damaged file may end the program.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from videolstm.errors import UserError
from videolstm.limits import gib
from videolstm.outside import h5_server
from videolstm.outside.child import cause_of_end
from videolstm.outside.h5_reader import MOST_MEMORY, Reader
from videolstm.outside.h5_server import LENGTHS, most_seconds

TRUST = "VIDEOLSTM_TRUST_H5"

# sys.path as it is here: not as it would be there, where the current folder, which may
# be full of a stranger's files, would come first.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from videolstm.outside.h5_server import serve; serve()"
)
# One thread is enough for reading. "::" is the library's word for loading no plugins.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",
}
_LONGEST_HEADER = 64 * 2**20
_PIPE = 2**20  # bytes; with the usual 64 KiB the two processes wait for each other


class Unreadable(OSError):
    """The HDF5 library takes this for no .h5, or a damaged one; the text says why, and
    `filename` which file."""

    def __init__(self, path: str | os.PathLike, why: str) -> None:
        super().__init__(0, why, os.fspath(path))

    def __str__(self) -> str:
        return self.strerror


class _Dead(Exception):
    """The process has ended: it answers no more."""


class H5Process:
    """A process that reads .h5 files, or stands for none (`TRUST`).

    `ask` is one request of a Reader (h5_reader.py) and its answers, (header, array or
    None). It may be called from any thread. `generation` counts the processes: numbers
    of files are those of one of them.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._here = None
        self._forget_lock()
        self.generation = 0

    def ask(
        self, path: str | os.PathLike, /, **request: Any
    ) -> list[tuple[dict[str, Any], np.ndarray | None]]:
        """The answers to a request about the file `path`.

        Raises Unreadable for a damaged file, and UserError where it asks for what is
        not done or what kills the process.
        """
        return list(self.stream(path, **request))

    def stream(
        self, path: str | os.PathLike | Callable[[], str], /, **request: Any
    ) -> Iterator[tuple[dict[str, Any], np.ndarray | None]]:
        """The same, one answer after the other as they come. Of a request about several
        files `path` says which one it has come to."""
        with self._lock:
            answers = self._trusting() if os.environ.get(TRUST) else self._asking()
            try:
                for header, payload in answers(request):
                    if "end" not in header:
                        yield header, payload
                    elif header["end"] != "done":
                        raise _complaint(path() if callable(path) else path, header)
            except _Dead:
                raise self._died(path() if callable(path) else path) from None
            except (UserError, Unreadable):
                raise
            except BaseException:
                # Ctrl-C, or whoever takes the answers has had enough: what is left of
                # them must not be taken for the next answers.
                self.stop()
                raise

    def stop(self) -> None:
        """Ends the process, if there is one."""
        process, self._process, self._here = self._process, None, None
        self.generation += 1  # its open files are gone with it
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError):  # answers that were not sent any more
                process.stdin.close()
            process.stdout.close()
            process.wait()

    def forget(self) -> None:
        """In a process that was forked from the program: the other's is not ours."""
        self._process, self._here = None, None
        self.generation += 1
        self._forget_lock()

    def _forget_lock(self) -> None:
        self._lock = threading.RLock()

    # ------------------------------------------------------------------- in the program

    def _trusting(self):
        if self._here is None:
            self._here = Reader()
        return lambda request: h5_server.answers(self._here, request)

    # ------------------------------------------------------------------- the process

    def _asking(self):
        if self._process is None:
            self._start()
        return self._exchange

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what a crashing library says goes nowhere
                env=os.environ | _ENVIRONMENT,
                pipesize=_PIPE,
            )
            self._receive()
        except (OSError, TypeError, _Dead) as error:  # TypeError: no executable
            self.stop()
            reason = getattr(error, "strerror", None) or "it ended at once"
            raise UserError(
                f"the process that reads .h5 files cannot be started ({reason}); "
                f"{TRUST}=1 in the environment reads them without one"
            ) from None

    def _exchange(self, request: dict[str, Any]) -> Iterator[tuple[dict, Any]]:
        text = json.dumps(request).encode()
        try:
            self._process.stdin.write(LENGTHS.pack(len(text), 0) + text)
            self._process.stdin.flush()
        except OSError:
            raise _Dead from None
        while True:
            header, payload = self._receive()
            yield header, payload
            if "end" in header:
                return

    def _receive(self) -> tuple[dict[str, Any], np.ndarray | None]:
        header_size, payload_size = LENGTHS.unpack(self._read(LENGTHS.size))
        if header_size > _LONGEST_HEADER:
            raise _Dead
        header = json.loads(self._read(header_size))
        if "array" not in header:
            return header, None
        dtype, shape = header.pop("array")
        values = np.empty(shape, np.dtype(dtype))
        if values.nbytes != payload_size:
            raise _Dead
        if values.size:
            self._fill(memoryview(values.reshape(-1).view(np.uint8)))
        return header, values

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        self._fill(memoryview(data))
        return data

    def _fill(self, view: memoryview) -> None:
        while len(view):
            count = self._process.stdout.readinto(view)
            if not count:
                raise _Dead
            view = view[count:]

    def _died(self, path: str | os.PathLike) -> UserError:
        """What to say of a process that has ended while it read a file."""
        process = self._process
        try:
            status = process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            status = None
        self.stop()
        name = cause_of_end(status)
        if name == "SIGPROF":
            why = (
                f"keeps the HDF5 library busy for more than {most_seconds():g} seconds"
            )
        elif name == "SIGKILL":
            return UserError(
                f"{path}: the process that read it was killed, perhaps because memory "
                f"is short; it takes up to {gib(MOST_MEMORY)}"
            )
        else:
            why = f"makes the HDF5 library crash ({name})"
        return UserError(
            f"{path}: it {why}, so it is damaged or was made to do harm; it should be "
            "an .h5 file that can be read"
        )


def _complaint(path: str | os.PathLike, header: dict[str, Any]) -> Exception:
    if header["end"] == "refused":
        return UserError(f"{path}: {header['text']}")
    if header["end"] == "memory":
        return UserError(
            f"{path}: reading it takes more than the {gib(MOST_MEMORY)} that the "
            "reader of .h5 files may take, so it is damaged or was made to do harm"
        )
    return Unreadable(path, header["text"])


H5 = H5Process()
atexit.register(H5.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=H5.forget)
