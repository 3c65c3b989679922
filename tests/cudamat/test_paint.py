"""Painting videos, against the same by loops in numpy, and what it refuses."""

import numpy as np
import pytest

import cudamat as cm
from cudamat.paint import Images, paint

MARK = -7.0


def blots(count, height, width, seed=1):
    """Images of which some are dark, one is all lit and the others a third."""
    random = np.random.RandomState(seed)
    images = random.rand(count, height, width)
    images *= random.rand(count, height, width) < 1 / 3
    images[0] = 0
    images[-1] = 1
    return images.astype(np.float32)


def lists(images):
    image, rows, columns = np.nonzero(images)
    starts = np.searchsorted(image, np.arange(len(images) + 1))
    return Images(starts, rows, columns, images[image, rows, columns])


def places(random, images, steps, shown, size):
    """Corners at random, among them all four of the frame's."""
    height, width = images.shape[1:]
    top = random.randint(0, size - height + 1, (steps, shown))
    left = random.randint(0, size - width + 1, (steps, shown))
    if steps * shown >= 4:
        top.flat[:4] = 0, 0, size - height, size - height
        left.flat[:4] = 0, size - width, 0, size - width
    return top, left


def plain(images, chosen, top, left, size, steps, videos):
    """The frames by loops."""
    frames = np.zeros((steps, videos, size, size), np.float32)
    each, (height, width) = len(chosen) // max(videos, 1), images.shape[1:]
    for t in range(steps):
        for k, image in enumerate(chosen):
            y, x = top[t, k], left[t, k]
            window = frames[t, k // each, y : y + height, x : x + width]
            window[:] = np.maximum(window, images[image])
    return frames.reshape(steps, videos, size**2)


@pytest.mark.parametrize(
    ("steps", "videos", "each", "size", "shape"),
    [
        (20, 5, 2, 64, (28, 28)),
        (3, 4, 3, 29, (28, 28)),  # frames that begin anywhere in a line of the cache
        (2, 3, 1, 28, (28, 28)),  # no room to move
        (4, 2, 5, 9, (3, 7)),
        (2, 2, 2, 1, (1, 1)),  # a single pixel, and padding beyond all of it
        (3, 2, 1, 256, (256, 256)),  # as wide as an image can be
        (2, 3, 0, 8, (4, 4)),  # nothing to show
        (0, 3, 2, 8, (4, 4)),
        (2, 0, 2, 8, (4, 4)),
    ],
)
def test_videos_are_those_of_plain_loops(steps, videos, each, size, shape):
    images, random = blots(6, *shape), np.random.RandomState(2)
    chosen = random.randint(0, 6, videos * each)
    top, left = places(random, images, steps, videos * each, size)
    # between marks, and not where a line of the cache begins
    memory = np.full(steps * videos * size**2 + 9, MARK, np.float32)
    out = memory[5:-4].reshape(steps, videos, size**2)
    assert paint(lists(images), chosen, top, left, size, out) is out
    want = plain(images, chosen, top, left, size, steps, videos)
    np.testing.assert_array_equal(out, want)
    assert (memory[:5] == MARK).all() and (memory[-4:] == MARK).all()


GIVEN = {"steps": 2, "videos": 3, "size": 8, "chosen": [0, 1, 2], "top": 0, "left": 0}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"chosen": [0, 1, 4]}, "image 4 was chosen, and there are 4"),
        ({"chosen": [-1, 1, 2]}, "image -1 was chosen, and there are 4"),
        ({"top": 5}, "4 x 4 pixels at row 5 and column 0 is not within the 8 x 8"),
        ({"top": -1}, "at row -1 and column 0"),
        ({"left": 5}, "at row 0 and column 5"),
        ({"left": -1}, "at row 0 and column -1"),
        ({"size": 3}, "is not within the 3 x 3"),
    ],
)
def test_what_is_not_within_a_frame(change, found):
    given = GIVEN | change
    images = np.ones((4, 4, 4), np.float32)
    size, steps, videos = given["size"], given["steps"], given["videos"]
    top, left = np.zeros((2, steps, videos), np.int32)
    top[1, 2], left[1, 2] = given["top"], given["left"]
    out = np.full((steps, videos, size**2), MARK, np.float32)
    with pytest.raises(cm.CUDAMatException, match=found):
        paint(lists(images), np.array(given["chosen"]), top, left, size, out)
    assert (out == MARK).all()


def test_images_whose_pixels_are_not_there():
    pixels = np.zeros(3, np.uint8)
    place = np.zeros((1, 1), np.int32)
    for starts in ([0, 4], [-1, 2], [3, 1]):
        images = Images(starts, pixels, pixels, np.ones(3))
        with pytest.raises(cm.CUDAMatException, match="the pixels of image 0 are"):
            paint(images, np.zeros(1), place, place, 4, np.zeros((1, 1, 16), "f4"))


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((2, 3, 64)),
        np.zeros((2, 3, 128), np.float32)[:, :, ::2],
        np.zeros((2, 3, 63), np.float32),
        np.zeros((1, 3, 64), np.float32),
        np.zeros((2, 2, 64), np.float32),
    ],
    ids=["doubles", "gaps", "pixels", "steps", "videos"],
)
def test_shapes_that_do_not_fit(out):
    corner = np.zeros((2, 3), np.int32)
    with pytest.raises(ValueError, match="do not fit"):
        paint(lists(blots(3, 4, 4)), np.zeros(3), corner, corner, 8, out)


def test_lists_of_different_lengths():
    with pytest.raises(ValueError, match="of one length"):
        Images([0, 2], [1, 1], [1, 1], [1.0])


def test_no_memory():
    """The library itself, were it called with nothing."""
    with pytest.raises(cm.CUDAMatException, match="have no memory"):
        cm.load().cm_paint(None, None, None)
