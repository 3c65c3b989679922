"""The pictures of results: what a confusion matrix and a curve of accuracy show."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from videolstm.errors import UserError
from videolstm.pictures import confusion as confusions
from videolstm.pictures import label_curve
from videolstm.pictures.confusion import confusion_picture
from videolstm.pictures.label_curve import Point, label_curve_picture


def drawn(monkeypatch, module) -> list[Figure]:
    """The figures that are written from now on."""
    figures = []
    write = module.save_figure

    def keep(figure, path):
        figures.append(figure)
        write(figure, path)

    monkeypatch.setattr(module, "save_figure", keep)
    return figures


@pytest.mark.parametrize("classes", [1, 3, 20, 101])
def test_confusion(classes, tmp_path, monkeypatch):
    figures = drawn(monkeypatch, confusions)
    rng = np.random.RandomState(classes)
    confusion = rng.poisson(1, (classes, classes)) + 9 * np.eye(classes, dtype=int)
    if classes > 1:
        confusion[1] = 0  # a class without videos
    confusion_picture(tmp_path / "c.png", confusion, "model $a_b$, data")
    assert imread(tmp_path / "c.png").shape[0] > 100
    table, bars = figures[0].axes
    counts = np.maximum(confusion.sum(axis=1), 1)
    parts = confusion / counts[:, None]
    np.testing.assert_array_equal(table.images[0].get_array(), parts)
    widths = [bar.get_width() for bar in bars.patches]
    np.testing.assert_allclose(widths, 100 * np.diag(parts))
    shown = sorted(int(text.get_text()) for text in table.texts)
    wanted = sorted(confusion[confusion > 0].tolist()) if classes <= 20 else []
    assert shown == wanted
    right = 100 * np.trace(confusion) / confusion.sum()
    title = figures[0]._suptitle.get_text()  # get_suptitle is of matplotlib 3.8
    assert (
        title
        == f"model $a_b$, data\n{right:.1f}% of {confusion.sum()} videos are right"
    )


def test_curve(tmp_path, monkeypatch):
    figures = drawn(monkeypatch, label_curve)
    points = [
        Point(method, n, seed, 0.1 * place + 0.1 * n + 0.2 * seed)
        for place, method in enumerate(("b", "a"))
        for n in (1, 2, 4)
        for seed in (0, 1)
    ]
    label_curve_picture(tmp_path / "c.png", points, 0.1, "title")
    assert imread(tmp_path / "c.png").shape[0] > 100
    axes = figures[0].axes[0]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["b", "a"]
    for place, container in enumerate(axes.containers):
        line, _, bars = container
        means = 100 * (0.1 * place + 0.1 * np.array([1, 2, 4]) + 0.1)
        np.testing.assert_allclose(line.get_ydata(orig=False), means)
        ends = [np.asarray(path)[:, 1].tolist() for path in bars[0].get_segments()]
        np.testing.assert_allclose(ends, means[:, None] + [-10, 10])  # a deviation
    assert "2 choices" in axes.get_title(loc="left")


@pytest.mark.parametrize("name", ["c.jpg", "c"])
def test_pictures_are_png_or_pdf(name, tmp_path):
    with pytest.raises(UserError, match="png"):
        confusion_picture(tmp_path / name, np.eye(2, dtype=int))
    with pytest.raises(UserError, match="png"):
        label_curve_picture(tmp_path / name, [Point("a", 1, 0, 0.5)], 0.1, "t")
