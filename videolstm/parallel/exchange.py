"""Gradients, summed over all ranks while others are still being computed.

A layer's gradients lie in one piece of memory, so that they are one message, which
leaves as soon as the layer is back-propagated: those of the decoders while the encoder
goes back, and while the first are used the last are still on their way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mpi4py import MPI

import cudamat as cm
from videolstm.parallel.layout import layout, place
from videolstm.parallel.progress import Progress
from videolstm.parallel.transport import Transport
from videolstm.parallel.world import Exchange

if TYPE_CHECKING:
    from videolstm.parallel.weight import Weight


class Message:
    """The gradients of some weights, one after the other in memory of their own, into
    which `Weight.dw` of each is moved."""

    def __init__(self, params: list[Weight], transport: type[Transport]) -> None:
        self.params = params
        starts, end = layout(params)
        flat = cm.zeros((1, end))
        for param, start in zip(params, starts, strict=True):
            param.dw = place(flat, param, start).assign(param.dw)
        self.transport = transport(flat)
        self.requests: list[MPI.Request] = []

    def send(self, comm: MPI.Comm, progress: Progress) -> None:
        self.requests = self.transport.start(comm)
        progress.watch(self.requests)

    def wait(self, progress: Progress) -> None:
        """Returns when the gradients are the sums over all ranks."""
        if self.requests:
            progress.wait(self.requests)
            self.requests = []
            self.transport.finish()


class GradientExchange(Exchange):
    """Sums over the ranks of a communicator that nobody else uses.

    Every rank has to say `ready` of the same weights in the same order. MPI adds them
    up in an order of its own, which depends on the number of ranks, and hands the same
    result to all.

    Args:
        transport: what brings memory to MPI. note: for the user, after `describe`.
    """

    def __init__(
        self, comm: MPI.Comm, transport: type[Transport], note: str = ""
    ) -> None:
        self._comm = comm
        self._transport, self._note = transport, note
        self._progress = Progress()
        self._messages: dict[str, Message] = {}
        self._under_way: list[Message] = []

    def ready(self, params: Iterable[Weight]) -> None:
        params = list(params)
        name = params[0].name
        message = self._messages.get(name)
        if message is None or message.params != params:  # or another model's
            message = self._messages[name] = Message(params, self._transport)
        if message in self._under_way:  # a backward pass that no update followed
            self._finish()
        if cm.load().kind == "cuda":
            # While the board goes back through this layer, which it was only asked to,
            # the host has nothing better to do; then it waits for the board.
            for earlier in self._under_way:
                earlier.wait(self._progress)
        message.send(self._comm, self._progress)
        self._under_way.append(message)

    def update(self, params: Iterable[Weight]) -> None:
        while self._under_way:
            message = self._under_way[0]
            message.wait(self._progress)
            for param in message.params:
                param.update()
            self._under_way.pop(0)

    def describe(self, mpi: str) -> str:
        return f"{mpi} adds up their gradients {self._transport.way}{self._note}"

    def _finish(self) -> None:
        for message in self._under_way:
            message.wait(self._progress)
        self._under_way.clear()
