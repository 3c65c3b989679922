"""VIDEO_PATCH: short clips of pixels in one .npy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import locate
from videolstm.data.handler import MOST_PIXELS
from videolstm.data.stored import StoredClips
from videolstm.data.unchanged import Unchanged
from videolstm.errors import UserError
from videolstm.outside.npy import NpyFile

if TYPE_CHECKING:
    from videolstm import config_pb2


class VideoPatches(StoredClips):
    """Clips from an array (N, frames, h, w) or (N, frames, 3, h, w), values 0 to 255,
    or with its first two axes the other way round.

    Frames come first, as in the standard test set of moving MNIST, mnist_test_seq.npy
    (20, 10000, 64, 64), where the first axis has just num_frames and the second has
    not; else clips do. `notes` says which.

    A frame is float32(value) / float32(255), colour by colour. Only the clips of a
    batch come into memory. Frames beyond num_frames are left out. Raises UserError for
    another shape than the fields say.
    """

    kind = "VIDEO_PATCH"

    def __init__(self, config: config_pb2.Data, path: Path, seed: int) -> None:
        super().__init__(config, path, seed)
        size = self.positive("image_size", MOST_PIXELS)
        if config.num_colors not in (0, 1, 3):
            raise UserError(
                f"{path}: the field num_colors is {config.num_colors}, and VIDEO_PATCH "
                "data has 3, or 0 or 1 for grey"
            )
        colours = max(1, config.num_colors)
        self.frame_shape = (colours, size, size)
        self.frame_dims = colours * size * size
        self.file = locate(self.text("data_file"), path, "data_file")
        self._unchanged = Unchanged(self.file)
        self._clips = NpyFile(self.file)
        # With the first axis the fastest, a clip is all over the file.
        self._all = self._clips.read() if self._clips.fortran_order else None
        self._frames_first()
        self._check_shape()
        self._note_shape()
        # Bytes cannot be out of range; other types are looked at when they are read.
        self._safe = self._clips.dtype == np.uint8
        self._start(self._shape[0])

    def _frames_first(self) -> None:
        """Sees whether the file has frames on its first axis, clips on its second."""
        shape = self._clips.shape
        self.frames_first = (
            len(shape) in (4, 5) and shape[0] == self.num_frames != shape[1]
        )
        self._shape = (*shape[1::-1], *shape[2:]) if self.frames_first else shape

    def _note_shape(self) -> None:
        clips, frames = self._shape[:2]
        first = "frames" if self.frames_first else "clips"
        unused = frames - self.num_frames
        left_out = f", the last {unused} of which are left out" if unused else ""
        self.notes.append(
            f"{self.file}: {clips} clips of {frames} frames{left_out}; the file has "
            f"{first} first"
        )

    def _check_shape(self) -> None:
        shape = self._shape
        colours, size, _ = self.frame_shape
        frame = (3, size, size) if colours == 3 else (size, size)
        wanted = ", ".join(str(n) for n in frame)
        right = (
            f"it should be (clips, {self.num_frames} or more frames, {wanted}), or "
            f"({self.num_frames} frames, clips, {wanted})"
        )
        found = (
            f"{self.file}: the shape of the array is {self._clips.shape}, and {right}"
        )
        if len(shape) not in (4, 5) or 0 in shape:
            raise UserError(found)
        if len(shape) != 2 + len(frame) or shape[2:-2] != frame[:-2]:
            raise UserError(
                f"{found} because num_colors is {self.config.num_colors} in {self.path}"
            )
        if shape[-2:] != frame[-2:]:
            raise UserError(f"{found} because image_size is {size} in {self.path}")
        if shape[1] < self.num_frames:
            raise UserError(
                f"{found} because num_frames is {self.num_frames} in {self.path}"
            )

    def _views(self, clip: int, rng: np.random.RandomState) -> tuple[np.ndarray]:
        with self._unchanged.read():
            stored = self._stored(clip)
        if not self._safe and not (stored.min() >= 0 and stored.max() <= 255):
            # NaN is neither below nor above
            frame, number = np.argwhere(~((stored >= 0) & (stored <= 255)))[0]
            raise UserError(
                f"{self.file}: clip {clip} has {stored[frame, number]} in frame "
                f"{frame}, number {number} of it (all counted from 0), and values "
                "should be from 0 to 255"
            )
        frames = stored.astype(np.float32)
        return (frames.reshape(self.num_frames, -1) / np.float32(255),)

    def _stored(self, clip: int) -> np.ndarray:
        """The frames of a clip as the file has them, (num_frames, dims)."""
        clips, frames = self._shape[:2]
        if self._all is not None:
            stored = self._all.swapaxes(0, 1) if self.frames_first else self._all
            found = stored[clip, : self.num_frames]
        elif self.frames_first:
            firsts = (frame * clips + clip for frame in range(self.num_frames))
            dims = self.frame_dims
            found = [self._clips.numbers(first * dims, dims) for first in firsts]
        else:
            dims = self.frame_dims
            first = clip * frames * dims
            found = self._clips.numbers(first, self.num_frames * dims)
        return np.reshape(found, (self.num_frames, -1))
