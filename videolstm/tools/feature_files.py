"""The files that features of videos go into, so that an interrupted run can go on.

Two kinds, as data sets have them: OneFile, LABELLED, has the rows of all videos below
each other in one .h5; FilePerVideo, UNLABELLED, has an .h5 for each. Both are used so:

    for number, name in enumerate(names):
        if not files.has(number, name):
            with files.video(number, name) as append:
                for rows in ...:
                    append(rows)             # (frames, dims)
    description = files.complete(...)

A video whose block ends with an exception leaves no rows; `skip` says that there will
be none. What an earlier run left is only used if it was made with the same settings.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import h5py
import numpy as np

from videolstm.config import messages, write_text
from videolstm.data.labelled_files import describe_labelled
from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.results.predictions import StreamedDatasets

# What h5py raises for a damaged file.
_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError)

_WAITING_BYTES = 2**26  # of rows that wait in memory to be written
_CHUNK_BYTES = 2**18
_SKIPPED = -1
_LONGEST_STEM = 60  # characters of a video's name in the name of its file

Append = Callable[[np.ndarray], None]


class FeatureFiles(ABC):
    """Where features go.

    counts: frames of each video that is done, by its number; without those that are
    skipped.
    """

    def __init__(self, out: Path, dataset: str, settings: Mapping[str, str]) -> None:
        self.out, self.dataset, self.settings = out, dataset, dict(settings)
        self.counts: dict[int, int] = {}

    @abstractmethod
    def has(self, number: int, name: str) -> bool:
        """Whether an earlier run has done a video, or has skipped it."""

    @abstractmethod
    def video(self, number: int, name: str) -> AbstractContextManager[Append]:
        """Within it the rows of a video, float32 (frames, dims), can be appended."""

    @abstractmethod
    def skip(self, number: int, name: str) -> None:
        """Notes that a video is left out."""

    @abstractmethod
    def complete(
        self, clip: int, stride: int, batch: int, labels: Sequence[int] | None
    ) -> Path:
        """Puts the files in their places and describes them as a data set of clips of
        `clip` frames, every `stride`; returns the .pbtxt. labels: the class of each
        video that is not left out."""


# ---- LABELLED ------------------------------------------------------------------------


class OneFile(FeatureFiles):
    """LABELLED: `out` is the .h5.

    Until it is complete the rows are in NAME.part.h5. That is open only while rows are
    added, so that a program that is killed rarely finds it half written. Its datasets
    `videos` and `num_frames` say whose rows they are, and stay in the finished file.
    """

    def __init__(
        self,
        out: Path,
        dataset: str,
        settings: Mapping[str, str],
        names: Sequence[str],
    ) -> None:
        super().__init__(out, dataset, settings)
        self.part = out.with_name(f"{out.stem}.part{out.suffix}")
        self._done = 0  # videos, from the first one on
        if self.part.exists():
            self._go_on([spelled(name) for name in names])

    def _go_on(self, names: list[str]) -> None:
        with self._opened("r") as file:
            before = {key: str(value) for key, value in file.attrs.items()}
            there = [str(name) for name in file["videos"].asstr()[:]]
            frames = file["num_frames"][:].tolist()
            rows = len(file[self.dataset]) if self.dataset in file else 0
        for key, now in self.settings.items():
            if before.get(key) != now:
                raise UserError(
                    f"{self.part} is of an earlier run with {key} {before.get(key)}, "
                    f"and now it is {now}: give the same options to go on, or remove "
                    "it to start over"
                )
        if there != names[: len(there)] or len(there) != len(frames):
            raise UserError(
                f"{self.part} is of an earlier run with another list of videos: give "
                "the same list to go on, or remove it to start over"
            )
        counts = {k: n for k, n in enumerate(frames) if n != _SKIPPED}
        if rows < sum(counts.values()):
            raise self._damaged(f"it has {rows} of {sum(counts.values())} rows")
        self._done, self.counts = len(there), counts

    def has(self, number: int, name: str) -> bool:
        return number < self._done

    @contextmanager
    def video(self, number: int, name: str) -> Iterator[Append]:
        start = sum(self.counts.values())
        frames = 0
        waiting: list[np.ndarray] = []

        def append(rows: np.ndarray) -> None:
            nonlocal frames
            waiting.append(rows)
            frames += len(rows)
            if sum(some.nbytes for some in waiting) >= _WAITING_BYTES:
                with self._opened("a") as file:
                    self._add(file, start + frames, waiting)

        yield append
        with self._opened("a") as file:
            self._add(file, start + frames, waiting)
            self._note(file, name, frames)
        self.counts[number] = frames

    def skip(self, number: int, name: str) -> None:
        with self._opened("a") as file:
            self._note(file, name, _SKIPPED)

    def _add(self, file: h5py.File, stop: int, waiting: list[np.ndarray]) -> None:
        """Moves what waits into the rows before `stop`. Behind these may be rows of a
        video that was never finished; they are written over."""
        if not waiting:
            return
        rows = np.concatenate(waiting)
        waiting.clear()
        dims = rows.shape[1]
        if self.dataset not in file:
            chunk = (max(1, _CHUNK_BYTES // (4 * dims)), dims)
            file.create_dataset(
                self.dataset, (0, dims), "f4", maxshape=(None, dims), chunks=chunk
            )
        file[self.dataset].resize(stop, axis=0)
        file[self.dataset][stop - len(rows) :] = rows

    def _note(self, file: h5py.File, name: str, frames: int) -> None:
        """Notes that the next video of the list is done."""
        for key, value in (("videos", spelled(name)), ("num_frames", frames)):
            file[key].resize(self._done + 1, axis=0)
            file[key][self._done] = value
        self._done += 1

    def complete(
        self, clip: int, stride: int, batch: int, labels: Sequence[int] | None
    ) -> Path:
        kept = sorted(self.counts)
        counts = np.array([self.counts[number] for number in kept])
        with self._opened("a") as file:
            file[self.dataset].resize(counts.sum(), axis=0)
            names = file["videos"].asstr()[:][kept]
            for key, values in (("videos", names), ("num_frames", counts)):
                file[key].resize(len(values), axis=0)
                file[key][:] = values
        with open(self.part, "rb+") as raw:
            os.fsync(raw.fileno())
        lists = {"num_frames": counts}
        if labels is not None:
            lists["labels"] = np.array(labels)
        os.replace(self.part, self.out)
        return describe_labelled(
            self.out, self.dataset, lists, clip, batch, randomize=True, stride=stride
        )

    @contextmanager
    def _opened(self, mode: str) -> Iterator[h5py.File]:
        """The .h5, open for a moment; what HDF5 complains of is a UserError."""
        try:
            with h5py.File(self.part, mode) as file:
                if mode == "a" and "videos" not in file:
                    self._begin(file)
                yield file
        except _UNREADABLE as error:
            raise self._damaged(error) from None

    def _begin(self, file: h5py.File) -> None:
        file.attrs.update(self.settings)
        for key, kind in (("videos", h5py.string_dtype()), ("num_frames", "i8")):
            file.create_dataset(key, (0,), kind, maxshape=(None,), chunks=(1024,))

    def _damaged(self, why: object) -> UserError:
        return UserError(
            f"{self.part}: cannot be read or written ({' '.join(str(why).split())}): "
            "make room if the disk is full, and remove it to start over if it is "
            "damaged"
        )


# ---- UNLABELLED ----------------------------------------------------------------------


class FilePerVideo(FeatureFiles):
    """UNLABELLED: `out` is the .txt that lists the .h5 files, which are in a folder of
    the same name without .txt. A file that is there and was made of the same video with
    the same settings is taken as it is."""

    def __init__(self, out: Path, dataset: str, settings: Mapping[str, str]) -> None:
        super().__init__(out, dataset, settings)
        self.folder = out.with_suffix("")
        self._files: dict[int, str] = {}
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{self.folder}: cannot be made a folder ({error.strerror})"
            ) from None

    def has(self, number: int, name: str) -> bool:
        path = self._path(number, name)
        if not path.exists():
            return False
        try:
            with h5py.File(path, "r") as file:
                before = {key: str(value) for key, value in file.attrs.items()}
                frames = len(file[self.dataset])
        except _UNREADABLE:
            return False
        if before != self._attributes(name):
            return False
        self._done(number, path, frames)
        return True

    @contextmanager
    def video(self, number: int, name: str) -> Iterator[Append]:
        path = self._path(number, name)
        frames = 0
        with StreamedDatasets(path, **self._attributes(name)) as file:

            def append(rows: np.ndarray) -> None:
                nonlocal frames
                file.append(self.dataset, rows)
                frames += len(rows)

            yield append
        self._done(number, path, frames)

    def skip(self, number: int, name: str) -> None:
        """Nothing: it will be tried again by the next run."""

    def complete(
        self, clip: int, stride: int, batch: int, labels: Sequence[int] | None
    ) -> Path:
        kept = sorted(self.counts)
        counting = self.out.with_name(f"{self.out.stem}_num_frames.txt")
        for path, lines in (
            (
                self.out,
                [f"{self.folder.name}/{self._files[number]}" for number in kept],
            ),
            (counting, [self.counts[number] for number in kept]),
        ):
            with written_beside(path) as beside:
                beside.write_text("".join(f"{line}\n" for line in lines))
        types = messages()
        config = types.Data(
            dataset_type=types.Data.UNLABELLED,
            data_file=self.out.name,
            dataset_name=self.dataset,
            num_frames_file=counting.name,
            num_frames=clip,
            stride=stride,
            randomize=True,
            batch_size=batch,
        )
        description = self.out.with_suffix(".pbtxt")
        write_text(config, description)
        return description

    def _done(self, number: int, path: Path, frames: int) -> None:
        self.counts[number] = frames
        self._files[number] = path.name

    def _attributes(self, name: str) -> dict[str, str]:
        return {**self.settings, "video": spelled(name)}

    def _path(self, number: int, name: str) -> Path:
        stem = "".join(
            c if c.isascii() and c.isalnum() else "_" for c in Path(name).stem
        )
        return self.folder / f"{number:06d}_{stem[:_LONGEST_STEM]}.h5"


def spelled(name: str) -> str:
    """A file's name as text that can be written anywhere; the system's names are bytes,
    and not all of them are UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()
