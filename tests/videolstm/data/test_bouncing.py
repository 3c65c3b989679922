"""Bouncing digits against the same thing written out pixel by pixel."""

import h5py
import numpy as np
import pytest

from videolstm.config import messages
from videolstm.data import make_data_handler
from videolstm.data.bouncing import BouncingDigits
from videolstm.errors import UserError


def digits(count=7, seed=3):
    """Some blots: a third of the pixels lit, one digit dark, one all lit."""
    random = np.random.RandomState(seed)
    images = random.rand(count, 28, 28) * (random.rand(count, 28, 28) < 1 / 3)
    images[0], images[1] = 0, 1
    return images.astype(np.float32)


def plain(images, seed, batches, count, size, num_digits, step, num_frames):
    """The videos by loops, in the words of the paper: yields (frames, count, dims)."""
    random = np.random.RandomState(seed)
    order, row = np.arange(len(images)), 0
    random.shuffle(order)
    for _ in range(batches):
        y = random.rand(count * num_digits)
        x = random.rand(count * num_digits)
        theta = random.rand(count * num_digits) * 2 * np.pi
        videos = np.zeros((num_frames, count, size, size), np.float32)
        for j in range(count * num_digits):
            image = images[order[row]]
            row += 1
            if row == len(order):
                row = 0
                random.shuffle(order)
            place, speed = [y[j], x[j]], [np.sin(theta[j]), np.cos(theta[j])]
            for t in range(num_frames):
                corner = []
                for axis in range(2):
                    place[axis] += speed[axis] * step
                    if place[axis] <= 0:
                        place[axis], speed[axis] = 0, -speed[axis]
                    elif place[axis] >= 1:
                        place[axis], speed[axis] = 1, -speed[axis]
                    corner.append(int((size - 28) * place[axis]))
                window = videos[t, j // num_digits][
                    corner[0] : corner[0] + 28, corner[1] : corner[1] + 28
                ]
                window[:] = np.maximum(window, image)
        yield videos.reshape(num_frames, count, -1)


@pytest.mark.parametrize(
    ("count", "size", "num_digits", "step", "num_frames"),
    [
        (5, 64, 2, 0.1, 20),
        (3, 40, 1, 0.1, 20),
        (1, 30, 4, 0.9, 3),  # hits a side in nearly every frame
        (2, 28, 2, 0.1, 4),  # no way to go
        (3, 50, 3, 0.0, 2),  # stands still
        (20, 33, 1, 0.3, 5),  # more digits than there are, in one batch
    ],
)
def test_videos_are_those_of_the_plain_loops(count, size, num_digits, step, num_frames):
    settings = (size, num_digits, step, num_frames)
    videos = BouncingDigits(digits(), np.random.RandomState(5), *settings)
    for expected in plain(digits(), 5, 3, count, *settings):
        found = videos.sequences(count)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        assert np.array_equal(found, expected)


def test_out_is_written_whole():
    settings = (40, 2, 0.1, 6)
    one = BouncingDigits(digits(), np.random.RandomState(5), *settings)
    two = BouncingDigits(digits(), np.random.RandomState(5), *settings)
    out = np.full((6, 4, 1600), np.nan, np.float32)
    assert one.sequences(4, out) is out
    assert np.array_equal(out, two.sequences(4))
    for wrong in (out.astype(np.float64), out[:, ::2], out.reshape(6, 1600, 4)):
        with pytest.raises(ValueError, match=r"out should be float32 \(6, 4, 1600\)"):
            one.sequences(4, wrong)


def config(**fields):
    values = {
        "dataset_type": 2,
        "data_file": "digits.h5",
        "num_frames": 5,
        "batch_size": 4,
        "image_size": 32,
        "num_digits": 2,
        "step_length": 0.1,
        **fields,
    }
    return messages().Data(**{k: v for k, v in values.items() if v is not None})


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "digits.h5", "w") as file:
        file["train"] = digits().reshape(7, 784)
        file["square"] = digits()
        file["bright"] = digits().reshape(7, 784) * 255
        file["nan"] = np.full((2, 784), np.nan, np.float32)
        file["thin"] = np.zeros((7, 700), np.float32)
        file["none"] = np.zeros((0, 784), np.float32)
        file["group/deep"] = digits()
        file["words"] = np.array([b"one", b"two"])
    return tmp_path / "data.pbtxt"


def test_a_seed_is_a_stream(path):
    one, same, other = (make_data_handler(config(), path, seed) for seed in (1, 1, 2))
    first = one.next_batch()
    assert np.array_equal(first.frames, same.next_batch().frames)
    assert not np.array_equal(first.frames, other.next_batch().frames)
    second = one.next_batch()
    assert not np.array_equal(first.frames, second.frames)
    assert (first.clips.tolist(), second.clips.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7])
    assert one.frame_shape == (1, 32, 32)


def test_an_epoch_begins_as_the_stream_of_the_same_seed(path):
    handler = make_data_handler(config(), path, 1)
    epoch = handler.epoch()
    for _ in range(3):
        batch = next(epoch)
        assert np.array_equal(batch.frames, handler.next_batch().frames)


def test_an_epoch_is_ten_thousand_videos(path):
    handler = make_data_handler(config(batch_size=300, num_frames=1), path)
    sizes = [batch.frames.shape[1] for batch in handler.epoch(3000)]
    assert sizes == [3000, 3000, 3000, 1000]


def test_a_dataset_can_be_chosen(path):
    one = make_data_handler(config(), path).next_batch()
    two = make_data_handler(config(dataset_name="square"), path).next_batch()
    assert np.array_equal(one.frames, two.frames)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"batch_size": None}, "batch_size is missing"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"num_frames": -1}, "num_frames is -1"),
        ({"image_size": None}, "image_size is missing"),
        ({"image_size": 27}, "image_size is 27, and it should be at least the 28"),
        ({"num_digits": None}, "num_digits is missing"),
        ({"step_length": None}, "step_length is missing"),
        ({"step_length": float("nan")}, "step_length is nan"),
        ({"step_length": -0.1}, "step_length is -0.1"),
        ({"data_file": None}, "data_file is missing, and BOUNCING_MNIST data needs it"),
        ({"data_file": "mnist.h5"}, "data_file names 'mnist.h5', and there is no such"),
        (
            {"dataset_name": "test"},
            "the file has bright, group/deep, nan, none, square",
        ),
        ({"dataset_name": "group"}, "there is no dataset 'group'"),
        (
            {"dataset_name": "bright"},
            "from 0.0 to 255.0, and they should be from 0 to 1",
        ),
        ({"dataset_name": "nan"}, "values from nan to nan"),
        (
            {"dataset_name": "thin"},
            r"shape \(7, 700\), and it should be \(digits, 784\)",
        ),
        ({"dataset_name": "none"}, "has no digits in it"),
        ({"dataset_name": "words"}, "and it should be numbers"),
        ({"batch_size": 10**6, "num_frames": 10**5}, "takes .* GiB"),
        ({"dataset_type": 3}, "BOUNCING_MNIST_FIXED, which was never implemented"),
    ],
)
def test_mistakes(change, found, path):
    with pytest.raises(UserError, match=found):
        make_data_handler(config(**change), path)


def test_a_position_of_other_digits_is_refused(path):
    state = make_data_handler(config(), path).state()
    few = path.with_name("few.h5")
    with h5py.File(few, "w") as file:
        file["train"] = digits(5)
    handler = make_data_handler(config(data_file="few.h5"), path)
    with pytest.raises(UserError, match="another number of digits"):
        handler.restore(state)
    for wrong in ({"dataset_type": "LABELLED"}, {"rng_key": [1, 2]}, {"row": 99}):
        with pytest.raises(UserError, match="the saved position in the data"):
            make_data_handler(config(), path).restore({**state, **wrong})


# ---- for anybody ---------------------------------------------------------------------


def test_videos_of_arrays_and_of_files(path):
    images = digits()
    from_array = BouncingDigits(images, 5, 40, 2, num_frames=6)
    with_state = BouncingDigits(images, np.random.RandomState(5), 40, 2, num_frames=6)
    stream = from_array.batches(3)
    for _ in range(2):
        frames = next(stream)
        assert frames.shape == (6, 3, 40, 40) and frames.dtype == np.float32
        assert np.array_equal(frames.reshape(6, 3, -1), with_state.sequences(3))
    from_file = BouncingDigits(path.with_name("digits.h5"), 5, 40, 2, num_frames=6)
    again = BouncingDigits(images, 5, 40, 2, num_frames=6)
    assert np.array_equal(from_file.videos(3), again.videos(3))


def painted(images, tracks, size):
    """The videos that tracks describe, digit by digit."""
    frames, count, each = tracks.top.shape
    videos = np.zeros((frames, count, size, size), np.float32)
    for t, j, n in np.ndindex(frames, count, each):
        if tracks.samples[j, n] >= 0:
            image = images[tracks.samples[j, n]]
            y, x = tracks.top[t, j, n], tracks.left[t, j, n]
            window = videos[t, j, y : y + len(image), x : x + len(image)]
            window[:] = np.maximum(window, image)
    return videos


@pytest.mark.parametrize("shown", [2, (1, 3), (0, 2)])
def test_tracks_are_what_is_seen(shown):
    labels = np.arange(7) * 10
    bouncing = BouncingDigits(digits(), 1, 44, shown, num_frames=5, labels=labels)
    frames, tracks = bouncing.videos(40, tracks=True)
    assert np.array_equal(frames, painted(digits(), tracks, 44))
    expected = np.where(tracks.samples < 0, -1, 10 * tracks.samples)
    assert np.array_equal(tracks.labels, expected)
    many = (tracks.samples >= 0).sum(axis=1)
    least, most = (shown, shown) if isinstance(shown, int) else shown
    # Forty videos have each number of digits, or the seed is a bad one.
    assert set(many) == set(range(least, most + 1))
    assert tracks.top.shape == (5, 40, most) == tracks.left.shape
    assert tracks.top.min() >= 0 and tracks.top.max() <= 44 - 28
    assert BouncingDigits(digits(), 1).videos(1, tracks=True)[1].labels is None


def test_digits_of_another_size():
    half = digits().reshape(7, 14, 2, 14, 2).mean(axis=(2, 4)).repeat(2, 1).repeat(2, 2)
    bouncing = BouncingDigits(half, 1, 40, digit_size=14, num_frames=4)
    frames, tracks = bouncing.videos(6, tracks=True)
    assert bouncing.digits.side == 14
    assert tracks.top.max() <= 40 - 14
    # A digit that is made of squares of 2x2 keeps its ink, a quarter of the pixels,
    # but for what the filter smears and cuts at the edges.
    alone = BouncingDigits(half, 1, 40, 1, digit_size=14, num_frames=1)
    frames, tracks = alone.videos(50, tracks=True)
    ink = half.sum(axis=(1, 2))[tracks.samples[:, 0]] / 4
    np.testing.assert_allclose(frames.sum(axis=(0, 2, 3)), ink, rtol=0.1)


def test_levels_are_the_values_in_bytes():
    one, two = (BouncingDigits(digits(), 3, 36, 3, num_frames=4) for _ in range(2))
    scratch = np.empty((4, 5, 36 * 36), np.float32)
    out = np.empty((5, 4, 36 * 36), np.uint8)
    for _ in range(2):
        one.levels(scratch, out)
        values = two.sequences(5).swapaxes(0, 1)
        assert np.array_equal(out, np.rint(values * np.float32(255)))


def test_without_the_library_numpy_paints_the_same(monkeypatch):
    from cudamat import CUDAMatException
    from videolstm.data import painting

    with_library = BouncingDigits(digits(), 2, 40, (1, 4), num_frames=5).videos(9)

    def missing():
        raise CUDAMatException("the library was not found")

    monkeypatch.setattr(painting, "for_host", missing)
    monkeypatch.setattr(painting, "paint_fast", None)
    without = BouncingDigits(digits(), 2, 40, (1, 4), num_frames=5).videos(9)
    assert np.array_equal(without, with_library)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"image_size": 27}, "digits of 28 pixels are not within the 27 of a frame"),
        ({"num_digits": 0}, "there cannot be"),
        ({"num_digits": (3, 2)}, "there cannot be"),
        ({"digits": np.zeros((3, 99))}, r"the array of digits has the shape \(3, 99\)"),
        ({"digits": np.full((2, 784), 7.0)}, "values from 7.0 to 7.0, and they should"),
    ],
)
def test_wrong_arguments(options, says):
    with pytest.raises(ValueError, match=says):
        BouncingDigits(**({"digits": digits()} | options))


def test_digits_larger_than_the_frame_are_named(path):
    with h5py.File(path.with_name("large.h5"), "w") as file:
        file["train"] = np.ones((2, 40, 40), np.float32)
    with pytest.raises(
        UserError, match="image_size is 32, and it .* least the 40 of a"
    ):
        make_data_handler(config(data_file="large.h5"), path)
    handler = make_data_handler(config(data_file="large.h5", image_size=40), path)
    assert np.array_equal(handler.next_batch().frames, np.ones((5, 4, 1600)))
