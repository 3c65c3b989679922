"""Bouncing digits as LABELLED data, for videolstm.tools.bouncing --labelled."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from videolstm.data.digits import DIGIT_SIZE, read_digits
from videolstm.data.files import h5_dataset, open_h5
from videolstm.data.labelled_bouncing import (
    LONGEST_WAY,
    LabelledBouncing,
    split_digits,
)
from videolstm.data.labelled_files import describe_labelled
from videolstm.errors import UserError
from videolstm.files import check_writable, written_beside

STEP_LENGTH = 0.1  # of digits that bounce
DATASET = "frames"

_BLOCK = 100  # videos made at once
_BLOCK_BYTES = 64 * 2**20  # of a block at most, where a single video is not larger


def write_labelled_sets(chosen: argparse.Namespace) -> None:
    """Makes the labelled set that the options ask for, and the one for testing."""
    least, step_length = _checked_labelled(chosen)
    images, labels = _read_labelled_digits(Path(chosen.digits), chosen.dataset)
    sets = [(Path(chosen.out), chosen.sequences, np.arange(len(images)))]
    if chosen.test is not None:
        if len(images) < 2:
            raise UserError(
                f"{chosen.digits}: it has one digit, and --test needs another one"
            )
        parts = split_digits(len(images), chosen.test_part, chosen.seed)
        sets[0] = (*sets[0][:2], parts[0])
        sets.append((Path(chosen.test), chosen.test_sequences, parts[1]))
    for number, (out, sequences, samples) in enumerate(sets):
        source = LabelledBouncing(
            chosen.labelled,
            images[samples],
            labels[samples],
            np.random.RandomState((chosen.seed + number) % 2**32),
            chosen.image_size,
            step_length,
            least,
            chosen.frames,
        )
        start = time.monotonic()
        description = write_labelled(out, source, samples, sequences, number == 0)
        print(
            f"{out}: {sequences:,} videos of {least} to {chosen.frames} frames of "
            f"{chosen.image_size}x{chosen.image_size} pixels, {source.classes} classes "
            f"({chosen.labelled}), {len(samples):,} digit samples; described by "
            f"{description}, {time.monotonic() - start:.1f} s"
        )


def _checked_labelled(chosen: argparse.Namespace) -> tuple[int, float]:
    """Frames of the shortest video, and the step."""
    for file in filter(None, (chosen.out, chosen.test)):
        if Path(file).suffix != ".h5":
            raise UserError(f"{file}: a labelled set is an .h5: name one")
        check_writable(file)
    if chosen.test is not None and Path(chosen.test) == Path(chosen.out):
        raise UserError(f"{chosen.test}: --test and --out should be two files")
    if chosen.num_digits not in (None, 1):
        raise UserError(
            f"--num-digits is {chosen.num_digits}, and it should be 1 with --labelled"
        )
    least = max(1, chosen.frames // 2)
    if chosen.min_frames is not None:
        least = chosen.min_frames
    if least > chosen.frames:
        raise UserError(
            f"--min-frames is {least}, and it should be at most --frames, which is "
            f"{chosen.frames}"
        )
    way = LONGEST_WAY / chosen.frames
    step_length = chosen.step_length
    if step_length is None:
        step_length = way if chosen.labelled == "direction" else STEP_LENGTH
    if chosen.labelled == "direction" and step_length * chosen.frames > 1:
        raise UserError(
            f"--step-length is {step_length}, and it should be at most 1 / --frames = "
            f"{1 / chosen.frames:.4g}, so that no digit reaches a side and turns round"
        )
    return least, step_length


def _read_labelled_digits(path: Path, dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Digits (N, 784) and what they are (N,): `labels` of `train`, `test_labels` of
    `test`."""
    read_digits(path, dataset)  # for its checks
    name = "labels" if dataset == "train" else f"{dataset}_labels"
    with open_h5(path) as file:
        images = file[dataset][()].reshape(-1, DIGIT_SIZE**2)
        labels = h5_dataset(file, name, "the digits' classes")[()]
    if labels.shape != (len(images),):
        raise UserError(
            f"{path}: the dataset {name!r} has the shape {labels.shape}, and it should "
            f"be ({len(images)},), one for each digit of {dataset!r}"
        )
    if not np.isin(labels, np.arange(10)).all():
        raise UserError(
            f"{path}: the dataset {name!r} has values from {labels.min()} to "
            f"{labels.max()}, and they should be whole numbers from 0 to 9"
        )
    return images, labels


def write_labelled(
    path: Path,
    source: LabelledBouncing,
    numbers: np.ndarray,
    sequences: int,
    randomize: bool,
) -> Path:
    """Write the first `sequences` videos of `source` as LABELLED data, a block at a
    time; returns the .pbtxt that describes them, with clips as long as the shortest
    video may be. randomize: whether training takes them in a random order."""
    labels, lengths, samples = [], [], []
    dims = source.bouncing.image_size**2
    size = min(max(_BLOCK_BYTES // (4 * source.most * dims), 1), _BLOCK)
    bar = tqdm(total=sequences, desc=path.name, unit=" videos", disable=None)
    with bar, written_beside(path) as beside, h5py.File(beside, "w") as file:
        frames = file.create_dataset(
            DATASET,
            shape=(0, dims),
            maxshape=(None, dims),
            chunks=(max(1, 2**18 // dims), dims),
            dtype=np.float32,
            compression=1,
            shuffle=True,
        )
        while sum(map(len, labels)) < sequences:
            wanted = sequences - sum(map(len, labels))
            block = source.videos(
                size
            )  # whole blocks, since the random numbers depend on it
            rows = np.concatenate(
                [block.frames[:n, j] for j, n in enumerate(block.lengths[:wanted])]
            )
            frames.resize(len(frames) + len(rows), axis=0)
            frames[-len(rows) :] = rows
            labels.append(block.labels[:wanted])
            lengths.append(block.lengths[:wanted])
            samples.append(numbers[block.digits[:wanted]])
            bar.update(len(labels[-1]))
        file["samples"] = np.concatenate(samples)
    lists = {"labels": np.concatenate(labels), "num_frames": np.concatenate(lengths)}
    return describe_labelled(
        path, DATASET, lists, source.least, min(50, sequences), randomize
    )
