"""A picture of what a classifier takes for what, and how good it is on each class."""

from __future__ import annotations

import os

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videolstm.pictures.sequences import (
    DPI,
    FAINT_INK,
    INK,
    PAST,
    check_suffix,
    save_figure,
)

_COUNTED = 20  # classes: with more of them the numbers in the fields are too small
_LABELLED = 40  # classes: with more of them only some are named


def confusion_picture(
    path: str | os.PathLike, confusion: np.ndarray, title: str = ""
) -> None:
    """Draw a confusion matrix, int (classes, classes), rows the truth, columns what it
    was taken for, into `path`, a .png or a .pdf.

    A field's colour is its part of the row; beside the rows stands that of the
    diagonal, the accuracy on the class. Raises UserError for another suffix and for a
    path that cannot be written.
    """
    check_suffix(path)
    counts = confusion.sum(axis=1)
    parts = confusion / np.maximum(counts, 1)[:, None]
    classes = len(confusion)
    side = float(np.clip(0.42 * classes, 3.0, 10.0))
    figure = Figure(figsize=(side + 3.0, side + 1.3), dpi=DPI, layout="constrained")
    table, bars = figure.subplots(1, 2, sharey=True, width_ratios=(side, 1.6))
    table.imshow(parts, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if classes <= _COUNTED:
        _write_counts(table, confusion, parts)
    step = max(1, -(-classes // _LABELLED))
    table.set_xticks(range(0, classes, step))
    table.set_yticks(range(0, classes, step))
    table.set_xlabel("taken for class", color=INK)
    table.set_ylabel("class", color=INK)
    _draw_accuracies(bars, parts, counts)
    for axes in (table, bars):
        axes.tick_params(colors=FAINT_INK, labelsize=8, length=0)
        axes.spines[:].set_visible(False)
    right = np.trace(confusion) / max(1, counts.sum())
    figure.suptitle(
        f"{title}\n{100 * right:.1f}% of {counts.sum()} videos are right".strip(),
        color=INK,
        fontsize=10,
        parse_math=False,
    )
    save_figure(figure, path)


def _write_counts(table: Axes, confusion: np.ndarray, parts: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            colour = "white" if parts[row, column] > 0.5 else INK
            place = {"ha": "center", "va": "center", "fontsize": 8}
            table.text(column, row, str(count), color=colour, **place)


def _draw_accuracies(bars: Axes, parts: np.ndarray, counts: np.ndarray) -> None:
    """Accuracy on each class, with the chance of guessing as a line."""
    classes = len(parts)
    bars.barh(range(classes), 100 * np.diag(parts), color=PAST, height=0.8)
    bars.axvline(100 / classes, color=FAINT_INK, linewidth=0.8, linestyle=":")
    bars.set_xlim(0, 100)
    bars.set_xticks((0, 50, 100))
    bars.set_xlabel("right, %", color=INK)
    bars.tick_params(labelleft=False)
    for row in np.flatnonzero(counts == 0):
        bars.text(3, row, "no videos", va="center", fontsize=6, color=FAINT_INK)
