"""Sequences: the layout in memory, views of steps, and batches of changing size."""

import gc

import numpy as np
import pytest

import cudamat as cm
from videolstm.models.sequence import Sequence

ROWS, STEPS = 3, 4


def frames(batch, seed=0):
    """(steps, batch, rows), exact in every precision."""
    rng = np.random.RandomState(seed)
    return rng.randint(-9, 9, (STEPS, batch, ROWS)).astype(np.float32)


@pytest.fixture
def allocations(monkeypatch):
    """The shapes that sequences ask memory for."""
    shapes = []
    empty = cm.empty

    def counted(shape):
        shapes.append(shape)
        return empty(shape)

    monkeypatch.setattr(cm, "empty", counted)
    return shapes


def test_layout_has_a_column_per_case_and_time_outermost():
    values = frames(batch=2)
    sequence = Sequence(ROWS, STEPS)
    sequence.load(values)
    columns = [values[t, b] for t in range(STEPS) for b in range(2)]
    np.testing.assert_array_equal(sequence.all.asarray(), np.array(columns).T)
    np.testing.assert_array_equal(sequence.asarray(), values)


@pytest.mark.parametrize(("first", "last"), [(0, 1), (3, 4), (1, 3), (0, 4), (2, 2)])
def test_spans_are_steps(first, last):
    values = frames(batch=5)
    sequence = Sequence(ROWS, STEPS)
    sequence.load(values)
    expected = values[first:last].reshape(-1, ROWS).T
    np.testing.assert_array_equal(sequence.span(first, last).asarray(), expected)


def test_an_index_is_a_view_of_a_step():
    values = frames(batch=2)
    sequence = Sequence(ROWS, STEPS)
    sequence.load(values)
    sequence[2].assign(7.0)
    values[2] = 7.0
    np.testing.assert_array_equal(sequence.asarray(), values)


def test_values_in_another_order_of_memory():
    values = frames(batch=2)
    sequence = Sequence(ROWS, STEPS)
    sequence.load(np.asfortranarray(values))
    np.testing.assert_array_equal(sequence.asarray(), values)


def test_batches_up_and_down_reuse_the_memory(allocations):
    sequence = Sequence(ROWS, STEPS, batch=4)
    for batch in (4, 2, 1, 3, 4):
        values = frames(batch, seed=batch)
        sequence.load(values)
        assert sequence.batch == batch
        assert sequence.all.shape == (ROWS, STEPS * batch)
        np.testing.assert_array_equal(sequence.asarray(), values)
        np.testing.assert_array_equal(sequence[1].asarray(), values[1].T)
    assert allocations == [(ROWS, STEPS * 4)]
    sequence.load(frames(5))
    np.testing.assert_array_equal(sequence[1].asarray(), frames(5)[1].T)
    assert allocations == [(ROWS, STEPS * 4), (ROWS, STEPS * 5)]


def test_the_values_have_memory_of_their_own():
    # a matrix gives out the same memory each time
    sequence = Sequence(ROWS, STEPS)
    sequence.load(frames(2))
    kept = sequence.asarray()
    copy = kept.copy()
    sequence.all.assign(7.0)
    assert (sequence.asarray() == 7).all()
    np.testing.assert_array_equal(kept, copy)


def test_growing_gives_the_old_memory_back():
    gc.collect()  # what other tests left
    before = cm.memory_in_use()
    sequence = Sequence(100, STEPS, batch=10)
    sequence[0]  # a view must not keep it
    sequence.resize(20)
    needed = 100 * STEPS * 20 * cm.real_type().itemsize
    assert cm.memory_in_use() - before == needed


@pytest.mark.parametrize("shape", [(3, 2, ROWS), (5, 2, ROWS), (STEPS, 2, 4)])
def test_other_frames_do_not_fit(shape):
    sequence = Sequence(ROWS, STEPS)
    with pytest.raises(cm.CUDAMatException, match="was given for a matrix of shape"):
        sequence.load(np.zeros(shape, np.float32))


def test_after_a_failed_growth_smaller_batches_still_work(monkeypatch):
    sequence = Sequence(ROWS, STEPS, batch=2)

    def refuse(shape):
        raise cm.CUDAMatException("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(cm, "empty", refuse)
        with pytest.raises(cm.CUDAMatException, match="out of memory"):
            sequence.resize(3)
    sequence.load(frames(2))
    np.testing.assert_array_equal(sequence.asarray(), frames(2))
