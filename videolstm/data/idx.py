"""MNIST's own files: the IDX format.

Two zero bytes, 8 for unsigned bytes, the number of dimensions, each dimension as a
big-endian 32-bit integer, then the bytes, last dimension fastest; maybe gzipped.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from videolstm.errors import UserError
from videolstm.limits import check_memory, check_regular

GZIP = b"\x1f\x8b"
IDX = b"\x00\x00\x08"

_NAME = re.compile(r"(train|t10k)-(images|labels)[-.]idx[13]-ubyte(\.gz)?")
_NAMES = "train-images-idx3-ubyte, t10k-images-idx3-ubyte or their labels, maybe .gz"
_MOST_DEFLATED = 1032  # deflate's highest ratio: no .gz holds more than that


def find_files(sources: Iterable[str | Path]) -> dict[tuple[str, str], Path]:
    """The files among `sources`, folders searched, as (part, kind) -> path.

    part: "train" or "t10k"; kind: "images" or "labels". Of a file that lies in a folder
    both with and without .gz, the one without is taken. Raises UserError for a file
    that is not there or not of MNIST, and where there are no images at all.
    """
    files: dict[tuple[str, str], Path] = {}
    for source in map(Path, sources):
        if os.path.isdir(source):
            candidates = sorted(entry for entry in source.iterdir() if entry.is_file())
        elif not os.path.exists(source):
            raise UserError(f"{source}: no such file or folder")
        elif _NAME.fullmatch(source.name):
            candidates = [source]
        else:
            raise UserError(f"{source}: not the name of a file of MNIST: {_NAMES}")
        for candidate in candidates:
            if match := _NAME.fullmatch(candidate.name):
                files.setdefault((match[1], match[2]), candidate)
    if not any(kind == "images" for _, kind in files):
        looked = ", ".join(map(str, sources))
        raise UserError(f"{looked}: no images of MNIST there, looked for {_NAMES}")
    return files


def labels_beside(images: Path) -> Path | None:
    """The file of labels that lies beside a file of images, by MNIST's names; with or
    without .gz."""
    match = _NAME.fullmatch(images.name)
    if match is None or match[2] != "images":
        return None
    for name in (f"{match[1]}-labels{mark}idx1-ubyte" for mark in "-."):
        for place in (images.with_name(name), images.with_name(f"{name}.gz")):
            if place.is_file():
                return place
    return None


def idx_shape(file: Path) -> tuple[int, ...] | None:
    """The dimensions that the header of an IDX file of bytes promises; None for a file
    of another kind."""
    try:
        with open(file, "rb") as raw:
            stream = gzip.GzipFile(fileobj=raw) if raw.read(2) == GZIP else raw
            raw.seek(0)
            start = stream.read(4)
            if start[:3] != IDX or len(start) < 4:
                return None
            header = stream.read(4 * start[3])
    except (OSError, EOFError, zlib.error):
        return None
    if not start[3] or len(header) < 4 * start[3]:
        return None
    return struct.unpack(f">{start[3]}I", header)


def read_idx(file: Path, item: tuple[int | None, ...]) -> np.ndarray:
    """Read an IDX file of unsigned bytes, uint8 (N, *item), gzipped or not.

    item: the shape that each of the N items must have, () for numbers, None for any
    extent. The header is held against the file's size before memory is taken. Raises
    UserError.
    """
    check_regular(file)
    try:
        with open(file, "rb") as raw:
            zipped = raw.read(2) == GZIP
            raw.seek(0)
            size = file.stat().st_size * (_MOST_DEFLATED if zipped else 1)
            if not zipped:
                return _read_idx(raw, file, item, size)
            with gzip.GzipFile(fileobj=raw) as stream:
                return _read_idx(stream, file, item, size)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(
            f"{file}: damaged or truncated gzip file ({error}): fetch it again"
        ) from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror})") from None


def _read_idx(
    stream: BinaryIO, file: Path, item: tuple[int | None, ...], size: int
) -> np.ndarray:
    """size: the most bytes that `stream` can hold."""
    magic = bytes((*IDX, 1 + len(item)))
    start = stream.read(4)
    if start != magic:
        raise UserError(
            f"{file}: starts with the bytes {start.hex(' ') or '(none)'}, but an IDX "
            f"file of {'images' if item else 'labels'} starts with {magic.hex(' ')}"
        )
    header = stream.read(4 * (1 + len(item)))
    if len(header) < 4 * (1 + len(item)):
        raise UserError(f"{file}: truncated within its header: fetch it again")
    count, *shape = struct.unpack(f">{1 + len(item)}I", header)
    if any(right not in (None, n) for n, right in zip(shape, item, strict=True)):
        raise UserError(
            f"{file}: holds images of {'x'.join(map(str, shape))} pixels, but digits "
            f"are {'x'.join(map(str, item))}"
        )
    if count == 0:
        raise UserError(f"{file}: its header promises 0 items: fetch it again")
    wanted = count * math.prod(shape)
    # The bytes, and the numbers that are made of them.
    check_memory(6 * min(wanted, size), f"{file}: what it holds")
    body = stream.read(wanted + 1) if wanted <= size else b""
    if wanted > size or len(body) < wanted:
        there = f"{len(body):,} are" if wanted <= size else f"at most {size:,} can be"
        raise UserError(
            f"{file}: truncated: its header promises {count:,} items in {wanted:,} "
            f"bytes, of which {there} there: fetch it again"
        )
    if len(body) > wanted:
        raise UserError(
            f"{file}: goes on after the {count:,} items that its header promises: not "
            "an IDX file, or a damaged one"
        )
    return np.frombuffer(body, np.uint8).reshape(count, *shape)
