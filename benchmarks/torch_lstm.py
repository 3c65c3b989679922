"""An LSTM layer with peepholes in PyTorch, written for speed, with the backward pass by
hand: what the benchmarks compare with.

As in videolstm/models/lstm.py the input products of all known steps are one product and
so is each weight's gradient; everything element-wise is compiled by torch.compile, in
one pass each. Products go through oneDNN
(`torch.set_float32_matmul_precision('medium')`), which on CPUs without AMX computes in
float32 all the same, and on AMD is faster than PyTorch's own choice. Matrices have a
case per row: (batch, dims).
"""

from __future__ import annotations

import torch

compiled = torch.compile(dynamic=False, fullgraph=True)

# ---- element-wise parts --------------------------------------------------------------
#
# The four gates are given one by one, as views: so they are written in place.


@compiled
def cell_fprop(zi, zf, za, zo, before, diag, bias, cell, hidden):
    """The gates i, f, a, o in place of what is given for them; cell and hidden."""
    n = before.shape[1]
    i = torch.sigmoid(zi + before * diag[:n] + bias[:n])
    f = torch.sigmoid(zf + before * diag[n : 2 * n] + bias[n : 2 * n])
    a = torch.tanh(za + bias[2 * n : 3 * n])
    c = f * before + i * a
    o = torch.sigmoid(zo + c * diag[2 * n :] + bias[3 * n :])
    zi.copy_(i)
    zf.copy_(f)
    za.copy_(a)
    zo.copy_(o)
    cell.copy_(c)
    hidden.copy_(o * torch.tanh(c))


@compiled
def cell_bprop(i, f, a, o, before, cell, diag, hidden_deriv, cell_deriv):
    """Derivatives before the non-linearities in place of the gates, and that with
    respect to the cell before in place of that with respect to the cell."""
    n = before.shape[1]
    squashed = torch.tanh(cell)
    dzo = hidden_deriv * squashed * o * (1 - o)
    dc = cell_deriv + hidden_deriv * o * (1 - squashed * squashed) + dzo * diag[2 * n :]
    dzi = dc * a * i * (1 - i)
    dzf = dc * before * f * (1 - f)
    dza = dc * i * (1 - a * a)
    cell_deriv.copy_(dc * f + dzi * diag[:n] + dzf * diag[n : 2 * n])
    i.copy_(dzi)
    f.copy_(dzf)
    a.copy_(dza)
    o.copy_(dzo)


@compiled
def small_gradients(gates, before, cell, diag, bias):
    """Gradients (3n), (4n) of peepholes and biases from derivatives (rows, 4n)."""
    n = before.shape[1]
    diag[:n].copy_((gates[:, :n] * before).sum(0))
    diag[n : 2 * n].copy_((gates[:, n : 2 * n] * before).sum(0))
    diag[2 * n :].copy_((gates[:, 3 * n :] * cell).sum(0))
    bias.copy_(gates.sum(0))


@compiled
def update(w, history, gradient, epsilon, momentum, l2_decay, clip):
    change = momentum * history - epsilon * (gradient + l2_decay * w)
    if clip > 0:
        change = change.clamp(-clip, clip)
    history.copy_(change)
    w.add_(change)


# ---- weights -------------------------------------------------------------------------


class Weights:
    """All weights in one piece of memory, and so their gradients and histories: those
    with weight decay first. shapes: for each name its shape; settings: for each name
    what the model's description says of it."""

    def __init__(self, start: dict, settings: dict) -> None:
        self.names = sorted(start, key=lambda name: -settings[name]["l2_decay"])
        sizes = {name: -(-start[name].size // 64) * 64 for name in self.names}
        total = sum(sizes.values())
        self.w, self.history, self.gradient = (torch.zeros(total) for _ in range(3))
        self.places, self.groups, first = {}, [], 0
        for name in self.names:
            shape = start[name].shape
            shape = shape[1:] if shape[0] == 1 else shape
            self.places[name] = (first, start[name].size, shape)
            self[name].copy_(torch.from_numpy(start[name]).view(shape))
            last, rule = first + sizes[name], settings[name]
            if self.groups and self.groups[-1][2] == rule:
                self.groups[-1][1] = last
            else:
                self.groups.append([first, last, rule])
            first = last

    def _view(self, memory, name):
        first, size, shape = self.places[name]
        return memory[first : first + size].view(shape)

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._view(self.w, name)

    def deriv(self, name: str) -> torch.Tensor:
        return self._view(self.gradient, name)

    def arrays(self) -> dict:
        """Copies of weights and histories, under their names in a checkpoint."""
        found = {name: self[name] for name in self.names}
        found |= {f"{n}_grad": self._view(self.history, n) for n in self.names}
        return {
            name: value.numpy().reshape((1, -1) if value.ndim == 1 else value.shape)
            for name, value in found.items()
        }

    def update(self) -> None:
        for first, last, rule in self.groups:
            update(
                *(m[first:last] for m in (self.w, self.history, self.gradient)), **rule
            )


# ---- the layer -----------------------------------------------------------------------


class Layer:
    """n units over a number of steps.

    `backwards` lays the steps out in memory from last to first, as a decoder does that
    emits the frames in reverse: so its inputs and targets are frames as they lie.

    gates (steps, batch, 4n); hidden, cell (steps + 1, batch, n), the state before the
    first step included; hidden_deriv (steps, batch, n); cell_deriv (batch, n).
    """

    def __init__(self, name, weights, steps, batch, backwards=False) -> None:
        self.w = {k: weights[f"{name}:{k}"] for k in ("w_dense", "w_diag", "b")}
        self.dw = {k: weights.deriv(f"{name}:{k}") for k in self.w}
        for k in ("w_input", "w_output", "b_output"):
            if f"{name}:{k}" in weights.places:
                self.w[k] = weights[f"{name}:{k}"]
                self.dw[k] = weights.deriv(f"{name}:{k}")
        n = self.w["w_dense"].shape[1]
        self.steps, self.backwards = steps, backwards
        self.gates = torch.zeros(steps, batch, 4 * n)
        self.hidden = torch.zeros(steps + 1, batch, n)
        self.cell = torch.zeros(steps + 1, batch, n)
        self.hidden_deriv = torch.zeros(steps, batch, n)
        self.cell_deriv = torch.zeros(batch, n)
        self.state_deriv = torch.zeros(batch, n)
        if "w_output" in self.w:
            outputs = self.w["w_output"].shape[0]
            self.outputs = torch.zeros(steps * batch, outputs)
        self.quarters = [self.gates[s].split(n, 1) for s in range(steps)]
        self.emitted = self.hidden[:steps] if backwards else self.hidden[1:]
        # the same with the state in place of the last step
        self.before = self.hidden[1:] if backwards else self.hidden[:steps]
        self.cell_before = self.cell[1:] if backwards else self.cell[:steps]
        self.cell_after = self.cell[:steps] if backwards else self.cell[1:]

    def slot(self, t: int) -> int:
        return self.steps - 1 - t if self.backwards else t

    def start(self, state) -> None:
        """Takes (hidden, cell) of another layer, each (batch, n)."""
        self.before[self.slot(0)].copy_(state[0])
        self.cell_before[self.slot(0)].copy_(state[1])

    def last(self):
        slot = self.slot(self.steps - 1)
        return self.emitted[slot], self.cell_after[slot]

    def feed(self, frames, first: int, last: int) -> None:
        """Gives the slots first to last - 1 the frames (last - first, batch, dims)."""
        self.inputs, self.fed = frames.flatten(0, 1), slice(first, last)
        gates = self.gates[self.fed].flatten(0, 1)
        torch.mm(self.inputs, self.w["w_input"].t(), out=gates)

    def fprop(self, has_state: bool) -> None:
        w = self.w
        for t in range(self.steps):
            s = self.slot(t)
            if t > 0 or has_state:
                beta = int(self.fed.start <= s < self.fed.stop)
                self.gates[s].addmm_(self.before[s], w["w_dense"].t(), beta=beta)
            cell_fprop(
                *self.quarters[s],
                self.cell_before[s],
                w["w_diag"],
                w["b"],
                self.cell_after[s],
                self.emitted[s],
            )
        if "w_output" in w:
            hidden = self.emitted.flatten(0, 1)
            torch.mm(hidden, w["w_output"].t(), out=self.outputs)

    def output_bprop(self) -> None:
        """From the loss's derivative in `outputs`."""
        hidden, deriv = self.emitted.flatten(0, 1), self.outputs
        torch.mm(deriv.t(), hidden, out=self.dw["w_output"])
        torch.sum(deriv, 0, out=self.dw["b_output"])
        target = self.hidden_deriv.flatten(0, 1)
        torch.mm(deriv, self.w["w_output"], out=target)

    def bprop(self, has_state: bool):
        """From `hidden_deriv` and `cell_deriv` to gradients; returns the derivative
        with respect to the state."""
        w_dense = self.w["w_dense"]
        for t in reversed(range(self.steps)):
            s = self.slot(t)
            if t + 1 < self.steps:
                self.hidden_deriv[s].addmm_(self.gates[self.slot(t + 1)], w_dense)
            cell_bprop(
                *self.quarters[s],
                self.cell_before[s],
                self.cell_after[s],
                self.w["w_diag"],
                self.hidden_deriv[s],
                self.cell_deriv,
            )
        self._gradients(has_state)
        if has_state:
            torch.mm(self.gates[self.slot(0)], w_dense, out=self.state_deriv)
        return self.state_deriv, self.cell_deriv

    def _gradients(self, has_state: bool) -> None:
        gates = self.gates.flatten(0, 1)
        small_gradients(
            gates,
            self.cell_before.flatten(0, 1),
            self.cell_after.flatten(0, 1),
            self.dw["w_diag"],
            self.dw["b"],
        )
        # without a state the step before the first is zero and adds nothing
        moved = slice(0 if has_state else 1, None)
        left = self.gates[moved].flatten(0, 1).t()
        torch.mm(left, self.before[moved].flatten(0, 1), out=self.dw["w_dense"])
        left = self.gates[self.fed].flatten(0, 1).t()
        torch.mm(left, self.inputs, out=self.dw["w_input"])
