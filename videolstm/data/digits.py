"""Images of digits: reading them from any file of them, resizing, lit pixels.

    images, labels = load_digits("mnist.h5")

A file of digits is an .h5 (a data set `train` and maybe `labels`, as the release's
mnist.h5 and videolstm.tools.digits have them, or others by name), MNIST's own IDX files
or the folder that they are in, an .npz with `x_train` and `y_train`, or an .npy of
images. Images are square, of any size, (N, side * side) or (N, side, side); real
numbers are from 0 to 1, whole numbers from 0 to 255.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from PIL import Image

from cudamat.paint import Images
from videolstm.data.files import h5_dataset, open_h5, open_npy
from videolstm.data.idx import GZIP, IDX, find_files, labels_beside, read_idx
from videolstm.errors import UserError
from videolstm.outside.npy import npz_array, npz_names

DIGIT_SIZE = 28  # of MNIST
LEAST_SIDE, MOST_SIDE = 8, 256

_MOST_BYTES = 8 * 2**30  # of images in memory: MNIST takes 0.2 GiB
_PARTS = {"train": "train", "test": "t10k"}  # MNIST's own names of its sets
_SHAPES = (
    f"(digits, {DIGIT_SIZE**2}) or (digits, {DIGIT_SIZE}, {DIGIT_SIZE}), or squares of "
    f"another side from {LEAST_SIDE} to {MOST_SIDE}"
)


class SparseDigits:
    """Images of digits as lists of lit pixels: four fifths of a digit are dark.

    count: number of digits, N. side: of a digit, in pixels. dark: the number of an
    image with no lit pixel, which comes after the N. images: the pixels, as
    `cudamat.paint` takes them; starts, rows, columns, values: the same as arrays.
    """

    def __init__(self, digits: np.ndarray) -> None:
        """`digits`: (N, side * side) or (N, side, side), values 0 to 1."""
        digits = square_images(np.asarray(digits, dtype=np.float32))
        self.count, self.side, _ = digits.shape
        digits = digits.reshape(self.count, -1)
        digit, pixel = np.nonzero(digits)
        self.rows, self.columns = np.divmod(pixel.astype(np.uint16), self.side)
        # one entry more than there are digits and their end: the dark one
        self.starts = np.searchsorted(digit, np.arange(self.count + 1))
        self.starts = np.append(self.starts, self.starts[-1])
        self._set(digits[digit, pixel])

    def _set(self, values: np.ndarray) -> None:
        self.values = values
        self.images = Images(self.starts, self.rows, self.columns, values)

    @property
    def dark(self) -> int:
        return self.count

    def levels(self) -> SparseDigits:
        """The same in 256 levels, each the whole number nearest to 255 times the
        value."""
        same = object.__new__(SparseDigits)
        same.count, same.side, same.starts = self.count, self.side, self.starts
        same.rows, same.columns = self.rows, self.columns
        same._set(np.rint(self.values * np.float32(255)))
        return same


# ---- images --------------------------------------------------------------------------


def square_images(values: np.ndarray) -> np.ndarray:
    """(N, side * side) or (N, side, side) as (N, side, side); ValueError where they are
    none."""
    shape = values.shape
    side = math.isqrt(shape[1]) if len(shape) == 2 else shape[-1] if shape else 0
    flat = len(shape) == 2 and side * side == shape[1]
    if not (flat or (len(shape) == 3 and shape[1] == side)):
        raise ValueError(f"has the shape {shape}, and it should be {_SHAPES}")
    if not LEAST_SIDE <= side <= MOST_SIDE:
        raise ValueError(f"has the shape {shape}, and it should be {_SHAPES}")
    return values.reshape(-1, side, side)


def unit_images(values: np.ndarray) -> np.ndarray:
    """Images as float32 (N, side, side) from 0 to 1: whole numbers of which one is
    above 1 are divided by 255.

    Raises ValueError, with what is wrong of them, for other shapes and values.
    """
    images = square_images(values)
    if not len(images):
        raise ValueError("has no digits in it")
    low, high = images.min(), images.max()
    is_whole = images.dtype.kind in "iu"
    most = 255 if is_whole else 1
    if not (low >= 0 and high <= most):  # also where they are NaN
        raise ValueError(
            f"has values from {low} to {high}, and they should be from 0 to {most}"
        )
    scale = np.float32(255 if is_whole and high > 1 else 1)
    return images.astype(np.float32) / scale


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Images (N, s, s) as float32 (N, side, side), by Pillow's bilinear filter.

    On the way down that averages over all pixels that a new one covers (a triangle of
    that width), so that strokes fade and do not break; values stay within their range.
    """
    if images.shape[1] == side:
        return images
    bilinear = Image.Resampling.BILINEAR
    made = np.empty((len(images), side, side), np.float32)
    for target, image in zip(made, images, strict=True):
        target[:] = Image.fromarray(image).resize((side, side), bilinear)
    return made.clip(0, 1, out=made)


# ---- files ---------------------------------------------------------------------------


def load_digits(
    path: str | Path, dataset: str | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Digits of a file of any kind: images float32 (N, side, side), 0 to 1, and what
    they are, int64 (N,) from 0 to 9, or None where the file does not say.

    dataset: which of the file's sets, `train` if left out. Raises UserError for a file
    that is none of digits.
    """
    images = load_images(path, dataset)
    return images, load_labels(path, dataset, len(images))


def read_digits(path: Path, dataset: str | None = None) -> SparseDigits:
    """The images of `load_digits` as their lit pixels."""
    return SparseDigits(load_images(path, dataset))


def load_images(path: str | Path, dataset: str | None = None) -> np.ndarray:
    """The images of `load_digits`."""
    path = Path(path)
    kind = _kind(path)
    if kind == "idx":
        file = _idx_files(path, dataset)[0]
        found, values = f"{file}: it", read_idx(file, (None, None))
    elif kind in ("npz", "npy"):
        name = f"x_{dataset or 'train'}" if kind == "npz" else None
        found, values = f"{path}: the array {name or ''}".rstrip(), _array(path, name)
        _check_memory(path, values.shape)
    else:
        name = dataset or "train"
        found = f"{path}: the dataset {name!r}"
        with open_h5(path) as file:
            entry = h5_dataset(file, name)
            _check_memory(path, entry.shape)
            values = entry[()]
    try:
        return unit_images(values)
    except ValueError as error:
        raise UserError(f"{found} {error}") from None


def load_labels(path: str | Path, dataset: str | None, count: int) -> np.ndarray | None:
    """The labels of `load_digits`, of `count` digits."""
    path = Path(path)
    kind = _kind(path)
    if kind == "npy":
        return None
    if kind == "idx":
        file = _idx_files(path, dataset)[1]
        if file is None:
            return None
        found, labels = f"{file}: it", read_idx(file, ())
    elif kind == "npz":
        name = f"y_{dataset or 'train'}"
        found, labels = f"{path}: the array {name!r}", _array(path, name, None)
    else:
        with open_h5(path) as file:
            name = next(filter(file.__contains__, label_names(dataset)), None)
            labels = None if name is None else h5_dataset(file, name)[()]
        found = f"{path}: the dataset {name!r}"
    if labels is None:
        return None
    if labels.shape != (count,):
        raise UserError(
            f"{found} has the shape {labels.shape}, and it should be ({count},), one "
            "label for each digit"
        )
    if not np.isin(labels, np.arange(10)).all():
        raise UserError(
            f"{found} has values from {labels.min()} to {labels.max()}, and they "
            "should be whole numbers from 0 to 9"
        )
    return labels.astype(np.int64)


def label_names(dataset: str | None) -> tuple[str, ...]:
    """What the labels of a data set are called in an .h5, the likeliest first."""
    if dataset in (None, "train"):
        return ("labels", "train_labels", "y_train")
    return (f"{dataset}_labels", f"y_{dataset}")


def _kind(path: Path) -> str:
    """'idx', 'npz', 'npy' or else 'h5', whose reader says what is wrong with others."""
    if os.path.isdir(path):
        return "idx"
    try:
        with open(path, "rb") as file:
            start = file.read(6)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if start.startswith((GZIP, IDX)):
        return "idx"
    if start.startswith(b"PK"):
        return "npz"
    return "npy" if start == b"\x93NUMPY" else "h5"


def _idx_files(path: Path, dataset: str | None) -> tuple[Path, Path | None]:
    """MNIST's files of images and of labels: those of a folder, or a file itself."""
    if not os.path.isdir(path):
        if dataset is not None:
            raise UserError(
                f"{path}: it has one set of digits, from which {dataset!r} cannot be "
                "chosen: name the folder that MNIST's files are in, or another file"
            )
        return path, labels_beside(path)
    files = find_files([path])
    there = [name for name, own in _PARTS.items() if (own, "images") in files]
    # Where only the test digits are there, they are what is meant.
    name = dataset or there[0]
    if name not in there:
        raise UserError(
            f"{path}: there are no images of the set {name!r} there, only of "
            f"{' and '.join(there)}"
        )
    part = _PARTS[name]
    return files[part, "images"], files.get((part, "labels"))


def _array(path: Path, name: str | None, default: object = ...) -> np.ndarray:
    """The one array of an .npy, or that called `name` of an .npz."""
    if name is None:
        return open_npy(path)
    values = npz_array(path, name)
    if values is None and default is not None:
        raise UserError(
            f"{path}: there is no array {name!r}; the file has "
            f"{', '.join(npz_names(path)) or 'none'}"
        )
    return values


def _check_memory(path: Path, shape: tuple[int, ...]) -> None:
    """Raises UserError for images that no memory is for, before any is taken."""
    size = 4 * math.prod(shape)
    if size > _MOST_BYTES:
        raise UserError(
            f"{path}: its images have the shape {shape} and need {size / 2**30:.0f} "
            f"GiB of memory, and it should be at most {_MOST_BYTES / 2**30:.0f} GiB"
        )
