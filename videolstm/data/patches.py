"""VIDEO_PATCH: short clips of pixels in one .npy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import locate
from videolstm.data.files import open_npy
from videolstm.data.handler import MOST_PIXELS
from videolstm.data.stored import StoredClips
from videolstm.errors import UserError

if TYPE_CHECKING:
    from videolstm import config_pb2


class VideoPatches(StoredClips):
    """Clips from an array (N, frames, h, w) or (N, frames, 3, h, w), values 0 to 255,
    or with its first two axes the other way round.

    Frames come first, as in the standard test set of moving MNIST, mnist_test_seq.npy
    (20, 10000, 64, 64), where the first axis has just num_frames and the second has
    not; else clips do. `notes` says which.

    A frame is float32(value) / float32(255), colour by colour. The file is mapped, not
    read: only the clips of a batch come into memory. Frames beyond num_frames are left
    out. Raises UserError for another shape than the fields say.
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
        self._clips = open_npy(self.file)
        self._frames_first()
        self._check_shape()
        self._note_shape()
        # Bytes cannot be out of range; other types are looked at when they are read.
        self._safe = self._clips.dtype == np.uint8
        self._start(len(self._clips))

    def _frames_first(self) -> None:
        """Takes clips to the first axis where the file has frames there."""
        shape = self._clips.shape
        self.frames_first = (
            len(shape) in (4, 5) and shape[0] == self.num_frames != shape[1]
        )
        if self.frames_first:
            self._clips = self._clips.swapaxes(0, 1)

    def _note_shape(self) -> None:
        clips, frames = self._clips.shape[:2]
        first = "frames" if self.frames_first else "clips"
        unused = frames - self.num_frames
        left_out = f", the last {unused} of which are left out" if unused else ""
        self.notes.append(
            f"{self.file}: {clips} clips of {frames} frames{left_out}; the file has "
            f"{first} first"
        )

    def _check_shape(self) -> None:
        shape = self._clips.shape
        colours, size, _ = self.frame_shape
        frame = (3, size, size) if colours == 3 else (size, size)
        wanted = ", ".join(str(n) for n in frame)
        right = (
            f"it should be (clips, {self.num_frames} or more frames, {wanted}), or "
            f"({self.num_frames} frames, clips, {wanted})"
        )
        shown = (*shape[1::-1], *shape[2:]) if self.frames_first else shape
        found = f"{self.file}: the shape of the array is {shown}, and {right}"
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
        frames = self._clips[clip, : self.num_frames].astype(np.float32)
        if not self._safe and not (frames.min() >= 0 and frames.max() <= 255):
            raise UserError(
                f"{self.file}: clip {clip} has values from {frames.min()} to "
                f"{frames.max()}, and they should be from 0 to 255"
            )
        return (frames.reshape(self.num_frames, -1) / np.float32(255),)
