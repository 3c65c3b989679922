"""The picture of a batch: its first videos, and what the model makes of them."""

from __future__ import annotations

import os

import numpy as np

from videolstm.models.composite import LSTMCombo
from videolstm.results.answers import answer


def values_drawn(model: LSTMCombo, truth: np.ndarray) -> tuple[float, float]:
    """The values drawn black and white: 0 and 1, or, for real-valued data, the least
    and the largest of `truth`."""
    if model.binary:
        return 0.0, 1.0
    low, high = float(truth.min()), float(truth.max())
    return low, high if high > low else low + 1.0


def draw_batch(
    model: LSTMCombo,
    frames: np.ndarray,
    frame_shape: tuple[int, int, int] | None,
    path: str | os.PathLike,
    title: str,
) -> None:
    """Draws videos (num_frames, n, dims), and below each what the model makes of it, as
    in testing: the reconstruction in natural order, then the future, free-running."""
    # here, because matplotlib takes longer to import than all the rest together
    from videolstm.pictures.sequences import sequence_picture

    made = answer(model, frames)
    sequence_picture(
        path,
        made.truth,
        made.reconstruction,
        made.future,
        frame_shape=frame_shape,
        title=title,
        value_range=values_drawn(model, made.truth),
    )
