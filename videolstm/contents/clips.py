"""Clips of pixels in an .npy: VIDEO_PATCH."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import messages, read_data
from videolstm.contents.fits import data_verdict
from videolstm.contents.kind import Choice, Contents, Verdict
from videolstm.contents.model_size import is_classifier
from videolstm.contents.numbers import numbers_of
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, counted, shape_text, size_text
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.outside.npy import NpyFile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videolstm import config_pb2

_TIMES = 4  # as many clips as frames, or more: then the frames are probably first
_MOST_FRAMES = 100
_BATCH = 80


class Clips(Contents):
    """An array (N, frames, h, w) or (N, frames, 3, h, w), or with frames first."""

    title = "video patches"

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened)
        self.array = opened.array
        self.frames_first = _frames_first(self.path, self.array.shape)
        first, second, *self.frame = self.array.shape
        self.clips, self.frames = (
            (second, first) if self.frames_first else (first, second)
        )
        self.colours = 3 if len(self.frame) == 3 else 1

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        if opened.family != "npy" or opened.array.dtype.kind not in "buif":
            return False
        shape = opened.array.shape
        return 0 not in shape and (
            len(shape) == 4 or (len(shape) == 5 and shape[2] == 3)
        )

    def describe(self, report: Report) -> None:
        array, (height, width) = self.array, self.frame[-2:]
        colour = "colour" if self.colours == 3 else "grey"
        text = (
            f"{counted(self.clips, 'clip')} of {counted(self.frames, 'frame')} of "
            f"{height}x{width} pixels, {colour}"
        )
        value = {"clips": self.clips, "frames": self.frames}
        value |= {"height": height, "width": width, "colours": self.colours}
        report.add("holds", text, value)
        order = "frames first" if self.frames_first else "clips first"
        text = f"{shape_text(array.shape)}, {order}, {array.dtype}"
        if self.frames_first:
            text += f" (where num_frames is {self.frames}; otherwise clips are first)"
        value = {"shape": list(array.shape), "frames_first": self.frames_first}
        report.add("layout", text, value | {"type": str(array.dtype)})
        size = self.opened.size
        report.add("size", size_text(size), size)
        numbers = numbers_of(array)
        report.add("values", numbers.text(), numbers.value())
        report.add("as data", _as_data(numbers.low, numbers.high), "divided by 255")
        if height != width:
            text = "VIDEO_PATCH reads square frames, and these are not"
            report.add("note", text)

    def sheet(self, choice: Choice) -> Figure:
        from videolstm.pictures.contact_sheet import clips_sheet

        chosen = choice.numbers(self.clips)
        clips = [self._clip(number) for number in chosen]
        frames = np.stack(clips, axis=1)
        shape = (self.colours, *self.frame[-2:])
        high = 255.0 if np.nanmax(frames) > 1 else 1.0
        captions = [f"clip {number}" for number in chosen]
        title = f"{self.path.name}, {counted(self.clips, 'clip')}"
        return clips_sheet(frames, shape, captions, (0.0, high), title)

    def _clip(self, number: int) -> np.ndarray:
        """(frames, dims) of one clip."""
        dims = int(np.prod(self.frame))
        if self.array.fortran_order:
            whole = self.array.read()
            clip = whole[:, number] if self.frames_first else whole[number]
            return clip.reshape(self.frames, dims)
        if self.frames_first:
            firsts = (frame * self.clips + number for frame in range(self.frames))
            return np.stack([self.array.numbers(f * dims, dims) for f in firsts])
        start = number * self.frames * dims
        return self.array.numbers(start, self.frames * dims).reshape(self.frames, dims)

    def runs_with(self, model: config_pb2.Model, model_path: Path) -> Verdict:
        if (beside := description_beside(self.path)) is not None:
            return verdict_of(read_data(beside), beside, model, model_path)
        types = messages()
        num_frames = model.dec_seq_length + model.future_seq_length
        if is_classifier(model) or not model.dec_seq_length:
            num_frames = self.frames
        config = types.Data(
            dataset_type=types.Data.VIDEO_PATCH,
            data_file=str(self.path),
            num_frames=num_frames,
            batch_size=min(_BATCH, self.clips),
            image_size=self.frame[-1],
        )
        if self.colours == 3:
            config.num_colors = 3
        return verdict_of(config, self.path, model, model_path)


def description_beside(path: Path) -> Path | None:
    """The .pbtxt beside a data file that is called the same, where it is about it."""
    beside = path.with_suffix(".pbtxt")
    try:
        named = read_data(beside).data_file
    except UserError:
        return None
    return beside if named and Path(named).name == path.name else None


def verdict_of(
    config: config_pb2.Data, path: Path, model: config_pb2.Model, model_path: Path
) -> Verdict:
    """Whether a model runs with the data that `config` describes: read from the .pbtxt
    `path`, or made up for the data file `path`, and then it is part of the verdict."""
    from google.protobuf import text_format

    try:
        handler = make_data_handler(config, path)
    except UserError as error:
        return Verdict(str(error))
    found = data_verdict(handler, model, model_path)
    if path.suffix == ".pbtxt":
        return found
    config.data_file = path.name
    text = text_format.MessageToString(config, as_utf8=True).rstrip()
    return replace(found, description=text)


def _as_data(low: float, high: float) -> str:
    text = f"divided by 255: {low / 255:.4g} to {high / 255:.4g}"
    if low < 0 or high > 255:
        return f"{text}; VIDEO_PATCH reads values from 0 to 255 only"
    if 0 < high <= 1:
        return f"{text}; values are from 0 to 1 already: multiply them by 255"
    return text


def _frames_first(path: Path, shape: tuple[int, ...]) -> bool:
    """Whether the first axis is that of frames: as the description beside the file says
    it, by the rule of VIDEO_PATCH, else by what is likely."""
    if (beside := description_beside(path)) is not None:
        return shape[0] == read_data(beside).num_frames != shape[1]
    return shape[0] <= _MOST_FRAMES and shape[1] >= _TIMES * shape[0] > _TIMES


class PlainArray(Contents):
    """Any other .npy of numbers."""

    title = "an array of numbers"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "npy"

    def describe(self, report: Report) -> None:
        array: NpyFile = self.opened.array
        value = {"shape": list(array.shape), "type": str(array.dtype)}
        report.add("layout", f"{shape_text(array.shape)}, {array.dtype}", value)
        report.add("size", size_text(self.opened.size), self.opened.size)
        numbers = numbers_of(array)
        report.add("values", numbers.text(), numbers.value())
        text = (
            "VIDEO_PATCH reads (clips, frames, height, width) or (clips, frames, 3, "
            "height, width)"
        )
        report.add("note", text)
