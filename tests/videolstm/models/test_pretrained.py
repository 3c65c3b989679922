"""The field `pretrained`: a layer that starts from another model's."""

import re

import h5py
import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import describe, describe_classifier, make, weights_of
from videolstm.config_check import check_classifier
from videolstm.errors import UserError
from videolstm.models.checkpoint import Progress, save_checkpoint
from videolstm.models.classifier import make_classifier
from videolstm.training.run_files import RunFiles

TAKEN = ("w_dense", "w_diag", "b", "w_input")


@pytest.fixture
def trained(tmp_path):
    """A composite model of two layers of 4 and 3 units, and the files of its run."""
    config = describe(units=(4, 3), checkpoint_dir=str(tmp_path / "runs"))
    model = make(config)
    for param in model.params:
        param.history.assign(1.0)
        param.t = 9
    files = RunFiles(config, tmp_path / "model.pbtxt")
    save_checkpoint(files.weights, model.params, Progress(iteration=9))
    return model, files


def classifier(path, layers=("lstm_1_enc", "lstm_2_enc"), units=(4, 3), **kw):
    """A classifier whose layers start from those, and its weights if they did not."""
    config = describe_classifier(units, **kw)
    cm.CUDAMatrix.init_random(2)
    plain = weights_of(make_classifier(config, "c.pbtxt", 3))
    for layer, name in zip(config.lstm, layers, strict=True):
        if name:
            layer.pretrained.checkpoint, layer.pretrained.layer = str(path), name
    cm.CUDAMatrix.init_random(2)
    return make_classifier(config, "c.pbtxt", 3), plain


@pytest.mark.parametrize("named", ["weights", "description"])
def test_a_whole_layer_is_taken(trained, named):
    composite, files = trained
    model, plain = classifier(getattr(files, named))
    theirs, ours = weights_of(composite), weights_of(model)
    for k in (1, 2):
        for weight in TAKEN:
            np.testing.assert_array_equal(
                ours[f"lstm_{k}:{weight}"], theirs[f"lstm_{k}_enc:{weight}"]
            )
    for weight in ("w_output", "b_output"):  # an encoder has none
        np.testing.assert_array_equal(
            ours[f"lstm_2:{weight}"], plain[f"lstm_2:{weight}"]
        )
    assert {param.t for param in model.params} == {0}
    assert not any(param.history.asarray().any() for param in model.params)


def test_one_layer_of_two(trained):
    model, plain = classifier(trained[1].weights, layers=("lstm_1_enc", None))
    ours = weights_of(model)
    for name in plain:
        taken = name.split(":")[0] == "lstm_1"
        assert np.array_equal(ours[name], plain[name]) != taken, name


def test_the_place_is_kept_in_the_description(trained, tmp_path, monkeypatch):
    # also where a run's .pbtxt, found beside the description, stood for its newest .h5
    files = trained[1]
    monkeypatch.chdir(tmp_path)
    config = describe_classifier((4,))
    config.lstm[0].pretrained.checkpoint = files.description.name
    config.lstm[0].pretrained.layer = "lstm_1_enc"
    model = make_classifier(config, files.folder / "c.pbtxt", 3)
    assert model.config.lstm[0].pretrained.checkpoint == str(files.weights)


def test_a_decoder_may_start_from_it_too(trained):
    # a layer without an input takes no w_input
    config = describe(units=(4,))
    layer = config.lstm_dec[0]
    assert not layer.has_input
    layer.pretrained.checkpoint = str(trained[1].weights)
    layer.pretrained.layer = "lstm_1_enc"
    ours = weights_of(make(config))
    theirs = weights_of(trained[0])
    for weight in TAKEN[:3]:
        np.testing.assert_array_equal(
            ours[f"lstm_1_dec:{weight}"], theirs[f"lstm_1_enc:{weight}"]
        )


def test_block_that_is_left_out_keeps_the_pretrained_weight(trained):
    config = describe_classifier((4,))
    config.lstm[0].ClearField("w_diag")
    config.lstm[0].ClearField("b_output")
    config.lstm[0].pretrained.checkpoint = str(trained[1].weights)
    config.lstm[0].pretrained.layer = "lstm_1_enc"
    assert check_classifier(config, "c.pbtxt") == [
        "c.pbtxt: lstm_1 has no block w_diag, so that weight stays as it was "
        "pretrained",
        "c.pbtxt: lstm_1 has no block b_output, so that weight is zero and never "
        "learns",
    ]


# ---- mistakes ------------------------------------------------------------------------


def mistake(path, **kw) -> str:
    with pytest.raises(UserError) as caught:
        classifier(path, **kw)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_shape_names_both(trained):
    weights = trained[1].weights
    said = mistake(weights, layers=("lstm_1_enc",), units=(6,))
    for part in (
        weights,
        "'lstm_1_enc:w_dense'",
        "(16, 4)",
        "lstm_1:w_dense",
        "(24, 6",
    ):
        assert str(part) in said
    said = mistake(weights, layers=("lstm_1_enc",), units=(4,), dims=7)
    for part in ("'lstm_1_enc:w_input'", "(16, 5)", "lstm_1:w_input", "(16, 7)"):
        assert part in said


def test_a_layer_that_is_not_there(trained):
    said = mistake(trained[1].weights, layers=("lstm_9", None))
    assert "c.pbtxt: the field pretrained.layer of lstm_1 is 'lstm_9'" in said
    assert "has lstm_1_dec, lstm_1_enc, lstm_1_fut, lstm_2_dec" in said


def test_a_checkpoint_that_is_not_there(trained, tmp_path):
    said = mistake(tmp_path / "no.h5")
    assert "the field pretrained.checkpoint of lstm_1 names" in said
    assert "there is no such file" in said


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "text.h5").write_text("weights")
    assert "text.h5: cannot be read as an .h5 file" in mistake(tmp_path / "text.h5")
    with h5py.File(tmp_path / "empty.h5", "w"):
        pass
    assert "empty.h5, which has none" in mistake(tmp_path / "empty.h5")


def test_a_run_that_left_no_checkpoint(trained):
    files = trained[1]
    files.weights.unlink()
    said = mistake(files.description)
    assert re.search(r"none of the timestamps in that file has an \.h5", said)


@pytest.mark.parametrize("field", ["checkpoint", "layer"])
def test_both_are_needed(field):
    config = describe_classifier()
    config.lstm[0].pretrained.checkpoint = "a.h5"
    config.lstm[0].pretrained.layer = "lstm_1_enc"
    config.lstm[0].pretrained.ClearField(field)
    with pytest.raises(UserError, match=f"lstm_1.pretrained.{field} is missing"):
        check_classifier(config, "c.pbtxt")
