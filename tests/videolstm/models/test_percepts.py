"""An encoder's states as features: the encoder in numpy, and what is written."""

import h5py
import numpy as np
import pytest

import cudamat as cm
from tests.commands import BOARD
from tests.videolstm.helpers import (
    describe,
    describe_classifier,
    difference,
    make,
    tolerance,
)
from tests.videolstm.models.test_classifier import sigmoid
from videolstm.config import read_data, read_model
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.models.checkpoint import Progress, save_checkpoint
from videolstm.models.classifier import make_classifier
from videolstm.models.percepts import Encoder
from videolstm.tools import percepts
from videolstm.training.run_files import RunFiles

DIMS, FRAMES = 5, 4
COUNTS, LABELS = (6, 3, 4, 9), (2, 0, 1, 1)  # the second video is too short


@pytest.fixture
def folder(tmp_path):
    """Labelled data, described by data.pbtxt; unlabelled.pbtxt is without labels."""
    rng = np.random.RandomState(1)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = rng.rand(sum(COUNTS), DIMS).astype(np.float32)
    (tmp_path / "counts.txt").write_text("".join(f"{n}\n" for n in COUNTS))
    (tmp_path / "classes.txt").write_text("".join(f"{k}\n" for k in LABELS))
    text = (
        'data_file: "data.h5" dataset_name: "x" num_frames_file: "counts.txt" '
        f"num_frames: {FRAMES} stride: 2 batch_size: 3 "
    )
    (tmp_path / "unlabelled.pbtxt").write_text(text)
    (tmp_path / "data.pbtxt").write_text(f'{text} labels_file: "classes.txt"')
    return tmp_path


def trained(folder, config=None, **kw):
    """A run of a composite model of two layers: its description and its weights."""
    config = config or describe(units=(4, 3), dims=DIMS, **kw)
    config.checkpoint_dir = str(folder / "runs")
    model = make(config)
    files = RunFiles(config, folder / "model.pbtxt")
    save_checkpoint(files.weights, model.params, Progress(iteration=3))
    return files.description, {
        p.name: p.w.asarray().astype(float) for p in model.params
    }


def plain_states(w, layers, x):
    """h and c of each layer at each frame, by numpy: name -> (frames, batch, 2n)."""
    states = {}
    for name in layers:
        get = {
            key.split(":")[1]: v for key, v in w.items() if key.startswith(f"{name}:")
        }
        n = get["w_dense"].shape[1]
        h = c = np.zeros((x.shape[1], n))
        ci, cf, co = get["w_diag"].reshape(3, n)
        rows = []
        for frame in x:
            z = frame @ get["w_input"].T + h @ get["w_dense"].T + get["b"]
            zi, zf, za, zo = np.split(z, 4, axis=1)
            i, f = sigmoid(zi + ci * c), sigmoid(zf + cf * c)
            c = f * c + i * np.tanh(za)
            h = sigmoid(zo + co * c) * np.tanh(c)
            rows.append(np.concatenate([h, c], axis=1))
        states[name] = np.array(rows)
        x = states[name][:, :, :n]
    return states


LAYERS = ("lstm_1_enc", "lstm_2_enc")


@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize("layer", [None, *LAYERS])
@pytest.mark.parametrize("state", ["h", "c", "both"])
def test_states_are_those_of_numpy(folder, layer, state, squash):
    # The encoder was trained on 3 frames and reads 4.
    path, w = trained(folder, squash_relu=squash, squash_relu_lambda=1.5)
    encoder = Encoder(read_model(path), path, FRAMES, layer, state)
    frames = np.random.RandomState(2).rand(FRAMES, 6, DIMS).astype(np.float32)
    x = frames.astype(float)
    x = 2 / (1 + np.exp(-1.5 * x)) - 1 if squash else x
    expected = plain_states(w, LAYERS, x)[layer or "lstm_2_enc"]
    n = expected.shape[2] // 2
    columns = {"h": slice(0, n), "c": slice(n, 2 * n), "both": slice(0, 2 * n)}[state]
    expected = expected[:, :, columns].transpose(1, 0, 2)
    every, last = encoder.encode(frames, per_frame=True), encoder.encode(frames)
    assert encoder.dims == expected.shape[2]
    assert difference(every, expected) <= tolerance()
    assert difference(last, expected[:, -1:]) <= tolerance()


def test_a_classifiers_layers_do_as_well(folder):
    config = describe_classifier((4,), checkpoint_dir=str(folder / "runs"))
    cm.CUDAMatrix.init_random(1)
    model = make_classifier(config, "c.pbtxt", FRAMES)
    files = RunFiles(config, folder / "c.pbtxt")
    save_checkpoint(files.weights, model.params, Progress())
    encoder = Encoder(config, files.description, FRAMES)
    frames = np.random.RandomState(2).rand(FRAMES, 2, DIMS).astype(np.float32)
    model.predict(frames)
    state = model.stack.top.state()
    both = np.concatenate([state.hidden.asarray(), state.cell.asarray()]).T
    np.testing.assert_array_equal(encoder.encode(frames)[:, 0], both)


def test_what_it_once_started_from_may_be_gone(folder):
    path, _ = trained(folder)
    config = read_model(path)
    config.lstm[0].pretrained.checkpoint = "gone.h5"
    config.lstm[0].pretrained.layer = "x"
    config.lstm[1].w_dense.init_type = 3  # PRETRAINED
    config.lstm[1].w_dense.file_name = config.lstm[1].w_dense.dataset_name = "gone"
    Encoder(config, path, FRAMES)
    assert config.lstm[0].pretrained.checkpoint == "gone.h5"  # untouched


# ---- the program ---------------------------------------------------------------------


def write(folder, *options, data="data.pbtxt"):
    path, w = trained(folder)
    out = folder / "f.h5"
    main = [str(path), str(folder / data), BOARD, "--out", str(out), *options]
    percepts.main(main)
    return out, w


def clips_of(folder):
    """All clips (frames, clips, dims), the video of each, by cutting by hand."""
    with h5py.File(folder / "data.h5") as file:
        rows = file["x"][()]
    clips, videos = [], []
    for video, count in enumerate(COUNTS):
        first = sum(COUNTS[:video])
        for start in range(0, count - FRAMES + 1, 2):
            clips.append(rows[first + start : first + start + FRAMES])
            videos.append(video)
    return np.array(clips).transpose(1, 0, 2), np.array(videos)


def test_features_are_labelled_data(folder, capsys):
    out, w = write(folder)
    clips, videos = clips_of(folder)
    expected = plain_states(w, LAYERS, clips.astype(float))["lstm_2_enc"][-1]
    with h5py.File(out) as file:
        rows = file["features"][()]
        assert rows.dtype == np.float32
        assert {k: v for k, v in file.attrs.items() if k in ("layer", "state")} == {
            "layer": "lstm_2_enc",
            "state": "both",
        }
    assert difference(rows, expected) <= max(tolerance(), 1e-7)  # float32
    counts = np.loadtxt(folder / "f_num_frames.txt", dtype=int)
    assert counts.tolist() == np.bincount(videos, minlength=4).tolist() == [2, 0, 1, 3]
    assert np.loadtxt(folder / "f_labels.txt", dtype=int).tolist() == list(LABELS)
    said = capsys.readouterr().out
    assert "a row of 6 numbers for each of 6 clips, from lstm_2_enc of" in said
    # and it is read back: a clip is a frame
    path = folder / "f.pbtxt"
    data = make_data_handler(read_data(path), path)
    batch = next(data.epoch(100))
    np.testing.assert_array_equal(batch.frames[0], rows)
    np.testing.assert_array_equal(batch.labels, np.array(LABELS)[videos])
    np.testing.assert_array_equal(data.videos, videos)


def test_states_of_each_frame(folder):
    out, w = write(folder, "--per-frame", "--state", "h", "--layer", "lstm_1_enc")
    clips, videos = clips_of(folder)
    expected = plain_states(w, LAYERS, clips.astype(float))["lstm_1_enc"][:, :, :4]
    path = folder / "f.pbtxt"
    data = make_data_handler(read_data(path), path)
    batch = next(data.epoch(100))
    assert difference(batch.frames, expected) <= max(tolerance(), 1e-7)
    np.testing.assert_array_equal(batch.labels, np.array(LABELS)[videos])


def test_data_without_labels(folder):
    write(folder, data="unlabelled.pbtxt")
    assert not (folder / "f_labels.txt").exists()
    assert not read_data(folder / "f.pbtxt").labels_file


# ---- mistakes ------------------------------------------------------------------------


def run(folder, path, *options, data="data.pbtxt"):
    with pytest.raises(UserError) as caught:
        out = ("--out", str(folder / "f.h5"))
        percepts.main([str(path), str(folder / data), BOARD, *out, *options])
    assert not (folder / "f.h5").exists()
    return str(caught.value)


def test_mistakes(folder):
    path, _ = trained(folder)
    assert "--layer is 'x', and it should be a layer of lstm in" in run(
        folder, path, "--layer", "x"
    )
    assert "features are an .h5" in run(folder, path, "--out", "f.npy")
    own = str(folder / "data.h5")
    assert "data.pbtxt would be replaced" in run(folder, path, "--out", own)
    beside = str(path.with_suffix(".h5"))  # the checkpoint, and its model, of a run
    assert f"{path}: there is a description of something else, and it" in run(
        folder, path, "--out", beside
    )
    config = read_model(path)
    path.with_suffix(".h5").unlink()
    assert "none of its 1 timestamps has an .h5" in run(folder, path)
    config.ClearField("lstm")
    with pytest.raises(UserError, match="the field lstm is missing"):
        Encoder(config, path, FRAMES)


def test_frames_of_another_size(folder):
    path, _ = trained(folder, describe(units=(4, 3), dims=7))
    assert "a frame has 5 numbers, and it should have the 7 that" in run(folder, path)
