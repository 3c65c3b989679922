"""UNLABELLED: features of many videos, an .h5 for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import locate
from videolstm.data.clips import cut_clips, note_short
from videolstm.data.files import (
    KEEP_BYTES,
    FrameRows,
    read_clips,
    read_integers,
    read_lines,
)
from videolstm.data.handler import MOST_FRAMES
from videolstm.data.stored import StoredClips
from videolstm.errors import UserError

if TYPE_CHECKING:
    from videolstm import config_pb2


class Unlabelled(StoredClips):
    """Clips of the videos in a list of .h5 files, every `stride` frames.

    Videos shorter than num_frames are skipped and counted in `notes`. All files are
    looked at when the handler is made, so that a missing one is not found out at night.
    `videos` (clips,) is the video of each clip, of `video_count` in the list.
    """

    kind = "UNLABELLED"
    frame_shape = None

    def __init__(self, config: config_pb2.Data, path: Path, seed: int) -> None:
        super().__init__(config, path, seed)
        self.randomize = config.randomize
        listing = locate(self.text("data_file"), path, "data_file")
        counting = locate(self.text("num_frames_file"), path, "num_frames_file")
        dataset = self.text("dataset_name")
        names = read_lines(listing)
        counts = read_integers(counting, "the frames of a video", 0, 2**40)
        if len(counts) != len(names):
            raise UserError(
                f"{counting} has {len(counts)} lines, and it should have one for each "
                f"of the {len(names)} videos of {listing}"
            )
        self.video_count = len(counts)
        stride = self.positive("stride", MOST_FRAMES)
        self.videos, self._starts = cut_clips(counts, self.num_frames, stride, path)
        note_short(self, counts)
        self._files: dict[int, FrameRows] = {}
        for video in np.unique(self.videos):
            file = locate(names[video], listing, f"line {video + 1}")
            place = f"frame {{}} of video {video}".format
            self._files[int(video)] = FrameRows(file, dataset, place)
        self._check_files(counting, counts)
        self._keep_if_small()
        self._start(len(self._starts))

    def videos_of_clips(self) -> tuple[np.ndarray, np.ndarray]:
        return self.videos, np.arange(self.video_count)

    def _check_files(self, counting: Path, counts: np.ndarray) -> None:
        first = next(iter(self._files.values()))
        self.frame_dims = first.dims
        for video, rows in self._files.items():
            if rows.dims != first.dims:
                raise UserError(
                    f"{rows.path}: a frame has {rows.dims} numbers, and it should have "
                    f"{first.dims} as in {first.path}"
                )
            if rows.frames < counts[video]:
                raise UserError(
                    f"{rows.path} has {rows.frames} frames, and it should have the "
                    f"{counts[video]} that {counting} says in line {video + 1}"
                )

    def _keep_if_small(self) -> None:
        size = sum(rows.nbytes for rows in self._files.values())
        self._kept = size <= KEEP_BYTES
        self._ready: dict[int, np.ndarray] = {}  # clips that are asked for next
        if self._kept:
            for rows in self._files.values():
                rows.keep()

    def _expect(self, clips: np.ndarray) -> None:
        if not self._kept:
            read = read_clips([self._rows_of(clip) for clip in clips])
            self._ready = dict(zip(clips.tolist(), read, strict=True))

    def _rows_of(self, clip: int) -> tuple[FrameRows, int, int]:
        start = int(self._starts[clip])
        return self._files[int(self.videos[clip])], start, start + self.num_frames

    def _views(self, clip: int, rng: np.random.RandomState) -> tuple[np.ndarray]:
        frames = self._ready.get(int(clip))
        if frames is None:
            (frames,) = read_clips([self._rows_of(clip)])
        return (frames,)
