"""A weight matrix with its gradient, its momentum history and the rule to update it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

import cudamat as cm
from videolstm.config import locate, messages
from videolstm.data.files import UNREADABLE
from videolstm.errors import UserError
from videolstm.outside.h5 import H5File

if TYPE_CHECKING:
    from videolstm import config_pb2


_sources_needed = ContextVar("sources needed", default=True)


@contextlib.contextmanager
def without_sources(active: bool = True) -> Iterator[None]:
    """Within it, models are made whose weights are all loaded from a checkpoint right
    afterwards: the files that PRETRAINED weights start from need not be there any more,
    and are not read."""
    token = _sources_needed.set(not active)
    try:
        yield
    finally:
        _sources_needed.reset(token)


def sources_needed() -> bool:
    """False within `without_sources`."""
    return _sources_needed.get()


class Param:
    """One weight of the model.

    Update (the paper, section 3.1, and the 2015 and 2016 releases), t updates done
    before:

        epsilon_t = epsilon * eps_decay_factor ** (t // eps_decay_after)
        history = momentum * history - epsilon_t * (dw + l2_decay * w)
        history clipped to +-gradient_clip, element by element
        w += history

    With rms_prop, dw + l2_decay w is first divided by the running root of its mean
    square. The 2016 release computes the decay of epsilon and does not use it: `decays`
    False.

    Attributes:
        name: ``<layer>:<weight>``, as in checkpoints.
        w, dw, history: matrices of one shape; dw is the gradient summed over the batch.
        rms: the running root mean square, with rms_prop only.
        t: updates done.
        watch, watch_index: where updates note what is not finite, if anyone watches.
    """

    def __init__(
        self,
        name: str,
        config: config_pb2.Param,
        shape: tuple[int, int],
        path: str | Path = "",
    ) -> None:
        """`path` is the model description that `config` stands in."""
        self.name = name
        self.config = config
        self.path = path
        self.shape = shape
        self.decays = True
        self.t = 0
        self.watch: cm.learn.Watch | None = None
        self.watch_index = 0
        self.w = self._initial()
        self.dw = cm.zeros(shape)
        self.history = cm.zeros(shape)
        self.rms = cm.empty(shape).assign(1.0) if config.rms_prop else None

    # ------------------------------------------------------------------- start

    def _initial(self) -> cm.CUDAMatrix:
        kind, scale = self.config.init_type, self.config.scale
        types = messages().Param
        w = cm.empty(self.shape)
        if kind == types.CONSTANT:
            return w.assign(scale)
        if kind == types.GAUSSIAN:
            return w.fill_with_randn().mult(scale)
        if kind == types.UNIFORM:
            return w.fill_with_rand().mult(2 * scale).subtract(scale)
        if kind == types.LSTM_BIAS:
            return w.overwrite(self._gate_biases())
        if not sources_needed():
            return w.assign(0.0)
        return w.overwrite(self._pretrained())

    def _gate_biases(self) -> np.ndarray:
        rows, cols = self.shape
        if rows != 1 or cols % 4 or not self.name.endswith(":b"):
            raise UserError(
                f"{self.path}: {self.name} has init_type LSTM_BIAS, which only the "
                "bias b of an LSTM can have"
            )
        config = self.config
        gates = [
            config.input_gate_bias,
            config.forget_gate_bias,
            config.input_bias,
            config.output_gate_bias,
        ]
        return np.repeat(gates, cols // 4)[np.newaxis]

    def _pretrained(self) -> np.ndarray:
        field = f"file_name of {self.name}"
        if not self.config.file_name:
            raise UserError(
                f"{self.path}: {self.name} has init_type PRETRAINED, but no file_name "
                "says where the values are"
            )
        file_name = locate(self.config.file_name, self.path, field)
        # The run's own description stands in another folder: name the file from here.
        self.config.file_name = str(file_name)
        try:
            with H5File(file_name) as file:
                return self._read(file, self.config.dataset_name, file_name)
        except UNREADABLE as error:
            found = " ".join(str(error).split())
            raise UserError(
                f"{file_name}: it is no readable .h5 file: {found}"
            ) from None

    # ------------------------------------------------------------------- learning

    def epsilon(self) -> float:
        """The learning rate of the next update."""
        config = self.config
        if not self.decays or config.eps_decay_after <= 0:
            return config.epsilon
        try:
            decay = config.eps_decay_factor ** (self.t // config.eps_decay_after)
        except OverflowError:  # a factor above 1, and many updates
            decay = float("inf")
        return config.epsilon * decay

    def update(self) -> None:
        """One step against the gradient `dw`."""
        self.apply()
        self.t += 1

    def apply(self) -> None:
        """What the board does of `update`; it is not counted."""
        self.step(self.w, self.history, self.dw, self.rms)

    def step(
        self,
        w: cm.CUDAMatrix,
        history: cm.CUDAMatrix,
        dw: cm.CUDAMatrix,
        rms: cm.CUDAMatrix | None,
    ) -> None:
        """The step of these elements of the four matrices, which all have one shape; it
        is not counted."""
        cm.learn.update(w, history, dw, rms, **self.rule())

    def rule(self) -> dict[str, Any]:
        """How the next update steps, as `cudamat.learn.update` takes it."""
        config = self.config
        return {
            "momentum": config.momentum,
            "epsilon": self.epsilon(),
            "l2_decay": config.l2_decay,
            "gradient_clip": config.gradient_clip,
            "rms_prop_factor": config.rms_prop_factor,
            "watch": self.watch,
            "index": self.watch_index,
        }

    # ------------------------------------------------------------------- checkpoints

    def save(self, file: h5py.File) -> None:
        """Writes datasets ``<name>``, ``<name>_grad`` (the history) and, with rms_prop,
        ``<name>_rms_prop``, and the attribute ``<name>_t``."""
        file.create_dataset(self.name, data=self.w.asarray())
        file.create_dataset(f"{self.name}_grad", data=self.history.asarray())
        if self.rms is not None:
            file.create_dataset(f"{self.name}_rms_prop", data=self.rms.asarray())
        file.attrs[f"{self.name}_t"] = self.t

    def load(self, file: H5File) -> None:
        """Reads what `save` or the release wrote. A history that is missing starts at
        0, a missing root mean square at 1, a missing t at 0."""
        path = Path(file.filename)
        self.w.overwrite(self._read(file, self.name, path))
        self.history.assign(0.0)
        if f"{self.name}_grad" in file:
            self.history.overwrite(self._read(file, f"{self.name}_grad", path))
        if self.rms is not None:
            self.rms.assign(1.0)
            if f"{self.name}_rms_prop" in file:
                self.rms.overwrite(self._read(file, f"{self.name}_rms_prop", path))
        self.t = int(file.attrs.get(f"{self.name}_t", 0))
        if self.t < 0:
            raise UserError(
                f"{path}: the attribute '{self.name}_t' is {self.t}, and it should be "
                "a number of updates, 0 or above"
            )

    def take(self, file: H5File, dataset: str) -> None:
        """Takes the weight from a dataset of another name, nothing else."""
        self.w.overwrite(self._read(file, dataset, Path(file.filename)))

    def _read(self, file: H5File, dataset: str, path: Path) -> np.ndarray:
        """A dataset of this weight's shape; one dimension counts as one row."""
        values = file.get(dataset) if dataset else None
        if not hasattr(values, "shape"):
            raise UserError(
                f"{path}: it has no dataset {dataset!r} for the weight {self.name}"
            )
        shape = (1, *values.shape) if len(values.shape) == 1 else values.shape
        if shape != self.shape or getattr(values.dtype, "kind", None) != "f":
            found = values.kind if values.dtype is None else values.dtype
            raise UserError(
                f"{path}: dataset {dataset!r} has shape {values.shape} and type "
                f"{found}, but the weight {self.name} needs numbers of shape "
                f"{self.shape}"
            )
        found = values[...].reshape(shape)
        finite = np.isfinite(found)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise UserError(
                f"{path}: dataset {dataset!r} has {found[row, column]} in row {row}, "
                f"column {column} (counted from 0), and the weight {self.name} needs "
                "finite numbers; take an earlier checkpoint"
            )
        return found
