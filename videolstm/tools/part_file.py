"""What has come of a file so far, kept beside its place until it is whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from videolstm.errors import UserError


class PartFile:
    """NAME.part, while nobody else writes to it, and NAME.part.from.

    size: its bytes; joined: whether it has come in several pieces. Raises UserError
    where it cannot be written or another process has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f"{path.name}.part")
        self._origin = path.with_name(f"{path.name}.part.from")
        self._aside = path.with_name(f"{path.name}.wrong")

    def __enter__(self) -> PartFile:
        self._open()
        self.joined = self.size > 0
        return self

    def __exit__(self, *_) -> None:
        if self.size == 0:
            self.path.unlink(missing_ok=True)
            self._origin.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # of a full disk, which has been said
            self.stream.close()

    def _open(self) -> None:
        with self._writing():
            self.stream = open(self.path, "ab")
        try:
            fcntl.flock(self.stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.stream.close()
            raise UserError(
                f"{self.path} is being written to by another download: let that end"
            ) from None
        self.size = os.fstat(self.stream.fileno()).st_size

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What goes wrong with our own disk is nothing that another address mends."""
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}): make room, or "
                "name another folder with --out"
            ) from None

    def start_over(self) -> None:
        with self._writing():
            self.stream.truncate(0)
            self._origin.unlink(missing_ok=True)
        self.size, self.joined = 0, False

    def append(self, block: bytes) -> None:
        with self._writing():
            self.stream.write(block)
            self.stream.flush()
        self.size += len(block)

    def room(self) -> int:
        """Bytes that are free on its disk."""
        return shutil.disk_usage(self.path.parent).free

    def put_aside(self) -> Path:
        """The whole part becomes NAME.wrong; the next one starts from nothing."""
        with self._writing():
            os.replace(self.path, self._aside)
        self.stream.close()
        self._open()
        self.start_over()
        return self._aside

    def becomes(self, path: Path) -> None:
        with self._writing():
            os.fsync(self.stream.fileno())
            os.replace(self.path, path)
            self._origin.unlink(missing_ok=True)

    def remember(self, address: str, version: str | None) -> None:
        """Notes where the part comes from, for a later run."""
        with self._writing():
            if version is None:
                self._origin.unlink(missing_ok=True)
            else:
                said = json.dumps({"address": address, "version": version})
                self._origin.write_text(said, encoding="utf-8")

    def version(self, address: str) -> str | None:
        """What the server said of the file's version when the part began to come."""
        try:
            said = json.loads(self._origin.read_text(encoding="utf-8"))
            version = said["version"] if said["address"] == address else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return version if isinstance(version, str) and version.isprintable() else None
