"""Small runs that have everything in them that a checkpoint has to remember, for the
tests and campaigns that interrupt them.

Every model has dropout, momentum, rms_prop and a learning rate that decays; lines are
printed, validated and saved at steps that do not divide each other.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tests.videolstm.helpers import (
    GOLDEN,
    describe,
    describe_classifier,
    describe_logreg,
)
from videolstm.config import messages, write_text

FRAMES = 6
SIDE, CROP = 6, 5  # of the images that are stored as features, and of their crops
CLASSES = 3
INTERVALS = {"print_after": 5, "validate_after": 4, "save_after": 3}


@dataclass(frozen=True)
class Scenario:
    """A program, its model and its data.

    data: writes train.pbtxt and what it names. dims: numbers in a frame of them.
    """

    program: str
    model: Callable
    data: Callable[[Path, str, int], None]
    dims: int

    def write(self, folder: Path, units: int = 3, **fields) -> None:
        """Writes all files that the program needs; `fields` are the model's."""
        fields = {"checkpoint_dir": "out", "max_iters": 12} | INTERVALS | fields
        write_text(self.model(self.dims, units, fields), folder / "model.pbtxt")
        self.data(folder, "train", 4)
        # of another kind where there is one that a validation's random numbers matter
        valid = patches if self.data in (bouncing, patches) else crops
        valid(folder, "valid", 3)


# ---- models --------------------------------------------------------------------------


def composite(dims: int, units: int, fields: dict):
    model = describe((units,), dims, dropprob=(0.2, 0.1), binary_data=True, **fields)
    layers = (*model.lstm, *model.lstm_dec, *model.lstm_future)
    return _with_everything(model, layers)


def lstm_classifier(dims: int, units: int, fields: dict):
    model = describe_classifier((units,), dims, CLASSES, (0.2, 0.1), **fields)
    return _with_everything(model, model.lstm)


def logistic_regression(dims: int, units: int, fields: dict):
    model = describe_logreg(dims, CLASSES, 0.2, **fields)
    return _with_everything(model, [model.logreg])


def _with_everything(model, layers):
    for number, layer in enumerate(layers):
        for field, param in layer.ListFields():
            if field.message_type is messages().Param.DESCRIPTOR:
                param.epsilon, param.l2_decay = 1e-3, 1e-3
                param.eps_decay_after, param.eps_decay_factor = 3, 0.7
                # the name of a field, so that some weights have it and others not
                param.rms_prop = (len(field.name) + number) % 2 == 0
    return model


# ---- data ----------------------------------------------------------------------------


def bouncing(folder: Path, name: str, batch_size: int) -> None:
    """Two digits that bounce, made on the fly."""
    shutil.copy(GOLDEN / "e2e" / "combo" / "digits.h5", folder / f"{name}.h5")
    (folder / f"{name}.pbtxt").write_text(
        f'dataset_type: BOUNCING_MNIST data_file: "{name}.h5" num_frames: {FRAMES} '
        f"batch_size: {batch_size} image_size: 30 num_digits: 2 step_length: 0.1\n"
    )


def patches(folder: Path, name: str, batch_size: int) -> None:
    """Seven clips of 30x30 pixels: no multiple of any batch."""
    clips = np.load(GOLDEN / "e2e" / "combo" / "valid.npy")[:7]
    np.save(folder / f"{name}.npy", clips)
    (folder / f"{name}.pbtxt").write_text(
        f'dataset_type: VIDEO_PATCH data_file: "{name}.npy" num_frames: {FRAMES} '
        f"batch_size: {batch_size} image_size: 30\n"
    )


def crops(folder: Path, name: str, batch_size: int) -> None:
    """LABELLED images in a random order, two random crops of each."""
    rng = np.random.RandomState(len(name))
    counts = rng.randint(FRAMES, 2 * FRAMES, size=9)
    with h5py.File(folder / f"{name}.h5", "w") as file:
        file["x"] = rng.rand(counts.sum(), SIDE**2).astype(np.float32)
    np.savetxt(folder / f"{name}_num_frames.txt", counts, fmt="%d")
    np.savetxt(folder / f"{name}_labels.txt", rng.randint(CLASSES, size=9), fmt="%d")
    (folder / f"{name}.pbtxt").write_text(
        f'data_file: "{name}.h5" dataset_name: "x" labels_file: "{name}_labels.txt" '
        f'num_frames_file: "{name}_num_frames.txt" num_frames: {FRAMES} stride: 2 '
        f"batch_size: {batch_size} randomize: true sample_times: 2 num_colors: 1 "
        f"image_size_x: {SIDE} image_size_y: {SIDE} "
        f"patch_size_x: {CROP} patch_size_y: {CROP}\n"
    )


def unlabelled(folder: Path, name: str, batch_size: int) -> None:
    """Features of five videos, a file for each, in a random order."""
    rng = np.random.RandomState(8)
    counts = rng.randint(FRAMES, 2 * FRAMES, size=5)
    names = [f"{name}_{number}.h5" for number in range(len(counts))]
    for file_name, count in zip(names, counts, strict=True):
        with h5py.File(folder / file_name, "w") as file:
            file["x"] = rng.rand(count, CROP**2).astype(np.float32)
    (folder / f"{name}_files.txt").write_text("\n".join(names) + "\n")
    np.savetxt(folder / f"{name}_num_frames.txt", counts, fmt="%d")
    (folder / f"{name}.pbtxt").write_text(
        f'dataset_type: UNLABELLED data_file: "{name}_files.txt" dataset_name: "x" '
        f'num_frames_file: "{name}_num_frames.txt" num_frames: {FRAMES} '
        f"batch_size: {batch_size} randomize: true\n"
    )


SCENARIOS = {
    "bouncing": Scenario("lstm_combo", composite, bouncing, 900),
    "patches": Scenario("lstm_combo", composite, patches, 900),
    "unlabelled": Scenario("lstm_combo", composite, unlabelled, CROP**2),
    "labelled": Scenario("lstm_combo", composite, crops, CROP**2),
    "classifier": Scenario("lstm_classifier", lstm_classifier, crops, CROP**2),
    "logreg": Scenario("lstm_classifier", logistic_regression, crops, CROP**2),
}


# ---- what a run leaves ---------------------------------------------------------------


def contents(path: Path) -> dict[str, bytes]:
    """All that is in an .h5, bit for bit: datasets, and attributes as `name@key`."""
    found = {}

    def collect(name: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[...].tobytes()
        for key, value in item.attrs.items():
            found[f"{name}@{key}"] = np.asarray(value).tobytes()

    with h5py.File(path) as file:
        collect("", file)
        file.visititems(collect)
    return found


def merged_logs(folder: Path, name: str, timestamps: list[str]) -> list[dict[str, str]]:
    """The rows of the logs of a chain of runs, without their times: a row of a later
    run counts instead of those of earlier ones from its step on."""
    rows: dict[int, dict[str, str]] = {}
    for timestamp in timestamps:
        with (folder / f"{name}_{timestamp}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                assert float(row.pop("seconds")) >= 0
                step = int(row["iteration"])
                rows = {k: v for k, v in rows.items() if k < step} | {step: row}
    return list(rows.values())
