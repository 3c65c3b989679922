"""LABELLED: features or images of many videos in one .h5, a class for each video."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videolstm.config import locate
from videolstm.data.clips import cut_clips, note_short
from videolstm.data.crops import Crops, read_crops
from videolstm.data.files import KEEP_BYTES, FrameRows, read_clips, read_integers
from videolstm.data.handler import MOST_CLIPS, MOST_FRAMES
from videolstm.data.stored import StoredClips
from videolstm.errors import UserError
from videolstm.limits import check_memory

if TYPE_CHECKING:
    from videolstm import config_pb2

_MOST_CLASSES = 1_000_000


class Labelled(StoredClips):
    """Clips of the videos of one dataset (frames of all videos, dims).

    With image and patch sizes, the stream takes `sample_times` random crops of each
    clip and an epoch one crop of each clip, from a random stream of its own with the
    same seed; with a mean file, colours are normalised. `videos` (clips,) is the
    video of each clip, counted in the order of video_ids_file; `video_ids` (videos,)
    what these are numbered in the files, and `video_labels` (videos,) their classes.

    A video shorter than num_frames is skipped and counted in `notes`. (In the 2016
    release it shifts the results of all later ones.)
    """

    kind = "LABELLED"

    def __init__(self, config: config_pb2.Data, path: Path, seed: int) -> None:
        super().__init__(config, path, seed)
        self.randomize = config.randomize
        self.views_per_clip = self.positive("sample_times", MOST_CLIPS)
        file = locate(self.text("data_file"), path, "data_file")
        self._rows = FrameRows(file, self.text("dataset_name"))
        counts = self._read_counts()
        self.video_ids = ids = self._read_video_ids(len(counts))
        stride = self.positive("stride", MOST_FRAMES)
        self._check_views()
        self.videos, starts = cut_clips(counts[ids], self.num_frames, stride, path)
        note_short(self, counts[ids])
        # A clip's first row in the dataset, where the videos lie below each other.
        first_rows = np.cumsum(counts) - counts
        self._rows.place = partial(_place, first_rows)
        self._starts = first_rows[ids][self.videos] + starts
        labels = self._read_labels(len(counts))
        self.video_labels = None if labels is None else labels[ids]
        self.labels = None if labels is None else self.video_labels[self.videos]
        self._crops: Crops = read_crops(self, self._rows.dims)
        self.frame_dims = self._crops.dims
        self.frame_shape = self._crops.shape
        self._ready: dict[int, np.ndarray] = {}  # clips that are asked for next
        if self._rows.nbytes <= KEEP_BYTES:
            self._rows.keep()
        self._start(len(self._starts))

    def videos_of_clips(self) -> tuple[np.ndarray, np.ndarray]:
        return self.videos, self.video_ids

    def _check_views(self) -> None:
        """All crops of a clip are in memory together, in double precision."""
        size = 8 * self.views_per_clip * self.num_frames * self._rows.dims
        check_memory(
            size,
            f"{self.path}: with sample_times {self.views_per_clip} and num_frames "
            f"{self.num_frames} a clip",
        )

    def _read_counts(self) -> np.ndarray:
        file = locate(self.text("num_frames_file"), self.path, "num_frames_file")
        counts = read_integers(file, "the frames of a video", 0, 2**40)
        # Python's integers do not overflow.
        total = sum(counts.tolist())
        if total > self._rows.frames:
            raise UserError(
                f"{file}: the videos have {total} frames together, and they "
                f"should have at most the {self._rows.frames} of {self._rows.path}"
            )
        if counts.sum() < self._rows.frames:
            self.notes.append(
                f"{self.path}: the last {self._rows.frames - counts.sum()} of the "
                f"{self._rows.frames} frames of {self._rows.path} belong to no video "
                f"of {file}"
            )
        return counts

    def _read_labels(self, videos: int) -> np.ndarray | None:
        if not self.config.labels_file:
            return None
        file = locate(self.config.labels_file, self.path, "labels_file")
        labels = read_integers(file, "the class of a video", 0, _MOST_CLASSES)
        if len(labels) != videos:
            raise UserError(
                f"{file} has {len(labels)} lines, and it should have one for each of "
                f"the {videos} videos of {self.config.num_frames_file}"
            )
        return labels

    def _read_video_ids(self, videos: int) -> np.ndarray:
        if not self.config.video_ids_file:
            return np.arange(videos)
        file = locate(self.config.video_ids_file, self.path, "video_ids_file")
        return read_integers(file, "the number of a video", 0, videos - 1)

    def _views(self, clip: int, rng: np.random.RandomState) -> np.ndarray:
        frames = self._ready.get(int(clip))
        if frames is None:
            (frames,) = read_clips([self._rows_of(clip)])
        views = self._crops.cut(frames, rng, self.views_per_clip)
        # what was finite in the file can only become too large when it is normalised
        if self._crops.mean is not None and not np.isfinite(views).all():
            raise UserError(
                f"{self.config.mean_file}: with its pixel_mean and pixel_std clip "
                f"{clip} of {self.path}, from {self._rows.place(self._starts[clip])} "
                "on (counted from 0), has values beyond single precision, and all "
                "should be finite"
            )
        return views

    def _expect(self, clips: np.ndarray) -> None:
        if not self._rows.kept:
            read = read_clips([self._rows_of(clip) for clip in clips])
            self._ready = dict(zip(clips.tolist(), read, strict=True))

    def _rows_of(self, clip: int) -> tuple[FrameRows, int, int]:
        start = int(self._starts[clip])
        return self._rows, start, start + self.num_frames

    def _skip(self, rng: np.random.RandomState) -> None:
        self._crops.draw(rng, self.views_per_clip)


def _place(first_rows: np.ndarray, row: int) -> str:
    """A row in words, where videos start at `first_rows`."""
    video = int(np.searchsorted(first_rows, row, side="right")) - 1
    return f"row {row} (video {video}, frame {row - first_rows[video]})"
