"""What the programs here write, their readers read, and it is recognised: a table of
writers, what their files are, and what is said of them."""

import json
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.commands import BOARD, CLIPS, SIDE, run_program, train, write_files
from tests.videolstm.contents import own_videos
from tests.videolstm.contents.own_videos import DESCRIBED, LABELLED, NUMBERS
from tests.videolstm.helpers import GOLDEN
from videolstm.config import read_data
from videolstm.contents.kinds import KINDS, contents_of
from videolstm.contents.report import Report
from videolstm.data import make_data_handler
from videolstm.data.digits import load_digits
from videolstm.results.evaluation import Evaluation, write_predictions
from videolstm.tools import bouncing, digits, mnist, percepts


def said_of(path: Path) -> dict:
    """What is said of a file, as a program reads it."""
    contents = contents_of(path)
    report = Report(path, contents.title)
    contents.describe(report)
    assert report.text()
    return json.loads(json.dumps(report.json()))


# ---- whatever the programs write -----------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which every program has been at work once."""
    folder = tmp_path_factory.mktemp("written")
    digits.main(["--samples", "40", "--out", str(folder / "font.h5")])
    source = ["--digits", str(folder / "font.h5"), "--sequences", "30"]
    sizes = ["--frames", "6", "--image-size", str(SIDE)]
    for name, more in {
        "clips.npy": [],
        "first.npy": ["--frames-first"],
        "digit.h5": ["--labelled", "digit"],
        "direction.h5": ["--labelled", "direction"],
        "count.h5": ["--labelled", "count"],
    }.items():
        bouncing.main([*source, *sizes, *more, "--out", str(folder / name)])
    _write_mnist(folder / "mnist")
    mnist.main([str(folder / "mnist"), "--out", str(folder / "mnist.h5")])
    _run_composite(folder)
    _run_classifier(folder)
    own_videos.write(folder)
    return folder


def _write_mnist(folder: Path) -> None:
    folder.mkdir()
    images = np.random.RandomState(0).randint(0, 256, (5, 28, 28)).astype(np.uint8)
    for name, values in (
        ("images-idx3", images),
        ("labels-idx1", np.arange(5, dtype="u1")),
    ):
        header = bytes((0, 0, 8, values.ndim))
        header += np.array(values.shape, ">u4").tobytes()
        (folder / f"train-{name}-ubyte").write_bytes(header + values.tobytes())


def _run_composite(folder: Path) -> None:
    write_files(folder, print_after=1, validate_after=1)
    run = train(folder, "model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)
    for suffix in (".pbtxt", ".h5", ".csv"):
        shutil.copy(run.description.with_suffix(suffix), folder / f"combo{suffix}")
    left = folder / "out" / run.description.name
    shown = [left, "valid.pbtxt", BOARD, "--save", "p.h5", "--csv", "n.csv"]
    done = run_program(folder, "display_results.py", *shown)
    assert (done.returncode, done.stderr) == (0, "")
    where = [str(folder / "valid.pbtxt"), BOARD, "--out", str(folder / "states.h5")]
    percepts.main([str(left), *where])


def _run_classifier(folder: Path) -> None:
    source = GOLDEN / "e2e" / "classifier"
    for path in source.glob("*.*"):
        shutil.copy(path, folder / f"c_{path.name}")
    for part in ("train", "valid"):
        text = (source / f"{part}.pbtxt").read_text()
        (folder / f"c_{part}.pbtxt").write_text(text.replace(f'"{part}', f'"c_{part}'))
    files = ["c_model.pbtxt", "c_train.pbtxt", "c_valid.pbtxt", BOARD, "--out", "cls"]
    more = ["--max-iters", "4", "--predict", "votes.h5"]
    done = run_program(folder, "lstm_classifier.py", *files, *more)
    assert (done.returncode, done.stderr) == (0, "")
    rows = np.eye(3, 4)
    result = Evaluation(rows, np.arange(3), np.arange(3), np.arange(3))
    write_predictions(folder / "votes.csv", result)


# file: what it is, what is said of it
WRITTEN = {
    "font.h5": ("digits", {"train.holds.images": 40, "train.labels.3": 4}),
    "mnist.h5": ("digits", {"train.holds.images": 5, "train.labels.4": 1}),
    "mnist/train-images-idx3-ubyte": ("digits", {"holds.side": 28, "labels.2": 1}),
    "mnist/train-labels-idx1-ubyte": ("labels, an IDX file", {"holds": 5}),
    "clips.npy": (
        "video patches",
        {"holds.clips": 30, "holds.frames": 6, "layout.frames_first": False},
    ),
    "first.npy": (
        "video patches",
        {"holds.clips": 30, "holds.frames": 6, "layout.frames_first": True},
    ),
    "clips.pbtxt": (DESCRIBED, {"holds.clips": 30, "frame.dims": SIDE**2}),
    "first.pbtxt": (DESCRIBED, {"holds.clips": 30, "frame.shape": [1, SIDE, SIDE]}),
    "digit.h5": (LABELLED, {"frames.layout.shape.1": SIDE**2}),
    "digit.pbtxt": (DESCRIBED, {"videos.videos": 30, "frame.shape": [1, SIDE, SIDE]}),
    "direction.pbtxt": (DESCRIBED, {"videos.videos": 30}),
    "count.pbtxt": (DESCRIBED, {"videos.videos": 30}),
    "digit_num_frames.txt": (NUMBERS, {"lines": 30}),
    "train.pbtxt": (DESCRIBED, {"holds.endless": True, "read as": "BOUNCING_MNIST"}),
    "combo.h5": ("a checkpoint", {"iteration": 3, "histories.0": "_grad"}),
    "combo.csv": ("the log of a run", {"rows": 3, "iterations": [1, 3]}),
    "combo.pbtxt": ("the description of a model", {"runs.runs": 1}),
    "p.h5": (
        "predictions of a composite model (display_results --save)",
        {"holds.videos": CLIPS, "holds.frames": 6, "iteration": 3},
    ),
    "n.csv": ("numbers of a model (display_results --csv)", {"columns.0": "part"}),
    "states.h5": (LABELLED, {"features.layout.shape": [CLIPS, 6]}),
    "states.pbtxt": (DESCRIBED, {"videos.videos": CLIPS, "frame.dims": 6}),
    "c_train.h5": (LABELLED, {}),
    "votes.h5": (
        "predictions of a classifier (lstm_classifier --predict)",
        {"holds.classes": 3},
    ),
    "votes.csv": ("predictions of a classifier, a .csv", {"columns.0": "video"}),
    "cls/*[0-9].csv": ("the log of a run", {"rows": 2}),
    "cls/*_confusion.csv": ("a confusion matrix (lstm_classifier)", {"rows": 3}),
    "cls/*_best.h5": ("a checkpoint", {}),
} | own_videos.WRITTEN  # fmt: skip


def found_in(said: dict, place: str):
    for key in place.split("."):
        said = said[int(key)] if isinstance(said, list) else said[key]
    return said


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_recognised(folder, name):
    path = sorted(folder.glob(name))[0]
    kind, facts = WRITTEN[name]
    said = said_of(path)
    assert said["kind"] == kind
    assert {place: found_in(said, place) for place in facts} == facts
    assert said["file"] == str(path)


@pytest.mark.parametrize(
    "name", [name for name, (kind, _) in WRITTEN.items() if kind == DESCRIBED]
)
def test_what_is_described_is_read(folder, name):
    handler = make_data_handler(read_data(folder / name), folder / name)
    batch = handler.next_batch().frames
    assert batch.shape == (handler.num_frames, handler.batch_size, handler.frame_dims)


@pytest.mark.parametrize("name", ["font.h5", "mnist.h5", "mnist"])
def test_digits_are_read(folder, name):
    images, labels = load_digits(folder / name)
    assert len(images) == len(labels)


DRAWN = ["font.h5", "mnist/train-images-idx3-ubyte", "clips.npy", "first.npy"]
DRAWN += ["clips.pbtxt", "digit.h5", "digit.pbtxt", "train.pbtxt", "combo.h5"]
DRAWN += [
    "v/colour.npy",
    "v/grey_valid.pbtxt",
    "v/one.h5",
    "v/one.pbtxt",
    "v/two.pbtxt",
]
DRAWN += ["combo.csv", "p.h5", "states.h5", "c_train.h5", "cls/*_best.h5"]


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("seed", [None, 3])
def test_what_can_be_drawn(folder, name, seed):
    from videolstm.contents.kind import Choice

    figure = contents_of(sorted(folder.glob(name))[0]).sheet(Choice(3, seed))
    width, height = figure.get_size_inches() * figure.dpi
    assert 100 < width < 4000 and 50 < height < 4000


def test_every_kind_is_met(folder, tmp_path):
    """The table above and the files below have one of every kind."""
    more = {
        "mean.h5": {"pixel_mean": np.zeros(3), "pixel_std": np.ones(3)},
        "other.h5": {"words": np.array([b"a", b"b"]), "x/y": np.arange(3)},
    }
    for name, datasets in more.items():
        with h5py.File(tmp_path / name, "w") as file:
            for key, values in datasets.items():
                file[key] = values
    np.save(tmp_path / "plain.npy", np.arange(7))
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    (tmp_path / "other-idx").write_bytes(
        bytes((0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3)) + bytes(range(6))
    )
    (tmp_path / "list.txt").write_text("a.h5\nb.h5\n")
    (tmp_path / "words.txt").write_text("words\n")
    (tmp_path / "folder").mkdir()
    for name in ("a.gif", "a.png"):  # told by their names
        (tmp_path / name).write_bytes(b"-")
    paths = [path for name in WRITTEN for path in folder.glob(name)]
    met = {type(contents_of(path)) for path in [*paths, *tmp_path.iterdir()]}
    assert met == set(KINDS)
    assert said_of(tmp_path / "mean.h5")["pixel_std"]["values"]["min"] == 1
    other = said_of(tmp_path / "other.h5")
    assert other["words"] == {"layout": {"shape": [2], "type": "None"}}
    assert other["x/y"]["values"]["max"] == 2
    assert said_of(tmp_path / "plain.npy")["values"]["mean"] == 3
    assert said_of(tmp_path / "other-idx")["values"]["max"] == 5
    assert said_of(tmp_path / "list.txt")["there"] == 0


# ---- expected numbers, by numpy ------------------------------------------------------


def test_numbers_of_clips(tmp_path):
    clips = np.random.RandomState(1).randint(0, 200, (9, 4, 3, 6, 6)).astype(np.uint8)
    clips[clips < 100] = 0
    np.save(tmp_path / "a.npy", clips)
    said = said_of(tmp_path / "a.npy")
    assert said["holds"]["colours"] == 3
    values = said["values"]
    assert (values["min"], values["max"]) == (0, clips.max())
    assert values["mean"] == pytest.approx(clips.mean())
    assert values["density"] == pytest.approx((clips > 0).mean())


def test_numbers_of_a_checkpoint(folder):
    said = said_of(folder / "combo.h5")
    with h5py.File(folder / "combo.h5") as file:
        names = [n for n in file if ":" in n and not re.search("_grad$|_rms_prop$", n)]
        assert said["parameters"] == sum(file[name].size for name in names)
        for name in names:
            layer, weight = name.split(":")
            found = said[layer][weight]
            values = file[name][()].astype(np.float64)
            assert found["shape"] == list(values.shape)
            # 1e-12: sums in another order
            norm = np.sqrt((values**2).sum())
            assert found["norm"] == pytest.approx(norm, rel=1e-12)
            assert (found["min"], found["max"]) == (values.min(), values.max())
            assert found["updates"] == 3


def test_classes_of_labelled_videos(folder):
    labels = np.loadtxt(folder / "digit_labels.txt", dtype=int)
    said = said_of(folder / "digit.pbtxt")["labels"]
    assert said == {str(k): n for k, n in enumerate(np.bincount(labels).tolist())}
    said = said_of(folder / "votes.h5")
    with h5py.File(folder / "votes.h5") as file:
        right = (file["predicted"][()] == file["labels"][()]).mean()
    assert said["right"] == pytest.approx(right)


def test_many_classes_are_summed_up(tmp_path):
    counts = np.arange(1, 61)  # class k has k + 1 videos, but for class 7
    labels = np.repeat(np.arange(60), counts)
    labels[labels == 7] = 8
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["x"] = np.ones((len(labels), 2), np.float32)
    (tmp_path / "l.txt").write_text("".join(f"{k}\n" for k in labels))
    (tmp_path / "n.txt").write_text("1\n" * len(labels))
    (tmp_path / "f.pbtxt").write_text(
        'data_file: "f.h5" dataset_name: "x" labels_file: "l.txt" batch_size: 2 '
        'num_frames_file: "n.txt"'
    )
    contents = contents_of(tmp_path / "f.pbtxt")
    report = Report("f", contents.title)
    contents.describe(report)
    text = " ".join(report.text().split())
    assert (
        "59 classes from 0 to 59; class 0 has the fewest videos, 1, and class 59 the "
        "most, 60; 1 classes have none"
    ) in text
