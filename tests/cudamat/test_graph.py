"""Graphs: what is noted is done by each launch, against numpy; what cannot be a part of
one; pieces of work that may be done at the same time."""

import ctypes as ct
import gc
from functools import partial

import numpy as np
import pytest

import cudamat as cm
from cudamat import graph as module
from cudamat.library import lib
from cudamat.prototypes import PROTOTYPES

A = np.arange(6.0).reshape(2, 3)


def noted(work, rehearsed: bool = False) -> cm.Graph:
    graph = cm.Graph()
    if rehearsed:
        with graph.rehearsing():
            work()
    with graph.noting():
        work()
    return graph


# ---- what a graph does ---------------------------------------------------------------


def test_nothing_is_done_before_the_launch():
    a = cm.CUDAMatrix(A)
    graph = noted(lambda: a.add(1.0))
    np.testing.assert_array_equal(a.asarray(), A)
    for times in (1, 2, 3):
        graph.launch()
        np.testing.assert_array_equal(a.asarray(), A + times)


def test_values_are_those_of_the_launch():
    """Sums, products and copies, in order, of what is in the memory at that time."""
    a, b, c, total = (cm.CUDAMatrix(x) for x in (A, A.T, A @ A.T, A[:1] * 0))

    def work():
        cm.dot(a, b, c)
        a.mult(2.0)
        total.add_sums(a, axis=0)

    graph = noted(work, rehearsed=True)
    a.overwrite(A)
    total.assign(0.0)
    now, expected = A, A[0] * 0
    for seed in range(3):
        other = np.random.default_rng(seed).integers(-9, 9, (3, 2)).astype(float)
        b.overwrite(other)
        graph.launch()
        np.testing.assert_array_equal(c.asarray(), now @ other)  # whole numbers: exact
        now = 2 * now
        expected = expected + now.sum(axis=0)
        np.testing.assert_array_equal(total.asarray()[0], expected)


def test_shapes_are_those_of_the_noting():
    a = cm.CUDAMatrix(A)
    column = a.col_slice(1, 2)
    graph = noted(lambda: column.add(5.0))
    column.set_trans(True)
    a.reshape((3, 2))
    graph.launch()
    np.testing.assert_array_equal(
        a.reshape((2, 3)).asarray(), A + np.array([0.0, 5.0, 0.0])
    )


def test_steps_that_are_watched_are_those_of_the_launch():
    w, history, gradient = (cm.CUDAMatrix(x) for x in (A, 0 * A, 0 * A))
    watch, totals = cm.learn.Watch(4), cm.learn.Totals(1)

    def work():
        rule = {"momentum": 0.0, "epsilon": 1.0}
        cm.learn.update(w, history, gradient, **rule, watch=watch, index=0)
        watch.total(totals, 0, 3)

    graph = noted(work)
    for watch.step in (1, 2):
        graph.launch()
    assert watch.read().tolist() == [0, 0, 0, 0]
    gradient.assign(np.inf)
    totals.write([np.nan])
    for watch.step in (3, 4):
        graph.launch()
    assert watch.read().tolist() == [4, 3, 3, 3]


def test_a_graph_can_be_noted_again():
    a = cm.CUDAMatrix(A)
    graph = noted(lambda: a.add(1.0))
    with graph.noting():
        a.mult(3.0)
    graph.launch()
    np.testing.assert_array_equal(a.asarray(), 3 * A)


def test_empty_work():
    graph = noted(lambda: None)
    graph.launch()
    assert graph.calls == []


# ---- memory --------------------------------------------------------------------------


def test_matrices_of_a_graph_stay():
    gc.collect()
    before = cm.memory_in_use()
    a, passing = cm.CUDAMatrix(A), [cm.CUDAMatrix(A)]
    graph = noted(lambda: a.add(passing[0]))
    passing.clear()
    graph.launch()
    np.testing.assert_array_equal(a.asarray(), 2 * A)
    del graph
    gc.collect()
    assert cm.memory_in_use() == before + a.size * lib.dtype.itemsize


def test_matrices_that_go_while_work_is_noted():
    """They go, but not before the graph is complete."""
    gc.collect()
    before = cm.memory_in_use()
    a, passing = cm.CUDAMatrix(A), [cm.CUDAMatrix(A)]
    graph = cm.Graph()
    with graph.noting():
        a.add(1.0)
        passing.clear()
        gc.collect()
        assert cm.memory_in_use() == before + 2 * a.size * lib.dtype.itemsize
    assert cm.memory_in_use() == before + a.size * lib.dtype.itemsize
    graph.launch()
    np.testing.assert_array_equal(a.asarray(), A + 1)


def test_sums_and_watches_of_a_graph_stay():
    gc.collect()
    before = cm.memory_in_use()
    w, history, gradient, b = (cm.CUDAMatrix(x) for x in (A, 0 * A, A, A[:1].T * 0))
    totals, watch = cm.learn.Totals(10_000), cm.learn.Watch(10_000)
    z, data = cm.CUDAMatrix(A.T), cm.CUDAMatrix(A.T)

    def work():
        cm.learn.output_loss(z, b, data, cm.learn.REAL, totals, 0)
        rule = {"momentum": 0.0, "epsilon": 1.0}
        cm.learn.update(w, history, gradient, **rule, watch=watch, index=0)

    graph = noted(work, rehearsed=True)
    work = totals = watch = None
    gc.collect()
    assert cm.memory_in_use() > before + 2 * 80_000
    graph.launch()
    graph = None
    gc.collect()
    assert cm.memory_in_use() < before + 80_000


class Cycle:
    """What only garbage collection frees."""

    def __init__(self, *held):
        self.held, self.me = held, self


def test_garbage_that_is_collected_while_work_is_noted(monkeypatch):
    """Nothing is freed before the graph is complete, be it a matrix, memory that the
    host sees, or another graph; then all of it is."""
    gc.collect()
    before = cm.memory_in_use()
    a = cm.CUDAMatrix(A)
    other = cm.zeros((100, 100))
    Cycle(noted(partial(other.add, 1.0)), cm.learn.Watch(1000), other)
    del other
    graph = cm.Graph()
    with graph.noting():
        a.add(1.0)
        held = cm.memory_in_use()
        gc.collect()
        assert cm.memory_in_use() == held > before + 8000
    gc.collect()
    assert cm.memory_in_use() == before + a.size * lib.dtype.itemsize
    graph.launch()
    np.testing.assert_array_equal(a.asarray(), A + 1)


def test_memory_that_was_freed():
    a, b = cm.CUDAMatrix(A), cm.CUDAMatrix(A)
    graph = noted(lambda: a.add(b))
    b.free_device_memory()
    with pytest.raises(cm.CUDAMatException, match="has been freed; note it again"):
        graph.launch()
    np.testing.assert_array_equal(a.asarray(), A)


# ---- what cannot be ------------------------------------------------------------------

REFUSED = {
    "sum_squares": lambda a: a.euclid_norm(),
    "copy_out": lambda a: a.asarray(),
    "copy_in": lambda a: a.overwrite(A),
    "upload": lambda a: a.upload(A),
    "allocate": lambda a: cm.empty((2, 3)),
    "synchronize": lambda a: cm.cuda_sync_threads(),
    "vdot": lambda a: cm.vdot(a, a),
    "read_value": lambda a: a.read_value(0, 0),
    "fill_uniform": lambda a: a.fill_with_rand(),
    "dropout_mask": lambda a: a.fill_with_dropout_mask(0.5),
    "set_math_mode": lambda a: cm.set_math_mode("fp32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    """The sentence names it, and afterwards everything is as it was."""
    a, before = cm.CUDAMatrix(A), cm.random_state.offset
    graph = cm.Graph()
    with (
        pytest.raises(
            cm.CUDAMatException, match=f"^{name} cannot be a part of a graph"
        ),
        graph.noting(),
    ):
        a.add(1.0)
        REFUSED[name](a)
    with pytest.raises(cm.CUDAMatException, match="nothing has been noted"):
        graph.launch()
    np.testing.assert_array_equal(a.add(1.0).asarray(), A + 1)
    cm.random_state.offset = before


def test_every_function_of_the_library_has_a_place():
    """What gives something to the host is not noted, and no name is of two kinds."""
    known = module._AT_ONCE | module._REFUSED | module._POSTPONED
    assert known <= set(PROTOTYPES)
    kinds = (module._AT_ONCE, module._REFUSED, module._POSTPONED)
    assert len(known) == sum(map(len, kinds))
    results = (ct.c_int, ct.c_int64, ct.c_longlong, ct.c_size_t, ct.c_double)
    results += (ct.c_void_p, ct.c_char_p)
    places = {ct.POINTER(kind) for kind in results}
    telling = {name for name, kinds in PROTOTYPES.items() if places & set(kinds)}
    assert telling
    assert telling <= known


def test_one_graph_at_a_time():
    a = cm.CUDAMatrix(A)
    with (
        pytest.raises(cm.CUDAMatException, match="a graph is being noted already"),
        cm.Graph().noting(),
        cm.Graph().noting(),
    ):
        a.add(1.0)
    np.testing.assert_array_equal(a.add(1.0).asarray(), A + 1)


def test_no_launch_while_another_is_noted():
    a = cm.CUDAMatrix(A)
    graph = noted(lambda: a.add(1.0))
    with (
        pytest.raises(cm.CUDAMatException, match="while another one is being noted"),
        cm.Graph().noting(),
    ):
        graph.launch()
    np.testing.assert_array_equal(a.asarray(), A)
    graph.launch()
    np.testing.assert_array_equal(a.asarray(), A + 1)


def test_before_the_first_noting():
    with pytest.raises(cm.CUDAMatException, match="nothing has been noted"):
        cm.Graph().launch()


def test_errors_of_the_caller_pass():
    a, graph = cm.CUDAMatrix(A), cm.Graph()
    with pytest.raises(ZeroDivisionError), graph.noting():
        a.add(1.0)
        a.add(1 / 0)
    np.testing.assert_array_equal(a.asarray(), A)
    np.testing.assert_array_equal(a.add(1.0).asarray(), A + 1)


# ---- pieces --------------------------------------------------------------------------


def test_results_come_in_order():
    assert cm.together() == []
    for count in (1, 2, 4):
        assert cm.together(*(lambda k=k: k for k in range(count))) == [*range(count)]


def test_pieces_are_all_done():
    def work():
        a.add(1.0)
        cm.together(
            lambda: [b.add(a), b.mult(2.0)],
            lambda: [c.add_sums(a, axis=1), c.mult(3.0)],
            lambda: d.assign(a),
        )
        e.add(b).add(d)

    a, b, d, e = (cm.CUDAMatrix(A) for _ in range(4))
    c = cm.CUDAMatrix(A[:, :1])
    work()
    expected = [A + 1, 2 * (A + A + 1), 3 * (A[:, :1] + (A + 1).sum(1, keepdims=True))]
    for matrix, right in zip((a, b, c), expected, strict=True):
        np.testing.assert_array_equal(matrix.asarray(), right)
    np.testing.assert_array_equal(e.asarray(), A + expected[1] + A + 1)

    for matrix in (a, b, d, e):
        matrix.overwrite(A)
    c.overwrite(A[:, :1])
    noted(work).launch()
    for matrix, right in zip((a, b, c), expected, strict=True):
        np.testing.assert_array_equal(matrix.asarray(), right)
    np.testing.assert_array_equal(e.asarray(), A + expected[1] + A + 1)


def test_sums_of_pieces_do_not_meet():
    """Each piece has its own memory for partial sums, however large they are."""
    totals = cm.learn.Totals(4)
    widths = (300, 5000, 20, 100)  # memory is taken for 4096 sums, or for more
    z = [cm.CUDAMatrix(np.full((3, n), k + 1.0)) for k, n in enumerate(widths)]
    b = cm.CUDAMatrix(np.zeros((1, 3)))

    def loss(k):
        data = cm.learn.REAL
        cm.learn.output_loss(z[k], b, zeros[k], data, totals, k)

    zeros = [cm.zeros(m.shape) for m in z]

    def work():
        cm.together(*(lambda k=k: loss(k) for k in range(4)))

    graph = noted(work, rehearsed=True)
    expected = [(k + 1) ** 2 / 2 * z[k].size for k in range(4)]
    assert totals.take().tolist() == expected
    # whoever needs more, meanwhile, does not take it away
    assert cm.CUDAMatrix(np.ones((1, 12_000))).euclid_norm() ** 2 == pytest.approx(12e3)
    graph.launch()
    assert totals.take().tolist() == expected


def test_pieces_within_pieces():
    a, b = cm.CUDAMatrix(A), cm.CUDAMatrix(A)
    inner = (lambda: a.add(1.0), lambda: a.mult(2.0))
    cm.together(lambda: cm.together(*inner), lambda: b.add(1.0))
    np.testing.assert_array_equal(a.asarray(), 2 * (A + 1))
    np.testing.assert_array_equal(b.asarray(), A + 1)


def test_too_many_pieces():
    with pytest.raises(cm.CUDAMatException, match="5 pieces .* and 4 is the most"):
        cm.together(*[lambda: None] * 5)
    with (
        cm.Graph.rehearsing(),
        pytest.raises(cm.CUDAMatException, match="there is no branch 4"),
    ):
        cm.together(lambda: lib.cm_branch(4), lambda: None)
    assert cm.together(lambda: 1, lambda: 2) == [1, 2]


def test_pieces_that_fail():
    a = cm.CUDAMatrix(A)
    for graph in (None, cm.Graph()):
        with pytest.raises(ZeroDivisionError):
            if graph is None:
                cm.together(lambda: 1 / 0, lambda: a.add(1.0))
            else:
                with graph.noting():
                    cm.together(lambda: a.add(1.0), lambda: 1 / 0)
        assert cm.together(lambda: 1, lambda: 2) == [1, 2]
    np.testing.assert_array_equal(a.asarray(), A)


@pytest.mark.parametrize("name", ["branch", "join"])
def test_pieces_need_a_fork(name):
    with pytest.raises(cm.CUDAMatException, match=f"{name}: .*fork"):
        getattr(lib, f"cm_{name}")(*[1] * len(PROTOTYPES[f"cm_{name}"]))


def test_calls_are_known_by_their_pieces():
    """On the CPU, where a graph is a list of calls."""
    a, b = cm.CUDAMatrix(A), cm.CUDAMatrix(A)

    def work():
        for _ in range(2):
            a.add(1.0)
            cm.together(lambda: a.mult(2.0), lambda: [b.add(1.0), b.mult(2.0)])

    calls = noted(work).calls
    places = [(0, 0), (1, 0), (1, 1), (1, 1), (0, 0), (2, 0), (2, 1), (2, 1)]
    expected = places if lib.kind == "cpu" else []
    assert [(call.group, call.branch) for call in calls] == expected
