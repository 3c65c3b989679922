"""Would it run with this model? The answer is that of the programs themselves."""

import h5py
import numpy as np
import pytest

from tests.commands import shapes_of, small_model, write_release_checkpoint
from tests.videolstm.helpers import describe, describe_classifier
from videolstm.config import messages, write_text
from videolstm.contents.kinds import contents_of

SIDE, FRAMES, CLIPS = 9, 6, 8


@pytest.fixture
def folder(tmp_path):
    """Clips, digits and labelled videos whose frames are 9x9."""
    rng = np.random.RandomState(0)
    clips = rng.randint(0, 256, (CLIPS, FRAMES, SIDE, SIDE)).astype(np.uint8)
    np.save(tmp_path / "clips.npy", clips)
    np.save(tmp_path / "unit.npy", (clips / 255).astype(np.float32))
    np.save(tmp_path / "far.npy", clips.astype(np.float32) * 2)
    np.save(tmp_path / "black.npy", np.zeros_like(clips))
    with h5py.File(tmp_path / "digits.h5", "w") as file:
        file["train"] = rng.rand(3, 8, 8).astype(np.float32)
    for name, low in (("unit", 0.0), ("signed", -1.0)):
        _write_labelled(tmp_path, name, low + (1 - low) * rng.rand(20, SIDE**2))
    frames = rng.rand(20, SIDE**2)
    frames[11, 5] = np.nan
    _write_labelled(tmp_path, "nan", frames)
    return tmp_path


def _write_labelled(folder, name, frames):
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file["x"] = frames.astype(np.float32)
    (folder / f"{name}_num_frames.txt").write_text("12\n8\n")
    (folder / f"{name}_labels.txt").write_text("0\n2\n")


def composite(**fields):
    return describe(dims=SIDE**2, dec=3, future=3, **fields)


MODELS = {
    "binary": composite(binary_data=True),
    "real": composite(),
    "rectified": composite(relu_data=True),
    "squashed": composite(squash_relu=True),
    "long": describe(dims=SIDE**2, dec=5, future=5),
    "wide": describe(dims=100),
    "classifier": describe_classifier(dims=SIDE**2, classes=3),
    "few classes": describe_classifier(dims=SIDE**2, classes=2),
    "broken": messages().Model(name="x", dec_seq_length=3),
}

# file, model: what is said: why not, or None; and a part of the notes
ANSWERS = [
    ("clips.npy", "binary", None, ""),
    ("clips.npy", "real", None, "8 clips of 6 frames; the file has clips first"),
    ("clips.npy", "long", "it should be (clips, 10 or more frames, 9, 9)", ""),
    ("clips.npy", "wide", "a frame has 81 numbers, and it should have the 100", ""),
    ("clips.npy", "classifier", "it should be LABELLED, because a classifier", ""),
    ("clips.npy", "broken", "m.pbtxt: the field lstm is missing", ""),
    ("unit.npy", "binary", None, "VIDEO_PATCH divides by 255: multiply it by 255"),
    ("black.npy", "binary", None, "every value is 0: there is nothing to learn"),
    ("far.npy", "binary", "and values should be from 0 to 255", ""),
    ("digits.h5", "binary", None, ""),
    ("digits.h5", "wide", None, ""),
    ("digits.h5", "classifier", "digits are no clips with labels: make some with", ""),
    ("unit.h5", "binary", None, ""),
    ("unit.h5", "classifier", None, ""),
    ("unit.h5", "few classes", "a video is 2, and it should be from 0 to 1", ""),
    ("unit.h5", "long", None, "skipped 1 of 2 videos, which are shorter than num_fr"),
    ("signed.h5", "binary", "binary_data in m.pbtxt needs probabilities", ""),
    ("signed.h5", "squashed", "squash_relu in m.pbtxt needs 0 or more", ""),
    ("signed.h5", "rectified", None, "and relu_data clamps outputs at 0"),
    ("signed.h5", "real", None, ""),
    ("nan.h5", "real", "has nan in row 11 (video 0, frame 11), column 5", ""),
]  # fmt: skip


@pytest.mark.parametrize(("file", "model", "why", "note"), ANSWERS)
def test_answers(folder, monkeypatch, file, model, why, note):
    monkeypatch.chdir(folder)
    verdict = contents_of(file).runs_with(MODELS[model], "m.pbtxt")
    if why is None:
        assert verdict.why is None
    else:
        assert why in verdict.why
    assert note in "\n".join(verdict.notes)


@pytest.mark.parametrize(
    ("file", "model"),
    [(f, m) for f, m, why, _ in ANSWERS if why is None],
)
def test_a_yes_means_that_it_trains(folder, monkeypatch, file, model):
    """With the description that is offered, the programs take the data."""
    from videolstm.config import read_data
    from videolstm.config_check import check_clips, check_labelled_clips
    from videolstm.data import make_data_handler

    monkeypatch.chdir(folder)
    verdict = contents_of(file).runs_with(MODELS[model], "m.pbtxt")
    (folder / "offered.pbtxt").write_text(verdict.description)
    handler = make_data_handler(read_data("offered.pbtxt"), "offered.pbtxt")
    check = check_labelled_clips if model == "classifier" else check_clips
    check(MODELS[model], "m.pbtxt", handler)
    assert np.isfinite(handler.next_batch().frames).all()


def test_a_description_beside_the_file_counts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "clips.pbtxt").write_text(
        'dataset_type: VIDEO_PATCH data_file: "clips.npy" num_frames: 5 batch_size: 2 '
        "image_size: 9"
    )
    verdict = contents_of("clips.npy").runs_with(MODELS["real"], "m.pbtxt")
    assert "clips.pbtxt: the field num_frames is 5, and it should be 6" in verdict.why
    assert verdict.description is None
    again = contents_of("clips.pbtxt").runs_with(MODELS["real"], "m.pbtxt")
    assert again.why == verdict.why


def test_a_feature_file_alone(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "unit_num_frames.txt").unlink()
    verdict = contents_of("unit.h5").runs_with(MODELS["real"], "m.pbtxt")
    assert "it should be in unit_num_frames.txt beside it, one number" in verdict.why


# ---- checkpoints ---------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    write_release_checkpoint(tmp_path / "c" / "m.h5", small_model())
    return tmp_path / "c" / "m.h5"


def test_a_checkpoint_and_its_model(checkpoint):
    assert contents_of(checkpoint).runs_with(small_model(), "m.pbtxt").why is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.lstm[0].ClearField("num_hid"), "lstm_1_enc.num_hid is 0"),
        (lambda m: setattr(m.lstm[0], "name", "other"), "no dataset 'other:w_dense'"),
    ],
)
def test_a_checkpoint_and_another_model(checkpoint, change, says):
    model = small_model()
    change(model)
    assert says in contents_of(checkpoint).runs_with(model, "m.pbtxt").why


def test_weights_of_another_shape(checkpoint):
    name, shape = "lstm_1_enc:w_input", shapes_of(small_model())["lstm_1_enc:w_input"]
    with h5py.File(checkpoint, "r+") as file:
        del file[name]
        file[name] = np.zeros((shape[0], 7), np.float32)
        file["lstm_9:w_dense"] = np.zeros((4, 1), np.float32)
    why = contents_of(checkpoint).runs_with(small_model(), "m.pbtxt").why
    assert f"the dataset '{name}' has the shape ({shape[0]}, 7)" in why
    assert f"m.pbtxt wants real numbers of shape {shape}" in why
    with h5py.File(checkpoint, "r+") as file:
        del file[name]
        file[name] = np.zeros(shape, np.float32)
    (note,) = contents_of(checkpoint).runs_with(small_model(), "m.pbtxt").notes
    assert note == "m.pbtxt does not use lstm_9:w_dense"


def test_a_model_is_not_run_with_a_model(tmp_path):
    from videolstm.errors import UserError

    write_text(MODELS["real"], tmp_path / "m.pbtxt")
    with pytest.raises(UserError, match="this is a model itself; name the data"):
        contents_of(tmp_path / "m.pbtxt").runs_with(MODELS["real"], "m.pbtxt")
