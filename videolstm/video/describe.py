"""Descriptions of a set of patches, and of a model that learns it on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.config import messages, write_text
from videolstm.video.settings import Settings

if TYPE_CHECKING:
    from videolstm import config_pb2

BATCH_SIZE = 50


def describe_patches(npy: Path, settings: Settings, clips: int) -> Path:
    """Write the .pbtxt beside the .npy that makes it VIDEO_PATCH data; returns it."""
    types = messages()
    config = types.Data(
        dataset_type=types.Data.VIDEO_PATCH,
        data_file=npy.name,
        num_frames=settings.frames,
        batch_size=min(BATCH_SIZE, clips),
        image_size=settings.size,
        num_colors=1 if settings.grey else 3,
    )
    path = npy.with_suffix(".pbtxt")
    write_text(config, path)
    return path


def write_cpu_model(path: Path, settings: Settings, units: int) -> None:
    """Write a composite model of one layer for the patches of these settings.

    It reads the first half of a clip, reconstructs it and predicts the second half. As
    models/lstm_combo_1layer_ucf101_patches.pbtxt, but unconditional and with the
    settings of the 2015 release, rms_prop and an open forget gate, which get somewhere
    within minutes.
    """
    model = messages().Model(
        name="lstm_combo_patches",
        checkpoint_dir="runs",
        max_iters=3000,
        print_after=100,
        validate_after=500,
        save_after=500,
        future_seq_length=settings.frames // 2,
        dec_seq_length=settings.frames - settings.frames // 2,
    )
    encoder = model.lstm.add(
        name="lstm_1_enc", has_input=True, input_dims=settings.dims
    )
    decoder = model.lstm_dec.add(name="lstm_1_dec")
    future = model.lstm_future.add(name="lstm_1_fut")
    for layer in (encoder, decoder, future):
        layer.num_hid = units
        weights = ["w_dense", "w_diag", "b"]
        if layer is encoder:
            weights += ["w_input"]
        else:
            layer.has_output, layer.output_dims = True, settings.dims
            weights += ["w_output", "b_output"]
        for name in weights:
            _describe_weight(getattr(layer, name), name)
    write_text(model, path)


def _describe_weight(param: config_pb2.Param, name: str) -> None:
    types = messages().Param
    if name == "b":
        param.init_type, param.forget_gate_bias = types.LSTM_BIAS, 5
    elif name == "b_output":
        param.init_type = types.CONSTANT
    else:
        param.init_type = types.UNIFORM
        param.scale = 0.1 if name == "w_diag" else 0.01
        param.l2_decay = 1e-4
    param.epsilon, param.eps_decay_factor, param.eps_decay_after = 1e-3, 0.7, 1000
    param.momentum, param.gradient_clip, param.rms_prop = 0.9, 1e-3, True
