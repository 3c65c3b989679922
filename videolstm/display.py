"""What a model makes of some videos, as pictures."""

from __future__ import annotations

import os

import numpy as np

from videolstm.composite import LSTMCombo


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
    from videolstm.pictures import sequence_picture

    model.load(frames)
    model.fprop(train=False)
    truth = model.frames.asarray()  # squashed, where the model squashes its data
    reconstruction = future = None
    if model.decoder is not None:
        reconstruction = model.decoder.predictions()[::-1]
    if model.future is not None:
        future = model.future.predictions()
    low, high = 0.0, 1.0
    if not model.binary:
        low, high = float(truth.min()), float(truth.max())
    sequence_picture(
        path,
        truth,
        reconstruction,
        future,
        frame_shape=frame_shape,
        title=title,
        value_range=(low, high if high > low else low + 1.0),
    )
