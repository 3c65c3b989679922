"""A picture of accuracy against the number of labelled videos."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from videolstm.pictures.sequences import DPI, FAINT_INK, INK, check_suffix, save_figure

_COLOURS = ("#e4572e", "#4c78a8", "#f2a541", "#8a8f98", "#54a24b", "#9d4edd")


@dataclass(frozen=True)
class Point:
    """The accuracy, from 0 to 1, of one training: of which method, on how many labelled
    videos per class, chosen with which seed."""

    method: str
    per_class: int
    seed: int
    accuracy: float


def label_curve_picture(
    path: str | os.PathLike, points: Sequence[Point], chance: float, title: str
) -> None:
    """Draw a curve for each method, in the order in which they come first, into `path`,
    a .png or a .pdf: the mean over the seeds, with a bar of a standard deviation to
    either side. chance: the accuracy of guessing."""
    check_suffix(path)
    figure = Figure(figsize=(7.2, 4.6), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    methods = list(dict.fromkeys(point.method for point in points))
    numbers = sorted({point.per_class for point in points})
    seeds = len({point.seed for point in points})
    for place, method in enumerate(methods):
        found = [
            [p.accuracy for p in points if (p.method, p.per_class) == (method, n)]
            for n in numbers
        ]
        # Side by side, so that bars of equal height do not hide each other.
        shift = 2 ** (0.05 * (place - (len(methods) - 1) / 2))
        axes.errorbar(
            np.array(numbers) * shift,
            [100 * np.mean(values) for values in found],
            yerr=[100 * np.std(values) for values in found],
            label=method,
            color=_COLOURS[place % len(_COLOURS)],
            marker="o",
            markersize=4,
            linewidth=1.8,
            elinewidth=1.0,
            capsize=2.5,
        )
    axes.axhline(100 * chance, color=FAINT_INK, linewidth=0.8, linestyle=":")
    axes.text(
        numbers[-1],
        100 * chance,
        "chance",
        color=FAINT_INK,
        fontsize=8,
        ha="right",
        va="bottom",
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, [str(n) for n in numbers])
    axes.minorticks_off()
    axes.set_ylim(0, 100)
    axes.set_xlabel("labelled videos per class", color=INK)
    axes.set_ylabel("videos told right, %", color=INK)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    axes.set_title(
        f"{title}\nmean and standard deviation over {seeds} choices of the videos",
        fontsize=10,
        color=INK,
        loc="left",
        parse_math=False,
    )
    save_figure(figure, path)
