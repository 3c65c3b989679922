"""Processes that share a data set: together they have what one would."""

import numpy as np
import pytest

from tests.videolstm.parallel.runs import write_data
from videolstm.config import read_data
from videolstm.data import make_data_handler
from videolstm.data.bouncing_mnist import BouncingMNIST

KINDS = ("bouncing", "patches", "unlabelled", "cropped")
RANKS = (1, 2, 3, 5)
BATCHES = 9  # past the end of a pass of each


@pytest.fixture(autouse=True)
def few_videos(monkeypatch):
    monkeypatch.setattr(BouncingMNIST, "dataset_size", 23)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


def handler_of(folder, kind, part=(0, 1)):
    path = folder / f"{kind}.pbtxt"
    handler = make_data_handler(read_data(path), path, 3)
    handler.part = part
    return handler


def same(one, other) -> bool:
    return (one is None and other is None) or np.array_equal(one, other)


def together(batches):
    """The parts of a batch, one after the other."""
    labels = [batch.labels for batch in batches]
    return (
        np.concatenate([batch.frames for batch in batches], axis=1),
        None if labels[0] is None else np.concatenate(labels),
        np.concatenate([batch.clips for batch in batches]),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ranks", RANKS)
def test_the_stream(kind, ranks, folder):
    whole = handler_of(folder, kind)
    parts = [handler_of(folder, kind, (rank, ranks)) for rank in range(ranks)]
    for _ in range(BATCHES):
        batch = whole.next_batch()
        shared = [part.next_batch() for part in parts]
        sizes = [piece.frames.shape[1] for piece in shared]
        assert sum(sizes) == whole.batch_size and max(sizes) - min(sizes) <= 1
        for found, expected in zip(
            together(shared), (batch.frames, batch.labels, batch.clips), strict=True
        ):
            assert same(found, expected)
    state = whole.state()
    for part in parts:
        own = part.state()
        assert own.keys() == state.keys()
        assert all(np.array_equal(own[key], value) for key, value in state.items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ranks", [*RANKS, 40])
@pytest.mark.parametrize("size", [None, 1, 4, 100])
def test_epochs(kind, ranks, size, folder):
    """Also where there are fewer clips than processes."""
    whole = list(handler_of(folder, kind).epoch(size))
    parts = [
        batch
        for rank in range(ranks)
        for batch in handler_of(folder, kind, (rank, ranks)).epoch(size)
    ]
    for found, expected in zip(together(parts), together(whole), strict=True):
        assert same(found, expected)
    most = size or handler_of(folder, kind).batch_size
    assert max(batch.frames.shape[1] for batch in parts) <= most


def test_what_others_have_is_not_read(folder, monkeypatch):
    handler = handler_of(folder, "unlabelled", (1, 3))
    read = []
    views = handler._views
    monkeypatch.setattr(
        handler, "_views", lambda clip, rng: read.append(clip) or views(clip, rng)
    )
    batch = handler.next_batch()
    assert read == batch.clips.tolist()
    assert len(read) < handler.batch_size
