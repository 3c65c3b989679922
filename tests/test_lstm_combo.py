"""lstm_combo.py as a user runs it: what it prints, what it leaves, how it goes on."""

import shutil

import h5py
import numpy as np
import pytest

import cudamat as cm
from tests.commands import (
    BOARD,
    CLIPS,
    FILES,
    SIDE,
    Trained,
    printed_losses,
    small_model,
    train,
    write_files,
    write_release_checkpoint,
)
from tests.videolstm.helpers import GOLDEN, difference, frames_of, read_h5
from videolstm.config import read_model
from videolstm.models.composite import LSTMCombo

COLUMNS = ["iteration", "seconds", "dec", "fut", "vdec", "vfut"]


@pytest.fixture
def folder(tmp_path):
    """A folder with a model, data for training and for validation."""
    write_files(tmp_path, print_after=1)
    return tmp_path


# ---- the release's own run -----------------------------------------------------------


def golden_run(folder):
    """The release's run from its first weights: a checkpoint without an iteration."""
    for path in (GOLDEN / "e2e" / "combo").glob("*.*"):
        shutil.copy(path, folder)
    text = (folder / "model.pbtxt").read_text()
    text += 'timestamp: "20140101000000"\nreproduce_2016_release: true\n'
    (folder / "model.pbtxt").write_text(text)
    with (folder / "train.pbtxt").open("a") as file:
        file.write('data_file: "digits.h5"\n')
    (folder / "out").mkdir()
    start = folder / "out" / "lstm_combo_20140101000000.h5"
    (folder / "initial_weights.h5").rename(start)
    return train(folder, *FILES)


def test_golden_run(tmp_path):
    run = golden_run(tmp_path)
    double = cm.real_type() == np.float64
    # The release printed 5 digits, of numbers that are the same to 1e-9 or, in float
    # after six updates, to 2e-5.
    bits, relative = ("f64", 1e-9) if double else ("f32", 2e-5)
    golden = GOLDEN / "e2e" / "combo"
    expected = printed_losses((golden / f"stdout_{bits}.txt").read_text())
    assert list(run.losses) == list(expected)
    assert len(expected) == 10
    for key, value in expected.items():
        assert abs(run.losses[key] - value) <= relative * value + 1.01e-5, key

    # Both files hold float32 numbers, whose last digit may differ.
    relative = 1e-7 if double else 2e-5
    name = "lstm_combo_20150101000000.h5"
    arrays, attributes = read_h5(golden / f"expect_{bits}" / name)
    ours, our_attributes = run.checkpoint()
    assert arrays.keys() <= ours.keys() and attributes.keys() <= our_attributes.keys()
    assert {k: v for k, v in our_attributes.items() if k in attributes} == attributes
    wrong = {k: difference(ours[k], v) for k, v in arrays.items()}
    assert not {k: v for k, v in wrong.items() if not v <= relative}


# ---- what a run leaves ---------------------------------------------------------------


def test_a_run_leaves_description_checkpoint_and_log(folder):
    run = train(folder, *FILES)
    names = {path.name for path in (folder / "out").iterdir()}
    stem = f"model_{run.timestamp}"
    assert names == {f"{stem}{suffix}" for suffix in (".pbtxt", ".h5", ".csv", ".png")}
    expected = small_model(print_after=1)
    expected.timestamp.append(run.timestamp)
    assert read_model(run.description) == expected
    assert run.checkpoint()[1]["lstm_1_enc:b_t"] == 3


def test_log_has_a_row_for_each_printed_line(tmp_path):
    write_files(tmp_path, max_iters=6, print_after=2, validate_after=3)
    run = train(tmp_path, *FILES)
    with run.description.with_suffix(".csv").open() as file:
        assert file.readline().rstrip("\r\n").split(",")[:6] == COLUMNS
    assert [row["iteration"] for row in run.rows] == ["2", "3", "4", "6"]
    names = {"dec": "Dec", "fut": "Fut", "vdec": "VDec", "vfut": "VFut"}
    logged = {
        (int(row["iteration"]), name): round(float(row[column]), 5)
        for row in run.rows
        for column, name in names.items()
        if row[column]
    }
    assert logged == run.losses
    assert [name for _, name in logged] == [
        *("Dec", "Fut"),
        *("VDec", "VFut"),
        *("Dec", "Fut"),
        *("Dec", "Fut", "VDec", "VFut"),
    ]


def test_pictures_are_drawn_and_change_nothing(folder):
    plain = train(folder, *FILES)
    write_files(folder, print_after=1, display_after=2)
    drawn = train(folder, *FILES)
    pictures = list((folder / "out").glob("*_2.png"))
    assert pictures == [folder / "out" / f"model_{drawn.timestamp}_2.png"]
    assert pictures[0].read_bytes().startswith(b"\x89PNG")
    assert (drawn.weights(), drawn.rows) == (plain.weights(), plain.rows)


# ---- options -------------------------------------------------------------------------


def test_max_iters_option(folder):
    run = train(folder, *FILES, "--max-iters", 2)
    assert [row["iteration"] for row in run.rows] == ["1", "2"]
    assert run.checkpoint()[1]["lstm_1_enc:b_t"] == 2


def test_no_updates_save_the_first_weights(folder):
    run = train(folder, *FILES, "--max-iters", 0)
    assert "nothing to train, 0 steps are done and max_iters is 0" in run.output
    assert (run.rows, run.checkpoint()[1]["lstm_1_enc:b_t"]) == ([], 0)


def test_max_minutes_option_ends_a_run_with_a_checkpoint(folder):
    run = train(folder, *FILES, "--max-iters", 10**9, "--max-minutes", 0.005)
    steps = run.checkpoint()[1]["lstm_1_enc:b_t"]
    assert 1 <= steps < 10**6
    assert run.rows[-1]["iteration"] == str(steps)
    said = f"0.005 minutes are over after step {steps}; to go on: "
    assert f"\n{said}" in run.output
    assert f" {run.description.relative_to(folder)} " in run.output.partition(said)[2]


def test_seed_option_changes_weights_and_data(folder):
    first = train(folder, *FILES, "--max-iters", 0)
    assert train(folder, *FILES, "--max-iters", 0, "--seed", 42).weights() == (
        first.weights()
    )
    other = train(folder, *FILES, "--max-iters", 0, "--seed", 7)
    name = "lstm_1_enc:w_input"
    weights = [run.checkpoint()[0][name] for run in (first, other)]
    assert np.mean(weights[0] == weights[1]) < 0.01

    # The same weights, and so another loss only if the data are others.
    write_release_checkpoint(folder / "out" / "model_2014.h5", small_model())
    write_files(folder, print_after=1, max_iters=1, timestamp=["2014"])
    rows = [train(folder, *FILES, "--seed", seed).rows for seed in (42, 42, 7)]
    assert rows[0] == rows[1] != rows[2]


def test_out_option(folder):
    run = train(folder, *FILES, "--out", "there/deeper")
    assert run.description.parent == folder / "there" / "deeper"
    assert not (folder / "out").exists()
    assert read_model(run.description).checkpoint_dir == "there/deeper"
    # and it is continued from there
    again = train(folder, run.description, *FILES[1:], "--max-iters", 4)
    assert again.description.parent == run.description.parent
    assert [row["iteration"] for row in again.rows] == ["4"]


# ---- continuing ----------------------------------------------------------------------


def test_a_continued_run_equals_one_that_was_not_interrupted(tmp_path):
    # print_after 2: the mean loss of steps 3 and 4 straddles the checkpoint.
    write_files(tmp_path, max_iters=6, print_after=2, validate_after=3)
    whole = train(tmp_path, *FILES)
    first = train(tmp_path, *FILES, "--max-iters", 3)
    second = train(tmp_path, first.description, *FILES[1:])
    assert first.weights() != whole.weights()
    assert second.weights() == whole.weights()
    assert any(name.endswith("_rms_prop") for name in whole.weights())
    assert first.rows + second.rows == whole.rows
    assert [row["iteration"] for row in second.rows] == ["4", "6"]
    # also in what a third run would go on with
    arrays = [run.checkpoint()[0] for run in (second, whole)]
    resume = [{k: v for k, v in a.items() if ":" not in k} for a in arrays]
    assert resume[0].keys() == resume[1].keys() and resume[0]
    assert all((resume[0][k] == resume[1][k]).all() for k in resume[0])
    attributes = [run.checkpoint()[1] for run in (second, whole)]
    assert attributes[0] == attributes[1]


def test_continuing_appends_a_timestamp_and_counts_on(folder):
    first = train(folder, *FILES)
    second = train(folder, first.description, *FILES[1:], "--max-iters", 5)
    assert f"Continuing from out/model_{first.timestamp}.h5 after 3 steps" in (
        second.output
    )
    timestamps = [first.timestamp, second.timestamp]
    assert list(read_model(second.description).timestamp) == timestamps
    assert list(read_model(first.description).timestamp) == timestamps[:1]
    assert [row["iteration"] for row in second.rows] == ["4", "5"]
    assert second.checkpoint()[1]["lstm_1_enc:b_t"] == 5
    # the total is done
    third = train(folder, second.description, *FILES[1:])
    assert "nothing to train, 5 steps are done and max_iters is 3" in third.output
    assert (third.rows, third.weights()) == ([], second.weights())


def test_without_a_checkpoint_it_starts_afresh_and_says_so(folder):
    plain = train(folder, *FILES)
    write_files(folder, print_after=1, timestamp=["20140101000000", "20150101000000"])
    run = train(folder, *FILES)
    said = "Starting afresh: none of the 2 timestamps in model.pbtxt has an .h5 file\n"
    assert said in run.output and "Starting" not in plain.output
    assert (run.weights(), run.rows) == (plain.weights(), plain.rows)


def test_the_newest_timestamp_with_a_checkpoint_is_loaded(folder):
    config = small_model(timestamp=["2013", "2014", "2015"], print_after=1)
    write_files(folder, timestamp=list(config.timestamp))
    for timestamp, t in (("2013", 5), ("2014", 70)):
        write_release_checkpoint(folder / "out" / f"model_{timestamp}.h5", config, t)
    run = train(folder, *FILES)
    assert "Continuing from out/model_2014.h5\n" in run.output
    # without an iteration, max_iters are further steps, and they are counted from 1
    assert run.checkpoint()[1]["lstm_1_enc:b_t"] == 73
    assert (3, "Dec") in run.losses and (4, "Dec") not in run.losses


def test_a_checkpoint_of_the_release_is_continued(tmp_path):
    source = GOLDEN / "checkpoint"
    for path in source.glob("lstm_combo_*"):
        shutil.copy(path, tmp_path)
    name = "lstm_combo_20150402101112"
    arrays, _ = read_h5(source / "expect.h5")
    frames = frames_of(arrays["input/v"], 6)
    # pixels 2x4 have no square frames: LABELLED data, all frames of all videos
    write_labelled(tmp_path, frames)
    args = (f"{name}.pbtxt", "data.pbtxt", "data.pbtxt", BOARD, "--max-iters", 2)
    with (tmp_path / args[0]).open("a") as file:
        file.write("reproduce_2016_release: true validate_after: 1\n")
    run = train(tmp_path, *args)
    assert f"Continuing from {name}.h5\n" in run.output
    group = "expect/after_2_more_updates/"
    wrong = {
        key: difference(run.checkpoint()[0][key.removeprefix(group)], value)
        for key, value in arrays.items()
        if key.startswith(group)
    }
    assert len(wrong) == 32
    limit = 1e-9 if cm.real_type() == np.float64 else 2e-5  # the golden values' own
    assert not {k: v for k, v in wrong.items() if not v <= limit}
    # the first printed line is the loss before the update
    for part, key in (("Dec", "dec"), ("Fut", "fut")):
        expected = float(arrays[f"expect/train/loss_{key}_per_frame"])
        assert abs(run.losses[1, part] - expected) <= 1e-5 + limit * expected
    assert run.checkpoint()[1]["lstm_1_enc:b_t"] == 5


def write_labelled(folder, frames) -> None:
    """Frames (num_frames, n, dims) as a LABELLED data set of one batch, in order."""
    num_frames, count, dims = frames.shape
    with h5py.File(folder / "data.h5", "w") as file:
        file["features"] = frames.transpose(1, 0, 2).reshape(-1, dims)
    (folder / "num_frames.txt").write_text(f"{num_frames}\n" * count)
    (folder / "labels.txt").write_text("0\n" * count)
    (folder / "data.pbtxt").write_text(
        'data_file: "data.h5" dataset_name: "features" labels_file: "labels.txt" '
        f'num_frames_file: "num_frames.txt" num_frames: {num_frames} '
        f"batch_size: {count}\n"
    )


def test_a_pretrained_run_is_continued_from_another_folder(tmp_path):
    # The description that a run writes stands beside its checkpoint; the file that the
    # first one names is not there.
    models = tmp_path / "models"
    models.mkdir()
    write_files(models)
    config = small_model()
    write_release_checkpoint(models / "trained.h5", config)
    text = (models / "model.pbtxt").read_text()
    text = text.replace(
        "init_type: UNIFORM\n",
        'init_type: PRETRAINED file_name: "trained.h5" '
        'dataset_name: "lstm_1_enc:w_dense"\n',
        1,
    )
    (models / "model.pbtxt").write_text(text)
    data = ("models/train.pbtxt", "models/valid.pbtxt", BOARD)
    run = train(tmp_path, "models/model.pbtxt", *data)
    again = train(tmp_path, run.description.relative_to(tmp_path), *data)
    assert again.weights() == run.weights()


# ---- validation ----------------------------------------------------------------------


def cross_entropy(v: np.ndarray, p: np.ndarray) -> float:
    """Nats per frame and case of predictions p of pixels v, (frames, cases, dims)."""
    losses = -v * np.log(p + 1e-10) - (1 - v) * np.log(1 - p + 1e-10)
    return losses.sum() / (v.shape[0] * v.shape[1])


def test_validation_counts_every_clip_once(tmp_path):
    # Batches of 3, 3 and 1 while training has batches of 4.
    write_files(tmp_path, validate_after=3)
    run = train(tmp_path, *FILES)
    clips = np.load(tmp_path / "valid.npy")
    assert CLIPS == len(clips) == 7
    frames = frames_of(clips.astype(np.float32) / 255, 6)
    assert frames.shape == (6, 7, SIDE**2)
    decoded, predicted = predictions(run, frames)
    frames = frames.astype(float)
    # 5 printed digits; a float has 6e-8 of the loss, which is about 600
    limit = 1e-5 if cm.real_type() == np.float64 else 1e-5 + 6e-8 * 600
    pairs = {"VDec": (frames[2::-1], decoded), "VFut": (frames[3:], predicted)}
    for name, (truth, found) in pairs.items():
        assert abs(run.losses[3, name] - cross_entropy(truth, found)) <= limit
        # and the last batch matters
        without = cross_entropy(truth[:, :6], found[:, :6])
        assert abs(run.losses[3, name] - without) > 100 * limit


def predictions(run: Trained, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the weights that a run left make of videos, all in one batch."""
    model = LSTMCombo(read_model(run.description), run.description, len(frames))
    arrays, _ = run.checkpoint()
    for param in model.params:
        param.w.overwrite(arrays[param.name])
    model.load(frames)
    model.fprop(train=False)
    parts = (model.decoder.predictions(), model.future.predictions())
    return tuple(part.astype(float) for part in parts)
