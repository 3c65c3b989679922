"""Writing files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from videolstm.errors import UserError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# What a disk answers, and never a mistake in the block that writes to it.
_DISK_FAILED = {errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV}


class CannotWrite(UserError):
    """A file cannot be written where it should be; what stood there is as it was."""


@contextlib.contextmanager
def written_beside(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside `path`, which becomes `path` when the block ends.

        with written_beside("digits.h5") as beside:
            with h5py.File(beside, "w") as file: ...

    The temporary file exists, is empty and has the suffix of `path` (so that writers
    that go by the suffix, or add one, do the same as for `path`). At the end of the
    block it is synced to the disk and renamed, so that `path` holds the old content or
    the whole new one, whatever happens in between; after an exception it is removed and
    `path` is untouched. A link is followed: what it points to is replaced.

    Raises CannotWrite, a UserError, where `path` is no place for a file (its folder is
    missing or not writable, or something that is not a file stands there) and where the
    disk is full or fails. Makes no folder.
    """
    final = Path(os.path.realpath(path))
    beside = _made_beside(final, os.fspath(path))
    try:
        yield beside
        _put_in_place(beside, final, path)
    except OSError as error:
        if error.errno in _NO_ROOM | _DISK_FAILED:
            raise _failed(path, error) from error
        raise
    finally:
        # After the rename there is nothing left to remove, and from a disk that has
        # failed nothing can be.
        with contextlib.suppress(OSError):
            beside.unlink()
    _sync_folder(final.parent)


def _put_in_place(beside: Path, final: Path, named: str | os.PathLike) -> None:
    """Sync and rename; here every failure is one of the disk or the folder."""
    try:
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, final)
    except OSError as error:
        raise _failed(named, error) from error


def _failed(named: str | os.PathLike, error: OSError) -> CannotWrite:
    reason = os.strerror(error.errno).lower()
    advice = "name a file in a folder that can be written to"
    if error.errno in _NO_ROOM:
        advice = "make room, or name a file on another disk"
    return CannotWrite(f"{named}: cannot be written ({reason}): {advice}")


def check_writable(path: str | os.PathLike) -> None:
    """Raise CannotWrite now, before long work, where `written_beside(path)` would."""
    _made_beside(Path(os.path.realpath(path)), os.fspath(path)).unlink()


def _made_beside(final: Path, named: str) -> Path:
    """Make the empty temporary file; `named` is the path in the user's words."""
    # os.path's tests answer False where the name itself is impossible.
    if os.path.exists(final) and not os.path.isfile(final):
        kind = "a folder" if os.path.isdir(final) else "not a regular file"
        raise CannotWrite(f"{named}: is {kind}: name a file to write")
    beside = final.with_name(f".{final.stem}.{secrets.token_hex(4)}{final.suffix}")
    try:
        # Not tempfile: its files are readable by their owner only, also after renaming.
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except (FileNotFoundError, NotADirectoryError):
        raise CannotWrite(
            f"{named}: there is no folder {final.parent}: make it first, or name "
            "another file"
        ) from None
    except OSError as error:
        reason = os.strerror(error.errno).lower()
        raise CannotWrite(
            f"{named}: cannot be written in {final.parent} ({reason}): name a file in "
            "a folder that can be written to"
        ) from None
    return beside


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` outlive a power cut, where the system lets us."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
