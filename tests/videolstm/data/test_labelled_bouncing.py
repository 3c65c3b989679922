"""Bouncing digits with classes: what is seen in the frames agrees with the label."""

import numpy as np
import pytest

from videolstm.data.labelled_bouncing import (
    DIRECTIONS,
    LabelledBouncing,
    split_digits,
)

SIZE, LEAST, MOST = 60, 5, 12


def digits():
    """20 digits, each a full square of its own brightness, two of each class."""
    levels = np.linspace(0.2, 1, 20)
    images = np.repeat(levels[:, None], 784, axis=1).astype(np.float32)
    return images, np.arange(20) % 10


def source(kind, seed=3, step_length=0.06):
    rng = np.random.RandomState(seed)
    return LabelledBouncing(kind, *digits(), rng, SIZE, step_length, LEAST, MOST)


def centres(frames):
    """Centre of mass (frames, n, 2), x and y, of frames (frames, n, dims)."""
    images = frames.reshape(*frames.shape[:2], SIZE, SIZE).astype(float)
    mass = images.sum(axis=(2, 3))
    places = np.arange(SIZE)
    x = (images.sum(axis=2) * places).sum(axis=2) / mass
    y = (images.sum(axis=3) * places).sum(axis=2) / mass
    return np.stack([x, y], axis=2)


def test_digit_is_the_one_that_is_shown():
    videos = source("digit", step_length=0.1).videos(50)
    images, labels = digits()
    brightest = videos.frames.max(axis=(0, 2))
    np.testing.assert_array_equal(brightest, images[videos.digits, 0])
    np.testing.assert_array_equal(videos.labels, labels[videos.digits])
    assert set(videos.labels) == set(range(10))


def test_direction_is_that_of_the_motion_in_every_part():
    videos = source("direction").videos(80)
    places = centres(videos.frames)
    # A way of 23 pixels, of which each end may be cut by a pixel: 4 degrees; the class
    # itself allows 15 to either side of it, and the next one is 45 away.
    for first, last in ((0, MOST - 1), (0, MOST // 2), (MOST // 2, MOST - 1)):
        way = places[last] - places[first]
        angle = np.degrees(np.arctan2(way[:, 1], way[:, 0]))  # y grows downwards
        away = (angle - 45 * videos.labels + 180) % 360 - 180
        assert np.abs(away).max() < 22.5
    assert np.bincount(videos.labels, minlength=DIRECTIONS).tolist() == [10] * 8


def test_a_direction_reaches_no_side():
    # a step a frame, so that nobody stands still or turns round
    videos = source("direction", step_length=1 / MOST).videos(80)
    steps = np.diff(centres(videos.frames), axis=0)
    lengths = np.linalg.norm(steps, axis=2)
    wanted = (SIZE - 28) / MOST
    assert np.abs(lengths - wanted).max() < np.sqrt(2)  # places are whole pixels
    with pytest.raises(ValueError, match="reach a side"):
        source("direction", step_length=1.01 / MOST)


def test_lengths_are_all_there_are():
    videos = source("digit").videos(300)
    assert set(videos.lengths) == set(range(LEAST, MOST + 1))
    assert videos.frames.shape == (MOST, 300, SIZE * SIZE)


def test_a_seed_gives_the_same_videos():
    for kind in ("digit", "direction"):
        one, same, other = (source(kind, seed).videos(9) for seed in (3, 3, 4))
        np.testing.assert_array_equal(one.frames, same.frames)
        np.testing.assert_array_equal(one.lengths, same.lengths)
        assert not np.array_equal(one.frames, other.frames)


@pytest.mark.parametrize(
    ("count", "part", "tested"),
    [(10, 0.2, 2), (10, 0.99, 9), (1000, 0.001, 1), (2, 0.1, 1)],
)
def test_parts_share_no_digit(count, part, tested):
    trained, other = split_digits(count, part, seed=5)
    assert len(other) == tested
    assert sorted([*trained, *other]) == list(range(count))
    again = split_digits(count, part, seed=5)
    np.testing.assert_array_equal(again[1], other)
