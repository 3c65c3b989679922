"""The files beside an .h5 that make it LABELLED data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videolstm.config import messages, write_text
from videolstm.files import written_beside


def describe_labelled(
    out: Path,
    dataset: str,
    lists: dict[str, np.ndarray],
    num_frames: int,
    batch_size: int,
    randomize: bool = False,
    stride: int | None = None,
    image_size: int | None = None,
) -> Path:
    """Writes the text files of LABELLED data beside the .h5 `out`, and the .pbtxt that
    describes them all, whose path is returned: clips of num_frames, every `stride`
    frames; without a stride none of them overlap.

    lists: an integer for each video, by the name of the file: ``num_frames`` and, where
    they are known, ``labels``. randomize: whether training takes them in any order.
    image_size: side of the grey images that the frames are, where they are such.
    """
    config = messages().Data(
        data_file=out.name,
        dataset_name=dataset,
        num_frames=num_frames,
        stride=stride or num_frames,
        batch_size=batch_size,
        randomize=randomize,
    )
    if image_size is not None:
        config.image_size_x = config.image_size_y = image_size
        config.num_colors = 1
    for name, values in lists.items():
        path = out.with_name(f"{out.stem}_{name}.txt")
        with written_beside(path) as beside:
            beside.write_text("".join(f"{value}\n" for value in values))
        setattr(config, f"{name}_file", path.name)
    description = out.with_suffix(".pbtxt")
    write_text(config, description)
    return description
