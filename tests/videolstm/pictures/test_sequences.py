"""Pictures hold every frame, pixel by pixel, in its place."""

import matplotlib.image
import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.pictures.sequences import sequence_picture

SIDE = 64  # so wide that 20 frames of it are not enlarged
GREY = (1, SIDE, SIDE)


def pixels(path):
    """A .png as uint8 (height, width, 3)."""
    return np.rint(matplotlib.image.imread(path)[..., :3] * 255).astype(np.uint8)


def places(picture, tile):
    """Top left corners of where `tile`, uint8 (h, w, 3), stands in the picture."""
    height, width, _ = tile.shape
    found = np.all(picture[: -height + 1, : -width + 1] == tile[0, 0], axis=2)
    corners = np.argwhere(found)
    return [
        (int(y), int(x))
        for y, x in corners
        if np.array_equal(picture[y : y + height, x : x + width], tile)
    ]


def noise(frames, examples, dims, seed):
    """Random values on the 8-bit grid, each frame unlike any other."""
    values = np.random.RandomState(seed).randint(256, size=(frames, examples, dims))
    return (values / 255).astype(np.float32)


def grey(frame):
    """The tile that a grey frame of 0..1 must become."""
    levels = np.rint(frame.reshape(SIDE, SIDE) * 255).astype(np.uint8)
    return np.stack([levels] * 3, axis=2)


def the_place(picture, tile):
    found = places(picture, tile)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("dec", "fut", "frames"),
    [(10, 10, 20), (4, 3, 9), (0, 3, 7), (5, 0, 5), (3, 0, 6), (0, 0, 4)],
    ids=["both", "short-dec", "future", "autoencoder", "short-autoencoder", "truth"],
)
def test_every_frame_is_below_the_one_it_answers(tmp_path, dec, fut, frames):
    examples = 2
    truth = noise(frames, examples, SIDE * SIDE, 0)
    answer = noise(dec + fut, examples, SIDE * SIDE, 1)
    path = tmp_path / "picture.png"
    sequence_picture(
        path,
        truth,
        answer[:dec] if dec else None,
        answer[dec:] if fut else None,
        frame_shape=GREY,
        title="name · step 100",
    )
    picture = pixels(path)
    rows = []
    for example in range(examples):
        top = [the_place(picture, grey(frame)) for frame in truth[:, example]]
        assert len({y for y, _ in top}) == 1
        assert [x for _, x in top] == sorted(x for _, x in top)
        rows.append(top[0][0])
        below = [the_place(picture, grey(frame)) for frame in answer[:, example]]
        # The last answer belongs to the last frame; both parts end where the next
        # begins.
        for (y, x), (_, expected) in zip(
            below, top[frames - dec - fut :], strict=False
        ):
            assert x == expected
            assert rows[-1] + SIDE <= y < rows[-1] + SIDE + 10
    assert rows == sorted(rows)
    steps = np.diff([x for _, x in top])
    wider = np.flatnonzero(steps > SIDE + 2)
    # Room for the rule before the first future frame, and nowhere else.
    assert wider.tolist() == ([frames - fut - 1] if fut else [])


def test_the_rule_is_red_between_past_and_future(tmp_path):
    truth = noise(6, 1, SIDE * SIDE, 0)
    path = tmp_path / "picture.png"
    sequence_picture(path, truth, truth[:4], truth[4:] / 2, frame_shape=GREY)
    picture = pixels(path).astype(int)
    red = np.argwhere(picture[..., 0] - picture[..., 2] > 80)
    _, last = places(pixels(path), grey(truth[3, 0]))[0]
    _, first = the_place(pixels(path), grey(truth[4, 0]))
    assert len(red) > SIDE
    assert red[:, 1].min() >= last + SIDE and red[:, 1].max() < first


def test_small_frames_are_enlarged_by_whole_factors(tmp_path):
    truth = noise(5, 1, 8 * 8, 0)
    path = tmp_path / "picture.png"
    # A shorter second row must not be enlarged more than the first.
    sequence_picture(path, truth, None, truth[3:], frame_shape=(1, 8, 8))
    picture = pixels(path)
    for frame, copies in zip(truth[:, 0], (1, 1, 1, 2, 2), strict=False):
        levels = np.rint(frame.reshape(8, 8) * 255).astype(np.uint8)
        # 96 pixels are a frame's share: 12 for each of the 8.
        tile = np.kron(levels, np.ones((12, 12), np.uint8))
        assert len(places(picture, np.stack([tile] * 3, axis=2))) == copies


def test_colour_planes_become_colours(tmp_path):
    frame = np.zeros((3, SIDE, SIDE), np.float32)
    frame[0, :, :20], frame[1, :, 20:40], frame[2, :, 40:] = 1, 1, 1
    truth = np.stack([frame.ravel(), frame.ravel() * 0])[:, None]
    path = tmp_path / "picture.png"
    sequence_picture(path, truth, frame_shape=(3, SIDE, SIDE))
    tile = np.zeros((SIDE, SIDE, 3), np.uint8)
    tile[:, :20, 0], tile[:, 20:40, 1], tile[:, 40:, 2] = 255, 255, 255
    the_place(pixels(path), tile)


def test_values_outside_the_range_are_clipped(tmp_path):
    values = np.random.RandomState(0).uniform(-6, 6, size=(2, 1, SIDE * SIDE))
    values[0, 0, :4] = np.nan, np.inf, -np.inf, 2
    path = tmp_path / "picture.png"
    sequence_picture(path, values, frame_shape=GREY, value_range=(-2, 2))
    expected = (np.clip(values[0, 0], -2, 2) + 2) / 4
    expected[:4] = 0, 1, 0, 1
    the_place(pixels(path), grey(expected))


@pytest.mark.parametrize("dims", [3, 160, 161, 4096])
def test_feature_vectors_become_strips(tmp_path, dims):
    truth = np.zeros((4, 1, dims))
    truth[:, :, dims // 2 :] = 1
    path = tmp_path / "picture.png"
    sequence_picture(path, truth, truth[:2], truth[2:], frame_shape=None)
    picture = pixels(path).astype(int)
    # The ends of the viridis colour map: dark violet below 0, yellow at 1.
    low = np.all(abs(picture - (68, 1, 84)) <= 1, axis=2)
    high = np.all(abs(picture - (253, 231, 37)) <= 1, axis=2)
    # 2 rows of 4 strips of 64 pixels; half a strip's height of each colour, less what
    # the feature in the middle takes.
    half = 80 if dims > 3 else 53
    assert low.any(axis=0).sum() == high.any(axis=0).sum() == 4 * 64
    assert 2 * half - 4 <= low.any(axis=1).sum() <= 2 * half
    assert np.argwhere(low)[0, 0] < np.argwhere(high)[0, 0]


def test_pdf(tmp_path):
    truth = noise(4, 1, SIDE * SIDE, 0)
    path = tmp_path / "picture.pdf"
    sequence_picture(
        path, truth, truth[:2], truth[2:], frame_shape=GREY, title="a $b_c"
    )
    assert path.read_bytes().startswith(b"%PDF-")
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.pdf"]


def test_a_long_title_is_not_cut(tmp_path):
    truth = noise(2, 1, SIDE * SIDE, 0)
    for name, title in (("short.png", "x"), ("long.png", "x" * 80)):
        sequence_picture(tmp_path / name, truth, frame_shape=GREY, title=title)
    assert pixels(tmp_path / "long.png").shape[1] > 500
    assert np.all(pixels(tmp_path / "long.png")[:, -4:] == 255)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("picture.jpg", "pictures are .png or .pdf: name one of these"),
        ("picture", "pictures are .png or .pdf: name one of these"),
        ("none/picture.png", "there is no folder"),
    ],
)
def test_wrong_paths(tmp_path, name, message):
    with pytest.raises(UserError) as caught:
        sequence_picture(tmp_path / name, noise(2, 1, SIDE * SIDE, 0), frame_shape=GREY)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("dec", "fut", "dims", "shape"),
    [(3, 2, 64, (1, 8, 8)), (2, 2, 63, (1, 8, 8)), (2, 2, 64, (2, 8, 4))],
    ids=["too-long", "other-dims", "two-channels"],
)
def test_arrays_that_do_not_belong_together(tmp_path, dec, fut, dims, shape):
    path = tmp_path / "picture.png"
    truth, answer = noise(4, 1, 64, 0), noise(dec + fut, 1, dims, 1)
    with pytest.raises(ValueError):
        sequence_picture(path, truth, answer[:dec], answer[dec:], frame_shape=shape)
    assert not path.exists()
