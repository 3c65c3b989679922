"""Does a model fit into memory? Asked before any is taken for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cudamat as cm
from videolstm.errors import UserError
from videolstm.limits import available_memory, gib

if TYPE_CHECKING:
    from videolstm import config_pb2

# Bytes of a number. It is twice that in double precision; there the library may be the
# one to say that memory is short.
_NUMBER = 4


def weight_bytes(model: config_pb2.Model) -> int:
    """Bytes of all weights of a model with their gradients and histories."""
    return sum(size for _, size in _weights(model))


def check_model_memory(model: config_pb2.Model, path: str | Path) -> None:
    """Check that the weights of a model fit into the memory of the board in use.

    Raises UserError that names the size which takes most of it.
    """
    sizes = list(_weights(model))
    total = sum(size for _, size in sizes)
    free = _free_memory()
    if total <= free:
        return
    field, most = max(sizes, key=lambda entry: entry[1])
    raise UserError(
        f"{path}: the weights of the model with their gradients and histories take "
        f"{gib(total)}, of which {gib(most)} are because of {field}, and they should "
        f"take at most the {gib(free)} of memory that are free"
    )


def _free_memory() -> int:
    if cm.load().kind == "cpu":
        return available_memory()
    return max(found.free_bytes for found in cm.devices() if found.board != "cpu")


def _weights(model: config_pb2.Model) -> Iterator[tuple[str, int]]:
    """Each weight's bytes, and the field that they come from, in words."""
    for layer in (*model.lstm, *model.lstm_dec, *model.lstm_future):
        n, name = layer.num_hid, layer.name
        # A layer's input or output is named where it is the larger factor.
        units = f"{name}.num_hid {n}"
        shapes = [("w_dense", 4 * n * n, units), ("w_diag", 3 * n, units)]
        shapes.append(("b", 4 * n, units))
        if layer.has_input:
            dims = layer.input_dims
            field = units if n > dims else f"{name}.input_dims {dims}"
            shapes.append(("w_input", 4 * n * dims, field))
        if layer.has_output:
            dims = layer.output_dims
            field = units if n > dims else f"{name}.output_dims {dims}"
            shapes += [("w_output", dims * n, field), ("b_output", dims, field)]
        for weight, count, field in shapes:
            yield field, _copies(layer, weight) * count * _NUMBER
    if model.HasField("logreg"):
        layer = model.logreg
        inputs, outputs = layer.num_inputs, layer.num_outputs
        field = f"{layer.name}.num_outputs {outputs}"
        if inputs > outputs:
            field = f"{layer.name}.num_inputs {inputs}"
        yield field, _copies(layer, "w") * inputs * outputs * _NUMBER


def _copies(layer: config_pb2.LSTM | config_pb2.Logreg, weight: str) -> int:
    """A weight, its gradient, its history and maybe its running mean square."""
    return 4 if getattr(layer, weight).rms_prop else 3
