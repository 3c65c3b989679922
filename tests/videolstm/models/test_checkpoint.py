"""Checkpoints: the release's are read, ours can be read as the release reads."""

import h5py
import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import (
    GOLDEN,
    describe,
    difference,
    frames_of,
    make,
    random_frames,
    read_h5,
    tolerance,
)
from videolstm.config import read_model
from videolstm.errors import UserError
from videolstm.models.checkpoint import (
    Progress,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from videolstm.models.composite import LSTMCombo

FOLDER = GOLDEN / "checkpoint"
NAME = "lstm_combo_20150402101112"
ARRAYS, _ = read_h5(FOLDER / "expect.h5")


def group(path: str) -> dict[str, np.ndarray]:
    """The expected arrays below a path."""
    path = f"expect/{path}/"
    return {k.removeprefix(path): v for k, v in ARRAYS.items() if k.startswith(path)}


def assert_same(actual: dict, expected: dict) -> None:
    wrong = {k: difference(actual[k], v) for k, v in expected.items()}
    assert expected and not {k: v for k, v in wrong.items() if not v <= tolerance()}


# ---- the release's checkpoint --------------------------------------------------------


@pytest.fixture
def golden():
    """The release's model after 3 updates, loaded, and a batch of frames."""
    path = FOLDER / f"{NAME}.pbtxt"
    config = read_model(path)
    config.reproduce_2016_release = True
    frames = frames_of(ARRAYS["input/v"], 6)
    model = LSTMCombo(config, path, len(frames))
    progress = load_checkpoint(find_checkpoint(config, path), model.params)
    assert progress == Progress(iteration=None)
    assert {param.t for param in model.params} == {3}
    return model, frames


@pytest.mark.parametrize("phase", ["test", "train"])
def test_golden_outputs_and_losses(golden, phase):
    model, frames = golden
    model.load(frames)
    model.fprop(train=phase == "train")
    model.add_losses(model.valid_losses)
    losses = model.valid_losses.take()
    actual = {}
    for k, (part, decoder) in enumerate(
        (("dec", model.decoder), ("fut", model.future))
    ):
        flat = decoder.predictions().transpose(1, 0, 2).reshape(frames.shape[1], -1)
        actual[f"v_{part}"] = flat
        actual[f"loss_{part}_raw"] = losses[k]
        actual[f"loss_{part}_per_frame"] = losses[k] / (3 * frames.shape[1])
    expected = group(phase)
    assert actual.keys() == expected.keys()
    assert_same(actual, expected)


def test_golden_updates_go_on(golden, tmp_path):
    model, frames = golden
    for _ in range(2):
        model.train_step(frames)
    save_checkpoint(tmp_path / "two.h5", model.params, Progress(iteration=5))
    arrays, attributes = read_h5(tmp_path / "two.h5")
    assert_same(arrays, group("after_2_more_updates"))
    counts = {v for k, v in attributes.items() if k.endswith("_t")}
    assert counts == {int(ARRAYS["expect/t_after"])}


def test_what_is_saved_is_what_the_release_reads(golden, tmp_path):
    # The release takes datasets and attributes by these names, and shapes as they are.
    model, _ = golden
    save_checkpoint(tmp_path / "ours.h5", model.params, Progress(iteration=3))
    with h5py.File(tmp_path / "ours.h5") as ours, h5py.File(FOLDER / f"{NAME}.h5") as r:
        assert set(ours) - {"resume"} == set(r)
        assert dict(ours.attrs) == dict(r.attrs)
        for name in r:
            assert ours[name].shape == r[name].shape
            assert ours[name].dtype == cm.real_type()
            np.testing.assert_array_equal(ours[name][...], r[name][...])


# ---- saved and read again ------------------------------------------------------------


def trained_model(seed: int, steps: int) -> LSTMCombo:
    config = describe(dropprob=(0.3, 0.0))
    for layer in (*config.lstm, *config.lstm_dec, *config.lstm_future):
        layer.w_dense.rms_prop = True
    model = make(config, seed=seed)
    for step in range(steps):
        model.train_step(random_frames(model, 4, seed=step))
    return model


def everything(model: LSTMCombo) -> dict[str, bytes]:
    """All that a weight is, bit for bit."""
    parts = {}
    for param in model.params:
        for kind in ("w", "history", "rms"):
            matrix = getattr(param, kind)
            value = b"" if matrix is None else matrix.asarray().tobytes()
            parts[param.name, kind] = value
        parts[param.name, "t"] = param.t
    return parts


def test_a_round_trip_loses_nothing(tmp_path):
    model = trained_model(seed=1, steps=3)
    data = {
        "dataset_type": "BOUNCING_MNIST",
        "rng_key": np.arange(624, dtype=np.uint32),
        "rng_position": 17,
    }
    progress = Progress(123, (0.1, 2 / 3), 7, data)
    cm.random_state.seed, cm.random_state.offset = 2**64 - 1, 2**63 + 5
    save_checkpoint(tmp_path / "a.h5", model.params, progress)
    saved = everything(model)
    assert saved["lstm_1_enc:w_dense", "rms"]

    other = trained_model(seed=2, steps=1)
    assert everything(other) != saved
    cm.random_state.seed, cm.random_state.offset = 1, 2
    read = load_checkpoint(tmp_path / "a.h5", other.params)
    assert everything(other) == saved
    assert (cm.random_state.seed, cm.random_state.offset) == (2**64 - 1, 2**63 + 5)
    assert (read.iteration, read.losses, read.loss_cases) == (123, (0.1, 2 / 3), 7)
    assert read.data.keys() == data.keys()
    assert all(np.array_equal(read.data[key], data[key]) for key in data)


def test_weights_are_read_in_either_precision(tmp_path):
    model = trained_model(seed=1, steps=1)
    expected = {}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for param in model.params:
            values = np.random.RandomState(1).rand(*param.shape).astype(np.float32)
            file[param.name] = expected[param.name] = values.astype(
                np.float32 if cm.real_type() == np.float64 else np.float64
            )
    load_checkpoint(tmp_path / "a.h5", model.params)
    for param in model.params:
        np.testing.assert_array_equal(param.w.asarray(), expected[param.name])
        assert (param.t, np.abs(param.history.asarray()).max()) == (0, 0)


def test_writing_that_fails_leaves_the_old_file(tmp_path):
    model = trained_model(seed=1, steps=1)
    path = tmp_path / "a.h5"
    save_checkpoint(path, model.params, Progress(1))
    before = path.read_bytes()

    class Broken:
        def save(self, file):
            raise RuntimeError("the board is lost")

    with pytest.raises(RuntimeError, match="the board is lost"):
        save_checkpoint(path, [*model.params, Broken()], Progress(2))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# The last four made h5py raise something else than OSError.
@pytest.mark.parametrize("seed", [*range(20), 28, 125, 458, 1086])
def test_damaged_files_are_sentences(seed, tmp_path):
    # Bytes changed in the part of the file where its structure is: it may still be
    # readable, but nothing other than a sentence may come of it.
    path = tmp_path / "a.h5"
    model = make(describe(units=(1,), dims=1))
    save_checkpoint(path, model.params, Progress(1))
    damaged = bytearray(path.read_bytes())
    rng = np.random.RandomState(seed)
    for place in rng.randint(0, 6000, size=1 + seed % 8):
        damaged[place] = rng.randint(256)
    path.write_bytes(damaged)
    try:
        load_checkpoint(path, model.params)
    except UserError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)


# ---- finding one ---------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("place", ["runs", "models/runs", "models"])
def test_where_a_checkpoint_is_looked_for(folder, place):
    config = describe(checkpoint_dir="runs", timestamp=["2014", "2015", "2016"])
    path = folder / "models" / "model.pbtxt"
    (folder / place).mkdir(parents=True)
    assert find_checkpoint(config, path) is None
    for name in ("model_2014.h5", "model_2015.h5", "model_2015_best.h5"):
        (folder / place / name).touch()
    found = find_checkpoint(config, path)
    assert found.samefile(folder / place / "model_2015.h5")
    found = find_checkpoint(config, path, "_best")
    assert found.samefile(folder / place / "model_2015_best.h5")
