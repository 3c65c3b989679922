"""Cutting videos into clips of a fixed number of frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videolstm.data.handler import DataHandler
from videolstm.errors import UserError
from videolstm.limits import check_memory

# Its video, its first frame, its place in the order, and copies of these.
_BYTES_OF_CLIP = 64


def cut_clips(
    counts: np.ndarray, num_frames: int, stride: int, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Clips of `num_frames` frames from videos of `counts` frames, every `stride`.

    Returns, for each clip, its video (an index into `counts`) and its first frame in
    that video. A video that is too short has none. Raises UserError, naming the
    description `path`, where there are more clips than memory.
    """
    clips = sum(max(0, n - num_frames + stride) // stride for n in counts.tolist())
    check_memory(
        _BYTES_OF_CLIP * clips, f"{path}: the list of the {clips} clips of its videos"
    )
    starts = [np.arange(0, max(0, n - num_frames + 1), stride) for n in counts]
    sizes = [len(start) for start in starts]
    return np.repeat(np.arange(len(counts)), sizes), np.concatenate(starts)


def note_short(handler: DataHandler, counts: np.ndarray) -> None:
    """Note how many videos are too short; raise UserError where all of them are."""
    short = int((counts < handler.num_frames).sum())
    if short == len(counts):
        raise UserError(
            f"{handler.path}: the field num_frames is {handler.num_frames}, and none "
            f"of the {len(counts)} videos is that long (the longest has {max(counts)} "
            "frames)"
        )
    if short:
        handler.notes.append(
            f"{handler.path}: skipped {short} of {len(counts)} videos, which are "
            f"shorter than num_frames {handler.num_frames}"
        )
