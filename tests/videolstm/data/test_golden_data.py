"""Every batch of the 2016 release, bit for bit, and the place in the random stream."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from videolstm.config import read_data
from videolstm.data import make_data_handler

CASES = Path(__file__).parents[2] / "golden" / "cases" / "data"
NAMES = sorted(path.parent.name for path in CASES.glob("*/data.pbtxt"))


class Case:
    """A folder of golden data, the handler for it, and what the release returned."""

    def __init__(self, name):
        folder = CASES / name
        self.spec = json.loads((folder / "spec.json").read_text())
        config = read_data(folder / "data.pbtxt")
        if "mnist" in self.spec:  # the release has the digits' path in its source
            config.data_file = self.spec["mnist"]
        path = folder / "data.pbtxt"
        self.handler = make_data_handler(config, path, self.spec["seed"])
        self.expect = h5py.File(folder / "expect.h5", "r")

    def batches(self):
        """(number, our batch, frames the release returned as (n, frames * dims))."""
        for number in range(self.spec["num_batches"]):
            if number in self.spec.get("reset_before", []):
                self.handler.reset()
            batch = self.handler.next_batch()
            group = self.expect.get(f"batch{number}")
            frames = None if group is None else group["data"][()]
            if frames is not None and frames.dtype == np.uint8:
                frames = frames.astype(np.float32) / np.float32(255)
            yield number, batch, frames


@pytest.fixture
def case(request):
    case = Case(request.param)
    yield case
    case.expect.close()


def rows(batch):
    """A batch as the release lays it out, (n, frames * dims)."""
    frames = batch.frames.transpose(1, 0, 2)
    return frames.reshape(len(frames), -1)


def test_all_cases_are_there():
    assert len(NAMES) == 17


@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_batches_are_those_of_the_release(case):
    handler, attributes = case.handler, case.expect.attrs
    assert handler.frame_dims == attributes["dims"]
    assert handler.batch_size == attributes["batch_size"]
    assert handler.num_frames == attributes["seq_length"]
    assert handler.dataset_size == attributes["dataset_size"]
    for number, batch, frames in case.batches():
        shape = (handler.num_frames, handler.batch_size, handler.frame_dims)
        assert batch.frames.shape == shape
        assert batch.frames.dtype == np.float32
        assert batch.frames.flags.c_contiguous
        assert batch.clips.dtype == np.int64
        if frames is None:
            continue
        # A partial batch of the release is the beginning of our full one.
        assert np.array_equal(rows(batch)[: len(frames)], frames)
        if f"batch{number}/labels" in case.expect:
            labels = case.expect[f"batch{number}/labels"][:, 0]
            assert batch.labels.dtype == np.int64
            assert np.array_equal(batch.labels, labels)
        else:
            assert batch.labels is None
    assert np.array_equal(handler.rng.rand(4), case.expect["rng_after"])


@pytest.mark.parametrize(
    "case", [name for name in NAMES if name.startswith("bouncing")], indirect=True
)
def test_digits_are_chosen_and_moved_as_in_the_release(case):
    videos = case.handler.videos
    assert np.array_equal(videos.indices, case.expect["indices_after_init"])
    count = case.handler.batch_size * videos.num_digits
    for number, _, _ in case.batches():
        expect = case.expect[f"batch{number}"]
        assert videos.row == expect["row_after"][()]
    # The same again, only the places.
    videos = Case(case.expect.filename.split("/")[-2]).handler.videos
    for number in range(case.spec["num_batches"]):
        expect = case.expect[f"batch{number}"]
        top, left = videos.trajectories(count)
        videos.choose(count)
        assert np.array_equal(top, expect["start_y"])
        assert np.array_equal(left, expect["start_x"])


@pytest.mark.parametrize("partial", ["", "_noreset"])
def test_patches_go_on_over_the_end_where_the_release_crashes(partial):
    case = Case(f"video_patch_partial{partial}")
    clips = [batch.clips.tolist() for _, batch, _ in case.batches()]
    last = [0, 1, 2] if not partial else [2, 3, 4]
    assert clips == [[0, 1, 2], [3, 4, 5], [6, 0, 1], last]
    case.expect.close()


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("labelled_short_video", "skipped 1 of 4 videos"),
        ("unlabelled_seq", "skipped 1 of 4 videos"),
        ("labelled_stride1_seq", None),
    ],
)
def test_short_videos_are_reported(name, note):
    notes = Case(name).handler.notes
    assert len(notes) == (note is not None)
    assert all(note in text for text in notes)


def test_clips_of_a_short_video_do_not_shift_the_others():
    # num_frames 4; videos of 6, 3, 7 and 5 frames with the classes 2, 2, 2 and 0.
    handler = Case("labelled_short_video").handler
    assert handler.videos.tolist() == [0, 0, 0, 2, 2, 2, 2, 3, 3]
    (batch,) = handler.epoch(100)
    assert batch.labels.tolist() == [2] * 7 + [0] * 2
    with h5py.File(CASES / "labelled_short_video" / "features.h5", "r") as file:
        features = file["hidden6"][()]
    # The last video begins at row 6 + 3 + 7, its second clip one row below.
    assert np.array_equal(batch.frames[:, 8], features[17:21])


@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_an_epoch_has_every_clip_once_and_leaves_the_stream_alone(case):
    handler = case.handler
    handler.dataset_size = min(handler.dataset_size, 30)  # bouncing has 10,000
    undisturbed = Case(handler.path.parent.name).handler
    handler.next_batch()
    undisturbed.next_batch()
    whole = list(handler.epoch())
    clips = np.concatenate([batch.clips for batch in whole])
    assert clips.tolist() == list(range(handler.dataset_size))
    # The same clips again, and in batches of another size.
    for size in (None, 4, 1000):
        again = list(handler.epoch(size))
        assert all(len(batch.clips) <= (size or handler.batch_size) for batch in again)
        for part in ("frames", "labels"):
            axis = 1 if part == "frames" else 0
            one, two = (
                [getattr(batch, part) for batch in batches]
                for batches in (whole, again)
            )
            if one[0] is not None:
                one, two = np.concatenate(one, axis), np.concatenate(two, axis)
                assert np.array_equal(one, two)
    assert np.array_equal(handler.next_batch().frames, undisturbed.next_batch().frames)


@pytest.mark.parametrize("case", NAMES, indirect=True)
def test_a_saved_position_goes_on_with_the_same_batches(case, tmp_path):
    handler, name = case.handler, case.handler.path.parent.name
    for _ in range(2):
        handler.next_batch()
    # Through an .h5, as a checkpoint keeps it.
    with h5py.File(tmp_path / "state.h5", "w") as file:
        for key, value in handler.state().items():
            file[key] = value
    expected = [handler.next_batch() for _ in range(3)]
    other = Case(name).handler
    with h5py.File(tmp_path / "state.h5", "r") as file:
        other.restore({key: value[()] for key, value in file.items()})
    for batch in expected:
        found = other.next_batch()
        assert np.array_equal(found.frames, batch.frames)
        assert np.array_equal(found.clips, batch.clips)
    assert np.array_equal(other.rng.rand(4), handler.rng.rand(4))


def test_a_state_does_not_change_with_the_stream():
    handler = Case("labelled_stride1_rand").handler
    state = handler.state()
    first = [handler.next_batch().clips for _ in range(6)]
    handler.restore(state)
    assert np.array_equal([handler.next_batch().clips for _ in range(6)], first)
