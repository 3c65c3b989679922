"""Training curves: which numbers are drawn, from which logs, on which scale."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from videolstm.config import messages
from videolstm.errors import UserError
from videolstm.pictures import sequences
from videolstm.pictures.curves import LOSSES, draw_curves, history, logs_of, read_log

HEAD = "iteration,seconds,dec,fut,vdec,vfut\n"


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be written."""
    figures: list[Figure] = []
    monkeypatch.setattr(sequences, "save_figure", lambda f, path: figures.append(f))
    return figures


def log(folder, name, text):
    (folder / name).write_text(HEAD + text)
    return folder / name


def test_a_log_with_holes(tmp_path):
    path = log(
        tmp_path,
        "a.csv",
        "100,1.5,20.5,30,,\n200,2,nan,inf,15,25\n,3,1,1,1,1\nx,1,2,3,4,5\n300,4,1",
    )
    assert read_log(path) == [
        {"iteration": 100, "seconds": 1.5, "dec": 20.5, "fut": 30},
        {"iteration": 200, "seconds": 2, "vdec": 15, "vfut": 25},
        {"iteration": 300, "seconds": 4, "dec": 1},  # cut short
    ]


@pytest.mark.parametrize("text", ["", HEAD, "1,2,3\n", "\0\0"])
def test_a_log_without_rows(text, tmp_path, drawn):
    (tmp_path / "a.csv").write_text(text)
    rows = history([tmp_path / "a.csv"])
    assert rows == []
    assert not draw_curves(tmp_path / "a.png", rows, LOSSES, "nats", "title")
    assert not drawn


def test_a_log_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="a.csv: the log cannot be read"):
        read_log(tmp_path / "a.csv")


def test_a_run_that_went_on_from_an_earlier_step(tmp_path):
    # It was at 300 when it was stopped, and its checkpoint was of step 150.
    first = log(tmp_path, "1.csv", "100,1,9,,,\n200,2,8,,,\n300,3,7,,,\n")
    second = log(tmp_path, "2.csv", "200,1,6,,,\n300,2,5,,,\n")
    rows = history([first, second, log(tmp_path, "3.csv", "")])
    found = [(row["iteration"], row["dec"]) for row in rows]
    assert found == [(100, 9), (200, 6), (300, 5)]


def test_logs_are_found_where_checkpoints_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = messages().Model(name="m", checkpoint_dir="out")
    config.timestamp.extend(["1", "2", "3", "4"])
    (tmp_path / "out").mkdir()
    (tmp_path / "models" / "out").mkdir(parents=True)
    places = ("out/m_1.csv", "models/m_3.csv", "models/out/m_4.csv")
    for place in places:
        (tmp_path / place).touch()
    found = logs_of(config, "models/m.pbtxt")
    assert [str(path) for path in found] == list(places)


def test_every_column_is_a_line(tmp_path, drawn):
    rows = [
        {"iteration": 100, "dec": 30.0, "fut": 40.0},
        {"iteration": 200, "dec": 20.0, "fut": 30.0, "vdec": 25.0},
    ]
    assert draw_curves(tmp_path / "a.png", rows, LOSSES, "nats/frame", "name")
    (axes,) = drawn[0].axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {
        "reconstruction, training": [[100, 30], [200, 20]],
        "future, training": [[100, 40], [200, 30]],
        "reconstruction, validation": [[200, 25]],
    }
    assert axes.get_ylabel() == "nats/frame" and axes.get_yscale() == "linear"
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert sorted(legend) == sorted(lines)


@pytest.mark.parametrize(
    ("values", "scale"),
    [((90, 10), "log"), ((70, 10), "linear"), ((9, 0), "linear"), ((5,), "linear")],
)
def test_scale(values, scale, tmp_path, drawn):
    rows = [{"iteration": k, "dec": float(v)} for k, v in enumerate(values)]
    draw_curves(tmp_path / "a.png", rows, LOSSES, "nats", "")
    assert drawn[0].axes[0].get_yscale() == scale


def test_a_picture_is_written(tmp_path):
    rows = [{"iteration": k, "dec": float(v)} for k, v in enumerate(np.exp(range(9)))]
    assert draw_curves(tmp_path / "a.png", rows, LOSSES, "nats", "$a_name")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
