"""Wrong inputs of lstm_combo.py: exit status 2, one sentence on stderr, no traceback.

Each row names what is wrong and what the sentence has to say: the file, the field, what
was found and what would be right.
"""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.commands import (
    BOARD,
    FILES,
    TRAIN,
    VALID,
    run_program,
    small_model,
    train,
    write_files,
    write_release_checkpoint,
)
from videolstm.config import write_text

CHECKPOINT = "out/model_2014.h5"


@dataclass
class Wrong:
    """One mistake.

    edits: in a file, a text by another. fields: of the model. make: files, from the
    folder. args: those of the command line. says: parts of the sentence.
    """

    says: tuple[str, ...]
    edits: dict[str, tuple[str, str]] = field(default_factory=dict)
    fields: dict = field(default_factory=dict)
    make: object = None
    args: tuple[str, ...] = FILES


def model(name: str) -> tuple[str, ...]:
    return (name, *FILES[1:])


def out(folder: str) -> tuple[str, ...]:
    return (*FILES, "--out", folder)


def board(name: str) -> tuple[str, ...]:
    return (*FILES[:3], name)


def cut(name: str, keep: int):
    """Keeps so many bytes of a file."""

    def make(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:keep])

    return make


def array(values):
    """Other validation clips."""
    return lambda folder: np.save(folder / "valid.npy", values)


def digits(values):
    """Other digits to train on."""

    def make(folder: Path) -> None:
        with h5py.File(folder / "digits.h5", "w") as file:
            file["train"] = values

    return make


def checkpoint(change=None, keep: int | None = None):
    """A checkpoint in the release's format, changed by a function of its file."""

    def make(folder: Path) -> None:
        write_release_checkpoint(folder / CHECKPOINT, small_model())
        if change is not None:
            with h5py.File(folder / CHECKPOINT, "r+") as file:
                change(file)
        if keep is not None:
            cut(CHECKPOINT, keep)(folder)

    return make


def lose(name: str):
    def change(file: h5py.File) -> None:
        del file[name]

    return change


def replace(name: str, values):
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = values

    return change


def pretrained(file_name: str, dataset: str = "train") -> dict[str, tuple[str, str]]:
    text = f'init_type: PRETRAINED file_name: "{file_name}" dataset_name: "{dataset}"\n'
    return {"model.pbtxt": ("init_type: UNIFORM\n", text)}


def continued(**wrong) -> Wrong:
    return Wrong(fields={"timestamp": ["2014"]}, **wrong)


OBJECTS = np.array([{"a": 1}, None], dtype=object)
NO_FOLDER = "it should be a folder that can be written to"

DESCRIPTIONS = {
    "no model": Wrong(
        ("none.pbtxt: there is no such file", "description (.pbtxt) of a model"),
        args=model("none.pbtxt"),
    ),
    "no data": Wrong(
        ("none.pbtxt: there is no such file", "description (.pbtxt) of a data set"),
        args=("model.pbtxt", "none.pbtxt", "valid.pbtxt", BOARD),
    ),
    "folder for a model": Wrong((". is a folder",), args=model(".")),
    "data for a model": Wrong(
        ("digits.h5 is not a text file", "(.pbtxt) of a model"), args=model("digits.h5")
    ),
    "swapped": Wrong(
        ("train.pbtxt, line 1 column 1", "'dataset_type' belongs in the", "order?"),
        args=("train.pbtxt", "model.pbtxt", "valid.pbtxt", BOARD),
    ),
    "unknown field": Wrong(
        ("model.pbtxt, line ", " column 1: ", "no field 'max_iter'", "'max_iters'?"),
        edits={"model.pbtxt": ("max_iters:", "max_iter:")},
    ),
    "no number": Wrong(
        (
            "model.pbtxt, line ",
            "the field num_hid: Couldn't parse integer: three",
        ),
        edits={"model.pbtxt": ("num_hid: 3", "num_hid: three")},
    ),
    "no such enum value": Wrong(
        ("train.pbtxt, line 1 column 15", "no DatasetType BOUNCING;", "VIDEO_PATCH"),
        edits={"train.pbtxt": ("BOUNCING_MNIST", "BOUNCING")},
    ),
    "negative field": Wrong(
        ("model.pbtxt: the field save_after is -1", "from 0 to"),
        fields={"save_after": -1},
    ),
    "no frame size": Wrong(
        ("train.pbtxt: the field image_size is missing", "from 1 to"),
        edits={"train.pbtxt": ("image_size: 30\n", "")},
    ),
}

DATA = {
    "wrong frame size": Wrong(
        ("train.pbtxt: a frame has 1024 numbers", "900", "model.pbtxt", "input_dims"),
        edits={"train.pbtxt": ("image_size: 30", "image_size: 32")},
    ),
    "wrong frame size, validation": Wrong(
        ("valid.npy: the shape of the array is (7, 6, 30, 30)", "image_size is 32 in "),
        edits={"valid.pbtxt": ("image_size: 30", "image_size: 32")},
    ),
    "wrong num_frames": Wrong(
        (
            "train.pbtxt: the field num_frames is 5, and it should be 6",
            "dec_seq_length 3 and future_seq_length 3 of model.pbtxt",
        ),
        edits={"train.pbtxt": ("num_frames: 6", "num_frames: 5")},
    ),
    "too few frames in the file": Wrong(
        ("valid.npy: the shape", "6 or more frames", "num_frames is 6 in valid.pbtxt"),
        make=array(np.zeros((7, 5, 30, 30), np.uint8)),
    ),
    "no data file": Wrong(
        ("valid.pbtxt: the field data_file names 'none.npy'", "no such file"),
        edits={"valid.pbtxt": ("valid.npy", "none.npy")},
    ),
    "folder for a data file": Wrong(
        ("train.pbtxt: the field data_file names .,", "is a folder"),
        edits={"train.pbtxt": ("digits.h5", ".")},
    ),
    "digits cut short": Wrong(
        ("digits.h5: cannot be read as an .h5 file", "cut short"),
        make=cut("digits.h5", 3000),
    ),
    "clips cut short": Wrong(
        ("valid.npy: cannot be read as an .npy file", "cut short"),
        make=cut("valid.npy", 3000),
    ),
    "empty clips": Wrong(
        ("valid.npy is not an .npy file", "numpy.save"), make=cut("valid.npy", 0)
    ),
    "wrong dataset name": Wrong(
        ("digits.h5: there is no dataset 'test' (dataset_name)", "the file has train"),
        edits={"train.pbtxt": ("num_frames", 'dataset_name: "test"\nnum_frames')},
    ),
    "objects": Wrong(
        ("valid.npy holds Python objects", "array of numbers"), make=array(OBJECTS)
    ),
    "clips for digits": Wrong(
        ("valid.npy: the array has the shape (7, 6, 30, 30)", "(digits, 784)"),
        edits={"train.pbtxt": ("digits.h5", "valid.npy")},
    ),
    "digits for clips": Wrong(
        ("digits.h5 is not an .npy file",),
        edits={"valid.pbtxt": ("valid.npy", "digits.h5")},
    ),
    "digits 0 to 255": Wrong(
        ("digits.h5: the dataset 'train'", "255", "should be from 0 to 1"),
        make=digits(np.full((3, 784), 255.0)),
    ),
    "digits that are not square": Wrong(
        ("digits.h5: the dataset 'train' has the shape (3, 101)", "(digits, 784)"),
        make=digits(np.zeros((3, 101))),
    ),
}

ARGUMENTS = {
    "no number of a board": Wrong(("board 'gpu'", "device", "cpu"), args=board("gpu")),
    "negative board": Wrong(("board '-1'", "device", "cpu"), args=board("-1")),
    "no such board": Wrong(("board 7: ", "cpu"), args=board("7")),
    "--out below a file": Wrong(
        ("--out is 'model.pbtxt/x'", "not a directory", NO_FOLDER),
        args=out("model.pbtxt/x"),
    ),
    "--out a file": Wrong(
        ("--out is 'model.pbtxt'", "file exists", NO_FOLDER), args=out("model.pbtxt")
    ),
    "checkpoint_dir a file": Wrong(
        ("model.pbtxt: the field checkpoint_dir is 'valid.npy'", NO_FOLDER),
        fields={"checkpoint_dir": "valid.npy"},
    ),
}

WEIGHTS = {
    "pretrained, no file": Wrong(
        ("model.pbtxt: the field file_name of lstm_1_enc:w_dense names 'none.h5'",),
        edits=pretrained("none.h5"),
    ),
    "pretrained, wrong shape": Wrong(
        ("digits.h5: dataset 'train' has shape (20, 784)", "of shape (12, 3)"),
        edits=pretrained("digits.h5"),
    ),
    "pretrained, no dataset": Wrong(
        ("digits.h5: it has no dataset 'x' for the weight lstm_1_enc:w_dense",),
        edits=pretrained("digits.h5", "x"),
    ),
    "pretrained, another kind": Wrong(
        ("valid.npy: it is no readable .h5 file",), edits=pretrained("valid.npy")
    ),
    "checkpoint cut short": continued(
        says=(f"{CHECKPOINT}: it cannot be read as a checkpoint", "cut short"),
        make=checkpoint(keep=5000),
    ),
    "empty checkpoint": continued(
        says=(f"{CHECKPOINT}: it cannot be read as a checkpoint",),
        make=checkpoint(keep=0),
    ),
    "checkpoint without a weight": continued(
        says=(f"{CHECKPOINT}: it has no dataset 'lstm_1_dec:w_output'",),
        make=checkpoint(lose("lstm_1_dec:w_output")),
    ),
    "checkpoint with a wrong shape": continued(
        says=(
            f"{CHECKPOINT}: dataset 'lstm_1_enc:w_input' has shape (16, 900)",
            "the weight lstm_1_enc:w_input needs numbers of shape (12, 900)",
        ),
        make=checkpoint(replace("lstm_1_enc:w_input", np.zeros((16, 900)))),
    ),
    "checkpoint with a wrong history": continued(
        says=(f"{CHECKPOINT}: dataset 'lstm_1_fut:b_grad' has shape (1, 13)",),
        make=checkpoint(replace("lstm_1_fut:b_grad", np.zeros((1, 13)))),
    ),
    "checkpoint of words": continued(
        says=(f"{CHECKPOINT}: dataset 'lstm_1_enc:b'", "needs numbers"),
        make=checkpoint(replace("lstm_1_enc:b", [b"word"] * 12)),
    ),
    "checkpoint with a damaged position": continued(
        says=(f"{CHECKPOINT}: its group 'resume' is damaged", "can still be loaded"),
        make=checkpoint(lambda file: file.create_group("resume")),
    ),
}

ALL = DESCRIPTIONS | DATA | ARGUMENTS | WEIGHTS


def prepare(folder: Path, wrong: Wrong) -> None:
    """A folder in which all is right but that."""
    write_files(folder, **wrong.fields)
    for name, (old, new) in wrong.edits.items():
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))
    if wrong.make is not None:
        wrong.make(folder)


def sentence(done) -> str:
    """The one line on stderr of a program that a user's mistake ended."""
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and done.stderr.endswith("\n")
    assert lines[0].startswith("lstm_combo: ")
    return lines[0]


@pytest.mark.parametrize("name", ALL)
def test_a_mistake_is_one_sentence(name, tmp_path):
    wrong = ALL[name]
    prepare(tmp_path, wrong)
    before = {path.name for path in tmp_path.rglob("*")}
    line = sentence(run_program(tmp_path, "lstm_combo.py", *wrong.args))
    assert all(part in line for part in wrong.says), line
    # nothing is begun
    assert {path.name for path in tmp_path.rglob("*")} == before


def test_other_training_data_are_not_gone_on_with(tmp_path):
    write_files(tmp_path)
    run = train(tmp_path, *FILES)
    before = sorted((tmp_path / "out").iterdir())
    args = (run.description, "valid.pbtxt", "valid.pbtxt", BOARD)
    line = sentence(run_program(tmp_path, "lstm_combo.py", *args))
    name = f"out/model_{run.timestamp}.h5: the run cannot go on with other training"
    for part in (name, "valid.pbtxt", "BOUNCING_MNIST", "VIDEO_PATCH", "PRETRAINED"):
        assert part in line
    assert sorted((tmp_path / "out").iterdir()) == before


def test_training_that_diverges_is_one_sentence(tmp_path):
    # Real data and steps far too large: the weights overflow within a few of them.
    config = small_model(binary_data=False, max_iters=50)
    for layer in (*config.lstm_dec, *config.lstm_future):
        layer.w_output.epsilon = 1e30
    write_files(tmp_path)
    write_text(config, tmp_path / "model.pbtxt")
    line = sentence(run_program(tmp_path, "lstm_combo.py", *FILES))
    for part in ("at step ", "diverged", "epsilon", "gradient_clip", "model.pbtxt"):
        assert part in line
    assert not list((tmp_path / "out").glob("*.h5"))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (FILES[:3], "required: BOARD"),
        (
            (*FILES, "--max-iters", "-3"),
            "--max-iters: must be a whole number from 0 up, not '-3'",
        ),
        (
            (*FILES, "--seed", "4294967296"),
            "--seed: must be a whole number from 0 to 4294967295, not '4294967296'",
        ),
        ((*FILES, "--max-minutes", "0"), "--max-minutes: must be a number above 0"),
        ((*FILES, "--speed", "9"), "unrecognized arguments: --speed 9"),
    ],
)
def test_wrong_options_show_the_usage(args, says, tmp_path):
    write_files(tmp_path)
    done = run_program(tmp_path, "lstm_combo.py", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: lstm_combo ")
    assert says in done.stderr.splitlines()[-1]


def test_the_right_files_have_no_mistake(tmp_path):
    # Guards the tables: what they change is what is wrong.
    write_files(tmp_path, timestamp=["2014"])
    checkpoint()(tmp_path)
    assert (tmp_path / "train.pbtxt").read_text() == TRAIN
    assert (tmp_path / "valid.pbtxt").read_text() == VALID
    assert f"Continuing from {CHECKPOINT}\n" in train(tmp_path, *FILES).output
