"""The files of one run: where they are, and that no other run has the same."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.config import write_text
from videolstm.errors import UserError
from videolstm.limits import is_plain

if TYPE_CHECKING:
    from videolstm import config_pb2


# What `written_beside` leaves of the files of a run that was killed while it wrote.
_LEFTOVER = r"\.(.+)\.[0-9a-f]{8}\.(h5|pbtxt|png|csv)"
_FURTHER = r"(_best|_confusion|_\d+)$"  # after the stem, in some of their names


class RunFiles:
    """The files of one run, all with one timestamp.

    A run holds a lock on its log while it lives, and the system takes that away
    whichever way it ends. So what earlier runs of the model have left half written is
    removed, unless they are still going on; `notes` says which of those that this one
    continues are.

    Args:
        config: the model description; it gets this run's timestamp, and `folder` as its
            checkpoint_dir where one is given.
        path: the file it was read from.
        folder: where the files go instead of the description's checkpoint_dir (--out).

    Raises UserError where that folder cannot be made or written to.
    """

    def __init__(
        self, config: config_pb2.Model, path: str | Path, folder: str | None = None
    ) -> None:
        self.model = path
        self.notes: list[str] = []
        self._named = f"{path}: the field checkpoint_dir"
        if folder is not None:
            self._named = "--out"
            if not is_plain(folder):
                raise UserError(
                    f"--out is {folder[:120]!r}, and it should be the name of a folder "
                    "that can be shown on a line"
                )
            config.checkpoint_dir = folder
        self.folder = Path(config.checkpoint_dir or ".")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable("no folder can be made there", error) from None
        self._note_living(f"{config.name}_{time}" for time in config.timestamp)
        self._sweep(f"{config.name}_")
        config.timestamp.append(self._claim(config.name))
        self.stem = f"{config.name}_{config.timestamp[-1]}"
        if (lock := _lock(self.log)) is not None:
            weakref.finalize(self, os.close, lock)
        write_text(config, self.description)

    def _note_living(self, stems: Iterable[str]) -> None:
        """Notes which of the runs that this one continues are still going on."""
        for stem in stems:
            if (self.folder / f"{stem}.csv").is_file() and not self._is_dead(stem):
                self.notes.append(
                    f"{stem} seems to be running still; this run goes on from what "
                    "that has saved so far, beside it"
                )

    def _sweep(self, prefix: str) -> None:
        """Removes what runs of this model that are dead have left half written."""
        for name in os.listdir(self.folder):
            found = re.fullmatch(_LEFTOVER, name)
            if not found or not found[1].startswith(prefix):
                continue
            stems = {found[1], re.sub(_FURTHER, "", found[1])}
            if any(self._is_dead(stem) for stem in stems):
                with contextlib.suppress(OSError):
                    (self.folder / name).unlink()

    def _is_dead(self, stem: str) -> bool:
        """Whether a run is known to have ended; one without a log is not."""
        lock = _lock(self.folder / f"{stem}.csv")
        if lock is not None:
            os.close(lock)
        return lock is not None

    def _claim(self, name: str) -> str:
        """A timestamp that no other run has here; its log file is made at once, so that
        of two runs that start in one second each gets its own."""
        seconds = time.time()
        while True:
            timestamp = time.strftime("%Y%m%d%H%M%S", time.localtime(seconds))
            log = self.folder / f"{name}_{timestamp}.csv"
            if not log.with_suffix(".pbtxt").exists():
                try:
                    log.open("x").close()
                    return timestamp
                except FileExistsError:
                    pass
                except OSError as error:
                    raise self._unusable(
                        f"{log.name} cannot be made in it", error
                    ) from None
            seconds += 1

    def _unusable(self, why: str, error: OSError) -> UserError:
        reason = os.strerror(error.errno).lower()
        return UserError(
            f"{self._named} is {str(self.folder)!r}, and {why} ({reason}); it should "
            "be a folder that can be written to"
        )

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.stem}{suffix}"

    @property
    def description(self) -> Path:
        return self.path(".pbtxt")

    @property
    def weights(self) -> Path:
        return self.path(".h5")

    @property
    def log(self) -> Path:
        return self.path(".csv")


def _lock(path: Path) -> int | None:
    """A descriptor that locks a file until it is closed; None where another process has
    it locked, or nobody can tell."""
    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor
