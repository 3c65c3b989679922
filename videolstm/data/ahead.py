"""Batches made ahead of their use, in the background."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from videolstm.data.handler import Batch, DataHandler, State

# One to take the moment it is wanted, one because some batches take longer than others.
MOST_AHEAD = 2

T = TypeVar("T")


class _Line(Generic[T]):
    """What a thread has made and what it may still make; it knows nothing else, so that
    whoever forgets the rest is not kept alive by the thread."""

    def __init__(self, items: Iterator[T], most: int) -> None:
        self.items = items
        self.room = threading.Semaphore(most)
        # pairs of an item and an error, one of them None; (None, None) is the end
        self.made: queue.SimpleQueue = queue.SimpleQueue()
        self.stopped = False
        self.thread: threading.Thread | None = None

    def work(self) -> None:
        while True:
            self.room.acquire()
            if self.stopped:
                return
            try:
                item = next(self.items)
            except StopIteration:
                self.made.put((None, None))
                return
            except BaseException as error:  # whatever it is, who takes it must hear
                self.made.put((None, error))
                return
            self.made.put((item, None))

    def stop(self) -> None:
        self.stopped = True
        self.room.release()
        # Garbage is collected in any thread, so perhaps in this one.
        if self.thread not in (None, threading.current_thread()):
            self.thread.join()


class Background(Generic[T]):
    """The items of an iterator in their order, at most `most` of them made ahead by one
    thread, which starts with the first `next`.

    An exception of the iterator is raised by the `next` that would have given the item.
    `close` stops the thread, once the item that it is at is made; so does the end of
    the program, and so it is when nobody holds this any more. A closed one ends.
    """

    def __init__(self, items: Iterator[T], most: int = MOST_AHEAD) -> None:
        self._line = _Line(items, most)
        self._stop = weakref.finalize(self, self._line.stop)

    def __iter__(self) -> Background[T]:
        return self

    def __next__(self) -> T:
        if not self._stop.alive:
            raise StopIteration
        line = self._line
        if line.thread is None:
            # a daemon: the end of the program does not wait for it, but stops it
            line.thread = threading.Thread(
                target=line.work, name="batches ahead", daemon=True
            )
            line.thread.start()
        item, error = line.made.get()
        line.room.release()
        if error is not None:
            self.close()
            raise error
        if item is None:
            self.close()
            raise StopIteration
        return item

    def close(self) -> None:
        """Stops; what was made and not taken is dropped."""
        self._stop()


class Ahead:
    """A data set whose batches are made in the background, while one is in use.

    They are the batches of `handler`, in the same order. `state` is the position of
    what has been taken, not of what has been made, so that a checkpoint goes on
    exactly there. While batches are made ahead nobody else may take any from `handler`;
    `close`, or the end of a `with` block, leaves it at the same position.

    Everything else that a data set has, such as `frame_shape`, is the handler's.
    """

    def __init__(self, handler: DataHandler, most: int = MOST_AHEAD) -> None:
        self.handler = handler
        self._most = most
        self._stream: Background[tuple[Batch, State]] | None = None
        self._taken: State = {}

    def __getattr__(self, name: str) -> Any:
        if name == "handler":  # not there yet, such as in a copy
            raise AttributeError(name)
        return getattr(self.handler, name)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def next_batch(self) -> Batch:
        """As `DataHandler.next_batch`; an error that it raised comes here."""
        if self._stream is None:
            self._taken = self.handler.state()
            self._stream = Background(_stream(self.handler), self._most)
        try:
            batch, self._taken = next(self._stream)
        except BaseException:
            self.close()
            raise
        return batch

    def epoch(self, batch_size: int | None = None) -> Iterator[Batch]:
        """As `DataHandler.epoch`, and made ahead as well."""
        batches = Background(self.handler.epoch(batch_size), self._most)
        try:
            yield from batches
        finally:
            batches.close()

    def reset(self) -> None:
        self.close()
        self.handler.reset()

    def state(self) -> State:
        return self.handler.state() if self._stream is None else self._taken

    def restore(self, state: State) -> None:
        self.close()
        self.handler.restore(state)

    def close(self) -> None:
        """Stops making batches and takes the handler to where it was taken from."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self.handler.restore(self._taken)


def _stream(handler: DataHandler) -> Iterator[tuple[Batch, State]]:
    """Each batch with the position after it."""
    while True:
        batch = handler.next_batch()
        yield batch, handler.state()
