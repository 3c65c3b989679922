"""What a Watch notes of an update and of sums that stay on the board."""

import numpy as np
import pytest

import cudamat as cm
from cudamat import learn

# Short loops and long ones, which several threads share; places in full vectors, in
# what is left over, and in the last thread's part.
SIZES = {1: [0], 37: [0, 36], 20011: [0, 9000, 20010]}
BAD = [np.nan, np.inf, -np.inf]
BEFORE, GRADIENT, AFTER = range(learn.UPDATE_NOTES)
PLACES = [(size, place) for size, places in SIZES.items() for place in places]


def matrices(size: int, rms: bool) -> dict[str, cm.CUDAMatrix]:
    rng = np.random.default_rng(size)
    names = ["w", "history", "gradient"] + ["rms"] * rms
    return {name: cm.CUDAMatrix(rng.uniform(0.5, 1, (1, size))) for name in names}


def update(given: dict, watch=None, index=0, **settings) -> None:
    settings = {"momentum": 0.9, "epsilon": 0.01, "l2_decay": 0.1} | settings
    learn.update(*given.values(), watch=watch, index=index, **settings)


@pytest.mark.parametrize("rms", [False, True])
@pytest.mark.parametrize(("size", "place"), PLACES)
@pytest.mark.parametrize("bad", BAD, ids=str)
def test_each_kind_has_its_note(bad, size, place, rms):
    # A gradient spoils the weight, too, but for these: infinity is clipped, and with
    # rms NaN is lost (its root is not above 0), so that only the note tells.
    harmless = np.isnan(bad) if rms else np.isinf(bad)
    stories = {
        # with rms the square of a weight's decay counts as the gradient's
        "w": {BEFORE, AFTER} | ({GRADIENT} if rms else set()),
        "gradient": {GRADIENT} if harmless else {GRADIENT, AFTER},
        "history": {AFTER} if np.isnan(bad) else set(),
    }
    for name, kinds in stories.items():
        given = matrices(size, rms)
        given[name].write_value(0, place, bad)
        watch = learn.Watch(5)
        watch.step = 7
        update(given, watch, 1, gradient_clip=0.5)
        expected = [7 if index - 1 in kinds else 0 for index in range(5)]
        assert watch.read().tolist() == expected, name
        assert watch.found() == bool(kinds)


def test_the_first_step_stays():
    watch, given = learn.Watch(3), matrices(37, False)
    for watch.step in (1, 2, 3, 4):
        given["gradient"].write_value(0, 5, np.nan if watch.step > 2 else 1.0)
        update(given, watch)
    # what went wrong in step 3 is where step 4 begins
    assert watch.read().tolist() == [4, 3, 3]
    watch.clear()
    assert not watch.found() and watch.read().tolist() == [0, 0, 0]


def test_a_weight_that_overflows_has_a_fine_gradient():
    largest = float(np.finfo(cm.real_type()).max)
    watch, given = learn.Watch(3), matrices(37, False)
    given["w"].assign(largest)
    given["history"].assign(largest)
    update(given, watch, momentum=1.0, l2_decay=0.0)
    assert watch.read().tolist() == [0, 0, 1]


def test_a_square_that_overflows_counts_as_the_gradient():
    large = float(np.finfo(cm.real_type()).max) / 4
    watch, given = learn.Watch(3), matrices(37, True)
    given["gradient"].write_value(0, 9, large)
    update(given, watch, l2_decay=0.0)
    assert watch.read().tolist() == [0, 1, 0]


@pytest.mark.parametrize("rms", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_watching_changes_nothing(size, rms):
    plain, watched = matrices(size, rms), matrices(size, rms)
    watch = learn.Watch(3)
    for given, more in ((plain, {}), (watched, {"watch": watch})):
        for _ in range(2):
            update(given, gradient_clip=0.02, **more)
    assert not watch.found()
    for name, matrix in plain.items():
        assert matrix.asarray().tobytes() == watched[name].asarray().tobytes(), name


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_totals(bad):
    totals, watch = learn.Totals(3), learn.Watch(2)
    totals.write([1e300, bad, 3])
    watch.step = 5
    for which, index in ((0, 0), (1, 1), (2, 0)):
        watch.total(totals, which, index)
    assert watch.read().tolist() == [0, 5]


def test_places_that_there_are_not():
    watch = learn.Watch(4)
    for index in (-1, 2, 100):
        with pytest.raises(cm.CUDAMatException, match=f"no note {index}; there are 4"):
            update(matrices(1, False), watch, index)
    assert learn.Watch(0).read().tolist() == []


def test_memory_is_given_back():
    before = cm.memory_in_use()
    watch = learn.Watch(100)
    assert cm.memory_in_use() == before + 8 * 101
    del watch
    assert cm.memory_in_use() == before
