"""One file over HTTP: continued where it was cut, never larger than expected, checked.

    fetch(RemoteFile("digits.h5", ["https://example.org/digits.h5"], 10**9), Path("."))

What has come so far is in digits.h5.part, which takes its name digits.h5 when it is
whole and its checksum is right. What is not the file that it should be is kept as
digits.h5.wrong; a file that is there already is never touched.

Where the checksum is known, a part is continued from any address (and fetched once more
from the start if the whole is wrong). Where it is not, only from the same address and
if the server vouches, by its ETag or date, that the file there is still the same; what
it said lies in digits.h5.part.from.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import itertools
import os
import re
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from videolstm.errors import UserError
from videolstm.tools import web
from videolstm.tools.part_file import PartFile

_PAUSE = 1  # seconds before a connection that was cut is tried again
_CUTS = 5  # that many cuts, from one address
_BLOCK = 2**16

# How files of these kinds begin. A page that says "not here" is often sent as if it
# were the file.
_BEGINNINGS = {
    ".gz": b"\x1f\x8b",
    ".h5": b"\x89HDF\r\n\x1a\n",
    ".npy": b"\x93NUMPY",
}


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched.

    addresses: tried in this order. most_bytes: what it can have at most.
    md5: of the file, where it is known; of a .gz, of what is packed in it, which is the
    same whoever packed it, and when.
    """

    name: str
    addresses: Sequence[str]
    most_bytes: int
    md5: str | None = None


@dataclass(frozen=True)
class Fetched:
    """path: where the file is; md5: its sum, as in RemoteFile; was_there: nothing had
    to be fetched."""

    path: Path
    md5: str
    was_there: bool


class Trouble(Exception):
    """Why an address did not give the file. connected: whether its server answered."""

    def __init__(self, reason: str, connected: bool = True) -> None:
        super().__init__(reason)
        self.connected = connected


class NotFetched(UserError):
    """No address gave the file. reasons: by address."""

    def __init__(self, name: str, reasons: Mapping[str, Trouble]) -> None:
        said = "; ".join(f"{address}: {reason}" for address, reason in reasons.items())
        super().__init__(f"{name} could not be fetched ({said})")
        self.reasons = reasons

    @property
    def offline(self) -> bool:
        """Whether no server answered at all."""
        return not any(trouble.connected for trouble in self.reasons.values())


class _Cut(Trouble):
    """The connection broke off; what has come is kept."""


def fetch(file: RemoteFile, folder: Path) -> Fetched:
    """Fetches a file into a folder, or finds it there.

    Raises NotFetched, with a reason for every address, and UserError where the file
    that is there is another one, or the folder cannot be written to.
    """
    path = folder / file.name
    if os.path.lexists(path):
        return Fetched(path, _check_present(path, file), was_there=True)
    reasons: dict[str, Trouble] = {}
    with PartFile(path) as part:
        for address in file.addresses:
            try:
                md5 = _whole(part, address, file)
            except Trouble as trouble:
                reasons[address] = trouble
            else:
                part.becomes(path)
                return Fetched(path, md5, was_there=False)
    raise NotFetched(file.name, reasons)


def _check_present(path: Path, file: RemoteFile) -> str:
    """The sum of the file that is there."""
    if not path.is_file():
        raise UserError(f"{path} is there, and it is not a file: move it away first")
    try:
        wrong, md5 = _inspect(path, file)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if wrong:
        raise UserError(
            f"{path} is there, and it is another file or a damaged one ({wrong}): move "
            "it away to have it fetched"
        )
    return md5


def _whole(part: PartFile, address: str, file: RemoteFile) -> str:
    """Completes the part from an address; returns its sum."""
    _complete(part, address, file)
    wrong, md5 = _inspect(part.path, file)
    if wrong and part.joined:
        # Perhaps only the beginning is, which may have come from elsewhere.
        part.start_over()
        _complete(part, address, file)
        wrong, md5 = _inspect(part.path, file)
    if wrong:
        raise Trouble(f"{wrong}; what came is kept as {part.put_aside()}")
    return md5


def _complete(part: PartFile, address: str, file: RemoteFile) -> None:
    """Transfers all that is missing of a part, through cuts."""
    for cuts_left in reversed(range(_CUTS)):
        had = part.size
        try:
            return _transfer(part, address, file)
        except _Cut:
            if not cuts_left or part.size == had:
                raise
            time.sleep(_PAUSE)


def _inspect(path: Path, file: RemoteFile) -> tuple[str, str]:
    """What is wrong with a whole file ("" for nothing), and its sum."""
    beginning = _beginning(file)
    with open(path, "rb") as stream:
        start = stream.read(len(beginning))
        if start != beginning:
            return f"it is no {Path(file.name).suffix} file", ""
        stream.seek(0)
        try:
            md5 = _md5(stream, packed=file.name.endswith(".gz"))
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return "it is damaged inside", ""
    if file.md5 and md5 != file.md5:
        return f"its md5 is {md5} and should be {file.md5}", md5
    return "", md5


def _beginning(file: RemoteFile) -> bytes:
    return _BEGINNINGS.get(Path(file.name).suffix, b"")


def _md5(stream: BinaryIO, packed: bool) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    opened = gzip.GzipFile(fileobj=stream) if packed else stream
    while block := opened.read(2**20):
        md5.update(block)
    return md5.hexdigest()


# ---- HTTP ----------------------------------------------------------------------------


def _transfer(part: PartFile, address: str, file: RemoteFile) -> None:
    """One request, for all that is missing."""
    headers = {"User-Agent": "videolstm", "Accept-Encoding": "identity"}
    if part.size and file.md5 is None:
        version = part.version(address)
        if version is None:
            part.start_over()
        else:
            headers["If-Range"] = version
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
    try:
        answer = web.OPENER.open(
            urllib.request.Request(address, headers=headers), timeout=web.TIMEOUT
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416 or not part.size:
                raise Trouble(f"{error.code} {web.plain(error.reason)}") from None
            # The server has nothing behind the part: it is whole, or another file's.
            if _total(error.headers) == part.size:
                return
        part.start_over()
        raise _Cut("what had come did not fit") from None
    except web.FAILURES as error:
        raise Trouble(web.words(error), connected=not web.is_offline(error)) from None
    with answer:
        _receive(answer, part, address, file)


def _receive(
    answer: http.client.HTTPResponse, part: PartFile, address: str, file: RemoteFile
) -> None:
    """Appends the body of an answer to the part, which is then whole."""
    if answer.status == 206:
        begin = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if begin is None or int(begin[1]) != part.size:
            part.start_over()
            raise _Cut("the server sent another part than the one it was asked for")
        start = part.size
    elif answer.status == 200:
        start = 0  # the server knows no parts, or has another file now
    else:
        raise Trouble(f"{answer.status} {web.plain(answer.reason)}")
    length = answer.headers.get("Content-Length", "")
    whole = start + int(length) if re.fullmatch(r"\d{1,15}", length) else None
    if whole is None and not answer.chunked and file.md5 is None:
        raise Trouble("it does not say how long the file is, and no checksum is known")
    _check_size(whole or 0, start, part, file)
    blocks = _blocks(answer)
    if start:
        part.joined = True
    else:
        # Nothing is given up before what comes in its place looks right.
        first = _first(blocks, file)
        part.start_over()
        if file.md5 is None:
            part.remember(address, _version(answer.headers))
        blocks = itertools.chain([first], blocks)
    bar = tqdm(
        desc=file.name,
        total=whole,
        initial=start,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        disable=None,
    )
    with bar:
        for block in blocks:
            _check_size(part.size + len(block), part.size, part, file)
            part.append(block)
            bar.update(len(block))
    if whole is not None and part.size < whole:
        raise _Cut(f"the connection was cut after {part.size:,} of {whole:,} bytes")


def _blocks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while True:
        try:
            # read1 gives what there is; read would wait for a whole block, and lose it
            # if it does not come.
            block = answer.read1(_BLOCK)
        except web.FAILURES as error:
            raise _Cut(f"the connection was cut ({web.words(error)})") from None
        if not block:
            return
        yield block


def _first(blocks: Iterator[bytes], file: RemoteFile) -> bytes:
    """The first bytes of an answer, if a file of this kind can begin with them."""
    beginning = _beginning(file)
    first = b""
    for block in blocks:
        first += block
        if len(first) >= len(beginning):
            break
    if not first.startswith(beginning):
        raise Trouble(f"what it sends is no {Path(file.name).suffix} file")
    return first


def _check_size(whole: int, start: int, part: PartFile, file: RemoteFile) -> None:
    """Raises where more comes than the file can have, or the disk."""
    if whole > file.most_bytes:
        if part.size == start and start:
            part.start_over()  # it goes on into something else
        raise Trouble(
            f"it sends more than the {file.most_bytes:,} bytes that {file.name} can "
            "have"
        )
    missing = whole - start
    if missing > part.room():
        raise UserError(
            f"{part.path}: {missing:,} more bytes are needed and {part.room():,} are "
            "free there: make room, or name another folder with --out"
        )


def _total(headers: Message) -> int | None:
    """The size of the whole file, in an answer that has nothing of it."""
    match = re.fullmatch(r"bytes \*/(\d{1,15})", headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _version(headers: Message) -> str | None:
    """What If-Range may ask for: a strong ETag, else a date."""
    tag = headers.get("ETag", "")
    if re.fullmatch(r'"[!-~]*"', tag):
        return tag
    date = headers.get("Last-Modified", "")
    return date if date and date.isprintable() else None
