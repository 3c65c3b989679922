"""How large a model is, and how much it computes, from its description alone.

Products of matrices are all that is counted; everything else of a step is some percent
of them. A product of (m, k) by (k, n) is 2 m k n operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from videolstm import config_pb2

Shape = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """Layers above each other over a number of steps.

    has_state: whether they start from a state of another part, `copied` whether as it
    is. fed: steps at which the lowest layer has an input.
    """

    layers: tuple[config_pb2.LSTM, ...]
    steps: int
    fed: int
    has_state: bool = False
    copied: bool = False


def is_classifier(model: config_pb2.Model) -> bool:
    """Whether a model is read as one by lstm_classifier: without decoders."""
    lengths = model.dec_seq_length or model.future_seq_length
    return not (lengths or model.lstm_dec or model.lstm_future)


def parts(model: config_pb2.Model, num_frames: int) -> Iterator[Part]:
    """The parts of a model with LSTM layers, for clips of `num_frames` frames."""
    dec, future = model.dec_seq_length, model.future_seq_length
    read = num_frames if is_classifier(model) else dec or num_frames - future
    yield Part(tuple(model.lstm), read, read)
    if dec:
        fed = dec - 1 if model.dec_conditional else 0
        copied = model.decoder_copy_init_state
        yield Part(tuple(model.lstm_dec), dec, fed, True, copied)
    if future:
        fed = future - 1 if model.future_conditional else 0
        copied = model.future_copy_init_state
        yield Part(tuple(model.lstm_future), future, fed, True, copied)


def weight_shapes(model: config_pb2.Model) -> dict[str, Shape]:
    """The weights of a model by their names in a checkpoint, with their shapes."""
    shapes: dict[str, Shape] = {}
    if is_classifier(model) and not model.lstm:
        layer = model.logreg
        shapes[f"{layer.name}:w"] = (layer.num_outputs, layer.num_inputs)
        shapes[f"{layer.name}:b"] = (1, layer.num_outputs)
        return shapes
    for part in parts(model, 1):
        for layer in part.layers:
            for weight, shape in layer_shapes(layer).items():
                shapes[f"{layer.name}:{weight}"] = shape
    return shapes


def layer_shapes(layer: config_pb2.LSTM) -> dict[str, Shape]:
    """The weights of one LSTM layer."""
    n = layer.num_hid
    shapes = {"w_dense": (4 * n, n), "w_diag": (1, 3 * n), "b": (1, 4 * n)}
    if layer.has_input:
        shapes["w_input"] = (4 * n, layer.input_dims)
    if layer.has_output:
        shapes["w_output"] = (layer.output_dims, n)
        shapes["b_output"] = (1, layer.output_dims)
    return shapes


def operations(model: config_pb2.Model, num_frames: int) -> int:
    """Operations of one training step for each clip in the batch: forward, and back to
    the gradient of every weight."""
    if is_classifier(model) and not model.lstm:
        layer = model.logreg
        return 2 * 2 * layer.num_outputs * layer.num_inputs * num_frames
    return sum(_part_operations(part) for part in parts(model, num_frames))


def _part_operations(part: Part) -> int:
    products = 0
    computed = part.steps - part.copied  # the first step may be a copy
    for number, layer in enumerate(part.layers):
        n = layer.num_hid
        # Back there is one product for the weights, and one for the step before.
        recurrent = computed if part.has_state else computed - 1
        products += 3 * 4 * n * n * max(0, recurrent)
        if layer.has_input:
            fed = computed if number else min(part.fed, computed)
            ways = 3 if number else 2  # frames have no derivative
            products += ways * 4 * n * layer.input_dims * fed
        if layer.has_output:
            products += 3 * layer.output_dims * n * part.steps
    return 2 * products


def memory(
    model: config_pb2.Model, num_frames: int, batch: int, item: int = 4
) -> tuple[int, int]:
    """Bytes on the board in training: of the weights with gradients and histories, and
    of a batch on its way forward and back. item: bytes of a number.

    Not counted is the copy of its recurrent weights that each layer of more than some
    64 units keeps on CPUs with AVX-512 (`cudamat.Packed`).
    """
    shapes = weight_shapes(model)
    rms = _with_rms_prop(model)
    kept = sum(
        rows * columns * (4 if name in rms else 3)
        for name, (rows, columns) in shapes.items()
    )
    if is_classifier(model) and not model.lstm:
        layer = model.logreg
        clip = num_frames * (layer.num_inputs + layer.num_outputs)
    else:
        clip = sum(_part_numbers(part) for part in parts(model, num_frames))
        # the frames, and reversed for the decoder
        clip += model.lstm[0].input_dims * (num_frames + model.dec_seq_length)
    return item * kept, item * clip * batch


def _part_numbers(part: Part) -> int:
    """Numbers that a part keeps of each clip: gates, hidden states, cells, outputs, and
    the derivatives of the hidden states."""
    numbers = 0
    for layer in part.layers:
        n, steps = layer.num_hid, part.steps
        numbers += n * (4 * steps + 2 * (steps + 1) + steps + 2)
        if layer.has_output:
            numbers += layer.output_dims * steps
    return numbers


def _with_rms_prop(model: config_pb2.Model) -> set[str]:
    """Names of the weights that also keep a root mean square."""
    found = set()
    layers = [*model.lstm, *model.lstm_dec, *model.lstm_future]
    if model.HasField("logreg"):
        layers.append(model.logreg)
    for layer in layers:
        for field, value in layer.ListFields():
            if field.message_type is not None and field.message_type.name == "Param":
                if value.rms_prop:
                    found.add(f"{layer.name}:{field.name}")
    return found
