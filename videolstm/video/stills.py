"""Frames that are not in a video file: a folder of images, or an array."""

from __future__ import annotations

import logging
import math
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from videolstm.errors import UserError
from videolstm.outside.npy import NpyFile
from videolstm.video.frame import Frame, check_size

# What is wrong with an image is said by us, once.
logging.getLogger("PIL").addHandler(logging.NullHandler())

# What Pillow raises for an image that is none, or a damaged one.
_UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

# Those that the names of images stand for. Pillow knows many more, one of which starts
# another program.
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")

_LAYOUTS = (
    "(frames, height, width), (frames, height, width, 3) or (frames, 3, height, width)"
)


def image_frames(path: Path, images: list[Path]) -> Iterator[Frame]:
    """The images of a folder, in the order given, as frames without times.

    An image is turned as its EXIF data says; transparency is dropped; of an animation
    the first picture is taken. Raises UserError, naming the image, for one that cannot
    be read, and for one that has another size than the first.
    """
    size = None
    done = 0
    for image in images:
        rgb = _read_image(image)
        size = size or rgb.shape[:2]
        if rgb.shape[:2] != size:
            raise UserError(
                f"{image}: is {rgb.shape[1]}x{rgb.shape[0]} pixels, and it should be "
                f"{size[1]}x{size[0]} as the images of {path} before it"
            )
        done += image.stat().st_size
        yield Frame(None, size, image is not images[0], done, lambda rgb=rgb: rgb)


def image_format(path: Path) -> str:
    """The format of an image, such as PNG. Raises UserError for a file that is none."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.format
    except _UNREADABLE as error:
        raise _no_image(path, error) from None


def _no_image(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{path}: cannot be read as an image ({reason})")


def _read_image(path: Path) -> np.ndarray:
    """uint8 (height, width, 3)."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of sizes that check_size refuses, and of odd tags.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                check_size(path, image.height, image.width)
                if image.mode[0] in "IF":
                    image = _eight_bits(path, image)
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except _UNREADABLE as error:
        raise _no_image(path, error) from None


def _eight_bits(path: Path, image: Image.Image) -> Image.Image:
    """An image of 16 bits as one of 8: the 65,536 levels become 256."""
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise UserError(
            f"{path}: its values are {values.dtype} from {values.min()} to "
            f"{values.max()}, and they should be of 8 or 16 bits, 0 for black"
        )
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def array_frames(path: Path) -> Iterator[Frame]:
    """The frames of an .npy, uint8, grey or colour, without times.

    The layouts are those of `_LAYOUTS`; a colour axis may also have one or four, grey
    and colour with transparency, which is dropped. Frames are read one by one; only an
    array in Fortran order, where a frame is all over the file, is read at once. Raises
    UserError for another array.
    """
    file = NpyFile(path)
    if file.dtype != np.uint8:
        raise UserError(
            f"{path}: the array is {file.dtype}, and it should be uint8, 0 to 255"
        )
    layout = _layout(file.shape)
    if layout is None:
        raise UserError(
            f"{path}: the shape of the array is {file.shape}, and it should be "
            f"{_LAYOUTS}"
        )
    height, width = layout.size
    check_size(path, height, width)
    everything = file.read() if file.fortran_order else None
    each = math.prod(file.shape[1:])
    for number in range(file.shape[0]):
        if everything is None:
            frame = file.numbers(number * each, each).reshape(file.shape[1:])
        else:
            frame = everything[number]
        rgb = layout.rgb(frame)
        yield Frame(None, (height, width), number > 0, (number + 1) * each, rgb)


@dataclass(frozen=True)
class _Layout:
    """What the axes of a frame are. colours: which axis they are on, if any, and how
    many there are."""

    size: tuple[int, int]
    axis: int | None = None
    colours: int = 1

    def rgb(self, frame: np.ndarray) -> Callable[[], np.ndarray]:
        """What gives red, green and blue of a frame, uint8 (height, width, 3)."""

        def give() -> np.ndarray:
            image = frame[..., None]
            if self.axis is not None:
                image = np.moveaxis(frame, self.axis, -1)
            wanted = [0, 0, 0] if self.colours == 1 else [0, 1, 2]
            return np.ascontiguousarray(image[..., wanted])

        return give


def _layout(shape: tuple[int, ...]) -> _Layout | None:
    """The layout of an array of this shape, None where it can be no video."""
    if 0 in shape:
        return None
    if len(shape) == 3:
        return _Layout(shape[1:])
    if len(shape) == 4 and shape[3] in (1, 3, 4):
        return _Layout(shape[1:3], 2, shape[3])
    if len(shape) == 4 and shape[1] in (1, 3, 4):
        return _Layout(shape[2:], 0, shape[1])
    return None
