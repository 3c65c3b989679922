"""What a video or an image is, without going through all of it.

The file is looked at by a process of its own, as everything that a decoder reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from videolstm.errors import UserError
from videolstm.outside.apart import trusting
from videolstm.video.decode import Header, video_frames, video_header
from videolstm.video.frame import Frame
from videolstm.video.pool import Crashed, run_jobs
from videolstm.video.source import is_image
from videolstm.video.stills import image_format, image_frames
from videolstm.video.work import CRASHED, MOST_SECONDS


@dataclass(frozen=True)
class Facts:
    """height, width: of the first frame, as it is shown. grey: whether its red, green
    and blue are the same. header: of a video. format: of an image."""

    height: int
    width: int
    grey: bool
    header: Header | None = None
    format: str = ""


def facts_of(path: Path) -> Facts:
    """What a file is, an image by its name or else a video.

    Its first frame has been decoded. Raises UserError where that cannot be done, and
    where the decoder crashes or does not come to an end.
    """
    workers = 0 if trusting() else 1
    made = run_jobs(_look, [path], workers, lambda amount: None, MOST_SECONDS)
    with closing(made) as results:
        _, found = next(results)
    if isinstance(found, Crashed):
        raise UserError(f"{path}: {CRASHED}")
    if isinstance(found, str):
        raise UserError(found)
    return found


def _look(path: Path, advance: Callable[[int], None]) -> Facts | str:
    """The facts, or why there are none."""
    try:
        if is_image(path):
            return Facts(*_first(image_frames(path, [path])), format=image_format(path))
        header = video_header(path)
        return Facts(*_first(video_frames(path, [])), header=header)
    except UserError as error:
        return str(error)
    except MemoryError:
        return f"{path}: takes more memory than there is"


def _first(frames: Iterator[Frame]) -> tuple[int, int, bool]:
    with closing(frames):
        rgb = next(frames).rgb()
    height, width, _ = rgb.shape
    return height, width, bool((rgb == rgb[..., :1]).all())
