"""A fixed set of bouncing digits: the generator's videos, written exactly."""

import h5py
import numpy as np
import pytest

from videolstm.config import read_data
from videolstm.data import make_data_handler
from videolstm.data.bouncing import BouncingDigits
from videolstm.errors import UserError
from videolstm.tools.bouncing import main

BLOCK = 100  # the tool draws the random numbers of so many videos at once


@pytest.fixture
def digits(tmp_path):
    """13 digits of random pixels k/255, three of four dark, as a digits .h5."""
    rng = np.random.RandomState(0)
    levels = rng.randint(1, 256, size=(13, 784)) * (rng.rand(13, 784) < 0.25)
    images = levels.astype(np.float32) / np.float32(255)
    with h5py.File(tmp_path / "digits.h5", "w") as file:
        file["train"] = images
        file["test"] = images[:, ::-1]
        file["flat"] = images[:, :9]
    return levels.reshape(13, 28, 28)


def make(folder, *options):
    out = folder / "videos.npy"
    files = ["--digits", str(folder / "digits.h5"), "--out", str(out)]
    main([*files, *map(str, options)])
    return np.load(out)


def bouncing(levels, seed, frames, size, num_digits, step):
    """The release's algorithm for one block, written out video by video, in bytes."""
    rng = np.random.RandomState(seed)
    order = np.arange(len(levels))
    rng.shuffle(order)
    y, x, theta = (rng.rand(BLOCK * num_digits) for _ in range(3))
    row = 0
    videos = np.zeros((BLOCK, frames, size, size), np.uint8)
    for k in range(BLOCK * num_digits):
        digit = levels[order[row]]
        row += 1
        if row == len(order):
            row = 0
            rng.shuffle(order)
        place = [y[k], x[k]]
        speed = [np.sin(theta[k] * 2 * np.pi), np.cos(theta[k] * 2 * np.pi)]
        for frame in range(frames):
            for axis in range(2):
                place[axis] += speed[axis] * step
                if place[axis] <= 0 or place[axis] >= 1:
                    place[axis] = min(max(place[axis], 0), 1)
                    speed[axis] = -speed[axis]
            top, left = (int((size - 28) * at) for at in place)
            there = videos[k // num_digits, frame, top : top + 28, left : left + 28]
            np.maximum(there, digit.astype(np.uint8), out=there)
    return videos


@pytest.mark.parametrize(
    ("sequences", "frames", "size", "num_digits", "step", "seed"),
    [(3, 6, 40, 2, 0.25, 1), (BLOCK, 2, 30, 1, 0.1, 7), (1, 1, 28, 3, 0.1, 0)],
)
def test_videos_are_those_of_the_algorithm(
    tmp_path, digits, sequences, frames, size, num_digits, step, seed, capsys
):
    options = ["--sequences", sequences, "--frames", frames, "--image-size", size]
    options += ["--num-digits", num_digits, "--step-length", step, "--seed", seed]
    videos = make(tmp_path, *options)
    assert videos.dtype == np.uint8
    expected = bouncing(digits, seed, frames, size, num_digits, step)[:sequences]
    # Exactly: the digits' levels survive the way through 0 to 1 and back.
    assert np.array_equal(videos, expected)
    printed = capsys.readouterr()
    assert f" of {size}x{size} pixels, described by " in printed.out
    assert printed.err == ""  # no progress bar where stderr is no terminal
    files = sorted(p.name for p in tmp_path.iterdir())
    assert files == ["digits.h5", "videos.npy", "videos.pbtxt"]


def test_a_smaller_set_is_the_beginning_of_a_larger_one(tmp_path, digits):
    options = ["--frames", 2, "--image-size", 32]
    small = make(tmp_path, *options, "--sequences", 130)
    large = make(tmp_path, *options, "--sequences", 260)
    assert len(small) == 130 and len(large) == 260
    assert np.array_equal(small, large[:130])
    # The second block goes on, it does not begin again.
    assert not np.array_equal(large[:100], large[100:200])


def test_another_seed_is_another_set(tmp_path, digits):
    options = ["--sequences", 2, "--frames", 2]
    assert not np.array_equal(
        make(tmp_path, *options), make(tmp_path, *options, "--seed=2")
    )


def test_another_data_set_of_the_file(tmp_path, digits):
    options = ["--sequences", 2, "--frames", 3, "--dataset", "test"]
    flipped = digits[:, ::-1, ::-1]
    expected = bouncing(flipped, 1, 3, 64, 2, 0.1)[:2]
    assert np.array_equal(make(tmp_path, *options), expected)


def test_video_patch_reads_it(tmp_path, digits):
    videos = make(tmp_path, "--sequences", 5, "--frames", 4, "--image-size", 32)
    (tmp_path / "data.pbtxt").write_text(
        'dataset_type: VIDEO_PATCH data_file: "videos.npy" num_frames: 4 '
        "batch_size: 2 image_size: 32"
    )
    path = tmp_path / "data.pbtxt"
    handler = make_data_handler(read_data(path), path)
    frames = np.concatenate([batch.frames for batch in handler.epoch()], axis=1)
    expected = videos.reshape(5, 4, 32 * 32).transpose(1, 0, 2).astype(np.float32)
    assert np.array_equal(frames, expected / np.float32(255))
    # What is lit is lit exactly as in the digits file.
    assert set(np.unique(videos)) <= set(np.unique(digits))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--digits", "{}/none.h5"], "{}/none.h5: no such file: make it with `python"),
        (["--digits", "{}"], "{}: no images of MNIST there"),
        (["--dataset", "valid"], "{}/digits.h5: there is no dataset 'valid'"),
        (
            ["--dataset", "flat"],
            "{}/digits.h5: the dataset 'flat' has the shape (13, 9)",
        ),
        (["--out", "{}/none/x.npy"], "{}/none/x.npy: there is no folder {}/none"),
        (
            ["--frames", "1000", "--image-size", "10000"],
            "--frames 1000 of --image-size 10000 need 372.5 GiB",
        ),
    ],
)
def test_wrong_inputs_are_named(tmp_path, digits, options, message):
    with pytest.raises(UserError) as caught:
        make(tmp_path, *(option.format(tmp_path) for option in options))
    assert str(caught.value).startswith(message.format(tmp_path, tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["digits.h5"]


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--sequences", "0", "must be a whole number from 1 up, not '0'"),
        ("--image-size", "7", "must be a whole number from 8 to 16384, not '7'"),
        (
            "--num-digits",
            "two",
            "must be a whole number from 1 to 1000, or two of them",
        ),
        ("--num-digits", "3-1", "or two of them such as 1-3, not '3-1'"),
        ("--step-length", "-1", "must be a number above 0, not '-1'"),
    ],
)
def test_wrong_options(tmp_path, digits, option, text, message, capsys):
    with pytest.raises(SystemExit) as caught:
        make(tmp_path, f"{option}={text}")
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {option}: " in said and f"{message}" in said


# ---- layouts, sizes, numbers of digits -----------------------------------------------


def test_frames_first_is_the_same_turned_round(tmp_path, digits):
    # 130 videos: more than a block, and the last one is cut.
    options = ["--sequences", 130, "--frames", 3, "--image-size", 32]
    clips_first = make(tmp_path, *options)
    frames_first = make(tmp_path, *options, "--frames-first")
    assert frames_first.shape == (3, 130, 32, 32)
    assert np.array_equal(frames_first.swapaxes(0, 1), clips_first)


@pytest.mark.parametrize("layout", [[], ["--frames-first"]])
def test_the_description_reads_it(tmp_path, digits, layout):
    videos = make(tmp_path, "--sequences=130", "--frames=4", "--image-size=32", *layout)
    videos = videos.swapaxes(0, 1) if layout else videos
    path = tmp_path / "videos.pbtxt"
    handler = make_data_handler(read_data(path), path)
    assert (handler.kind, handler.batch_size) == ("VIDEO_PATCH", 80)
    batch = next(handler.epoch(130))
    expected = videos.reshape(130, 4, -1).swapaxes(0, 1).astype(np.float32)
    assert np.array_equal(batch.frames, expected / np.float32(255))


def test_a_description_that_is_there(tmp_path, digits, capsys):
    path = tmp_path / "videos.pbtxt"
    mine = (
        '# mine\ndataset_type: VIDEO_PATCH data_file: "videos.npy" num_frames: 3 '
        "batch_size: 2 image_size: 64\n"
    )
    path.write_text(mine)
    make(tmp_path, "--sequences", 2, "--frames", 4)
    assert path.read_text() == mine  # it reads the file, so it stays
    assert f"{path} was there and reads it" in capsys.readouterr().out
    make(tmp_path, "--sequences", 2, "--frames", 2)
    assert read_data(path).num_frames == 2  # it did not any more
    for other in (mine.replace("videos", "others"), "nothing of the kind"):
        path.write_text(other)
        before = (tmp_path / "videos.npy").read_bytes()
        with pytest.raises(UserError, match="a description of something else, and it"):
            make(tmp_path, "--sequences", 3)
        assert (tmp_path / "videos.npy").read_bytes() == before


def test_digits_of_another_size_and_number(tmp_path, digits):
    options = ["--sequences", 120, "--frames", 2, "--image-size", 20]
    options += ["--digit-size", 10, "--num-digits", "1-3"]
    videos = make(tmp_path, *options)
    bouncing = BouncingDigits(
        digits / np.float32(255), 1, 20, (1, 3), num_frames=2, digit_size=10
    )
    # Blocks of a hundred, as the tool makes them.
    blocks = [np.rint(255 * bouncing.videos(BLOCK)).swapaxes(0, 1) for _ in range(2)]
    assert np.array_equal(videos, np.concatenate(blocks)[:120])


def test_a_second_set_has_other_digits(tmp_path):
    levels = np.arange(1, 31, dtype=np.uint8) * 8  # each digit has a grey of its own
    with h5py.File(tmp_path / "digits.h5", "w") as file:
        file["train"] = np.repeat(levels[:, None], 784, axis=1)
        file["test"] = np.repeat(levels[:, None] + 1, 784, axis=1)
    options = ["--sequences", 90, "--frames", 1, "--num-digits", 1, "--image-size", 28]
    options += ["--test", str(tmp_path / "t.npy"), "--test-sequences", "70"]
    one = set(np.unique(make(tmp_path, *options)))
    two = np.load(tmp_path / "t.npy")
    assert len(two) == 70 and not one & set(np.unique(two))
    # A fifth of the thirty is for the second set, and 90 draws show all of the rest.
    assert (len(one), len(np.unique(two))) == (24, 6)
    assert read_data(tmp_path / "t.pbtxt").data_file == "t.npy"
    one = set(np.unique(make(tmp_path, *options, "--test-dataset", "test")))
    two = set(np.unique(np.load(tmp_path / "t.npy")))
    assert one == set(levels) and two == set(levels + 1)


def test_a_set_that_is_too_large_for_the_disk(tmp_path, digits, monkeypatch):
    usage = type("Usage", (), {"free": 2 * 3 * 64 * 64 - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match="0.0 GiB are needed for 2 videos, and 0.0 GiB"):
        make(tmp_path, "--sequences", 2, "--frames", 3)
    assert [p.name for p in tmp_path.iterdir()] == ["digits.h5"]
    usage.free += 1
    make(tmp_path, "--sequences", 2, "--frames", 3)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--out", "{}/v.h5"], "v.h5: a set without labels is an .npy"),
        (
            ["--image-size", "20"],
            "--image-size is 20, and it .* at least the 28 pixels",
        ),
        (["--image-size=9", "--digit-size=10"], "at least the 10 pixels of a digit$"),
        (["--test", "{}/videos.npy"], "--test and --out should be two files"),
        (["--test", "{}/t.h5"], "t.h5: a set without labels is an .npy"),
        (["--frames-first", "--sequences=20"], "20 videos of as many frames cannot be"),
    ],
)
def test_mistakes(tmp_path, digits, options, says):
    with pytest.raises(UserError, match=says):
        make(tmp_path, *(option.format(tmp_path) for option in options))
    assert [p.name for p in tmp_path.iterdir()] == ["digits.h5"]


# ---- with labels ---------------------------------------------------------------------


@pytest.fixture
def known_digits(tmp_path):
    """40 digits, each of a brightness of its own, four of each class."""
    levels = np.linspace(0.2, 1, 40).astype(np.float32)
    with h5py.File(tmp_path / "known.h5", "w") as file:
        file["train"] = np.repeat(levels[:, None], 784, axis=1)
        file["labels"] = np.arange(40) % 10
        file["test"] = np.zeros((3, 784), np.float32)
    return levels


def label(folder, *options, kind="digit"):
    files = ["--digits", str(folder / "known.h5"), "--out", str(folder / "a.h5")]
    sizes = ["--labelled", kind, "--sequences", 130, "--image-size", 32]
    main([*files, *map(str, sizes), "--frames", "8", *map(str, options)])


def videos_of(folder, name):
    """(frames, label, sample) of each video of a labelled set."""
    counts = np.loadtxt(folder / f"{name}_num_frames.txt", dtype=int)
    labels = np.loadtxt(folder / f"{name}_labels.txt", dtype=int)
    with h5py.File(folder / f"{name}.h5") as file:
        rows, samples = file["frames"][()], file["samples"][()]
    assert rows.dtype == np.float32 and len(rows) == counts.sum()
    parts = np.split(rows, np.cumsum(counts)[:-1])
    return list(zip(parts, labels, samples, strict=True))


def test_labelled_digits(tmp_path, known_digits, capsys):
    label(tmp_path, "--test", tmp_path / "b.h5", "--test-sequences", 20)
    seen = {}
    for name, count in (("a", 130), ("b", 20)):
        videos = videos_of(tmp_path, name)
        assert len(videos) == count
        for frames, digit, sample in videos:
            assert 4 <= len(frames) <= 8 and frames.shape[1] == 32 * 32
            assert frames.max() == known_digits[sample]  # which sample is seen
            assert digit == sample % 10
        seen[name] = {sample for _, _, sample in videos}
    assert not seen["a"] & seen["b"]
    assert len(seen["a"]) == 32 and len(seen["b"]) == 8  # a fifth is for testing
    lines = capsys.readouterr().out.splitlines()
    assert "130 videos of 4 to 8 frames of 32x32 pixels, 10 classes (digit)" in lines[0]
    assert f"described by {tmp_path / 'b.pbtxt'}" in lines[1]


def test_labelled_sets_are_read_back(tmp_path, known_digits):
    label(tmp_path, "--min-frames", 3, kind="direction")
    path = tmp_path / "a.pbtxt"
    data = make_data_handler(read_data(path), path)
    assert (data.num_frames, data.kind, data.randomize) == (3, "LABELLED", True)
    videos = videos_of(tmp_path, "a")
    batch = next(data.epoch(10_000))
    clips = [v[s : s + 3] for v, _, _ in videos for s in range(0, len(v) - 2, 3)]
    np.testing.assert_array_equal(batch.frames, np.array(clips).transpose(1, 0, 2))
    np.testing.assert_array_equal(data.video_labels, [k for _, k, _ in videos])
    assert set(data.video_labels) == set(range(8))


def test_a_smaller_labelled_set_is_the_beginning_of_a_larger_one(
    tmp_path, known_digits
):
    label(tmp_path)
    larger = videos_of(tmp_path, "a")
    label(tmp_path, "--sequences", 7)
    for small, large in zip(videos_of(tmp_path, "a"), larger, strict=False):
        np.testing.assert_array_equal(small[0], large[0])
        assert small[1:] == large[1:]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--num-digits", 2], "--num-digits is 2, and it should be 1 with --labelled"),
        (["--min-frames", 9], "--min-frames is 9, and it should be at most --frames"),
        (["--out", "a.npy"], "a.npy: a labelled set is an .h5"),
        (["--test", "b.npy"], "b.npy: a labelled set is an .h5"),
        (["--test-dataset", "test"], "--test-dataset says of what --test is made"),
        (["--frames-first"], "--frames-first is for sets without --labelled only"),
        (
            ["--step-length", 0.2],
            "at most 1 / --frames = 0.125, so that no digit reach",
        ),
    ],
)
def test_mistakes_with_labels(options, says, tmp_path, known_digits):
    with pytest.raises(UserError) as error:
        label(tmp_path, *options, kind="direction")
    assert says in str(error.value)


def test_a_description_of_something_else_beside_labels(tmp_path, known_digits):
    (tmp_path / "a.pbtxt").write_text('name: "model"')
    with pytest.raises(UserError, match="a.pbtxt: there is a description of something"):
        label(tmp_path)
    assert not (tmp_path / "a.h5").exists()


def test_out_and_test_are_two_files(tmp_path, known_digits):
    with pytest.raises(UserError, match="should be two files"):
        label(tmp_path, "--test", tmp_path / "a.h5")


@pytest.mark.parametrize("labels", [np.arange(39), np.full(40, 10), np.full(40, 0.5)])
def test_labels_that_are_none(labels, tmp_path, known_digits):
    with h5py.File(tmp_path / "known.h5", "r+") as file:
        del file["labels"]
        file["labels"] = labels
    with pytest.raises(UserError, match="known.h5: the dataset 'labels' has"):
        label(tmp_path)


@pytest.mark.parametrize("number", ["4", "1-4"])
def test_labelled_by_the_number_of_digits(tmp_path, known_digits, number, capsys):
    label(tmp_path, "--image-size=120", "--num-digits", number, kind="count")
    with h5py.File(tmp_path / "a.h5") as file:
        samples, shown = file["samples"][()], file["digits"][()]
    assert samples.shape == (130, 4)
    many = (samples >= 0).sum(axis=1)
    labels = np.loadtxt(tmp_path / "a_labels.txt", dtype=int)
    np.testing.assert_array_equal(labels, many - 1)
    assert set(labels) == {0, 1, 2, 3}
    np.testing.assert_array_equal(shown, np.where(samples < 0, -1, samples % 10))
    counts = np.loadtxt(tmp_path / "a_num_frames.txt", dtype=int)
    with h5py.File(tmp_path / "a.h5") as file:
        first = file["frames"][()][np.cumsum(counts) - counts]
    for frame, sample in zip(first, samples, strict=True):
        # each digit has a brightness of its own; those behind others may be hidden
        seen = set(np.unique(frame)) - {0}
        assert seen <= set(known_digits[sample[sample >= 0]])
        assert max(seen) == known_digits[sample.max()]
    assert "4 classes (count)" in capsys.readouterr().out
    path = tmp_path / "a.pbtxt"
    assert make_data_handler(read_data(path), path).frame_shape == (1, 120, 120)


def test_what_can_be_counted(tmp_path, known_digits):
    for wrong in ("1", "2-3"):
        with pytest.raises(UserError, match="it should be the most that a video has"):
            label(tmp_path, "--num-digits", wrong, kind="count")
    label(tmp_path, "--image-size=64", "--dataset=test", kind="count")
    assert set(np.loadtxt(tmp_path / "a_labels.txt", dtype=int)) == {0, 1, 2}


def test_labels_that_there_are_not(tmp_path, known_digits):
    with pytest.raises(UserError, match="such as a dataset 'test_labels', and --label"):
        label(tmp_path, "--dataset", "test")


def test_options_for_labelled_sets_only(tmp_path, digits):
    with pytest.raises(UserError, match="--min-frames is for --labelled sets only"):
        make(tmp_path, "--min-frames", 3)
