"""An LSTM layer unrolled over time.

Equations: the paper, section 2.1, with peepholes; cudamat/src/lstm.cu writes them out.
What is done once for a whole sequence is done in one matrix product: the inputs of all
steps where they are known, and every weight's gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cudamat as cm
from videolstm.models.dropout import Dropout
from videolstm.models.inputs import Inputs
from videolstm.models.param import Param
from videolstm.models.pretrained import take_pretrained
from videolstm.models.sequence import Sequence

if TYPE_CHECKING:
    from videolstm import config_pb2


@dataclass
class State:
    """Hidden state and cell of a layer, or the loss's derivative with respect to them:
    two (n, batch) matrices."""

    hidden: cm.CUDAMatrix
    cell: cm.CUDAMatrix


class LSTM:
    """A layer of n units over a number of steps.

    A sequence is run by `begin`, then `feed` for the steps that have an input, then
    `step` for each time in order. Backwards it is `hidden_deriv` filled by the caller
    for all steps, then `bprop`.

    Memory, with B cases (slot 0 of hidden and cell is the state before step 0):
        gates (4n, steps B): gates i f a o; after `bprop` the derivatives before the
            non-linearities
        hidden, cell (n, (steps + 1) B); hidden_deriv (n, steps B); cell_deriv (n, B)
    """

    def __init__(
        self,
        config: config_pb2.LSTM,
        steps: int,
        path: str | Path = "",
        reproduce_2016: bool = False,
    ) -> None:
        self.config = config
        self.name = config.name
        self.num_hid = n = config.num_hid
        self.steps = steps
        self.activation = cm.learn.TANH
        if config.use_relu:
            self.activation = cm.learn.RELU_OF_2016 if reproduce_2016 else cm.learn.RELU
        shapes = {"w_dense": (4 * n, n), "w_diag": (1, 3 * n), "b": (1, 4 * n)}
        if config.has_input:
            shapes["w_input"] = (4 * n, config.input_dims)
        if config.has_output:
            shapes["w_output"] = (config.output_dims, n)
            shapes["b_output"] = (1, config.output_dims)
        self.params = {
            weight: Param(f"{self.name}:{weight}", getattr(config, weight), shape, path)
            for weight, shape in shapes.items()
        }
        for param in self.params.values():
            param.decays = not reproduce_2016
        if config.HasField("pretrained"):
            take_pretrained(config, self.params, path)
        # w_dense on the way forward, its transpose on the way back
        self.recurrent = cm.Packed()
        self.gates = Sequence(4 * n, steps)
        self.hidden = Sequence(n, steps + 1)
        self.cell = Sequence(n, steps + 1)
        self.hidden_deriv = Sequence(n, steps)
        self.cell_deriv = Sequence(n, 1)
        self.state_deriv = Sequence(n, 1)
        self.input_dropout = self.output_dropout = None
        if config.has_input and config.input_dropprob > 0:
            self.input_dropout = Dropout(
                config.input_dropprob, config.input_dims, steps
            )
        if config.has_output and config.output_dropprob > 0:
            self.output_dropout = Dropout(config.output_dropprob, n, steps)

    def __getattr__(self, name: str) -> cm.CUDAMatrix:
        try:
            return self.__dict__["params"][name].w
        except KeyError:
            raise AttributeError(name) from None

    @property
    def dropouts(self) -> list[Dropout]:
        """Those that this layer has, in the order in which they draw their masks."""
        both = (self.input_dropout, self.output_dropout)
        return [dropout for dropout in both if dropout is not None]

    # ------------------------------------------------------------------- forward

    def begin(
        self, batch: int, state: State | None, copy_state: bool, train: bool
    ) -> None:
        """Starts a sequence of `batch` cases from a state, or from zeros where it is
        None.

        With `copy_state` the state is that of step 0, which then is not computed. With
        `train` the masks of `dropouts` act, which have to be drawn before.
        """
        for sequence in (self.gates, self.hidden, self.cell):
            sequence.resize(batch)
        self.recurrent.pack(self.w_dense)
        self.train = train
        self.first = 1 if copy_state else 0  # first step that is computed
        self.has_state = state is not None
        self.fed = self.fed_until = self.steps  # steps that have an input
        slot = self.first
        if state is None:
            self.hidden[slot].assign(0.0)
            self.cell[slot].assign(0.0)
        else:
            self.hidden[slot].assign(state.hidden)
            self.cell[slot].assign(state.cell)

    def feed(self, inputs: Inputs, first: int, last: int) -> None:
        """Gives steps first to last - 1 their inputs (input_dims, (last - first)
        batch), in one product."""
        if self.train and self.input_dropout is not None:
            inputs = Inputs(self.input_dropout.apply(inputs.dense, first, last))
        inputs.product(self.w_input, self.gates.span(first, last))
        self.inputs, self.fed, self.fed_until = inputs, first, last

    def step(self, t: int) -> None:
        """Computes step t from its input, if it has one, and the step before."""
        gates, before = self.gates[t], self.hidden[t]
        is_fed = self.fed <= t < self.fed_until
        if t > 0 or self.has_state:
            self.recurrent.dot(before, gates, beta=1.0 if is_fed else 0.0)
        elif not is_fed:
            gates.assign(0.0)
        cm.learn.lstm_fprop(
            gates,
            self.cell[t],
            self.w_diag,
            self.b,
            self.cell[t + 1],
            self.hidden[t + 1],
            self.activation,
        )

    def output(self, target: cm.CUDAMatrix, first: int, last: int) -> None:
        """target (output_dims, (last - first) batch) = w_output h of those steps,
        without the bias."""
        cm.dot(self.w_output, self._seen_by_output(first, last), target)

    def _seen_by_output(self, first: int, last: int) -> cm.CUDAMatrix:
        hidden = self.hidden.span(first + 1, last + 1)
        if self.train and self.output_dropout is not None:
            return self.output_dropout.apply(hidden, first, last)
        return hidden

    def state(self) -> State:
        """The state after the last step, as views."""
        return State(self.hidden[self.steps], self.cell[self.steps])

    # ------------------------------------------------------------------- backward

    def begin_bprop(self) -> None:
        batch = self.gates.batch
        for sequence in (self.hidden_deriv, self.cell_deriv, self.state_deriv):
            sequence.resize(batch)
        self.cell_deriv[0].assign(0.0)
        self.recurrent.pack(self.w_dense.T)

    def output_bprop(self, deriv: cm.CUDAMatrix) -> None:
        """From the derivative (output_dims, steps batch) of the outputs to
        `hidden_deriv` and the gradients of the output's weights."""
        params = self.params
        hidden = self.hidden.span(1, self.steps + 1)
        if self.train and self.output_dropout is not None:
            hidden = self.output_dropout.dropped.all
        cm.dot(deriv, hidden.T, params["w_output"].dw)
        params["b_output"].dw.T.add_sums(deriv, axis=1, beta=0.0)
        cm.dot(self.w_output.T, deriv, self.hidden_deriv.all)
        if self.train and self.output_dropout is not None:
            self.output_dropout.derive(self.hidden_deriv.all, 0, self.steps)

    def bprop(self) -> State | None:
        """Back through all steps; leaves the weights' gradients in `params`.

        Returns the derivative with respect to the state that `begin` was given, as
        views that last until the next batch; None if there was none.
        """
        for t in reversed(range(self.first, self.steps)):
            if t + 1 < self.steps:
                self._recurrent_deriv(t + 1, self.hidden_deriv[t], beta=1.0)
            cm.learn.lstm_bprop(
                self.gates[t],
                self.cell[t],
                self.cell[t + 1],
                self.w_diag,
                self.hidden_deriv[t],
                self.cell_deriv[0],
                self.activation,
            )
        self._weight_gradients()
        if not self.has_state:
            return None
        return self._state_deriv()

    def _recurrent_deriv(self, t: int, target: cm.CUDAMatrix, beta: float) -> None:
        """target = beta target + derivative through step t of the step before."""
        self.recurrent.dot(self.gates[t], target, beta=beta)

    def _state_deriv(self) -> State:
        if self.first == 0:
            self._recurrent_deriv(0, self.state_deriv[0], beta=0.0)
            return State(self.state_deriv[0], self.cell_deriv[0])
        if self.steps > 1:
            self._recurrent_deriv(1, self.hidden_deriv[0], beta=1.0)
        return State(self.hidden_deriv[0], self.cell_deriv[0])

    def _weight_gradients(self) -> None:
        first, steps, params = self.first, self.steps, self.params
        if first == steps:  # the only step was a copy
            for weight in ("w_dense", "w_diag", "b"):
                params[weight].dw.assign(0.0)
        else:
            deriv = self.gates.span(first, steps)
            params["b"].dw.T.add_sums(deriv, axis=1, beta=0.0)
            cm.learn.lstm_diag_grad(
                deriv,
                self.cell.span(first, steps),
                self.cell.span(first + 1, steps + 1),
                params["w_diag"].dw,
            )
            # without a state the step before step 0 is zero and adds nothing
            start = first if self.has_state else 1
            if start < steps:
                cm.dot(
                    self.gates.span(start, steps),
                    self.hidden.span(start, steps).T,
                    params["w_dense"].dw,
                )
            else:
                params["w_dense"].dw.assign(0.0)
        if "w_input" in params:
            if self.fed < steps:
                self.inputs.gradient(
                    self.gates.span(self.fed, steps), params["w_input"].dw
                )
            else:
                params["w_input"].dw.assign(0.0)

    def input_bprop(self, target: Sequence) -> None:
        """target (input_dims, steps batch) = derivative with respect to the inputs;
        zero for steps that had none."""
        if self.fed > 0:
            target.span(0, self.fed).assign(0.0)
        if self.fed < self.steps:
            deriv = target.span(self.fed, self.steps)
            cm.dot(self.w_input.T, self.gates.span(self.fed, self.steps), deriv)
            if self.train and self.input_dropout is not None:
                self.input_dropout.derive(deriv, self.fed, self.steps)
