"""The LSTM classifier (the paper, section 4.2), and which classifier a model is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cudamat as cm
from videolstm.models.dropout import Dropout
from videolstm.models.inputs import Inputs
from videolstm.models.logreg import LogisticRegression
from videolstm.models.param import Param
from videolstm.models.stack import LSTMStack
from videolstm.models.vote import Classifier
from videolstm.parallel.world import Exchange

if TYPE_CHECKING:
    from videolstm import config_pb2


class LSTMClassifier(Classifier):
    """An LSTM stack that reads the frames, and a softmax on its top layer at each.

    With reproduce_2016_release the learning rate does not decay, and use_relu is
    derived as o relu(c), as in the 2016 release.

    Attributes:
        stack: LSTMStack.
    """

    def _build(self) -> None:
        config = self.config
        self.stack = LSTMStack(
            config.lstm, self.num_frames, self.path, config.reproduce_2016_release
        )
        self.dims = config.lstm[0].input_dims
        self.num_classes = config.lstm[-1].output_dims

    @property
    def layers(self):
        return self.stack.layers

    @property
    def params(self) -> list[Param]:
        return self.stack.params

    @property
    def dropouts(self) -> list[Dropout]:
        return self.stack.dropouts

    def use_exchange(self, exchange: Exchange) -> None:
        super().use_exchange(exchange)
        self.stack.exchange = exchange

    @property
    def logits(self) -> cm.CUDAMatrix:
        return self.stack.outputs.all

    @property
    def bias(self) -> cm.CUDAMatrix:
        return self.stack.top.b_output

    def set_masks(self, masks: dict[str, dict[str, np.ndarray]] | None) -> None:
        for layer in self.layers:
            given = (masks or {}).get(layer.name, {})
            if layer.input_dropout is not None:
                layer.input_dropout.given = given.get("input")
            if layer.output_dropout is not None:
                layer.output_dropout.given = given.get("output")

    def _run(self, train: bool) -> None:
        self.stack.begin(self.frames.batch, train=train)
        self.stack.fprop(Inputs(self.frames.all))

    def bprop(self) -> None:
        self.stack.bprop()


def make_classifier(
    config: config_pb2.Model, path: str | Path, num_frames: int
) -> Classifier:
    """The classifier that a description is of: an LSTMClassifier where it has lstm,
    else a LogisticRegression."""
    kind = LSTMClassifier if config.lstm else LogisticRegression
    return kind(config, path, num_frames)
