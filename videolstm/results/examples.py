"""Which clips stand for a data set in a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videolstm.data import DataHandler


def spread(videos: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` places in `videos`, the video of each clip, (clips,).

    The videos take turns in the order in which they come, so that each is there before
    one is there again. Of a video that is there k times the clips are an equal number
    of its clips apart, from its first one on. Where each clip is a video of its own
    these are the first places.
    """
    _, starts, clips = np.unique(videos, return_index=True, return_counts=True)
    order = np.argsort(starts)[:count]
    room = clips[order]
    times = np.zeros_like(room)
    while (left := min(count, room.sum()) - times.sum()) > 0:
        times[np.flatnonzero(times < room)[:left]] += 1
    own = [
        np.flatnonzero(videos == videos[starts[video]])[np.arange(k) * n // k]
        for video, n, k in zip(order, room, times, strict=True)
    ]
    turns = range(max(times, default=0))
    places = [places[turn] for turn in turns for places in own if turn < len(places)]
    return np.array(places, np.int64)


def example_clips(
    data: DataHandler, cases: int, count: int, among: np.ndarray | None = None
) -> np.ndarray:
    """Numbers of up to `count` of the first `cases` clips of an epoch, `spread` over
    the videos of these. among: those that are to be preferred."""
    clips = np.arange(cases)
    if among is not None and (preferred := among[among < cases]).size:
        clips = preferred
    return clips[spread(data.videos_of_clips()[0][clips], count)]


def read_clips(data: DataHandler, clips: Sequence[int]) -> np.ndarray:
    """The clips of an epoch that have these numbers, in their order, float32 (frames,
    clips, dims), C order."""
    found: dict[int, np.ndarray] = {}
    wanted, seen = set(map(int, clips)), 0
    for batch in data.epoch():
        here = sorted(wanted.intersection(range(seen, seen + batch.frames.shape[1])))
        if here:
            frames = batch.frames[:, [clip - seen for clip in here]]
            found.update(zip(here, frames.swapaxes(0, 1), strict=True))
        seen += batch.frames.shape[1]
        if len(found) == len(wanted):
            break
    return np.stack([found[int(clip)] for clip in clips], axis=1)
