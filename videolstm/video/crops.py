"""Where patches are cut from the frames of a clip."""

from __future__ import annotations

import numpy as np

from videolstm.video.settings import CENTRE, GRID, Settings


def places(
    settings: Settings, size: tuple[int, int], video: int, clip: int
) -> np.ndarray:
    """Top left corners of the patches of a clip, int (patches, 2): y, x.

    size: (height, width) of its frames, at least that of a patch. RANDOM places are
    uniform over all that fit, and decided by the seed, the number of the video and that
    of the clip in it alone. The GRID touches without overlap and has its margins,
    which are less than a patch together, on both sides.
    """
    slack = np.array(size) - settings.size
    if settings.crop == CENTRE:
        return slack[None] // 2
    if settings.crop == GRID:
        rows, columns = (n // settings.size for n in size)
        cells = np.indices((rows, columns)).reshape(2, -1).T * settings.size
        return cells + slack % settings.size // 2
    rng = np.random.RandomState([settings.seed, video, clip])
    return rng.randint(0, slack + 1, size=(settings.per_clip, 2))


def count_places(settings: Settings, size: tuple[int, int]) -> int:
    """How many patches `places` gives."""
    if settings.crop == GRID:
        return (size[0] // settings.size) * (size[1] // settings.size)
    return 1 if settings.crop == CENTRE else settings.per_clip
