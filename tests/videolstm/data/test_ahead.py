"""Batches made in the background: the same ones, the position, errors, how it stops."""

import gc
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.videolstm.data.test_golden_data import Case
from tests.videolstm.helpers import describe, make, weights_of
from videolstm.data.ahead import Ahead, Background
from videolstm.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
# one that is endless, one that is shuffled again and again, one with a partial batch
NAMES = ("bouncing_mnist_2digit", "labelled_stride1_rand", "video_patch_partial")


def handler(name):
    case = Case(name)
    case.expect.close()
    return case.handler


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    gc.collect()
    assert threading.active_count() == before


def assert_same(one, two):
    assert np.array_equal(one.frames, two.frames)
    assert np.array_equal(one.clips, two.clips)
    if one.labels is not None:
        assert np.array_equal(one.labels, two.labels)


def assert_same_state(one, two):
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert np.array_equal(value, two[key]), key


# ---- what is made --------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_batches_and_positions_are_the_handler_s(name):
    plain = handler(name)
    with Ahead(handler(name)) as ahead:
        assert_same_state(ahead.state(), plain.state())
        for _ in range(9):
            assert_same(ahead.next_batch(), plain.next_batch())
            assert_same_state(ahead.state(), plain.state())
    assert_same_state(ahead.handler.state(), plain.state())
    assert_same(ahead.handler.next_batch(), plain.next_batch())


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_where_batches_were_taken(name):
    with Ahead(handler(name)) as ahead:
        for _ in range(3):
            ahead.next_batch()
        state = ahead.state()
        wanted = [ahead.next_batch() for _ in range(4)]
        ahead.restore(state)
        for batch in wanted:
            assert_same(ahead.next_batch(), batch)
    other = handler(name)
    other.restore(state)
    for batch in wanted:
        assert_same(other.next_batch(), batch)


@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_is_the_handler_s_and_the_stream_does_not_notice(name):
    plain = handler(name)
    with Ahead(handler(name)) as ahead:
        for source in (plain, ahead.handler):
            if source.endless:
                source.dataset_size = 7  # not 10,000
        assert_same(ahead.next_batch(), plain.next_batch())
        for size in (None, 2):
            found, wanted = list(ahead.epoch(size)), list(plain.epoch(size))
            for one, two in zip(found, wanted, strict=True):
                assert_same(one, two)
        assert_same(ahead.next_batch(), plain.next_batch())


def test_training_gives_the_same_bytes():
    """Whether batches come from the background, and however the threads take turns."""
    results = []
    for source in (handler, lambda name: Ahead(handler(name))) * 2:
        data = source("bouncing_mnist_1digit")
        steps = data.num_frames // 2
        model = make(describe((5,), data.frame_dims, steps, data.num_frames - steps))
        for _ in range(6):
            model.train_step(data.next_batch().frames)
        results.append({name: w.tobytes() for name, w in weights_of(model).items()})
        if isinstance(data, Ahead):
            data.close()
    assert results[1:] == results[:1] * 3


def test_reset_begins_a_pass():
    plain, ahead = handler("video_patch_partial"), Ahead(handler("video_patch_partial"))
    for source in (plain, ahead):
        source.next_batch()
        source.reset()
    assert_same(ahead.next_batch(), plain.next_batch())
    ahead.close()


def test_the_rest_is_the_handler_s():
    ahead = Ahead(handler("labelled_stride1_rand"))
    for name in ("frame_shape", "dataset_size", "notes", "kind", "path", "labels"):
        assert getattr(ahead, name) is getattr(ahead.handler, name)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ahead.nonsense


# ---- how far ahead -------------------------------------------------------------------


def settled(made: list) -> int:
    """Length of a list that a thread adds to, once it has been the same for a while."""
    length = -1
    while length != len(made):
        length = len(made)
        time.sleep(0.05)
    return length


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_than_that_is_made_ahead(most):
    made = []
    items = Background((made.append(k) or k for k in range(100)), most)
    assert settled(made) == 0
    for taken in range(3):
        assert next(items) == taken
        assert settled(made) == taken + 1 + most
    items.close()
    assert settled(made) == 3 + most
    with pytest.raises(StopIteration):
        next(items)


def test_it_is_made_while_the_one_before_is_in_use():
    """The next item is there although nobody has asked for it."""
    ready = [threading.Event() for _ in range(3)]
    items = Background(ready[k].set() or k for k in range(3))
    next(items)
    assert ready[1].wait(timeout=10)
    assert list(items) == [1, 2]


# ---- errors and the end --------------------------------------------------------------


def broken_after(count):
    yield from range(count)
    raise UserError("vid.h5: gone")


def test_an_error_comes_in_its_turn():
    items = Background(broken_after(3))
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UserError, match="^vid.h5: gone$"):
        next(items)
    assert list(items) == []


def test_an_error_of_a_data_set_leaves_the_position():
    data = handler("labelled_stride1_rand")
    next_batch, calls = data.next_batch, []

    def sometimes():
        calls.append(0)
        if len(calls) == 3:
            raise UserError("features.h5: gone")
        return next_batch()

    data.next_batch = sometimes
    plain = handler("labelled_stride1_rand")
    ahead = Ahead(data)
    for _ in range(2):
        assert_same(ahead.next_batch(), plain.next_batch())
    with pytest.raises(UserError, match="gone"):
        ahead.next_batch()
    assert_same_state(ahead.state(), plain.state())
    assert_same(ahead.next_batch(), plain.next_batch())
    ahead.close()


def test_it_stops_with_whoever_used_it():
    ahead = Ahead(handler("bouncing_mnist_1digit"))
    ahead.next_batch()
    epoch = ahead.epoch()
    next(epoch)
    del epoch, ahead  # no_thread_is_left does the rest


@pytest.mark.parametrize("end", ["", "raise SystemExit(3)", "raise KeyError(1)"])
def test_a_program_ends_with_a_thread_at_work(end):
    script = (
        "import itertools, time\n"
        "from videolstm.data.ahead import Background\n"
        "items = Background(time.sleep(0.02) or k for k in itertools.count())\n"
        "print(next(items), next(items))\n"
        f"{end}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == "0 1\n"
    assert done.returncode == {"": 0, "raise SystemExit(3)": 3}.get(end, 1)
    assert ("KeyError" in done.stderr) == ("KeyError" in end)
    assert "hread" not in done.stderr
