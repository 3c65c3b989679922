"""Summaries of arrays against numpy, and how much of a large one is looked at."""

import h5py
import numpy as np
import pytest

from videolstm.contents import numbers as module
from videolstm.contents.numbers import Numbers, label_counts, numbers_of, spans
from videolstm.contents.report import Report, bars, count_text, counted, size_text
from videolstm.data.files import h5_dataset, open_h5
from videolstm.outside.npy import NpyFile

RNG = np.random.RandomState(0)
ARRAYS = {
    "bytes": RNG.randint(0, 256, (70, 5, 6)).astype(np.uint8),
    "sparse": (RNG.rand(40, 30) * (RNG.rand(40, 30) < 0.2)).astype(np.float32),
    "negative": RNG.randn(900).astype(np.float64) - 5,
    "integers": RNG.randint(-9, 9, (3, 4)),
    "one": np.array([[2.5]]),
}


def check(found: Numbers, values: np.ndarray) -> None:
    finite = values[np.isfinite(values)].astype(np.float64)
    assert found.count == values.size
    assert found.nans == np.isnan(values).sum()
    assert found.infinities == np.isinf(values).sum()
    assert (found.low, found.high) == (finite.min(), finite.max())
    # 1e-12: sums in double precision in another order
    assert found.mean == pytest.approx(finite.mean(), rel=1e-12, abs=1e-12)
    assert found.norm == pytest.approx(np.sqrt((finite**2).sum()), rel=1e-12)
    assert found.density == pytest.approx(np.count_nonzero(values) / values.size)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("block", [64, 4 * 2**20])
def test_all_of_a_small_array(tmp_path, name, block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    values = ARRAYS[name]
    check(numbers_of(values), values)
    np.save(tmp_path / "a.npy", values)
    check(numbers_of(NpyFile(tmp_path / "a.npy")), values)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = values
    with open_h5(tmp_path / "a.h5") as file:
        found = numbers_of(h5_dataset(file, "a"))
    check(found, values)
    assert found.part == 1


def test_values_that_are_not_finite():
    values = np.array([1.0, np.nan, -2.0, np.inf, 0.0, -np.inf, np.nan])
    found = numbers_of(values)
    check(found, values)
    assert found.text() == "-2 to 1, mean -0.3333, 85.7% not zero, 2 NaN, 2 infinite"
    nothing = numbers_of(np.full(3, np.nan))
    assert nothing.text() == "3 NaN"
    assert nothing.value()["min"] is None and nothing.value()["nan"] == 3
    assert numbers_of(np.zeros((0, 3))).text() == "there are none"


@pytest.mark.parametrize(
    ("rows", "row_bytes", "most"),
    [(1000, 100, 10_000), (64, 10**6, 10**6), (10**9, 3, 10**4), (5, 10**9, 10**6)],
)
def test_places_are_spread_over_a_large_array(rows, row_bytes, most):
    found = list(spans(rows, row_bytes, most))
    ends = [0, *(stop for _, stop in found)]
    assert all(start >= end for (start, _), end in zip(found, ends, strict=False))
    assert all(0 <= start < stop <= rows for start, stop in found)
    looked_at = sum(stop - start for start, stop in found)
    assert looked_at <= max(1, most // row_bytes)
    if len(found) > 1:  # from the first row to the last
        assert (found[0][0], found[-1][1]) == (0, rows)


def test_a_large_array_says_how_much_was_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(module.numbers_of.__globals__["spans"], "__defaults__", (640,))
    values = np.arange(64_000, dtype=np.uint8)
    np.save(tmp_path / "a.npy", values)
    found = numbers_of(NpyFile(tmp_path / "a.npy"))
    assert found.count == 640 and found.part == 0.01
    assert found.text().endswith("of the 1% that were looked at")


def test_label_counts():
    assert label_counts(np.array([3, 0, 3, 1])) == {0: 1, 1: 1, 2: 0, 3: 2}
    assert label_counts(np.array([], int)) == {}
    assert label_counts(np.array([2**40, -3, 2**40])) == {-3: 1, 2**40: 2}


# ---- words ---------------------------------------------------------------------------


def test_words():
    assert [counted(n, "class") for n in (0, 1, 2000)] == [
        "0 classes",
        "1 class",
        "2,000 classes",
    ]
    sizes = (5, 2048, 3 * 2**20, 2**50)
    assert [size_text(n) for n in sizes] == [
        "5 bytes",
        "2.0 KiB",
        "3.0 MiB",
        "1,048,576.0 GiB",
    ]
    assert [count_text(n) for n in (999, 1.5e6, 2e9, 7.68e12)] == [
        "999",
        "1.5 million",
        "2 billion",
        "7.68 trillion",
    ]
    assert bars({0: 20, 10: 5, 2: 0}).splitlines() == [
        f" 0  20  {'#' * 40}",
        f"10   5  {'#' * 10}",
        " 2   0",
    ]


def test_a_report():
    report = Report("a.npy", "video patches")
    report.add("size", "3 bytes", 3)
    report.begin("layer", "the_layer")
    report.add("a long name", "a sentence " * 12, "x")
    report.begin()
    report.add("note", "one")
    report.add("note", "two")
    lines = report.text().splitlines()
    assert lines[:6] == [
        "a.npy: video patches",
        "",
        "  size  3 bytes",
        "",
        "layer",
        f"  a long name  {'a sentence ' * 6}a",
    ]
    assert lines[6].startswith(" " * 15 + "sentence") and max(map(len, lines)) <= 88
    assert report.json() == {
        "file": "a.npy",
        "kind": "video patches",
        "size": 3,
        "the_layer": {"a long name": "x"},
        "notes": ["one", "two"],
    }
