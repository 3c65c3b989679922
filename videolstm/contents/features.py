"""Datasets of frames in an .h5: what LABELLED and UNLABELLED data read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import messages, read_data
from videolstm.contents.clips import description_beside, verdict_of
from videolstm.contents.kind import Choice, Contents, Verdict
from videolstm.contents.model_size import is_classifier
from videolstm.contents.numbers import numbers_of, value_range
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, counted, shape_text, size_text
from videolstm.data.files import h5_dataset, open_h5

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videolstm import config_pb2

_LISTED = 12  # datasets that are described
_SHOWN = 20  # frames of a feature file without videos
_BATCH = 50


class H5Datasets(Contents):
    """Any .h5: each dataset by itself."""

    title = "an .h5"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "h5"

    def describe(self, report: Report) -> None:
        report.add("size", size_text(self.opened.size), self.opened.size)
        entries = self.opened.entries
        if not entries:
            report.add("datasets", "none", 0)
        for name in list(entries)[:_LISTED]:
            self._describe_dataset(report, name)
        if len(entries) > _LISTED:
            more = len(entries) - _LISTED
            report.begin()
            report.add("further", f"{counted(more, 'dataset')} not shown", more)

    def _describe_dataset(self, report: Report, name: str) -> None:
        entry = self.opened.entries[name]
        report.begin(name)
        value = {"shape": list(entry.shape), "type": str(entry.dtype)}
        kind = "no numbers" if entry.dtype is None else entry.dtype
        report.add("layout", f"{shape_text(entry.shape)}, {kind}", value)
        if entry.dtype is not None:
            with open_h5(self.path) as file:
                numbers = numbers_of(h5_dataset(file, name))
            report.add("values", numbers.text(), numbers.value())


class Features(H5Datasets):
    """An .h5 with a dataset (frames, dims), maybe with the files beside it that make it
    LABELLED data."""

    title = "frames (LABELLED or UNLABELLED)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "h5" and bool(_frame_sets(opened))

    def describe(self, report: Report) -> None:
        super().describe(report)
        beside = description_beside(self.path)
        report.begin()
        if beside is not None:
            report.add("described by", str(beside))
        else:
            text = (
                "nothing beside it; a .pbtxt names it as data_file, and a "
                "num_frames_file says how many frames each video has"
            )
            report.add("described by", text, None)

    def sheet(self, choice: Choice) -> Figure:
        from videolstm.contents.descriptions import DataDescription
        from videolstm.contents.opened import look
        from videolstm.pictures.contact_sheet import clips_sheet

        beside = description_beside(self.path)
        if beside is not None:
            return DataDescription(look(beside)).sheet(choice)
        name, entry = next(iter(_frame_sets(self.opened).items()))
        rows, dims = entry.shape
        starts = Choice(choice.count, choice.seed).numbers(max(1, rows // _SHOWN))
        with open_h5(self.path) as file:
            data = h5_dataset(file, name)
            parts = [data[k * _SHOWN : (k + 1) * _SHOWN] for k in starts]
        frames = np.full((_SHOWN, len(parts), dims), np.nan)
        for k, part in enumerate(parts):
            frames[: len(part), k] = part
        captions = [f"frames {k * _SHOWN} on" for k in starts]
        title = f"{self.path.name}, {name}: {counted(rows, 'frame')}"
        span = value_range(frames)
        return clips_sheet(frames, None, captions, span, title)

    def runs_with(self, model: config_pb2.Model, model_path: Path) -> Verdict:
        beside = description_beside(self.path)
        if beside is not None:
            return verdict_of(read_data(beside), beside, model, model_path)
        counts = self.path.with_name(f"{self.path.stem}_num_frames.txt")
        if not counts.is_file():
            return Verdict(
                f"{self.path}: nothing says how many frames each video has; it should "
                f"be in {counts.name} beside it, one number a line"
            )
        labels = self.path.with_name(f"{self.path.stem}_labels.txt")
        num_frames = model.dec_seq_length + model.future_seq_length
        config = messages().Data(
            data_file=str(self.path),
            dataset_name=next(iter(_frame_sets(self.opened))),
            num_frames_file=counts.name,
            num_frames=1 if is_classifier(model) else num_frames,
            batch_size=_BATCH,
        )
        if labels.is_file():
            config.labels_file = labels.name
        return verdict_of(config, self.path, model, model_path)


class Means(H5Datasets):
    """What mean_file names."""

    title = "means and standard deviations of colours (mean_file)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return {"pixel_mean", "pixel_std"} <= set(opened.entries)


def _frame_sets(opened: Opened) -> dict:
    """The datasets (frames, dims) of numbers."""
    return {
        name: entry
        for name, entry in opened.entries.items()
        if entry.dtype is not None
        and entry.dtype.kind == "f"
        and len(entry.shape) == 2
        and 0 not in entry.shape
    }


def frame_shape(dims: int) -> tuple[int, int, int] | None:
    """The image that a frame of so many numbers probably is: square, of one colour or
    of three."""
    for colours in (1, 3):
        side = math.isqrt(dims // colours)
        if side > 3 and side * side * colours == dims:
            return colours, side, side
    return None
