"""Where pictures go."""

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from videolstm.errors import UserError
from videolstm.pictures import gallery as module
from videolstm.pictures.gallery import Gallery


def test_names_and_formats(tmp_path):
    folder = tmp_path / "a" / "b"
    gallery = Gallery(folder, "model_data", "pdf", windows=False)
    gallery.add("", Figure())
    gallery.add("units", Figure())
    assert gallery.written == [
        folder / "model_data.pdf",
        folder / "model_data_units.pdf",
    ]
    assert all(path.read_bytes().startswith(b"%PDF") for path in gallery.written)
    assert gallery.path("", "gif") == folder / "model_data.gif"
    assert len(list(folder.iterdir())) == 2


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--out is .*file.x.* no folder can be made"):
        Gallery(tmp_path / "file" / "x", "a", "png", windows=False)


def test_windows_that_cannot_be(tmp_path, monkeypatch):
    monkeypatch.setattr(matplotlib, "get_backend", lambda **_: "agg")
    matplotlib.use("agg")
    with pytest.raises(UserError, match="--show: matplotlib can open no window here"):
        Gallery(tmp_path, "a", "png", windows=True)


def test_windows(tmp_path, monkeypatch):
    # Everything but the toolkit, which there is none of where tests run.
    opened = []
    monkeypatch.setattr(module, "_check_windows", lambda: None)
    monkeypatch.setattr(plt, "show", lambda: opened.extend(plt.get_figlabels()))
    matplotlib.use("agg")
    gallery = Gallery(tmp_path, "a", "pdf", windows=True)
    gallery.add("", Figure())
    gallery.add("units", Figure())
    gallery.show()
    plt.close("all")
    assert opened == ["a.pdf", "a_units.pdf"]
