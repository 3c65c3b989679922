"""What classifiers share: a softmax at each frame of a clip, whose mean over time is
the prediction (the paper, section 4.2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cudamat as cm
from videolstm.config_memory import check_model_memory
from videolstm.models.dropout import Dropout, draw_masks
from videolstm.models.param import Param
from videolstm.models.replay import Replay
from videolstm.models.sequence import Sequence
from videolstm.parallel import Exchange

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.data.scenes import Scenes

CROSS_ENTROPY, RIGHT = 0, 1  # places in the totals of a classifier


class Classifier(ABC):
    """What classifiers share: frames in, softmax of each frame, mean, loss.

    The loss is the cross-entropy in nats summed over cases and frames, all frames of a
    clip having the clip's label; the prediction is the class whose mean probability
    over the frames is largest. With squash_relu the data are squashed first.

    Args:
        config: the model description, checked by `check_classifier`.
        path: the file it was read from.
        num_frames: frames of a clip.

    Attributes:
        dims, num_classes: numbers in a frame, and classes.
        probabilities: Sequence (classes, frames, batch) of the last forward pass.
        average: Sequence (classes, 1, batch), their mean over the frames.
        train_totals: running sums on the board: [CROSS_ENTROPY], in nats, and [RIGHT],
            the number of cases that were predicted right.
        exchange: sums gradients over the processes that share a batch.
    """

    dims: int
    num_classes: int

    def __init__(
        self, config: config_pb2.Model, path: str | Path, num_frames: int
    ) -> None:
        check_model_memory(config, path)
        self.config = config
        self.path = path
        self.num_frames = num_frames
        self._build()
        self.frames = Sequence(self.dims, num_frames)
        self.labels = Sequence(1, 1)
        self.probabilities = Sequence(self.num_classes, num_frames)
        self.average = Sequence(self.num_classes, 1)
        self.train_totals = cm.learn.Totals(2)
        self.exchange = Exchange()
        self._replay = Replay()

    @abstractmethod
    def _build(self) -> None:
        """Makes the layers; sets `dims` and `num_classes`."""

    @property
    @abstractmethod
    def params(self) -> list[Param]:
        """All weights."""

    @property
    @abstractmethod
    def dropouts(self) -> list[Dropout]:
        """Whatever drops something."""

    def use_exchange(self, exchange: Exchange) -> None:
        """Sums gradients over the processes that share each batch."""
        self.exchange = exchange

    @abstractmethod
    def set_masks(self, masks: dict[str, dict[str, np.ndarray]] | None) -> None:
        """Gives dropout its masks instead of drawing them: for each layer name,
        ``input`` and ``output``, (frames, batch, dim) with 1 for what is kept. None:
        draw again."""

    @property
    @abstractmethod
    def logits(self) -> cm.CUDAMatrix:
        """(classes, frames batch), without the bias; a derivative after `bprop`."""

    @property
    @abstractmethod
    def bias(self) -> cm.CUDAMatrix:
        """(1, classes)."""

    # ------------------------------------------------------------------- steps

    def load(self, frames: np.ndarray | Scenes) -> None:
        """Takes a batch of frames (num_frames, batch, dims), values as the data handler
        gives them; squashed here where the model says so."""
        self.frames.load(frames)
        if self.config.squash_relu:
            self.frames.all.apply_relu_squash(self.config.squash_relu_lambda)
        self.probabilities.resize(self.frames.batch)
        self.average.resize(self.frames.batch)

    def fprop(self, train: bool = False) -> None:
        """Fills `logits` from the loaded frames; dropout acts with `train`, with masks
        drawn here."""
        if train:
            draw_masks(self.dropouts, self.frames.batch)
        self._run(train)

    @abstractmethod
    def _run(self, train: bool) -> None:
        """`fprop` with the masks that have been drawn."""

    def add_losses(
        self, labels: np.ndarray, totals: cm.learn.Totals, derive: bool = False
    ) -> None:
        """Adds the loss of the last `fprop` and the number of right predictions to
        totals; fills `probabilities` and `average`. With `derive`, prepares `bprop`.

        labels: (batch,), from 0 to num_classes - 1.
        """
        self._take(labels)
        self._judge(totals, derive)

    def _take(self, labels: np.ndarray) -> None:
        self.labels.load(np.asarray(labels, np.float32).reshape(1, -1, 1))

    def _judge(self, totals: cm.learn.Totals, derive: bool) -> None:
        known, p = self.labels.all, self.probabilities.all
        place = (totals, CROSS_ENTROPY)
        cm.learn.softmax_loss(self.logits, self.bias, known, p, *place, derive)
        cm.learn.vote(p, self.average.all, known, totals, RIGHT)

    @abstractmethod
    def bprop(self) -> None:
        """Back from the derivatives that `add_losses` left; fills every `Param.dw`."""

    def update(self) -> None:
        """One update of all weights on the gradients that `bprop` left."""
        self.exchange.update(self.params)

    def train_step(self, frames: np.ndarray | Scenes, labels: np.ndarray) -> None:
        """One update on a batch (num_frames, batch, dims); adds its loss and right
        predictions, as they were before the update, to `train_totals`. Does not wait
        for the board."""
        self.load(frames)
        self._take(labels)
        self.train_again()

    def train_again(self) -> None:
        """One update on the batch that is loaded, as `train_step` does."""
        draw_masks(self.dropouts, self.frames.batch)
        state = (self.frames.batch, self.train_totals)
        self._replay.step(self, self._learn, state)

    def _learn(self) -> None:
        self._run(train=True)
        self._judge(self.train_totals, derive=True)
        self.bprop()

    def predict(self, frames: np.ndarray | Scenes) -> np.ndarray:
        """Probabilities (batch, num_classes) of a batch (num_frames, batch, dims), mean
        over the frames, as in testing."""
        self.load(frames)
        self.fprop(train=False)
        p = self.probabilities.all
        cm.learn.softmax_output(self.logits, self.bias, p)
        cm.learn.vote(p, self.average.all)
        return self.average.asarray()[0]
