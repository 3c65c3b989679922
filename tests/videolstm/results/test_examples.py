"""Which clips are shown of a data set."""

from argparse import Namespace

import h5py
import numpy as np
import pytest

from display_results import pass_over
from tests.commands import BOARD, CLIPS, train, write_files
from videolstm.config import messages
from videolstm.data import make_data_handler
from videolstm.results.examples import example_clips, read_clips, spread
from videolstm.results.trained import load_trained
from videolstm.results.unrolled import clips_that_go_on, known_frames


@pytest.mark.parametrize(
    ("videos", "count", "places"),
    [
        ([0, 1, 2, 3], 3, [0, 1, 2]),  # a clip is a video: the first ones
        ([0, 0, 0, 1, 1, 2], 3, [0, 3, 5]),
        ([0, 0, 0, 1, 1, 2], 2, [0, 3]),
        ([0, 0, 0, 0, 1, 1], 4, [0, 4, 2, 5]),  # two of each, taking turns
        ([0, 0, 0, 0, 1, 1], 5, [0, 4, 1, 5, 2]),  # 0, 4/3 and 8/3 of video 0
        ([7, 3, 3, 3], 3, [0, 1, 2]),  # video 7 has one only
        ([5] * 9, 3, [0, 3, 6]),
        ([2, 2], 9, [0, 1]),
        ([1, 0, 1, 0], 2, [0, 1]),  # not in one piece
        ([], 4, []),
        ([0, 1], 0, []),
    ],
)
def test_videos_take_turns(videos, count, places):
    assert spread(np.array(videos, int), count).tolist() == places


# ---- data ----------------------------------------------------------------------------

LENGTHS, FRAMES, STRIDE = (9, 4, 11), 4, 2


@pytest.fixture
def few_videos(tmp_path):
    """Three videos of features, whose values say video and frame, and the videos."""
    videos = []
    for number, length in enumerate(LENGTHS):
        rows = 100.0 * number + np.arange(length)
        videos.append(np.stack([rows, -rows], axis=1).astype("f4"))
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["x"] = videos[-1]
    (tmp_path / "list.txt").write_text("".join(f"{n}.h5\n" for n in range(3)))
    (tmp_path / "counts.txt").write_text("".join(f"{n}\n" for n in LENGTHS))
    types = messages()
    config = types.Data(
        dataset_type=types.Data.UNLABELLED,
        data_file="list.txt",
        num_frames_file="counts.txt",
        dataset_name="x",
        num_frames=FRAMES,
        stride=STRIDE,
        batch_size=2,
    )
    return make_data_handler(config, tmp_path / "data.pbtxt"), videos


def test_clips_of_few_videos(few_videos):
    data, videos = few_videos  # 3, 1 and 4 clips
    numbers = example_clips(data, data.dataset_size, 5)
    assert numbers.tolist() == [0, 3, 4, 1, 6]
    where = [(0, 0), (1, 0), (2, 0), (0, 2), (2, 4)]  # video, first frame
    expected = [videos[v][start : start + FRAMES] for v, start in where]
    np.testing.assert_array_equal(read_clips(data, numbers), np.stack(expected, 1))
    assert example_clips(data, 4, 3).tolist() == [0, 3, 1]  # of the first 4 clips


def test_longer_clips_are_of_the_same_places(few_videos):
    data, videos = few_videos
    # of 6 frames a video of 11 has clips from 0, 2 and 4 on, one of 9 from 0 and 2 on
    found = known_frames(data, 6, [4, 1, 6])
    expected = [videos[2][:6], videos[0][2:8], videos[2][4:10]]
    np.testing.assert_array_equal(found, np.stack(expected, axis=1))
    # of these two that are not at an end, and of each the first and a later one
    going_on = clips_that_go_on(data, 6)
    assert going_on.tolist() == [0, 1, 4, 5, 6]
    chosen = example_clips(data, data.dataset_size, 4, going_on)
    assert chosen.tolist() == [0, 4, 1, 5]
    assert clips_that_go_on(data, 12).tolist() == list(range(8))  # of none
    assert example_clips(data, 4, 2, np.array([5])).tolist() == [0, 3]
    # the second video ends after 4 frames, the last clip of the third after 10
    for clips in ([0, 3], [0, 7]):
        found = known_frames(data, 6, clips)
        np.testing.assert_array_equal(found, read_clips(data, clips))


# ---- display_results -----------------------------------------------------------------


def test_what_is_kept_of_a_pass_are_the_examples(tmp_path, monkeypatch, capsys):
    write_files(tmp_path)
    run = train(tmp_path, "model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)
    monkeypatch.chdir(tmp_path)
    trained = load_trained(str(run.description), "valid.pbtxt", BOARD, 43, None)
    stored = np.load("valid.npy").reshape(CLIPS, -1, trained.data.frame_dims)
    for examples in ([CLIPS - 1, 0, 2], [1], []):
        chosen = np.array(examples, int)
        metrics, made = pass_over(Namespace(), trained, (0.0, 1.0), chosen)
        assert metrics.cases == CLIPS
        if not examples:
            assert made is None
            continue
        shown = stored[chosen, : trained.data.num_frames].swapaxes(0, 1)
        np.testing.assert_allclose(made.truth * 255, shown, atol=1e-4)  # of float32
        assert made.future.shape[1] == len(examples)
