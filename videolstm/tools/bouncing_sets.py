"""Which sets of bouncing digits to make, and of which digits: one set, or two that
share no digit sample."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videolstm.command import LARGEST_SEED
from videolstm.data.digits import load_digits, load_images
from videolstm.data.labelled_bouncing import split_digits
from videolstm.errors import UserError


@dataclass(frozen=True, eq=False)
class Wanted:
    """A set that is to be made.

    out: the file; sequences: videos in it; seed: of its random numbers. images, float32
    (n, side, side), and labels, int64 (n,) or None: its digits; samples: what these are
    numbered in the file they come from. is_test: whether it is the second one.
    """

    out: Path
    sequences: int
    images: np.ndarray
    labels: np.ndarray | None
    samples: np.ndarray
    seed: int
    is_test: bool = False


def wanted_sets(chosen: argparse.Namespace) -> list[Wanted]:
    """The one or two sets that the options of videolstm.tools.bouncing ask for.

    Two sets have other digit samples, parted at random or from two data sets of the
    digits file, and other seeds.
    """
    images, labels = _load(chosen, chosen.dataset)
    numbers = np.arange(len(images))
    out, count, seed = Path(chosen.out), chosen.sequences, chosen.seed
    if chosen.test is None:
        return [Wanted(out, count, images, labels, numbers, seed)]
    next_seed = (seed + 1) % (LARGEST_SEED + 1)
    test, test_count = Path(chosen.test), chosen.test_sequences
    if chosen.test_dataset is not None:
        others = _load(chosen, chosen.test_dataset)
        own = np.arange(len(others[0]))
        return [
            Wanted(out, count, images, labels, numbers, seed),
            Wanted(test, test_count, *others, own, next_seed, is_test=True),
        ]
    if len(images) < 2:
        raise UserError(
            f"{chosen.digits}: it has one digit, and --test needs another one"
        )
    parts = split_digits(len(images), chosen.test_part, seed)
    own, others = (
        (images[part], None if labels is None else labels[part], part) for part in parts
    )
    return [
        Wanted(out, count, *own, seed),
        Wanted(test, test_count, *others, next_seed, is_test=True),
    ]


def _load(
    chosen: argparse.Namespace, dataset: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images, and labels where a class may be made of them."""
    if chosen.labelled:
        return load_digits(chosen.digits, dataset)
    return load_images(chosen.digits, dataset), None


def check_fit(chosen: argparse.Namespace, images: np.ndarray) -> None:
    """Raises UserError where digits are larger than a frame."""
    side = chosen.digit_size or images.shape[1]
    if side > chosen.image_size:
        smaller = "" if chosen.digit_size else "; --digit-size makes digits smaller"
        raise UserError(
            f"--image-size is {chosen.image_size}, and it should be at least the "
            f"{side} pixels of a digit{smaller}"
        )
