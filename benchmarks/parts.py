"""Where the time of a step goes: each call of the matrix library is timed and counted
to a part of the step.

Products tell by the weight that they read, or whose gradient they make, what they are
for. On a CUDA board every call is waited for, so that a step takes longer than without.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cudamat as cm
from cudamat.library import lib
from cudamat.prototypes import PROTOTYPES
from videolstm.models.param import Param
from videolstm.models.replay import VARIABLE

PARTS = (
    "input products",
    "recurrent",
    "gates",
    "output",
    "loss",
    "weight gradients",
    "update",
    "data",
    "rest",
)

_BY_NAME = {
    "cm_sparse_product": "input products",
    "cm_sparse_gradient": "weight gradients",
    "cm_sum_axis": "weight gradients",
    "cm_lstm_diag_grad": "weight gradients",
    "cm_pack": "recurrent",
    "cm_dot_packed": "recurrent",
    "cm_lstm_fprop": "gates",
    "cm_lstm_bprop": "gates",
    "cm_output": "loss",
    "cm_output_loss": "loss",
    "cm_softmax_output": "loss",
    "cm_softmax_loss": "loss",
    "cm_vote": "loss",
    "cm_update": "update",
    "cm_copy_in": "data",
    "cm_upload": "data",
    "cm_compress": "data",
}
_BY_WEIGHT = {"w_input": "input products", "w_dense": "recurrent", "w_output": "output"}


class PartTimer:
    """Adds up seconds of library calls by part, and by function, while `timing`."""

    def __init__(self, params: list[Param]) -> None:
        self.parts: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()
        self._weights = {p.w.mat.data: p.name.split(":")[1] for p in params}
        self._gradients = {p.dw.mat.data for p in params}

    def part(self, name: str, arguments: tuple) -> str:
        """The part that a call of the function `name` belongs to."""
        if name != "cm_dot":
            return _BY_NAME.get(name, "rest")
        left, _, target = (matrix.mat.data for matrix in arguments[:3])
        if target in self._gradients:
            return "weight gradients"
        return _BY_WEIGHT.get(self._weights.get(left, ""), "rest")

    def _timed(self, name: str, function: Callable) -> Callable:
        wait = cm.cuda_sync_threads if lib.kind == "cuda" else (lambda: None)

        def call(*arguments):
            start = time.perf_counter()
            result = function(*arguments)
            wait()
            took = time.perf_counter() - start
            self.parts[self.part(name, arguments)] += took
            self.functions[name] += took
            return result

        return call

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Times all calls in the block; what they did not take of it is `rest`."""
        names = [name for name in PROTOTYPES if name not in _NOT_TIMED]
        before = {name: getattr(lib, name) for name in names}
        for name, function in before.items():
            setattr(lib, name, self._timed(name, function))
        known, start = sum(self.parts.values()), time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - start
            self.parts["rest"] += took - (sum(self.parts.values()) - known)
            for name, function in before.items():
                setattr(lib, name, function)


_NOT_TIMED = {"cm_synchronize", "cm_last_error"}


def time_parts(step: Callable[[], None], params: list[Param], steps: int) -> dict:
    """Milliseconds of a step by part and by function, over `steps` steps. Of a step
    that is repeated as a graph no call can be timed, so that they are asked for one by
    one."""
    timer = PartTimer(params)
    before = os.environ.pop(VARIABLE, None)
    try:
        with timer.timing():
            for _ in range(steps):
                step()
    finally:
        if before is not None:
            os.environ[VARIABLE] = before
    return {
        "parts": {name: 1e3 * timer.parts[name] / steps for name in PARTS},
        "functions": {
            name: 1e3 * seconds / steps
            for name, seconds in timer.functions.most_common()
        },
    }
