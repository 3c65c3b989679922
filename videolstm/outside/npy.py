"""Arrays of numbers in .npy and .npz files.

Their headers are Python source; here they are looked through for the three things that
they say, and nothing is evaluated, imported or unpickled. What a header claims is held
against the file, and against the memory that is free, before anything is read. Files
are read and not mapped: where a mapped one is cut short the system ends the program.
"""

from __future__ import annotations

import math
import os
import re
import struct
import weakref
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from videolstm.errors import UserError
from videolstm.limits import check_memory, check_regular

MAGIC = b"\x93NUMPY"

_LONGEST_HEADER = 2**16
_MOST_AXES = 32
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*(['"][^'"]{0,40}['"]|[\[(])""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)\b""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([0-9,\sL]*)\)""")
_NUMBER = re.compile(r"[<>|=]?[?biufc][0-9]{0,2}")
_LISTED = 20


class Header(NamedTuple):
    """What an .npy says of itself: type and shape, whether the first axis is the
    fastest, and at which byte the numbers begin."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran_order: bool
    start: int

    @property
    def nbytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape)


class NpyFile:
    """An .npy of numbers, open for reading for as long as this lives.

    shape, dtype, fortran_order: of the array. Raises UserError for a file that is none,
    that holds something else or that is shorter than it says.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        check_regular(path)
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._file)
            size = os.fstat(self._file).st_size
            with open(self._file, "rb", buffering=0, closefd=False) as stream:
                header = read_header(stream, f"{path}", "the array")
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        self.dtype, self.shape, self.fortran_order, self._start = header
        if self._start + header.nbytes > size:
            raise _damaged(
                f"{path}",
                f"it has {size} bytes, and an array {self.shape} of {self.dtype} takes "
                f"{self._start + header.nbytes}",
            )

    def numbers(self, first: int, count: int) -> np.ndarray:
        """`count` numbers from the one numbered `first` on, as they lie in the file."""
        values = np.empty(count, self.dtype)
        view = memoryview(values.view(np.uint8))
        place = self._start + first * self.dtype.itemsize
        while len(view):
            try:
                read = os.preadv(self._file, [view], place)
            except OSError as error:
                raise UserError(
                    f"{self.path}: cannot be read any more ({error.strerror})"
                ) from None
            if not read:
                raise UserError(
                    f"{self.path}: it has been cut short since it was opened, and it "
                    "should stay as it is while it is used"
                )
            view, place = view[read:], place + read
        return values

    def read(self) -> np.ndarray:
        """All of it."""
        count = math.prod(self.shape)
        check_memory(self.dtype.itemsize * count, f"{self.path}: the array")
        order = "F" if self.fortran_order else "C"
        return self.numbers(0, count).reshape(self.shape, order=order)


def read_header(stream: BinaryIO, path: str, what: str) -> Header:
    """The header of the .npy that a stream begins with; `what` is the array in the
    message. Raises UserError where it is none, or an array of something else than
    numbers."""
    start = stream.read(8)
    if start[:6] != MAGIC:
        raise UserError(
            f"{path} is not an .npy file, and it should be one that numpy.save wrote"
        )
    length = {1: "<H", 2: "<I", 3: "<I"}.get(start[6] if len(start) == 8 else 0)
    if length is None:
        raise _damaged(path, "its version is not known")
    packed = stream.read(struct.calcsize(length))
    if len(packed) < struct.calcsize(length):
        raise _damaged(path, "it ends in its header")
    (size,) = struct.unpack(length, packed)
    if size > _LONGEST_HEADER:
        raise _damaged(path, f"its header is said to have {size} bytes")
    text = stream.read(size)
    if len(text) < size:
        raise _damaged(path, "it ends in its header")
    return _parsed(text.decode("latin-1"), len(start) + len(packed) + size, path, what)


def _parsed(text: str, start: int, path: str, what: str) -> Header:
    descr, order, shape = (pattern.search(text) for pattern in (_DESCR, _ORDER, _SHAPE))
    if not (descr and order and shape):
        raise _damaged(path, "its header does not say what is in it")
    kind = descr[1].strip("'\"")
    if "O" in kind:
        raise UserError(
            f"{path} holds Python objects, and it should be an array of numbers"
        )
    try:
        dtype = np.dtype(kind) if _NUMBER.fullmatch(kind) else None
    except TypeError:
        dtype = None
    if dtype is None or dtype.kind not in "buif":
        found = "records" if descr[1] in "[(" else kind if dtype is None else dtype
        raise UserError(f"{path}: {what} is of type {found}, and it should be numbers")
    extents = [word.rstrip("L") for word in shape[1].replace(",", " ").split()]
    if len(extents) > _MOST_AXES or any(
        not extent.isdecimal() or len(extent) > 18 for extent in extents
    ):
        raise _damaged(path, "its shape is impossible")
    return Header(dtype, tuple(map(int, extents)), order[1] == "True", start)


def _damaged(path: str, why: str) -> UserError:
    return UserError(
        f"{path}: cannot be read as an .npy file, it is damaged or cut short ({why})"
    )


# ---- .npz ----------------------------------------------------------------------------

# What zipfile and zlib raise for a damaged file.
_BAD_ZIP = (
    OSError, ValueError, EOFError, RuntimeError, NotImplementedError, OverflowError,
    IndexError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def npz_array(path: str | os.PathLike, name: str) -> np.ndarray | None:
    """The array `name` of an .npz, None where it has none of that name.

    Raises UserError for a file that is none, and as `NpyFile`.
    """
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as file:
            member = next((m for m in file.infolist() if _named(m) == name), None)
            return None if member is None else _member(file, member, path, name)
    except _BAD_ZIP as error:
        raise _bad_npz(path, " ".join(str(error).split())) from None


def npz_names(path: str | os.PathLike) -> list[str]:
    """The names of the first arrays of an .npz, for a message."""
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as file:
            return [_named(member) for member in file.infolist()[:_LISTED]]
    except _BAD_ZIP as error:
        raise _bad_npz(path, " ".join(str(error).split())) from None


def _named(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _member(
    file: zipfile.ZipFile, member: zipfile.ZipInfo, path: str | os.PathLike, name: str
) -> np.ndarray:
    with file.open(member) as stream:
        what = f"the array {name!r}"
        header = read_header(stream, f"{path}", what)
        # The size that the archive claims is checked when its end is reached; the
        # unpacked bytes are counted, so that neither claim can be exceeded.
        check_memory(2 * header.nbytes, f"{path}: {what}")
        data = stream.read(header.nbytes) if header.nbytes <= member.file_size else b""
    if len(data) < header.nbytes:
        raise _bad_npz(path, f"{what} is cut short")
    order = "F" if header.fortran_order else "C"
    return np.frombuffer(data, header.dtype).reshape(header.shape, order=order)


def _bad_npz(path: str | os.PathLike, why: str) -> UserError:
    return UserError(
        f"{path}: cannot be read as an .npz file, it is damaged or of another kind "
        f"({why})"
    )
