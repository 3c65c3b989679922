"""What the tests of the model share: the measure of a difference, golden cases, and
small composite models of any shape."""

from pathlib import Path

import h5py
import numpy as np

import cudamat as cm
from videolstm.config import messages
from videolstm.models.composite import LSTMCombo

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
WEIGHTS = ("w_dense", "w_diag", "b", "w_input", "w_output", "b_output")


def tolerance() -> float:
    """The golden values' own limit for `difference`: 5e6 roundings of a double, 200 of
    a float, which is what sums over a few hundred terms, five steps long, may lose."""
    return 1e-9 if cm.real_type() == np.float64 else 2e-5


def difference(actual, expected) -> float:
    """max |actual - expected| / max |expected|; absolute where all expected are
    zero."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape
    if expected.size == 0:
        return 0.0
    distance = np.abs(actual - expected).max()
    # not `or 1`: a NaN on either side must come out as NaN, which is below no limit
    scale = np.abs(expected).max()
    return distance / scale if scale != 0 else distance


def read_h5(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """All datasets by their path, and the attributes, of an .h5 file."""
    arrays = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[...]

    with h5py.File(path) as file:
        file.visititems(collect)
        return arrays, dict(file.attrs)


def frames_of(flat: np.ndarray, num_frames: int) -> np.ndarray:
    """(batch, frames * dims), frame t in columns t * dims and on, as (frames, batch,
    dims)."""
    batch = flat.shape[0]
    return np.ascontiguousarray(flat.reshape(batch, num_frames, -1).transpose(1, 0, 2))


def describe(
    units=(4,), dims=5, dec=3, future=3, dropprob=(0.0, 0.0), use_relu=False, **fields
):
    """A composite model's description: layers of `units`, each weight UNIFORM 0.5.

    dropprob: of inputs and outputs, in all layers. fields: further fields of the model;
    the bottom layers of decoders that these make conditional get an input.
    """
    types = messages()
    model = types.Model(
        name="model", dec_seq_length=dec, future_seq_length=future, **fields
    )
    parts = [(model.lstm, "enc", True, False)]
    if dec:
        parts += [(model.lstm_dec, "dec", model.dec_conditional, True)]
    if future:
        parts += [(model.lstm_future, "fut", model.future_conditional, True)]
    for layers, part, has_input, emits in parts:
        for k, num_hid in enumerate(units):
            layer = layers.add(name=f"lstm_{k + 1}_{part}", num_hid=num_hid)
            layer.use_relu = use_relu
            layer.has_input = has_input or k > 0
            layer.input_dims = units[k - 1] if k > 0 else dims
            layer.has_output = emits and k + 1 == len(units)
            layer.output_dims = dims
            layer.input_dropprob, layer.output_dropprob = dropprob
            for weight in WEIGHTS:
                param = getattr(layer, weight)
                param.init_type = types.Param.UNIFORM
                param.scale = 0.5
                param.epsilon, param.momentum = 0.01, 0.9
    return model


def describe_classifier(units=(4,), dims=5, classes=3, dropprob=(0.0, 0.0), **fields):
    """An LSTM classifier's description: layers of `units`, each weight UNIFORM 0.5.

    dropprob: of inputs and outputs, in all layers. fields: further fields of the model.
    """
    types = messages()
    model = types.Model(name="model", **fields)
    for k, num_hid in enumerate(units):
        top = k + 1 == len(units)
        layer = model.lstm.add(name=f"lstm_{k + 1}", num_hid=num_hid, has_input=True)
        layer.input_dims = units[k - 1] if k > 0 else dims
        layer.has_output = top
        layer.output_dims = classes if top else 0
        layer.input_dropprob = dropprob[0]
        layer.output_dropprob = dropprob[1] if top else 0
        for weight in WEIGHTS if top else WEIGHTS[:4]:
            param = getattr(layer, weight)
            param.init_type = types.Param.UNIFORM
            param.scale = 0.5
            param.epsilon, param.momentum = 0.01, 0.9
    return model


def describe_logreg(dims=5, classes=3, dropprob=0.0, **fields):
    """A logistic regression's description, each weight UNIFORM 0.5."""
    types = messages()
    model = types.Model(name="model", **fields)
    layer = model.logreg
    layer.name, layer.dropprob = "logreg", dropprob
    layer.num_inputs, layer.num_outputs = dims, classes
    for param in (layer.w, layer.b):
        param.init_type = types.Param.UNIFORM
        param.scale = 0.5
        param.epsilon, param.momentum = 0.01, 0.9
    return model


def make(config, num_frames: int | None = None, seed: int = 1) -> LSTMCombo:
    """The model of a description with weights that `seed` decides."""
    cm.CUDAMatrix.init_random(seed)
    num_frames = num_frames or config.dec_seq_length + config.future_seq_length
    return LSTMCombo(config, "model.pbtxt", num_frames)


def random_frames(model: LSTMCombo, batch: int, seed: int = 2) -> np.ndarray:
    """Frames (num_frames, batch, dims) between 0 and 1."""
    rng = np.random.RandomState(seed)
    shape = (model.frames.steps, batch, model.frames.rows)
    return rng.rand(*shape).astype(np.float32)


def random_masks(model: LSTMCombo, batch: int, seed: int = 3) -> dict:
    """Masks, 1 kept and 0 dropped, for every dropout that the model has."""
    rng = np.random.RandomState(seed)
    masks = {}
    for layer in model.layers:
        for place in ("input", "output"):
            dropout = getattr(layer, f"{place}_dropout")
            if dropout is not None:
                shape = (layer.steps, batch, dropout.mask.rows)
                kept = rng.rand(*shape) >= dropout.dropprob
                masks.setdefault(layer.name, {})[place] = kept
    return masks


def weights_of(model) -> dict[str, np.ndarray]:
    """Copies of all weights, by name."""
    return {param.name: param.w.asarray().copy() for param in model.params}


def gradients_of(model) -> dict[str, np.ndarray]:
    """Copies of all gradients, by name."""
    return {param.name: param.dw.asarray().copy() for param in model.params}
