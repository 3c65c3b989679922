"""Videos that are not painted yet: as arrays, on the board, and as batches of a stream
that is the same with them as without."""

import threading
from functools import partial

import numpy as np
import pytest

import cudamat as cm
from cudamat.compose import Table
from cudamat.library import lib
from tests.videolstm.data.test_bouncing import digits, plain
from tests.videolstm.parallel.runs import write_data
from videolstm.config import read_data
from videolstm.data import make_data_handler, scenes
from videolstm.data.ahead import Ahead
from videolstm.data.bouncing import BouncingDigits
from videolstm.data.bouncing_mnist import BouncingMNIST
from videolstm.data.scenes import Scenes, compose_batches, wants_composing
from videolstm.errors import UserError
from videolstm.models.sequence import Sequence

SIZE, STEPS, COUNT = 33, 4, 5


def some(num_digits=2, seed=1):
    """Scenes, and the same painted by loops."""
    settings = (SIZE, num_digits, 0.1, STEPS)
    (frames,) = plain(digits(), seed, 1, COUNT, *settings)
    return BouncingDigits(digits(), seed, *settings).scenes(COUNT), frames


def on_board(made: Scenes) -> Scenes:
    table = Table(made.digits.images, made.digits.side)
    return Scenes(**{**vars(made), "table": table})


# ---- as an array ---------------------------------------------------------------------


@pytest.mark.parametrize("num_digits", [1, 2, 4])
def test_they_stand_for_an_array(num_digits):
    made, frames = some(num_digits)
    assert (made.shape, made.dtype, made.ndim) == (frames.shape, frames.dtype, 3)
    assert len(made) == STEPS and made.count == COUNT
    array = np.asarray(made)
    assert array.dtype == np.float32 and array.flags.c_contiguous
    np.testing.assert_array_equal(array, frames)
    assert np.asarray(made, np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.ascontiguousarray(made), frames)
    np.testing.assert_array_equal(np.concatenate([made, made], axis=1)[:, 5:], frames)
    with pytest.raises(ValueError, match="no array to share"):
        made.__array__(copy=False)


INDICES = [
    np.s_[:, :2],
    np.s_[:, 1:4],
    np.s_[:, -2:],
    np.s_[:, :99],
    np.s_[:, 4:2],
    np.s_[:, ::2],
    np.s_[:, ::-1],
    np.s_[:, 3],
    np.s_[2],
    np.s_[1:3],
    np.s_[..., 7],
    np.s_[:2, 1:, 5:9],
    np.s_[:],
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_an_index_gives_that_part_of_the_array(index):
    made, frames = some()
    np.testing.assert_array_equal(made[index], frames[index])


def test_of_some_videos_the_others_are_not_painted(monkeypatch):
    made, _ = some()
    painted = []

    def record(digits, chosen, *rest):
        painted.append(len(chosen))
        return rest[-1]

    monkeypatch.setattr(scenes, "paint", record)
    made[:, 1:3]
    assert painted == [2 * 2]


def test_parts_and_joining():
    made, frames = some()
    part = made.part(range(1, 4))
    assert part.shape == (STEPS, 3, SIZE**2)
    both = part.joined(made)
    expected = np.concatenate([frames[:, 1:4], frames], axis=1)
    np.testing.assert_array_equal(np.asarray(both), expected)
    nothing = BouncingDigits(digits(), 1, SIZE, 2, 0.1, STEPS).no_scenes()
    assert nothing.shape == (STEPS, 0, SIZE**2)
    np.testing.assert_array_equal(np.asarray(nothing.joined(made)), frames)


# ---- on the board --------------------------------------------------------------------


@pytest.mark.parametrize("where", [on_board, lambda made: made], ids=["board", "host"])
def test_they_fill_matrices_and_sequences(where):
    made, frames = some()
    made = where(made)
    matrix = cm.empty((SIZE**2, STEPS * COUNT))
    made.fill(matrix)
    np.testing.assert_array_equal(matrix.asarray().T, frames.reshape(-1, SIZE**2))
    sequence = Sequence(SIZE**2, STEPS)
    for first, last in ((0, 5), (2, 4), (0, 1), (1, 5)):  # batches up and down
        sequence.load(made.part(range(first, last)))
        np.testing.assert_array_equal(sequence.asarray(), frames[:, first:last])


def test_digits_that_are_not_shown():
    bouncing = BouncingDigits(digits(), 5, SIZE, (0, 3), 0.1, STEPS)
    made, same = (
        bouncing.scenes(9),
        BouncingDigits(digits(), 5, SIZE, (0, 3), 0.1, STEPS),
    )
    assert (made.chosen == made.digits.dark).any()
    sequence = Sequence(SIZE**2, STEPS)
    sequence.load(on_board(made))
    np.testing.assert_array_equal(sequence.asarray(), same.sequences(9))


@pytest.mark.parametrize("shape", [(SIZE**2, STEPS - 1), (SIZE**2 + 1, STEPS)])
@pytest.mark.parametrize("where", [on_board, lambda made: made], ids=["board", "host"])
def test_a_sequence_of_another_shape(shape, where):
    made, _ = some()
    with pytest.raises(cm.CUDAMatException, match="shape"):
        Sequence(*shape).load(where(made))


def test_only_numbers_go_to_the_board(monkeypatch):
    made = on_board(some()[0])
    sequence = Sequence(SIZE**2, STEPS)
    sequence.load(made)
    copied = []
    copy = lib.cm_copy_in
    monkeypatch.setattr(
        lib, "cm_copy_in", lambda to, host, n: copied.append(n) or copy(to, host, n)
    )
    before = cm.memory_in_use()
    sequence.load(made)
    # which digit and, for each frame, two corners of it, 4 bytes each
    assert copied == [COUNT * 2 * (1 + 2 * STEPS) * 4]
    assert cm.memory_in_use() == before  # and nothing is allocated


# ---- whether -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "wanted"), [("1", True), ("0", False), ("", None), (None, None)]
)
def test_the_environment_says_so_or_the_board_does(said, wanted, monkeypatch):
    monkeypatch.delenv("VIDEOLSTM_COMPOSE", raising=False)
    if said is not None:
        monkeypatch.setenv("VIDEOLSTM_COMPOSE", said)
    for kind in ("cpu", "cuda"):
        monkeypatch.setattr(lib, "kind", kind)
        assert wants_composing() is ((kind == "cuda") if wanted is None else wanted)


@pytest.mark.parametrize("said", ["2", "yes", " 1", "true"])
def test_anything_else_is_a_mistake(said, monkeypatch):
    monkeypatch.setenv("VIDEOLSTM_COMPOSE", said)
    with pytest.raises(UserError) as error:
        compose_batches()
    assert str(error.value) == (
        f"the environment variable VIDEOLSTM_COMPOSE is {said!r}, and it should be 1, "
        "to compose batches on the board, or 0, to paint them on the host"
    )


# ---- batches -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture
def handlers(folder, monkeypatch):
    """Makes a handler that paints on the host and one that composes on the board."""
    monkeypatch.setattr(BouncingMNIST, "dataset_size", 23)

    def make(part=(0, 1)):
        path = folder / "bouncing.pbtxt"
        pair = [make_data_handler(read_data(path), path, 3) for _ in range(2)]
        for said, handler in zip("01", pair, strict=True):
            handler.part = part
            monkeypatch.setenv("VIDEOLSTM_COMPOSE", said)
            assert compose_batches(handler) == []
        return pair

    return make


def assert_same(painted, composed):
    """Two batches with the same clips, of which the second is composed by a model."""
    assert isinstance(painted.frames, np.ndarray)
    assert isinstance(composed.frames, Scenes)
    assert composed.frames.shape == painted.frames.shape
    sequence = Sequence(painted.frames.shape[2], len(painted.frames))
    sequence.load(composed.frames)
    found = sequence.asarray().astype(np.float32)
    assert found.tobytes() == painted.frames.tobytes()
    assert np.array_equal(painted.clips, composed.clips)
    assert painted.labels is None and composed.labels is None


def assert_same_state(one, other):
    one, other = one.state(), other.state()
    assert one.keys() == other.keys()
    assert all(np.array_equal(value, other[key]) for key, value in one.items())


PARTS = [(0, 1), (0, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_the_stream(part, handlers):
    """Past the end of a permutation of the digits, and from a saved position on."""
    painted, composed = handlers(part)
    for _ in range(12):
        assert_same(painted.next_batch(), composed.next_batch())
        assert_same_state(painted, composed)
    state = painted.state()
    fresh = handlers(part)[1]
    fresh.restore(state)
    for _ in range(3):
        assert_same(painted.next_batch(), fresh.next_batch())


@pytest.mark.parametrize("part", PARTS, ids=str)
@pytest.mark.parametrize("size", [None, 1, 3, 5, 7, 100])
def test_epochs(part, size, handlers):
    painted, composed = handlers(part)
    state = composed.state()
    for _ in range(2):
        pairs = zip(painted.epoch(size), composed.epoch(size), strict=True)
        count = 0
        for one, other in pairs:
            assert_same(one, other)
            count += one.frames.shape[1]
        assert count == len(painted.own_part(23))
    assert all(np.array_equal(v, state[k]) for k, v in composed.state().items())


def test_made_ahead(handlers, monkeypatch):
    """In the background only the numbers are drawn: one thread uses the board."""
    painted, composed = handlers()
    threads = set()
    compose = Table.compose

    def record(*arguments):
        threads.add(threading.current_thread())
        return compose(*arguments)

    monkeypatch.setattr(Table, "compose", record)
    with Ahead(composed) as ahead:
        for _ in range(9):
            assert_same(painted.next_batch(), ahead.next_batch())
            assert_same_state(painted, ahead)
        for pair in zip(painted.epoch(4), ahead.epoch(4), strict=True):
            assert_same(*pair)
    assert_same_state(painted, composed)
    assert threads == {threading.main_thread()}


def test_data_that_are_read_stay_arrays(folder, monkeypatch):
    monkeypatch.setenv("VIDEOLSTM_COMPOSE", "1")
    path = folder / "patches.pbtxt"
    handler = make_data_handler(read_data(path), path)
    assert compose_batches(handler) == []
    assert isinstance(handler.next_batch().frames, np.ndarray)


@pytest.mark.parametrize(("less", "composed"), [(0, True), (1, False)])
def test_digits_take_a_quarter_of_the_free_memory_at_most(
    less, composed, handlers, monkeypatch
):
    handler = handlers()[0]
    images = handler.videos.digits.images
    size = (images.count * 28**2) * cm.real_type().itemsize
    monkeypatch.setattr(cm, "memory_free", partial(int, 4 * size - less))
    notes = compose_batches(handler)
    assert isinstance(handler.next_batch().frames, Scenes) is composed
    if not composed:
        (note,) = notes
        assert note.startswith(f"{handler.path}: the digits would take ")
        assert note.endswith(" are free, so batches are painted on the host")
