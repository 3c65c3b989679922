"""LSTM layers above each other."""

from __future__ import annotations

from pathlib import Path

import cudamat as cm
from videolstm.models.dropout import Dropout
from videolstm.models.inputs import Inputs
from videolstm.models.lstm import LSTM, State
from videolstm.models.param import Param
from videolstm.models.sequence import Sequence
from videolstm.parallel import Exchange


class LSTMStack:
    """Layers above each other: each feeds its hidden state to the next, and the last
    one may have an output.

    `exchange` hears of the gradients of each layer as soon as they are complete.
    """

    def __init__(
        self,
        configs,
        steps: int,
        path: str | Path = "",
        reproduce_2016: bool = False,
    ) -> None:
        self.steps = steps
        self.layers = [LSTM(c, steps, path, reproduce_2016) for c in configs]
        self.top = self.layers[-1]
        self.outputs = Sequence(self.top.config.output_dims, steps)
        self.exchange = Exchange()

    @property
    def params(self) -> list[Param]:
        return [param for layer in self.layers for param in layer.params.values()]

    @property
    def dropouts(self) -> list[Dropout]:
        return [dropout for layer in self.layers for dropout in layer.dropouts]

    def begin(
        self,
        batch: int,
        states: list[State] | None = None,
        copy_state: bool = False,
        train: bool = False,
    ) -> None:
        """Starts a sequence, each layer from its state in `states`; with `train` the
        masks of `dropouts` act, which have to be drawn before."""
        for k, layer in enumerate(self.layers):
            layer.begin(batch, states[k] if states else None, copy_state, train)
        if self.top.config.has_output:
            self.outputs.resize(batch)

    def fprop(self, inputs: Inputs | cm.CUDAMatrix | None, first: int = 0) -> None:
        """Runs all steps; `inputs` (input_dims, (steps - first) batch) are those of
        step `first` and later, None if there are none. Fills `outputs` (output_dims,
        steps batch) without bias and non-linearity."""
        if isinstance(inputs, cm.CUDAMatrix):
            inputs = Inputs(inputs)
        for k, layer in enumerate(self.layers):
            if k > 0:
                start = layer.first
                if start < self.steps:
                    below = self.layers[k - 1].hidden.span(start + 1, self.steps + 1)
                    layer.feed(Inputs(below), start, self.steps)
            elif inputs is not None:
                layer.feed(inputs, first, self.steps)
            for t in range(layer.first, self.steps):
                layer.step(t)
        if self.top.config.has_output:
            self.top.output(self.outputs.all, 0, self.steps)

    def fprop_step(self, t: int, inputs: cm.CUDAMatrix | None) -> cm.CUDAMatrix:
        """Runs step t alone, with an input (input_dims, batch) or none; returns its
        output as `fprop` does."""
        for k, layer in enumerate(self.layers):
            if t >= layer.first:
                if k > 0:
                    layer.feed(Inputs(self.layers[k - 1].hidden[t + 1]), t, t + 1)
                elif inputs is not None:
                    layer.feed(Inputs(inputs), t, t + 1)
                layer.step(t)
        self.top.output(self.outputs[t], t, t + 1)
        return self.outputs[t]

    def states(self) -> list[State]:
        return [layer.state() for layer in self.layers]

    def bprop(self, state_derivs: list[State] | None = None) -> list[State | None]:
        """Back from the derivative of the loss in `outputs`, where there is an output,
        and from `state_derivs` with respect to the last states, where given. Returns
        the derivatives with respect to the states that `begin` was given."""
        for layer in self.layers:
            layer.begin_bprop()
        if self.top.config.has_output:
            self.top.output_bprop(self.outputs.all)
        else:
            self.top.hidden_deriv.all.assign(0.0)
        result: list[State | None] = []
        for k in reversed(range(len(self.layers))):
            layer = self.layers[k]
            if state_derivs is not None:
                layer.hidden_deriv[self.steps - 1].add(state_derivs[k].hidden)
                layer.cell_deriv[0].add(state_derivs[k].cell)
            result.append(layer.bprop())
            self.exchange.ready(layer.params.values())
            if k > 0:
                layer.input_bprop(self.layers[k - 1].hidden_deriv)
        return result[::-1]
