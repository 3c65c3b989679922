"""Text files beside data and models: logs and other tables, lists of numbers and of
files."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.contents.kind import Choice, Contents
from videolstm.contents.numbers import label_counts
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, bars, number_text
from videolstm.errors import UserError, one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEW = 40  # classes that a bar each is drawn for
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_ORIGINS = ("clip", "video", "frame")
_TABLES = {
    ("part", "frame", "predictor"): "numbers of a model (display_results --csv)",
    ("class", "videos", "right"): "a confusion matrix (lstm_classifier)",
    ("video", "label", "predicted"): "predictions of a classifier, a .csv",
    _ORIGINS: "where patches are from (videolstm.tools.patches)",
    ("method", "labels_per_class", "seed"): "results of videolstm.tools.few_labels",
}

# columns of a log of which one value is better than another
_BEST = dict.fromkeys(("dec", "fut", "vdec", "vfut"), min) | dict.fromkeys(
    ("acc", "valid_acc", "pooled_valid_acc"), max
)


def _head(opened: Opened) -> list[str]:
    return opened.text.split("\n", 1)[0].strip().split(",")


class Log(Contents):
    """The log of a run."""

    title = "the log of a run"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "text" and _head(opened)[:2] == ["iteration", "seconds"]

    def describe(self, report: Report) -> None:
        from videolstm.pictures.curves import read_log

        rows = read_log(self.path)
        report.add("rows", f"{len(rows):,}", len(rows))
        if not rows:
            return
        steps = int(rows[0]["iteration"]), int(rows[-1]["iteration"])
        report.add("iterations", f"{steps[0]:,} to {steps[1]:,}", list(steps))
        if "seconds" in rows[-1]:
            seconds = rows[-1]["seconds"]
            report.add("time", f"{seconds / 60:,.1f} minutes", seconds)
        for column in _head(self.opened)[2:]:
            found = [(row["iteration"], row[column]) for row in rows if column in row]
            if found:
                self._describe_column(report, column, found)

    @staticmethod
    def _describe_column(
        report: Report, column: str, found: list[tuple[float, float]]
    ) -> None:
        values = [value for _, value in found]
        text = f"{number_text(values[0])} to {number_text(values[-1])}"
        value = {"first": values[0], "last": values[-1]}
        if (best := _BEST.get(column)) is not None:
            at = int(best(found, key=lambda row: row[1])[0])
            text += f", best {number_text(best(values))} at step {at:,}"
            value |= {"best": best(values), "at": at}
        else:  # of norms none is better than another
            low, high = min(values), max(values)
            text += f", between {number_text(low)} and {number_text(high)}"
            value |= {"least": low, "most": high}
        report.add(column, text, value)

    def sheet(self, choice: Choice) -> Figure:
        from videolstm.pictures.curves import LOSSES, Curve, curves_figure, read_log

        accuracies = {
            "acc": Curve("accuracy, training", "#4c78a8", False),
            "valid_acc": Curve("accuracy, validation clips", "#4c78a8", True),
            "pooled_valid_acc": Curve("accuracy, validation videos", "#e4572e", True),
        }
        is_composite = "dec" in _head(self.opened)
        curves, unit = (LOSSES, "loss/frame") if is_composite else (accuracies, "part")
        figure = curves_figure(read_log(self.path), curves, unit, self.path.name)
        if figure is None:
            raise UserError(f"{self.path}: there is no number in it to draw")
        return figure


class Table(Contents):
    """Any other table that the programs here write."""

    title = "a table"

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened)
        self.title = _TABLES[tuple(_head(opened)[:3])]

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "text" and tuple(_head(opened)[:3]) in _TABLES

    def describe(self, report: Report) -> None:
        try:
            rows = list(csv.DictReader(io.StringIO(self.opened.text)))
        except csv.Error as error:
            raise UserError(
                f"{self.path}: cannot be read as a .csv ({error})"
            ) from None
        report.add("rows", f"{len(rows):,}", len(rows))
        columns = _head(self.opened)
        shown = columns[:12]
        more = f" and {len(columns) - 12} more" if len(columns) > 12 else ""
        report.add("columns", ", ".join(shown) + more, columns)
        if tuple(columns[:3]) == _ORIGINS:
            _describe_origins(report, rows)


def _describe_origins(report: Report, rows: list[dict[str, str | None]]) -> None:
    """Of the clips that `tools.patches` has cut: from how many videos they are, and
    from which part of these."""
    clips = Counter(row["video"] for row in rows if row["video"])
    if not clips:
        return
    least, most = min(clips.values()), max(clips.values())
    each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    text = f"{len(clips):,}, of {each} clips"
    value = {"videos": len(clips), "least_clips": least, "most_clips": most}
    report.add("videos", text, value)
    first, *_, last = sorted(clips) * 2
    report.add("first", one_line(first))
    report.add("last", one_line(last))
    for column, what in (
        ("frame", "first frames of the clips, counted from 0"),
        ("seconds", "when they are shown"),
        ("top", "of the patches, in pixels"),
        ("left", "likewise"),
    ):
        found = [x for row in rows if (x := _number(row.get(column))) is not None]
        if found:
            low, high = min(found), max(found)
            text = f"{number_text(low)} to {number_text(high)}, {what}"
            report.add(column, text, {"min": low, "max": high})


def _number(text: str | None) -> float | None:
    """None for a field that is empty, missing or no number."""
    try:
        return int(text or "") if (text or "").isdecimal() else float(text or "")
    except ValueError:
        return None


class Names(Contents):
    """Names that features write beside their numbers, one a line: of classes, in the
    order of these, or of videos."""

    _KINDS = {
        "classes": "the names of classes, from 0 on (videolstm.tools.features)",
        "videos": "the names of videos (videolstm.tools.features)",
    }

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened)
        self.title = self._KINDS[_last_word(opened.path)]

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return (
            opened.family == "text"
            and opened.path.suffix == ".txt"
            and _last_word(opened.path) in cls._KINDS
        )

    def describe(self, report: Report) -> None:
        names = self.opened.text.strip().splitlines()
        report.add("lines", f"{len(names):,}", len(names))
        report.add("first", one_line(names[0]) if names else "none")
        report.add("last", one_line(names[-1]) if names else "none")


def _last_word(path: Path) -> str:
    """`classes` for x_classes.txt."""
    return path.stem.rpartition("_")[2] if "_" in path.stem else ""


class Integers(Contents):
    """Labels or numbers of frames, one a line."""

    title = "a list of whole numbers (labels_file, num_frames_file or video_ids_file)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        lines = opened.text.split()
        return (
            opened.family == "text"
            and bool(lines)
            and all(_INTEGER.fullmatch(line) for line in lines)
        )

    def describe(self, report: Report) -> None:
        values = np.array([int(word) for word in self.opened.text.split()])
        report.add("lines", f"{len(values):,}", len(values))
        low, high = int(values.min()), int(values.max())
        value = {"min": low, "max": high, "mean": float(values.mean())}
        value["sum"] = int(values.sum())
        text = f"{low:,} to {high:,}, mean {values.mean():.4g}, sum {values.sum():,}"
        report.add("values", text, value)
        if low >= 0 and high < _FEW:
            counts = label_counts(values)
            report.add("counts", bars(counts), {str(k): n for k, n in counts.items()})


class Paths(Contents):
    """The data_file of UNLABELLED data."""

    title = "a list of .h5 files (UNLABELLED)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        lines = opened.text.strip().splitlines()
        return (
            opened.family == "text"
            and bool(lines)
            and all(line.strip().endswith((".h5", ".hdf5")) for line in lines)
        )

    def describe(self, report: Report) -> None:
        names = [line.strip() for line in self.opened.text.strip().splitlines()]
        report.add("files", f"{len(names):,}", len(names))
        folders = (Path(), self.path.parent)
        there = sum(any((f / name).is_file() for f in folders) for name in names)
        report.add("there", f"{there:,} of them", there)
        report.add("first", names[0])
