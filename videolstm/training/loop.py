"""Training: the loop that all models share, and the composite model's."""

from __future__ import annotations

import csv
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

import cudamat as cm
from videolstm.data import Batch, DataHandler
from videolstm.data.ahead import Ahead
from videolstm.errors import UserError
from videolstm.models.checkpoint import Progress, save_checkpoint
from videolstm.pictures.curves import Curve, draw_curves, history, logs_of
from videolstm.training.run_files import RunFiles


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


class TrainingLoop(ABC):
    """Trains a model step by step; prints, validates, logs, draws and saves when the
    model's description says so.

    A subclass says what a step is, what is printed of it and how it is validated.
    `totals` are the sums, on the board, that its steps add to.
    """

    columns: tuple[str, ...] = ("iteration", "seconds")
    # what is drawn of the log, and in what unit
    curves: dict[str, Curve] = {}
    curve_unit = ""

    def __init__(
        self,
        model,
        totals: cm.learn.Totals,
        train_data: DataHandler,
        valid_data: DataHandler | None,
        files: RunFiles,
        progress: Progress,
        max_iters: int,
        max_seconds: float = float("inf"),
    ) -> None:
        self.model = model
        self.totals = totals
        self.train_data = Ahead(train_data)
        self.valid_data = None if valid_data is None else Ahead(valid_data)
        self.files = files
        self.log = Log(files.log, self.columns)
        self.max_iters = max_iters
        self.max_seconds = max_seconds
        self.step = progress.iteration or 0
        self.loss_cases = progress.loss_cases
        if progress.losses:
            totals.write(progress.losses)

    # ------------------------------------------------------------------- what differs

    @abstractmethod
    def train_step(self, batch: Batch) -> None:
        """One update; adds to `totals`."""

    @abstractmethod
    def train_numbers(self, totals: np.ndarray, cases: int) -> dict[str, float]:
        """Columns of the log from sums over so many cases."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Columns of the log, over the whole validation set."""

    @abstractmethod
    def line(self, numbers: dict[str, float]) -> str:
        """What is printed of columns of the log."""

    @abstractmethod
    def losses(self, totals: np.ndarray) -> dict[str, float]:
        """What must be finite, in words, of the sums."""

    @abstractmethod
    def validated(self, numbers: dict[str, float], bar: tqdm) -> None:
        """Looks at the columns that were just printed and logged."""

    @abstractmethod
    def display(self, batch: Batch) -> None:
        """Draws a batch, if there is something to draw."""

    # ------------------------------------------------------------------- the loop

    def run(self) -> None:
        """Trains until `max_iters` updates are done or `max_seconds` have passed, then
        saves."""
        config = self.model.config
        self.started = time.monotonic()
        saved = -1
        with self._progress_bar() as bar, self.train_data:
            while self.step < self.max_iters and self._seconds() < self.max_seconds:
                batch = self.train_data.next_batch()
                self.train_step(batch)
                self.step += 1
                self.loss_cases += batch.frames.shape[1]
                bar.update()
                self._report(bar)
                if self._due(config.display_after):
                    self.display(batch)
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
        must_be_finite: dict[str, float] = {}
        if self._due(config.print_after):
            cases, self.loss_cases = self.loss_cases, 0
            totals = self.totals.take()
            numbers.update(self.train_numbers(totals, cases))
            must_be_finite = self.losses(totals)
        if self.valid_data is not None and self._due(config.validate_after):
            numbers.update(self.validate())
        if not numbers:
            return
        self._say(bar, f"Step {self.step} {self.line(numbers)}")
        seconds = round(self._seconds(), 3)
        self.log.row({"iteration": self.step, "seconds": seconds, **numbers})
        self.check_finite(must_be_finite)
        self.validated(numbers, bar)

    def check_finite(self, values: dict[str, float]) -> None:
        """Raises UserError for the first value, named in words, that is not."""
        for name, value in values.items():
            if not np.isfinite(value):
                weights = self.files.weights
                kept = f", {weights} keeps an earlier step" if weights.exists() else ""
                raise UserError(
                    f"{name} is {value} at step {self.step}: training has "
                    f"diverged{kept}; a smaller epsilon or a gradient_clip would help, "
                    f"in {self.model.path}"
                )

    def save(self, bar: tqdm | None = None) -> None:
        """Writes the checkpoint of the present step.

        Raises UserError where training has diverged, so that the one before stays.
        """
        self.save_to(self.files.weights, bar)
        self.draw_curves()

    def draw_curves(self) -> None:
        """Draws what was logged, from the first run on that this one continues."""
        if self.curves:
            config = self.model.config
            rows = history(logs_of(config, self.model.path))
            path = self.files.path(".png")
            draw_curves(path, rows, self.curves, self.curve_unit, title=config.name)

    def save_to(
        self, path: Path, bar: tqdm | None = None, best: float | None = None
    ) -> None:
        """The same under another name; `best` is kept in it."""
        totals = self.totals.read()
        self.check_finite(self.losses(totals))
        progress = Progress(
            iteration=self.step,
            losses=tuple(totals),
            loss_cases=self.loss_cases,
            data=self.train_data.state(),
            best=best,
        )
        save_checkpoint(path, self.model.params, progress)
        self._say(bar, f"Writing model to {path}")

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
