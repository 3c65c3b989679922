"""Training curves: the numbers of a run's log as a picture.

A run that was continued has a log for each time that it was started; its description
names them all, and the curve goes through them.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.errors import UserError
from videolstm.limits import check_regular, read_bounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from videolstm import config_pb2

Row = dict[str, float]

_BLUE, _ORANGE = "#4c78a8", "#e4572e"
_MOST_BYTES = 256 * 2**20  # of a log: a line for each of a million steps is less
_DRAWN = 1e30  # numbers beyond have no place on an axis
_LOG_FROM = 8.0  # a curve that spans more than this factor is drawn on a log scale


@dataclass(frozen=True)
class Curve:
    """How a column of the log is drawn."""

    label: str
    colour: str
    validation: bool


LOSSES = {
    "dec": Curve("reconstruction, training", _BLUE, False),
    "vdec": Curve("reconstruction, validation", _BLUE, True),
    "fut": Curve("future, training", _ORANGE, False),
    "vfut": Curve("future, validation", _ORANGE, True),
}


def read_log(path: str | os.PathLike) -> list[Row]:
    """The rows of a log by its columns, without the cells that are empty, no numbers
    or not finite; rows without an iteration are left out.

    Raises UserError for a file that cannot be read.
    """
    check_regular(path)
    try:
        data = read_bounded(path, _MOST_BYTES, "a log")
        text = data.replace(b"\0", b"").decode("utf-8", "replace")
        rows = [_numbers(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
    except (OSError, csv.Error) as error:
        raise UserError(
            f"{path}: the log cannot be read ({error}); it should be the .csv that a "
            "run wrote"
        ) from None
    return [row for row in rows if "iteration" in row]


def _numbers(row: dict) -> Row:
    values = {}
    for column, text in row.items():
        try:
            value = float(text)
        except (TypeError, ValueError):  # also a line that was cut short
            continue
        if column is not None and math.isfinite(value):
            values[column] = value
    return values


def history(logs: Iterable[str | os.PathLike]) -> list[Row]:
    """The rows of several logs of one run, in the order they were started.

    A run that was continued from an earlier step than its log ends at has made those
    steps again: what the later log says counts.
    """
    rows: list[Row] = []
    for log in logs:
        later = read_log(log)
        if later:
            first = later[0]["iteration"]
            rows = [row for row in rows if row["iteration"] < first] + later
    return rows


def logs_of(config: config_pb2.Model, path: str | os.PathLike) -> list[Path]:
    """The logs that a description at `path` names and that are there, oldest first:
    looked for where `find_checkpoint` looks for weights."""
    beside = Path(path).parent
    folders = (Path(config.checkpoint_dir), beside / config.checkpoint_dir, beside)
    found = []
    for timestamp in config.timestamp:
        places = [folder / f"{config.name}_{timestamp}.csv" for folder in folders]
        found += [place for place in places if os.path.isfile(place)][:1]
    return found


def draw_curves(
    path: str | os.PathLike,
    rows: list[Row],
    curves: dict[str, Curve],
    unit: str,
    title: str,
) -> bool:
    """Draws columns of the rows over the iterations, into a .png or .pdf.

    curves: the columns. unit: of the numbers, for the axis. Returns whether there was
    anything to draw; without a number no file is written.
    """
    # here, because matplotlib takes longer to import than all the rest together
    from videolstm.pictures.sequences import save_figure

    figure = curves_figure(rows, curves, unit, title)
    if figure is not None:
        save_figure(figure, path)
    return figure is not None


def curves_figure(
    rows: list[Row], curves: dict[str, Curve], unit: str, title: str
) -> Figure | None:
    """What `draw_curves` draws, as a figure of matplotlib; None without a number."""
    from matplotlib.figure import Figure

    from videolstm.pictures.sequences import DPI, INK

    lines = {
        column: [
            (row["iteration"], row[column])
            for row in rows
            if column in row and max(abs(row["iteration"]), abs(row[column])) < _DRAWN
        ]
        for column in curves
    }
    lines = {column: points for column, points in lines.items() if points}
    if not lines:
        return None
    figure = Figure(figsize=(7.5, 4.2), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    for column, points in lines.items():
        _draw(axes, points, curves[column])
    _scale(axes, [value for points in lines.values() for _, value in points])
    axes.set_xlabel("iteration")
    axes.set_ylabel(unit)
    axes.set_title(title, loc="left", fontsize=10, color=INK, parse_math=False)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _draw(axes: Axes, points: list[tuple[float, float]], curve: Curve) -> None:
    style = {"color": curve.colour, "label": curve.label}
    if curve.validation:
        style |= {"marker": "o", "markersize": 4.5, "linewidth": 2.0}
        style |= {"markeredgecolor": "white", "markeredgewidth": 0.8, "zorder": 3}
    else:
        # A single number is a point, and a line of none would show nothing.
        style |= {"linewidth": 1.2, "alpha": 0.55}
        style |= {"marker": "." if len(points) == 1 else None}
    axes.plot(*zip(*points, strict=True), **style)


def _scale(axes: Axes, values: list[float]) -> None:
    """A logarithmic axis where the numbers span much, else a linear one; plain
    numbers on both."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    if min(values) > 1 / _DRAWN and max(values) > _LOG_FROM * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
