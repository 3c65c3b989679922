"""The few-label experiment, in miniature: which videos are chosen, what is compared."""

import csv

import h5py
import numpy as np
import pytest

from tests.videolstm.helpers import describe, make
from videolstm.config import read_model
from videolstm.config_check import check_classifier
from videolstm.data.labelled_bouncing import LabelledBouncing
from videolstm.errors import UserError
from videolstm.models.checkpoint import Progress, save_checkpoint
from videolstm.models.percepts import Encoder
from videolstm.pictures.label_curve import Point
from videolstm.tools import few_labels
from videolstm.tools.bouncing_labelled import write_labelled
from videolstm.tools.few_labels import (
    CLIP,
    METHODS,
    MODELS,
    choose_videos,
    compare,
    labelled_data,
    pretrained,
    print_table,
    write_results,
    write_states,
)
from videolstm.training.run_files import RunFiles


@pytest.fixture
def folder(tmp_path):
    """Labelled sets of digits that any classifier can tell: each of a brightness."""
    levels = np.repeat(np.linspace(0.1, 1, 10), 3).astype(np.float32)
    images, labels = np.repeat(levels[:, None], 784, axis=1), np.arange(30) // 3
    for seed, (part, count) in enumerate((("train", 120), ("test", 30))):
        rng = np.random.RandomState(seed)
        source = LabelledBouncing("digit", images, labels, rng, 40, 0.1, 10, 20)
        path = tmp_path / f"digit_{part}.h5"
        write_labelled(path, source, np.arange(30), count, randomize=False)
    return tmp_path


def encoder_in(folder, steps=7) -> Encoder:
    """An untrained encoder of the sizes that the experiment's models have."""
    config = describe(units=(128,), dims=1600, dec=1, future=0)
    config.checkpoint_dir = str(folder / "pretrained")
    for layer in (*config.lstm, *config.lstm_dec):
        for weight in ("w_dense", "w_input"):
            getattr(layer, weight).scale = 0.02
    model = make(config)
    files = RunFiles(config, folder / "model.pbtxt")
    save_checkpoint(files.weights, model.params, Progress(iteration=steps))
    return Encoder(config, files.description, CLIP)


def test_videos_are_chosen_per_class_and_nested(folder):
    labels = np.loadtxt(folder / "digit_train_labels.txt", dtype=int)
    chosen = {
        (n, seed): np.loadtxt(choose_videos(folder, "digit", n, seed), dtype=int)
        for n in (1, 2, 4)
        for seed in (0, 1)
    }
    for (n, seed), videos in chosen.items():
        assert np.bincount(labels[videos]).tolist() == [n] * 10
        assert len(set(videos)) == 10 * n
        if n > 1:
            assert set(chosen[n // 2, seed]) < set(videos)
    assert set(chosen[2, 0]) != set(chosen[2, 1])
    with pytest.raises(UserError, match=r"--most is 99, .* at most the \d+ videos of"):
        choose_videos(folder, "digit", 99, 0)


def test_only_chosen_videos_are_trained_on(folder):
    path = choose_videos(folder, "digit", 2, 0)
    data = labelled_data(folder / "digit_train.pbtxt", path)
    assert set(data.video_ids) == set(np.loadtxt(path, dtype=int))
    assert data.num_frames == CLIP and data.randomize
    assert set(labelled_data(folder / "digit_test.pbtxt").videos) == set(range(30))


def test_the_comparison(folder, monkeypatch):
    # few updates, and brightness is told by its state alone
    def short(path):
        config = read_model(path)
        config.max_iters = 12
        return config

    monkeypatch.setattr(few_labels, "read_model", short)
    encoder = encoder_in(folder)
    write_states(folder, "digit", encoder)
    with h5py.File(folder / "digit_states_train.h5") as file:
        assert file["features"].shape[1] == 256
    points = list(compare(folder, "digit", encoder, most=2, seeds=2))
    keys = [(p.method, p.per_class, p.seed) for p in points]
    assert len(set(keys)) == len(keys) == 4 * 2 * 2
    assert {p.method for p in points} == {method.name for method in METHODS}
    assert all(0 <= p.accuracy <= 1 for p in points)
    # the same seed, the same result
    again = list(compare(folder, "digit", encoder, most=1, seeds=1))
    assert again == points[:4]
    # and something is learned, by those that can
    assert max(p.accuracy for p in points) > 0.2


def test_a_run_of_the_right_length_is_found(folder):
    assert pretrained(folder, 7) is None
    encoder = encoder_in(folder, steps=7)
    assert pretrained(folder, 8) is None
    assert pretrained(folder, 7) == encoder.checkpoint.with_suffix(".pbtxt")


def test_models_of_the_comparison_learn_alike():
    # the same but for what they start from
    models = [read_model(MODELS / f"{method.model}.pbtxt") for method in METHODS[:2]]
    for model in models:
        assert check_classifier(model, "m.pbtxt") == []
        model.lstm[0].ClearField("pretrained")
        model.ClearField("name")
    assert models[0] == models[1]


def test_results(tmp_path, capsys):
    points = [
        Point(method.name, n, seed, 0.1 * n + 0.02 * seed)
        for n in (1, 2)
        for seed in (0, 1)
        for method in METHODS
    ]
    write_results(tmp_path / "r.csv", points)
    with (tmp_path / "r.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(points)
    assert rows[0] == {
        "method": METHODS[0].name,
        "labels_per_class": "1",
        "seed": "0",
        "accuracy": "0.1",
    }
    print_table(points)
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[1].split()[-4:] == ["11.0", "±", "1.0", "21.0"]
        or "11.0 ± 1.0" in lines[1]
    )
