"""Training of the composite model."""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from videolstm.data import Batch, DataHandler
from videolstm.models.checkpoint import Progress
from videolstm.models.composite import LSTMCombo
from videolstm.parallel import ALONE, World
from videolstm.pictures.batch import draw_batch
from videolstm.pictures.curves import LOSSES
from videolstm.results.examples import spread
from videolstm.training.loop import TrainingLoop
from videolstm.training.run_files import RunFiles

EXAMPLES = 4  # videos of a picture


class Trainer(TrainingLoop):
    """Trains a composite model on a data set and validates it on another.

    Prints the release's lines: ``Step 100 Dec 212.34567 Fut 345.12345`` is the mean
    loss per frame (nats for binary data, else half squared error, summed over pixels)
    over the steps since the last such line, ``VDec`` and ``VFut`` that over the whole
    validation set. The same numbers go to the log.
    """

    columns = ("iteration", "seconds", "dec", "fut", "vdec", "vfut")
    # the losses, as the log and as the printed lines name them
    names = {"dec": "Dec", "fut": "Fut", "vdec": "VDec", "vfut": "VFut"}
    loss_names = {0: "the loss Dec", 1: "the loss Fut"}
    curves = LOSSES

    def __init__(
        self,
        model: LSTMCombo,
        train_data: DataHandler,
        valid_data: DataHandler | None,
        files: RunFiles,
        progress: Progress,
        max_iters: int,
        max_seconds: float = float("inf"),
        world: World = ALONE,
    ) -> None:
        data, limits = (train_data, valid_data), (max_iters, max_seconds)
        super().__init__(
            model, model.train_losses, *data, files, progress, *limits, world
        )

    @property
    def curve_unit(self) -> str:
        if self.model.binary:
            return "cross-entropy, nats/frame"
        return "half squared error/frame"

    def train_step(self, batch: Batch) -> None:
        self.model.train_step(batch.frames)

    def train_numbers(self, totals: np.ndarray, cases: int) -> dict[str, float]:
        """Mean losses per frame since the last printed line."""
        return self._per_frame(totals, cases, "")

    def _per_frame(self, sums, cases: int, prefix: str) -> dict[str, float]:
        model = self.model
        frames = {"dec": model.dec_seq_length, "fut": model.future_seq_length}
        return {
            prefix + part: float(total) / (length * cases)
            for (part, length), total in zip(frames.items(), sums, strict=True)
            if length > 0
        }

    def validate(self) -> dict[str, float]:
        """Mean losses per frame over the validation set, every case counted once."""
        cases = self.world.alike(self._evaluate)
        *losses, cases = self.world.sum([*self.model.valid_losses.take(), cases])
        return self._per_frame(losses, int(cases), "v")

    def _evaluate(self) -> int:
        """Adds the losses of this process's part of the validation set to
        `valid_losses`; returns how many cases that were."""
        cases = 0
        for batch in self.valid_data.epoch():
            self.model.evaluate(batch.frames)
            cases += batch.frames.shape[1]
        return cases

    def validated(self, numbers: dict[str, float], bar: tqdm) -> None:
        self.check_finite({f"the loss {self.names[k]}": x for k, x in numbers.items()})

    def line(self, numbers: dict[str, float]) -> str:
        return " ".join(f"{self.names[key]} {x:.5f}" for key, x in numbers.items())

    def display(self, batch: Batch) -> None:
        path = self.files.path(f"_{self.step}.png")
        title = f"{self.model.config.name}, step {self.step}, training data"
        videos = batch.clips
        if not self.train_data.endless:
            videos = self.train_data.videos_of_clips()[0][videos]
        frames = np.ascontiguousarray(batch.frames[:, spread(videos, EXAMPLES)])
        draw_batch(self.model, frames, self.train_data.frame_shape, path, title)
