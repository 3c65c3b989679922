"""Writing .h5 files onto disks that can be full.

The HDF5 library does not survive a write that fails: data that it could not get rid of
stays in its caches, is tried again when anything else is closed, and ends in a crash. A
training run has to survive it, so the library is given a file that never fails, and is
told afterwards by us what did.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
from collections.abc import Iterator

import h5py

from videolstm.files import CannotWrite, written_beside


class _NeverFails:
    """A file that remembers its first error and takes the rest as if all were well."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def _try(self, action, *args) -> int | None:
        if self.error is None:
            try:
                return action(*args)
            except OSError as error:
                self.error = error
        return None

    def write(self, data: memoryview) -> int:
        left = memoryview(data)
        while len(left):
            count = self._try(self._file.write, left)
            if not count:
                self.error = self.error or OSError(errno.ENOSPC, "nothing was written")
                break
            left = left[count:]
        return len(data)

    def readinto(self, data: memoryview) -> int:
        count = self._try(self._file.readinto, data) or 0
        data[count:] = bytes(len(data) - count)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Not called: h5py takes for a file what has it."""
        raise io.UnsupportedOperation("read")

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        # where it ends is asked when it is opened, and cannot fail
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        return self._try(self._file.truncate, size) or 0

    def flush(self) -> None:
        """Nothing: no data is held here."""


@contextlib.contextmanager
def written_h5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """An .h5 to write into, which is `path` when the block ends: see `written_beside`.

        with written_h5("states.h5") as file:
            file["h"] = states

    Raises CannotWrite as there, with nothing of the library left behind.
    """
    with written_beside(path) as beside, open(beside, "rb+", buffering=0) as raw:
        checked = _NeverFails(raw)
        with _without_collection(), h5py.File(checked, "w") as file:
            yield file
        if checked.error is not None:
            reason = os.strerror(checked.error.errno).lower()
            raise CannotWrite(
                f"{path}: cannot be written ({reason}): make room, or name a file on "
                "another disk"
            )


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """The library calls `_NeverFails` in the middle of its work: there no garbage may
    be collected, which could call the library."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
