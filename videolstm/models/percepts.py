"""What an encoder makes of clips: its state, as features for others (the paper, section
2.2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config_check import check_model, check_stack
from videolstm.config_memory import check_model_memory
from videolstm.errors import UserError
from videolstm.models.checkpoint import find_checkpoint, load_checkpoint
from videolstm.models.inputs import Inputs
from videolstm.models.param import without_sources
from videolstm.models.sequence import Sequence
from videolstm.models.stack import LSTMStack

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.data import DataHandler
    from videolstm.data.scenes import Scenes

STATES = ("h", "c", "both")


class Encoder:
    """The trained layers `lstm` of a model, a composite's or a classifier's, alone.

    They read all `num_frames` frames of a clip, however many they were trained on.

    Args:
        config: the model description; `path`: the file it was read from. Its newest
            checkpoint is loaded.
        layer: name of the layer whose state is taken; None is the top one.
        state: `h`, the hidden state; `c`, the cell; `both`, one after the other.

    Attributes:
        checkpoint: the file that was loaded.
        layer: the layer; dims: numbers in its state.

    Raises UserError for a model without lstm, without such a layer or without a
    checkpoint.
    """

    def __init__(
        self,
        config: config_pb2.Model,
        path: str | Path,
        num_frames: int,
        layer: str | None = None,
        state: str = "both",
    ) -> None:
        self.config = config
        self.num_frames = num_frames
        self.state = state
        _check_encoder(config, path)
        names = [one.name for one in config.lstm]
        if layer is not None and layer not in names:
            raise UserError(
                f"--layer is {layer!r}, and it should be a layer of lstm in {path}: "
                f"{', '.join(names)}"
            )
        self.checkpoint = find_checkpoint(config, path)
        if self.checkpoint is None:
            raise UserError(
                f"{path}: none of its {len(config.timestamp)} timestamps has an .h5 "
                "file; it should be the description that a training run left"
            )
        with without_sources():
            self.stack = LSTMStack(config.lstm, num_frames, path)
        load_checkpoint(self.checkpoint, self.stack.params)
        self.layer = self.stack.layers[-1 if layer is None else names.index(layer)]
        self.dims = self.layer.num_hid * (2 if state == "both" else 1)
        self.frames = Sequence(config.lstm[0].input_dims, num_frames)

    def check_data(self, data: DataHandler) -> None:
        """Raises UserError for frames of another size."""
        wanted = self.frames.rows
        if data.frame_dims != wanted:
            raise UserError(
                f"{data.path}: a frame has {data.frame_dims} numbers, and it should "
                f"have the {wanted} that {self.checkpoint} was trained on"
            )

    def encode(
        self, frames: np.ndarray | Scenes, per_frame: bool = False
    ) -> np.ndarray:
        """The states after the last frame of each clip, (batch, 1, dims), or with
        `per_frame` after each frame, (batch, num_frames, dims), of a batch (num_frames,
        batch, input_dims)."""
        self.frames.load(frames)
        if self.config.squash_relu:
            self.frames.all.apply_relu_squash(self.config.squash_relu_lambda)
        self.stack.begin(self.frames.batch)
        self.stack.fprop(Inputs(self.frames.all))
        first = 1 if per_frame else self.num_frames  # slot 0 is before the first frame
        parts = []
        for name, sequence in (("h", self.layer.hidden), ("c", self.layer.cell)):
            if self.state in (name, "both"):
                rows = sequence.span(first, self.num_frames + 1).asarray().T
                parts.append(rows.reshape(-1, self.frames.batch, self.layer.num_hid))
        return np.concatenate(parts, axis=2).transpose(1, 0, 2)


def _check_encoder(config: config_pb2.Model, path: str | Path) -> None:
    if not config.lstm:
        raise UserError(
            f"{path}: the field lstm is missing, and it should be the layers whose "
            "state is wanted"
        )
    check_model(config, path)
    check_stack(config.lstm, path)
    check_model_memory(config, path)
