"""MNIST's own files as a digits .h5.

    python -m videolstm.tools.mnist FOLDER_OR_FILES... --out mnist.h5

Reads what is there of train-images-idx3-ubyte, train-labels-idx1-ubyte,
t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, with or without .gz, a dot in place
of a hyphen before `idx` tolerated. The .h5 is as `videolstm.tools.digits` makes it:
`train` float32 (N, 784), 0 to 1, and `labels` int64 (N,), from the 60,000 training
digits, and `test` and `test_labels` from the 10,000 test digits. Where only the test
digits are there, they become `train` and `labels`.

The IDX format: two zero bytes, 8 for unsigned bytes, the number of dimensions, each
dimension as a big-endian 32-bit integer, then the bytes, last dimension fastest.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from videolstm.command import add_out, parser, run
from videolstm.errors import UserError
from videolstm.files import check_writable
from videolstm.tools.digits import DIMS, SIDE, save_digits

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
        if source.is_dir():
            candidates = sorted(entry for entry in source.iterdir() if entry.is_file())
        elif not source.exists():
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


def convert(files: dict[tuple[str, str], Path]) -> dict[str, np.ndarray]:
    """Read what `find_files` found; returns the data sets of the .h5 by name.

    Images without their labels file get no labels data set. Raises UserError for what
    is no IDX file, is truncated or disagrees.
    """
    parts = [part for part in ("train", "t10k") if (part, "images") in files]
    names = [("train", "labels"), ("test", "test_labels")]
    datasets = {}
    for part, (images, labels) in zip(parts, names, strict=False):
        file = files[part, "images"]
        pixels = read_idx(file, (SIDE, SIDE))
        datasets[images] = pixels.reshape(-1, DIMS).astype(np.float32)
        datasets[images] /= np.float32(255)
        if (part, "labels") in files:
            datasets[labels] = _labels(files[part, "labels"], file, len(pixels))
    return datasets


def _labels(file: Path, images: Path, digits: int) -> np.ndarray:
    labels = read_idx(file, ())
    if len(labels) != digits:
        raise UserError(
            f"{file}: holds {len(labels):,} labels, but {images} holds {digits:,} "
            "images: the two files must belong together"
        )
    if labels.max() > 9:
        raise UserError(f"{file}: a label is {labels.max()}, but digits are 0 to 9")
    return labels.astype(np.int64)


# ---- IDX -----------------------------------------------------------------------------


def read_idx(file: Path, item: tuple[int, ...]) -> np.ndarray:
    """Read an IDX file of unsigned bytes, uint8 (N, *item), gzipped or not.

    item: the shape that each of the N items must have, () for numbers. The header is
    held against the file's size before memory is taken. Raises UserError.
    """
    try:
        with open(file, "rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
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
    stream: BinaryIO, file: Path, item: tuple[int, ...], size: int
) -> np.ndarray:
    """size: the most bytes that `stream` can hold."""
    magic = bytes((0, 0, 8, 1 + len(item)))
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
    if tuple(shape) != item:
        raise UserError(
            f"{file}: holds images of {'x'.join(map(str, shape))} pixels, but digits "
            f"are {'x'.join(map(str, item))}"
        )
    if count == 0:
        raise UserError(f"{file}: its header promises 0 items: fetch it again")
    wanted = count * math.prod(item)
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
    return np.frombuffer(body, np.uint8).reshape(count, *item)


# ---- command line --------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: convert MNIST's IDX files into an .h5."""
    options = parser(
        "python -m videolstm.tools.mnist",
        "Convert MNIST's IDX files (whatever is there of the four) into an .h5.",
    )
    options.add_argument(
        "sources",
        nargs="+",
        metavar="FOLDER_OR_FILE",
        help="folder with the files, or the files themselves, gzipped or not",
    )
    add_out(options, "FILE.h5")
    chosen = options.parse_args(arguments)

    check_writable(chosen.out)
    files = find_files(chosen.sources)
    datasets = convert(files)
    save_digits(chosen.out, **datasets)
    if ("train", "images") not in files:
        print("Only the test digits (t10k) are there: they become `train`.")
    print(f"{chosen.out}: " + ", ".join(map(_described, datasets.items())))


def _described(dataset: tuple[str, np.ndarray]) -> str:
    name, values = dataset
    return f"`{name}` {' x '.join(f'{extent:,}' for extent in values.shape)}"


if __name__ == "__main__":
    run(main)
