"""Digits: what bouncing videos are made of."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import messages
from videolstm.contents.clips import verdict_of
from videolstm.contents.kind import Choice, Contents, Verdict
from videolstm.contents.model_size import is_classifier
from videolstm.contents.numbers import label_counts, numbers_of
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, bars, counted, size_text
from videolstm.data.digits import label_names, load_images, load_labels
from videolstm.data.idx import read_idx
from videolstm.errors import UserError
from videolstm.outside.npy import npz_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videolstm import config_pb2

_SETS = ("train", "test", "valid", "validation")
_LEAST, _MOST = 8, 256  # pixels of a side


def _is_square(shape: tuple[int, ...]) -> bool:
    if len(shape) == 2:
        side = math.isqrt(shape[1])
        return side * side == shape[1] and _LEAST <= side <= _MOST
    return len(shape) == 3 and shape[1] == shape[2] and _LEAST <= shape[1] <= _MOST


class Digits(Contents):
    """Square images with or without labels, in sets such as `train` and `test`."""

    title = "digits"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        if opened.family == "h5":
            return any(
                name in opened.entries and _is_square(opened.entries[name].shape)
                for name in _SETS
            )
        if opened.family == "npy":
            return _is_square(opened.array.shape) and opened.array.shape[0] > 0
        if opened.family == "idx":
            return len(opened.shape) == 3 and _is_square(opened.shape)
        return opened.family == "npz" and any(
            f"x_{name}" in npz_names(opened.path) for name in _SETS
        )

    @property
    def sets(self) -> list[str | None]:
        """The sets that the file has; None is the only one of a file without names."""
        if self.opened.family == "h5":
            entries = self.opened.entries
            return [n for n in _SETS if n in entries and _is_square(entries[n].shape)]
        if self.opened.family == "npz":
            return [n for n in _SETS if f"x_{n}" in npz_names(self.path)]
        return [None]

    def describe(self, report: Report) -> None:
        report.add("size", size_text(self.opened.size), self.opened.size)
        for name in self.sets:
            if name is not None:
                report.begin(name)
            images = load_images(self.path, name)
            count, side, _ = images.shape
            text = f"{counted(count, 'image')} of {side}x{side} pixels"
            report.add("holds", text, {"images": count, "side": side})
            numbers = numbers_of(images)
            report.add("values", f"{numbers.text()}, as they are read", numbers.value())
            self._describe_labels(report, name, count)

    def _describe_labels(self, report: Report, name: str | None, count: int) -> None:
        labels = load_labels(self.path, name, count)
        if labels is None:
            text = "none; --labelled digit of videolstm.tools.bouncing needs them"
            if self.opened.family == "h5":
                text += f", as a dataset {label_names(name)[0]!r}"
            report.add("labels", text, None)
            return
        counts = label_counts(labels)
        report.add("labels", bars(counts), {str(k): n for k, n in counts.items()})

    def sheet(self, choice: Choice) -> Figure:
        from videolstm.pictures.contact_sheet import images_sheet

        name = self.sets[0]
        images = load_images(self.path, name)
        labels = load_labels(self.path, name, len(images))
        # ten in a row, where a clip would have been a row
        chosen = Choice(10 * choice.count, choice.seed).numbers(len(images))
        captions = [str(k if labels is None else labels[k]) for k in chosen]
        side = images.shape[1]
        below = "numbers" if labels is None else "labels"
        title = (
            f"{self.path.name}{f', {name}' if name else ''}: {len(chosen)} of "
            f"{counted(len(images), 'digit')}, with their {below}"
        )
        flat = images[chosen].reshape(len(chosen), -1)
        return images_sheet(flat, (1, side, side), captions, (0.0, 1.0), title)

    def runs_with(self, model: config_pb2.Model, model_path: Path) -> Verdict:
        """As bouncing videos of the size that the model reads."""
        if is_classifier(model):
            return Verdict(
                f"{self.path}: digits are no clips with labels: make some with "
                "`python -m videolstm.tools.bouncing --labelled`"
            )
        dims = model.lstm[0].input_dims if model.lstm else 0
        side = math.isqrt(dims)
        if side * side != dims or not side:
            return Verdict(
                f"{model_path}: the model reads frames of {dims} numbers, and bouncing "
                "digits are square frames of one colour"
            )
        types = messages()
        config = types.Data(
            dataset_type=types.Data.BOUNCING_MNIST,
            data_file=str(self.path),
            num_frames=model.dec_seq_length + model.future_seq_length,
            batch_size=80,
            image_size=side,
            num_digits=2,
            step_length=0.1,
        )
        return verdict_of(config, self.path, model, model_path)


class Labels(Contents):
    """MNIST's own file of labels."""

    title = "labels, an IDX file"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "idx" and len(opened.shape) == 1

    def describe(self, report: Report) -> None:
        labels = read_idx(self.path, ())
        report.add("holds", counted(len(labels), "label"), len(labels))
        counts = label_counts(labels.astype(np.int64))
        report.add("labels", bars(counts), {str(k): n for k, n in counts.items()})


class OtherIdx(Contents):
    """Any other IDX file of bytes."""

    title = "an IDX file"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "idx"

    def describe(self, report: Report) -> None:
        shape = self.opened.shape
        numbers = numbers_of(read_idx(self.path, (None,) * (len(shape) - 1)))
        report.add("layout", " x ".join(map(str, shape)), list(shape))
        report.add("values", numbers.text(), numbers.value())


class OtherNpz(Contents):
    """Any other .npz."""

    title = "an .npz archive"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "npz"

    def describe(self, report: Report) -> None:
        names = npz_names(self.path)
        if not names:
            raise UserError(f"{self.path}: there is no array in it")
        report.add("arrays", ", ".join(names), names)
