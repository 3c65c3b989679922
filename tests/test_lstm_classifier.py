"""lstm_classifier.py as a user runs it: what it prints, what it leaves, how it goes on,
and what it says of wrong inputs."""

import csv
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

import cudamat as cm
from tests.commands import BOARD, run_program
from tests.videolstm.helpers import (
    GOLDEN,
    describe_classifier,
    describe_logreg,
    difference,
    read_h5,
)
from videolstm.config import read_data, read_model, write_text
from videolstm.data import make_data_handler
from videolstm.models.classifier import make_classifier

FILES = ("model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)
COLUMNS = ["iteration", "seconds", "acc", "valid_acc", "pooled_valid_acc"]
DIMS, FRAMES = 6, 4
SOURCE = GOLDEN / "e2e" / "classifier"


@dataclass
class Trained:
    """A run that ended well, and what it left behind."""

    output: str
    description: Path

    @property
    def stem(self) -> str:
        return self.description.stem

    def path(self, suffix: str) -> Path:
        return self.description.with_name(self.stem + suffix)

    @property
    def steps(self) -> list[str]:
        return re.findall(r"^Step .*$", self.output, re.MULTILINE)

    @property
    def rows(self) -> list[dict[str, str]]:
        """The log without its times."""
        with self.path(".csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            assert float(row.pop("seconds")) >= 0
        return rows

    def arrays(self, suffix: str = ".h5") -> dict[str, bytes]:
        """Weights and histories, bit for bit."""
        arrays, _ = read_h5(self.path(suffix))
        return {k: v.tobytes() for k, v in arrays.items() if ":" in k}


def train(folder: Path, *args) -> Trained:
    done = run_program(folder, "lstm_classifier.py", *args)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    saved = re.search(r"^Model saved at (.+)$", done.stdout, re.MULTILINE)
    return Trained(done.stdout, folder / saved[1])


def write_labelled(folder: Path, name: str, counts, labels, seed: int) -> None:
    """Videos whose frames are noise around a place that their class decides."""
    rng = np.random.RandomState(seed)
    rows = [
        rng.randn(n, DIMS) + 1.5 * np.eye(DIMS)[k]
        for n, k in zip(counts, labels, strict=True)
    ]
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file["x"] = np.concatenate(rows).astype(np.float32)
    for kind, values in (("labels", labels), ("num_frames", counts)):
        text = "".join(f"{value}\n" for value in values)
        (folder / f"{name}_{kind}.txt").write_text(text)
    batch_size = 5 if name == "train" else 3
    (folder / f"{name}.pbtxt").write_text(
        f'data_file: "{name}.h5" dataset_name: "x" labels_file: "{name}_labels.txt" '
        f'num_frames_file: "{name}_num_frames.txt" num_frames: {FRAMES} stride: 2 '
        f"batch_size: {batch_size} randomize: {str(name == 'train').lower()}\n"
    )


def write_files(folder: Path, describe=describe_classifier, **fields) -> None:
    """A model of three classes, data for training and for validation: batches of 5 and
    of 3, a video that is too short in each."""
    fields = {"checkpoint_dir": "out", "max_iters": 6} | fields
    write_text(describe(dims=DIMS, **fields), folder / "model.pbtxt")
    rng = np.random.RandomState(0)
    labels = rng.randint(3, size=12)
    write_labelled(folder, "train", [3, *rng.randint(4, 12, size=11)], labels, 1)
    write_labelled(folder, "valid", [7, 4, 2, 9, 6, 8], [0, 1, 2, 0, 2, 1], 2)


@pytest.fixture
def folder(tmp_path):
    write_files(tmp_path, validate_after=2, dropprob=(0.2, 0.1))
    return tmp_path


# ---- the release's own run -----------------------------------------------------------


def golden_run(folder: Path, *args) -> Trained:
    """The release's run from its first weights: a checkpoint without an iteration."""
    for path in SOURCE.glob("*.*"):
        shutil.copy(path, folder)
    text = (folder / "model.pbtxt").read_text()
    text += 'timestamp: "20140101000000"\nreproduce_2016_release: true\n'
    (folder / "model.pbtxt").write_text(text)
    (folder / "out").mkdir()
    start = folder / "out" / "lstm_classifier_20140101000000.h5"
    (folder / "initial_weights.h5").rename(start)
    return train(folder, *FILES, *args)


def released_lines(text: str) -> list[str]:
    """The lines that the release printed. It writes every step over the one before, and
    what it saves on the same line."""
    text = re.sub(r" Writing model to \S+", "", text)
    return [
        step.rstrip()
        for step in re.findall(r"Step \d+ .*", text.replace("Step", "\nStep"))
    ]


def test_golden_run(tmp_path):
    run = golden_run(tmp_path)
    bits = "f64" if cm.real_type() == np.float64 else "f32"
    expected = released_lines((SOURCE / f"stdout_{bits}.txt").read_text())
    assert len(expected) == 6
    # Accuracies are quotients of small numbers, so they are the same in float. The
    # release's validation wraps around to fill its last batch, but leaves out what
    # that has too many: here both count 9 clips.
    assert run.steps == expected


@pytest.mark.parametrize(("suffix", "steps"), [("", 8), ("_best", 4)])
def test_golden_weights(tmp_path, suffix, steps):
    # The release saves after 8 steps and not at the end, and the best after 4.
    run = golden_run(tmp_path, "--max-iters", 8)
    bits = "f64" if cm.real_type() == np.float64 else "f32"
    name = f"lstm_classifier_20150101000000{suffix}.h5"
    expected, attributes = read_h5(SOURCE / f"expect_{bits}" / name)
    ours, our_attributes = read_h5(run.path(f"{suffix}.h5"))
    # the files hold float32 numbers, whose last digit, 1.2e-7, may differ, and more in
    # float
    limit = 1.3e-7 if bits == "f64" else 2e-5
    wrong = {k: difference(ours[k], v) for k, v in expected.items()}
    assert not {k: v for k, v in wrong.items() if not v <= limit}
    assert set(attributes.values()) == {steps}
    assert {k: our_attributes[k] for k in attributes} == attributes


# ---- what a run leaves ---------------------------------------------------------------


def test_a_run_leaves_its_files(folder):
    run = train(folder, *FILES)
    suffixes = (".pbtxt", ".h5", ".csv", ".png", "_best.h5")
    suffixes += ("_confusion.csv", "_confusion.png")
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {run.stem + suffix for suffix in suffixes}
    with run.path(".csv").open() as file:
        assert file.readline().strip().split(",")[:5] == COLUMNS
    assert run.path("_confusion.png").read_bytes().startswith(b"\x89PNG")
    assert "skipped 1 of 12 videos" in run.output
    assert "skipped 1 of 6 videos" in run.output


def test_log_and_lines_are_the_same_numbers(folder):
    run = train(folder, *FILES)
    assert [row["iteration"] for row in run.rows] == ["1", "2", "3", "4", "5", "6"]
    for line, row in zip(run.steps, run.rows, strict=True):
        parts = [f"Step {row['iteration']} Acc {float(row['acc']):.5f}"]
        if row["valid_acc"]:
            parts.append(f"Valid Acc {float(row['valid_acc']):.5f} ;")
            parts.append(f"Pooled Valid Acc {float(row['pooled_valid_acc']):.5f}")
        assert line == " ".join(parts)
    assert [bool(row["valid_acc"]) for row in run.rows] == [False, True] * 3


def counted(folder: Path, run: Trained, suffix: str) -> tuple[float, float, list]:
    """Accuracy of clips and of videos, and predictions of videos, with the weights in a
    file: cutting and counting by hand."""
    model = make_classifier(read_model(run.description), run.description, FRAMES)
    arrays, _ = read_h5(run.path(suffix))
    for param in model.params:
        param.w.overwrite(arrays[param.name])
    counts = np.loadtxt(folder / "valid_num_frames.txt", dtype=int)
    labels = np.loadtxt(folder / "valid_labels.txt", dtype=int)
    with h5py.File(folder / "valid.h5") as file:
        rows = file["x"][()]
    clips, predicted = [], []
    for video, (count, label) in enumerate(zip(counts, labels, strict=True)):
        first = counts[:video].sum()
        votes = [
            model.predict(rows[first + s : first + s + FRAMES][:, None])[0]
            for s in range(0, count - FRAMES + 1, 2)
        ]
        clips += [vote.argmax() == label for vote in votes]
        if votes:
            predicted.append((video, label, np.mean(votes, axis=0)))
    right = [p.argmax() == label for _, label, p in predicted]
    return np.mean(clips), np.mean(right), predicted


@pytest.mark.parametrize("describe", [describe_classifier, describe_logreg])
def test_accuracy_counts_every_clip_and_video_once(describe, tmp_path):
    write_files(tmp_path, describe, max_iters=40, validate_after=40, print_after=0)
    run = train(tmp_path, *FILES, "--predict", "p.csv")
    clips, videos, predicted = counted(tmp_path, run, ".h5")
    shown = f"Valid Acc {clips:.5f} ; Pooled Valid Acc {videos:.5f}"
    assert run.steps == [f"Step 40 {shown}"]
    assert f"_best.h5: {shown}\n" in run.output
    assert videos > 1 / 3  # and it learns
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["video"]) for row in rows] == [0, 1, 3, 4, 5]
    for row, (video, label, p) in zip(rows, predicted, strict=True):
        assert (int(row["video"]), int(row["label"])) == (video, label)
        assert int(row["predicted"]) == p.argmax()
        found = [float(row[f"p{k}"]) for k in range(3)]
        np.testing.assert_allclose(found, p, rtol=1e-5)  # batches of 3 against 1
    with run.path("_confusion.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [int(row["videos"]) for row in table] == [2, 2, 1]
    assert sum(int(row["right"]) for row in table) == round(5 * videos)


def test_best_model_is_kept(folder):
    write_files(folder, max_iters=12, validate_after=2, print_after=0)
    run = train(folder, *FILES)
    pooled = [float(row["pooled_valid_acc"]) for row in run.rows]
    best = 2 * (int(np.argmax(pooled)) + 1)  # the first of equals
    attributes = read_h5(run.path("_best.h5"))[1]
    assert attributes["lstm_1:b_t"] == best
    assert counted(folder, run, "_best.h5")[1] == max(pooled)


def test_predictions_as_h5_without_labels(folder):
    run = train(folder, *FILES)
    text = (folder / "valid.pbtxt").read_text()
    (folder / "test.pbtxt").write_text(
        text.replace('labels_file: "valid_labels.txt"', "")
    )
    files = (run.description.relative_to(folder), "train.pbtxt", "test.pbtxt", BOARD)
    again = train(folder, *files, "--max-iters", 0, "--predict", "p.h5")
    _, _, predicted = counted(folder, again, "_best.h5")
    with h5py.File(folder / "p.h5") as file:
        assert set(file) == {"probabilities", "predicted", "videos"}
        expected = [p for _, _, p in predicted]
        np.testing.assert_allclose(file["probabilities"][()], expected, rtol=1e-5)
    assert (
        f"p.h5: probabilities of 5 videos by out/{again.stem}_best.h5" in again.output
    )


# ---- continuing ----------------------------------------------------------------------


def test_a_continued_run_equals_one_that_was_not_interrupted(folder):
    # print_after 4: the accuracy of steps 5 to 8 straddles the checkpoint.
    fields = {"max_iters": 14, "print_after": 4, "validate_after": 2}
    write_files(folder, dropprob=(0.2, 0.1), **fields)
    whole = train(folder, *FILES)
    first = train(folder, *FILES, "--max-iters", 6)
    second = train(folder, first.description.relative_to(folder), *FILES[1:])
    assert first.arrays() != whole.arrays()
    assert second.arrays() == whole.arrays()
    assert first.rows + second.rows == whole.rows
    # also the best model: found before, and kept or overtaken
    assert second.arrays("_best.h5") == whole.arrays("_best.h5")


def test_the_best_value_survives(folder):
    first = train(folder, *FILES)
    # a value that nothing can overtake
    with h5py.File(first.path("_best.h5"), "r+") as file:
        file["resume"].attrs["best"] = 2.0
    again = train(
        folder, first.description.relative_to(folder), *FILES[1:], "--max-iters", 12
    )
    assert "_best.h5\nStep" not in again.output
    assert again.arrays("_best.h5") == first.arrays("_best.h5")
    with h5py.File(again.path("_best.h5")) as file:
        assert file["resume"].attrs["best"] == 2.0


def test_without_the_best_file_a_new_one_is_sought(folder):
    first = train(folder, *FILES)
    first.path("_best.h5").unlink()
    again = train(
        folder, first.description.relative_to(folder), *FILES[1:], "--max-iters", 8
    )
    assert read_h5(again.path("_best.h5"))[1]["lstm_1:b_t"] == 8


# ---- mistakes ------------------------------------------------------------------------


def edit(name: str, old: str, new: str):
    def make(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return make


def no_number(folder: Path) -> None:
    with h5py.File(folder / "train.h5", "r+") as file:
        file["x"][17, 2] = np.nan


MISTAKES = {
    "label out of range": (
        edit("valid_labels.txt", "0\n1\n2\n0\n2\n", "0\n1\n2\n0\n3\n"),
        (
            "valid_labels.txt, line 5",
            "is 3",
            "from 0 to 2",
            "lstm_1.output_dims in mod",
        ),
    ),
    "label below 0": (
        edit("valid_labels.txt", "0\n", "-1\n"),
        ("valid_labels.txt, line 1", "'-1'", "an integer from 0"),
    ),
    "labels and num_frames of different lengths": (
        edit("train_labels.txt", "0\n", ""),
        ("train_labels.txt has 11 lines", "12 videos of train_num_frames.txt"),
    ),
    "fewer frames than num_frames says": (
        edit("valid_num_frames.txt", "7\n", "70\n"),
        ("valid_num_frames.txt", "99 frames together", "36 of valid.h5"),
    ),
    "features that are no numbers": (
        no_number,
        ("train.h5", "'x' has nan in row 17 (video ", "), column 2 (all counted"),
    ),
    "no labels": (
        edit("train.pbtxt", 'labels_file: "train_labels.txt"', ""),
        ("train.pbtxt: the field labels_file is missing", "a classifier learns from"),
    ),
    "no labels to validate with": (
        edit("valid.pbtxt", 'labels_file: "valid_labels.txt"', ""),
        ("valid.pbtxt: the field labels_file is missing",),
    ),
    "another number of frames": (
        edit("valid.pbtxt", "num_frames: 4", "num_frames: 3"),
        ("valid.pbtxt: the field num_frames is 3", "4 as in train.pbtxt"),
    ),
    "frames of another size": (
        edit("model.pbtxt", "input_dims: 6", "input_dims: 7"),
        ("train.pbtxt: a frame has 6 numbers", "the 7", "lstm_1.input_dims"),
    ),
    "no classes": (
        edit("model.pbtxt", "has_output: true", "has_output: false"),
        ("model.pbtxt: the field lstm_1.has_output is false", "gives the classes"),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, tmp_path):
    write_files(tmp_path)
    make, says = MISTAKES[name]
    make(tmp_path)
    done = run_program(tmp_path, "lstm_classifier.py", *FILES)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("lstm_classifier: ")
    for part in says:
        assert part in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_name_that_predictions_cannot_have(folder):
    for name, says in (("p.txt", "are a .csv or an .h5"), ("no/p.csv", "no folder")):
        done = run_program(folder, "lstm_classifier.py", *FILES, "--predict", name)
        assert done.returncode == 2 and says in done.stderr
    assert not (folder / "out").exists()


def test_data_that_has_no_labels_at_all(folder):
    source = GOLDEN / "cases" / "data" / "video_patch_grey"
    for path in source.glob("*.*"):
        shutil.copy(path, folder)
    dims = make_data_handler(read_data(folder / "data.pbtxt"), folder / "data.pbtxt")
    write_text(describe_classifier(dims=dims.frame_dims), folder / "model.pbtxt")
    args = ("model.pbtxt", "data.pbtxt", "data.pbtxt", BOARD)
    done = run_program(folder, "lstm_classifier.py", *args)
    assert done.returncode == 2
    assert (
        "the field dataset_type is VIDEO_PATCH, and it should be LABELLED"
        in done.stderr
    )


def test_training_that_diverges_stops(folder):
    config = read_model(folder / "model.pbtxt")
    for block in ("w_dense", "w_input", "w_output"):
        # l2_decay makes weights grow by a factor, also beyond the range of doubles
        param = getattr(config.lstm[0], block)
        param.epsilon = param.l2_decay = 1e38
    config.max_iters, config.print_after = 20, 1
    write_text(config, folder / "model.pbtxt")
    done = run_program(folder, "lstm_classifier.py", *FILES)
    assert done.returncode == 2
    # decay of a finite gradient, so that it is the weight where it shows first
    found = r"in the weight lstm_1:w_\w+( and \d more)? after step \d+: training has"
    assert re.search(found, done.stderr)
    assert "gradient_clip would help, in model.pbtxt" in done.stderr
