"""How good a classifier is: accuracy of clips and of videos, confusions, top-k."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import cached_property

import h5py
import numpy as np

from videolstm.data import DataHandler
from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.models.vote import Classifier
from videolstm.parallel import ALONE, World


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a classifier says of every clip of a data set, and the truth.

    A video's probabilities are the mean of those of its clips; its prediction is the
    most probable class, the first of equals. Videos without clips are not counted.

    probabilities: (clips, classes). videos: int (clips,), which of the videos each clip
    is of. labels: int (clips,), the class of each, or None where nobody knows. numbers:
    what each of the videos is numbered in the data files.
    """

    probabilities: np.ndarray
    videos: np.ndarray
    labels: np.ndarray | None
    numbers: np.ndarray

    @cached_property
    def clip_accuracy(self) -> float:
        """Part of the clips that are right."""
        return float(np.mean(self.probabilities.argmax(axis=1) == self.labels))

    @cached_property
    def _first_clips(self) -> tuple[np.ndarray, np.ndarray]:
        """A clip of each video, in the order of the clips, and each clip's place among
        the videos."""
        _, first, place = np.unique(self.videos, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return first[order], rank[place]

    @cached_property
    def video_numbers(self) -> np.ndarray:
        """What the videos that have clips are numbered in the data files, (videos,)."""
        return self.numbers[self.videos[self._first_clips[0]]]

    @cached_property
    def video_labels(self) -> np.ndarray | None:
        """Their classes, (videos,)."""
        return None if self.labels is None else self.labels[self._first_clips[0]]

    @cached_property
    def video_probabilities(self) -> np.ndarray:
        """Mean over the clips of each video, float64 (videos, classes)."""
        first, place = self._first_clips
        sums = np.zeros((len(first), self.probabilities.shape[1]))
        np.add.at(sums, place, self.probabilities)
        return sums / np.bincount(place)[:, None]

    @cached_property
    def video_predictions(self) -> np.ndarray:
        """The most probable class of each video, (videos,)."""
        return self.video_probabilities.argmax(axis=1)

    @cached_property
    def pooled_accuracy(self) -> float:
        """Part of the videos that are right."""
        return float(np.mean(self.video_predictions == self.video_labels))

    def top_k(self, k: int) -> float:
        """Part of the videos whose class is among their k most probable ones; of
        equally probable classes those with smaller numbers count as more probable."""
        p, labels = self.video_probabilities, self.video_labels
        own = p[np.arange(len(p)), labels][:, None]
        before = np.arange(p.shape[1]) < labels[:, None]
        rank = (p > own).sum(axis=1) + ((p == own) & before).sum(axis=1)
        return float(np.mean(rank < k))

    @cached_property
    def confusion(self) -> np.ndarray:
        """Videos of class i (row) that were taken for class j (column), int (classes,
        classes)."""
        classes = self.probabilities.shape[1]
        table = np.zeros((classes, classes), np.int64)
        np.add.at(table, (self.video_labels, self.video_predictions), 1)
        return table

    @cached_property
    def class_accuracy(self) -> np.ndarray:
        """Part of the videos of each class that are right, (classes,); NaN for a class
        without videos."""
        counts = self.confusion.sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.diag(self.confusion) / counts


def evaluate(model: Classifier, data: DataHandler, world: World = ALONE) -> Evaluation:
    """What `model` makes of a data set, every clip counted once; each of several
    processes asks it about its own part of the data."""

    def answers() -> list[tuple]:
        return [(model.predict(b.frames), b.clips, b.labels) for b in data.epoch()]

    parts = world.gather(world.alike(answers))
    found = [answer for part in parts for answer in part]
    rows, clips, labels = zip(*found, strict=True)
    known = None if labels[0] is None else np.concatenate(labels)
    videos, numbers = data.videos_of_clips()
    return Evaluation(
        np.concatenate(rows), videos[np.concatenate(clips)], known, numbers
    )


# ---- files ---------------------------------------------------------------------------


def write_predictions(path: str | os.PathLike, result: Evaluation) -> None:
    """Writes the probabilities of every video: an .h5 with `probabilities` (videos,
    classes), `predicted`, `videos` and, where they are known, `labels`, or a .csv with
    a row for each video.

    Raises UserError for another suffix.
    """
    check_predictions_path(path)
    with written_beside(path) as beside:
        if beside.suffix.lower() == ".csv":
            _write_csv(beside, _prediction_rows(result))
            return
        with h5py.File(beside, "w") as file:
            file["probabilities"] = result.video_probabilities
            file["predicted"] = result.video_predictions
            file["videos"] = result.video_numbers
            if result.labels is not None:
                file["labels"] = result.video_labels


def check_predictions_path(path: str | os.PathLike) -> None:
    """Raises UserError for a file that predictions cannot be written to."""
    if os.path.splitext(path)[1].lower() not in (".csv", ".h5"):
        raise UserError(
            f"{os.fspath(path)}: predictions are a .csv or an .h5: name one of these"
        )


def _prediction_rows(result: Evaluation) -> list[list]:
    classes = range(result.probabilities.shape[1])
    rows: list[list] = [["video", "label", "predicted", *(f"p{k}" for k in classes)]]
    for k, (video, predicted) in enumerate(
        zip(result.video_numbers, result.video_predictions, strict=True)
    ):
        label = "" if result.labels is None else result.video_labels[k]
        rows.append([video, label, predicted, *result.video_probabilities[k].tolist()])
    return rows


def write_confusion(path: str | os.PathLike, result: Evaluation) -> None:
    """Writes a .csv with a row for each class: how many videos it has, how many of
    them are right and which part, and how many were taken for each class."""
    classes = range(len(result.confusion))
    heads = ["class", "videos", "right", "accuracy"]
    rows: list[list] = [[*heads, *(f"taken for {k}" for k in classes)]]
    for k in classes:
        counts, accuracy = result.confusion[k], result.class_accuracy[k]
        shown = "" if np.isnan(accuracy) else accuracy
        rows.append([k, counts.sum(), counts[k], shown, *counts])
    with written_beside(path) as beside:
        _write_csv(beside, rows)


def _write_csv(path: os.PathLike, rows: list[list]) -> None:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
