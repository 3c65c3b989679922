"""Training a classifier: which model is the best one, and what is said of it."""

import re

import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import describe_classifier, read_h5
from videolstm.data.handler import Batch
from videolstm.models.checkpoint import Progress
from videolstm.models.classifier import make_classifier
from videolstm.training.classifier import ClassifierTrainer
from videolstm.training.run_files import RunFiles


class Clips:
    """Six labelled clips in memory, each a video: one batch over and over."""

    frame_shape = None

    def __init__(self) -> None:
        rng = np.random.RandomState(1)
        self.labels = np.arange(6) % 3
        self.frames = rng.rand(4, 6, 5).astype(np.float32)

    def next_batch(self) -> Batch:
        return Batch(self.frames, self.labels, np.arange(6))

    def epoch(self, batch_size=None):
        yield self.next_batch()

    def videos_of_clips(self):
        return np.arange(6), np.arange(6)

    def state(self) -> dict:
        return {"dataset_type": "CLIPS"}

    def restore(self, state) -> None:
        pass


def trainer_of(folder, max_iters=6, best=None, **fields) -> ClassifierTrainer:
    config = describe_classifier(checkpoint_dir=str(folder), **fields)
    cm.CUDAMatrix.init_random(1)
    model = make_classifier(config, "model.pbtxt", 4)
    files = RunFiles(config, "model.pbtxt")
    data = Clips()
    return ClassifierTrainer(model, data, data, files, Progress(), max_iters, best=best)


# Pooled accuracy of validation after each step, and after which of them it is saved.
STORIES = {
    "better and better": ((0.1, 0.2, 0.3), [1, 2, 3]),
    "the first is better than none": ((0.0, 0.0, 0.0), [1]),
    "equals are no better": ((0.5, 0.5, 0.6), [1, 3]),
    "worse is not": ((0.5, 0.2, 0.4), [1]),
}


@pytest.mark.parametrize("story", STORIES)
def test_the_best_model_is_saved_when_it_is_found(story, tmp_path, monkeypatch):
    values, saved_after = STORIES[story]
    trainer = trainer_of(tmp_path, max_iters=3, validate_after=1)
    found = iter(values)
    monkeypatch.setattr(
        trainer,
        "validate",
        lambda: {"valid_acc": 0.9, "pooled_valid_acc": next(found)},
    )
    saved = []
    save_to = trainer.save_to

    def note(path, bar=None, best=None):
        if path == trainer.best_path:
            saved.append((trainer.step, best))
        save_to(path, bar, best)

    monkeypatch.setattr(trainer, "save_to", note)
    trainer.run()
    assert saved == [(step, values[step - 1]) for step in saved_after]
    _, attributes = read_h5(trainer.best_path)
    assert attributes["lstm_1:b_t"] == saved_after[-1]
    assert trainer.best == max(values)


def test_a_best_model_of_before_has_to_be_overtaken(tmp_path):
    trainer = trainer_of(tmp_path, best=1.0, validate_after=1)
    trainer.run()
    assert not trainer.best_path.exists()


def test_without_validation_there_is_no_best_model(tmp_path, capsys):
    trainer = trainer_of(tmp_path)
    trainer.run()
    assert not trainer.best_path.exists()
    assert "Valid" not in capsys.readouterr().out


def test_accuracy_is_the_mean_since_the_line_before(tmp_path, capsys):
    every, third = (trainer_of(tmp_path, print_after=n) for n in (1, 3))
    lines = []
    for trainer in (every, third):
        trainer.run()
        said = capsys.readouterr().out
        lines.append(
            [float(x) for x in re.findall(r"^Step \d+ Acc (\S+)$", said, re.M)]
        )
    means = np.array(lines[0]).reshape(2, 3).mean(axis=1)
    np.testing.assert_allclose(lines[1], means, atol=1e-5)  # printed with 5 digits
