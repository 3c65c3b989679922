"""What is measured: models of several sizes, their batches and where they start.

| | units | frames | batch | data |
|---|---|---|---|---|
| S, M, L | 128, 512, 2048 | 10 + 10 of 64x64 | 80 | two digits bouncing |
| P | 2048 | 10 + 10 of 32x32x3 | 100 | dense, real |
| C | 2048 | 16 of 4096 features | 128 | dense, 101 classes |

They are the shipped descriptions with another number of units.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import read_model
from videolstm.data.bouncing import BouncingDigits
from videolstm.tools.digits import render_digits

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.models.param import Param

ROOT = Path(__file__).resolve().parents[1]
COMBO = "models/lstm_combo_1layer_mnist.pbtxt"
PATCHES = "models/lstm_combo_1layer_ucf101_patches.pbtxt"
CLASSIFIER = "models/lstm_classifier_1layer_ucf101_features.pbtxt"

DIGITS = 500  # drawing them takes seconds; more would look the same to the clock


@dataclass(frozen=True)
class Size:
    """A model and its batch.

    read, frames: frames that the encoder reads, and all; classes: of a classifier, or
    0. sparse: whether the frames are bouncing digits.
    """

    name: str
    model: str
    units: int
    dims: int
    batch: int
    read: int
    frames: int
    layers: int = 1
    classes: int = 0
    sparse: bool = False

    def changed(self, **fields) -> Size:
        return replace(self, **fields)


S = Size("S", COMBO, 128, 4096, 80, 10, 20, sparse=True)
SIZES = {
    "S": S,
    "M": S.changed(name="M", units=512),
    "L": S.changed(name="L", units=2048),
    "P": Size("P", PATCHES, 2048, 3072, 100, 10, 20),
    "C": Size("C", CLASSIFIER, 2048, 4096, 128, 16, 16, classes=101),
}


def describe(size: Size) -> config_pb2.Model:
    """The shipped description with the size's numbers."""
    config = read_model(ROOT / size.model)
    if not size.classes:
        config.dec_seq_length = size.read
        config.future_seq_length = size.frames - size.read
    for layers in (config.lstm, config.lstm_dec, config.lstm_future):
        if len(layers):
            _stack(layers, size)
    return config


def _stack(layers, size: Size) -> None:
    """Makes of one layer as many as the size has, the topmost with output."""
    first = type(layers[0])()
    first.CopyFrom(layers[0])
    del layers[:]
    for k in range(size.layers):
        layer = layers.add()
        layer.CopyFrom(first)
        layer.name = first.name.replace("_1", f"_{k + 1}", 1)
        layer.num_hid = size.units
        layer.input_dims = size.dims if k == 0 else size.units
        layer.has_input = True
        layer.has_output = first.has_output and k + 1 == size.layers
        layer.output_dims = size.classes or size.dims


def make_frames(size: Size) -> np.ndarray:
    """A batch (frames, batch, dims), float32 from 0 to 1."""
    if size.sparse:
        digits, _ = render_digits(DIGITS, seed=42)
        side = round(size.dims**0.5)
        rng = np.random.RandomState(42)
        return BouncingDigits(digits, rng, side, 2, 0.1, size.frames).sequences(
            size.batch
        )
    shape = (size.frames, size.batch, size.dims)
    return np.random.default_rng(42).random(shape, dtype=np.float32)


def make_labels(size: Size) -> np.ndarray:
    """Classes of the cases, int64 (batch,); all 0 where there are none."""
    return np.random.RandomState(42).randint(0, size.classes or 1, size.batch)


def start_weights(params: list[Param]) -> dict[str, np.ndarray]:
    """Weights to start from, of about the shipped size; none is zero, so that nothing
    can be wrong and not show."""
    found = {}
    for param in params:
        rng = np.random.default_rng(zlib.crc32(param.name.encode()))
        values = rng.random(param.shape, dtype=np.float32)
        scale = 0.1 if param.name.endswith("w_diag") else 0.01
        found[param.name] = scale * (2 * values - 1)
    return found


RULES = ("epsilon", "momentum", "l2_decay", "gradient_clip")


def write_folder(
    folder: Path, size: Size, binary: bool, params: list[Param], threads: int
) -> None:
    """Writes what the other process needs: about.json, start.npz, frames.npy,
    labels.npy."""
    names = dict(zip(RULES, ("epsilon", "momentum", "l2_decay", "clip"), strict=True))
    settings = {
        param.name: {
            ours: getattr(param.config, field) for field, ours in names.items()
        }
        for param in params
    }
    about = asdict(size) | {"binary": binary, "threads": threads, "settings": settings}
    (folder / "about.json").write_text(json.dumps(about))
    np.savez(folder / "start.npz", **start_weights(params))
    np.save(folder / "frames.npy", make_frames(size))
    np.save(folder / "labels.npy", make_labels(size))
