"""What the kinds of files have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.contents.opened import Opened
from videolstm.contents.report import Report
from videolstm.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videolstm import config_pb2


@dataclass(frozen=True)
class Choice:
    """Which of the things in a file a contact sheet shows: the first `count`, or as
    many at random where there is a seed."""

    count: int
    seed: int | None = None

    def numbers(self, total: int) -> list[int]:
        """Ascending."""
        count = min(self.count, total)
        if self.seed is None:
            return list(range(count))
        rng = np.random.RandomState(self.seed)
        if total > 10**7:  # choice would make them all
            return sorted(set(rng.randint(total, size=count).tolist()))
        return sorted(rng.choice(total, count, replace=False).tolist())


@dataclass(frozen=True)
class Verdict:
    """Whether something runs with a model: `why` it does not, or None; `notes` on what
    is odd but possible; `description`, the text of a .pbtxt for it, if it needs one;
    `step`, what a training step takes, of data."""

    why: str | None
    notes: tuple[str, ...] = ()
    description: str | None = None
    step: str | None = None


class Contents(ABC):
    """A file of one kind.

    title: the kind, in a few words.
    """

    title: str

    def __init__(self, opened: Opened) -> None:
        self.opened, self.path = opened, opened.path

    @classmethod
    @abstractmethod
    def recognises(cls, opened: Opened) -> bool:
        """Whether a file is of this kind; asked in the order of the table."""

    @abstractmethod
    def describe(self, report: Report) -> None:
        """Adds what there is to say. Raises UserError for a damaged file."""

    def sheet(self, choice: Choice) -> Figure:
        """A picture of some of it."""
        raise UserError(f"{self.path}: there is nothing to draw of {self.title}")

    def runs_with(self, model: config_pb2.Model, model_path: Path) -> Verdict:
        """Whether a model runs with it."""
        raise UserError(
            f"{self.path}: no model is run with {self.title}: name data, a "
            "description of data, or a checkpoint"
        )
