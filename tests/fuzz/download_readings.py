"""What `videolstm.tools.download` reads: what a server sends, and what is left of an
earlier download.

A server of this process gives the answers, byte for byte; nothing else is asked.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np

from tests.fuzz import seeds
from videolstm.errors import UserError
from videolstm.tools import fetch as fetching
from videolstm.tools.fetch import RemoteFile, fetch

CONTENT = seeds.npy(np.arange(200, dtype=np.uint8))
_MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
_MOST = 10**5  # bytes of the file
_TAG = '"v1"'
_NEXT = b"\n=== next ===\n"  # between the answers of an input


class _Server:
    """Gives each request what `respond` makes of it, and closes the connection."""

    def __init__(self) -> None:
        self.respond: Callable[[bytes], bytes] = lambda request: b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}/a"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            # Whoever asks may be gone before the answer is.
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                request = b""
                while b"\r\n\r\n" not in request and (more := connection.recv(2**16)):
                    request += more
                connection.sendall(self.respond(request))


@functools.cache
def _server() -> _Server:
    return _Server()


@contextlib.contextmanager
def _alone_with_it() -> Iterator[None]:
    """No names are looked up, no other machine is asked, and nothing is waited for."""
    real = socket.getaddrinfo

    def only_here(host, *rest, **more):
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *rest, **more)

    with (
        mock.patch.object(fetching, "_PAUSE", 0),
        mock.patch.object(socket, "getaddrinfo", only_here),
        mock.patch.dict(os.environ, no_proxy="*"),
    ):
        yield


# ---- what a server sends -------------------------------------------------------------


def use_answers(path: Path) -> None:
    """With a checksum and without, when some is there and when nothing is."""
    answers = path.read_bytes().split(_NEXT)
    failures = []
    for md5 in (None, _MD5):
        for part in (b"", CONTENT[:100]):
            waiting = iter(answers)
            _server().respond = lambda _, waiting=waiting: next(waiting, answers[-1])
            try:
                found = _fetched(path.name, md5, part, _origin(_TAG))
            except UserError as error:
                failures.append(error)
            else:
                assert md5 is None or found == CONTENT
    if len(failures) == 4:
        raise failures[0]


def _origin(version: str) -> bytes:
    return json.dumps({"address": _server().address, "version": version}).encode()


def _fetched(name: str, md5: str | None, part: bytes, origin: bytes) -> bytes:
    """What is fetched where a part of a file is there; nothing else must be left."""
    with tempfile.TemporaryDirectory() as folder, _alone_with_it():
        place = Path(folder)
        if part:
            (place / f"{name}.part").write_bytes(part)
            (place / f"{name}.part.from").write_bytes(origin)
        try:
            got = fetch(RemoteFile(name, (_server().address,), _MOST, md5), place)
        finally:
            left = {entry.name: entry.stat().st_size for entry in place.iterdir()}
            ours = ("", ".part", ".part.from", ".wrong")
            assert set(left) <= {name + end for end in ours}, left
            assert max(left.values(), default=0) <= max(_MOST, len(part)), left
        assert set(left) <= {name, f"{name}.wrong"} and not got.was_there
        return got.path.read_bytes()


def good_answers() -> list[bytes]:
    size = len(CONTENT)
    ok, partly = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 206 Partial Content\r\n"
    length = b"Content-Length: %d\r\n" % size
    tag = b"ETag: %s\r\n" % _TAG.encode()
    place = b"Content-Range: bytes 100-%d/%d\r\n" % (size - 1, size)
    rest = partly + place + b"Content-Length: %d\r\n" % (size - 100)
    whole = ok + length + tag + b"\r\n" + CONTENT
    chunks = b"64\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        CONTENT[:100], size - 100, CONTENT[100:],
    )  # fmt: skip
    moved = b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n"
    return [
        whole, rest + b"\r\n" + CONTENT[100:],
        ok + b"Transfer-Encoding: chunked\r\n" + tag + b"\r\n" + chunks,
        ok + b"\r\n" + CONTENT, _NEXT.join((moved, whole)), moved,
        _NEXT.join((whole[:-50], rest + tag + b"\r\n" + CONTENT[100:], whole)),
        b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\n\r\n" % size,
        b"HTTP/1.1 404 Not Found\r\n\r\n", b"HTTP/1.1 308 Moved\r\nLocation: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + length + b"\r\n<html>Not here</html>",
        b"HTTP/1.1 100 Continue\r\n\r\n" + whole, b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: file:///etc/passwd\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/a\r\n\r\n", b"",
        ok + b"Content-Length: 99999999999999\r\n\r\n" + CONTENT,
        ok + b"Content-Encoding: gzip\r\n" + length + b"\r\n" + CONTENT,
        ok + length + b"\r\n" + bytes(reversed(CONTENT)),
        ok + b"X: y\r\n" * 200 + length + b"\r\n" + CONTENT,
    ]  # fmt: skip


# ---- what is left of an earlier download ---------------------------------------------


def use_part(path: Path) -> None:
    """The first line is what is said of the origin, the rest is the part itself."""
    origin, _, part = path.read_bytes().partition(b"\n")
    origin = origin.replace(b"ADDRESS", _server().address.encode())
    _server().respond = _well_behaved
    assert _fetched(path.name, _MD5, part, origin) == CONTENT
    found = _fetched(path.name, None, part, origin)
    # Where its origin is right, nobody can know that the part is not.
    assert found in (CONTENT, part + CONTENT[len(part) :])


def _well_behaved(request: bytes) -> bytes:
    """The file, or the rest of it that is asked for."""
    asked = re.search(rb"(?m)^Range: bytes=(\d+)-\r$", request)
    wanted = re.search(rb"(?m)^If-Range: (.*)\r$", request)
    head = b"ETag: %s\r\n" % _TAG.encode()
    size, start = len(CONTENT), 0
    status = b"200 OK"
    if asked and (wanted is None or wanted[1] == _TAG.encode()):
        start = int(asked[1])
        if start >= size:
            refusal = b"HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\n\r\n"
            return refusal % size
        status = b"206 Partial Content"
        head += b"Content-Range: bytes %d-%d/%d\r\n" % (start, size - 1, size)
    head += b"Content-Length: %d\r\n\r\n" % (size - start)
    return b"HTTP/1.1 " + status + b"\r\n" + head + CONTENT[start:]


def good_parts() -> list[bytes]:
    origins = [
        json.dumps({"address": "ADDRESS", "version": version})
        for version in (_TAG, '"v2"', 'W/"v1"', None, 1, "a\r\nX: y", "\u202e")
    ]
    odd = [
        "",
        "[]",
        "null",
        "{}",
        '{"address": "ADDRESS"}',
        "[" * 50_000,
        "\x00",
        "1" * 9999,
    ]
    parts = [CONTENT[:100], CONTENT, CONTENT + b"more", bytes(100), b"\x93"]
    made = [origin.encode() + b"\n" + parts[0] for origin in (*origins, *odd)]
    return [*made, *(origins[0].encode() + b"\n" + part for part in parts[1:])]
