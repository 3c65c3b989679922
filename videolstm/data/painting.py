"""Painting digits into frames: with the matrix library, or with numpy without one."""

from __future__ import annotations

import numpy as np

from cudamat import CUDAMatException
from cudamat.library import for_host
from cudamat.paint import paint as paint_fast
from videolstm.data.digits import SparseDigits


def paint(
    digits: SparseDigits,
    chosen: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    size: int,
    out: np.ndarray,
) -> np.ndarray:
    """Fills `out`, float32 (steps, videos, size * size) in C order, and returns it.

    As `cudamat.paint.paint` does, which is used where cudamat's library is built; where
    it is not (`make` has not run, the package was copied), numpy does the same.
    """
    try:
        for_host()
    except CUDAMatException:
        return paint_with_numpy(digits, chosen, top, left, size, out)
    return paint_fast(digits.images, chosen, top, left, size, out)


def paint_with_numpy(
    digits: SparseDigits,
    chosen: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    size: int,
    out: np.ndarray,
) -> np.ndarray:
    """`paint` in numpy, digit by digit, the frames of a digit at once: some twenty
    times slower."""
    out[...] = 0
    each = len(chosen) // max(out.shape[1], 1)
    for k, digit in enumerate(chosen):
        lit = slice(digits.starts[digit], digits.starts[digit + 1])
        rows, columns = digits.rows[lit].astype(int), digits.columns[lit]
        pixels = (top[:, k, None] + rows) * size + left[:, k, None] + columns
        frames = out[:, k // each]
        brighter = np.maximum(
            np.take_along_axis(frames, pixels, axis=1), digits.values[lit]
        )
        np.put_along_axis(frames, pixels, brighter, axis=1)
    return out
