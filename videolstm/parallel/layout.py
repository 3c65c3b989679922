"""Weights that lie one after the other in one piece of memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import cudamat as cm

if TYPE_CHECKING:
    from videolstm.parallel.weight import Weight

# Elements: each weight begins at a multiple of them, as it does in memory of its own.
ALIGNED = 16


def size_of(param: Weight) -> int:
    """How many elements the weight has."""
    return param.shape[0] * param.shape[1]


def layout(params: Iterable[Weight]) -> tuple[list[int], int]:
    """The element at which each begins, and the end, a multiple of `ALIGNED`."""
    starts, end = [], 0
    for param in params:
        starts.append(end)
        end += -(-size_of(param) // ALIGNED) * ALIGNED
    return starts, end


def place(flat: cm.CUDAMatrix, param: Weight, start: int) -> cm.CUDAMatrix:
    """The elements of `flat` (1, n) from `start` as a matrix of the weight's shape."""
    return flat.col_slice(start, start + size_of(param)).reshape(param.shape)
