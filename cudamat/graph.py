"""Work that is noted once and done again with one call, and work that may be done at
the same time.

    graph = Graph()
    with graph.rehearsing():
        step()              # done, and whatever needs memory has it
    with graph.noting():
        step()              # noted, and not done
    graph.launch()          # done
    graph.launch()          # and once more

On a CUDA board that is a CUDA graph. The library for the CPU has none; there the calls
themselves are noted and made again, so that what a graph means is the same.
"""

from __future__ import annotations

import contextlib
import ctypes as ct
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from .base import Base
from .buffer import Address, Buffer
from .library import CUDAMatException, lib
from .prototypes import PROTOTYPES, MatrixStruct

T = TypeVar("T")

MOST_PIECES = 4  # of `together`, as in cudamat/src/graph.h

# What the host asks and the board has no part in; it is done while work is noted.
_AT_ONCE = {
    *("cm_last_error", "cm_flavour", "cm_board_count", "cm_board_name"),
    *("cm_board_memory", "cm_board_of", "cm_threads", "cm_bytes_in_use"),
    *("cm_packed_size", "cm_math_mode", "cm_blas_describe", "cm_paint"),
    *("cm_graph_begin", "cm_graph_end", "cm_graph_give_up", "cm_graph_launch"),
    *("cm_fork", "cm_branch", "cm_join"),
}
# What moves values between the host and the board, waits for the board or changes it,
# takes memory, or would draw the same random numbers again.
_REFUSED = {
    *("cm_board_select", "cm_synchronize", "cm_set_threads", "cm_set_math_mode"),
    *("cm_allocate", "cm_allocate_seen", "cm_page_lock", "cm_page_unlock"),
    *(
        "cm_copy_in",
        "cm_upload",
        "cm_copy_out",
        "cm_blas_open",
        "cm_read_value",
        "cm_write_value",
    ),
    *("cm_sum", "cm_sum_squares", "cm_sum_abs", "cm_count_nonfinite", "cm_vdot"),
    *("cm_fill_uniform", "cm_fill_normal", "cm_dropout_mask", "cm_dropout_mask_part"),
    *("cm_dropout", "cm_sample_bernoulli", "cm_philox_words", "cm_compress"),
}
# What garbage collection may ask for at any time; it is done when the noting is over.
_POSTPONED = {"cm_release", "cm_graph_release"}

_noting: Graph | None = None
_rehearsals = 0  # within `Graph.rehearsing`


class Call:
    """One piece of the noted work: a function of the library with what it was given.

    Attributes:
        group: which `together` of the graph it belongs to, from 1; 0 for none.
        branch: which of the pieces of that, from 0.
    """

    def __init__(
        self, function: Callable, arguments: tuple, group: int, branch: int
    ) -> None:
        self.function, self.group, self.branch = function, group, branch
        self.arguments = tuple(map(_frozen, arguments))

    def __call__(self) -> None:
        self.function(*self.arguments)


def _frozen(argument: Any) -> Any:
    """A matrix as it is now: it may become a view of something else."""
    if not isinstance(argument, Base):
        return argument
    mat = argument.mat
    return ct.pointer(MatrixStruct(mat.data, mat.rows, mat.cols, mat.trans))


class Graph:
    """Work of the board, noted by `noting` and done by each `launch`.

    What is noted are addresses and numbers as they are at that time; what they lead to
    may change from launch to launch. Memory that takes part is kept: of matrices, sums
    and watches. Work that brings values to the host or from it, takes memory or draws
    random numbers (the same each time) raises CUDAMatException, and so does the launch
    after memory of a matrix was freed by hand. Do the work once within `rehearsing`
    before it is noted, so that whatever needs memory has it. Meanwhile no other thread
    may ask the board for anything.

    Attributes:
        calls: on the CPU, what was noted, in order.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._made = ct.c_void_p()
        self._kept: dict[int, tuple[Buffer, int | None]] = {}
        self._is_noted = False
        self._late: list[tuple[Callable, tuple]] = []
        self._groups = 0
        self._place = (0, 0)  # group and branch of what is being noted

    @staticmethod
    @contextlib.contextmanager
    def rehearsing() -> Iterator[None]:
        """Within it work is done as always, and the pieces of `together` take what
        memory they need to be done at the same time."""
        global _rehearsals
        _rehearsals += 1
        try:
            yield
        finally:
            _rehearsals -= 1

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Within it the work that is asked for is noted and not done. Where something
        is raised, nothing has been noted."""
        global _noting
        if _noting is not None:
            raise CUDAMatException("a graph is being noted already; one is the most")
        self.clear()
        functions = {name: getattr(lib, name) for name in PROTOTYPES}
        stand_ins = {name: self._noted(name, f) for name, f in functions.items()}
        # Garbage is collected at any time: from the first to the last moment of a
        # capture nothing may be freed.
        _noting = self
        vars(lib).update(stand_ins)
        try:
            if lib.kind == "cuda":
                functions["cm_graph_begin"]()
            yield
            if lib.kind == "cuda":
                functions["cm_graph_end"](ct.byref(self._made))
            self._is_noted = True
        finally:
            try:
                if lib.kind == "cuda" and not self._is_noted:
                    functions["cm_graph_give_up"]()
            finally:
                _noting = None
                vars(lib).update(functions)
                self._free_late()
            if not self._is_noted:
                self.clear()

    def _free_late(self) -> None:
        late, self._late = self._late, []
        for function, arguments in late:
            with contextlib.suppress(CUDAMatException):  # as in a Buffer's own end
                function(*arguments)

    def _noted(self, name: str, function: Callable) -> Callable:
        """What stands in for a function of the library."""
        if name in _AT_ONCE:
            return function
        if name in _POSTPONED:
            return lambda *arguments: self._late.append((function, arguments))

        def refuse(*arguments):
            spoken = name.removeprefix("cm_")
            raise CUDAMatException(
                f"{spoken} cannot be a part of a graph: that neither takes memory nor "
                "draws random numbers, and moves no values between host and board"
            )

        def note(*arguments):
            for argument in arguments:
                if isinstance(argument, (Base, Address)):
                    buffer = argument.buffer
                    self._kept[id(buffer)] = (buffer, buffer.pointer)
            if lib.kind == "cuda":
                return function(*arguments)
            self.calls.append(Call(function, arguments, *self._place))
            return 0

        return refuse if name in _REFUSED else note

    def launch(self) -> None:
        """Does what was noted. Does not wait for the board. Raises CUDAMatException
        where nothing has been noted, where memory is gone, and while another graph is
        noted."""
        if _noting is not None:
            raise CUDAMatException(
                "a graph cannot be launched while another one is being noted"
            )
        if not self._is_noted:
            raise CUDAMatException("nothing has been noted in this graph yet")
        if any(buffer.pointer != before for buffer, before in self._kept.values()):
            raise CUDAMatException(
                "a matrix that this graph works on has been freed; note it again"
            )
        if self._made:
            lib.cm_graph_launch(self._made)
        for call in self.calls:
            call()

    def clear(self) -> None:
        """Forgets what was noted, and lets go of its matrices."""
        made, self._made = self._made, ct.c_void_p()
        self._is_noted = False
        if made:
            lib.cm_graph_release(made)  # before what it works on may go
        self.calls, self._kept = [], {}
        self._groups, self._place = 0, (0, 0)

    def __del__(self) -> None:
        try:
            self.clear()
        except Exception:  # the interpreter is shutting down, or the board is lost
            pass


def together(*works: Callable[[], T]) -> list[T]:
    """Asks for several pieces of work; returns what they return, in order.

    They should touch no memory in common that one of them writes. While a graph is
    noted a CUDA board may do them at the same time; else one is done after the other. A
    `together` within another is a part of its piece. Raises CUDAMatException for more
    than MOST_PIECES.
    """
    global _divided
    if len(works) > MOST_PIECES:
        raise CUDAMatException(
            f"{len(works)} pieces of work were given, and {MOST_PIECES} is the most"
        )
    divides = _noting is not None or _rehearsals > 0
    if len(works) < 2 or _divided or not divides:
        return [work() for work in works]
    lib.cm_fork()
    _divided = True
    try:
        results = [_piece(number, work) for number, work in enumerate(works)]
    except BaseException:
        _divided = False
        with contextlib.suppress(CUDAMatException):  # the first error is the one to see
            _join()
        raise
    _divided = False
    _join()
    return results


_divided = False


def _piece(number: int, work: Callable[[], T]) -> T:
    lib.cm_branch(number)
    if _noting is not None:
        _noting._place = (_noting._groups + 1, number)
    return work()


def _join() -> None:
    if _noting is not None:
        _noting._groups += 1
        _noting._place = (0, 0)
    lib.cm_join()
