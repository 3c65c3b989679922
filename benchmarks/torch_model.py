"""The composite model and the classifier in PyTorch: what the benchmarks compare with.

    python -m benchmarks.torch_model FOLDER

Runs as a process beside ours (benchmarks/worker.py) with any Python that has torch; it
needs nothing else of this project. FOLDER has the description of the model as JSON, a
batch and the weights to start from. One layer, conditional decoders, the exact
gradient.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.torch_lstm import Layer, Weights, compiled
from benchmarks.worker import Task, serve

# ---- losses: each in one pass, the derivative in place of z --------------------------


@compiled
def binary_loss(z, bias, data):
    x = z + bias
    loss = (torch.nn.functional.softplus(x) - data * x).sum()
    z.copy_(torch.sigmoid(x) - data)
    return loss


@compiled
def squared_loss(z, bias, data):
    d = z + bias - data
    z.copy_(d)
    return (d * d).sum() / 2


@compiled
def class_loss(z, bias, labels):
    """labels (rows, 1)."""
    logs = torch.log_softmax(z + bias, 1)
    classes = torch.arange(z.shape[1]).unsqueeze(0)
    right = (classes == labels).to(z.dtype)
    z.copy_(torch.exp(logs) - right)
    return -(logs * right).sum()


# ---- models --------------------------------------------------------------------------


class Composite:
    """Encoder, conditional decoder in reverse, conditional future predictor."""

    def __init__(self, about: dict, weights: Weights, frames, labels) -> None:
        batch, read = frames.shape[1], about["read"]
        self.read, self.frames, self.weights = read, frames, weights
        self.loss = binary_loss if about["binary"] else squared_loss
        future = len(frames) - read
        self.encoder = Layer("lstm_1_enc", weights, read, batch)
        self.decoder = Layer("lstm_1_dec", weights, read, batch, backwards=True)
        self.future = Layer("lstm_1_fut", weights, future, batch)

    def step(self) -> list[torch.Tensor]:
        """One update; returns its two losses, summed over everything."""
        frames, read = self.frames, self.read
        self.encoder.feed(frames[:read], 0, read)
        self.encoder.fprop(False)
        losses = []
        fed = (frames[1:read], 0, read - 1), (frames[read:-1], 1, len(frames) - read)
        targets = frames[:read], frames[read:]
        for layer, inputs, target in zip(
            (self.decoder, self.future), fed, targets, strict=True
        ):
            layer.start(self.encoder.last())
            layer.feed(*inputs)
            layer.fprop(True)
            target = target.flatten(0, 1)
            losses.append(self.loss(layer.outputs, layer.w["b_output"], target))
        self._bprop()
        self.weights.update()
        return losses

    def _bprop(self) -> None:
        encoder = self.encoder
        encoder.hidden_deriv.zero_()
        encoder.cell_deriv.zero_()
        for layer in (self.decoder, self.future):
            layer.output_bprop()
            layer.cell_deriv.zero_()
            hidden, cell = layer.bprop(True)
            encoder.hidden_deriv[-1].add_(hidden)
            encoder.cell_deriv.add_(cell)
        encoder.bprop(False)


class Classifier:
    """A layer with a softmax at each frame."""

    def __init__(self, about: dict, weights: Weights, frames, labels) -> None:
        steps, batch = frames.shape[:2]
        self.frames, self.weights = frames, weights
        self.labels = labels.repeat(steps).unsqueeze(1)
        self.layer = Layer("lstm_1", weights, steps, batch)

    def step(self) -> list[torch.Tensor]:
        layer = self.layer
        layer.feed(self.frames, 0, layer.steps)
        layer.fprop(False)
        loss = class_loss(layer.outputs, layer.w["b_output"], self.labels)
        layer.output_bprop()
        layer.cell_deriv.zero_()
        layer.bprop(False)
        self.weights.update()
        return [loss]


class TorchTask(Task):
    """The model of a folder, as a process that is told what to do."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "about.json").read_text())
        torch.set_num_threads(about["threads"])
        torch.set_float32_matmul_precision("medium")
        torch.set_grad_enabled(False)
        with np.load(folder / "start.npz") as start:
            self.weights = Weights(dict(start), about["settings"])
        frames = torch.from_numpy(np.load(folder / "frames.npy"))
        labels = torch.from_numpy(np.load(folder / "labels.npy"))
        kind = Classifier if about["classes"] else Composite
        self.model = kind(about, self.weights, frames, labels)

    def describe(self) -> dict:
        return {
            "name": "PyTorch",
            "version": torch.__version__,
            "threads": torch.get_num_threads(),
            "vectors": torch.backends.cpu.get_cpu_capability(),
        }

    def step(self) -> None:
        self.last = self.model.step()

    def losses(self) -> list[float]:
        return [float(loss) for loss in self.last]

    def arrays(self) -> dict:
        return self.weights.arrays()


if __name__ == "__main__":
    serve(TorchTask(Path(sys.argv[1])))
