"""What models have said: predictions that display_results and lstm_classifier saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm.contents.features import H5Datasets, frame_shape
from videolstm.contents.kind import Choice
from videolstm.contents.numbers import label_counts, value_range
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, bars, counted
from videolstm.data.files import h5_dataset, open_h5

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEW = 20  # classes that a bar each is drawn for


class Predictions(H5Datasets):
    """Frames, what a composite model made of them, and its states."""

    title = "predictions of a composite model (display_results --save)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        entries = opened.entries
        made = [name for name in ("reconstruction", "future") if name in entries]
        if "input" not in entries or not made:
            return False
        videos, _, dims = (*entries["input"].shape, 0, 0, 0)[:3]
        asked = sum(entries[name].size for name in made)
        return 0 < asked <= entries["input"].size and all(
            entries[name].dtype is not None
            and len(entries[name].shape) == 3
            and entries[name].shape[::2] == (videos, dims)
            for name in ("input", *made)
        )

    def describe(self, report: Report) -> None:
        entries = self.opened.entries
        videos, frames, dims = entries["input"].shape
        text = (
            f"{counted(videos, 'video')} of {counted(frames, 'frame')}, {dims} numbers"
        )
        value = {"videos": videos, "frames": frames, "dims": dims}
        report.add("holds", text, value)
        for key in ("model", "data", "checkpoint", "iteration"):
            if key in self.opened.attributes:
                found = self.opened.attributes[key]
                found = int(found) if isinstance(found, np.integer) else str(found)
                report.add(key, f"{found}", found)
        super().describe(report)

    def sheet(self, choice: Choice) -> Figure:
        from videolstm.pictures.sequences import sequence_figure

        entries = self.opened.entries
        videos, _, dims = entries["input"].shape
        chosen = choice.numbers(videos)
        names = [n for n in ("input", "reconstruction", "future") if n in entries]
        parts: dict[str, np.ndarray] = {}
        with open_h5(self.path) as file:
            for name in names:
                data = h5_dataset(file, name)
                parts[name] = np.concatenate([data[k : k + 1] for k in chosen])
        return sequence_figure(
            parts["input"].swapaxes(0, 1),
            *(
                parts[name].swapaxes(0, 1) if name in parts else None
                for name in ("reconstruction", "future")
            ),
            frame_shape=frame_shape(dims),
            title=f"{self.path.name}, videos {', '.join(map(str, chosen))}",
            value_range=value_range(parts["input"]),
        )


class Votes(H5Datasets):
    """The probabilities of every video."""

    title = "predictions of a classifier (lstm_classifier --predict)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        entries = opened.entries
        if not {"probabilities", "predicted", "videos"} <= set(entries):
            return False
        shape = entries["probabilities"].shape
        lists = [entries[n] for n in ("predicted", "labels") if n in entries]
        return len(shape) == 2 and all(
            entry.shape == shape[:1]
            and entry.dtype is not None
            # of another type it cannot be counted
            and entry.dtype.kind in "iu"
            for entry in lists
        )

    def describe(self, report: Report) -> None:
        videos, classes = self.opened.entries["probabilities"].shape
        text = f"{counted(videos, 'video')}, {counted(classes, 'class')}"
        report.add("holds", text, {"videos": videos, "classes": classes})
        with open_h5(self.path) as file:
            found = {
                name: h5_dataset(file, name)[...]
                for name in ("predicted", "labels")
                if name in self.opened.entries
            }
        if found.keys() >= {"predicted", "labels"}:
            right = float(np.mean(found["predicted"] == found["labels"]))
            report.add("right", f"{100 * right:.4g}% of the videos", right)
        if classes <= _FEW:
            counts = label_counts(found["predicted"].astype(np.int64))
            value = {str(k): n for k, n in counts.items()}
            report.add("predicted", bars(counts), value)
        super().describe(report)
