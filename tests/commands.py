"""What the tests of the command lines share: how they are run, and a small run's files:
two digits that bounce on 30x30 pixels, 3 frames to reconstruct and 3 to predict."""

import csv
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

import cudamat as cm
from tests.videolstm.helpers import GOLDEN, WEIGHTS, describe, read_h5
from videolstm.config import write_text

ROOT = Path(__file__).resolve().parents[1]
SIDE, CLIPS = 30, 7
# The programs run on whichever library the tests do.
BOARD = "cpu" if cm.load().kind == "cpu" else "0"
FILES = ("model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)

TRAIN = """dataset_type: BOUNCING_MNIST
data_file: "digits.h5"
num_frames: 6
batch_size: 4
image_size: 30
num_digits: 2
step_length: 0.1
"""
VALID = """dataset_type: VIDEO_PATCH
data_file: "valid.npy"
num_frames: 6
batch_size: 3
image_size: 30
"""


def on_the_cpu() -> dict[str, str]:
    """This environment without a library that tests were told to use: for programs that
    compute on the CPU."""
    told = ("CUDAMAT_LIBRARY", "CUDAMAT_BLAS")
    return {name: value for name, value in os.environ.items() if name not in told}


def run_program(folder: Path, name: str, *args) -> subprocess.CompletedProcess:
    """Runs a script of the root as a user does who stands in `folder`."""
    return subprocess.run(
        [sys.executable, ROOT / name, *map(str, args)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


@dataclass
class Trained:
    """A run of lstm_combo.py that ended well, and what it left behind."""

    output: str
    description: Path

    @property
    def timestamp(self) -> str:
        return self.description.stem.rsplit("_", 1)[1]

    @property
    def losses(self) -> dict[tuple[int, str], float]:
        """The printed numbers by step and name."""
        return printed_losses(self.output)

    @property
    def rows(self) -> list[dict[str, str]]:
        """The log without its times."""
        with self.description.with_suffix(".csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            assert float(row.pop("seconds")) >= 0
        return rows

    def checkpoint(self) -> tuple[dict, dict]:
        """Arrays and attributes of the .h5."""
        return read_h5(self.description.with_suffix(".h5"))

    def weights(self) -> dict[str, bytes]:
        """Weights, histories and their like, bit for bit."""
        return {k: v.tobytes() for k, v in self.checkpoint()[0].items() if ":" in k}


def train(folder: Path, *args) -> Trained:
    """Runs lstm_combo.py in `folder`, which must succeed without a word on stderr."""
    done = run_program(folder, "lstm_combo.py", *args)
    assert (done.returncode, done.stderr) == (0, "")
    saved = re.search(r"^Model saved at (.+)$", done.stdout, re.MULTILINE)
    return Trained(done.stdout, folder / saved[1])


def printed_losses(text: str) -> dict[tuple[int, str], float]:
    """Losses by step and name, from lines such as `Step 2 Dec 1.5 Fut 2.5`."""
    losses = {}
    for step, rest in re.findall(r"Step (\d+)((?: V?(?:Dec|Fut) [\d.]+)+)", text):
        words = rest.split()
        for name, value in zip(words[::2], words[1::2], strict=True):
            losses[int(step), name] = float(value)
    return losses


def small_model(**fields):
    """The description of a model with dropout, momentum and rms_prop in it."""
    fields = {
        "checkpoint_dir": "out",
        "max_iters": 3,
        "binary_data": True,
        "dec_conditional": True,
        "future_conditional": True,
    } | fields
    model = describe(units=(3,), dims=SIDE**2, dropprob=(0.2, 0.1), **fields)
    for layer in (*model.lstm, *model.lstm_dec, *model.lstm_future):
        for weight in WEIGHTS:
            getattr(layer, weight).epsilon = 1e-4
        layer.w_dense.rms_prop = True
    return model


def write_files(folder: Path, **fields) -> None:
    """Writes the four descriptions and their data; `fields` are the model's."""
    write_text(small_model(**fields), folder / "model.pbtxt")
    (folder / "train.pbtxt").write_text(TRAIN)
    (folder / "valid.pbtxt").write_text(VALID)
    source = GOLDEN / "e2e" / "combo"
    (folder / "digits.h5").write_bytes((source / "digits.h5").read_bytes())
    np.save(folder / "valid.npy", np.load(source / "valid.npy")[:CLIPS])


def shapes_of(model) -> dict[str, tuple[int, int]]:
    """The weights of a composite model by their names in a checkpoint."""
    shapes = {}
    for layer in (*model.lstm, *model.lstm_dec, *model.lstm_future):
        n, inputs, outputs = layer.num_hid, layer.input_dims, layer.output_dims
        named = {"w_dense": (4 * n, n), "w_diag": (1, 3 * n), "b": (1, 4 * n)}
        if layer.has_input:
            named["w_input"] = (4 * n, inputs)
        if layer.has_output:
            named |= {"w_output": (outputs, n), "b_output": (1, outputs)}
        shapes |= {f"{layer.name}:{name}": shape for name, shape in named.items()}
    return shapes


def write_release_checkpoint(path: Path, model, t: int = 5) -> None:
    """Writes an .h5 of small random weights as the 2016 release does."""
    rng = np.random.RandomState(3)
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, shape in shapes_of(model).items():
            file[name] = 0.1 * rng.randn(*shape).astype(np.float32)
            file[f"{name}_grad"] = np.zeros(shape, np.float32)
            file.attrs[f"{name}_t"] = t
