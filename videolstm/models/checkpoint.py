"""Checkpoints: what a run leaves behind, and how it goes on from there.

A run of the model NAME that starts at TIMESTAMP writes into its checkpoint_dir

    NAME_TIMESTAMP.pbtxt   the model description, TIMESTAMP appended to its timestamps
    NAME_TIMESTAMP.h5      weights, histories and counts of updates, as the release does
    NAME_TIMESTAMP.csv     the log (training.py)
    NAME_TIMESTAMP_best.h5 of a classifier: the model that validation liked best

In the .h5 a further group ``resume`` holds what the release does not save: the
iteration, the state of the random numbers, the position in the training data and the
loss since the last printed line. The release ignores it, and a file without it is
enough to load.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cudamat as cm
from videolstm.data.files import UNREADABLE
from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.h5_writing import written_h5
from videolstm.outside.h5 import H5File, H5Group

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.data.handler import State
    from videolstm.models.param import Param


@dataclass
class Progress:
    """Where a run stands, beside its weights.

    Attributes:
        iteration: updates done; None where the checkpoint does not know (the
            release's).
        losses, loss_cases: sums of the losses since the last printed line, and over how
            many cases.
        data: position in the training data, as its handler gives it.
        best: in the file of the best model, what validation said of it.
        reported: whether the last step was printed and validated, where that was due.
        gradient_norms: where it was not, what the log is to say of its gradients, in
            the order of the weights.
        seed: what the random numbers of the run started from; None where the checkpoint
            does not know.
    """

    iteration: int | None = 0
    losses: tuple[float, ...] = ()
    loss_cases: int = 0
    data: State = field(default_factory=dict)
    best: float | None = None
    reported: bool = True
    gradient_norms: tuple[float, ...] = ()
    seed: int | None = None


# ----------------------------------------------------------------------- one file


def save_checkpoint(path: Path, params: list[Param], progress: Progress) -> None:
    """Writes weights and progress, beside `path` and then in its place.

    Raises CannotWrite, and leaves what was there, where the disk is full or fails.
    """
    with written_h5(path) as file:
        for param in params:
            param.save(file)
        resume = file.create_group("resume")
        resume.attrs["iteration"] = progress.iteration
        resume.attrs["random_seed"] = np.uint64(cm.random_state.seed)
        resume.attrs["random_offset"] = np.uint64(cm.random_state.offset)
        resume.attrs["losses"] = progress.losses
        resume.attrs["loss_cases"] = progress.loss_cases
        resume.attrs["reported"] = progress.reported
        if progress.gradient_norms:
            resume.attrs["gradient_norms"] = progress.gradient_norms
        if progress.best is not None:
            resume.attrs["best"] = progress.best
        data = resume.create_group("data")
        for key, value in progress.data.items():
            if isinstance(value, np.ndarray):
                data.create_dataset(key, data=value)
            else:
                data.attrs[key] = value


def load_checkpoint(path: Path, params: list[Param]) -> Progress:
    """Reads weights, and the random numbers' state where the file has it.

    Raises UserError for a file that is no .h5, lacks a weight, or has one of the wrong
    shape.
    """
    try:
        with H5File(path) as file:
            for param in params:
                param.load(file)
            return _read_progress(file)
    except UNREADABLE as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    found = " ".join(str(error).split())
    return UserError(
        f"{path}: it cannot be read as a checkpoint, it is damaged, cut short or of "
        f"another kind ({found}); it should be an .h5 file that this program or the "
        "release wrote"
    )


def _read_progress(file: H5File, restore_random: bool = True) -> Progress:
    resume = file.get("resume")
    if not isinstance(resume, H5Group):
        return Progress(iteration=None)
    try:
        data = dict(resume["data"].attrs)
        data.update((key, values[...]) for key, values in resume["data"].items())
        progress = Progress(
            iteration=int(resume.attrs["iteration"]),
            losses=tuple(float(loss) for loss in resume.attrs["losses"]),
            loss_cases=int(resume.attrs["loss_cases"]),
            data=data,
            best=float(resume.attrs["best"]) if "best" in resume.attrs else None,
            reported=bool(resume.attrs.get("reported", True)),
            gradient_norms=tuple(map(float, resume.attrs.get("gradient_norms", ()))),
            seed=int(resume.attrs["random_seed"]),
        )
        offset = int(resume.attrs["random_offset"])
        counts = (progress.iteration, progress.loss_cases, progress.seed, offset)
        if not all(0 <= count < 2**64 for count in counts):
            raise ValueError(f"impossible counts {counts}")
        if restore_random:
            cm.random_state.seed, cm.random_state.offset = progress.seed, offset
    except (*UNREADABLE, AttributeError) as error:
        raise UserError(
            f"{file.filename}: its group 'resume' is damaged ({error!r}); without that "
            "group the file can still be loaded"
        ) from None
    return progress


def checkpoint_progress(path: Path) -> Progress:
    """Where the run of a checkpoint stood; nothing else is read or changed.

    Raises UserError for a file that is no .h5.
    """
    try:
        with H5File(path) as file:
            return _read_progress(file, restore_random=False)
    except UNREADABLE as error:
        raise _unreadable(path, error) from None


def checkpoint_iteration(path: Path) -> int | None:
    """Updates that a checkpoint has had; None where it does not know."""
    return checkpoint_progress(path).iteration


def carry_best(checkpoint: Path | None, place: Path) -> float | None:
    """Copies the best model of the run whose `checkpoint` is continued to `place`,
    where this run keeps its own; returns what validation said of it.

    Returns None, and copies nothing, where there is none or where it does not say (the
    release's): then the first validation finds a better one.
    """
    if checkpoint is None:
        return None
    earlier = checkpoint.with_name(f"{checkpoint.stem}_best.h5")
    if not earlier.is_file():
        return None
    best = checkpoint_progress(earlier).best
    if best is not None:
        with written_beside(place) as beside:
            shutil.copyfile(earlier, beside)
    return best


# ----------------------------------------------------------------------- finding one


def find_checkpoint(
    config: config_pb2.Model, path: str | Path, suffix: str = ""
) -> Path | None:
    """The newest .h5 that a timestamp of the description at `path` names, or None.

    Looked for in checkpoint_dir under the current folder, in checkpoint_dir under the
    folder of the description, and in that folder itself.
    """
    beside = Path(path).parent
    folders = [Path(config.checkpoint_dir), beside / config.checkpoint_dir, beside]
    for timestamp in reversed(config.timestamp):
        for folder in folders:
            place = folder / f"{config.name}_{timestamp}{suffix}.h5"
            if os.path.isfile(place):  # False also where the name is impossible
                return place
    return None
