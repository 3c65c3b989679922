"""MNIST's own files as a digits .h5.

    python -m videolstm.tools.mnist FOLDER_OR_FILES... --out mnist.h5

Reads what is there of train-images-idx3-ubyte, train-labels-idx1-ubyte,
t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, with or without .gz, a dot in place
of a hyphen before `idx` tolerated. The .h5 is as `videolstm.tools.digits` makes it:
`train` float32 (N, 784), 0 to 1, and `labels` int64 (N,), from the 60,000 training
digits, and `test` and `test_labels` from the 10,000 test digits. Where only the test
digits are there, they become `train` and `labels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from videolstm.command import add_out, parser, run
from videolstm.data.idx import find_files, read_idx
from videolstm.errors import UserError
from videolstm.files import check_writable
from videolstm.tools.digits import DIMS, SIDE, save_digits


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
