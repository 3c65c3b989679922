"""The files of one run: where they are, and that no other run has the same."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.config import write_text
from videolstm.errors import UserError

if TYPE_CHECKING:
    from videolstm import config_pb2


class RunFiles:
    """The files of one run, all with one timestamp.

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
        self._named = f"{path}: the field checkpoint_dir"
        if folder is not None:
            self._named = "--out"
            config.checkpoint_dir = folder
        self.folder = Path(config.checkpoint_dir or ".")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable("no folder can be made there", error) from None
        config.timestamp.append(self._claim(config.name))
        self.stem = f"{config.name}_{config.timestamp[-1]}"
        write_text(config, self.description)

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
