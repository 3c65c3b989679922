"""Times of steps on a board: what is measured of a small model, here on the CPU."""

import numpy as np
import pytest

import cudamat as cm
from benchmarks import gpu_steps
from benchmarks.gpu_steps import Timer, check_bytes, make, measure, shown
from benchmarks.sizes import SIZES, make_frames
from videolstm.errors import UserError

SMALL = {"units": 6, "dims": 12, "batch": 4, "read": 3, "frames": 6}


def small(name: str):
    fields = SMALL | ({"read": 6, "classes": 5} if name == "C" else {})
    return SIZES[name].changed(**fields, sparse=False)


@pytest.fixture(autouse=True)
def short_rounds(monkeypatch):
    monkeypatch.setattr(gpu_steps, "SECONDS", 0.002)
    monkeypatch.setenv("VIDEOLSTM_GRAPH", "0")
    yield
    cm.set_math_mode("fp32")


@pytest.mark.parametrize("name", ["S", "P", "C"])
def test_a_size(name):
    maths = ["fp32", "tf32"] if cm.real_type() == np.float32 else ["fp32"]
    found = measure(small(name), maths, rounds=2)
    ways = [f"{math}, {way}" for math in maths for way in ("one by one", "graph")]
    assert list(found["ms"]) == ways
    for key, ms in found["ms"].items():
        assert 0 < found["fastest ms"][key] <= ms < 1000
    assert sum(found["parts (fp32)"].values()) > 0
    lines = shown({name: found}).splitlines()
    assert len(lines) == 3
    assert all(way in lines[0] for way in ways)


def test_other_bytes_are_found(monkeypatch):
    size = small("P")
    model, launch = make(size), cm.Graph.launch
    model.load(make_frames(size))
    check_bytes(model, "P, fp32")

    def wrong(graph):
        launch(graph)
        model.params[1].w.add(1e-6)

    monkeypatch.setattr(cm.Graph, "launch", wrong)
    with pytest.raises(UserError, match="^P, fp32: after 4 .* the same bytes$"):
        check_bytes(model, "P, fp32")


def test_rounds_last_as_long_as_they_should():
    """By the time that one call takes: 2 ms of sleep for a round of 2 ms or more."""
    calls = []
    timer = Timer(lambda: calls.append(0), lambda: None)
    before = len(calls)
    timer.round()
    assert len(calls) == before + 2 + timer.times
    assert timer.times > 10
    assert timer.median == timer.rounds[0]
