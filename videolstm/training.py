"""Training the composite model: steps, printed lines, validation, checkpoints, log."""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

from videolstm.checkpoint import Progress, RunFiles, save_checkpoint
from videolstm.composite import LSTMCombo
from videolstm.data import DataHandler
from videolstm.display import draw_batch
from videolstm.errors import UserError

COLUMNS = ("iteration", "seconds", "dec", "fut", "vdec", "vfut")

# The losses, as the log and as the printed lines name them.
_NAMES = {"dec": "Dec", "fut": "Fut", "vdec": "VDec", "vfut": "VFut"}


class Log:
    """The .csv beside the checkpoint: one row for each printed line, flushed at
    once."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path = path
        self.columns = columns
        self._write([columns])

    def row(self, values: dict[str, float | int]) -> None:
        """Adds a row; columns that `values` does not have stay empty."""
        self._write([[values.get(column, "") for column in self.columns]])

    def _write(self, rows) -> None:
        try:
            with self.path.open("a", newline="") as file:
                csv.writer(file).writerows(rows)
        except OSError as error:
            raise UserError(
                f"{self.path}: the log cannot be written "
                f"({os.strerror(error.errno).lower()}); its folder should be there and "
                "have room"
            ) from None


class Trainer:
    """Trains a model on a data set and validates it on another.

    Prints the release's lines: ``Step 100 Dec 212.34567 Fut 345.12345`` is the mean
    loss per frame (nats for binary data, else half squared error, summed over pixels)
    over the steps since the last such line, ``VDec`` and ``VFut`` that over the whole
    validation set. The same numbers go to the log.
    """

    def __init__(
        self,
        model: LSTMCombo,
        train_data: DataHandler,
        valid_data: DataHandler | None,
        files: RunFiles,
        progress: Progress,
        max_iters: int,
        max_seconds: float = float("inf"),
    ) -> None:
        self.model = model
        self.train_data = train_data
        self.valid_data = valid_data
        self.files = files
        self.log = Log(files.log, COLUMNS)
        self.max_iters = max_iters
        self.max_seconds = max_seconds
        self.step = progress.iteration or 0
        self.loss_cases = progress.loss_cases
        if progress.losses:
            model.train_losses.write(progress.losses)

    # ------------------------------------------------------------------- the loop

    def run(self) -> None:
        """Trains until `max_iters` updates are done or `max_seconds` have passed, then
        saves."""
        config = self.model.config
        self.started = time.monotonic()
        saved = -1
        with self._progress_bar() as bar:
            while self.step < self.max_iters and self._seconds() < self.max_seconds:
                batch = self.train_data.next_batch()
                self.model.train_step(batch.frames)
                self.step += 1
                self.loss_cases += batch.frames.shape[1]
                bar.update()
                self._report(bar)
                if self._due(config.display_after):
                    self._display(batch.frames)
                if self._due(config.save_after):
                    self.save(bar)
                    saved = self.step
            if saved != self.step:
                self.save(bar)

    def _seconds(self) -> float:
        return time.monotonic() - self.started

    def _due(self, every: int) -> bool:
        return every > 0 and self.step % every == 0

    def _report(self, bar: tqdm) -> None:
        config = self.model.config
        numbers: dict[str, float] = {}
        if self._due(config.print_after):
            numbers.update(self._train_losses())
        if self.valid_data is not None and self._due(config.validate_after):
            numbers.update(self.validate())
        if not numbers:
            return
        shown = [f"{_NAMES[key]} {value:.5f}" for key, value in numbers.items()]
        self._say(bar, f"Step {self.step} {' '.join(shown)}")
        seconds = round(self._seconds(), 3)
        self.log.row({"iteration": self.step, "seconds": seconds, **numbers})
        self._check_finite(numbers)

    def _train_losses(self) -> dict[str, float]:
        """Mean losses per frame since the last printed line."""
        cases, self.loss_cases = self.loss_cases, 0
        return self._per_frame(self.model.train_losses.take(), cases, "")

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
        cases = 0
        for batch in self.valid_data.epoch():
            self.model.evaluate(batch.frames)
            cases += batch.frames.shape[1]
        return self._per_frame(self.model.valid_losses.take(), cases, "v")

    def _check_finite(self, numbers: dict[str, float]) -> None:
        for key, value in numbers.items():
            if not np.isfinite(value):
                weights = self.files.weights
                kept = f", {weights} keeps an earlier step" if weights.exists() else ""
                raise UserError(
                    f"the loss {_NAMES[key]} is {value} at step {self.step}: training "
                    f"has diverged{kept}; a smaller epsilon or a gradient_clip would "
                    f"help, in {self.model.path}"
                )

    # ------------------------------------------------------------------- what is left

    def save(self, bar: tqdm | None = None) -> None:
        """Writes the checkpoint of the present step.

        Raises UserError where training has diverged, so that the one before stays.
        """
        losses = tuple(self.model.train_losses.read())
        self._check_finite(dict(zip(("dec", "fut"), losses, strict=True)))
        progress = Progress(
            iteration=self.step,
            losses=losses,
            loss_cases=self.loss_cases,
            data=self.train_data.state(),
        )
        save_checkpoint(self.files.weights, self.model.params, progress)
        self._say(bar, f"Writing model to {self.files.weights}")

    def _display(self, frames: np.ndarray) -> None:
        path = self.files.path(f"_{self.step}.png")
        title = f"{self.model.config.name}, step {self.step}, training data"
        draw_batch(self.model, frames[:, :4], self.train_data.frame_shape, path, title)

    # ------------------------------------------------------------------- the terminal

    @contextmanager
    def _progress_bar(self) -> Iterator[tqdm]:
        bar = tqdm(
            total=self.max_iters,
            initial=self.step,
            disable=not sys.stderr.isatty(),
            unit="step",
            dynamic_ncols=True,
        )
        with bar:
            yield bar

    @staticmethod
    def _say(bar: tqdm | None, line: str) -> None:
        """Prints a line above the progress bar."""
        if bar is None or bar.disable:
            print(line, flush=True)
        else:
            bar.write(line)
            sys.stdout.flush()
