"""Work with a library that may crash, in a process of its own.

    with Apart(Reader, "net.onnx") as reader:
        for rows in reader.each("rows", "video.mp4"):
            ...

There Reader("net.onnx") is made, and its method `rows` is called, a generator, whose
items come here one after the other. Decoders and nets are large libraries in C: a file
that makes one crash ends that process and not the program, and the next call of `each`
starts another one.

VIDEOLSTM_TRUST_VIDEOS=1 in the environment does all of that in the program itself: for
a debugger, or where no process may be started.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from videolstm.outside.child import cause_of_end, end_with_program

TRUST = "VIDEOLSTM_TRUST_VIDEOS"

_ITEM, _END, _ERROR = range(3)
_PATIENCE = 5  # seconds for a process that has closed its end to be gone


def trusting() -> bool:
    """Whether files of strangers are read in the program itself."""
    return bool(os.environ.get(TRUST))


class Died(Exception):
    """The process has ended while it was at work; the text says of what."""


class Apart:
    """An object in another process: what `make(*arguments)` gives there.

    make and all arguments can be pickled, and so can what comes back. It is made with
    the first call of `each`, and again with the first one after the process has died.
    As with multiprocessing, a script that uses it asks first whether it is `__main__`.
    """

    def __init__(self, make: Callable[..., Any], *arguments: Any) -> None:
        self._make, self._arguments = make, arguments
        self._here: Any = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def each(self, method: str, *arguments: Any) -> Iterator[Any]:
        """The items of a generator of the object.

        Raises what it raises, and Died where the process ends. Who stops listening
        before the last item stops the process.
        """
        if trusting():
            if self._here is None:
                self._here = self._make(*self._arguments)
            yield from getattr(self._here, method)(*arguments)
            return
        if self._process is None:
            self._start()
        try:
            self._ask(method, arguments)
            kind, value = self._answer()
            while kind == _ITEM:
                yield value
                kind, value = self._answer()
        except BaseException:
            # What is left of the answers must not be taken for the next ones.
            self.stop()
            raise
        if kind == _ERROR:
            raise value

    def stop(self) -> None:
        """Ends the process, if there is one."""
        process, self._process, self._here = self._process, None, None
        if process is not None:
            process.kill()
            self._connection.close()
            process.join()
            process.close()

    def _start(self) -> None:
        # Not forked: the threads of this process would not be there, their locks would.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._make, self._arguments)
        )
        self._process.start()
        theirs.close()  # so that its death is the end of what can be read

    def _ask(self, method: str, arguments: tuple) -> None:
        with self._watched():
            self._connection.send((method, arguments))

    def _answer(self) -> tuple[int, Any]:
        with self._watched():
            return self._connection.recv()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            self._process.join(_PATIENCE)
            raise Died(cause_of_end(self._process.exitcode)) from None


# ---- in the process ------------------------------------------------------------------


def _serve(connection: Connection, make: Callable[..., Any], arguments: tuple) -> None:
    """Answers until the program has gone."""
    end_with_program()
    _keep_quiet()
    made = None
    while True:
        try:
            method, given = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # whatever state the libraries are in
        try:
            if made is None:
                made = make(*arguments)
            for item in getattr(made, method)(*given):
                connection.send((_ITEM, item))
        except Exception as error:
            connection.send((_ERROR, _sendable(error)))
        else:
            connection.send((_END, None))


def _keep_quiet() -> None:
    """What a crashing library says goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _sendable(error: Exception) -> Exception:
    """The exception, or what it says where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class makes of that
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
