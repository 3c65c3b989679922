"""What a net reads of a frame: sizes, cuts, orders, mean and scale, in plain numpy."""

import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.video.pixels import PRESETS, Colours, Preparation

FRAME = np.random.RandomState(0).randint(0, 256, (30, 50, 3), np.uint8)
# One rounding of float32 in each of two steps, of values up to 255.
TOLERANCE = 1e-4

BYTES = PRESETS["bytes"]


def prepared(frame=FRAME, height=20, width=20, colours=BYTES, **options):
    return Preparation(height, width, colours, **options)(frame)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("bytes", lambda x: x),
        ("unit", lambda x: x / 255),
        ("symmetric", lambda x: x / 127.5 - 1),
        # As torchvision and as Caffe's own preprocessing write them.
        (
            "imagenet",
            lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        ),
        ("caffe-vgg", lambda x: x[..., ::-1] - [103.939, 116.779, 123.68]),
    ],
)
def test_presets(preset, expected):
    colours = PRESETS[preset]
    got = prepared(colours=colours, fit="centre", height=30, width=50)
    assert got.dtype == np.float32
    assert np.abs(got - expected(FRAME.astype(float))).max() < TOLERANCE


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [(20, 20, slice(5, 25), slice(15, 35)), (29, 49, slice(0, 29), slice(0, 49))],
)
def test_centre_cuts_the_middle_out(height, width, rows, columns):
    got = prepared(height=height, width=width, fit="centre")
    assert np.array_equal(got, FRAME[rows, columns])


def test_crop_scales_the_shorter_side():
    """Twice as small in both directions, of a frame of 2x2 blocks of one colour."""
    blocks = FRAME[:20, :30].repeat(2, 0).repeat(2, 1)
    got = prepared(blocks, 10, 10, short_side=20)
    # Pillow's triangle of four pixels reaches into the next block by 1/8 each side.
    wide = np.pad(FRAME[:20, :30].astype(float), ((1, 1), (1, 1), (0, 0)), "edge")
    near = (wide[:-2] + 6 * wide[1:-1] + wide[2:]) / 8
    near = (near[:, :-2] + 6 * near[:, 1:-1] + near[:, 2:]) / 8
    assert np.abs(got - near[5:15, 10:20]).max() <= 1  # rounded twice


@pytest.mark.parametrize(
    ("height", "width", "short_side"), [(224, 224, 256), (112, 98, 128), (7, 7, 8)]
)
def test_the_usual_margin(height, width, short_side):
    explicit = prepared(height=height, width=width, short_side=short_side)
    assert np.array_equal(prepared(height=height, width=width), explicit)


def test_squash_keeps_the_whole():
    halves = np.zeros((30, 50, 3), np.uint8)
    halves[:, 25:] = 200
    got = prepared(halves, 6, 4, fit="squash")
    assert got.shape == (6, 4, 3)
    assert np.array_equal(got[:, 0], np.zeros((6, 3)))
    assert np.array_equal(got[:, 3], np.full((6, 3), 200))
    assert np.array_equal(prepared(height=30, width=50, fit="squash"), FRAME)


def test_grey_is_luma():
    grey = Colours("grey", (100.0,), (2.0,))
    got = prepared(colours=grey, fit="centre")
    luma = FRAME[5:25, 15:35] @ [0.299, 0.587, 0.114]
    # Pillow rounds to whole levels, which are half as large here.
    assert got.shape == (20, 20, 1)
    assert np.abs(got[..., 0] - (luma - 100) / 2).max() <= 0.26


def test_too_small():
    with pytest.raises(UserError, match="frames are 50x30 pixels where 20x31 should"):
        prepared(height=31, fit="centre")
    with pytest.raises(UserError, match="frames are 33x20 pixels where 20x30 should"):
        prepared(height=30, short_side=20)


def test_changes_of_a_preset():
    caffe = PRESETS["caffe-vgg"]
    assert caffe.changed("rgb", None, None).mean == (123.68, 116.779, 103.939)
    assert caffe.changed("bgr", None, None) is not None
    assert caffe.changed("grey", None, None).mean == pytest.approx((114.799333,))
    assert caffe.changed(None, (1.0,), (2.0,)) == Colours("bgr", (1.0,), (2.0,))
    assert caffe.changed("rgb", (1.0, 2.0, 3.0), None).mean == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ((None, (1.0, 2.0), None), "--mean has 2 numbers, and it should have 1 or 3"),
        (("grey", None, (1.0, 2.0, 3.0)), "--std has 3 numbers, and it should have 1 "),
        ((None, None, (1.0, 0.0, 1.0)), "--std should be numbers above 0"),
        ((None, (float("nan"),), None), "--mean should be finite numbers"),
        ((None, None, (float("inf"),)), "--std should be finite numbers"),
    ],
)
def test_wrong_changes(changes, words):
    with pytest.raises(UserError, match=words):
        PRESETS["imagenet"].changed(*changes)
