"""A trained model and data to show it on, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.board import use_board
from videolstm.config import read_data, read_model
from videolstm.config_check import check_clips, check_composite
from videolstm.data import DataHandler, make_data_handler
from videolstm.data.scenes import compose_batches
from videolstm.errors import UserError
from videolstm.models.checkpoint import find_checkpoint, load_checkpoint
from videolstm.models.composite import LSTMCombo
from videolstm.models.param import without_sources

if TYPE_CHECKING:
    from videolstm import config_pb2

ENDLESS_CASES = 100  # shown of data without end, where nobody says how many
_PIXELS = ("BOUNCING_MNIST", "VIDEO_PATCH")  # data whose values are from 0 to 1


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, and the data it is shown on.

    iteration: updates it has had, None where the checkpoint does not know. cases: how
    many videos of the data count, the first ones.
    """

    model: LSTMCombo
    checkpoint: Path
    iteration: int | None
    data: DataHandler
    cases: int

    @property
    def title(self) -> str:
        """Model, steps and data in a few words."""
        known = self.iteration is not None
        after = f" after {self.iteration} steps" if known else ""
        return f"{self.model.config.name}{after} · {Path(self.data.path).stem}"

    @property
    def conditions(self) -> dict[str, str]:
        """Of each part of an answer, what the model is given to make it."""
        alone = "free-running: from the encoder's last state alone"
        said = {}
        if self.model.decoder is not None:
            given = "teacher-forced: each frame is made from the true one after it"
            said["reconstruction"] = given if self.teacher_forced else alone
        if self.model.future is not None:
            given = "free-running: each frame is made from the model's own before it"
            said["future"] = given if self.model.future.conditional else alone
        return said

    @property
    def teacher_forced(self) -> bool:
        """Whether the decoder is given true frames. (The future predictor is not.)"""
        return self.model.decoder is not None and self.model.decoder.conditional

    def value_range(self) -> tuple[float, float]:
        """The least and the largest value that frames have: of probabilities and pixels
        0 and 1, else looked for in all videos that count."""
        if self.model.binary or self.data.kind in _PIXELS:
            return 0.0, 1.0
        low, high, left = float("inf"), float("-inf"), self.cases
        for batch in self.data.epoch():
            frames = batch.frames[:, :left]
            low, high = min(low, frames.min()), max(high, frames.max())
            left -= frames.shape[1]
            if left <= 0:
                break
        return float(low), float(high) if high > low else float(low) + 1.0


def load_trained(
    model_path: str,
    data_path: str,
    board: str,
    seed: int,
    cases: int | None,
    math: str = "fp32",
) -> Trained:
    """Reads a model with its newest weights, and data; prints what is noteworthy.

    cases: how many videos count, None for all, or for 100 of data without end.
    math: what matrix products make of their operands.

    Raises UserError for whatever is wrong in the files, for a model without weights and
    for more cases than there are.
    """
    config = read_model(model_path)
    for warning in check_composite(config, model_path):
        print(f"Note: {warning}")
    checkpoint = find_checkpoint(config, model_path)
    if checkpoint is None:
        raise _untrained(config, model_path)
    data = make_data_handler(read_data(data_path), data_path, seed)
    for note in data.notes:
        print(f"Note: {note}")
    check_clips(config, model_path, data)
    cases = _count(cases, data)
    print(use_board(board, math=math))
    with without_sources():
        model = LSTMCombo(config, model_path, data.num_frames)
    for note in compose_batches(data):
        print(f"Note: {note}")
    progress = load_checkpoint(checkpoint, model.params)
    return Trained(model, checkpoint, progress.iteration, data, cases)


def _untrained(config: config_pb2.Model, path: str) -> UserError:
    if config.timestamp:
        found = f"none of its {len(config.timestamp)} timestamps has an .h5 file"
    else:
        found = "it has no timestamp, so nothing says where its weights are"
    return UserError(
        f"{path}: {found}; it should be the .pbtxt of a trained model, such as "
        "lstm_combo.py leaves in its checkpoint_dir beside the .h5"
    )


def _count(cases: int | None, data: DataHandler) -> int:
    """How many videos count; says so where that is a choice."""
    if data.endless:
        if cases is None:
            cases = ENDLESS_CASES
            print(
                f"Note: {data.path}: videos without end, of which {cases} are shown; "
                "--cases N for another number"
            )
        data.dataset_size = cases
    if cases is not None and cases > data.dataset_size:
        raise UserError(
            f"--cases is {cases}, and it should be at most the {data.dataset_size} "
            f"videos of {data.path}"
        )
    return cases or data.dataset_size
