"""A frame of a video, whatever the video is kept in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from videolstm.errors import UserError

# Twice the pixels of 8K. More is a damaged header, or a trap, and decoding it would
# take all memory.
MOST_PIXELS = 2**26


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame; its pixels are made when they are asked for.

    time: seconds since the epoch of the file, exact, or None where it has no times.
    size: (height, width) in pixels, as it is shown.
    follows: False where it does not go on from the frame before, because it is the
        first or something between them could not be read.
    done: bytes of the source that have been read by now.
    rgb: gives the pixels, uint8 (height, width, 3); raises UserError.
    """

    time: Fraction | None
    size: tuple[int, int]
    follows: bool
    done: int
    rgb: Callable[[], np.ndarray]


def check_size(path: Path, height: int, width: int) -> None:
    """Raise UserError for a frame that is empty or too large to be one."""
    if height < 1 or width < 1:
        raise UserError(f"{path}: its header gives no size of its frames that can be")
    if height * width > MOST_PIXELS:
        raise UserError(
            f"{path}: its frames are {width}x{height} pixels, and they should have at "
            f"most {MOST_PIXELS:,}"
        )


def grey(rgb: np.ndarray) -> np.ndarray:
    """Grey levels, uint8 (height, width), of a frame (height, width, 3).

    The luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, rounded, as in most of the
    literature; where the three are equal it is their value.
    """
    return np.asarray(Image.fromarray(rgb).convert("L"))


def resized(rgb: np.ndarray, short_side: int) -> np.ndarray:
    """A frame whose shorter side has `short_side` pixels, in the same proportions.

    Bicubic; a pixel of a smaller frame is a weighted mean of all that it covers.
    """
    height, width = new_size(rgb.shape[:2], short_side)
    if (height, width) == rgb.shape[:2]:
        return rgb
    image = Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image)


def new_size(size: tuple[int, int], short_side: int) -> tuple[int, int]:
    """(height, width) after `resized`; 0 leaves it as it is. Raises UserError for
    frames so long that they would become too large."""
    if not short_side:
        return size
    shorter = min(size)
    # Halves go up, in whole numbers: the same on every machine.
    height, width = ((2 * s * short_side + shorter) // (2 * shorter) for s in size)
    if height * width > MOST_PIXELS:
        raise UserError(
            f"frames of {size[1]}x{size[0]} pixels would be {width}x{height} when the "
            f"shorter side has {short_side}, and they should have at most "
            f"{MOST_PIXELS:,}"
        )
    return height, width
