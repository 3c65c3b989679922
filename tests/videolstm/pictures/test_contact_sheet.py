"""Contact sheets, pixel by pixel: which frame is where."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from videolstm.pictures.contact_sheet import clips_sheet, images_sheet

GAP = 3


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(int)


def test_a_row_for_each_clip_and_a_tile_for_each_frame():
    # Frame t of clip k is of one colour: red says the clip, green the frame.
    frames, clips = 4, 3
    values = np.zeros((frames, clips, 3, 5, 5))
    values[:, :, 0] = (np.arange(clips) + 1)[None, :, None, None] / 4
    values[:, :, 1] = (np.arange(frames) + 1)[:, None, None, None] / 8
    flat = values.reshape(frames, clips, -1)
    names = [f"clip {k}" for k in range(clips)]
    image = pixels(clips_sheet(flat, (3, 5, 5), names, (0.0, 1.0), "a title"))
    seen = {}
    for k in range(clips):
        for t in range(frames):
            colour = np.rint(255 * values[t, k, :, 0, 0]).astype(int)
            rows, columns = np.nonzero((image == colour).all(axis=2))
            # a full square, of 96 pixels or the nearest multiple of 5 below
            assert len(rows) == 95 * 95
            assert np.ptp(rows) == np.ptp(columns) == 94
            seen[k, t] = rows.min(), columns.min()
    for k in range(clips):
        for t in range(1, frames):
            assert seen[k, t][0] == seen[k, 0][0]
            assert seen[k, t][1] - seen[k, t - 1][1] == 95 + GAP
    for k in range(1, clips):
        assert seen[k, 0][0] - seen[k - 1, 0][0] == 95 + GAP


def test_of_long_clips_frames_spread_evenly_are_shown():
    frames = np.zeros((58, 1, 2, 2))
    frames += (np.arange(58) / 57)[:, None, None, None]
    figure = clips_sheet(frames.reshape(58, 1, 4), (1, 2, 2), ["x"], (0.0, 1.0), "")
    numbers = [text.get_text() for text in figure.axes[0].texts]
    # 20 of 58, every third one: 1, 4, ..., 58
    assert numbers[1:] == [str(n) for n in range(1, 59, 3)]


def test_ten_images_in_a_row_with_their_captions():
    images = np.ones((13, 9)) * np.linspace(0, 0.9, 13)[:, None]
    names = [f"n{k}" for k in range(13)]
    figure = images_sheet(images, (1, 3, 3), names, (0.0, 1.0), "title")
    texts = figure.axes[0].texts
    places = {text.get_text(): text.get_position() for text in texts}
    assert {places[f"n{k}"][1] for k in range(10)} != {places["n10"][1]}
    assert len({places[f"n{k}"][1] for k in range(10)}) == 1
    assert places["n10"][0] == places["n0"][0]
    image = pixels(figure)
    for k in range(13):
        x, y = (round(v) for v in places[f"n{k}"])
        level = round(255 * 0.9 * k / 12)
        # 20 pixels below a caption is the image that it is of
        assert abs(image[y + 20, x] - level).max() <= 1


def test_features_are_strips():
    values = np.random.RandomState(0).randn(6, 2, 40)
    figure = clips_sheet(values, None, ["a", "b"], (-2.0, 2.0), "t")
    image = pixels(figure)
    colourful = (image.max(axis=2) - image.min(axis=2)) > 60
    assert colourful.mean() > 0.5
