"""Checkpoints: weights by their names, and how far a run has come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.contents.features import frame_shape
from videolstm.contents.fits import HISTORIES, weights_verdict
from videolstm.contents.kind import Choice, Contents, Verdict
from videolstm.contents.numbers import Numbers, numbers_of
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, counted, shape_text, size_text
from videolstm.data.files import h5_dataset, open_h5
from videolstm.errors import UserError
from videolstm.models.checkpoint import checkpoint_iteration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videolstm import config_pb2

_GATES = ("input gate", "forget gate", "cell input", "output gate")
_MOST_PANELS = 6
_UNITS = 100  # shown in a panel


class Checkpoint(Contents):
    """Datasets `<layer>:<weight>`, with histories or without."""

    title = "a checkpoint"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return any(":" in name for name in opened.entries)

    @property
    def weights(self) -> list[str]:
        entries = self.opened.entries
        return [
            name
            for name, entry in entries.items()
            if ":" in name and not name.endswith(HISTORIES) and entry.dtype is not None
        ]

    def describe(self, report: Report) -> None:
        entries = self.opened.entries
        iteration = checkpoint_iteration(self.path)
        known = iteration is not None
        text = f"{iteration:,}" if known else "not known (the 2016 release's format)"
        report.add("iteration", text, iteration)
        if (best := self._best()) is not None:
            report.add("best", f"validation accuracy {best:.4g}", best)
        parameters = sum(entries[name].size for name in self.weights)
        report.add("parameters", f"{parameters:,}", parameters)
        kept = [ending for ending in HISTORIES if self._all_have(ending)]
        said = {"_grad": "momentum", "_rms_prop": "root mean squares"}
        histories = " and ".join(said[ending] for ending in kept) or "none"
        report.add("histories", histories, kept)
        report.add("size", size_text(self.opened.size), self.opened.size)
        found = self._describe_weights(report)
        if bad := found.nans + found.infinities:
            report.begin()
            text = f"{counted(bad, 'weight')} not finite: this model has diverged"
            report.add("note", text)

    def _best(self) -> float | None:
        with open_h5(self.path) as file:
            resume = file.get("resume")
            found = None if resume is None else resume.attrs.get("best")
        return None if found is None else float(found)

    def _all_have(self, ending: str) -> bool:
        return any(name.endswith(ending) for name in self.opened.entries)

    def _describe_weights(self, report: Report) -> Numbers:
        """A line for each weight; returns how many are not finite, in all."""
        whole, layer = Numbers(), None
        with open_h5(self.path) as file:
            for name in self.weights:
                if (own := name.split(":")[0]) != layer:
                    layer = own
                    report.begin(layer)
                shape = self.opened.entries[name].shape
                numbers = numbers_of(h5_dataset(file, name))
                whole.nans += numbers.nans
                whole.infinities += numbers.infinities
                updates = self.opened.attributes.get(f"{name}_t")
                text = f"{shape_text(shape):<15}  norm {numbers.norm:<8.4g}"
                text += f"  {numbers.text(with_density=False)}"
                value = {"shape": list(shape), "norm": numbers.norm}
                if updates is not None:
                    value["updates"] = int(updates)
                report.add(name.split(":", 1)[1], text, value | numbers.value())
        return whole

    def sheet(self, choice: Choice) -> Figure:
        from videolstm.pictures.features import weights_figure

        panels, shape = self._panels()
        if not panels:
            raise UserError(f"{self.path}: it has no weights of frames to draw")
        return weights_figure(panels, shape, self.path.name)

    def _panels(self) -> tuple[list[tuple[str, np.ndarray]], tuple | None]:
        """Weights of the largest units that see or emit frames, and the shape of a
        frame: those of the largest dims that there are."""
        entries = self.opened.entries
        dims: dict[str, int] = {}
        for name in self.weights:
            shape = entries[name].shape
            if len(shape) == 2 and name.endswith((":w_input", ":w")):
                dims[name] = shape[1]
            elif len(shape) == 2 and name.endswith(":w_output"):
                dims[name] = shape[0]
        if not dims:
            return [], None
        most = max(dims.values())
        panels: list[tuple[str, np.ndarray]] = []
        with open_h5(self.path) as file:
            for name in (name for name in dims if dims[name] == most):
                panels += _panels_of(name, h5_dataset(file, name)[...])
        return panels[:_MOST_PANELS], frame_shape(most)

    def runs_with(self, model: config_pb2.Model, model_path: Path) -> Verdict:
        return weights_verdict(self.opened.entries, model, model_path, self.path)


def _panels_of(name: str, weights: np.ndarray) -> list[tuple[str, np.ndarray]]:
    from videolstm.pictures.features import largest

    layer = name.split(":")[0]
    weights = np.nan_to_num(weights.astype(np.float32), posinf=0, neginf=0)
    if name.endswith(":w_output"):
        columns = weights.T
        return [(f"{layer}: output weights", columns[largest(columns, _UNITS)])]
    if name.endswith(":w"):
        return [(f"{layer}: weights of the classes", weights[:_UNITS])]
    if len(weights) % 4:
        return []
    gates = weights.reshape(4, len(weights) // 4, -1)
    units = largest(gates, _UNITS)
    return [
        (f"{layer}: input weights, {gate}", rows[units])
        for gate, rows in zip(_GATES, gates, strict=True)
    ]
