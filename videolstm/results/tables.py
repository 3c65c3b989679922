"""The numbers of `metrics` as text: tables for people, and .csv for programs."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass

from videolstm.files import written_beside
from videolstm.results.metrics import METRICS, SSIM_WINDOW, Metrics, Score


def write_csv(
    path: str | os.PathLike, metrics: Metrics, forced: dict[str, bool]
) -> None:
    """Writes a row for each frame, part and predictor, and one for all frames of each;
    cells that there are no numbers for stay empty.

    forced: for each part, whether the model is teacher-forced in it.
    """
    with written_beside(path) as beside, beside.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["part", "frame", "predictor", "mode", "loss_unit", *METRICS])
        for score in metrics.scores():
            mode = ""
            if score.predictor == "model":
                mode = "teacher-forced" if forced[score.part] else "free-running"
            numbers = [
                repr(score.values[name]) if name in score.values else ""
                for name in METRICS
            ]
            frame = "all" if score.frame is None else score.frame
            unit = loss_unit(metrics.binary)
            rows.writerow([score.part, frame, score.predictor, mode, unit, *numbers])


def read_csv(path: str | os.PathLike) -> tuple[list[Score], bool, dict[str, str]]:
    """What `write_csv` wrote: the scores, whether losses are cross-entropies, and how
    the model made each part (teacher-forced or free-running)."""
    scores, modes, binary = [], {}, False
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            values = {name: float(row[name]) for name in METRICS if row[name]}
            frame = None if row["frame"] == "all" else int(row["frame"])
            scores.append(Score(row["part"], frame, row["predictor"], values))
            binary = row["loss_unit"] == loss_unit(True)
            if row["mode"]:
                modes[row["part"]] = row["mode"]
    return scores, binary, modes


def loss_unit(binary: bool) -> str:
    return "nats/frame" if binary else "half squared error/frame"


# Of each number: its heading and its format.
_COLUMNS = {
    "loss": ("loss", "{:.2f}"),
    "least": ("least", "{:.2f}"),
    "mse": ("MSE", "{:.2f}"),
    "mae": ("MAE", "{:.2f}"),
    "mse_per_value": ("MSE/value", "{:.6f}"),
    "mae_per_value": ("MAE/value", "{:.5f}"),
    "ssim": ("SSIM", "{:.4f}"),
    "psnr": ("PSNR", "{:.2f}"),
}
_COPY_COLUMNS = ("loss", "mse", "mae", "ssim")


@dataclass(frozen=True)
class Table:
    """A part's numbers, ready to be shown.

    title: what they are of, and how. groups: what the columns are of, and how many.
    headings: of the columns. rows: of text; the last is of all frames.
    """

    title: str
    groups: list[tuple[str, int]]
    headings: list[str]
    rows: list[list[str]]

    def text(self) -> str:
        """The table in letters of one width."""
        columns = list(zip(self.headings, *self.rows, strict=True))
        widths = [max(map(len, column)) + 2 for column in columns]
        gap = "  |" if len(self.groups) > 2 else ""
        model = self.groups[0][1] + self.groups[1][1]

        def line(cells: list[str]) -> str:
            cells = [cell.rjust(w) for cell, w in zip(cells, widths, strict=True)]
            return "".join([*cells[:model], gap, *cells[model:]]).rstrip()

        lines = [self.title, line(self.headings), *map(line, self.rows)]
        if gap:
            start = sum(widths[:model])
            names = self.groups[1][0].rjust(start) + gap + "  " + self.groups[2][0]
            lines.insert(1, names)
        return "\n".join(lines)


def tables(
    scores: list[Score], binary: bool, conditions: dict[str, str]
) -> list[Table]:
    """A table for each part; `conditions` says of each how the model makes it."""
    return [
        _table([s for s in scores if s.part == part], sentence, binary)
        for part, sentence in conditions.items()
    ]


def _table(scores: list[Score], condition: str, binary: bool) -> Table:
    model = [s for s in scores if s.predictor == "model"]
    copy = [s for s in scores if s.predictor == "copy"]
    names = [name for name in METRICS if name in model[0].values]
    copied = [n for n in _COPY_COLUMNS if copy and n in copy[0].values]
    loss = "nats" if binary else "sq.err/2"
    rows = []
    for k, score in enumerate(model):
        row = ["all" if score.frame is None else str(score.frame)]
        row += [_COLUMNS[name][1].format(score.values[name]) for name in names]
        row += [_COLUMNS[name][1].format(copy[k].values[name]) for name in copied]
        rows.append(row)
    headings = ["frame"]
    headings += [loss if n == "loss" else _COLUMNS[n][0] for n in [*names, *copied]]
    frames = [s.frame for s in model if s.frame is not None]
    title = (
        f"{score.part.capitalize()}, frames {frames[0]} to {frames[-1]}, {condition}"
    )
    groups = [("", 1), ("model", len(names))]
    if copied:
        groups.append((f"frame {frames[0] - 1} again", len(copied)))
    return Table(title, groups, headings, rows)


def legend(
    binary: bool, dims: int, data_range: float = 1.0, without: str = ""
) -> list[str]:
    """What the columns of the tables mean, a line each.

    dims: numbers in a frame. data_range, without: as of `Metrics`.
    """
    lines = [
        f"sq.err/2: half the squared error per frame, summed over its {dims} values"
    ]
    if binary:
        lines = [
            f"nats: cross-entropy per frame, summed over its {dims} values; least: the "
            "entropy of the true frame itself, below which no prediction can be"
        ]
    lines.append(
        "MSE, MAE: squared and absolute error per frame, summed over its values as in "
        "OpenSTL; /value: divided by their number"
    )
    if without:
        lines.append(f"Note: {without}")
    else:
        lines.append(
            f"SSIM: scikit-image, flat window of {SSIM_WINDOW}x{SSIM_WINDOW} pixels; "
            f"PSNR: in dB; both with a data range of {data_range:g}, and averaged over "
            "frames"
        )
    return lines
