"""Keeping messages moving while this process computes."""

from __future__ import annotations

import threading
import time

from mpi4py import MPI

# Seconds between two looks. A link of 100 Gbit/s brings 6 MB in that time; looking
# takes microseconds.
PAUSE = 0.0005


class Progress:
    """Tests requests again and again in the background.

    Most MPI libraries move messages only while they are called, so that without this a
    sum that was begun during the backward pass would be made at its end. Where the
    library lets only one thread call it, nothing is done here.
    """

    def __init__(self) -> None:
        self._requests: list[MPI.Request] = []
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._allowed = MPI.Query_thread() >= MPI.THREAD_MULTIPLE

    def watch(self, requests: list[MPI.Request]) -> None:
        """Looks after these too, until they are complete."""
        if not self._allowed:
            return
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="messages", daemon=True
            )
            self._thread.start()
        with self._lock:
            self._requests = [*self._requests, *requests]
        self._wanted.set()

    def wait(self, requests: list[MPI.Request]) -> None:
        """Returns when these are complete; the caller has them for itself."""
        with self._lock:
            MPI.Request.Waitall(requests)

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            with self._lock:
                if MPI.Is_finalized():
                    return
                if MPI.Request.Testall(self._requests):
                    self._requests = []
                    self._wanted.clear()
            time.sleep(PAUSE)
