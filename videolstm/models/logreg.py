"""Multinomial logistic regression on single frames: the baseline without time."""

from __future__ import annotations

import numpy as np

import cudamat as cm
from videolstm.models.dropout import Dropout
from videolstm.models.param import Param
from videolstm.models.sequence import Sequence
from videolstm.models.vote import Classifier


class LogisticRegression(Classifier):
    """p = softmax(w x + b) of each frame x by itself.

    A clip is predicted by the mean over its frames, as an LSTMClassifier does it; with
    num_frames 1 in the data a clip is a frame.

    Attributes:
        w (classes, dims), b (1, classes): Param.
        dropout: of the inputs, or None.
    """

    def _build(self) -> None:
        config = self.config.logreg
        self.dims, self.num_classes = config.num_inputs, config.num_outputs
        shape = (self.num_classes, self.dims)
        self.w = Param(f"{config.name}:w", config.w, shape, self.path)
        bias_shape = (1, self.num_classes)
        self.b = Param(f"{config.name}:b", config.b, bias_shape, self.path)
        for param in self.params:
            param.decays = not self.config.reproduce_2016_release
        self.outputs = Sequence(self.num_classes, self.num_frames)
        self.dropout = None
        if config.dropprob > 0:
            self.dropout = Dropout(config.dropprob, self.dims, self.num_frames)

    @property
    def params(self) -> list[Param]:
        return [self.w, self.b]

    @property
    def dropouts(self) -> list[Dropout]:
        return [] if self.dropout is None else [self.dropout]

    @property
    def logits(self) -> cm.CUDAMatrix:
        return self.outputs.all

    @property
    def bias(self) -> cm.CUDAMatrix:
        return self.b.w

    def set_masks(self, masks: dict[str, dict[str, np.ndarray]] | None) -> None:
        if self.dropout is not None:
            given = (masks or {}).get(self.config.logreg.name, {})
            self.dropout.given = given.get("input")

    def _run(self, train: bool) -> None:
        self.outputs.resize(self.frames.batch)
        self.dropped = train and self.dropout is not None
        self.inputs = self.frames.all
        if self.dropped:
            self.inputs = self.dropout.apply(self.inputs, 0, self.num_frames)
        cm.dot(self.w.w, self.inputs, self.logits)

    def bprop(self) -> None:
        cm.dot(self.logits, self.inputs.T, self.w.dw)
        self.b.dw.T.add_sums(self.logits, axis=1, beta=0.0)
        self.exchange.ready(self.params)

    def input_bprop(self, target: cm.CUDAMatrix) -> None:
        """target (dims, frames batch) = derivative with respect to the frames."""
        cm.dot(self.w.w.T, self.logits, target)
        if self.dropped:
            self.dropout.derive(target, 0, self.num_frames)
