"""Runs every row of the table with the library that is loaded and writes the results.

    python -m tests.cudamat.outputs FILE.npz

Values are the same in each run, so that two libraries can be compared.
"""

from __future__ import annotations

import sys

import numpy as np

import cudamat as cm
from tests.cudamat.table import ROWS, Row


def result(row: Row, size: str) -> np.ndarray:
    """What the library makes of a row's operands, float64."""
    operands = [cm.CUDAMatrix(values) for values in row.make(size)]
    got = row.ours(*operands, None)
    if not isinstance(got, float):
        got = got.copy().asarray()
    return np.asarray(got, np.float64)


def main(path: str) -> None:
    results = {
        f"{row.name} {size}": result(row, size) for row in ROWS for size in row.sizes()
    }
    np.savez(path, **results)


if __name__ == "__main__":
    main(sys.argv[1])
