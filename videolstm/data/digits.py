"""Images of digits, kept as their lit pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cudamat.paint import Images
from videolstm.data.files import h5_dataset, open_h5
from videolstm.errors import UserError

DIGIT_SIZE = 28


class SparseDigits:
    """Images of digits as lists of lit pixels: four fifths of a digit are dark.

    count: number of digits, N. images: their pixels, as `cudamat.paint` takes them.
    """

    def __init__(self, digits: np.ndarray) -> None:
        """`digits`: (N, 784) or (N, 28, 28), values 0 to 1."""
        digits = np.asarray(digits, dtype=np.float32)
        digits = digits.reshape(-1, DIGIT_SIZE * DIGIT_SIZE)
        digit, pixel = np.nonzero(digits)
        self.count = len(digits)
        rows, columns = np.divmod(pixel.astype(np.uint16), DIGIT_SIZE)
        starts = np.searchsorted(digit, np.arange(self.count + 1))
        self.images = Images(starts, rows, columns, digits[digit, pixel])


def read_digits(path: Path, dataset: str) -> SparseDigits:
    """The digits in `dataset` of the .h5 at `path`.

    Raises UserError where they are not (N, 784) or (N, 28, 28) numbers from 0 to 1.
    """
    with open_h5(path) as file:
        found = h5_dataset(file, dataset)
        side = DIGIT_SIZE
        if found.ndim not in (2, 3) or found.shape[1:] not in [
            (side**2,),
            (side, side),
        ]:
            raise UserError(
                f"{path}: the dataset {dataset!r} has the shape {found.shape}, and it "
                f"should be (digits, {side**2})"
            )
        if not found.shape[0]:
            raise UserError(f"{path}: the dataset {dataset!r} has no digits in it")
        digits = found[()]
    if not (digits.min() >= 0 and digits.max() <= 1):
        raise UserError(
            f"{path}: the dataset {dataset!r} has values from {digits.min()} to "
            f"{digits.max()}, and they should be from 0 to 1"
        )
    return SparseDigits(digits)
