"""Descriptions, .pbtxt: of a data set, through the reader that training uses, and of a
model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import messages, read_data, read_model
from videolstm.contents.fits import check_model_alone, clip_numbers, data_verdict
from videolstm.contents.kind import Choice, Contents, Verdict
from videolstm.contents.model_size import (
    is_classifier,
    layer_shapes,
    memory,
    operations,
    weight_shapes,
)
from videolstm.contents.numbers import label_counts, value_range
from videolstm.contents.opened import KNOWN, Opened
from videolstm.contents.report import Report, bars, count_text, counted, size_text
from videolstm.data import DataHandler, make_data_handler
from videolstm.data.stored import StoredClips
from videolstm.errors import UserError
from videolstm.models.checkpoint import checkpoint_iteration, find_checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videolstm import config_pb2

_FEW = 40  # classes that a bar each is drawn for


def _reads(opened: Opened, read) -> bool:
    try:
        read(opened.path)
    except UserError:
        return False
    return opened.family == "text"


class DataDescription(Contents):
    """A data set, as training reads it."""

    title = "the description of a data set"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return _reads(opened, read_data)

    def _handler(self) -> DataHandler:
        return make_data_handler(read_data(self.path), self.path)

    def describe(self, report: Report) -> None:
        handler = self._handler()
        report.add("read as", handler.kind)
        report.add("data file", handler.config.data_file)
        count = counted(handler.dataset_size, "clip")
        text = f"{count} of {counted(handler.num_frames, 'frame')}"
        if handler.endless:
            text = (
                f"clips without end, of {counted(handler.num_frames, 'frame')}; "
                f"{handler.dataset_size:,} count as an epoch"
            )
        value = {"clips": handler.dataset_size, "frames": handler.num_frames}
        report.add("holds", text, value | {"endless": handler.endless})
        shape = handler.frame_shape
        text = f"{handler.frame_dims:,} numbers"
        if shape is not None:
            text += f": {shape[1]}x{shape[2]} pixels, {counted(shape[0], 'colour')}"
        value = {"dims": handler.frame_dims, "shape": shape and list(shape)}
        report.add("frame", text, value)
        size = 4 * handler.num_frames * handler.batch_size * handler.frame_dims
        text = f"{counted(handler.batch_size, 'clip')}, {size_text(size)}"
        report.add("batch", text, {"clips": handler.batch_size, "bytes": size})
        self._describe_videos(report, handler)
        numbers, looked_at = clip_numbers(handler)
        text = f"{numbers.text()}; as a model gets them"
        if handler.endless:
            text += f", of {counted(looked_at, 'clip')}"
        report.add("values", text, numbers.value())
        for note in handler.notes:
            report.add("note", note)

    @staticmethod
    def _describe_videos(report: Report, handler: DataHandler) -> None:
        """Videos, how many clips they give, and their classes."""
        videos = getattr(handler, "videos", None)
        if isinstance(videos, np.ndarray):
            many = len(handler.videos_of_clips()[1])
            clips = np.bincount(videos, minlength=many)
            text = (
                f"{many:,}, of {clips.min():,} to {clips.max():,} clips, mean "
                f"{clips.mean():.4g}"
            )
            value = {"videos": many, "least_clips": int(clips.min())}
            report.add("videos", text, value | {"most_clips": int(clips.max())})
        labels = getattr(handler, "video_labels", None)
        if labels is not None:
            report.add("labels", labels_text(labels), labels_value(labels))

    def sheet(self, choice: Choice) -> Figure:
        from videolstm.pictures.contact_sheet import clips_sheet

        handler = self._handler()
        frames, numbers = _clips(handler, choice)
        captions = [f"clip {number}" for number in numbers]
        labels = getattr(handler, "labels", None)
        if labels is not None:
            captions = [
                f"{caption}: class {labels[k]}"
                for caption, k in zip(captions, numbers, strict=True)
            ]
        span = (0.0, 1.0)
        if frames.min() < 0 or frames.max() > 1 or handler.frame_shape is None:
            span = value_range(frames)
        title = f"{self.path.name}, {handler.kind}"
        if not handler.endless:
            title += f", {counted(handler.dataset_size, 'clip')}"
        return clips_sheet(frames, handler.frame_shape, captions, span, title)

    def runs_with(self, model: config_pb2.Model, model_path: Path) -> Verdict:
        return data_verdict(self._handler(), model, model_path)


def _clips(handler: DataHandler, choice: Choice) -> tuple[np.ndarray, list[int]]:
    """Clips (frames, n, dims) and their numbers."""
    if isinstance(handler, StoredClips):
        numbers = choice.numbers(handler.dataset_size)
        return np.stack([handler.clip(k) for k in numbers], axis=1), numbers
    # Endless data is random already: another seed is another choice of it.
    if choice.seed is not None:
        handler = make_data_handler(handler.config, handler.path, choice.seed)
    batch = next(handler.epoch(choice.count))
    return batch.frames, batch.clips.tolist()


def labels_text(labels: np.ndarray) -> str:
    counts = label_counts(labels)
    if len(counts) <= _FEW:
        return bars(counts)
    there = {k: n for k, n in counts.items() if n}
    least, most = min(there, key=there.get), max(there, key=there.get)
    missing = len(counts) - len(there)
    text = (
        f"{len(there):,} classes from 0 to {max(counts):,}; class {least} has the "
        f"fewest videos, {there[least]:,}, and class {most} the most, {there[most]:,}"
    )
    return f"{text}; {missing:,} classes have none" if missing else text


def labels_value(labels: np.ndarray) -> dict[str, int]:
    return {str(k): n for k, n in label_counts(labels).items()}


class ModelDescription(Contents):
    """A model: its layers, its size, and what its runs left."""

    title = "the description of a model"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return _reads(opened, read_model)

    def describe(self, report: Report) -> None:
        model = read_model(self.path)
        notes = check_model_alone(model, self.path)
        report.add("name", model.name)
        kind = "classifier" if is_classifier(model) else "composite"
        report.add("model", f"{kind}; {_losses(model)}", kind)
        if not is_classifier(model):
            dec, future = model.dec_seq_length, model.future_seq_length
            said = [
                f"{what} {counted(length, 'frame')}"
                + (", conditional" if conditional else "")
                for what, length, conditional in (
                    ("reconstructs", dec, model.dec_conditional),
                    ("predicts", future, model.future_conditional),
                )
                if length
            ]
            value = {"dec_seq_length": dec, "future_seq_length": future}
            report.add("does", "; ".join(said), value)
        self._describe_size(report, model)
        self._describe_runs(report, model)
        self._describe_layers(report, model)
        report.begin()
        for note in notes:
            report.add("note", note)

    @staticmethod
    def _describe_size(report: Report, model: config_pb2.Model) -> None:
        parameters = sum(r * c for r, c in weight_shapes(model).values())
        report.add("parameters", f"{parameters:,}", parameters)
        frames = model.dec_seq_length + model.future_seq_length or 1
        each = operations(model, frames)
        what = "video" if frames > 1 else "frame"
        text = f"{count_text(each)} operations for each {what} of a training step"
        report.add("work", text, each)
        weights, clip = memory(model, frames, 1)
        text = (
            f"{size_text(weights)} for the weights, their gradients and histories, and "
            f"{size_text(clip)} for each {what} of a batch"
        )
        value = {"weights": weights, f"each_{what}": clip}
        report.add("memory", text, value)

    def _describe_runs(self, report: Report, model: config_pb2.Model) -> None:
        if not model.timestamp:
            report.add("runs", "none yet", 0)
            return
        checkpoint = find_checkpoint(model, self.path)
        text = counted(len(model.timestamp), "run")
        value: dict[str, object] = {"runs": len(model.timestamp), "checkpoint": None}
        if checkpoint is None:
            text += "; no weights of any are there"
        else:
            iteration = checkpoint_iteration(checkpoint)
            after = "" if iteration is None else f" after {iteration:,} steps"
            text += f"; the newest weights are {checkpoint}{after}"
            value |= {"checkpoint": str(checkpoint), "iteration": iteration}
        report.add("runs", text, value)

    @staticmethod
    def _describe_layers(report: Report, model: config_pb2.Model) -> None:
        report.begin("layers")
        for part in (model.lstm, model.lstm_dec, model.lstm_future):
            for layer in part:
                shapes = layer_shapes(layer)
                count = sum(rows * columns for rows, columns in shapes.values())
                said = [counted(layer.num_hid, "unit")]
                said += [f"reads {layer.input_dims:,}"] if layer.has_input else []
                said += [f"gives {layer.output_dims:,}"] if layer.has_output else []
                text = f"{', '.join(said)}; {count:,} parameters"
                value = {"units": layer.num_hid, "parameters": count}
                report.add(layer.name, text, value)
        if model.HasField("logreg") and not model.lstm:
            layer = model.logreg
            text = f"reads {layer.num_inputs:,}, {layer.num_outputs:,} classes"
            report.add(layer.name, text)

    def runs_with(self, model: config_pb2.Model, model_path: Path) -> Verdict:
        raise UserError(
            f"{self.path}: this is a model itself; name the data or the checkpoint "
            "first, and the model with --model"
        )


def _losses(model: config_pb2.Model) -> str:
    if is_classifier(model):
        return "cross-entropy of the classes"
    if model.binary_data or model.squash_relu:
        return "binary data, losses are cross-entropies in nats"
    return "real-valued data, losses are half squared errors"


class BrokenDescription(Contents):
    """A text of no other kind: it should be a description, and its reader says why it
    is none."""

    title = "a text"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "text"

    def describe(self, report: Report) -> None:
        types = messages()
        begun = set(re.findall(r"^\s*(\w+)\s*[:{]", self.opened.text, re.MULTILINE))
        for kind, read in ((types.Model, read_model), (types.Data, read_data)):
            if begun & set(kind.DESCRIPTOR.fields_by_name):
                read(self.path)
        raise UserError(
            f"{self.path}: it is a text of no kind known here, and it should be {KNOWN}"
        )
