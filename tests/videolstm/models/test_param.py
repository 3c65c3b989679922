"""One weight: how it starts, how it is updated, how it is saved and read."""

import h5py
import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import GOLDEN, difference, read_h5, tolerance
from videolstm.config import messages, read_model
from videolstm.errors import UserError
from videolstm.models.param import Param

SHAPE = (3, 4)


def param_of(shape=SHAPE, name="lstm_1:w_dense", path="model.pbtxt", **fields) -> Param:
    """A weight of that configuration; init_type by name."""
    if "init_type" in fields:
        types = messages().Param.InitType
        fields["init_type"] = types.Value(fields["init_type"])
    return Param(name, messages().Param(**fields), shape, path)


def values(param: Param) -> np.ndarray:
    return param.w.asarray().copy()


def message_of(function, *arguments, **fields) -> str:
    with pytest.raises(UserError) as caught:
        function(*arguments, **fields)
    return str(caught.value)


# ---- start ---------------------------------------------------------------------------


def test_an_empty_description_is_zero_and_never_learns():
    param = param_of()
    param.dw.assign(1.0)
    param.update()
    np.testing.assert_array_equal(values(param), np.zeros(SHAPE))


def test_constant():
    param = param_of(init_type="CONSTANT", scale=0.25)
    np.testing.assert_array_equal(values(param), np.full(SHAPE, 0.25))


def test_uniform():
    cm.CUDAMatrix.init_random(1)
    w = values(param_of((200, 300), init_type="UNIFORM", scale=0.5))
    assert -0.5 <= w.min() < -0.499 and 0.499 < w.max() <= 0.5
    # 60000 numbers: five standard deviations of the mean, 0.5 / sqrt(3) / sqrt(60000),
    # and of the variance, 0.5^2 * 2 / sqrt(45) / sqrt(60000)
    assert abs(w.mean()) < 5 * 1.2e-3
    assert abs(w.var() - 0.25 / 3) < 5 * 3.1e-4
    assert abs((w < -0.25).mean() - 0.25) < 5 * 1.8e-3


def test_gaussian():
    cm.CUDAMatrix.init_random(1)
    w = values(param_of((200, 300), init_type="GAUSSIAN", scale=0.5))
    # five standard deviations of the mean, variance and share of 60000 numbers
    assert abs(w.mean()) < 5 * 2.1e-3
    assert abs(w.var() - 0.25) < 5 * 1.5e-3
    assert abs((np.abs(w) < 0.5).mean() - 0.6827) < 5 * 1.9e-3


@pytest.mark.parametrize("init_type", ["UNIFORM", "GAUSSIAN"])
def test_the_seed_decides(init_type):
    weights = []
    for seed in (7, 7, 8):
        cm.CUDAMatrix.init_random(seed)
        weights += [values(param_of(init_type=init_type, scale=1.0)) for _ in range(2)]
    np.testing.assert_array_equal(weights[0], weights[2])
    np.testing.assert_array_equal(weights[1], weights[3])
    assert (weights[0] != weights[1]).any()  # two weights of a model are not the same
    assert (weights[0] != weights[4]).any()


def test_gate_biases():
    # 2 units; rows in the order input gate, forget gate, cell input, output gate
    param = param_of(
        (1, 8),
        "lstm_1:b",
        init_type="LSTM_BIAS",
        input_gate_bias=1.0,
        forget_gate_bias=5.0,
        input_bias=-2.0,
        output_gate_bias=0.5,
        scale=9.0,
    )
    np.testing.assert_array_equal(values(param), [[1, 1, 5, 5, -2, -2, 0.5, 0.5]])


@pytest.mark.parametrize("name", ["lstm_1:w_diag", "lstm_1:b_output", "logreg:w"])
def test_gate_biases_are_only_for_b(name):
    message = message_of(param_of, (1, 12), name, init_type="LSTM_BIAS")
    assert message == (
        f"model.pbtxt: {name} has init_type LSTM_BIAS, which only the bias b of an "
        "LSTM can have"
    )


# ---- pretrained ----------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path):
    """A folder with a trained weight, its history, and what does not fit."""
    rng = np.random.RandomState(1)
    with h5py.File(tmp_path / "trained.h5", "w") as file:
        file["enc:w_dense"] = rng.rand(*SHAPE).astype(np.float32)
        file["enc:w_dense_grad"] = rng.rand(*SHAPE)
        file.attrs["enc:w_dense_t"] = 5
        file["row"] = rng.rand(4).astype(np.float32)
        file["double"] = rng.rand(*SHAPE)
        file["text"] = "weights"
        file["whole"] = np.ones(SHAPE, int)
        file["cube"] = rng.rand(1, *SHAPE)
        file["turned"] = rng.rand(*SHAPE[::-1])
        file.create_group("folder")
    (tmp_path / "notes.h5").write_text("no weights")
    (tmp_path / "short.h5").write_bytes((tmp_path / "trained.h5").read_bytes()[:900])
    return tmp_path


def pretrained(folder, dataset, file_name="trained.h5", **options):
    return param_of(
        path=folder / "model.pbtxt",
        init_type="PRETRAINED",
        file_name=file_name,
        dataset_name=dataset,
        **options,
    )


@pytest.mark.parametrize(
    ("dataset", "shape"), [("enc:w_dense", SHAPE), ("double", SHAPE), ("row", (1, 4))]
)
def test_pretrained(trained, dataset, shape):
    param = pretrained(trained, dataset, shape=shape)
    expected = read_h5(trained / "trained.h5")[0][dataset].reshape(shape)
    np.testing.assert_array_equal(values(param), expected.astype(cm.real_type()))
    # a start, not a continuation: no history and no updates done
    np.testing.assert_array_equal(param.history.asarray(), np.zeros(shape))
    assert param.t == 0


def test_golden_pretrained():
    """Biases in one dimension, as the release's users stored them."""
    path = GOLDEN / "checkpoint" / "pretrained_classifier.pbtxt"
    layer = read_model(path).lstm[0]
    arrays = read_h5(GOLDEN / "checkpoint" / "pretrained_1d.h5")[0]
    n = layer.num_hid
    shapes = {"w_dense": (4 * n, n), "w_diag": (1, 3 * n), "b": (1, 4 * n)}
    for weight, shape in shapes.items():
        config = getattr(layer, weight)
        param = Param(f"{layer.name}:{weight}", config, shape, path)
        expected = arrays[config.dataset_name].reshape(shape)
        np.testing.assert_array_equal(values(param), expected)


WEIGHT = "lstm_1:w_dense"
WRONG = {
    # dataset and file: what the message says
    ("enc:w_dense", "none.h5"): f"the field file_name of {WEIGHT} names 'none.h5', "
    "and there is no such file",
    ("enc:w_dense", ""): f"{WEIGHT} has init_type PRETRAINED, but no file_name says "
    "where the values are",
    ("enc:w_dense", "notes.h5"): "notes.h5: it is no readable .h5 file",
    ("enc:w_dense", "short.h5"): "short.h5: it is no readable .h5 file",
    ("none", "trained.h5"): f"it has no dataset 'none' for the weight {WEIGHT}",
    ("", "trained.h5"): f"it has no dataset '' for the weight {WEIGHT}",
    ("folder", "trained.h5"): f"it has no dataset 'folder' for the weight {WEIGHT}",
    ("turned", "trained.h5"): "dataset 'turned' has shape (4, 3) and type float64, "
    f"but the weight {WEIGHT} needs numbers of shape (3, 4)",
    ("cube", "trained.h5"): "dataset 'cube' has shape (1, 3, 4)",
    ("row", "trained.h5"): "dataset 'row' has shape (4,)",
    ("text", "trained.h5"): "dataset 'text' has shape ()",
    ("whole", "trained.h5"): "dataset 'whole' has shape (3, 4) and type int64",
}


@pytest.mark.parametrize(("dataset", "file_name"), WRONG)
def test_wrong_pretrained(trained, dataset, file_name):
    message = message_of(pretrained, trained, dataset, file_name)
    assert WRONG[dataset, file_name] in message
    assert str(trained) in message  # the file that is wrong, or that names it
    assert "\n" not in message


# ---- update --------------------------------------------------------------------------

UPDATES = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "l2 decay": {"l2_decay": 0.1},
    "clip": {"gradient_clip": 0.02},
    "momentum and clip": {"momentum": 0.9, "gradient_clip": 0.1},
    "decay": {"eps_decay_factor": 0.5, "eps_decay_after": 2},
    "decay off": {"eps_decay_factor": 0.5, "eps_decay_after": 0},
    "rms prop": {"rms_prop": True, "rms_prop_factor": 0.8},
    "all": {
        "momentum": 0.8,
        "l2_decay": 0.1,
        "gradient_clip": 0.05,
        "eps_decay_factor": 0.7,
        "eps_decay_after": 3,
        "rms_prop": True,
    },
}


@pytest.mark.parametrize("decays", [True, False], ids=["decays", "as in 2016"])
@pytest.mark.parametrize("name", UPDATES)
def test_update(name, decays):
    cm.CUDAMatrix.init_random(1)
    param = param_of(init_type="UNIFORM", scale=1.0, epsilon=0.1, **UPDATES[name])
    param.decays = decays
    config, rng = param.config, np.random.RandomState(2)
    w = values(param).astype(float)
    history, rms = np.zeros(SHAPE), np.ones(SHAPE)
    for t in range(7):
        gradient = rng.randn(*SHAPE)
        param.dw.overwrite(gradient)
        param.update()
        epsilon = config.epsilon
        if decays and config.eps_decay_after > 0:
            epsilon *= config.eps_decay_factor ** (t // config.eps_decay_after)
        d = gradient + config.l2_decay * w
        if config.rms_prop:
            factor = config.rms_prop_factor
            rms = np.sqrt(factor * rms**2 + (1 - factor) * d**2)
            d = d / rms
        history = config.momentum * history - epsilon * d
        if config.gradient_clip > 0:
            history = np.clip(history, -config.gradient_clip, config.gradient_clip)
        w = w + history
        assert difference(values(param), w) <= tolerance()
        assert difference(param.history.asarray(), history) <= tolerance()
        assert param.t == t + 1
    if config.rms_prop:
        assert difference(param.rms.asarray(), rms) <= tolerance()
    else:
        assert param.rms is None


def test_rms_prop_factor_is_095_by_default():
    assert param_of(rms_prop=True).config.rms_prop_factor == np.float32(0.95)


@pytest.mark.parametrize(
    ("t", "epsilon"), [(0, 0.5), (9, 0.5), (10, 0.25), (29, 0.125), (30, 0.0625)]
)
def test_decay_of_epsilon(t, epsilon):
    param = param_of(epsilon=0.5, eps_decay_factor=0.5, eps_decay_after=10)
    param.t = t
    assert param.epsilon() == epsilon
    param.decays = False
    assert param.epsilon() == 0.5


@pytest.mark.parametrize("where", ["expect", "alt_eps_decay_applied"])
def test_golden_logistic_regression(where):
    """Five updates of the release's w and b; their gradients are written out here."""
    arrays = read_h5(GOLDEN / "cases" / "logreg.h5")[0]
    config = read_model(GOLDEN / "cases" / "logreg.model.pbtxt").logreg
    params = {}
    for weight in ("w", "b"):
        initial = arrays[f"init/logreg:{weight}"]
        block = getattr(config, weight)
        params[weight] = Param(f"logreg:{weight}", block, initial.shape)
        params[weight].w.overwrite(initial)
        params[weight].decays = where == "alt_eps_decay_applied"
    x = arrays["input/v"].astype(float)
    labels = arrays["input/labels"].astype(int).ravel()
    for _ in range(5):
        w, b = (values(param).astype(float) for param in params.values())
        outputs = np.exp(x @ w.reshape(-1, x.shape[1]).T + b.ravel())
        deriv = outputs / outputs.sum(1, keepdims=True)
        deriv[np.arange(len(labels)), labels] -= 1
        params["w"].dw.overwrite((deriv.T @ x).reshape(w.shape))
        params["b"].dw.overwrite(deriv.sum(0).reshape(b.shape))
        for param in params.values():
            param.update()
    for weight, param in params.items():
        expected = arrays[f"{where}/step5/logreg:{weight}"]
        assert difference(values(param), expected) <= tolerance()


# ---- checkpoints ---------------------------------------------------------------------


@pytest.mark.parametrize("rms_prop", [False, True])
def test_saved_and_read_again(tmp_path, rms_prop):
    cm.CUDAMatrix.init_random(1)
    options = {"init_type": "UNIFORM", "scale": 1.0, "epsilon": 0.1, "momentum": 0.9}
    saved = param_of(**options, rms_prop=rms_prop)
    for _ in range(3):
        saved.dw.fill_with_randn()
        saved.update()
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        saved.save(file)
    arrays, attributes = read_h5(path)
    names = ["lstm_1:w_dense", "lstm_1:w_dense_grad"]
    names += ["lstm_1:w_dense_rms_prop"] if rms_prop else []
    assert sorted(arrays) == names
    assert {array.shape for array in arrays.values()} == {SHAPE}
    assert attributes == {"lstm_1:w_dense_t": 3}
    read = param_of(**options, rms_prop=rms_prop)
    with h5py.File(path) as file:
        read.load(file)
    # both go on alike, to the byte
    for _ in range(2):
        saved.dw.assign(0.5)
        read.dw.assign(0.5)
        saved.update()
        read.update()
        np.testing.assert_array_equal(values(read), values(saved))
    assert read.t == 5


def test_what_is_missing_starts_afresh(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["lstm_1:w_dense"] = np.full(SHAPE, 2.0)
    param = param_of(epsilon=0.1, rms_prop=True)
    param.dw.assign(3.0)
    param.update()
    with h5py.File(path) as file:
        param.load(file)
    np.testing.assert_array_equal(values(param), np.full(SHAPE, 2.0))
    np.testing.assert_array_equal(param.history.asarray(), np.zeros(SHAPE))
    np.testing.assert_array_equal(param.rms.asarray(), np.ones(SHAPE))
    assert param.t == 0


@pytest.mark.parametrize("suffix", ["", "_grad", "_rms_prop"])
def test_wrong_shapes_are_named(tmp_path, suffix):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        for name in ("", "_grad", "_rms_prop"):
            shape = (4, 3) if name == suffix else SHAPE
            file[f"lstm_1:w_dense{name}"] = np.ones(shape)
    with h5py.File(path) as file:
        message = message_of(param_of(rms_prop=True).load, file)
    assert message == (
        f"{path}: dataset 'lstm_1:w_dense{suffix}' has shape (4, 3) and type float64, "
        "but the weight lstm_1:w_dense needs numbers of shape (3, 4)"
    )


def test_a_missing_weight_is_named(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["lstm_2:w_dense"] = np.ones(SHAPE)
    with h5py.File(path) as file:
        message = message_of(param_of().load, file)
    assert message == (
        f"{path}: it has no dataset 'lstm_1:w_dense' for the weight lstm_1:w_dense"
    )
