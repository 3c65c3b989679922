"""Painting videos of digits in the computer's own memory, with either library."""

from __future__ import annotations

import ctypes as ct

import numpy as np

from .library import for_host


class ImagesStruct(ct.Structure):
    """`cm_images` of the C ABI."""

    _fields_ = [
        ("starts", ct.c_void_p),
        ("rows", ct.c_void_p),
        ("columns", ct.c_void_p),
        ("values", ct.c_void_p),
        ("count", ct.c_int64),
        ("pixels", ct.c_int64),
    ]


class VideosStruct(ct.Structure):
    """`cm_videos` of the C ABI."""

    _fields_ = [
        ("chosen", ct.c_void_p),
        ("top", ct.c_void_p),
        ("left", ct.c_void_p),
        ("steps", ct.c_int64),
        ("videos", ct.c_int64),
        ("each", ct.c_int64),
        ("size", ct.c_int64),
    ]


class Images:
    """Images as lists of lit pixels, in numpy arrays that this keeps.

    starts (count + 1): the pixels of image k are starts[k] to starts[k + 1] - 1; rows,
    columns (0 to 255) and values (at least 0) of the pixels.

    Attributes:
        arrays: these four. count: of images.
    """

    def __init__(self, starts, rows, columns, values) -> None:
        types = (np.int64, np.uint8, np.uint8, np.float32)
        given = (starts, rows, columns, values)
        self.arrays = [
            np.ascontiguousarray(array, dtype)
            for array, dtype in zip(given, types, strict=True)
        ]
        lengths = {len(array) for array in self.arrays[1:]}
        if len(lengths) > 1 or len(starts) < 1:
            raise ValueError("rows, columns and values should be of one length")
        addresses = [array.ctypes.data for array in self.arrays]
        self.count = len(starts) - 1
        self.struct = ImagesStruct(*addresses, self.count, len(rows))


def paint(
    images: Images,
    chosen: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    size: int,
    out: np.ndarray,
) -> np.ndarray:
    """Fills `out`, float32 (steps, videos, size * size) in C order, and returns it.

    Frames are black; where images overlap the brighter pixel wins. chosen (videos *
    each,): images, those of a video one after the other; top, left (steps, videos *
    each): row and column of their corners. On one thread. Raises CUDAMatException for
    an image that there is not or that is not wholly within its frame, and then `out` is
    as it was.
    """
    steps, videos, _ = out.shape
    chosen = np.ascontiguousarray(chosen, np.int64)
    top, left = (np.ascontiguousarray(corners, np.int32) for corners in (top, left))
    each = len(chosen) // max(videos, 1)
    right = out.dtype == np.float32 and out.flags.c_contiguous and out.flags.writeable
    shapes = (out.shape, chosen.shape, top.shape, left.shape)
    corners = (steps, videos * each)
    if not right or shapes != (
        (steps, videos, size * size),
        (videos * each,),
        corners,
        corners,
    ):
        raise ValueError(
            f"{steps} frames of {videos} videos with {len(chosen)} images do not fit "
            f"shapes {shapes} or out's type {out.dtype}"
        )
    places = (chosen.ctypes.data, top.ctypes.data, left.ctypes.data)
    struct = VideosStruct(*places, steps, videos, each, size)
    for_host().cm_paint(ct.byref(images.struct), ct.byref(struct), out.ctypes.data)
    return out
