"""Moving pictures: every frame is there, in its place, for its time."""

import numpy as np
import pytest
from PIL import Image

from videolstm.errors import UserError
from videolstm.pictures.animation import animate
from videolstm.results.answers import Answer

SIDE = 64  # enlarged twice, to 128 pixels
GREY = (1, SIDE, SIDE)
PAST, FUTURE, BEYOND = (76, 120, 168), (228, 87, 46), (157, 78, 221)
NOTHING = (238, 239, 241)


def an_answer(frames=5, dec=3, fut=2, examples=2, known=None) -> Answer:
    """Frames of one level each: truth 0, 20, 40, ..., the model 10 more."""
    levels = np.arange(frames)[:, None, None] * 20 / 255 * np.ones((1, examples, 1))
    truth = np.broadcast_to(levels, (frames, examples, SIDE**2)).astype(np.float32)
    model = truth + np.float32(10 / 255)
    past = frames - fut
    truth = truth.copy()
    truth[frames if known is None else known :] = np.nan
    return Answer(
        truth,
        model[past - dec : past] if dec else None,
        model[past:] if fut else None,
        {},
        {},
    )


def frames_of(path):
    """Each frame as uint8 (h, w, 3), and the milliseconds it is shown."""
    with Image.open(path) as image:
        frames, times = [], []
        for k in range(image.n_frames):
            image.seek(k)
            frames.append(np.array(image.convert("RGB")))
            times.append(image.info["duration"])
        return frames, times, image.info.get("loop")


def count(frame, colour, slack=6):
    """Pixels of about a colour: a GIF has 256 of them, and they are chosen."""
    return int((abs(frame.astype(int) - colour).max(axis=2) <= slack).sum())


def test_truth_and_model_stand_side_by_side(tmp_path):
    path = tmp_path / "a.gif"
    animate(path, an_answer(), frame_shape=GREY, title="a model")
    frames, times, loop = frames_of(path)
    assert len(frames) == 5 and loop == 0  # for ever
    assert times[:-1] == [160] * 4 and times[-1] > 1000
    for t, frame in enumerate(frames):
        for level in (20 * t, 20 * t + 10):
            # two examples of 128 x 128 pixels; letters have greys of their own
            assert 0 <= count(frame, level, 4) - 2 * 128**2 < 3000, (t, level)
        left = np.argwhere((abs(frame.astype(int) - 20 * t) <= 4).all(axis=2))
        right = np.argwhere((abs(frame.astype(int) - 20 * t - 10) <= 4).all(axis=2))
        assert np.median(left[:, 1]) < np.median(right[:, 1])


def test_the_colour_says_what_the_model_does(tmp_path):
    path = tmp_path / "a.gif"
    made = an_answer(frames=8, fut=5)
    animate(path, made, frame_shape=GREY, trained=2)
    frames, _, _ = frames_of(path)
    for t, frame in enumerate(frames):
        edge = {PAST: 0, FUTURE: 0, BEYOND: 0}
        for colour in edge:
            edge[colour] = count(frame, colour)
        now = PAST if t < 3 else FUTURE if t < 5 else BEYOND
        assert max(edge, key=edge.get) == now, t


@pytest.mark.parametrize(
    ("lengths", "blank"),
    [
        ({"dec": 0}, {0, 1, 2}),  # no decoder: nothing is said of the past
        ({"fut": 0, "dec": 5}, set()),
        ({"known": 4}, {4}),
    ],
    ids=["no-decoder", "no-future", "truth-not-known"],
)
def test_what_is_not_there_is_blank(lengths, blank, tmp_path):
    animate(tmp_path / "a.gif", an_answer(**lengths), frame_shape=GREY)
    frames, _, _ = frames_of(tmp_path / "a.gif")
    assert {t for t, f in enumerate(frames) if count(f, NOTHING, 2) > 128**2} == blank


def test_colours_and_feature_vectors(tmp_path):
    rng = np.random.RandomState(0)
    for shape, dims in (((3, 5, 4), 60), (None, 300)):
        truth = rng.rand(4, 3, dims).astype(np.float32)
        made = Answer(truth, truth[:2], truth[2:], {}, {})
        animate(tmp_path / "a.gif", made, frame_shape=shape)
        assert len(frames_of(tmp_path / "a.gif")[0]) == 4


def test_another_suffix(tmp_path):
    with pytest.raises(UserError, match="an animation is a .gif"):
        animate(tmp_path / "a.mp4", an_answer(), frame_shape=GREY)
