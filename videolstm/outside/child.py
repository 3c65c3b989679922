"""Processes that read what others wrote, and may crash over it."""

from __future__ import annotations

import contextlib
import resource
import signal


def end_with_program() -> None:
    """To be called in such a process: it ends with the program, not with the signals
    that a terminal or a batch system sends to all processes of a run, and leaves no
    core file."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def cause_of_end(status: int | None) -> str:
    """What a process ended of, such as ``SIGSEGV``. `status` is its exit status, minus
    the signal's number for a signal, or None where it has not ended."""
    if status is None:
        return "it does not answer"
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"
