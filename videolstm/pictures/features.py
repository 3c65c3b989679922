"""What a model's units look for and draw: weights as pictures.

The encoder's input weights of a unit, one picture for each of its gates, and its output
weights in the decoder and in the future predictor (the paper, section 4.2). Of each
kind those units are shown whose weights have the largest norm.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videolstm.models.composite import LSTMCombo
from videolstm.pictures.sequences import DPI, FAINT_INK, INK

_UNITS = 100  # shown of each kind
_ACROSS = 10
_GATES = ("input gate", "forget gate", "cell input", "output gate")


def largest(weights: np.ndarray, count: int = _UNITS) -> np.ndarray:
    """The units (rows, or rows of the last two axes' first) with the largest norm.

    weights: (..., units, dims); the norm is over dims and all the axes before. Returns
    their numbers, the largest first, at most `count`.
    """
    axes = (*range(weights.ndim - 2), weights.ndim - 1)
    norms = np.sqrt((weights.astype(np.float64) ** 2).sum(axis=axes))
    return np.argsort(-norms, kind="stable")[:count]


def panels(model: LSTMCombo) -> Iterator[tuple[str, np.ndarray]]:
    """The weights to show: a caption and (units, dims), the largest norm first. In the
    panels of the encoder's gates a place is always the same unit."""
    layer = model.encoder.layers[0]
    weights = layer.w_input.asarray().reshape(4, layer.num_hid, -1)
    units = largest(weights)
    for gate, name in zip(weights, _GATES, strict=True):
        yield f"{layer.name}: input weights, {name}", gate[units]
    for decoder, what in ((model.decoder, "decoder"), (model.future, "predictor")):
        if decoder is not None:
            top = decoder.stack.top
            weights = top.w_output.asarray().T
            yield f"{top.name}: output weights of the {what}", weights[largest(weights)]


def features_figure(
    model: LSTMCombo, frame_shape: tuple[int, int, int] | None, title: str
) -> Figure:
    """All panels of a model, as `weights_figure` draws them."""
    return weights_figure(list(panels(model)), frame_shape, title)


def weights_figure(
    shown: list[tuple[str, np.ndarray]],
    frame_shape: tuple[int, int, int] | None,
    title: str,
) -> Figure:
    """Panels of a caption and weights (units, dims): weights for images are tiles, grey
    where they are 0; weights for feature vectors are rows of a heat map."""
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    width = 4.6
    height = width * max(_aspect(weights, frame_shape) for _, weights in shown) + 0.45
    figure = Figure(
        figsize=(width * across, height * down + 0.5), dpi=DPI, layout="constrained"
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK, parse_math=False)
    places = figure.subplots(down, across, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, (caption, weights) in zip(places, shown, strict=False):
        _panel(axes, caption, weights, frame_shape)
    return figure


def _panel(
    axes: Axes,
    caption: str,
    weights: np.ndarray,
    frame_shape: tuple[int, int, int] | None,
) -> None:
    # A few pixels may be far above all others: they are clipped.
    scale = float(np.percentile(np.abs(weights), 99.8)) or 1.0
    if frame_shape is None:
        axes.imshow(weights, cmap="RdBu_r", vmin=-scale, vmax=scale, aspect="auto")
    else:
        levels = 0.5 + weights / (2 * scale)
        axes.imshow(mosaic(levels.clip(0, 1), frame_shape), interpolation="nearest")
    axes.set_title(caption, fontsize=9, color=INK, parse_math=False)
    note = f"{len(weights)} units, grey is 0, black and white are ±{scale:.2g}"
    if frame_shape is None:
        note = f"a row for each of {len(weights)} units; white is 0, ±{scale:.2g}"
    axes.text(
        0.5, -0.01, note, transform=axes.transAxes, ha="center", va="top",
        fontsize=7.5, color=FAINT_INK,
    )  # fmt: skip


def _aspect(weights: np.ndarray, frame_shape: tuple[int, int, int] | None) -> float:
    """Height of a panel for a width of 1."""
    if frame_shape is None:
        return 1.0
    _, height, width = frame_shape
    across = min(_ACROSS, len(weights))
    return -(-len(weights) // across) * height / (across * width)


def mosaic(levels: np.ndarray, frame_shape: tuple[int, int, int]) -> np.ndarray:
    """Pictures (units, dims) of 0..1, ten in a row, as one (height, width, 3)."""
    channels, height, width = frame_shape
    images = levels.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    across = min(_ACROSS, len(images))
    down = -(-len(images) // across)
    whole = np.ones((down * (height + 1) - 1, across * (width + 1) - 1, 3))
    for number, image in enumerate(images):
        row, column = divmod(number, across)
        y, x = row * (height + 1), column * (width + 1)
        whole[y : y + height, x : x + width] = image
    return whole
