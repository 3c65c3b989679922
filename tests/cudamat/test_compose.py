"""Composing videos on the board, against the same by loops in numpy and against what
is painted on the host, and what it refuses."""

import ctypes as ct
import gc

import numpy as np
import pytest

import cudamat as cm
from cudamat.compose import ScenesStruct, Table
from cudamat.library import lib
from cudamat.paint import Images, paint
from tests.cudamat.framed import Framed
from tests.cudamat.test_paint import blots, lists, places, plain

MARK = -7.0
CASES = [
    # steps, videos, digits of a video, sides of a frame and of an image
    (20, 5, 2, 64, 28),
    (3, 4, 3, 29, 28),  # hardly any room: all of them overlap
    (2, 3, 1, 28, 28),  # no room at all
    (5, 3, 7, 11, 5),
    (1, 1, 1, 9, 8),
    (2, 2, 2, 1, 1),  # a single pixel
    (3, 2, 1, 256, 256),  # as wide as an image can be
    (2, 3, 0, 8, 4),  # nothing to show
    (0, 3, 2, 8, 4),
    (2, 0, 2, 8, 4),
]


def scene(steps, videos, each, size, side):
    """Images, which of them are shown, and their corners, as `plain` takes them."""
    images, random = blots(6, side, side), np.random.RandomState(2)
    chosen = random.randint(0, 6, videos * each)
    top, left = places(random, images, steps, videos * each, size)
    return images, chosen, top, left


def composed(table, chosen, top, left, size, videos, each):
    """Frames (steps, videos, size * size), composed between marks."""
    steps = len(top)
    target = Framed(np.full((size**2, steps * videos), MARK))
    corners = (steps, videos, each)
    given = chosen.reshape(videos, each), top.reshape(corners), left.reshape(corners)
    assert table.compose(*given, size, target.matrix) is target.matrix
    target.check_marks()
    return target.values().T.reshape(steps, videos, size**2)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_videos_are_those_of_plain_loops_and_of_the_host(case):
    steps, videos, each, size, side = case
    images, chosen, top, left = scene(*case)
    table = Table(lists(images), side)
    found = composed(table, chosen, top, left, size, videos, each)
    want = plain(images, chosen, top, left, size, steps, videos)
    # the values are those of float32 in double, too
    np.testing.assert_array_equal(found, want)
    on_host = np.full_like(want, MARK)
    paint(lists(images), chosen, top, left, size, on_host)
    assert found.astype(np.float32).tobytes() == on_host.tobytes()


def test_one_table_many_scenes():
    """Batches up and down in size, in the memory of the largest so far."""
    images = blots(6, 5, 5)
    table = Table(lists(images), 5)
    gc.collect()  # what other tests left
    kept = []
    for videos in (3, 1, 4, 2, 4):
        random = np.random.RandomState(videos)
        chosen = random.randint(0, 6, videos * 2)
        top, left = places(random, images, 3, videos * 2, 9)
        found = composed(table, chosen, top, left, 9, videos, 2)
        want = plain(images, chosen, top, left, 9, 3, videos)
        np.testing.assert_array_equal(found, want)
        kept.append(table._places.nbytes)
    # an image and two corners for each of 3 steps, of four bytes
    assert [size // (4 * 2 * 7) for size in kept] == [3, 3, 4, 4, 4]


def test_more_images_than_are_brought_at_once(monkeypatch):
    monkeypatch.setattr("cudamat.compose._AT_ONCE", 4)
    images = blots(11, 3, 3)
    expected = images.reshape(11, 9).T
    found = Table(lists(images), 3).images.asarray()
    np.testing.assert_array_equal(found, expected)


def test_what_a_table_takes():
    images = lists(blots(11, 3, 3))
    gc.collect()  # what other tests left
    before = cm.memory_in_use()
    table = Table(images, 3)
    assert cm.memory_in_use() - before == Table.bytes_of(images, 3)
    assert Table.bytes_of(images, 3) == 11 * 9 * cm.real_type().itemsize
    assert (table.count, table.side) == (11, 3)


def test_memory_that_is_free():
    name = "cpu" if lib.kind == "cpu" else "0"
    (board,) = (device for device in cm.devices() if device.board == name)
    # what others take and give back meanwhile should be less than an eighth
    found = cm.memory_free()
    assert abs(found - board.free_bytes) < board.total_bytes / 8
    assert 0 < found <= board.total_bytes


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8, np.uint64])
def test_whole_numbers_of_any_kind_and_order(kind):
    images, chosen, top, left = scene(3, 4, 2, 9, 5)
    given = [np.asfortranarray(x, kind) for x in (chosen, top, left)]
    found = composed(Table(lists(images), 5), *given, 9, 4, 2)
    want = plain(images, chosen, top, left, 9, 3, 4)
    np.testing.assert_array_equal(found, want)


# ----------------------------------------------------------------------- mistakes


def given(image=2, row=0, column=0, **change):
    """Arguments of `Table.compose` for 2 steps of 3 videos of one 4 x 4 image; the last
    of them is `image`, at `row` and `column`."""
    top, left = np.zeros((2, 2, 3, 1), np.int64)
    top[1, 2, 0], left[1, 2, 0] = row, column
    arguments = {"chosen": np.array([[0], [1], [image]]), "top": top, "left": left}
    return arguments | {"size": 8} | change


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"image": 4}, "image 4 was given, and there are those from 0 to 3"),
        ({"image": -1}, "image -1 was given, and there are those from 0 to 3"),
        ({"image": 2**32}, "image 4294967296 was given"),  # not 0
        ({"row": 5}, "row 5 was given, and there are those from 0 to 4"),
        ({"row": -1}, "row -1 was given"),
        ({"column": 5}, "column 5 was given, and there are those from 0 to 4"),
        ({"column": -(2**33)}, "column -8589934592 was given"),
        ({"size": 3}, "images of side 4 are not within frames of side 3"),
        ({"size": -8}, "images of side 4 are not within frames of side -8"),
        ({"size": 8.0}, "the side of a frame is 8.0, and it should be a whole number"),
        ({"size": 9}, r"target has shape \(64, 6\), but \(81, 6\) is needed"),
        ({"size": 32769}, "in frames of side 32769"),
        ({"chosen": np.zeros((3, 1))}, "chosen should be whole numbers, and it is an"),
        ({"top": np.full((2, 3, 1), np.nan)}, "top should be whole numbers"),
        ({"left": None}, "left should be whole numbers, and it is an array of object"),
        ({"chosen": [0, 1, 2]}, "do not fit; they should be"),
        ({"chosen": [[0], [1]]}, r"images \(2, 1\) of videos with corners \(2, 3, 1\)"),
        ({"left": np.zeros((2, 3, 2), int)}, "do not fit; they should be"),
        ({"target": cm.zeros((64, 5))}, r"target has shape \(64, 5\), but \(64, 6\)"),
        ({"target": cm.zeros((6, 64)).T}, "target is a transposed view; copy it first"),
        ({"target": None}, "target is missing"),
        ({"target": 3}, "argument 3 must be a CUDAMatrix, but it is a int"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arguments(change, found):
    table = Table(lists(np.ones((4, 4, 4), np.float32)), 4)
    target = cm.zeros((64, 6)).assign(MARK)
    arguments = given(**{"target": target} | change)
    with pytest.raises(cm.CUDAMatException, match=found):
        table.compose(**arguments)
    assert (target.asarray() == MARK).all()


def test_no_images():
    table = Table(Images([0], [], [], []), 4)
    with pytest.raises(
        cm.CUDAMatException, match="image 2 was given, and there are none"
    ):
        table.compose(**given(), target=cm.zeros((64, 6)))
    nothing = np.zeros((3, 0), int), *np.zeros((2, 2, 3, 0), int)
    black = table.compose(*nothing, 8, cm.zeros((64, 6)).assign(MARK))
    assert (black.asarray() == 0).all()


def test_a_target_in_the_table():
    table = Table(lists(np.ones((4, 4, 4), np.float32)), 4)
    corners = np.zeros((2, 1, 2, 1), int)
    target = table.images.col_slice(1, 3)
    with pytest.raises(
        cm.CUDAMatException, match="the target overlaps the table of im"
    ):
        table.compose(np.zeros((2, 1), int), *corners, 4, target)


@pytest.mark.parametrize(
    ("starts", "side", "found"),
    [
        ([0, 3], 4, "a pixel in row or column 4 is not within an image of side 4"),
        ([0, 2], 5, "ascend from 0 to the 3 that there are, and they are 0 to 2"),
        ([1, 3], 5, "ascend from 0 to the 3"),
        ([0, 4, 3], 5, "ascend from 0 to the 3"),
        ([0, 3], 0, "an image of side 0; it should be 1 to 32768"),
    ],
)
def test_images_that_are_none(starts, side, found):
    images = Images(starts, [0, 1, 2], [0, 4, 2], np.ones(3))
    with pytest.raises(cm.CUDAMatException, match=found):
        Table(images, side)


# ----------------------------------------------------------------------- the kernel


def raw(numbers, table, target, **change):
    """Calls the library itself with numbers that nobody has looked at: chosen, top and
    left, those of 2 steps of 3 videos of two 2 x 2 images in frames of 3 x 3."""
    packed = np.concatenate([np.ravel(x) for x in numbers]).astype(np.int32)
    memory = cm.matrix.Buffer(packed.nbytes)
    lib.cm_copy_in(memory.pointer, packed.ctypes.data, packed.nbytes)
    starts = [memory.pointer + 4 * first for first in (0, 6, 18)]
    fields = {"steps": 2, "videos": 3, "each": 2, "side": 2, "size": 3} | change
    struct = ScenesStruct(*starts, **fields)
    lib.cm_compose(table, ct.byref(struct), target)
    return target.asarray().T.reshape(2, 3, 3, 3).copy()


def test_numbers_on_the_board_that_nobody_has_checked():
    """Images that are not there are dark, and what is beyond a frame is not seen. Run
    by test_fuzz in a build that notices every access outside of memory."""
    images = np.arange(1, 9).reshape(2, 2, 2)
    table = cm.CUDAMatrix(images.reshape(2, 4).T)
    least, most = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    chosen = np.array([[0, 2], [-1, most], [1, least]])
    top = np.array([[[0, 0], [0, 0], [-1, 0]], [[2, 0], [1, 1], [most, 0]]])
    left = np.array([[[0, 0], [0, 0], [2, 0]], [[-1, 0], [1, 1], [least, 0]]])
    found = raw((chosen, top, left), table, cm.zeros((9, 6)).assign(MARK))
    want = np.zeros((2, 3, 3, 3))
    want[0, 0, :2, :2] = images[0]
    want[0, 2, 0, 2] = images[1, 1, 0]  # up by one row, and half beyond the right side
    want[1, 0, 2, 0] = images[0, 0, 1]  # down to the last row, half beyond the left
    np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            {"steps": -1},
            "^compose: -1 steps of 3 videos of 2 images of side 2 in frames",
        ),
        ({"videos": 2**31}, "of 2147483648 videos"),
        ({"each": -(2**63)}, "of -9223372036854775808 images"),
        ({"size": 0}, "in frames of side 0"),
        ({"size": 32769}, "in frames of side 32769"),
        ({"side": 0}, "of side 0"),
        ({"side": 4}, "of side 4 in frames of side 3"),
        ({"side": 3}, r"table of images has shape \(4, 2\), but \(9, 2\) is needed"),
        ({"steps": 2**16, "videos": 2**16}, "are more than 2147483647 frames"),
        ({"steps": 3}, r"target has shape \(9, 6\), but \(9, 9\) is needed"),
        ({"top": None}, "what is shown where has no memory"),
    ],
)
def test_the_library_s_own_checks(change, found):
    table, target = cm.zeros((4, 2)), cm.zeros((9, 6)).assign(MARK)
    zeros = [np.zeros(6), np.zeros(12), np.zeros(12)]
    with pytest.raises(cm.CUDAMatException, match=found):
        if "top" in change:
            fields = {"steps": 2, "videos": 3, "each": 2, "side": 2, "size": 3}
            struct = ScenesStruct(**fields)
            lib.cm_compose(table, ct.byref(struct), target)
        else:
            raw(zeros, table, target, **change)
    assert (target.asarray() == MARK).all()


def test_nothing_at_all():
    with pytest.raises(cm.CUDAMatException, match="what is shown where is missing"):
        lib.cm_compose(cm.zeros((4, 2)), None, cm.zeros((9, 6)))
    struct = ScenesStruct(side=2, size=3)
    with pytest.raises(cm.CUDAMatException, match="the table of images is missing"):
        lib.cm_compose(None, ct.byref(struct), cm.zeros((9, 0)))
    turned = cm.zeros((2, 4)).T
    with pytest.raises(cm.CUDAMatException, match="table of images is a transposed"):
        lib.cm_compose(turned, ct.byref(struct), cm.zeros((9, 0)))
    freed = cm.zeros((4, 2))
    freed.free_device_memory()
    with pytest.raises(cm.CUDAMatException, match="the table of images of shape"):
        lib.cm_compose(freed, ct.byref(struct), cm.zeros((9, 0)))
