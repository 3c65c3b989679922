"""What a model makes of some videos: as arrays and as losses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

import cudamat as cm
from videolstm.data import Batch
from videolstm.data.scenes import Scenes
from videolstm.models.composite import Decoder, LSTMCombo


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model makes of n videos, as in testing.

    truth: (frames, n, dims), the values that the outputs are compared with: those of
        the data, squashed where the model squashes them.
    reconstruction: (dec, n, dims) of the dec frames before the future, in their natural
        order, or None. Of a conditional decoder it is teacher-forced.
    future: (fut, n, dims) of the last fut frames, or None; free-running.
    losses: for ``reconstruction`` and ``future``, where they are there, the loss of
        each frame summed over the videos, float64 (frames,): nats for binary data, else
        half the squared error.
    states: of each layer of the encoder after the last frame it reads, by its name,
        (n, 6 units): hidden state, cell and the gates i f a o.
    """

    truth: np.ndarray
    reconstruction: np.ndarray | None
    future: np.ndarray | None
    losses: dict[str, np.ndarray]
    states: dict[str, np.ndarray]

    @property
    def past(self) -> int:
        """Frames before the future."""
        return len(self.truth) - (0 if self.future is None else len(self.future))

    @property
    def parts(self) -> Iterator[tuple[str, int, np.ndarray]]:
        """Name, first frame and frames of the parts that there are."""
        if self.reconstruction is not None:
            first = self.past - len(self.reconstruction)
            yield "reconstruction", first, self.reconstruction
        if self.future is not None:
            yield "future", self.past, self.future

    def some(self, videos: Sequence[int] | np.ndarray) -> Answer:
        """The videos at these places, without losses."""
        videos = np.asarray(videos, np.int64)
        parts = {
            name: None if part is None else np.ascontiguousarray(part[:, videos])
            for name, part in (
                ("truth", self.truth),
                ("reconstruction", self.reconstruction),
                ("future", self.future),
            )
        }
        states = {name: state[videos] for name, state in self.states.items()}
        return Answer(**parts, losses={}, states=states)


def answer(model: LSTMCombo, frames: np.ndarray | Scenes) -> Answer:
    """What a model makes of a batch of frames (num_frames, n, dims)."""
    model.load(frames)
    model.fprop(train=False)
    # Copies, because the matrices on the board bring their values to the same memory
    # each time that they are asked.
    truth = model.frames.asarray().copy()
    parts: dict[str, np.ndarray | None] = {"reconstruction": None, "future": None}
    losses = {}
    if model.decoder is not None:
        losses["reconstruction"] = frame_losses(
            model.decoder, model.reversed.all, frames.shape[1]
        )[::-1]
        parts["reconstruction"] = model.decoder.predictions()[::-1].copy()
    if model.future is not None:
        targets = model.frames.span(model.enc_seq_length, model.frames.steps)
        losses["future"] = frame_losses(model.future, targets, frames.shape[1])
        parts["future"] = model.future.predictions().copy()
    return Answer(truth, losses=losses, states=_states(model), **parts)


def frame_losses(decoder: Decoder, targets: cm.CUDAMatrix, batch: int) -> np.ndarray:
    """The loss of each step of the last forward pass against `targets` (dims, steps
    batch), summed over the cases, float64 (steps,)."""
    totals = cm.learn.Totals(decoder.steps)
    for t in range(decoder.steps):
        cm.learn.output_loss(
            decoder.stack.outputs[t],
            decoder.bias,
            targets.col_slice(t * batch, (t + 1) * batch),
            decoder.kind,
            totals,
            t,
        )
    return totals.read()


def _states(model: LSTMCombo) -> dict[str, np.ndarray]:
    states = {}
    for layer in model.encoder.layers:
        state, gates = layer.state(), layer.gates[layer.steps - 1]
        columns = [matrix.asarray() for matrix in (state.hidden, state.cell, gates)]
        states[layer.name] = np.concatenate(columns).T
    return states


def answers(model: LSTMCombo, batches: Iterable[Batch], cases: int) -> Iterator[Answer]:
    """What a model makes of the first `cases` clips of `batches`, batch by batch."""
    left = cases
    for batch in batches:
        frames = batch.frames
        if frames.shape[1] > left:
            frames = np.ascontiguousarray(frames[:, :left])
        yield answer(model, frames)
        left -= frames.shape[1]
        if not left:
            return


def joined(parts: list[Answer]) -> Answer:
    """The videos of several answers as one, without losses."""

    def together(name: str, axis: int = 1) -> np.ndarray | None:
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays, axis)

    names = parts[0].states
    states = {n: np.concatenate([part.states[n] for part in parts]) for n in names}
    arrays = {name: together(name) for name in ("truth", "reconstruction", "future")}
    return replace(parts[0], **arrays, losses={}, states=states)
