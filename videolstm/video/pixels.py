"""Frames as a convolutional net wants them: size, order of colours, mean and scale.

A net reads x = (pixel - mean) / std, with pixels from 0 to 255 and a mean and a std for
each colour, in the order of its colours. The presets are those of the nets that people
have:

imagenet     torchvision, timm and most others: RGB, mean 0.485, 0.456, 0.406 and std
             0.229, 0.224, 0.225 of pixels from 0 to 1
caffe-vgg    VGG as its authors published it, and what was converted from it: BGR, the
             mean 103.939, 116.779, 123.68 is taken off
unit         RGB from 0 to 1
symmetric    RGB from -1 to 1
bytes        RGB from 0 to 255
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from videolstm.errors import UserError
from videolstm.video.frame import grey, new_size

COLOURS = ("rgb", "bgr", "grey")
FITS = ("crop", "centre", "squash")

# A net that reads 224x224 is trained on crops of images of 256 and tested on the
# middle of them; other sizes in proportion.
_MARGIN = (256, 224)


@dataclass(frozen=True)
class Colours:
    """order: one of COLOURS. mean, std: a number for all colours, or one for each, in
    the order of the net and in units of a pixel from 0 to 255."""

    order: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def count(self) -> int:
        return 1 if self.order == "grey" else 3

    def changed(
        self,
        order: str | None,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
    ) -> Colours:
        """With what is given in place of what is here, checked.

        A preset's numbers follow its colours when only the order changes; grey takes
        their mean.
        """
        new = self
        if order is not None and order != self.order:
            new = replace(
                self,
                order=order,
                mean=_reordered(self.mean, order),
                std=_reordered(self.std, order),
            )
        new = replace(new, mean=mean or new.mean, std=std or new.std)
        for name, numbers in (("mean", new.mean), ("std", new.std)):
            if len(numbers) not in (1, new.count):
                raise UserError(
                    f"--{name} has {len(numbers)} numbers, and it should have "
                    f"{'1' if new.count == 1 else '1 or 3'} for {new.order} frames"
                )
            if not all(abs(number) < np.inf for number in numbers):
                raise UserError(f"--{name} should be finite numbers")
        if not all(number > 0 for number in new.std):
            raise UserError("--std should be numbers above 0")
        return new


def _reordered(numbers: tuple[float, ...], order: str) -> tuple[float, ...]:
    if len(numbers) == 1:
        return numbers
    # rgb to bgr and back is the same step.
    return (sum(numbers) / len(numbers),) if order == "grey" else numbers[::-1]


PRESETS = {
    "imagenet": Colours(
        "rgb",
        (0.485 * 255, 0.456 * 255, 0.406 * 255),
        (0.229 * 255, 0.224 * 255, 0.225 * 255),
    ),
    "caffe-vgg": Colours("bgr", (103.939, 116.779, 123.68), (1.0,)),
    "unit": Colours("rgb", (0.0,), (255.0,)),
    "symmetric": Colours("rgb", (127.5,), (127.5,)),
    "bytes": Colours("rgb", (0.0,), (1.0,)),
}


@dataclass(frozen=True)
class Preparation:
    """From a frame of any size to what a net reads, float32 (height, width, colours).

    fit: how the size is reached, one of FITS. ``crop``: the shorter side is scaled to
    `short_side` pixels and the middle is cut out. ``centre``: the middle is cut out of
    the frame as it is. ``squash``: the whole frame is scaled, whatever its shape.
    short_side: for ``crop``; 0 is 8/7 of the net's shorter side, 256 for 224.
    """

    height: int
    width: int
    colours: Colours
    fit: str = "crop"
    short_side: int = 0

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """rgb: uint8 (height, width, 3). Raises UserError for a frame that is too
        small to be cut."""
        cut = self._cut(self._scaled(rgb))
        if self.colours.order == "grey":
            cut = grey(np.ascontiguousarray(cut))[..., None]
        elif self.colours.order == "bgr":
            cut = cut[..., ::-1]
        mean = np.array(self.colours.mean, np.float32)
        std = np.array(self.colours.std, np.float32)
        return (cut.astype(np.float32) - mean) / std

    def _scaled(self, rgb: np.ndarray) -> np.ndarray:
        if self.fit == "squash":
            size = (self.height, self.width)
        elif self.fit == "crop":
            size = new_size(rgb.shape[:2], self.short_side or self._usual())
        else:
            return rgb
        if size == rgb.shape[:2]:
            return rgb
        image = Image.fromarray(rgb).resize(size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(image)

    def _usual(self) -> int:
        whole, cut = _MARGIN
        return max(self.height, self.width) * whole // cut

    def _cut(self, rgb: np.ndarray) -> np.ndarray:
        top = (rgb.shape[0] - self.height) // 2
        left = (rgb.shape[1] - self.width) // 2
        if top < 0 or left < 0:
            raise UserError(
                f"frames are {rgb.shape[1]}x{rgb.shape[0]} pixels where "
                f"{self.width}x{self.height} should be cut out"
            )
        return rgb[top : top + self.height, left : left + self.width]
