"""Training: the loop that all models share, and the composite model's."""

from __future__ import annotations

import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

import cudamat as cm
from videolstm.command import Stopped, complain
from videolstm.data import Batch, DataHandler
from videolstm.data.ahead import Ahead
from videolstm.errors import UserError
from videolstm.files import CannotWrite
from videolstm.models.checkpoint import Progress, save_checkpoint
from videolstm.parallel import ALONE, World
from videolstm.pictures.curves import Curve, draw_curves, history, logs_of
from videolstm.training.health import Health
from videolstm.training.log import Log
from videolstm.training.run_files import RunFiles
from videolstm.training.signals import (
    Interruptible,
    Left,
    StopRequest,
    command_to_continue,
)


class TrainingLoop(ABC):
    """Trains a model step by step; prints, validates, logs, draws and saves when the
    model's description says so.

    A subclass says what a step is, what is printed of it and how it is validated.
    `totals` are the sums, on the board, that its steps add to; those that `loss_names`
    names must stay finite, and so must the weights (`health`). `world` are the
    processes that train together, each its part of every batch: all decide alike, and
    the first of them prints, logs, draws and saves.
    """

    # of the log; the norms of weights and gradients follow these
    columns: tuple[str, ...] = ("iteration", "seconds")
    # in words, the losses among the sums by their place
    loss_names: dict[int, str] = {}
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
        world: World = ALONE,
    ) -> None:
        self.model = model
        self.world = world
        self.totals = totals
        self.stop = StopRequest(stays=world.ranks > 1)
        self.train_data = Ahead(train_data)
        self.valid_data = None
        if valid_data is not None:
            # where one rank leaves, all do: `World.alike`
            self.valid_data = Interruptible(valid_data, self.stop)
        self.files = files
        self.health = Health(
            model.params, totals, self.loss_names, progress.gradient_norms
        )
        columns = self.columns + self.health.columns
        self.log = world.lead(lambda: Log(files.log, columns))
        self.max_iters = max_iters
        self.max_seconds = max_seconds
        self.step = progress.iteration or 0
        self.reported = progress.reported  # whether `_report` has had this step
        self.first = self.step
        self.saved: int | None = None  # the last step that this run has saved
        self.loss_cases = progress.loss_cases if world.leads else 0
        # where the data are after the last step: the next batch may have been taken,
        # and then not been there on another rank
        self.position = self.train_data.state()
        if progress.losses and world.leads:
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
    def validated(self, numbers: dict[str, float], bar: tqdm) -> None:
        """Looks at the columns that were just printed and logged."""

    @abstractmethod
    def display(self, batch: Batch) -> None:
        """Draws a batch, if there is something to draw."""

    # ------------------------------------------------------------------- the loop

    def run(self) -> None:
        """Trains until `max_iters` updates are done or `max_seconds` have passed, then
        saves.

        A signal ends it earlier: once the step is done and saved, Stopped is raised. So
        does data that can no longer be read, with its UserError. A file that cannot be
        written before the end is complained of and tried again when it is next due;
        what is still missing at the end is raised, as CannotWrite.
        """
        self.started = time.monotonic()
        with self._progress_bar() as bar, self.train_data, self.stop:
            with suppress(Left):
                self._train(bar)
            try:
                self._save_last(bar)
            finally:
                self.world.lead(self.log.flush)
        if self._stop_asked():
            name = signal.Signals(self.stop.asked).name
            raise Stopped(
                self.stop.asked,
                f"stopped by {name}; step {self.step} is saved, to go on: {self._next}",
            )
        if self.step < self.max_iters:
            minutes = f"{self.max_seconds / 60:g} minutes"
            print(f"{minutes} are over after step {self.step}; to go on: {self._next}")

    @property
    def _next(self) -> str:
        """The command that continues this run."""
        return command_to_continue(self.files.model, self.files.description)

    def _train(self, bar: tqdm) -> None:
        config = self.model.config
        if not self.reported:  # the run that is continued was stopped before it
            self._report(bar)
        while self._goes_on():
            with self._saved_if_data_fail(bar):
                batch = self.world.alike(self.train_data.next_batch)
            self.position = self.train_data.state()
            self.health.begin(self.step + 1)
            self.train_step(batch)
            self.health.end()
            self.step += 1
            self.reported = False
            self.loss_cases += batch.frames.shape[1]
            bar.update()
            self.check_health()
            if self._stop_asked():  # what is due is done when it is continued
                return
            self._report(bar)
            if self._due(config.display_after):
                self._picture(bar, self.display, batch)
            if self._due(config.save_after):
                self._survive(bar, self._still_saved(), self.save, bar)
        if not self._stop_asked():
            self._report_rest(bar)

    def _goes_on(self) -> bool:
        late = self.world.most(self._seconds() >= self.max_seconds)
        return self.step < self.max_iters and not late and not self._stop_asked()

    def _stop_asked(self) -> bool:
        """Whether a signal has come to any of the ranks; then to all."""
        number = self.world.most(self.stop.asked or 0)
        if number:
            self.stop.ask(number)
        return number > 0

    def _save_last(self, bar: tqdm) -> None:
        """Saves the present step, unless that is done. Raises CannotWrite."""
        if self.saved == self.step:
            return
        try:
            self.save(bar)
        except CannotWrite as error:
            raise CannotWrite(f"{error}; {self._still_saved()}") from None

    def _still_saved(self) -> str:
        """What the disk has when the present step cannot be saved."""
        kept = "of this run nothing is saved yet"
        if self.saved is not None:
            kept = f"the checkpoint of step {self.saved} is still there"
        return f"step {self.step} is not saved, {kept}"

    def _survive(self, bar: tqdm | None, then: str, action: Callable, *args) -> None:
        """Calls `action`; that it cannot write is complained of, with what `then` says
        of it, and training goes on."""
        try:
            action(*args)
        except CannotWrite as error:
            self._complain(bar, f"{error}; {then}; training goes on")

    def _picture(self, bar: tqdm | None, draw: Callable, *args) -> None:
        """Calls `draw`; no picture is worth the end of a run."""
        if not self.world.leads:
            return
        try:
            draw(*args)
        except UserError as error:
            self._complain(bar, f"{error}; the picture is left out")

    @contextmanager
    def _saved_if_data_fail(self, bar: tqdm) -> Iterator[None]:
        """Data that can no longer be read end a run, and not what it has learned."""
        try:
            yield
        except UserError:
            if self.step > self.first:
                try:
                    self._save_last(bar)
                except CannotWrite as trouble:
                    self._complain(bar, str(trouble))
            raise

    def _seconds(self) -> float:
        return time.monotonic() - self.started

    def _due(self, every: int) -> bool:
        return every > 0 and self.step % every == 0

    def _report(self, bar: tqdm) -> None:
        config = self.model.config
        validated: dict[str, float] = {}
        # first, since it can be left or fail: then this step is reported later
        if self.valid_data is not None and self._due(config.validate_after):
            with self._saved_if_data_fail(bar):
                validated = self.validate()
            self.check_health()  # the board has been waited for
        self.reported = True
        numbers: dict[str, float] = {}
        if self._due(config.print_after):
            own = self.totals.read()
            self.check_health()
            self.totals.clear()
            totals, cases = self._summed(own)
            self.loss_cases = 0
            numbers.update(self.train_numbers(totals, cases))
        numbers.update(validated)
        if not numbers:
            return
        self._say(bar, f"Step {self.step} {self.line(numbers)}")
        seconds = round(self._seconds(), 3)
        row = {"iteration": self.step, "seconds": seconds, **numbers}
        self._survive(
            bar, "its rows are kept for later", self.world.lead, partial(self._log, row)
        )
        self.validated(numbers, bar)

    def _report_rest(self, bar: tqdm) -> None:
        """Prints what the steps since the last line have given, where the end of a run
        is no step at which a line is due.

        It is no row of the log and stays in the totals: a run that goes on from here
        has these steps in its next row, as one that was never stopped.
        """
        every = self.model.config.print_after
        if every <= 0 or self._due(every) or self.step == self.first:
            return
        own = self.totals.read()
        self.check_health()
        numbers = self.train_numbers(*self._summed(own))
        self._say(bar, f"At the end, step {self.step}: {self.line(numbers)}")

    def _summed(self, totals: np.ndarray) -> tuple[np.ndarray, int]:
        """Totals of all ranks, and over how many cases."""
        *sums, cases = self.world.sum([*totals, self.loss_cases])
        return np.array(sums), int(cases)

    def _log(self, row: dict[str, float]) -> None:
        self.log.row(row | self.health.norms())

    def check_health(self) -> None:
        """Raises UserError where a loss or a weight of some step was not finite, as far
        as the board has come, on any of the ranks; does not wait for the board."""
        if self.world.most(not self.health.fine):
            seen = self.world.gather(self.health.seen())
            raise self._diverged(self.health.complaint(seen))

    def check_finite(self, values: dict[str, float]) -> None:
        """Raises UserError for the first value, named in words, that is not."""
        for name, value in values.items():
            if not np.isfinite(value):
                raise self._diverged(f"{name} is {value} at step {self.step}")

    def _diverged(self, found: str) -> UserError:
        weights = self.files.weights
        kept = f", {weights} keeps an earlier step" if weights.exists() else ""
        return UserError(
            f"{found}: training has diverged{kept}; a smaller epsilon or a "
            f"gradient_clip would help, in {self.model.path}"
        )

    def save(self, bar: tqdm | None = None) -> None:
        """Writes the checkpoint of the present step.

        Raises UserError where training has diverged, so that the one before stays, and
        CannotWrite.
        """
        self.save_to(self.files.weights, bar)
        self.saved = self.step
        self._picture(bar, self.draw_curves)

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
        own = self.totals.read()
        self.check_health()
        unfit = self.health.unfit()
        if unfit:
            raise self._diverged(f"{unfit} at step {self.step}")
        totals, cases = self._summed(own)
        self.world.check_weights(self.model.params, self.step)
        progress = Progress(
            iteration=self.step,
            losses=tuple(totals),
            loss_cases=cases,
            data=self.position,
            best=best,
            reported=self.reported,
            gradient_norms=() if self.reported else self.health.gradient_norms(),
        )
        params = self.model.params
        self.world.lead(lambda: save_checkpoint(path, params, progress))
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

    def _say(self, bar: tqdm | None, line: str) -> None:
        """Prints a line above the progress bar."""
        try:
            if bar is None or bar.disable:
                print(line, flush=True)
            else:
                bar.write(line)
                sys.stdout.flush()
        except BrokenPipeError:  # whoever read our output has stopped, such as `head`
            self.stop.ask(signal.SIGPIPE)
        except OSError:  # a full disk: the log has the numbers, or complains
            pass

    @staticmethod
    def _complain(bar: tqdm | None, sentence: str) -> None:
        """Says on stderr what went wrong and does not end the run."""
        if bar is not None and not bar.disable:
            bar.clear()
        complain(sentence)
