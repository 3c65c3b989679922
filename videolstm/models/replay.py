"""The part of a training step that is the same each time, asked for once and then
repeated: a CUDA graph on a CUDA board."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

import cudamat as cm
from videolstm.models.param import Param
from videolstm.models.sequence import Sequence as Steps
from videolstm.parallel import Exchange
from videolstm.switches import switched

VARIABLE = "VIDEOLSTM_GRAPH"


def is_wanted() -> bool:
    """Whether steps are to be repeated as graphs: only where VIDEOLSTM_GRAPH is 1.
    Raises UserError where it is neither 0 nor 1."""
    steps = "training steps"
    on, off = f"repeat {steps} as graphs", f"ask the board for {steps} one by one"
    return switched(VARIABLE, on, off) or False


class Learner(Protocol):
    """What of a model a step needs."""

    exchange: Exchange

    @property
    def params(self) -> Sequence[Param]:
        """All weights."""

    def update(self) -> None:
        """One update of all weights on their gradients."""


class Replay:
    """Learning and the update of weights, as a graph from the second step on that needs
    the same.

    A step is the same as the one before where it works on the same memory with the same
    numbers; the values in the memory are each time others. A learning rate that decays
    is another number: then the step is asked for once more, and noted anew.
    """

    def __init__(self) -> None:
        is_wanted()  # a wrong wish is refused before anything has been done
        self.graph: cm.Graph | None = None
        self._state: Hashable = None

    def step(self, model: Learner, learn: Callable[[], None], state: Hashable) -> None:
        """learn(), which leaves the gradients of the model, and one update.

        state: what decides, apart from the weights, what `learn` asks the board for.
        Steps that share their gradients with other processes are not repeated.
        """
        if type(model.exchange) is Exchange and is_wanted():
            self._run(learn, model.params, state)
        else:
            self.forget()
            learn()
            model.update()

    def _run(
        self, learn: Callable[[], None], params: Sequence[Param], state: Hashable
    ) -> None:
        def work() -> None:
            learn()
            for param in params:
                param.apply()

        self._do(work, lambda: (state, _given(params), Steps.moves, cm.math_mode()))
        for param in params:
            param.t += 1

    def forget(self) -> None:
        """The next step is asked for anew."""
        self.graph = self._state = None

    def _do(self, work: Callable[[], None], state: Callable[[], Hashable]) -> None:
        if state() != self._state:
            self.forget()
            with cm.Graph.rehearsing():
                work()
            self._state = state()
            return
        if self.graph is None:
            graph = cm.Graph()
            with graph.noting():
                work()
            self.graph = graph
        self.graph.launch()


def _given(params: Sequence[Param]) -> tuple:
    """What updates are given: rules, and which memory."""
    given = []
    for param in params:
        matrices = (param.w, param.history, param.dw, param.rms)
        memory = (m.mat.data for m in matrices if m is not None)
        given += (*param.rule().values(), *memory)
    return tuple(given)
