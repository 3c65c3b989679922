"""Contact sheets: some clips or images of a data set, small, on one picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from videolstm.pictures.sequences import DPI, FAINT_INK, INK, canvas_figure, tiles_of

_FRAMES = 20  # shown of a clip
_ACROSS = 10  # images in a row
_GAP, _FONT = 3, 15  # pixels
_LETTER = 0.62  # of its height is the width of a letter


def clips_sheet(
    frames: np.ndarray,
    frame_shape: tuple[int, int, int] | None,
    captions: Sequence[str],
    value_range: tuple[float, float],
    title: str,
) -> Figure:
    """A row of frames for each clip, its caption to the left of it.

    frames: (num_frames, n, dims); of long clips frames spread evenly are shown, and
    numbered from 1. frame_shape: (channels, height, width), None for feature vectors,
    which become coloured strips. value_range: the values drawn black and white (dark
    and bright of strips), as `tiles_of` takes them.
    """
    count = min(len(frames), _FRAMES)
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    tiles = tiles_of(frames[chosen], frame_shape, value_range, count)
    numbers = [str(frame + 1) for frame in chosen]
    heads = [numbers] + [[""] * count] * (tiles.shape[1] - 1)
    return _sheet(tiles.swapaxes(0, 1), captions, heads, title)


def images_sheet(
    images: np.ndarray,
    frame_shape: tuple[int, int, int],
    captions: Sequence[str],
    value_range: tuple[float, float],
    title: str,
) -> Figure:
    """Images (n, dims), ten in a row, each with its caption above it."""
    tiles = tiles_of(images[None], frame_shape, value_range, _ACROSS, 64)[0]
    rows = -(-len(tiles) // _ACROSS)
    across = min(len(tiles), _ACROSS)
    filled = np.full((rows * across, *tiles.shape[1:]), 255, np.uint8)
    filled[: len(tiles)] = tiles
    heads = [*captions, *[""] * (len(filled) - len(tiles))]
    heads = [heads[row * across : (row + 1) * across] for row in range(rows)]
    grid = filled.reshape(rows, across, *tiles.shape[1:])
    return _sheet(grid, [""] * rows, heads, title)


def _sheet(
    tiles: np.ndarray,
    captions: Sequence[str],
    heads: Sequence[Sequence[str]],
    title: str,
) -> Figure:
    """Tiles (rows, columns, height, width, 3) with a caption for each row and a head
    above each tile."""
    rows, columns, height, width, _ = tiles.shape
    left = round(_LETTER * _FONT * max(map(len, captions))) + 2 * _GAP
    lefts = left + (width + _GAP) * np.arange(columns)
    top, tops = round(2.2 * _FONT) if title else _GAP, []
    for row in heads:
        top += round(1.3 * _FONT) if any(row) else 0
        tops.append(top)
        top += height + _GAP
    full_width = max(
        lefts[-1] + width, round(_LETTER * 1.1 * _FONT * len(title)) + left
    )
    canvas = np.full((top, full_width + _GAP, 3), 255, np.uint8)
    for y, row in zip(tops, tiles, strict=True):
        for x, tile in zip(lefts, row, strict=True):
            canvas[y : y + height, x : x + width] = tile
    figure, axes = canvas_figure(canvas)
    small = {"fontsize": _FONT * 72 / DPI, "color": FAINT_INK, "parse_math": False}
    if title:
        big = small | {"fontsize": 1.1 * _FONT * 72 / DPI, "color": INK}
        axes.text(left, 0.5 * _FONT, title, va="top", **big)
    for y, caption, row in zip(tops, captions, heads, strict=True):
        axes.text(
            left - 2 * _GAP, y + height / 2, caption, ha="right", va="center", **small
        )
        for x, head in zip(lefts, row, strict=True):
            place = (x + width / 2, y - 0.15 * _FONT)
            axes.text(*place, head, ha="center", va="bottom", **small)
    return figure
