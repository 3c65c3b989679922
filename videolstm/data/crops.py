"""Random crops of image features, and their normalisation by colour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videolstm.config import locate
from videolstm.data.files import h5_dataset, open_h5
from videolstm.data.handler import MOST_PIXELS, DataHandler
from videolstm.errors import UserError
from videolstm.outside.h5 import H5Dataset


@dataclass(frozen=True, eq=False)
class Crops:
    """How a frame (colours, image height, image width) becomes crops of it.

    image, patch: (height, width) in pixels. mean, std: (colours,), or None.
    """

    colours: int
    image: tuple[int, int]
    patch: tuple[int, int]
    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    @property
    def dims(self) -> int:
        """Numbers in a crop of a frame."""
        return self.colours * self.patch[0] * self.patch[1]

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(colours, height, width) of a crop, or None where frames are no images."""
        return (self.colours, *self.patch) if self.image != (1, 1) else None

    def cut(
        self, frames: np.ndarray, rng: np.random.RandomState, count: int
    ) -> np.ndarray:
        """`count` crops of a clip (num_frames, dims): (count, num_frames, dims).

        All frames of a clip are cut at the same place. The places of x are drawn before
        those of y, and none where there is no slack. As in the 2016 release the last
        place of all is never taken.
        """
        left, top = self.draw(rng, count)
        height, width = self.patch
        if self.patch == self.image and self.mean is None:
            return np.broadcast_to(frames, (count, *frames.shape))
        images = frames.reshape(len(frames), self.colours, *self.image)
        # In double precision, as the release normalises, and rounded once at the end.
        crops = np.empty((count, len(frames), self.colours, height, width))
        for crop, y, x in zip(crops, top, left, strict=True):
            crop[:] = images[:, :, y : y + height, x : x + width]
        if self.mean is not None:
            crops -= self.mean[:, None, None]
            crops /= self.std[:, None, None]
        with np.errstate(over="ignore"):  # what is too large becomes infinite
            return crops.reshape(count, len(frames), -1).astype(np.float32)

    def draw(
        self, rng: np.random.RandomState, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Left and top corners of `count` crops of a clip."""
        left = self._offsets(self.image[1] - self.patch[1], rng, count)
        top = self._offsets(self.image[0] - self.patch[0], rng, count)
        return left, top

    @staticmethod
    def _offsets(slack: int, rng: np.random.RandomState, count: int) -> np.ndarray:
        return rng.choice(slack, size=count) if slack > 0 else np.zeros(count, int)


def read_crops(handler: DataHandler, dims: int) -> Crops:
    """The crops that a handler's description asks for; `dims`: numbers in a frame."""
    image = (_size(handler, "image_size_y", 1), _size(handler, "image_size_x", 1))
    patch = (
        _size(handler, "patch_size_y", image[0]),
        _size(handler, "patch_size_x", image[1]),
    )
    for axis, i, p in zip("yx", image, patch, strict=True):
        if p > i:
            raise UserError(
                f"{handler.path}: the field patch_size_{axis} is {p}, and it should be "
                f"at most image_size_{axis}, which is {i}"
            )
    colours = _size(handler, "num_colors", dims, most=dims)
    if colours * image[0] * image[1] != dims:
        raise UserError(
            f"{handler.path}: the fields num_colors, image_size_y and image_size_x are "
            f"{colours}, {image[0]} and {image[1]}, and their product should be the "
            f"{dims} numbers of a frame of {handler.config.data_file}"
        )
    if not handler.config.mean_file:
        return Crops(colours, image, patch)
    file = locate(handler.config.mean_file, handler.path, "mean_file")
    mean, std = _read_mean(file, colours)
    return Crops(colours, image, patch, mean, std)


def _size(
    handler: DataHandler, field: str, default: int, most: int = MOST_PIXELS
) -> int:
    """A size, where 0 stands for the default."""
    return handler.positive(field, most) if getattr(handler.config, field) else default


def _read_mean(path: Path, colours: int) -> tuple[np.ndarray, np.ndarray]:
    with open_h5(path) as file:
        found = {
            name: _colour_values(h5_dataset(file, name, "mean_file"), path, colours)
            for name in ("pixel_mean", "pixel_std")
        }
    for name, values in found.items():
        if not np.isfinite(values).all() or (
            name == "pixel_std" and (values <= 0).any()
        ):
            raise UserError(
                f"{path}: the dataset {name!r} has a value that is not finite or not "
                "above 0, and a mean should be finite and a standard deviation above 0"
            )
    return found["pixel_mean"], found["pixel_std"]


def _colour_values(dataset: H5Dataset, path: Path, colours: int) -> np.ndarray:
    name = dataset.name.lstrip("/")
    if dataset.shape != (colours,):
        raise UserError(
            f"{path}: the dataset {name!r} has the shape {dataset.shape}, and it "
            f"should be ({colours},), one value per colour"
        )
    return dataset[()]
