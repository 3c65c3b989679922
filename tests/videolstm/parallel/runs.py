"""The runs that are made by one process and by several: a model and data of each kind,
and what is launched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

from tests.commands import on_the_cpu
from tests.videolstm.helpers import (
    GOLDEN,
    WEIGHTS,
    describe,
    describe_classifier,
    describe_logreg,
)
from videolstm.config import write_text

ROOT = Path(__file__).resolve().parents[3]
STEPS = 50

# What a pytest that itself was launched would hand on.
_LAUNCHERS = ("OMPI_", "PMI_", "PMIX_", "SLURM_", "MPI_LOCAL", "HYDI_", "HYDRA_")


def mpiexec(ranks: int, *command, wrapped=()) -> list[str]:
    """The command line that starts `command` so often."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec") or "mpiexec"
    return [found, "-n", str(ranks), *map(str, (*wrapped, *command))]


def environment(**more: str) -> dict[str, str]:
    """This environment without a launcher's variables, one thread for each process. The
    ranks of these tests compute on the CPU, whichever library the others do."""
    kept = {k: v for k, v in on_the_cpu().items() if not k.startswith(_LAUNCHERS)}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path} | more


def launch(
    folder: Path, command: list[str], **more: str
) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=240,
    )


# ---- data ----------------------------------------------------------------------------

BOUNCING = """dataset_type: BOUNCING_MNIST
data_file: "digits.h5"
num_frames: 6
batch_size: 5
image_size: 30
num_digits: 2
step_length: 0.1
"""
PATCHES = """dataset_type: VIDEO_PATCH
data_file: "patches.npy"
num_frames: 6
batch_size: 5
image_size: 30
"""
UNLABELLED = """dataset_type: UNLABELLED
data_file: "list.txt"
num_frames_file: "list_frames.txt"
dataset_name: "feat"
num_frames: 6
stride: 2
batch_size: 7
randomize: true
"""
CROPPED = """dataset_type: LABELLED
data_file: "images.h5"
dataset_name: "images"
num_frames_file: "frames.txt"
labels_file: "labels.txt"
num_frames: 3
stride: 2
batch_size: 7
randomize: true
num_colors: 2
image_size_y: 4
image_size_x: 5
patch_size_y: 3
patch_size_x: 3
sample_times: 2
"""


def write_data(folder: Path) -> None:
    """Files of all descriptions: few clips, so that passes end within the runs."""
    source = GOLDEN / "e2e" / "combo"
    shutil.copy(source / "digits.h5", folder / "digits.h5")
    np.save(folder / "patches.npy", np.load(source / "valid.npy")[:8])
    rng = np.random.RandomState(1)
    lengths = [7, 12, 9, 6]
    for number, length in enumerate(lengths):
        with h5py.File(folder / f"video{number}.h5", "w") as file:
            file["feat"] = rng.rand(length, 5).astype(np.float32)
    with h5py.File(folder / "images.h5", "w") as file:
        file["images"] = rng.rand(sum(lengths), 2 * 4 * 5).astype(np.float32)
    lists = {
        "list.txt": [f"video{number}.h5" for number in range(4)],
        "list_frames.txt": lengths,
        "frames.txt": lengths,
        "labels.txt": [0, 2, 1, 2],
    }
    for name, lines in lists.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    for name, text in {
        "bouncing": BOUNCING,
        "patches": PATCHES,
        "unlabelled": UNLABELLED,
        "cropped": CROPPED,
    }.items():
        (folder / f"{name}.pbtxt").write_text(text)


# ---- models --------------------------------------------------------------------------

OFTEN = {"print_after": 10, "validate_after": 25, "save_after": 25}


def digits_model():
    """Two digits: dropout everywhere, conditional decoders, momentum, rms_prop."""
    fields = {"binary_data": True, "dec_conditional": True, "future_conditional": True}
    model = describe(units=(3,), dims=900, dropprob=(0.2, 0.1), **fields, **OFTEN)
    for layer in (*model.lstm, *model.lstm_dec, *model.lstm_future):
        for weight in WEIGHTS:
            getattr(layer, weight).epsilon = 1e-4
        layer.w_dense.rms_prop = True
    return model


def patches_model():
    """Two layers, states that are copied, the release's gradient."""
    model = describe(
        units=(4, 3),
        dims=900,
        decoder_copy_init_state=True,
        future_copy_init_state=True,
        reproduce_2016_release=True,
        **OFTEN,
    )
    for layer in (*model.lstm, *model.lstm_dec, *model.lstm_future):
        for weight in WEIGHTS:
            getattr(layer, weight).epsilon = 1e-5
    return model


def gentle(model, epsilon=1e-3):
    """The model with a learning rate at which rounding does not grow in 50 steps."""
    layers = [model.logreg] if model.HasField("logreg") else list(model.lstm)
    layers += [*model.lstm_dec, *model.lstm_future]
    for layer in layers:
        for field, _ in layer.ListFields():
            if field.message_type is not None and field.message_type.name == "Param":
                getattr(layer, field.name).epsilon = epsilon
    return model


MODELS = {
    "digits": digits_model,
    "patches": patches_model,
    "features": lambda: gentle(describe(future=0, dec=6, dropprob=(0.3, 0.0), **OFTEN)),
    "classes": lambda: gentle(
        describe_classifier(units=(4, 3), dims=18, dropprob=(0.2, 0.3), **OFTEN)
    ),
    "logreg": lambda: gentle(describe_logreg(dims=18, dropprob=0.3, **OFTEN)),
}
# name: program, model, data for training, data for validation
CASES = {
    "digits": ("lstm_combo", "digits", "bouncing", "patches"),
    "patches": ("lstm_combo", "patches", "patches", "bouncing"),
    "features": ("lstm_combo", "features", "unlabelled", "unlabelled"),
    "classes": ("lstm_classifier", "classes", "cropped", "cropped"),
    "logreg": ("lstm_classifier", "logreg", "cropped", "cropped"),
}


def write_models(folder: Path) -> None:
    for name, make in MODELS.items():
        model = make()
        model.name, model.max_iters = name, STEPS
        write_text(model, folder / f"{name}_model.pbtxt")


def case(name: str, out: str, model: str | None = None, **more) -> dict:
    """A run for the driver: into the folder `out`, of the description `model`, else the
    case's own."""
    program, own, train, valid = CASES[name]
    arguments = [model or f"{own}_model.pbtxt", f"{train}.pbtxt", f"{valid}.pbtxt"]
    options = [f"--{key.replace('_', '-')}={value}" for key, value in more.items()]
    return {
        "name": out,
        "program": program,
        "arguments": [*arguments, "cpu", f"--out={out}", *options],
    }


def drive(folder: Path, ranks: int, cases: list[dict], **more: str) -> None:
    """Makes runs one after the other, in one launch; they have to end well."""
    plan = folder / f"plan{ranks}.json"
    plan.write_text(json.dumps(cases))
    driver = [sys.executable, "-m", "tests.videolstm.parallel.driver", plan]
    command = mpiexec(ranks, *driver) if ranks > 1 else list(map(str, driver))
    done = launch(folder, command, **more)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (folder / f"output{ranks}.txt").write_text(done.stdout)
