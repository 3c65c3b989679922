"""Pictures of sequences: what was there, and what the model made of it.

One picture shows a few examples below each other. Each has a row of true frames, past
and future, and below it what the model says of them: the reconstruction of the past,
then the future that it predicts, a thin rule between the two.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videolstm.errors import UserError
from videolstm.files import written_beside

DPI = 128  # a power of two: inches times dots per inch are then whole pixels
_ROW_WIDTH = 1920  # pixels that the frames of a row may take; a page shows half of it
TILE_WIDTH = 96  # pixels that one enlarged frame may take
_STRIP_HEIGHT = 160  # pixels of a feature vector's strip
RULE = "#e4572e"
INK, FAINT_INK = "#1f2328", "#6e7781"
# What a model does at a frame: it has read it, predicts it, or predicts it although it
# was not trained to look so far ahead.
PAST, FUTURE, BEYOND = "#4c78a8", RULE, "#9d4edd"
NOTHING = (238, 239, 241)  # where there is no frame to show


def sequence_picture(
    path: str | os.PathLike,
    truth: np.ndarray,
    reconstruction: np.ndarray | None = None,
    future: np.ndarray | None = None,
    *,
    frame_shape: tuple[int, int, int] | None,
    title: str = "",
    value_range: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Draw n examples into `path`, a .png or a .pdf (beside its place, then renamed).

    truth: (frames, n, dims), the future frames last. reconstruction: (dec, n, dims) of
    the dec frames before the future, in their natural order. future: (fut, n, dims) of
    the last fut frames of `truth`. Without reconstruction and future only the truth is
    drawn.

    frame_shape: (channels, height, width) with 1 or 3 channels; None for feature
    vectors, which become coloured strips, the first feature at the top. title: a line
    above it all, such as the model's name and the step. value_range: the values drawn
    black and white, those outside are clipped and NaN is drawn black.

    Raises UserError for another suffix and for a path that cannot be written,
    ValueError for arrays that do not belong together.
    """
    check_suffix(path)
    figure = sequence_figure(
        truth,
        reconstruction,
        future,
        frame_shape=frame_shape,
        title=title,
        value_range=value_range,
    )
    save_figure(figure, path)


def sequence_figure(
    truth: np.ndarray,
    reconstruction: np.ndarray | None = None,
    future: np.ndarray | None = None,
    *,
    frame_shape: tuple[int, int, int] | None,
    title: str = "",
    value_range: tuple[float, float] = (0.0, 1.0),
) -> Figure:
    """What `sequence_picture` writes, as a figure of matplotlib."""
    _check_shapes(truth, reconstruction, future, frame_shape)
    columns = len(truth)
    rows = [_Row("truth", tiles_of(truth, frame_shape, value_range, columns), 0)]
    past = columns - (0 if future is None else len(future))
    answer = [part for part in (reconstruction, future) if part is not None]
    if answer:
        first = past if reconstruction is None else past - len(reconstruction)
        tiles = tiles_of(np.concatenate(answer), frame_shape, value_range, columns)
        rows.append(_Row(_caption(reconstruction, future), tiles, first))
    gap = 0 if frame_shape is None else 2
    return _draw(rows, _Layout.of(rows, past, gap, title), title)


def check_suffix(path: str | os.PathLike) -> None:
    """Raise UserError unless `path` is a .png or a .pdf."""
    if Path(path).suffix.lower() not in (".png", ".pdf"):
        raise UserError(f"{path}: pictures are .png or .pdf: name one of these")


def save_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure in its own resolution into `path`, a .png or a .pdf (beside its
    place, then renamed).

    Raises UserError for another suffix and for a path that cannot be written.
    """
    check_suffix(path)
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=figure.dpi)


def _check_shapes(
    truth: np.ndarray,
    reconstruction: np.ndarray | None,
    future: np.ndarray | None,
    frame_shape: tuple[int, int, int] | None,
) -> None:
    """Raise ValueError where the arguments of sequence_picture do not fit together."""
    frames, examples, dims = truth.shape
    asked = 0
    for name, part in (("reconstruction", reconstruction), ("future", future)):
        if part is None:
            continue
        asked += len(part)
        if part.shape[1:] != (examples, dims):
            raise ValueError(f"{name} {part.shape} is not of truth {truth.shape}")
    if asked > frames or not frames or not examples:
        raise ValueError(f"{frames} frames of {examples} examples, {asked} to compare")
    if frame_shape is not None and (
        frame_shape[0] not in (1, 3) or int(np.prod(frame_shape)) != dims
    ):
        raise ValueError(f"frames of {dims} values are not of shape {frame_shape}")


def _caption(reconstruction: np.ndarray | None, future: np.ndarray | None) -> str:
    if reconstruction is None:
        return "future"
    return "reconstruction" if future is None else "reconstruction |\nfuture"


# ---- pixels --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Row:
    """What is drawn in one row of each example."""

    caption: str
    tiles: np.ndarray  # uint8 (frames, n, height, width, 3)
    first: int  # the frame that its first tile is below


def tiles_of(
    values: np.ndarray,
    frame_shape: tuple[int, int, int] | None,
    value_range: tuple[float, float],
    columns: int,
    tile_width: int = TILE_WIDTH,
) -> np.ndarray:
    """Values (frames, n, dims) as enlarged pictures, uint8 (frames, n, h, w, 3).

    columns: how many of them stand side by side in the longest row, and tile_width: the
    pixels that one may take, decide how much they are enlarged.
    """
    low, high = value_range
    levels = (np.asarray(values, np.float64) - low) / (high - low)
    levels = np.nan_to_num(levels, nan=0.0).clip(0.0, 1.0)
    if frame_shape is None:
        return _strips(levels, columns)
    pixels = np.rint(levels * 255).astype(np.uint8)
    pixels = pixels.reshape(*levels.shape[:2], *frame_shape).transpose(0, 1, 3, 4, 2)
    pixels = np.broadcast_to(pixels, (*pixels.shape[:-1], 3))
    width = frame_shape[2]
    # Whole factors only: each pixel stays a square of its own.
    times = max(1, min(_ROW_WIDTH // (columns * width), tile_width // width))
    return pixels.repeat(times, axis=2).repeat(times, axis=3)


def tiles_or_blank(
    values: np.ndarray,
    frame_shape: tuple[int, int, int] | None,
    value_range: tuple[float, float],
    columns: int,
    tile_width: int = TILE_WIDTH,
) -> np.ndarray:
    """As `tiles_of`, with frames that are NaN all over left blank."""
    tiles = tiles_of(values, frame_shape, value_range, columns, tile_width)
    tiles[np.isnan(values).all(axis=2)] = NOTHING
    return tiles


def _strips(levels: np.ndarray, columns: int) -> np.ndarray:
    """Feature vectors 0..1 (frames, n, dims) as strips, uint8 (frames, n, h, w, 3)."""
    dims = levels.shape[2]
    if dims > _STRIP_HEIGHT:
        # Neighbours share a pixel: show their mean rather than one of them.
        edges = np.linspace(0, dims, _STRIP_HEIGHT + 1).astype(int)
        sums = np.add.reduceat(levels, edges[:-1], axis=2)
        levels = sums / np.diff(edges)
    colours = matplotlib.colormaps["viridis"](levels, bytes=True)[..., None, :3]
    colours = colours.repeat(max(1, _STRIP_HEIGHT // levels.shape[2]), axis=2)
    return colours.repeat(max(8, min(_ROW_WIDTH // columns, 64)), axis=3)


# ---- layout --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """Where things are, in pixels from the picture's top left corner."""

    past: int  # frames before the rule
    frames: int
    examples: int
    tile: tuple[int, int]  # height, width
    gap: int  # between tiles
    rule: int  # space that the rule takes
    font: int  # height of captions
    left: int
    top: int
    title: int  # width of the title
    row: int  # from a row to the next
    example: int  # from an example to the next

    @classmethod
    def of(cls, rows: list[_Row], past: int, gap: int, title: str) -> _Layout:
        frames, examples, height, width, _ = rows[0].tiles.shape
        rule = 10 if past < frames else 0
        font = int(np.clip(frames * (width + gap) / 75, 13, 24))
        widest = max(len(line) for row in rows for line in row.caption.split("\n"))
        row = height + max(gap, 4)
        return cls(
            past=past,
            frames=frames,
            examples=examples,
            tile=(height, width),
            gap=gap,
            rule=rule,
            font=font,
            # Letters are about 0.58 of their height wide; the title's are larger.
            left=int(0.58 * font * widest) + font,
            title=int(0.62 * 1.15 * font * len(title)),
            top=int(font * ((2.2 if title else 0.6) + (1.6 if rule else 0.0))),
            row=row,
            example=len(rows) * row + font,
        )

    def x(self, frame: int) -> int:
        """Left edge of a frame's tile."""
        step = self.tile[1] + self.gap
        return self.left + frame * step + (self.rule if frame >= self.past else 0)

    def y(self, example: int, row: int) -> int:
        """Top edge of a row."""
        return self.top + example * self.example + row * self.row

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture."""
        tiles = self.x(self.frames - 1) + self.tile[1]
        width = max(tiles, self.left + self.title) + self.font // 2
        return width, self.y(self.examples, 0)

    def places(self, rows: list[_Row]) -> Iterator[tuple[np.ndarray, int, int]]:
        """Each tile with its left and top edge."""
        for number, row in enumerate(rows):
            for frame, tiles in enumerate(row.tiles):
                for example, tile in enumerate(tiles):
                    yield tile, self.x(row.first + frame), self.y(example, number)


def _draw(rows: list[_Row], layout: _Layout, title: str) -> Figure:
    """The whole picture; all tiles are one image, which is what makes it quick."""
    width, height = layout.size
    canvas = np.full((height, width, 3), 255, np.uint8)
    for tile, x, y in layout.places(rows):
        canvas[y : y + layout.tile[0], x : x + layout.tile[1]] = tile
    figure, axes = canvas_figure(canvas)
    _write(axes, rows, layout, title)
    return figure


def canvas_figure(canvas: np.ndarray) -> tuple[Figure, Axes]:
    """A figure that is an image, uint8 (height, width, 3), and axes over all of it with
    the image's pixels as coordinates."""
    height, width, _ = canvas.shape
    # A Figure of its own, not pyplot's: nothing global, no display, free when unused.
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(canvas, extent=(0, width, height, 0), interpolation="none")
    axes.set_axis_off()
    return figure, axes


def _write(axes: Axes, rows: list[_Row], layout: _Layout, title: str) -> None:
    """Title, headings, captions and the rule between past and future."""
    points = 72 / DPI  # of a pixel
    small = {"fontsize": layout.font * points, "color": FAINT_INK}
    if title:
        axes.text(
            layout.x(0),
            0.5 * layout.font,
            title,
            va="top",
            color=INK,
            fontsize=1.15 * layout.font * points,
            parse_math=False,
        )
    for example in range(layout.examples):
        for number, row in enumerate(rows):
            middle = layout.y(example, number) + layout.tile[0] / 2
            x = layout.left - layout.font / 2
            axes.text(x, middle, row.caption, ha="right", va="center", **small)
    if not layout.rule:
        return
    rule = layout.x(layout.past) - (layout.rule + layout.gap) / 2
    for example in range(layout.examples):
        top, bottom = layout.y(example, 0), layout.y(example, len(rows) - 1)
        axes.vlines(rule, top, bottom + layout.tile[0], RULE, linewidth=3 * points)
    heading = layout.y(0, 0) - 0.45 * layout.font
    ends = (layout.x(0), rule, layout.x(layout.frames - 1) + layout.tile[1])
    for name, start, end in (("past", *ends[:2]), ("future", *ends[1:])):
        if end - start > layout.tile[1] / 2:
            axes.text((start + end) / 2, heading, name, ha="center", **small)
