"""Does the description of a model make sense? Asked before anything is built from it.

`check_model` looks at what every model has: names, sizes, the settings of each weight.
`check_composite` adds what encoder, decoder and future predictor must be to each other,
and `check_clips` whether a data set has the clips that the model needs. Each raises
UserError with the file and the field; what is odd but possible is returned as warnings.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.config_values import (
    MOST_DIMS,
    MOST_INT,
    MOST_LAYERS,
    MOST_UNITS,
    check_blocks,
    check_file_name,
    check_layer_name,
    check_positive,
    check_probability,
    check_range,
    check_weight,
    wrong,
)
from videolstm.errors import UserError
from videolstm.limits import is_plain

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.data import DataHandler

_COUNTS = (
    "max_iters",
    "print_after",
    "validate_after",
    "save_after",
    "display_after",
    "dec_seq_length",
    "future_seq_length",
)


# ---- any model -----------------------------------------------------------------------


def check_model(model: config_pb2.Model, path: str | Path) -> list[str]:
    """Check names, sizes and weights of every layer; returns warnings."""
    check_file_name(path, "name", model.name)
    for timestamp in model.timestamp:
        check_file_name(path, "timestamp", timestamp)
    if not is_plain(model.checkpoint_dir):
        found = repr(model.checkpoint_dir[:120])
        raise wrong(path, "checkpoint_dir", found, "the name of a folder")
    for field in _COUNTS:
        check_range(path, field, getattr(model, field), 0, MOST_INT)
    if model.squash_relu:
        check_positive(path, "squash_relu_lambda", model.squash_relu_lambda)
    warnings = []
    seen: set[str] = set()
    for field in ("lstm", "lstm_dec", "lstm_future"):
        layers = getattr(model, field)
        check_range(path, f"number of {field}", len(layers), 0, MOST_LAYERS)
        for number, layer in enumerate(layers, start=1):
            check_layer_name(path, f"{field} {number}", layer.name, seen)
            warnings += check_lstm(layer, path)
    if model.HasField("logreg"):
        check_layer_name(path, "logreg", model.logreg.name, seen)
        warnings += check_logreg(model.logreg, path)
    if model.relu_data and (model.binary_data or model.squash_relu):
        warnings.append(
            f"{path}: relu_data has no effect, because the data is binary (binary_data "
            "or squash_relu)"
        )
    return warnings


def check_lstm(layer: config_pb2.LSTM, path: str | Path) -> list[str]:
    """Check one LSTM layer by itself; returns warnings."""
    name, units = layer.name, layer.num_hid
    check_range(path, f"{name}.num_hid", units, 1, MOST_UNITS)
    check_weight(path, f"{name}.w_dense", 4 * units, units)
    blocks = ["w_dense", "w_diag", "b"]
    if layer.has_input:
        blocks += ["w_input"]
        check_range(path, f"{name}.input_dims", layer.input_dims, 1, MOST_DIMS)
        check_weight(path, f"{name}.w_input", 4 * units, layer.input_dims)
    if layer.has_output:
        blocks += ["w_output", "b_output"]
        check_range(path, f"{name}.output_dims", layer.output_dims, 1, MOST_DIMS)
        check_weight(path, f"{name}.w_output", layer.output_dims, units)
    if layer.HasField("pretrained"):
        for field in ("checkpoint", "layer"):
            if not getattr(layer.pretrained, field):
                right = "given, because the layer is pretrained"
                raise wrong(path, f"{name}.pretrained.{field}", "missing", right)
    check_probability(path, f"{name}.input_dropprob", layer.input_dropprob)
    check_probability(path, f"{name}.output_dropprob", layer.output_dropprob)
    return check_blocks(layer, blocks, path)


def check_logreg(layer: config_pb2.Logreg, path: str | Path) -> list[str]:
    """Check the logistic regression by itself; returns warnings."""
    name = layer.name
    check_range(path, f"{name}.num_inputs", layer.num_inputs, 1, MOST_DIMS)
    check_range(path, f"{name}.num_outputs", layer.num_outputs, 1, MOST_DIMS)
    check_weight(path, f"{name}.w", layer.num_outputs, layer.num_inputs)
    check_probability(path, f"{name}.dropprob", layer.dropprob)
    return check_blocks(layer, ["w", "b"], path)


def check_stack(layers: Iterable[config_pb2.LSTM], path: str | Path) -> None:
    """Check that each layer above the first reads the one below it.

    Raises UserError also for an output below the top, which nothing would read.
    """
    for below, layer in itertools.pairwise(layers):
        if not layer.has_input:
            right = f"true, because the layer reads {below.name} below it"
            raise wrong(path, f"{layer.name}.has_input", "false", right)
        if layer.input_dims != below.num_hid:
            right = f"{below.num_hid}, the num_hid of {below.name} below it"
            raise wrong(path, f"{layer.name}.input_dims", layer.input_dims, right)
        if below.has_output:
            right = "false, because only the top layer has an output"
            raise wrong(path, f"{below.name}.has_output", "true", right)


# ---- the composite model -------------------------------------------------------------


def check_composite(model: config_pb2.Model, path: str | Path) -> list[str]:
    """Check a composite model: encoder, decoder, future predictor; returns warnings."""
    if not model.lstm:
        right = "the layers of the encoder, at least one"
        raise wrong(path, "lstm", "missing", right)
    warnings = check_model(model, path)
    check_stack(model.lstm, path)
    bottom, top = model.lstm[0], model.lstm[-1]
    if not bottom.has_input:
        right = "true, because the first layer of the encoder reads the frames"
        raise wrong(path, f"{bottom.name}.has_input", "false", right)
    if top.has_output:
        right = "false, because nothing reads an output of the encoder"
        raise wrong(path, f"{top.name}.has_output", "true", right)
    if not model.dec_seq_length and not model.future_seq_length:
        right = "above 0, or future_seq_length should be, so that there is a loss"
        raise wrong(path, "dec_seq_length", 0, right)
    warnings += _check_part(
        model, "lstm_dec", "dec_seq_length", "dec_conditional", path
    )
    warnings += _check_part(
        model, "lstm_future", "future_seq_length", "future_conditional", path
    )
    return warnings


def _check_part(
    model: config_pb2.Model, part: str, length: str, condition: str, path: str | Path
) -> list[str]:
    """Check the decoder or the future predictor against the encoder.

    `part`, `length` and `condition` are the fields of its layers, of its number of
    frames and of whether it is conditional.
    """
    layers = getattr(model, part)
    if not getattr(model, length):
        unused = f"{path}: {part} is not used, because {length} is 0"
        return [unused] if layers else []
    if [layer.num_hid for layer in layers] != [layer.num_hid for layer in model.lstm]:
        right = f"{_units(model.lstm)} as in lstm, whose state they start from"
        raise wrong(path, f"num_hid of the layers of {part}", _units(layers), right)
    check_stack(layers, path)
    bottom, top = layers[0], layers[-1]
    dims = model.lstm[0].input_dims
    frame = f"{dims}, a frame as in {model.lstm[0].name}.input_dims"
    if not top.has_output:
        right = f"true, because the last layer of {part} gives the frames"
        raise wrong(path, f"{top.name}.has_output", "false", right)
    if top.output_dims != dims:
        raise wrong(path, f"{top.name}.output_dims", top.output_dims, frame)
    if bottom.has_input and bottom.input_dims != dims:
        raise wrong(path, f"{bottom.name}.input_dims", bottom.input_dims, frame)
    conditional = getattr(model, condition)
    if conditional and not bottom.has_input:
        right = f"true, because {condition} is true"
        raise wrong(path, f"{bottom.name}.has_input", "false", right)
    if bottom.has_input and not conditional:
        # The release has such models: the weight only decays.
        return [
            f"{path}: {bottom.name}.w_input is never fed, because {condition} is false"
        ]
    return []


def check_clips(
    model: config_pb2.Model, path: str | Path, handler: DataHandler
) -> None:
    """Check that the clips of a data set are what a composite model needs.

    Raises UserError for frames of another size or clips of another length.
    """
    encoder = model.lstm[0]
    if handler.frame_dims != encoder.input_dims:
        raise UserError(
            f"{handler.path}: a frame has {handler.frame_dims} numbers, and it should "
            f"have the {encoder.input_dims} that {path} says in "
            f"{encoder.name}.input_dims"
        )
    found, decoded, predicted = (
        handler.num_frames,
        model.dec_seq_length,
        model.future_seq_length,
    )
    if decoded and found != decoded + predicted:
        right = (
            f"{decoded + predicted}, the sum of dec_seq_length {decoded} and "
            f"future_seq_length {predicted} of {path}"
        )
        raise wrong(handler.path, "num_frames", found, right)
    if found <= predicted:
        right = (
            f"more than the future_seq_length {predicted} of {path}, so that the "
            "encoder has frames to read"
        )
        raise wrong(handler.path, "num_frames", found, right)


def _units(layers: Iterable[config_pb2.LSTM]) -> str:
    return ", ".join(str(layer.num_hid) for layer in layers) or "missing"


# ---- classifiers ---------------------------------------------------------------------


def check_classifier(model: config_pb2.Model, path: str | Path) -> list[str]:
    """Check a classifier: LSTM layers with classes on top, or a logistic regression;
    returns warnings."""
    if not model.lstm and not model.HasField("logreg"):
        right = "the layers of the classifier, or logreg should be there"
        raise wrong(path, "lstm", "missing", right)
    warnings = check_model(model, path)
    if model.display_after:
        warnings.append(
            f"{path}: display_after has no effect, because a classifier draws nothing "
            "in training"
        )
    if not model.lstm:
        return warnings
    check_stack(model.lstm, path)
    bottom, top = model.lstm[0], model.lstm[-1]
    if not bottom.has_input:
        right = "true, because the first layer reads the frames"
        raise wrong(path, f"{bottom.name}.has_input", "false", right)
    if not top.has_output:
        right = "true, because the last layer of a classifier gives the classes"
        raise wrong(path, f"{top.name}.has_output", "false", right)
    unused = [part for part in ("lstm_dec", "lstm_future") if getattr(model, part)]
    if model.HasField("logreg"):
        unused.append("logreg")
    for part in unused:
        warnings.append(
            f"{path}: {part} is not used, because a model with lstm is classified by it"
        )
    return warnings


def check_labelled_clips(
    model: config_pb2.Model,
    path: str | Path,
    handler: DataHandler,
    need_labels: bool = True,
) -> None:
    """Check that the clips of a data set are what a classifier needs.

    Raises UserError for frames of another size, for data without labels where they are
    needed, and for labels that are no class of the model.
    """
    if model.lstm:
        dims_field = f"{model.lstm[0].name}.input_dims"
        dims = model.lstm[0].input_dims
        classes_field = f"{model.lstm[-1].name}.output_dims"
        classes = model.lstm[-1].output_dims
    else:
        layer = model.logreg
        dims_field, dims = f"{layer.name}.num_inputs", layer.num_inputs
        classes_field, classes = f"{layer.name}.num_outputs", layer.num_outputs
    if handler.frame_dims != dims:
        raise UserError(
            f"{handler.path}: a frame has {handler.frame_dims} numbers, and it should "
            f"have the {dims} that {path} says in {dims_field}"
        )
    labels = getattr(handler, "labels", None)
    if labels is None:
        if not need_labels:
            return
        right = "the text file of the classes, because a classifier learns from them"
        if handler.kind != "LABELLED":
            right = "LABELLED, because a classifier learns from labels"
            raise wrong(handler.path, "dataset_type", handler.kind, right)
        raise wrong(handler.path, "labels_file", "missing", right)
    if labels.max() >= classes:
        clip = int((labels >= classes).argmax())
        line = handler.video_ids[handler.videos[clip]] + 1
        raise UserError(
            f"{handler.config.labels_file}, line {line}: the class of a video is "
            f"{labels[clip]}, and it should be from 0 to {classes - 1}, because "
            f"{classes_field} in {path} is {classes}"
        )
