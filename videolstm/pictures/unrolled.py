"""Pictures of a predictor that is run on: its frames, and what its units do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from videolstm.models.composite import LSTMCombo
from videolstm.pictures.sequences import (
    BEYOND,
    DPI,
    FAINT_INK,
    FUTURE,
    INK,
    PAST,
    RULE,
    canvas_figure,
    tiles_or_blank,
)
from videolstm.results.answers import Answer
from videolstm.results.unrolled import activity_of, chosen_units

_COLUMNS = 20  # frames in a line
_GAP = 2  # pixels between frames

# ---- the frames ----------------------------------------------------------------------


@dataclass(frozen=True)
class _Lines:
    """Where frames are that go on from line to line, in pixels.

    Each line has the truth, as long as it is known, the model below it, and a thin bar
    in the colour of what the model does.
    """

    frames: int
    known: int  # frames of the truth
    examples: int
    height: int
    width: int

    left = 64
    top = 62
    bar = 5
    caption = 22  # above a line

    @property
    def starts(self) -> range:
        """The first frame of each line."""
        return range(0, self.frames, _COLUMNS)

    def rows(self, frame: int) -> tuple[str, ...]:
        """What there is in the line of a frame."""
        first = frame - frame % _COLUMNS
        return ("truth", "model") if first < self.known else ("model",)

    def line(self, frame: int) -> int:
        """Height of the line of a frame."""
        rows = len(self.rows(frame))
        return self.caption + rows * (self.height + _GAP) + self.bar

    @property
    def example(self) -> int:
        return sum(map(self.line, self.starts)) + 14

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        columns = min(self.frames, _COLUMNS)
        width = self.left + columns * (self.width + _GAP) + 8
        return max(width, 640), self.top + self.examples * self.example

    def corner(self, example: int, frame: int) -> tuple[int, int]:
        """Left and top edge of the upper row at a frame."""
        x = self.left + frame % _COLUMNS * (self.width + _GAP)
        above = [start for start in self.starts if start + _COLUMNS <= frame]
        y = self.top + example * self.example + sum(map(self.line, above))
        return x, y + self.caption


def long_figure(
    made: Answer,
    *,
    frame_shape: tuple[int, int, int] | None,
    value_range: tuple[float, float],
    trained: int,
    title: str,
) -> Figure:
    """The frames of long videos, line by line: the truth, as long as it is known, and
    below it the model. A bar below each frame says whether it is past, future, or
    further in the future than the `trained` frames that the model learned to
    predict."""
    model = np.full_like(made.truth, np.nan)
    for _, first, part in made.parts:
        model[first : first + len(part)] = part
    tiles = {
        name: tiles_or_blank(values, frame_shape, value_range, _COLUMNS)
        for name, values in (("truth", made.truth), ("model", model))
    }
    frames, *rest = tiles["truth"].shape[:4]
    known = frames - int(np.isnan(made.truth).all(axis=(1, 2)).sum())
    lines = _Lines(frames, known, *rest)
    canvas = np.full((*lines.size[::-1], 3), 255, np.uint8)
    for example in range(lines.examples):
        for t in range(frames):
            x, y = lines.corner(example, t)
            for name in lines.rows(t):
                canvas[y : y + lines.height, x : x + lines.width] = tiles[name][
                    t, example
                ]
                y += lines.height + _GAP
            colour = to_rgb(_phase(t, made.past, trained))
            canvas[y : y + lines.bar, x : x + lines.width] = np.rint(
                255 * np.array(colour)
            )
    figure, axes = canvas_figure(canvas)
    _label(axes, lines, title)
    _colour_key(axes, made.past, trained, lines)
    return figure


def _phase(frame: int, past: int, trained: int) -> str:
    """The colour of what a model does at a frame."""
    if frame < past:
        return PAST
    return FUTURE if frame < past + trained else BEYOND


def _label(axes: Axes, lines: _Lines, title: str) -> None:
    """The title, what the rows are, and the numbers of each line's frames."""
    axes.text(lines.left, 10, title, va="top", color=INK, parse_math=False, fontsize=10)
    small = {"color": FAINT_INK, "fontsize": 7.5, "va": "center"}
    for example in range(lines.examples):
        for t in lines.starts:
            x, y = lines.corner(example, t)
            for row, name in enumerate(lines.rows(t)):
                middle = y + row * (lines.height + _GAP) + lines.height / 2
                axes.text(x - 7, middle, name, ha="right", **small)
            last = min(t + _COLUMNS, lines.frames)
            axes.text(x, y - 9, f"frames {t + 1} to {last}", **small)


def _colour_key(axes: Axes, past: int, trained: int, lines: _Lines) -> None:
    keys = [(PAST, "past"), (FUTURE, "future")]
    if lines.frames > past + trained:
        keys.append((BEYOND, f"beyond the {trained} frames it was trained to predict"))
    x = lines.left
    for colour, text in keys:
        axes.text(x, 46, "\u25a0", color=colour, fontsize=9, va="center")
        axes.text(x + 18, 46, text, color=FAINT_INK, fontsize=8, va="center")
        x += 44 + 8.5 * len(text)


# ---- the units -----------------------------------------------------------------------


def activity_figure(
    longer: LSTMCombo, trained: int, seed: int, title: str, example: int = 0
) -> Figure:
    """What the predictor's units did over time in the last forward pass, in one video:
    a panel for each gate, the cell and the output, a row for each layer, a line for
    each of up to 200 units that `seed` chooses."""
    layers = longer.future.stack.layers
    figure = Figure(
        figsize=(13, 0.9 + 3.1 * len(layers)), dpi=DPI, layout="constrained"
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, parse_math=False)
    grid = figure.subplots(len(layers), 6, squeeze=False, sharex=True)
    for row, layer in zip(grid, layers, strict=True):
        activity = activity_of(layer, example)
        units = chosen_units(layer.num_hid, seed)
        for axes, (name, values) in zip(row, activity.items(), strict=True):
            _panel(axes, name, values[:, units].T, layer.steps, trained)
        label = f"{layer.name}: {len(units)} of its {layer.num_hid} units"
        row[0].set_ylabel(label, fontsize=8, color=FAINT_INK, parse_math=False)
    return figure


def _panel(axes: Axes, name: str, values: np.ndarray, steps: int, trained: int) -> None:
    """One kind of activity, (units, steps)."""
    if name.endswith("gate"):
        colours, low, high = "viridis", 0.0, 1.0
    else:
        # Most of a cell's values are far smaller than its largest.
        high = float(np.nanpercentile(np.abs(values), 99)) or 1.0
        colours, low = "RdBu_r", -high
    image = axes.imshow(
        values,
        cmap=colours,
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, steps + 0.5, len(values) + 0.5, 0.5),
    )
    if trained < steps:
        axes.axvline(trained + 0.5, color=RULE, linewidth=1.2)
    axes.set_title(name, fontsize=9, color=INK)
    axes.set_xlabel("frame of the future", fontsize=8, color=FAINT_INK)
    axes.set_yticks([])
    axes.tick_params(labelsize=7, colors=FAINT_INK)
    bar = axes.figure.colorbar(image, ax=axes, location="bottom", shrink=0.9, pad=0.02)
    bar.ax.tick_params(labelsize=7, colors=FAINT_INK)
    bar.outline.set_visible(False)
