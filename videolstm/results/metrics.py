"""How good predictions are, in numbers: for each frame, and for all.

Of n frames v of D values and their predictions p:

    loss   binary data: cross-entropy -sum v log p + (1 - v) log(1 - p), in nats, from
           the model's logits; else half the squared error; summed over a frame
    least  binary data: the entropy -sum v log v + (1 - v) log(1 - v) of the frame
           itself, below which no prediction's cross-entropy can be
    mse    sum (p - v)^2 and mae sum |p - v|, over a frame, as OpenSTL counts them, and
           mse_per_value, mae_per_value: divided by D
    ssim   structural similarity and psnr, peak signal-to-noise ratio in dB, by
           scikit-image: of images only, where it is installed

each averaged over the frames. The baseline `copy` predicts that the future is the last
frame that the model has read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from videolstm.results.answers import Answer

SSIM_WINDOW = 7  # pixels; scikit-image's own, a flat window

METRICS = (
    "loss",
    "least",
    "mse",
    "mae",
    "mse_per_value",
    "mae_per_value",
    "ssim",
    "psnr",
)

Similarity = Callable[[np.ndarray, np.ndarray], tuple[float, float]]


@dataclass(frozen=True)
class Score:
    """The numbers of one frame of a part, or of all its frames (frame None).

    part: ``reconstruction`` or ``future``. frame: in the video, from 1. predictor:
    ``model`` or ``copy``. values: by the names of METRICS, those that there are.
    """

    part: str
    frame: int | None
    predictor: str
    values: dict[str, float]


class Metrics:
    """Adds up the numbers of many videos, batch by batch.

    binary: whether losses are cross-entropies. frame_shape: (channels, height, width),
    or None for feature vectors. data_range: the largest value that there can be less
    the least, for SSIM and PSNR.

    Attributes: cases: videos so far. without: why there is no SSIM and PSNR, or "".
    """

    def __init__(
        self,
        binary: bool,
        frame_shape: tuple[int, int, int] | None,
        data_range: float = 1.0,
    ) -> None:
        self.binary = binary
        self.data_range = data_range
        self.cases = 0
        self._similarity, self.without = image_metrics(frame_shape, data_range)
        # sums over the videos, by part, frame and predictor
        self._sums: dict[tuple[str, int, str], dict[str, float]] = {}

    def add(self, answer: Answer) -> None:
        """Counts the videos of an answer."""
        self.cases += answer.truth.shape[1]
        for part, first, frames in answer.parts:
            for t, predicted in enumerate(frames):
                truth = np.asarray(answer.truth[first + t], np.float64)
                values = self._errors(truth, np.asarray(predicted, np.float64))
                values["loss"] = float(answer.losses[part][t])
                if self.binary:
                    values["least"] = entropy(truth)
                self._count(part, first + t, "model", values)
                if part == "future":
                    last = np.asarray(answer.truth[answer.past - 1], np.float64)
                    copied = self._errors(truth, last)
                    if not self.binary:
                        copied["loss"] = copied["mse"] / 2
                    self._count(part, first + t, "copy", copied)

    def scores(self) -> Iterator[Score]:
        """The means over the videos: by part and predictor, each frame in order, then
        all frames of the part."""
        groups: dict[tuple[str, str], list[dict[str, float]]] = {}
        for (part, frame, predictor), sums in sorted(
            self._sums.items(), key=lambda item: (item[0][0] == "future", item[0])
        ):
            means = {name: value / self.cases for name, value in sums.items()}
            groups.setdefault((part, predictor), []).append(means)
            yield Score(part, frame + 1, predictor, means)
        for (part, predictor), rows in groups.items():
            means = {name: float(np.mean([r[name] for r in rows])) for name in rows[0]}
            yield Score(part, None, predictor, means)

    def _count(
        self, part: str, frame: int, predictor: str, values: dict[str, float]
    ) -> None:
        sums = self._sums.setdefault((part, frame, predictor), {})
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value

    def _errors(self, truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
        """What does not depend on the model, summed over n frames (n, dims)."""
        difference = predicted - truth
        mse, mae = float((difference**2).sum()), float(np.abs(difference).sum())
        dims = truth.shape[1]
        values = {"mse": mse, "mae": mae}
        values |= {"mse_per_value": mse / dims, "mae_per_value": mae / dims}
        if self._similarity is not None:
            pairs = np.array(list(map(self._similarity, truth, predicted)))
            values["ssim"], values["psnr"] = map(float, pairs.sum(axis=0))
        return values


def entropy(values: np.ndarray) -> float:
    """Sum of -v log v - (1 - v) log(1 - v), in nats; 0 log 0 is 0, and so is what lies
    outside 0..1."""
    v = values[(values > 0) & (values < 1)]
    return float(-(v * np.log(v) + (1 - v) * np.log1p(-v)).sum())


def image_metrics(
    frame_shape: tuple[int, int, int] | None, data_range: float
) -> tuple[Similarity | None, str]:
    """A function that gives SSIM and PSNR of two frames (dims,), or None and why there
    is none."""
    if frame_shape is None:
        return None, "the frames are feature vectors, which have no SSIM and PSNR"
    if min(frame_shape[1:]) < SSIM_WINDOW:
        return None, (
            f"frames of {frame_shape[1]}x{frame_shape[2]} pixels are smaller than "
            f"SSIM's window of {SSIM_WINDOW}x{SSIM_WINDOW}: no SSIM and PSNR"
        )
    try:
        from skimage.metrics import peak_signal_noise_ratio, structural_similarity
    except ImportError:
        return None, (
            "no SSIM and PSNR, because scikit-image is not installed: "
            "pip install scikit-image"
        )
    grey = frame_shape[0] == 1
    shape = frame_shape[1:] if grey else frame_shape

    def similarity(truth: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
        truth, predicted = truth.reshape(shape), predicted.reshape(shape)
        ssim = structural_similarity(
            truth,
            predicted,
            win_size=SSIM_WINDOW,
            data_range=data_range,
            channel_axis=None if grey else 0,
        )
        with np.errstate(divide="ignore"):  # of equal frames it is infinite
            psnr = peak_signal_noise_ratio(truth, predicted, data_range=data_range)
        return ssim, psnr

    return similarity, ""
