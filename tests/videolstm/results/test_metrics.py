"""Numbers against numpy, written out frame by frame."""

import csv
import sys

import numpy as np
import pytest

from tests.videolstm.helpers import describe, make, random_frames
from videolstm.results.answers import Answer, answer
from videolstm.results.metrics import Metrics, entropy
from videolstm.results.tables import legend, read_csv, tables, write_csv

SIDE = 9
GREY, COLOUR = (1, SIDE, SIDE), (3, SIDE, SIDE)
DEC, FUT, CASES = 3, 2, 4


def ssim(x, y, data_range, window=7):
    """Wang et al. 2004, equation 13, with a flat window and sample covariances, over
    all windows that lie inside."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for top in range(x.shape[0] - window + 1):
        for left in range(x.shape[1] - window + 1):
            a = x[top : top + window, left : left + window].ravel()
            b = y[top : top + window, left : left + window].ravel()
            n = a.size
            covariance = ((a - a.mean()) * (b - b.mean())).sum() / (n - 1)
            top_line = (2 * a.mean() * b.mean() + c1) * (2 * covariance + c2)
            means = a.mean() ** 2 + b.mean() ** 2 + c1
            values.append(top_line / means / (a.var(ddof=1) + b.var(ddof=1) + c2))
    return np.mean(values)


def expected(truth, predicted, shape, data_range):
    """Means over the cases of one frame, (cases, dims)."""
    truth, predicted = truth.astype(float), predicted.astype(float)
    errors = predicted - truth
    values = {
        "mse": (errors**2).sum(axis=1).mean(),
        "mae": abs(errors).sum(axis=1).mean(),
        "mse_per_value": (errors**2).mean(),
        "mae_per_value": abs(errors).mean(),
        "psnr": np.mean(10 * np.log10(data_range**2 / (errors**2).mean(axis=1))),
    }
    images = zip(truth.reshape(-1, *shape), predicted.reshape(-1, *shape), strict=True)
    values["ssim"] = np.mean(
        [ssim(t, p, data_range) for ts, ps in images
         for t, p in zip(ts, ps, strict=True)]
    )  # fmt: skip
    return values


def an_answer(shape, seed=0) -> Answer:
    """Random values, and losses that are no function of them."""
    rng = np.random.RandomState(seed)
    dims = int(np.prod(shape))
    truth = rng.rand(DEC + FUT, CASES, dims).astype(np.float32)
    made = rng.rand(DEC + FUT, CASES, dims).astype(np.float32)
    losses = {"reconstruction": rng.rand(DEC), "future": rng.rand(FUT)}
    return Answer(truth, made[:DEC], made[DEC:], losses, {})


@pytest.mark.parametrize("data_range", [1.0, 2.5])
@pytest.mark.parametrize("shape", [GREY, COLOUR], ids=["grey", "colour"])
def test_every_frame(shape, data_range):
    made = an_answer(shape)
    metrics = Metrics(True, shape, data_range)
    for first in (0, 3):  # in two batches, the second smaller
        some = slice(first, first + 3)
        count = made.truth[:, some].shape[1]
        losses = {part: values * count for part, values in made.losses.items()}
        metrics.add(
            Answer(
                made.truth[:, some],
                made.reconstruction[:, some],
                made.future[:, some],
                losses,
                {},
            )
        )
    assert metrics.cases == CASES
    found = {(s.part, s.frame, s.predictor): s.values for s in metrics.scores()}
    every = np.concatenate([made.reconstruction, made.future])
    last = made.truth[DEC - 1]
    wanted = {}
    for t in range(DEC + FUT):
        part = "reconstruction" if t < DEC else "future"
        values = expected(made.truth[t], every[t], shape, data_range)
        values["loss"] = made.losses[part][t if t < DEC else t - DEC]
        v = made.truth[t].astype(float)
        values["least"] = -(v * np.log(v) + (1 - v) * np.log(1 - v)).sum() / CASES
        wanted[part, t + 1, "model"] = values
        if t >= DEC:
            copied = expected(made.truth[t], last, shape, data_range)
            wanted[part, t + 1, "copy"] = copied
    for part, who in (
        ("reconstruction", "model"),
        ("future", "model"),
        ("future", "copy"),
    ):
        rows = [v for (p, f, w), v in wanted.items() if (p, w) == (part, who) and f]
        wanted[part, None, who] = {
            name: np.mean([row[name] for row in rows]) for name in rows[0]
        }
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        assert found[key].keys() == values.keys(), key
        for name, value in values.items():
            # the same sums in another order: a few hundred roundings of a double
            assert found[key][name] == pytest.approx(value, rel=1e-12), (key, name)


def test_entropy():
    assert entropy(np.array([0.0, 1.0, -2.0, 3.0])) == 0
    assert entropy(np.array([0.5, 0.5])) == pytest.approx(2 * np.log(2))


@pytest.mark.parametrize("binary", [True, False])
def test_losses_are_the_models(binary):
    # of a prediction that is certain and of one that is not, by numpy in double
    config = describe(dims=4, binary_data=binary)
    model = make(config)
    frames = random_frames(model, 3)
    made = answer(model, frames)
    metrics = Metrics(binary, None)
    metrics.add(made)
    v, p = frames[3:].astype(float), made.future.astype(float)
    losses = 0.5 * (p - v) ** 2
    if binary:
        losses = -(v * np.log(p) + (1 - v) * np.log(1 - p))
    future = [s for s in metrics.scores() if s.part == "future"]
    shown = [s.values["loss"] for s in future if s.predictor == "model" and s.frame]
    # p is a float: its logarithm is right to about 1e-7
    np.testing.assert_allclose(shown, losses.sum(axis=2).mean(axis=1), rtol=1e-5)
    copied = [s.values for s in future if s.predictor == "copy" and s.frame]
    assert all(("loss" in values) != binary for values in copied)
    if not binary:
        halves = 0.5 * ((v - frames[2]) ** 2).sum(axis=2).mean(axis=1)
        np.testing.assert_allclose([v["loss"] for v in copied], halves, rtol=1e-6)


# ---- what cannot be ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "why"),
    [(None, "feature vectors"), ((1, 6, 20), "6x20 pixels are smaller")],
)
def test_frames_without_ssim(shape, why):
    metrics = Metrics(False, shape)
    made = an_answer(shape or (7,))
    metrics.add(made)
    assert why in metrics.without
    assert all("ssim" not in score.values for score in metrics.scores())
    assert why in legend(False, 7, 1.0, metrics.without)[-1]


def test_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    metrics = Metrics(True, GREY)
    metrics.add(an_answer(GREY))
    assert "pip install scikit-image" in metrics.without
    text = tables(list(metrics.scores()), True, {"future": "free-running"})[0].text()
    assert "SSIM" not in text and "PSNR" not in text and "MSE" in text


def test_equal_frames_have_an_infinite_psnr(recwarn):
    frames = np.full((2, 1, SIDE * SIDE), 0.5)
    made = Answer(frames, None, frames[1:], {"future": np.zeros(1)}, {})
    metrics = Metrics(False, GREY)
    metrics.add(made)
    assert {s.values["psnr"] for s in metrics.scores()} == {np.inf}
    assert not recwarn.list


# ---- as text -------------------------------------------------------------------------


def test_table():
    metrics = Metrics(True, GREY)
    metrics.add(an_answer(GREY))
    scores = list(metrics.scores())
    conditions = {"reconstruction": "teacher-forced", "future": "free-running"}
    past, future = tables(scores, True, conditions)
    assert past.title == "Reconstruction, frames 1 to 3, teacher-forced"
    assert future.title == "Future, frames 4 to 5, free-running"
    assert [row[0] for row in future.rows] == ["4", "5", "all"]
    lines = future.text().splitlines()
    assert lines[1].split() == ["model", "|", "frame", "3", "again"]
    assert lines[2].split()[:4] == ["frame", "nats", "least", "MSE"]
    assert len({len(line) for line in lines[2:]}) == 1
    total = next(
        s for s in scores if (s.part, s.frame, s.predictor) == ("future", None, "model")
    )
    assert lines[-1].split()[3] == f"{total.values['mse']:.2f}"


def test_csv(tmp_path):
    metrics = Metrics(True, GREY)
    metrics.add(an_answer(GREY))
    path = tmp_path / "numbers.csv"
    write_csv(path, metrics, {"reconstruction": True, "future": False})
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["part"], r["frame"], r["predictor"], r["mode"]) for r in rows] == [
        ("reconstruction", "1", "model", "teacher-forced"),
        ("reconstruction", "2", "model", "teacher-forced"),
        ("reconstruction", "3", "model", "teacher-forced"),
        ("future", "4", "copy", ""),
        ("future", "4", "model", "free-running"),
        ("future", "5", "copy", ""),
        ("future", "5", "model", "free-running"),
        ("reconstruction", "all", "model", "teacher-forced"),
        ("future", "all", "copy", ""),
        ("future", "all", "model", "free-running"),
    ]
    assert {row["loss_unit"] for row in rows} == {"nats/frame"}
    assert rows[3]["loss"] == ""  # a copied frame is no probability
    scores, binary, modes = read_csv(path)
    assert scores == list(metrics.scores())  # every digit is there
    assert binary
    assert modes == {"reconstruction": "teacher-forced", "future": "free-running"}
