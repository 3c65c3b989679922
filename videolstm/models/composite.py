"""The composite model: an encoder LSTM, a decoder that reconstructs, a decoder that
predicts (the paper, sections 2.2 to 2.4)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cudamat as cm
from cudamat.sparse import Order
from videolstm.config_memory import check_model_memory
from videolstm.models.dropout import Dropout, draw_masks
from videolstm.models.inputs import Frames, Inputs
from videolstm.models.lstm import LSTM, State
from videolstm.models.param import Param
from videolstm.models.replay import Replay
from videolstm.models.sequence import Sequence
from videolstm.models.stack import LSTMStack
from videolstm.parallel import Exchange

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.data.scenes import Scenes


class Decoder:
    """An LSTM stack that starts from the encoder's last state and emits frames.

    Without `copy_state` the state goes through one step without input first. At step 0
    there is no input; a `conditional` decoder gets the true frame before at later
    steps.
    """

    def __init__(
        self,
        stack: LSTMStack,
        conditional: bool,
        copy_state: bool,
        kind: int,
    ) -> None:
        self.stack = stack
        self.steps = stack.steps
        self.conditional = conditional
        self.copy_state = copy_state
        self.kind = kind
        self.frames = Sequence(stack.outputs.rows, self.steps)

    @property
    def bias(self) -> cm.CUDAMatrix:
        return self.stack.top.b_output

    def fprop(
        self, states: list[State], inputs: Inputs | None, batch: int, train: bool
    ) -> None:
        """Teacher-forced: a conditional decoder's inputs are the true frames before
        those that it should emit, None where there are none."""
        self.stack.begin(batch, states, self.copy_state, train)
        self.stack.fprop(inputs, first=1)

    def fprop_free_running(self, states: list[State], batch: int) -> None:
        """As in testing: a conditional decoder's inputs are its own outputs."""
        self.stack.begin(batch, states, self.copy_state)
        self.frames.resize(batch)
        for t in range(self.steps):
            z = self.stack.fprop_step(t, self.frames[t - 1] if t > 0 else None)
            cm.learn.output(z, self.bias, self.kind, self.frames[t])

    def loss(self, targets, totals: cm.learn.Totals, index: int, derive: bool) -> None:
        """Adds the loss against `targets` to a total; with `derive`, prepares
        `bprop`."""
        z = self.stack.outputs.all
        cm.learn.output_loss(z, self.bias, targets, self.kind, totals, index, derive)

    def predictions(self) -> np.ndarray:
        """The frames (steps, batch, dims) of the last forward pass; not after a loss
        with `derive`."""
        self.frames.resize(self.stack.outputs.batch)
        cm.learn.output(self.stack.outputs.all, self.bias, self.kind, self.frames.all)
        return self.frames.asarray()


class LSTMCombo:
    """The composite model: autoencoder, future predictor or both.

    The encoder reads the first frames, `decoder` reconstructs them in reverse order,
    `future` predicts those that follow. Their gradients with respect to the encoder's
    last state are added. Where the 2016 release computes something else and
    `reproduce_2016_release` is set, it is done as there: the derivative with respect to
    the cell is that of the decoder that is back-propagated last, the learning rate does
    not decay, and use_relu is derived as o relu(c).

    Losses are summed over cases, frames and pixels: nats for binary data, else half the
    squared error. "Dec" is teacher-forced for a conditional decoder in training and in
    testing; "Fut" of a conditional predictor is teacher-forced in training and
    free-running in testing.

    Args:
        config: the model description, checked by `check_composite`.
        path: the file it was read from.
        num_frames: frames of a video; the encoder reads dec_seq_length of them, or,
            without a decoder, what the future leaves.

    Attributes:
        encoder: LSTMStack; decoder, future: Decoder or None.
        enc_seq_length, dec_seq_length, future_seq_length: frames.
        train_losses, valid_losses: running sums of the two losses, on the board.
        exchange: sums gradients over the processes that share a batch.
    """

    def __init__(
        self, config: config_pb2.Model, path: str | Path, num_frames: int
    ) -> None:
        check_model_memory(config, path)
        self.config = config
        self.path = path
        self.reproduce_2016 = config.reproduce_2016_release
        self.dec_seq_length = config.dec_seq_length
        self.future_seq_length = config.future_seq_length
        self.enc_seq_length = self.dec_seq_length or num_frames - self.future_seq_length
        self.kind = self._output_kind()
        self._build()
        self.frames = Frames(config.lstm[0].input_dims, num_frames)
        self.reversed = Sequence(config.lstm[0].input_dims, self.dec_seq_length)
        self.train_losses = cm.learn.Totals(2)
        self.valid_losses = cm.learn.Totals(2)
        self.exchange = Exchange()
        self._replay = Replay()

    @property
    def binary(self) -> bool:
        """Whether outputs are probabilities and losses cross-entropies in nats."""
        return self.kind == cm.learn.BINARY

    def _output_kind(self) -> int:
        if self.config.binary_data or self.config.squash_relu:
            return cm.learn.BINARY
        return cm.learn.RECTIFIED if self.config.relu_data else cm.learn.REAL

    def _build(self) -> None:
        """Makes the layers, their weights in the order encoder, decoder, future."""
        config = self.config
        self.encoder = self._stack(config.lstm, self.enc_seq_length)
        self.decoder = self.future = None
        if self.dec_seq_length > 0:
            self.decoder = Decoder(
                self._stack(config.lstm_dec, self.dec_seq_length),
                config.dec_conditional,
                config.decoder_copy_init_state,
                self.kind,
            )
        if self.future_seq_length > 0:
            self.future = Decoder(
                self._stack(config.lstm_future, self.future_seq_length),
                config.future_conditional,
                config.future_copy_init_state,
                self.kind,
            )

    def _stack(self, configs, steps: int) -> LSTMStack:
        return LSTMStack(configs, steps, self.path, self.reproduce_2016)

    @property
    def decoders(self) -> list[Decoder]:
        return [d for d in (self.decoder, self.future) if d is not None]

    @property
    def layers(self) -> list[LSTM]:
        stacks = [self.encoder, *(decoder.stack for decoder in self.decoders)]
        return [layer for stack in stacks for layer in stack.layers]

    @property
    def params(self) -> list[Param]:
        return [param for layer in self.layers for param in layer.params.values()]

    @property
    def dropouts(self) -> list[Dropout]:
        return [dropout for layer in self.layers for dropout in layer.dropouts]

    def use_exchange(self, exchange: Exchange) -> None:
        """Sums gradients over the processes that share each batch."""
        self.exchange = exchange
        for stack in (self.encoder, *(decoder.stack for decoder in self.decoders)):
            stack.exchange = exchange

    def set_masks(self, masks: dict[str, dict[str, np.ndarray]] | None) -> None:
        """Gives dropout its masks instead of drawing them: for each layer name,
        ``input`` and ``output``, (steps, batch, dim) with 1 for what is kept. None:
        draw again."""
        for layer in self.layers:
            given = (masks or {}).get(layer.name, {})
            if layer.input_dropout is not None:
                layer.input_dropout.given = given.get("input")
            if layer.output_dropout is not None:
                layer.output_dropout.given = given.get("output")

    # ------------------------------------------------------------------- forward

    def load(self, frames: np.ndarray | Scenes) -> None:
        """Takes a batch of frames (num_frames, batch, dims), values as the data handler
        gives them; squashed here where the model says so."""
        self.frames.load(frames)
        batch = self.frames.batch
        if self.config.squash_relu:
            self.frames.all.apply_relu_squash(self.config.squash_relu_lambda)
        self.frames.list_nonzeros()
        if self.decoder is not None:
            self.reversed.resize(batch)
            for t in range(self.dec_seq_length):
                self.reversed[t].assign(self.frames[self.enc_seq_length - 1 - t])

    def _inputs(self, decoder: Decoder) -> Inputs | None:
        """The true frames that a conditional decoder gets from step 1 on, each the one
        before the frame that it should emit."""
        steps = decoder.steps - 1
        if not decoder.conditional or steps == 0:
            return None
        first = self.enc_seq_length
        if decoder is self.decoder:
            order = Order(first - 1, -1, steps)
            return self.frames.inputs(order, self.reversed.span(0, steps))
        order = Order(first, 1, steps)
        return self.frames.inputs(order, self.frames.span(first, first + steps))

    def _targets(self) -> list[cm.CUDAMatrix]:
        """What each of `decoders` should emit, (dims, steps batch)."""
        targets = []
        if self.decoder is not None:
            targets.append(self.reversed.all)
        if self.future is not None:
            last = self.enc_seq_length + self.future_seq_length
            targets.append(self.frames.span(self.enc_seq_length, last))
        return targets

    def fprop(self, train: bool = False) -> None:
        """Encodes and decodes the loaded batch.

        With `train`, dropout acts, with masks drawn here, and a conditional future
        predictor sees the true frames; without, it sees its own.
        """
        if train:
            draw_masks(self.dropouts, self.frames.batch)
        self._run(train)

    def _run(self, train: bool) -> None:
        """`fprop` with the masks that have been drawn."""
        self.encoder.begin(self.frames.batch, train=train)
        read = Order(0, 1, self.enc_seq_length)
        past = self.frames.span(0, self.enc_seq_length)
        self.encoder.fprop(self.frames.inputs(read, past))
        cm.together(*(partial(self.decode, d, train) for d in self.decoders))

    def decode(self, decoder: Decoder, train: bool = False) -> None:
        """The part of `fprop` that is one decoder's, from the encoder's states as they
        are, with the masks that have been drawn."""
        states, batch = self.encoder.states(), self.frames.batch
        if decoder is self.future and decoder.conditional and not train:
            decoder.fprop_free_running(states, batch)
        else:
            decoder.fprop(states, self._inputs(decoder), batch, train)

    def add_losses(
        self,
        totals: cm.learn.Totals,
        derive: bool = False,
        only: Decoder | None = None,
    ) -> None:
        """Adds the losses of the last `fprop`, or of `only` one decoder, to totals: [0]
        reconstruction, [1] future. With `derive`, prepares `bprop`."""
        works = []
        for decoder, targets in zip(self.decoders, self._targets(), strict=True):
            if only not in (None, decoder):
                continue
            index = 0 if decoder is self.decoder else 1
            works.append(partial(decoder.loss, targets, totals, index, derive))
        cm.together(*works)

    def evaluate(self, frames: np.ndarray | Scenes) -> None:
        """Adds the losses of a batch (num_frames, batch, dims), as in testing, to
        `valid_losses`."""
        self.load(frames)
        self.fprop(train=False)
        self.add_losses(self.valid_losses)

    # ------------------------------------------------------------------- backward

    def bprop(self) -> None:
        """Back from the derivatives that `add_losses` left; fills every `Param.dw`."""
        both = cm.together(*(decoder.stack.bprop for decoder in self.decoders))
        totals = both[0]
        for decoder, derivs in zip(self.decoders[1:], both[1:], strict=True):
            self._add_state_derivs(totals, derivs, decoder.copy_state)
        self.encoder.bprop(totals)

    def _add_state_derivs(
        self, totals: list[State], derivs: list[State], copied: bool
    ) -> None:
        for total, deriv in zip(totals, derivs, strict=True):
            if self.reproduce_2016:
                total.cell.assign(deriv.cell)
            else:
                total.cell.add(deriv.cell)
            if self.reproduce_2016 and copied:
                total.hidden.assign(deriv.hidden)
            else:
                total.hidden.add(deriv.hidden)

    def update(self) -> None:
        """One update of all weights on the gradients that `bprop` left."""
        self.exchange.update(self.params)

    def train_step(self, frames: np.ndarray | Scenes) -> None:
        """One update on a batch (num_frames, batch, dims); adds its losses, as they
        were before the update, to `train_losses`. Does not wait for the board."""
        self.load(frames)
        self.train_again()

    def train_again(self) -> None:
        """One update on the batch that is loaded, as `train_step` does."""
        draw_masks(self.dropouts, self.frames.batch)
        state = (self.frames.batch, self.frames.nonzeros, self.train_losses)
        self._replay.step(self, self._learn, state)

    def _learn(self) -> None:
        self._run(train=True)
        self.add_losses(self.train_losses, derive=True)
        self.bprop()
