"""How much may be taken in: memory that is free, and bytes of a file.

Sizes in files of strangers are asked about here before memory is taken for them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from videolstm.errors import UNSPEAKABLE, UserError

_GIB = 2**30


def available_memory() -> int:
    """Bytes that this process can take without pushing other programs out: what the
    system, its control group and its own limit leave."""
    return max(0, min(_system(), _control_group(), _address_space()))


def check_memory(size: int, what: str) -> None:
    """Raise UserError where `size` bytes are more than there is.

    `what` is the beginning of the sentence, up to the verb: "FILE: the dataset 'x'".
    """
    free = available_memory()
    if size > free:
        raise UserError(
            f"{what} takes {gib(size)} of memory, and it should take at most the "
            f"{gib(free)} that are free"
        )


def gib(size: int) -> str:
    """A number of bytes in words."""
    return (
        f"{size / _GIB:,.1f} GiB" if size >= _GIB / 10 else f"{size / 2**20:,.1f} MiB"
    )


def _system() -> int:
    """Memory that Linux says is available, and free swap; elsewhere free pages."""
    found = {}
    for line in _text("/proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name in ("MemAvailable", "SwapFree"):
            found[name] = 1024 * int(value.split()[0])
    if "MemAvailable" in found:
        return sum(found.values())
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGESIZE")
    except (ValueError, OSError):
        return 2**63


def _control_group() -> int:
    """What the control groups (version 2) of this process leave, up to the root's."""
    place = next(
        (
            line[3:]
            for line in _text("/proc/self/cgroup").splitlines()
            if line.startswith("0::")
        ),
        "",
    )
    root = Path("/sys/fs/cgroup")
    left = [2**63]
    # A container sees its own group as the root, whatever its path is called outside.
    group = root / place.lstrip("/")
    for folder in (group, *group.parents):
        most, used = _text(folder / "memory.max"), _text(folder / "memory.current")
        if most.strip().isdecimal() and used.strip().isdecimal():
            left.append(int(most) - int(used) + _file_cache(folder))
        if folder == root:
            break
    return min(left)


def _file_cache(folder: Path) -> int:
    """Bytes of files that a control group keeps and would give back."""
    for line in _text(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if name == "inactive_file":
            return int(value)
    return 0


def _address_space() -> int:
    """What a limit on the address space (ulimit -v) leaves."""
    try:
        import resource
    except ImportError:
        return 2**63
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if most == resource.RLIM_INFINITY:
        return 2**63
    pages = _text("/proc/self/statm").split()
    return most - (int(pages[0]) * os.sysconf("SC_PAGESIZE") if pages else 0)


def _text(path: str | Path) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


# ---- files ---------------------------------------------------------------------------


def check_regular(path: str | os.PathLike) -> None:
    """Raise UserError for what is there and no regular file: reading a pipe or a device
    may never end. A missing file is left to whoever opens it."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, a device or the like"
        raise UserError(f"{path} is {kind}, and it should be a file")


def is_plain(name: str) -> bool:
    """Whether a name can be shown as it is: it has no character that ends a line, moves
    the cursor or turns text round (`one_line` escapes these)."""
    return not UNSPEAKABLE.search(name)


def read_bounded(path: str | os.PathLike, most: int, what: str) -> bytes:
    """The bytes of a file or a pipe, of which no more than `most` are read.

    `what` says what the file should be, for the message. Raises UserError for a longer
    one, and OSError or ValueError as `open` does.
    """
    with open(path, "rb") as file:
        # Of a pipe or a device the size is 0, whatever comes.
        size = os.fstat(file.fileno()).st_size
        data = file.read(most + 1) if size <= most else b""
    if max(size, len(data)) > most:
        raise UserError(
            f"{path}: is longer than {gib(most)}, which {what} never is; is it the "
            "right file?"
        )
    return data
