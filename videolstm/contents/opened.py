"""A first look at a file: what its beginning says, and what an .h5 has in it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from videolstm.data.files import open_h5
from videolstm.data.idx import idx_shape
from videolstm.errors import UserError
from videolstm.limits import check_regular, read_bounded
from videolstm.outside.h5 import H5Dataset, H5File, H5Group
from videolstm.outside.npy import MAGIC, NpyFile
from videolstm.video.source import is_image, is_video

_H5 = b"\x89HDF\r\n\x1a\n"
_MOST_TEXT = 64 * 2**20  # bytes of a description, a list or a log
_MOST_ENTRIES = 5_000  # datasets of an .h5
_DEEPEST = 8  # groups within groups
KNOWN = (
    "a .pbtxt, a list, a log, an .npy, an .h5, an .npz of digits, a file of MNIST, or "
    "a video or an image by its name"
)


@dataclass(frozen=True)
class Entry:
    """A dataset of an .h5; dtype is None where it has no numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype | None

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Opened:
    """A file, of a family: `h5`, `npy`, `npz`, `idx`, `text`; `video` or `image` where
    its name says so, and `unfinished` where that says that a program has left it on the
    way; or a `folder`.

    entries, attributes: of an .h5, datasets by their paths and what the file itself
    says. array: of an .npy. shape: of an IDX file. text: of a text file.
    """

    path: Path
    family: str
    entries: dict[str, Entry] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)
    array: NpyFile | None = None
    shape: tuple[int, ...] = ()
    text: str = ""

    @cached_property
    def size(self) -> int:
        return self.path.stat().st_size


def look(path: str | Path) -> Opened:
    """What kind of file is there; UserError where it is of none that is known here."""
    path = Path(path)
    if os.path.isdir(path):
        return Opened(path, "folder")
    check_regular(path)
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    if is_unfinished(path):
        return Opened(path, "unfinished")
    if not start:
        raise UserError(f"{path} is empty, and it should be {KNOWN}")
    if start == _H5:
        return _look_into_h5(path)
    if start.startswith(MAGIC):
        return Opened(path, "npy", array=NpyFile(path))
    if start.startswith(b"PK"):
        return Opened(path, "npz")
    if (shape := idx_shape(path)) is not None:
        return Opened(path, "idx", shape=shape)
    if is_image(path) or is_video(path):
        return Opened(path, "image" if is_image(path) else "video")
    return Opened(path, "text", text=_text(path, start))


def is_unfinished(path: Path) -> bool:
    """Whether a file is called as those that downloads and `tools.patches` keep until
    they are done: what is in it is a beginning of anything."""
    in_parts = path.parent.name.endswith(".parts")
    return path.name.endswith((".part", ".part.from", ".wrong")) or (
        in_parts and path.name == "lock"
    )


def _text(path: Path, start: bytes) -> str:
    try:
        text = read_bounded(path, _MOST_TEXT, "a description or a list")
        if b"\0" not in text:
            return text.decode("utf-8-sig")
    except (UnicodeDecodeError, OSError):
        pass
    raise UserError(
        f"{path}: it begins with the bytes {start[:4].hex(' ')} and is of no kind known"
        f" here, and it should be {KNOWN}"
    )


def _look_into_h5(path: Path) -> Opened:
    entries: dict[str, Entry] = {}
    with open_h5(path) as file:
        _walk(file, "", entries)
        attributes = {key: file.attrs.get(key) for key in file.attrs}
    return Opened(path, "h5", entries, attributes)


def _walk(group: H5Group | H5File, path: str, entries: dict[str, Entry]) -> None:
    for name in group:
        if len(entries) >= _MOST_ENTRIES or path.count("/") > _DEEPEST:
            return
        item = group.get(name)
        if isinstance(item, H5Dataset):
            entries[f"{path}{name}"] = Entry(item.shape, item.dtype)
        elif isinstance(item, H5Group):
            _walk(item, f"{path}{name}/", entries)
