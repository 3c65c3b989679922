"""What all data sets have in common: batches, the random stream, its position."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.errors import UserError
from videolstm.limits import available_memory, gib
from videolstm.parallel.share import share_of

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.data.scenes import Scenes

State = dict[str, np.ndarray | int | str]

# A field beyond these is a slip of the hand, not a data set; they also keep the sizes
# that are computed from the fields far from overflow.
MOST_FRAMES = 100_000
MOST_CLIPS = 1_000_000
MOST_PIXELS = 16_384
# One is in use, two are made ahead (ahead.py), one is being made.
BATCHES_IN_MEMORY = 4


@dataclass(frozen=True, eq=False)
class Batch:
    """Some clips, frame by frame.

    frames: float32 (num_frames, n, dims), C order: the memory of the column-major
        (dims, num_frames * n) matrix in which frame t is columns t*n to (t+1)*n. After
        `DataHandler.compose_on_board` it may be Scenes that stand for such an array.
    labels: int64 (n,), the class of each clip, or None.
    clips: int64 (n,), which clip of the data set each one is, in stored order; for
        endless data a running number.
    """

    frames: np.ndarray | Scenes
    labels: np.ndarray | None
    clips: np.ndarray


class DataHandler(ABC):
    """A data set as an endless stream for training and as epochs for testing.

    path: the .pbtxt that describes it. kind: the name of its dataset_type.
    num_frames: frames in a clip. frame_dims: numbers in a frame.
    frame_shape: (channels, height, width) of a frame, or None for feature vectors.
    batch_size: clips in a batch of the stream. dataset_size: clips in an epoch.
    endless: whether clips are made on the fly; dataset_size is then a matter of choice.
    rng: the random numbers of the stream; nothing else draws from them.
    notes: sentences on what was found odd in the data, for the user to read.
    part: (rank, ranks) of a process that shares its batches and epochs with others. It
        gets its own clips of each; random numbers and position are those of the whole.
    """

    kind: str
    frame_dims: int
    frame_shape: tuple[int, int, int] | None
    dataset_size: int
    endless = False
    part = (0, 1)

    def __init__(self, config: config_pb2.Data, path: Path, seed: int) -> None:
        self.config = config
        self.path = path
        self.seed = seed
        self.rng = np.random.RandomState(seed)
        self.notes: list[str] = []
        self.num_frames = self.positive("num_frames", MOST_FRAMES)
        self.batch_size = self.positive("batch_size", MOST_CLIPS)

    @abstractmethod
    def next_batch(self) -> Batch:
        """The next `batch_size` clips of the stream, which never ends, or this
        process's part of them.

        The clips and the random numbers drawn are those of the 2016 release.
        """

    @abstractmethod
    def reset(self) -> None:
        """Start a new pass, as Reset did in the 2016 release."""

    @abstractmethod
    def epoch(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Every clip once, in stored order, or this process's part of them, in batches
        of `batch_size` all the same; the last batch may be smaller.

        The clips are the same each time and for every batch size. The stream of
        `next_batch` does not notice.
        """

    def compose_on_board(self) -> str | None:
        """From now on batches that are drawn, and not read, are Scenes: their frames
        are made on the board, by whoever loads them there. Their values, the stream and
        its positions stay the same.

        Returns None, or a sentence on why they are painted on the host all the same.
        """
        return None

    def own_part(self, count: int) -> range:
        """Which of `count` clips are this process's."""
        return share_of(count, *self.part)

    def videos_of_clips(self) -> tuple[np.ndarray, np.ndarray]:
        """Which of the data set's videos each clip of an epoch is of, (clips,), and
        what these videos are numbered in its files, (videos,)."""
        clips = np.arange(self.dataset_size)  # each clip is a video
        return clips, clips

    def state(self) -> State:
        """The position of the stream: after `restore` of it the same batches follow."""
        _, key, position, _, _ = self.rng.get_state()
        # Handlers draw no normal numbers, so the generator never holds back the second
        # one of a pair: key and position are its whole state.
        return {
            "dataset_type": self.kind,
            "rng_key": key.copy(),
            "rng_position": int(position),
            **self._own_state(),
        }

    def restore(self, state: State) -> None:
        """Go to a position that `state` gave.

        Raises UserError where it is the position in another data set.
        """
        kind = state.get("dataset_type")
        if isinstance(kind, bytes):
            kind = kind.decode()
        if kind != self.kind:
            raise self._foreign(f"was saved for {kind} data")
        try:
            # What is no whole number becomes some other one, which is then refused.
            with np.errstate(all="ignore"):
                key = np.asarray(state["rng_key"], dtype=np.uint32)
                position = int(state["rng_position"])
                if key.shape != (624,) or not 0 <= position <= 624:
                    raise ValueError("no state of the random numbers")
                self._restore_own(state)
            self.rng.set_state(("MT19937", key, position))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._foreign(f"does not fit ({error!r})") from None

    @abstractmethod
    def _own_state(self) -> State:
        """What a kind of data adds to the position."""

    @abstractmethod
    def _restore_own(self, state: State) -> None:
        """Take up what `_own_state` gave; ValueError where it does not fit."""

    def _foreign(self, why: str) -> UserError:
        return UserError(
            f"{self.path}: the saved position in the data {why}, and it should be one "
            f"in this {self.kind} data set with its {self.dataset_size} clips"
        )

    # ---- checked fields -------------------------------------------------------------

    def positive(self, field: str, most: int, default: int | None = None) -> int:
        """An integer field from 1 to `most`; a default stands for one left out."""
        if not self.config.HasField(field) and default is not None:
            return default
        value = getattr(self.config, field)
        if 1 <= value <= most:
            return value
        found = f"is {value}" if self.config.HasField(field) else "is missing"
        raise UserError(
            f"{self.path}: the field {field} {found}, and it should be from 1 to {most}"
        )

    def text(self, field: str) -> str:
        """A text field that has to be there."""
        value = getattr(self.config, field)
        if not value:
            raise UserError(
                f"{self.path}: the field {field} is missing, and {self.kind} data "
                "needs it"
            )
        return value

    def check_batch_memory(self, beside: int = 0) -> None:
        """Raise UserError where a batch, and `beside` bytes for each of its frames, do
        not fit into memory."""
        each = self.frame_dims * 4 + beside
        size = each * self.num_frames * self.batch_size
        most = available_memory() // BATCHES_IN_MEMORY
        if size > most:
            right = f"at most {most // (each * self.num_frames)}"
            if most < each * self.num_frames:
                right = "smaller, and so should num_frames or the size of a frame"
            raise UserError(
                f"{self.path}: the field batch_size is {self.batch_size}, and it "
                f"should be {right}, because a batch of clips of {self.num_frames} "
                f"frames of {self.frame_dims} numbers takes {gib(size)}, and "
                f"{BATCHES_IN_MEMORY} of them should fit into the "
                f"{gib(available_memory())} of memory that are free"
            )
