"""What is fuzzed: for each format good files, ways to change them, and its reader.

To add a format, write a function that reads a file of it the way a program would, and
add a row to FORMATS: its name, the suffix of the file, the reader, the function that
gives good files (a list of bytes), the mutators, and its part of a campaign.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import mutate
from tests.fuzz.commands import an_argument, command_lines, run_command
from tests.fuzz.download_readings import (
    good_answers,
    good_parts,
    use_answers,
    use_part,
)
from tests.fuzz.mutate import Mutator
from tests.fuzz.readings import (
    COUNTED,
    LABELLED,
    UNLABELLED,
    good_checkpoints,
    good_datas,
    good_digits_h5,
    good_features,
    good_idx,
    good_lists,
    good_logs,
    good_mean_files,
    good_models,
    good_npy,
    good_npz,
    good_paths,
    use_checkpoint,
    use_data,
    use_digits,
    use_features,
    use_idx,
    use_idx_labels,
    use_list,
    use_log,
    use_mean,
    use_model,
    use_patches,
)
from tests.fuzz.video_readings import (
    good_arrays,
    good_class_lists,
    good_hmdb_splits,
    good_images,
    good_nets,
    good_video_lists,
    good_videos,
    use_array,
    use_class_list,
    use_hmdb_split,
    use_image,
    use_net,
    use_ucf_split,
    use_video,
    use_video_list,
)


@dataclass(frozen=True)
class Format:
    """A format; see the module. `read(path)` reads a file that lies in a folder which
    `prepare` has filled. library: what may crash on it, of others, for which the
    programs have a process of its own."""

    name: str
    suffix: str
    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]
    mutators: Sequence[Mutator]
    part: float = 1.0
    library: str = ""

    @functools.cached_property
    def mutate(self) -> Mutator:
        return mutate.repeatedly(*self.mutators)


# ---- the table -----------------------------------------------------------------------

GZIPPED_IDX = (mutate.inside_gzip(*mutate.BYTES), *mutate.BYTES)
_H5 = "the HDF5 library"

FORMATS = {
    row.name: row
    for row in (
        Format("model", ".pbtxt", use_model, good_models, mutate.TEXT, 2),
        Format("data", ".pbtxt", use_data, good_datas, mutate.TEXT, 2),
        Format("checkpoint", ".h5", use_checkpoint, good_checkpoints, mutate.H5, 2,
               _H5),
        Format("features", ".h5", use_features, good_features, mutate.H5, 2, _H5),
        Format("mean", ".h5", use_mean, good_mean_files, mutate.H5, 0.5, _H5),
        Format("digits", ".h5", use_digits, good_digits_h5, mutate.H5, 1, _H5),
        Format("npz", ".npz", use_digits, good_npz, mutate.NPY, 0.5),
        Format("npy", ".npy", use_patches, good_npy, mutate.NPY, 2),
        Format("idx", "-ubyte.gz", use_idx, good_idx, GZIPPED_IDX),
        Format("idx labels", "-ubyte", use_idx_labels, good_idx, GZIPPED_IDX, 0.5),
        Format("num_frames", ".txt", use_list(**LABELLED, num_frames_file=""),
               good_lists, mutate.TEXT),
        Format("labels", ".txt", use_list(**COUNTED, labels_file=""), good_lists,
               mutate.TEXT, 0.5),
        Format("video_ids", ".txt", use_list(**COUNTED, video_ids_file=""), good_lists,
               mutate.TEXT, 0.5),
        Format("list of files", ".txt",
               use_list(**UNLABELLED, num_frames_file="list_frames.txt",
                          data_file=""), good_paths, mutate.TEXT),
        Format("command line", ".args", run_command, command_lines,
               (an_argument,), 0.25),
        Format("log", ".csv", use_log, good_logs, mutate.TEXT),
        Format("video", ".mkv", use_video, good_videos, mutate.VIDEO, 2, "FFmpeg"),
        Format("image", ".png", use_image, good_images, mutate.VIDEO, 1, "Pillow"),
        Format("video array", ".npy", use_array, good_arrays, mutate.NPY),
        Format("net", ".onnx", use_net, good_nets, mutate.VIDEO, 1, "ONNX Runtime"),
        Format("video list", ".txt", use_video_list, good_video_lists, mutate.TEXT),
        Format("ucf split", ".txt", use_ucf_split, good_video_lists, mutate.TEXT),
        Format("hmdb split", ".txt", use_hmdb_split, good_hmdb_splits, mutate.TEXT),
        Format("class list", ".txt", use_class_list, good_class_lists, mutate.TEXT),
        Format("answer", ".npy", use_answers, good_answers, mutate.HTTP, 2),
        Format("download part", ".npy", use_part, good_parts, mutate.BYTES),
    )
}  # fmt: skip
