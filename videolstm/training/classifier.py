"""Training a classifier: accuracy printed and logged, the best model kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from videolstm.data import Batch, DataHandler
from videolstm.models.checkpoint import Progress
from videolstm.models.vote import CROSS_ENTROPY, RIGHT, Classifier
from videolstm.parallel import ALONE, World
from videolstm.pictures.curves import Curve
from videolstm.results.evaluation import evaluate
from videolstm.training.loop import TrainingLoop
from videolstm.training.run_files import RunFiles


class ClassifierTrainer(TrainingLoop):
    """Trains a classifier on labelled clips and validates it on others.

    Prints the release's lines: ``Step 100 Acc 0.40000`` is the part of the clips that
    were predicted right in training (dropout acts) since the last such line, ``Valid
    Acc`` the part of all validation clips, ``Pooled Valid Acc`` that of the validation
    videos, by the mean of their clips. The same numbers go to the log.

    The model with the highest pooled accuracy so far is kept in the file `best_path`;
    `best`, None where there is none yet, is what a run that is continued has reached.
    """

    columns = ("iteration", "seconds", "acc", "valid_acc", "pooled_valid_acc")
    loss_names = {CROSS_ENTROPY: "the cross-entropy"}
    curves = {
        "acc": Curve("clips, training", "#4c78a8", False),
        "valid_acc": Curve("clips, validation", "#4c78a8", True),
        "pooled_valid_acc": Curve("videos, validation", "#e4572e", True),
    }
    curve_unit = "part that is right"

    def __init__(
        self,
        model: Classifier,
        train_data: DataHandler,
        valid_data: DataHandler | None,
        files: RunFiles,
        progress: Progress,
        max_iters: int,
        max_seconds: float = float("inf"),
        best: float | None = None,
        world: World = ALONE,
    ) -> None:
        data, limits = (train_data, valid_data), (max_iters, max_seconds)
        super().__init__(
            model, model.train_totals, *data, files, progress, *limits, world
        )
        self.best = best

    @property
    def best_path(self) -> Path:
        return self.files.path("_best.h5")

    def train_step(self, batch: Batch) -> None:
        self.model.train_step(batch.frames, batch.labels)

    def train_numbers(self, totals: np.ndarray, cases: int) -> dict[str, float]:
        """Accuracy of training since the last printed line."""
        return {"acc": float(totals[RIGHT]) / cases}

    def validate(self) -> dict[str, float]:
        """Accuracy over the validation set, every clip counted once."""
        result = evaluate(self.model, self.valid_data, self.world)
        return {
            "valid_acc": result.clip_accuracy,
            "pooled_valid_acc": result.pooled_accuracy,
        }

    def line(self, numbers: dict[str, float]) -> str:
        parts = []
        if "acc" in numbers:
            parts.append(f"Acc {numbers['acc']:.5f}")
        if "valid_acc" in numbers:
            parts.append(
                f"Valid Acc {numbers['valid_acc']:.5f} ; "
                f"Pooled Valid Acc {numbers['pooled_valid_acc']:.5f}"
            )
        return " ".join(parts)

    def validated(self, numbers: dict[str, float], bar: tqdm) -> None:
        found = numbers.get("pooled_valid_acc")
        if found is not None and (self.best is None or found > self.best):
            kept = "the best model before it is kept, if there was one"
            self._survive(bar, kept, self._keep_best, found, bar)

    def _keep_best(self, found: float, bar: tqdm) -> None:
        self.save_to(self.best_path, bar, best=found)
        self.best = found

    def display(self, batch: Batch) -> None:
        """Nothing: a classifier has no frames of its own to show."""
