"""Which boards there are: CUDA's, and the CPU."""

from __future__ import annotations

import ctypes as ct
import platform
from typing import NamedTuple

from .library import CUDAMatException, Library, find, lib


class Device(NamedTuple):
    """A board that matrices can be on.

    Attributes:
        board: what programs call it: the number of a CUDA board, or ``cpu``.
        name: what its maker calls it.
        compute_capability: of a CUDA board, such as (9, 0); None of the CPU.
        free_bytes, total_bytes: its memory.
        threads: those that the CPU library uses; None of a CUDA board.
    """

    board: str
    name: str
    compute_capability: tuple[int, int] | None
    free_bytes: int
    total_bytes: int
    threads: int | None

    def __str__(self) -> str:
        if self.compute_capability is None:
            detail = f"{self.threads} thread{'s' if self.threads != 1 else ''}"
        else:
            detail = "compute capability {}.{}".format(*self.compute_capability)
        free, total = self.free_bytes / 1e9, self.total_bytes / 1e9
        return f"{self.board}: {self.name}, {detail}, {free:.1f} of {total:.1f} GB free"


class Devices(tuple):
    """What `devices` found: a tuple of Device that prints a line for each.

    Attributes:
        missing: for ``cuda`` or ``cpu``, why there is no such board.
    """

    missing: dict[str, str]

    def __repr__(self) -> str:
        none = [f"no {kind} board: {why}" for kind, why in self.missing.items()]
        return "\n".join([*map(str, self), *none])


def devices() -> Devices:
    """The boards of this computer that the libraries at hand can use, CUDA's first.

    No library is chosen by that: `load`, or the first matrix, still does. Where there
    is no board of a kind, the result's `missing` says why. Asking a CUDA board for its
    free memory starts CUDA on it, which takes some of it.
    """
    found, missing = [], {}
    for kind in ("cuda", "cpu"):
        try:
            library = lib if lib.kind == kind else _opened(kind)
            boards = _boards(library)
        except CUDAMatException as error:
            missing[kind] = str(error)
            continue
        found += boards
        if not boards:
            missing[kind] = "the CUDA driver knows of no board"
    result = Devices(found)
    result.missing = missing
    return result


def _opened(kind: str) -> Library:
    library = Library()
    library.open(find(kind), kind)
    return library


def _boards(library: Library) -> list[Device]:
    count, threads = ct.c_int(), ct.c_int()
    library.cm_board_count(ct.byref(count))
    library.cm_threads(ct.byref(threads))
    return [_device(library, n, threads.value) for n in range(count.value)]


def _device(library: Library, number: int, threads: int) -> Device:
    text = ct.create_string_buffer(256)
    major, minor = ct.c_int(), ct.c_int()
    library.cm_board_name(number, text, len(text), ct.byref(major), ct.byref(minor))
    free, total = ct.c_size_t(), ct.c_size_t()
    library.cm_board_memory(number, ct.byref(free), ct.byref(total))
    if library.kind == "cpu":
        return Device("cpu", processor(), None, free.value, total.value, threads)
    return Device(
        board=str(number),
        name=text.value.decode(errors="replace"),
        compute_capability=(major.value, minor.value),
        free_bytes=free.value,
        total_bytes=total.value,
        threads=None,
    )


def processor() -> str:
    """What the processor calls itself, or else its family."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # another system than Linux
        pass
    return platform.processor() or platform.machine() or "unknown processor"
