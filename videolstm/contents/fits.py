"""Does a data set, or a checkpoint, go with a model? The programs' own checks say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config_check import (
    check_classifier,
    check_clips,
    check_composite,
    check_labelled_clips,
)
from videolstm.contents.kind import Verdict
from videolstm.contents.model_size import (
    is_classifier,
    memory,
    operations,
    weight_shapes,
)
from videolstm.contents.numbers import Numbers
from videolstm.contents.report import count_text, size_text
from videolstm.data import DataHandler
from videolstm.data.stored import StoredClips
from videolstm.errors import UserError

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.contents.opened import Entry

HISTORIES = ("_grad", "_rms_prop")  # what a checkpoint adds to a weight's name
_CLIP_BYTES = 64 * 2**20  # of clips that are looked at
_CLIPS = 500


def clip_numbers(handler: DataHandler) -> tuple[Numbers, int]:
    """The values that a model gets, and how many clips were looked at: of many those
    spread evenly, of endless data the first."""
    size = 4 * handler.num_frames * handler.frame_dims
    most = max(1, min(_CLIPS, _CLIP_BYTES // size, handler.dataset_size))
    found = Numbers()
    if isinstance(handler, StoredClips):
        places = np.linspace(0, handler.dataset_size - 1, most).astype(int)
        for place in np.unique(places).tolist():
            found.add(handler.clip(place))
    else:
        for batch in handler.epoch(min(most, handler.batch_size)):
            found.add(batch.frames)
            if found.count * 4 >= most * size:
                break
    found.part = min(1.0, most / handler.dataset_size) if not handler.endless else 1.0
    return found, most


def check_model_alone(model: config_pb2.Model, path: Path) -> list[str]:
    """What `check_classifier` or `check_composite` says."""
    check = check_classifier if is_classifier(model) else check_composite
    return check(model, path)


def data_verdict(handler: DataHandler, model: config_pb2.Model, path: Path) -> Verdict:
    """Whether a model trains on a data set."""
    try:
        notes = check_model_alone(model, path)
        if is_classifier(model):
            check_labelled_clips(model, path, handler)
        else:
            check_clips(model, path, handler)
        numbers, _ = clip_numbers(handler)
    except UserError as error:
        return Verdict(str(error))
    why = _wrong_values(model, path, handler, numbers)
    notes += [*handler.notes, *_odd_values(model, handler, numbers)]
    return Verdict(why, tuple(notes), step=_step_text(model, handler))


def _step_text(model: config_pb2.Model, handler: DataHandler) -> str:
    """What a training step on a batch takes."""
    frames, batch = handler.num_frames, handler.batch_size
    weights, clips = memory(model, frames, batch)
    return (
        f"{count_text(operations(model, frames) * batch)} operations for a batch of "
        f"{batch}, {size_text(weights + clips)} of memory"
    )


def _wrong_values(
    model: config_pb2.Model, path: Path, handler: DataHandler, numbers: Numbers
) -> str | None:
    """Why a model cannot learn these values, or None."""
    bad = numbers.nans + numbers.infinities
    if bad:
        return f"{handler.path}: {bad:,} of the values are not finite"
    span = f"its values are from {numbers.low:.4g} to {numbers.high:.4g}"
    if is_classifier(model):
        return None
    if model.squash_relu and numbers.low < 0:
        return f"{handler.path}: {span}, and squash_relu in {path} needs 0 or more"
    binary = model.binary_data and not model.squash_relu
    if binary and (numbers.low < 0 or numbers.high > 1):
        return (
            f"{handler.path}: {span}, and binary_data in {path} needs probabilities "
            "from 0 to 1"
        )
    return None


def _odd_values(
    model: config_pb2.Model, handler: DataHandler, numbers: Numbers
) -> list[str]:
    """What is possible and hardly meant."""
    notes = []
    # just above 1 / 255 in floats is 1 in the file
    if handler.kind == "VIDEO_PATCH" and 0 < numbers.high < 1.001 / 255:
        notes.append(
            "no value of the file is above 1, and VIDEO_PATCH divides by 255: multiply "
            "it by 255"
        )
    elif numbers.low == numbers.high:
        notes.append(f"every value is {numbers.low:.4g}: there is nothing to learn")
    if model.relu_data and not model.binary_data and numbers.low < 0:
        notes.append(
            f"values go down to {numbers.low:.4g}, and relu_data clamps outputs at 0"
        )
    return notes


def weights_verdict(
    entries: dict[str, Entry], model: config_pb2.Model, path: Path, file: Path
) -> Verdict:
    """Whether a checkpoint with these datasets is of a model."""
    try:
        notes = check_model_alone(model, path)
    except UserError as error:
        return Verdict(str(error))
    wanted = weight_shapes(model)
    for name, shape in wanted.items():
        entry = entries.get(name)
        if entry is None:
            return Verdict(f"{file}: it has no dataset {name!r}, which {path} wants")
        # one dimension counts as one row, as where it is loaded
        found = (1, *entry.shape) if len(entry.shape) == 1 else entry.shape
        if found != shape or entry.dtype is None or entry.dtype.kind != "f":
            return Verdict(
                f"{file}: the dataset {name!r} has the shape {entry.shape} and the "
                f"type {entry.dtype}, and {path} wants real numbers of shape {shape}"
            )
    others = sorted({name for name in entries if ":" in name} - set(wanted))
    unused = [name for name in others if not name.endswith(HISTORIES)]
    if unused:
        notes.append(f"{path} does not use {', '.join(unused[:5])}")
    return Verdict(None, tuple(notes))
