"""Which frames become clips, and which pixels of them: against plain loops."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.videolstm.video.making import noise
from videolstm.errors import UserError
from videolstm.video.clips import ClipCutter
from videolstm.video.crops import count_places, places
from videolstm.video.frame import Frame
from videolstm.video.sampling import at_rate, every
from videolstm.video.settings import CENTRE, GRID, RANDOM, Settings

PATH = Path("video.avi")


def frames_of(pixels, gaps=(0,), times=None):
    """Frames of pixels (count, height, width, 3), of which those in `gaps` do not
    follow. times: of each, in milliseconds."""
    for n, rgb in enumerate(pixels):
        time = None if times is None else Fraction(times[n], 1000)
        yield Frame(time, rgb.shape[:2], n not in gaps, n, lambda rgb=rgb: rgb)


def cut(pixels, gaps=(0,), times=None, **settings):
    """All records of a video of these pixels, and the cutter."""
    cutter = ClipCutter(Settings(**settings), PATH, 3)
    records = list(cutter.cut(frames_of(pixels, gaps, times)))
    return np.concatenate(records or [np.zeros(0, cutter.settings.record)]), cutter


# ---- which frames count --------------------------------------------------------------


def shown(times, fps):
    """What `at_rate` promises, written out: which frame at each tick."""
    later = [Fraction(t - times[0], 1000) for t in times]
    begins = [math.floor(t * fps + Fraction(1, 2)) for t in later]
    ticks = range(begins[0], begins[-1] + 1)
    return [max(n for n, tick in enumerate(begins) if tick <= now) for now in ticks]


@pytest.mark.parametrize("fps", [5, 10, Fraction(25, 2), 25, Fraction(30000, 1001), 60])
@pytest.mark.parametrize(
    "times",
    [
        [40 * n for n in range(30)],
        [n * 1000 // 30 for n in range(30)],  # 30 a second, in whole milliseconds
        list(np.cumsum(np.random.RandomState(4).randint(1, 200, 30)).tolist()),
        [7000 + 100 * n for n in range(9)],  # does not begin at 0
        [500],
    ],
)
def test_at_rate(times, fps):
    pixels = noise(len(times), 1, 1)
    given = list(at_rate(frames_of(pixels, times=times), Fraction(fps)))
    which = shown(times, fps)
    np.testing.assert_array_equal([f.rgb() for f in given], pixels[which])
    assert [frame.follows for frame in given] == [False] + (len(given) - 1) * [True]
    steps = np.diff([frame.time for frame in given])
    assert (steps == Fraction(1, 1) / fps).all()
    assert given[0].time == Fraction(times[0], 1000)


def test_a_rate_that_is_the_videos_changes_nothing():
    times = [n * 1000 // 30 for n in range(100)]
    pixels = noise(100, 1, 1)
    given = list(at_rate(frames_of(pixels, times=times), Fraction(30)))
    np.testing.assert_array_equal([f.rgb() for f in given], pixels)


@pytest.mark.parametrize(
    ("times", "gaps", "follow"),
    [
        ([0, 100, 200], (0, 2), [0, 1, 0]),  # something is missing before the third
        ([0, 100, 50, 150], (0,), [0, 1, 0, 1]),  # time runs backwards
        ([0, 100, 10_200, 10_300], (0,), [0, 1, 0, 1]),  # shown for too long
        ([0, 100, 10**15, 10**15 + 100], (0,), [0, 1, 0, 1]),  # a broken time stamp
    ],
)
def test_at_rate_over_gaps(times, gaps, follow):
    pixels = noise(len(times), 1, 1)
    given = list(at_rate(frames_of(pixels, gaps, times), Fraction(10)))
    np.testing.assert_array_equal([f.rgb() for f in given], pixels)
    assert [frame.follows for frame in given] == [bool(f) for f in follow]


def test_frames_without_times_have_no_rate():
    pixels = noise(5, 1, 1)
    given = list(at_rate(frames_of(pixels), Fraction(10)))
    np.testing.assert_array_equal([f.rgb() for f in given], pixels)


def test_every():
    pixels = noise(10, 1, 1)
    given = list(every(frames_of(pixels, gaps=(0, 5)), 3))
    np.testing.assert_array_equal([f.rgb() for f in given], pixels[[0, 3, 5, 8]])
    assert [frame.follows for frame in given] == [False, True, False, True]


# ---- clips ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "gaps", "frames", "stride", "starts"),
    [
        (20, (0,), 5, 5, [0, 5, 10, 15]),
        (19, (0,), 5, 5, [0, 5, 10]),
        (12, (0,), 5, 2, [0, 2, 4, 6]),
        (9, (0,), 3, 1, [0, 1, 2, 3, 4, 5, 6]),
        (20, (0,), 3, 8, [0, 8, 16]),
        (4, (0,), 5, 5, []),
        (20, (0, 7), 5, 5, [0, 7, 12]),  # none over the gap
        (20, (0, 7), 5, 2, [0, 2, 7, 9, 11, 13, 15]),
    ],
)
@pytest.mark.parametrize("crop", [RANDOM, GRID, CENTRE])
@pytest.mark.parametrize("grey", [False, True])
def test_clips_are_windows_of_the_frames(
    count, gaps, frames, stride, starts, crop, grey
):
    pixels = noise(count, 11, 14)
    if grey:  # then its level is known
        pixels[...] = pixels[..., :1]
    records, cutter = cut(
        pixels, gaps, frames=frames, stride=stride, size=4, crop=crop, grey=grey
    )
    each = {RANDOM: 4, GRID: 6, CENTRE: 1}[crop]
    assert records["frame"].tolist() == np.repeat(starts, each).tolist()
    assert (cutter.clips, cutter.frames) == (len(starts), count)
    for record in records:
        start, y, x = (int(record[name]) for name in ("frame", "top", "left"))
        window = pixels[start : start + frames, y : y + 4, x : x + 4]
        expected = window[..., 0] if grey else window.transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(record["pixels"], expected)


def test_times_of_clips():
    times = [0, 40, 80, 500, 540, 580]
    records, _ = cut(noise(6, 4, 4), times=times, frames=3, stride=3, size=4)
    assert records["seconds"].tolist() == [0.0] * 4 + [0.5] * 4
    records, _ = cut(noise(6, 4, 4), frames=3, stride=3, size=4)
    assert np.isnan(records["seconds"]).all()


def test_another_size_is_another_shot():
    pixels = [*noise(5, 8, 8), *noise(5, 9, 8)]
    records, _ = cut(pixels, frames=4, stride=1, size=4, crop=CENTRE)
    assert records["frame"].tolist() == [0, 1, 5, 6]


# ---- places --------------------------------------------------------------------------


def test_the_grid_fills_the_frame_from_the_middle():
    settings = Settings(size=4, crop=GRID)
    found = places(settings, (11, 14), 0, 0)
    expected = [(y, x) for y in (1, 5) for x in (1, 5, 9)]
    assert found.tolist() == [list(place) for place in expected]
    assert count_places(settings, (11, 14)) == 6


def test_the_centre():
    assert places(Settings(size=4, crop=CENTRE), (11, 14), 0, 0).tolist() == [[3, 5]]


def test_random_places_are_uniform_and_reach_the_edges():
    settings = Settings(size=4, per_clip=2000)
    found = places(settings, (8, 6), 1, 2)
    for axis, last in ((0, 4), (1, 2)):
        counts = np.bincount(found[:, axis])
        assert len(counts) == last + 1
        # Five standard deviations of a binomial number.
        n, p = 2000, 1 / (last + 1)
        assert np.abs(counts - n * p).max() < 5 * math.sqrt(n * p * (1 - p))


def test_random_places_hang_on_seed_video_and_clip():
    def draw(seed, video, clip):
        settings = Settings(size=4, per_clip=20, seed=seed)
        return places(settings, (500, 500), video, clip).tobytes()

    keys = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]
    assert len({draw(*key) for key in keys}) == 4
    assert draw(1, 1, 0) == draw(1, 1, 0)


# ---- filters -------------------------------------------------------------------------


def test_cuts():
    # Two scenes that brighten fast, which is no cut, and a cut between them.
    levels = [10 * n for n in range(12)] + [255 - 10 * n for n in range(12)]
    pixels = np.zeros((24, 8, 8, 3), np.uint8)
    pixels += np.array(levels, np.uint8)[:, None, None, None]
    fields = {"frames": 4, "stride": 4, "size": 8, "crop": CENTRE}
    records, cutter = cut(pixels, cut=20, **fields)
    assert (records["frame"].tolist(), cutter.cuts) == ([0, 4, 8, 12, 16, 20], 1)
    records, cutter = cut(pixels[2:], cut=20, **fields)
    assert (records["frame"].tolist(), cutter.cuts) == ([0, 4, 10, 14, 18], 1)
    records, cutter = cut(pixels[2:], **fields)
    assert (records["frame"].tolist(), cutter.cuts) == ([0, 4, 8, 12, 16], 0)


def test_motion():
    # The right half changes by 3 levels from frame to frame, the left one by none.
    pixels = np.full((8, 4, 8, 3), 100, np.uint8)
    pixels[1::2, :, 4:] += 3
    fields = {"frames": 8, "stride": 8, "size": 4, "crop": GRID}
    for least, left, still in [
        (0, [0, 4], 0),
        (0.1, [4], 1),
        (3, [4], 1),
        (3.1, [], 2),
    ]:
        records, cutter = cut(pixels, motion=least, **fields)
        assert (records["left"].tolist(), cutter.still) == (left, still)


# ---- what cannot be ------------------------------------------------------------------


def test_frames_smaller_than_a_patch():
    with pytest.raises(UserError) as caught:
        cut(noise(5, 31, 64), frames=5)
    assert str(caught.value) == (
        "video.avi: its frames are 64x31 pixels, smaller than patches of 32x32: choose "
        "smaller patches, or a short side to resize to"
    )


def test_too_much_to_keep_in_memory():
    with pytest.raises(UserError) as caught:
        cut(noise(1, 256, 256), frames=300, stride=1, size=8, crop=GRID)
    assert str(caught.value) == (
        "video.avi: 300 clips at a time of 1024 patches need 16.5 GiB, and at most 1 "
        "is taken: choose fewer or smaller patches, or a longer stride"
    )
