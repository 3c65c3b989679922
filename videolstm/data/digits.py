"""Images of digits, kept as their lit pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videolstm.data.files import h5_dataset, open_h5
from videolstm.errors import UserError

DIGIT_SIZE = 28


class SparseDigits:
    """Images of digits as lists of lit pixels: four fifths of a digit are dark.

    count: number of digits, N. rows, columns, values: place (uint8) and value (float32)
    of each lit pixel; those of digit k are number starts[k] to starts[k + 1].
    """

    def __init__(self, digits: np.ndarray) -> None:
        """`digits`: (N, 784) or (N, 28, 28), values 0 to 1."""
        digits = np.asarray(digits, dtype=np.float32)
        digits = digits.reshape(-1, DIGIT_SIZE * DIGIT_SIZE)
        digit, pixel = np.nonzero(digits)
        self.count = len(digits)
        self.rows, self.columns = np.divmod(pixel.astype(np.uint16), DIGIT_SIZE)
        self.rows, self.columns = (
            self.rows.astype(np.uint8),
            self.columns.astype(np.uint8),
        )
        self.values = digits[digit, pixel]
        self.starts = np.searchsorted(digit, np.arange(self.count + 1))

    def lit(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lit pixels of some digits, one digit after the other.

        chosen: (n,) digits. Returns the numbers of their pixels and, for each digit,
        how many it has.
        """
        starts = self.starts[chosen]
        sizes = self.starts[chosen + 1] - starts
        before = np.cumsum(sizes) - sizes
        pixels = np.repeat(starts - before, sizes) + np.arange(sizes.sum())
        return pixels, sizes


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
