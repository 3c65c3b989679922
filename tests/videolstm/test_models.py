"""The descriptions that are shipped: they parse, fit each other, and hold the release's
values."""

from pathlib import Path

import pytest

from videolstm.config import messages, read_data, read_model
from videolstm.config_check import check_classifier, check_composite

ROOT = Path(__file__).parents[2]
MODELS = sorted((ROOT / "models").glob("*.pbtxt"))
DATASETS = sorted((ROOT / "datasets").glob("*.pbtxt"))

RELEASED_MODELS = [
    "lstm_classifier_1layer_ucf101_features",
    "lstm_combo_1layer_mnist",
    "lstm_combo_1layer_mnist_pretrained",
    "lstm_combo_1layer_ucf101_patches",
    "lstm_combo_1layer_ucf101_patches_pretrained",
    "lstm_combo_2layer_mnist",
]

# model: data set of its training, (layers, units, numbers in a frame)
PAIRS = {
    "lstm_combo_1layer_mnist": ("bouncing_mnist", (1, 2048, 4096)),
    "lstm_combo_1layer_mnist_pretrained": ("bouncing_mnist", (1, 2048, 4096)),
    "lstm_combo_2layer_mnist": ("bouncing_mnist", (2, 2048, 4096)),
    "lstm_combo_1layer_mnist_2015": ("bouncing_mnist_2015", (1, 2048, 4096)),
    "lstm_combo_1layer_mnist_2015_512": ("bouncing_mnist_2015", (1, 512, 4096)),
    "lstm_combo_1layer_ucf101_patches": ("ucf101_patches", (1, 2048, 3072)),
    "lstm_combo_1layer_ucf101_patches_pretrained": ("ucf101_patches", (1, 2048, 3072)),
    "lstm_combo_mnist_cpu": ("bouncing_mnist_cpu", (1, 512, 2304)),
    "lstm_combo_demo": ("bouncing_demo", None),
    "lstm_combo_few_labels": ("bouncing_demo", (1, 128, 1600)),
}

# Models of features: their data, (layers, units, numbers in a frame, frames, classes)
FEATURES = {
    "lstm_combo_1layer_ucf101_features": (
        "ucf101_features_pretrain",
        (1, 2048, 4096, 29, 0),
    ),
    "lstm_classifier_1layer_ucf101_features": (
        "ucf101_features",
        (1, 2048, 4096, 16, 101),
    ),
    "lstm_classifier_1layer_ucf101_features_pretrained": (
        "ucf101_features",
        (1, 2048, 4096, 16, 101),
    ),
}

# Models of data that the few-label experiment makes, and what starts from what.
FEW_LABELS = [
    "logreg_few_labels",
    "lstm_classifier_few_labels",
    "lstm_classifier_few_labels_pretrained",
]
STARTS_FROM = {
    "lstm_classifier_few_labels_pretrained": "lstm_combo_few_labels",
    "lstm_classifier_1layer_ucf101_features_pretrained": (
        "lstm_combo_1layer_ucf101_features"
    ),
}


def model_named(name):
    path = ROOT / "models" / f"{name}.pbtxt"
    return read_model(path), path


def params(model):
    """(layer, block, Param) of every weight."""
    for stack in (model.lstm, model.lstm_dec, model.lstm_future):
        for layer in stack:
            for field, value in layer.ListFields():
                if field.message_type is messages().Param.DESCRIPTOR:
                    yield layer.name, field.name, value


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_are_sound_and_introduce_themselves(path):
    model = read_model(path)
    check = check_composite if "combo" in path.name else check_classifier
    assert check(model, path) == []
    assert path.read_text().startswith("# ")
    assert not Path(model.checkpoint_dir).is_absolute()
    assert not any(Path(p.file_name).is_absolute() for _, _, p in params(model))


@pytest.mark.parametrize("path", DATASETS, ids=lambda path: path.stem)
def test_data_sets_parse_and_introduce_themselves(path):
    data = read_data(path)
    assert path.read_text().startswith("# ")
    assert data.data_file and not Path(data.data_file).is_absolute()


def test_all_are_known_here():
    known = {*RELEASED_MODELS, *PAIRS, *FEATURES, *FEW_LABELS}
    assert {path.stem for path in MODELS} == known


@pytest.mark.parametrize("name", FEATURES)
def test_models_of_features_fit_their_data(name):
    dataset, sizes = FEATURES[name]
    model, _ = model_named(name)
    data = read_data(ROOT / "datasets" / f"{dataset}.pbtxt")
    bottom, top = model.lstm[0], model.lstm[-1]
    found = (len(model.lstm), bottom.num_hid, bottom.input_dims)
    assert (*found, data.num_frames, top.output_dims) == sizes
    if not sizes[-1]:
        assert model.dec_seq_length + model.future_seq_length == data.num_frames


@pytest.mark.parametrize("name", STARTS_FROM)
def test_pretrained_classifiers_fit_the_encoder_that_they_start_from(name):
    layer, encoder = model_named(name)[0].lstm[0], model_named(STARTS_FROM[name])[0]
    (source,) = encoder.lstm
    assert layer.pretrained.layer == source.name
    assert not Path(layer.pretrained.checkpoint).is_absolute()
    sizes = [(one.num_hid, one.input_dims) for one in (layer, source)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("name", PAIRS)
def test_models_fit_their_data(name):
    dataset, sizes = PAIRS[name]
    model, _ = model_named(name)
    data = read_data(ROOT / "datasets" / f"{dataset}.pbtxt")
    encoder = model.lstm[0]
    dims = max(1, data.num_colors) * data.image_size**2
    assert encoder.input_dims == dims
    assert model.dec_seq_length + model.future_seq_length == data.num_frames == 20
    if sizes:
        assert (len(model.lstm), encoder.num_hid, dims) == sizes


def test_validation_sets_fit_their_training_sets():
    for name in (
        "bouncing_mnist",
        "bouncing_demo",
        "ucf101_patches",
        "ucf101_features",
    ):
        train = read_data(ROOT / "datasets" / f"{name}.pbtxt")
        valid = read_data(ROOT / "datasets" / f"{name}_valid.pbtxt")
        for field in ("num_frames", "image_size", "num_colors", "dataset_name"):
            assert getattr(train, field) == getattr(valid, field)


def near(value):
    # A float32 field read back is within half a unit in the last place, 6e-8.
    return pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize(
    "name", [name for name in RELEASED_MODELS if name.startswith("lstm_combo")]
)
def test_composite_models_learn_as_in_the_release(name):
    model, _ = model_named(name)
    assert model.name == "lstm_combo"
    patches = "ucf101" in name
    assert model.max_iters == (100_000 if patches else 10_000_000)
    assert (model.print_after, model.validate_after, model.save_after) == (
        100,
        500,
        500,
    )
    assert model.dec_conditional and model.future_conditional
    assert model.binary_data != patches
    for layer, block, param in params(model):
        assert param.epsilon == near(1e-4)
        assert param.momentum == near(0.9)
        assert param.gradient_clip == near(1e-4)
        assert param.eps_decay_factor == near(0.9)
        assert param.eps_decay_after == 10_000
        assert param.l2_decay == near(0 if block.startswith("b") else 1e-4)
        kind = type(param).InitType.Name(param.init_type)
        if "pretrained" in name:
            assert kind == "PRETRAINED"
            assert param.dataset_name == f"{layer}:{block}"
        elif block.startswith("b"):
            assert (kind, param.scale) == ("CONSTANT", 0)
        else:
            scale = 0.1 if block == "w_diag" else 0.01
            assert (kind, param.scale) == ("UNIFORM", near(scale))


@pytest.mark.parametrize("name", [name for name in PAIRS if "2015" in name])
def test_2015_models_learn_as_in_the_2015_release(name):
    model, _ = model_named(name)
    assert not model.dec_conditional and not model.future_conditional
    for _, block, param in params(model):
        assert param.rms_prop
        assert param.rms_prop_factor == near(0.95)
        assert param.epsilon == near(1e-3)
        assert param.momentum == near(0.9)
        assert param.gradient_clip == near(1e-3)
        if block == "b":
            assert type(param).InitType.Name(param.init_type) == "LSTM_BIAS"
            assert param.forget_gate_bias == 5


def test_classifier_learns_as_in_the_release():
    model, _ = model_named("lstm_classifier_1layer_ucf101_features")
    (layer,) = model.lstm
    assert (layer.input_dims, layer.num_hid, layer.output_dims) == (4096, 2048, 101)
    starts = {
        "w_dense": ("UNIFORM", 0.01),
        "w_input": ("UNIFORM", 0.001),
        "w_output": ("GAUSSIAN", 0.001),
    }
    for _, block, param in params(model):
        kind, scale = starts.get(block, ("CONSTANT", 0))
        assert type(param).InitType.Name(param.init_type) == kind
        assert param.scale == near(scale)
        assert param.epsilon == near(0 if block == "w_diag" else 1e-4)
        assert param.l2_decay == near(1e-5 if block in starts else 0)
        assert (param.momentum, param.gradient_clip) == (0, 0)


def test_data_sets_hold_the_values_of_the_release():
    def fields(name, *names):
        data = read_data(ROOT / "datasets" / f"{name}.pbtxt")
        return [getattr(data, field) for field in names]

    sizes = ("num_frames", "batch_size", "image_size", "num_digits")
    assert fields("bouncing_mnist", *sizes) == [20, 80, 64, 2]
    assert fields("bouncing_mnist", "step_length") == [near(0.1)]
    assert fields("bouncing_mnist_2015", *sizes) == [20, 128, 64, 2]
    assert fields("bouncing_mnist_valid", *sizes) == [20, 80, 64, 0]
    assert fields("bouncing_mnist_valid", "data_file") == ["bouncing_mnist_test.npy"]
    for name in ("ucf101_patches", "ucf101_patches_valid"):
        assert fields(name, *sizes, "num_colors") == [20, 100, 32, 0, 3]
    clips = ("dataset_name", "num_frames", "stride", "batch_size", "randomize")
    assert fields("ucf101_features", *clips) == ["hidden6", 16, 1, 128, True]
    assert fields("ucf101_features_valid", *clips) == ["hidden6", 16, 1, 128, False]
