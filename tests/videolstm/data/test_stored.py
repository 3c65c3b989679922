"""Data in files: what is read, how passes go, and what is said of broken files."""

import warnings

import h5py
import numpy as np
import pytest

from videolstm.config import messages
from videolstm.data import files, make_data_handler
from videolstm.errors import UserError

KINDS = {"labelled": 0, "unlabelled": 1, "patches": 4}


def features(frames, dims=3):
    """Rows that say which they are: row r is r, r + 1/4, r + 1/2, ..."""
    rows = np.arange(frames)[:, None] + np.arange(dims) / 4
    return rows.astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        file["feat"] = features(15)
        file["images"] = np.random.RandomState(0).rand(15, 2 * 4 * 5).astype("f4")
        file["flat"] = np.zeros(15)
        nan = file.create_dataset("nan", data=features(15))
        nan[3, 1] = np.nan
    for name, length in (("a", 7), ("b", 2), ("c", 6)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["feat"] = features(length) + ord(name)
    with h5py.File(tmp_path / "wide.h5", "w") as file:
        file["feat"] = features(6, 4)
    with h5py.File(tmp_path / "mean.h5", "w") as file:
        file["pixel_mean"] = np.float32([0.25, 0.5])
        file["pixel_std"] = np.float32([2, 3])
    for name, lines in {
        "num_frames.txt": "7\n2\n6\n\n",
        "labels.txt": "5\n0\n3\n",
        "list.txt": "a.h5\nb.h5\nc.h5\n",
        "ids.txt": "2\n0\n",
        "words.txt": "7\ntwo\n6\n",
        "two.txt": "7\n2\n",
        "negative.txt": "7\n-2\n6\n",
        "many.txt": "7\n2\n7\n",
        "short.txt": "2\n2\n2\n",
        "gap.txt": "7\n\n6\n",
        "empty.txt": "\n\n",
        "strange.txt": "7\n1_0\n6\n",
        "wide.txt": "a.h5\nb.h5\nwide.h5\n",
        "lost.txt": "a.h5\nb.h5\nlost.h5\n",
    }.items():
        (tmp_path / name).write_text(lines)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    whole = (tmp_path / "all.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("not an h5")
    grey = np.random.RandomState(1).randint(0, 256, (5, 6, 4, 4), np.uint8)
    np.save(tmp_path / "grey.npy", grey)
    np.save(tmp_path / "colour.npy", np.zeros((5, 6, 3, 4, 4), np.uint8))
    np.save(tmp_path / "real.npy", grey.astype(np.float64) / 2)
    np.save(tmp_path / "over.npy", grey.astype(np.float64) * 2)
    np.save(tmp_path / "nan.npy", np.full((5, 6, 4, 4), np.nan))
    np.save(tmp_path / "fortran.npy", np.asfortranarray(grey))
    np.save(tmp_path / "flat.npy", np.zeros((5, 96), np.uint8))
    np.save(tmp_path / "none.npy", np.zeros((0, 6, 4, 4), np.uint8))
    np.save(tmp_path / "object.npy", np.array([{}, []], dtype=object))
    np.save(tmp_path / "complex.npy", np.zeros((5, 6, 4, 4), complex))
    np.savez(tmp_path / "zip.npy.npz", grey)
    (tmp_path / "zip.npy.npz").rename(tmp_path / "zip.npy")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "grey.npy").read_bytes()[:-9])
    (tmp_path / "head.npy").write_bytes((tmp_path / "grey.npy").read_bytes()[:20])
    (tmp_path / "empty.npy").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def make(kind, folder, **changes):
    fields = {
        "labelled": {
            "data_file": "all.h5",
            "dataset_name": "feat",
            "num_frames_file": "num_frames.txt",
            "labels_file": "labels.txt",
            "num_frames": 3,
        },
        "unlabelled": {
            "data_file": "list.txt",
            "dataset_name": "feat",
            "num_frames_file": "num_frames.txt",
            "num_frames": 3,
        },
        "patches": {"data_file": "grey.npy", "num_frames": 6, "image_size": 4},
    }[kind]
    fields = {"dataset_type": KINDS[kind], "batch_size": 4, **fields, **changes}
    fields = {name: value for name, value in fields.items() if value is not None}
    return make_data_handler(messages().Data(**fields), folder / "data.pbtxt", 9)


# ---- what is read --------------------------------------------------------------------


def test_labelled_clips(folder):
    # Videos of 7, 2 and 6 frames, from rows 0, 7 and 9; the second is too short.
    handler = make("labelled", folder, stride=2)
    (batch,) = handler.epoch(100)
    assert batch.frames[0, :, 0].tolist() == [0, 2, 4, 9, 11]
    assert np.array_equal(batch.frames[:, 1], features(15)[2:5])
    assert batch.labels.tolist() == [5, 5, 5, 3, 3]
    assert handler.videos.tolist() == [0, 0, 0, 2, 2]
    assert handler.frame_shape is None
    assert handler.notes == [
        f"{folder / 'data.pbtxt'}: skipped 1 of 3 videos, which are shorter than "
        "num_frames 3"
    ]


def test_labels_are_optional(folder):
    assert make("labelled", folder, labels_file=None).next_batch().labels is None


def test_chosen_videos(folder):
    handler = make("labelled", folder, stride=4, video_ids_file="ids.txt")
    (batch,) = handler.epoch(100)
    assert batch.frames[0, :, 0].tolist() == [9, 0, 4]
    assert batch.labels.tolist() == [3, 5, 5]
    assert handler.notes == []


def test_frames_that_belong_to_no_video_are_noted(folder):
    (note,) = make("labelled", folder, num_frames_file="two.txt", num_frames=2,
                   labels_file=None).notes  # fmt: skip
    assert "the last 6 of the 15 frames" in note


def test_unlabelled_clips(folder):
    handler = make("unlabelled", folder, stride=3)
    (batch,) = handler.epoch(100)
    first = [[97, 98, 99], [100, 101, 102], [99, 100, 101], [102, 103, 104]]
    assert batch.frames[:, :, 0].T.tolist() == first
    assert batch.labels is None


@pytest.mark.parametrize("kind", ["labelled", "unlabelled"])
def test_large_files_are_read_clip_by_clip(kind, folder, monkeypatch):
    kept = make(kind, folder, randomize=True)
    monkeypatch.setattr(files, "KEEP_BYTES", 0)
    for module in ("labelled", "unlabelled"):
        monkeypatch.setattr(f"videolstm.data.{module}.KEEP_BYTES", 0)
    read = make(kind, folder, randomize=True)
    for _ in range(4):
        one, two = kept.next_batch(), read.next_batch()
        assert np.array_equal(one.frames, two.frames)


def test_patches(folder):
    grey = np.load(folder / "grey.npy").astype(np.float32)
    expected = (grey / np.float32(255)).reshape(5, 6, 16).transpose(1, 0, 2)
    for name, scale in {"grey": 1, "fortran": 1, "real": 2}.items():
        (batch,) = make("patches", folder, data_file=f"{name}.npy").epoch(100)
        assert np.array_equal(batch.frames, expected / np.float32(scale))
    handler = make("patches", folder, num_frames=2)
    assert np.array_equal(next(handler.epoch(5)).frames, expected[:2])
    assert handler.frame_shape == (1, 4, 4)


def test_colours(folder):
    handler = make("patches", folder, data_file="colour.npy", num_colors=3)
    assert (handler.frame_shape, handler.frame_dims) == ((3, 4, 4), 48)


def test_a_clip_of_an_epoch_is_one_crop_and_normalised(folder):
    sizes = {"image_size_x": 5, "image_size_y": 4, "patch_size_x": 2, "patch_size_y": 3}
    handler = make("labelled", folder, dataset_name="images", num_colors=2,
                   mean_file="mean.h5", sample_times=2, **sizes)  # fmt: skip
    assert (handler.frame_shape, handler.frame_dims) == ((2, 3, 2), 12)
    with h5py.File(folder / "all.h5", "r") as file:
        images = file["images"][()].reshape(15, 2, 4, 5)
    random = np.random.RandomState(9)
    starts = [0, 1, 2, 3, 4, 9, 10, 11, 12]
    (batch,) = handler.epoch(100)
    assert batch.frames.shape[1] == len(starts)
    for j, start in enumerate(starts):
        # Two places are drawn for each clip, x before y, and the first one is used.
        x, y = random.choice(3, 2)[0], random.choice(1, 2)[0]
        crop = images[start : start + 3, :, y : y + 3, x : x + 2].astype(np.float64)
        crop = (crop - np.reshape([0.25, 0.5], (2, 1, 1))) / np.reshape(
            [2, 3], (2, 1, 1)
        )
        assert np.array_equal(batch.frames[:, j], crop.reshape(3, 12).astype("f4"))


# ---- passes --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_stream_has_every_clip_once_in_each_pass(kind, folder):
    randomize = {} if kind == "patches" else {"randomize": True}
    handler = make(kind, folder, **randomize)
    size = handler.dataset_size
    clips = np.concatenate([handler.next_batch().clips for _ in range(3 * size)])
    passes = clips[: 12 * size].reshape(12, size)
    assert (np.sort(passes, axis=1) == np.arange(size)).all()
    same = (passes == np.arange(size)).all()
    assert same == (kind == "patches")


def test_reset_begins_a_pass(folder):
    handler = make("patches", folder)
    handler.next_batch()
    handler.reset()
    assert handler.next_batch().clips.tolist() == [0, 1, 2, 3]


def test_an_epoch_is_in_stored_order_though_the_stream_is_not(folder):
    handler = make("labelled", folder, randomize=True)
    clips = [batch.clips.tolist() for batch in handler.epoch()]
    assert clips == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


def test_a_position_in_other_data_is_refused(folder):
    state = make("labelled", folder).state()
    with pytest.raises(UserError, match="another number of clips"):
        make("labelled", folder, stride=2).restore(state)
    with pytest.raises(UserError, match="was saved for LABELLED data"):
        make("unlabelled", folder).restore(state)


# ---- broken files --------------------------------------------------------------------

MISTAKES = [
    (
        "labelled",
        {"data_file": None},
        "data_file is missing, and LABELLED data needs it",
    ),
    ("labelled", {"data_file": "x.h5"}, "data_file names 'x.h5', and there is no such"),
    (
        "labelled",
        {"data_file": "folder"},
        "data_file names .*folder, which is a folder",
    ),
    ("labelled", {"data_file": "cut.h5"}, "cut.h5: cannot be read as an .h5 file"),
    ("labelled", {"data_file": "text.h5"}, "text.h5: cannot be read as an .h5 file"),
    ("labelled", {"data_file": "grey.npy"}, "grey.npy: cannot be read as an .h5 file"),
    ("labelled", {"dataset_name": None}, "dataset_name is missing"),
    ("labelled", {"dataset_name": "x"}, "no dataset 'x' .*has feat, flat, images, nan"),
    ("labelled", {"dataset_name": "flat"}, r"'flat' has the shape \(15,\)"),
    (
        "labelled",
        {"dataset_name": "nan"},
        r"has nan in row 3 \(video 0, frame 3\), column 1",
    ),
    ("labelled", {"num_frames_file": None}, "num_frames_file is missing"),
    ("labelled", {"num_frames_file": "words.txt"}, "words.txt, line 2: found 'two'"),
    ("labelled", {"num_frames_file": "gap.txt"}, "gap.txt, line 2: found ''"),
    ("labelled", {"num_frames_file": "strange.txt"}, "line 2: found '1_0'"),
    ("labelled", {"num_frames_file": "negative.txt"}, "line 2: found '-2'"),
    ("labelled", {"num_frames_file": "empty.txt"}, "empty.txt is empty"),
    ("labelled", {"num_frames_file": "bytes.txt"}, "bytes.txt is not a text file"),
    (
        "labelled",
        {"num_frames_file": "many.txt"},
        "have 16 frames together.* the 15 of",
    ),
    ("labelled", {"num_frames_file": "short.txt"}, "none of the 3 videos is that long"),
    ("labelled", {"labels_file": "two.txt"}, "two.txt has 2 lines.* each of the 3 vid"),
    ("labelled", {"labels_file": "negative.txt"}, "should be the class of a video"),
    ("labelled", {"video_ids_file": "two.txt"}, "line 1: found '7'.* from 0 to 2"),
    ("labelled", {"num_frames": 8}, "num_frames is 8, and none of the 3 videos"),
    ("labelled", {"stride": 0}, "stride is 0"),
    ("labelled", {"sample_times": 0}, "sample_times is 0"),
    ("labelled", {"image_size_x": 2}, "3, 1 and 2, and their product should be the 3"),
    ("labelled", {"patch_size_x": 2}, "patch_size_x is 2.* image_size_x, which is 1"),
    ("labelled", {"patch_size_y": -2}, "patch_size_y is -2"),
    ("labelled", {"mean_file": "mean.h5"}, r"'pixel_mean' has the shape \(2,\)"),
    ("labelled", {"mean_file": "all.h5"}, "no dataset 'pixel_mean'"),
    (
        "unlabelled",
        {"data_file": "lost.txt"},
        "lost.txt, line 3 names 'lost.h5', and there",
    ),
    (
        "unlabelled",
        {"data_file": "wide.txt"},
        "wide.h5: a frame has 4 numbers.* have 3",
    ),
    ("unlabelled", {"num_frames_file": "two.txt"}, "two.txt has 2 lines.* 3 videos"),
    ("unlabelled", {"num_frames_file": "many.txt"}, "c.h5 has 6 frames.* the 7 that"),
    ("unlabelled", {"dataset_name": "x"}, "no dataset 'x' .*the file has feat"),
    ("patches", {"image_size": 5}, r"grey.npy: .*\(5, 6, 4, 4\), .*image_size is 5"),
    (
        "patches",
        {"num_frames": 7},
        r"7 or more frames, 4, 4\), or .* because num_frames is 7",
    ),
    ("patches", {"num_colors": 3}, r"frames, 3, 4, 4\), or .* because num_colors is 3"),
    ("patches", {"num_colors": 2}, "num_colors is 2, and VIDEO_PATCH data has 3"),
    ("patches", {"data_file": "colour.npy"}, "because num_colors is 0"),
    ("patches", {"data_file": "flat.npy"}, r"the shape of the array is \(5, 96\)"),
    ("patches", {"data_file": "none.npy"}, "none.npy"),
    ("patches", {"data_file": "object.npy"}, "object.npy holds Python objects"),
    (
        "patches",
        {"data_file": "complex.npy"},
        "of type complex128, and it should be num",
    ),
    ("patches", {"data_file": "zip.npy"}, "zip.npy is not an .npy file"),
    ("patches", {"data_file": "all.h5"}, "all.h5 is not an .npy file"),
    ("patches", {"data_file": "cut.npy"}, "cut.npy: cannot be read as an .npy file"),
    ("patches", {"data_file": "head.npy"}, "head.npy: cannot be read as an .npy file"),
    ("patches", {"data_file": "empty.npy"}, "empty.npy is not an .npy file"),
    ("patches", {"data_file": "folder"}, "which is a folder"),
]


@pytest.mark.parametrize(("kind", "change", "found"), MISTAKES)
def test_mistakes(kind, change, found, folder):
    with pytest.raises(UserError, match=found) as error:
        make(kind, folder, **change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [("over.npy", "from 0 to 255"), ("nan.npy", "nan in frame 0, number 0 of it")],
)
def test_values_out_of_range_are_found_when_they_are_read(name, found, folder):
    handler = make("patches", folder, data_file=name)
    with pytest.raises(UserError, match=f"{name}: clip 0 .*{found}"):
        handler.next_batch()


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_a_number_that_is_none_names_video_and_frame(value, kept, folder, monkeypatch):
    """Whether it is found when the file is read or with the batch that it is in; 1e300
    is a number, but none of single precision."""
    if not kept:
        monkeypatch.setattr(files, "KEEP_BYTES", 0)
        monkeypatch.setattr("videolstm.data.labelled.KEEP_BYTES", 0)
        monkeypatch.setattr("videolstm.data.unlabelled.KEEP_BYTES", 0)
    rows = features(15).astype(float)
    rows[11, 2] = value  # videos of 7, 2 and 6 frames: frame 2 of the last one
    with h5py.File(folder / "all.h5", "r+") as file:
        file["bad"] = rows
    with h5py.File(folder / "c.h5", "w") as file:
        file["feat"] = rows[9:]
    places = {
        "labelled": r"all\.h5: .*'bad' has {} in row 11 \(video 2, frame 2\), column 2",
        "unlabelled": r"c\.h5: .*'feat' has {} in frame 2 of video 2, column 2",
    }
    for kind, place in places.items():
        change = {"dataset_name": "bad"} if kind == "labelled" else {}
        found = place.format(str(value).replace("+", r"\+"))
        with warnings.catch_warnings(), pytest.raises(UserError, match=found):
            warnings.simplefilter("error")
            list(make(kind, folder, **change).epoch())


def test_values_that_are_too_large_once_normalised(folder):
    with h5py.File(folder / "mean.h5", "r+") as file:
        file["pixel_std"][:] = np.float32([2, 1e-44])
    sizes = {"image_size_y": 4, "image_size_x": 5, "num_colors": 2}
    handler = make(
        "labelled", folder, dataset_name="images", mean_file="mean.h5", **sizes
    )
    found = r"^mean\.h5: with its .* clip 0 of .*, from row 0 \(video 0, frame 0\) on"
    with warnings.catch_warnings(), pytest.raises(UserError, match=found):
        warnings.simplefilter("error")
        handler.next_batch()


def test_files_are_only_read(folder):
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for kind in KINDS:
        handler = make(kind, folder)
        handler.next_batch()
        list(handler.epoch())
    assert before == {path: path.read_bytes() for path in before}
