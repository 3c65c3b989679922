"""Accuracy of clips and videos: the release's numbers, and counting by hand."""

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import GOLDEN, describe_classifier, describe_logreg
from videolstm.config import read_data
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.models.classifier import make_classifier
from videolstm.results.evaluation import (
    Evaluation,
    evaluate,
    write_confusion,
    write_predictions,
)

CASES = GOLDEN / "cases" / "data"


def with_results() -> list[str]:
    """Cases whose accuracy the release has computed, and right: with short videos it
    counts one clip for each of them and takes the results of all later ones for those
    of their neighbours."""
    names = []
    for path in sorted(CASES.glob("labelled_*")):
        with h5py.File(path / "expect.h5") as file:
            if "results_correct" in file.attrs and "short" not in path.name:
                names.append(path.name)
    return names


def handler_of(folder: Path):
    return make_data_handler(read_data(folder / "data.pbtxt"), folder / "data.pbtxt")


def test_cases_are_there():
    assert len(with_results()) >= 3


@pytest.mark.parametrize("name", with_results())
def test_results_of_the_release(name):
    data = handler_of(CASES / name)
    videos, numbers = data.videos_of_clips()
    predictions = np.load(CASES / name / "predictions.npy")
    result = Evaluation(predictions, videos, data.labels, numbers)
    with h5py.File(CASES / name / "expect.h5") as file:
        assert result.clip_accuracy == pytest.approx(file.attrs["results_correct"])
        pooled = file.attrs["results_pooled_correct"]
        assert result.pooled_accuracy == pytest.approx(pooled)


def test_short_videos_are_not_counted():
    # The second of four videos has 3 frames, fewer than num_frames 4: no clip.
    data = handler_of(CASES / "labelled_short_video")
    predictions = np.load(CASES / "labelled_short_video" / "predictions.npy")
    result = Evaluation(predictions, data.videos, data.labels, data.video_ids)
    counts = np.loadtxt(CASES / "labelled_short_video" / "num_frames.txt", dtype=int)
    labels = np.loadtxt(CASES / "labelled_short_video" / "labels.txt", dtype=int)
    row, clips_right, videos_right, videos = 0, 0, 0, 0
    for count, label in zip(counts, labels, strict=True):
        clips = predictions[row : row + max(0, count - 4 + 1)]
        row += len(clips)
        if len(clips):
            videos += 1
            clips_right += (clips.argmax(axis=1) == label).sum()
            videos_right += clips.sum(axis=0).argmax() == label
    assert row == len(predictions) and videos == 3
    assert result.clip_accuracy == clips_right / row
    assert result.pooled_accuracy == videos_right / videos
    assert result.video_numbers.tolist() == [0, 2, 3]


# ---- by hand -------------------------------------------------------------------------


def small() -> Evaluation:
    """Six clips of four videos, 7, 3, 9 and 4 in their file, three classes."""
    probabilities = np.array(
        [
            [0.6, 0.3, 0.1],  # video 3: together 0.45 0.45 0.10
            [0.3, 0.6, 0.1],
            [0.1, 0.2, 0.7],  # video 7
            [0.2, 0.5, 0.3],  # video 9: together 0.30 0.30 0.40
            [0.4, 0.1, 0.5],
            [0.2, 0.2, 0.6],  # video 4
        ]
    )
    videos = np.array([1, 1, 0, 2, 2, 3])
    labels = np.array([1, 1, 2, 1, 1, 0])
    return Evaluation(probabilities, videos, labels, np.array([7, 3, 9, 4]))


def test_accuracy_by_hand():
    result = small()
    assert result.clip_accuracy == 3 / 6  # clips 1, 2 and 3
    assert result.video_numbers.tolist() == [3, 7, 9, 4]  # as the clips come
    assert result.video_labels.tolist() == [1, 2, 1, 0]
    # a tie goes to the first class
    assert result.video_predictions.tolist() == [0, 2, 2, 2]
    assert result.pooled_accuracy == 1 / 4
    expected = [[0.45, 0.45, 0.1], [0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6]]
    np.testing.assert_allclose(result.video_probabilities, expected, rtol=1e-15)


def test_top_k_by_hand():
    # ranks of the right classes: 1 (a tie with class 0), 0, 2 (a tie), 1 (a tie)
    assert [small().top_k(k) for k in (1, 2, 3, 9)] == [1 / 4, 3 / 4, 1, 1]
    assert small().top_k(1) == small().pooled_accuracy


def test_confusion_by_hand():
    result = small()
    assert result.confusion.tolist() == [[0, 0, 1], [1, 0, 1], [0, 0, 1]]
    np.testing.assert_array_equal(result.class_accuracy, [0, 0, 1])
    none = Evaluation(np.eye(3)[[0]], np.array([0]), np.array([0]), np.array([0]))
    np.testing.assert_array_equal(none.class_accuracy, [1, np.nan, np.nan])


def test_a_video_that_is_listed_twice_counts_twice():
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    twice = Evaluation(p, np.array([0, 1]), np.array([0, 0]), np.array([5, 5]))
    assert twice.pooled_accuracy == 0.5
    assert twice.video_numbers.tolist() == [5, 5]


# ---- a model on data -----------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("describe", [describe_classifier, describe_logreg])
def test_evaluate_sees_every_clip_once(describe, batch_size):
    config = read_data(CASES / "labelled_video_ids" / "data.pbtxt")
    config.batch_size = batch_size
    data = make_data_handler(config, CASES / "labelled_video_ids" / "data.pbtxt")
    cm.CUDAMatrix.init_random(1)
    model = make_classifier(
        describe(dims=data.frame_dims, classes=4), "model.pbtxt", data.num_frames
    )
    result = evaluate(model, data)
    alone = np.concatenate([model.predict(b.frames) for b in data.epoch(1)])
    # another order of sums in larger batches
    np.testing.assert_allclose(result.probabilities, alone, rtol=1e-5)
    np.testing.assert_array_equal(result.labels, data.labels)
    ids = np.loadtxt(CASES / "labelled_video_ids" / "video_ids.txt", dtype=int)
    assert set(result.video_numbers.tolist()) <= set(ids.tolist())


def test_clips_of_patches_are_videos():
    videos, numbers = handler_of(CASES / "video_patch_grey").videos_of_clips()
    assert videos.tolist() == numbers.tolist() == list(range(len(videos)))
    data = handler_of(CASES / "unlabelled_seq")
    videos, numbers = data.videos_of_clips()
    assert len(videos) == data.dataset_size and len(numbers) == 4


# ---- files ---------------------------------------------------------------------------


def test_predictions_as_csv(tmp_path):
    write_predictions(tmp_path / "p.csv", small())
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["video", "label", "predicted", "p0", "p1", "p2"]
    assert [row["video"] for row in rows] == ["3", "7", "9", "4"]
    assert [row["label"] for row in rows] == ["1", "2", "1", "0"]
    assert [row["predicted"] for row in rows] == ["0", "2", "2", "2"]
    table = [[float(row[f"p{k}"]) for k in range(3)] for row in rows]
    np.testing.assert_array_equal(table, small().video_probabilities)


def test_predictions_as_h5(tmp_path):
    write_predictions(tmp_path / "p.h5", small())
    with h5py.File(tmp_path / "p.h5") as file:
        np.testing.assert_array_equal(
            file["probabilities"], small().video_probabilities
        )
        assert file["videos"][()].tolist() == [3, 7, 9, 4]
        assert file["labels"][()].tolist() == [1, 2, 1, 0]
        assert file["predicted"][()].tolist() == [0, 2, 2, 2]


def test_predictions_without_labels(tmp_path):
    known = small()
    result = Evaluation(known.probabilities, known.videos, None, known.numbers)
    write_predictions(tmp_path / "p.csv", result)
    assert (tmp_path / "p.csv").read_text().splitlines()[1].startswith("3,,0,0.4")
    write_predictions(tmp_path / "p.h5", result)
    with h5py.File(tmp_path / "p.h5") as file:
        assert set(file) == {"probabilities", "videos", "predicted"}


def test_predictions_are_csv_or_h5(tmp_path):
    with pytest.raises(UserError, match=r"p\.txt: predictions are a \.csv or an \.h5"):
        write_predictions(tmp_path / "p.txt", small())


def test_confusion_as_csv(tmp_path):
    write_confusion(tmp_path / "c.csv", small())
    lines = (tmp_path / "c.csv").read_text().splitlines()
    head = "class,videos,right,accuracy,taken for 0,taken for 1,taken for 2"
    assert lines == [head, "0,1,0,0.0,0,0,1", "1,2,0,0.0,1,0,1", "2,1,1,1.0,0,0,1"]
