"""Bouncing digits as LABELLED data, for videolstm.tools.bouncing --labelled."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from videolstm.config import check_description
from videolstm.data.digits import label_names
from videolstm.data.labelled_bouncing import LONGEST_WAY, LabelledBouncing
from videolstm.data.labelled_files import describe_labelled
from videolstm.errors import UserError
from videolstm.files import check_writable, written_beside
from videolstm.tools.bouncing_npy import STEP_LENGTH
from videolstm.tools.bouncing_sets import Wanted

MOST_COUNTED = (1, 3)  # digits of --labelled count
DATASET = "frames"

_BLOCK = 100  # videos made at once
_BLOCK_BYTES = 64 * 2**20  # of a block at most, where a single video is not larger


def write_labelled_sets(chosen: argparse.Namespace, sets: list[Wanted]) -> None:
    """Makes the labelled sets that the options ask for."""
    least, step_length = _checked_labelled(chosen)
    for wanted in sets:
        if chosen.labelled == "digit" and wanted.labels is None:
            raise _unlabelled(chosen, wanted)
        source = LabelledBouncing(
            chosen.labelled,
            wanted.images,
            wanted.labels,
            np.random.RandomState(wanted.seed),
            chosen.image_size,
            step_length,
            least,
            chosen.frames,
            (chosen.num_digits or MOST_COUNTED)[1],
            chosen.digit_size,
        )
        start = time.monotonic()
        description = write_labelled(
            wanted.out, source, wanted.samples, wanted.sequences, not wanted.is_test
        )
        print(
            f"{wanted.out}: {wanted.sequences:,} videos of {least} to {chosen.frames} "
            f"frames of {chosen.image_size}x{chosen.image_size} pixels, "
            f"{source.classes} classes ({chosen.labelled}), {len(wanted.samples):,} "
            f"digit samples; described by {description}, "
            f"{time.monotonic() - start:.1f} s"
        )


def _unlabelled(chosen: argparse.Namespace, wanted: Wanted) -> UserError:
    dataset = chosen.test_dataset if wanted.is_test else chosen.dataset
    dataset = dataset or "train"
    name = label_names(dataset)[0]
    return UserError(
        f"{chosen.digits}: there is nothing that says what the digits of {dataset!r} "
        f"are, such as a dataset {name!r}, and --labelled digit needs it"
    )


def _checked_labelled(chosen: argparse.Namespace) -> tuple[int, float]:
    """Frames of the shortest video, and the step."""
    for file in filter(None, (chosen.out, chosen.test)):
        if Path(file).suffix != ".h5":
            raise UserError(f"{file}: a labelled set is an .h5: name one")
        check_writable(file)
        check_description(Path(file).with_suffix(".pbtxt"), file)
    if chosen.test is not None and Path(chosen.test) == Path(chosen.out):
        raise UserError(f"{chosen.test}: --test and --out should be two files")
    _check_num_digits(chosen)
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


def _check_num_digits(chosen: argparse.Namespace) -> None:
    """Of kind `count` N, or 1-N, is the most of them; other kinds have one digit."""
    if chosen.num_digits is None:
        return
    least, most = chosen.num_digits
    shown = str(most) if least == most else f"{least}-{most}"
    if chosen.labelled != "count":
        if (least, most) != (1, 1):
            raise UserError(
                f"--num-digits is {shown}, and it should be 1 with --labelled "
                f"{chosen.labelled}"
            )
    elif most < 2 or least not in (1, most):
        raise UserError(
            f"--num-digits is {shown}, and with --labelled count it should be the most "
            "that a video has, 2 or more"
        )


def write_labelled(
    path: Path,
    source: LabelledBouncing,
    numbers: np.ndarray,
    sequences: int,
    randomize: bool,
) -> Path:
    """Write the first `sequences` videos of `source` as LABELLED data, a block at a
    time; returns the .pbtxt that describes them, with clips as long as the shortest
    video may be.

    numbers: what the digit samples of `source` are called in the set `samples` of the
    .h5, which has those that each video shows; `digits` has what they are, where that
    is known. randomize: whether training takes the videos in a random order.
    """
    kept: dict[str, list[np.ndarray]] = {"labels": [], "num_frames": [], "shown": []}
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
        for start in range(0, sequences, size):
            # Whole blocks, also at the end: the random numbers depend on their size.
            block = source.videos(size)
            wanted = min(size, sequences - start)
            rows = [block.frames[:n, j] for j, n in enumerate(block.lengths[:wanted])]
            added = np.concatenate(rows)
            frames.resize(len(frames) + len(added), axis=0)
            frames[-len(added) :] = added
            kept["labels"].append(block.labels[:wanted])
            kept["num_frames"].append(block.lengths[:wanted])
            kept["shown"].append(block.digits[:wanted])
            bar.update(wanted)
        lists = {name: np.concatenate(parts) for name, parts in kept.items()}
        shown = lists.pop("shown")
        file["samples"] = np.where(shown < 0, -1, numbers[shown])
        if source.digit_labels is not None:
            file["digits"] = np.where(shown < 0, -1, source.digit_labels[shown])
    return describe_labelled(
        path,
        DATASET,
        lists,
        source.least,
        min(50, sequences),
        randomize,
        image_size=source.bouncing.image_size,
    )
