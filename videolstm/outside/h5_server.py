"""The process that reads .h5 files, from within: requests on stdin, answers on stdout.

It takes no more memory and, for a block of data, no more time than reading needs: a
file that makes the HDF5 library take more ends this process and not the program.
h5_process.py starts it and talks to it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from videolstm.outside.child import end_with_program
from videolstm.outside.h5_reader import MOST_MEMORY, Answer, Reader, Refused

# A block of data that takes longer to read than this is not read but unpacked for ever;
# seconds of the processor, so that a slow disk has all the time it wants.
SECONDS = "VIDEOLSTM_H5_SECONDS"
MOST_SECONDS = 20.0

# A message: lengths of a JSON text and of the bytes after it, then both.
LENGTHS = struct.Struct("<IQ")


def send(
    stream: BinaryIO, header: dict[str, Any], payload: np.ndarray | None = None
) -> None:
    """Writes a message."""
    view = memoryview(b"")
    if payload is not None:
        header = header | {"array": [payload.dtype.str, payload.shape]}
        payload = np.ascontiguousarray(payload)
        view = payload.reshape(-1).view(np.uint8).data if payload.size else view
    text = json.dumps(header).encode()
    stream.write(LENGTHS.pack(len(text), view.nbytes) + text)
    if view.nbytes:
        stream.write(view)
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any] | None:
    """Reads a message that has no bytes beside its text; None at the end."""
    start = stream.read(LENGTHS.size)
    if len(start) < LENGTHS.size:
        return None
    return json.loads(stream.read(LENGTHS.unpack(start)[0]))


def serve() -> None:
    """Answers the requests on stdin until it ends, which it does with the program."""
    requests, replies = _own_streams()
    _limit_itself()
    seconds = most_seconds()
    send(replies, {"ready": True})
    reader = Reader()
    while (request := receive(requests)) is not None:
        signal.setitimer(signal.ITIMER_PROF, seconds)
        for header, payload in answers(reader, request):
            # What is sent may wait for its reader; only reading is timed.
            signal.setitimer(signal.ITIMER_PROF, 0)
            send(replies, header, payload)
            signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_PROF, 0)
    os._exit(0)  # whatever state the library is in


def answers(reader: Reader, request: dict[str, Any]) -> Iterator[Answer]:
    """The answers to a request, and then how it ended."""
    try:
        yield from reader.answer(request)
    except Refused as refused:
        yield {"end": "refused", "text": str(refused)}, None
    except MemoryError:
        yield {"end": "memory"}, None
    except Exception as error:  # h5py raises many kinds for damaged files
        text = " ".join(str(error).split()) or type(error).__name__
        yield {"end": "unreadable", "text": text[:500]}, None
    else:
        yield {"end": "done"}, None


def most_seconds() -> float:
    """Seconds of the processor that a block may take: 20, or what the environment
    says."""
    try:
        return max(0.1, float(os.environ[SECONDS]))
    except (KeyError, ValueError):
        return MOST_SECONDS


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """stdin and stdout for messages only: whatever else is printed goes nowhere."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb", 1 << 16)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return requests, replies


def _limit_itself() -> None:
    """No more memory and time than it needs; and it ends with its stdin."""
    end_with_program()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
    except OSError:
        return  # without Linux's numbers there is no telling what it has already
    most = pages * os.sysconf("SC_PAGESIZE") + MOST_MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
