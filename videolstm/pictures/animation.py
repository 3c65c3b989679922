"""Moving pictures: the true video and what the model makes of it, side by side.

An animated GIF shows a few examples at once, each a pair: left the truth, right the
model, which first reconstructs what it has read and then predicts the future. Captions,
and a line of dots for the frames, say which it is at the moment.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.pictures.sequences import (
    BEYOND,
    FAINT_INK,
    FUTURE,
    INK,
    NOTHING,
    PAST,
    tiles_or_blank,
)
from videolstm.results.answers import Answer

_TILE_WIDTH = 128  # pixels that an enlarged frame may take
_MOST_WIDTH = 1120  # of the whole animation, where one pair is not wider
_FRAME, _LAST_FRAME = 160, 1200  # milliseconds
_MARGIN, _GAP, _BORDER = 16, 4, 3


def animate(
    path: str | os.PathLike,
    answer: Answer,
    *,
    frame_shape: tuple[int, int, int] | None,
    title: str = "",
    value_range: tuple[float, float] = (0.0, 1.0),
    trained: int | None = None,
) -> None:
    """Writes the videos of an answer as an animated GIF (beside its place, then
    renamed).

    frame_shape, title, value_range: as for `pictures.sequence_picture`. Frames of the
    truth that are NaN are left blank. trained: how many frames of the future the model
    was trained to predict, where the answer has more.

    Raises UserError for another suffix and for a path that cannot be written.
    """
    if Path(path).suffix.lower() != ".gif":
        raise UserError(f"{path}: an animation is a .gif: name one of these")
    film = _Film.of(answer, frame_shape, value_range, title, trained)
    images = [_quantized(film.frame(t)) for t in range(len(answer.truth))]
    times = [_FRAME] * (len(images) - 1) + [_LAST_FRAME]
    with written_beside(path) as beside:
        images[0].save(
            beside,
            format="GIF",
            save_all=True,
            append_images=images[1:],
            duration=times,
            loop=0,  # for ever
            optimize=False,
        )


def _quantized(image: Image.Image) -> Image.Image:
    """In the 256 colours that a GIF can have, without a pattern of dots."""
    return image.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(fonts / "DejaVuSans.ttf"), size)


@dataclass(frozen=True)
class _Film:
    """The tiles of an animation and where they stand, in pixels.

    truth, model: uint8 tiles (frames, n, height, width, 3). answered: whether the model
    has a frame for each of the truth's, bool (frames,).
    """

    truth: np.ndarray
    model: np.ndarray
    answered: np.ndarray
    past: int
    trained: int
    title: str

    @classmethod
    def of(
        cls,
        answer: Answer,
        frame_shape: tuple[int, int, int] | None,
        value_range: tuple[float, float],
        title: str,
        trained: int | None,
    ) -> _Film:
        frames = len(answer.truth)
        model = np.full_like(answer.truth, np.nan)
        for _, first, part in answer.parts:
            model[first : first + len(part)] = part

        def tiles(values: np.ndarray) -> np.ndarray:
            # One column, so that only the width of a tile counts.
            return tiles_or_blank(values, frame_shape, value_range, 1, _TILE_WIDTH)

        future = frames - answer.past
        return cls(
            truth=tiles(answer.truth),
            model=tiles(model),
            answered=~np.isnan(model).all(axis=(1, 2)),
            past=answer.past,
            trained=future if trained is None else trained,
            title=title,
        )

    # ---- layout ----------------------------------------------------------------------

    @property
    def tile(self) -> tuple[int, int]:
        """Height and width."""
        return self.truth.shape[2:4]

    @property
    def pair(self) -> int:
        """Width of truth and model."""
        return 2 * self.tile[1] + _GAP + 2 * _BORDER

    @property
    def columns(self) -> int:
        examples = self.truth.shape[1]
        most = max(1, (_MOST_WIDTH - _MARGIN) // (self.pair + _MARGIN))
        rows = -(-examples // most)
        return -(-examples // rows)

    @property
    def top(self) -> int:
        """Of the first row of pairs, below title and headings."""
        return _MARGIN + (34 if self.title else 0) + 22

    @property
    def row(self) -> int:
        return self.tile[0] + 2 * _BORDER + 12

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the animation."""
        rows = -(-self.truth.shape[1] // self.columns)
        width = _MARGIN + self.columns * (self.pair + _MARGIN)
        captions = [self.caption(t) for t in range(len(self.truth))]
        text = max(_font(16).getlength(caption) for caption in captions)
        text = max(text, _font(17).getlength(self.title))
        return max(width, int(text) + 2 * _MARGIN), self.top + rows * self.row + 62

    def corner(self, example: int) -> tuple[int, int]:
        """Left and top edge of a pair."""
        row, column = divmod(example, self.columns)
        x = _MARGIN + column * (self.pair + _MARGIN)
        return x, self.top + row * self.row

    # ---- drawing ---------------------------------------------------------------------

    def phase(self, t: int) -> tuple[str, str]:
        """What the model does at frame t, and the colour of that."""
        if t < self.past:
            if not self.answered[t]:
                return "past: the model reads", PAST
            return "past: the model has read this, and reconstructs it", PAST
        if t < self.past + self.trained:
            return "future: the model predicts, and sees nothing", FUTURE
        return "future, beyond what it was trained to predict", BEYOND

    def caption(self, t: int) -> str:
        return f"frame {t + 1} of {len(self.truth)} · {self.phase(t)[0]}"

    def frame(self, t: int) -> Image.Image:
        """Frame t of the animation."""
        image = Image.new("RGB", self.size, "white")
        draw = ImageDraw.Draw(image)
        colour = self.phase(t)[1]
        if self.title:
            draw.text((_MARGIN, _MARGIN - 2), self.title, INK, _font(17))
        for column in range(self.columns):
            self._headings(draw, column, colour)
        for example in range(self.truth.shape[1]):
            x, y = self.corner(example)
            self._tile(image, self.truth[t, example], x, y, None)
            right = x + self.tile[1] + _GAP
            self._tile(image, self.model[t, example], right, y, colour)
        self._timeline(draw, t, colour)
        return image

    def _headings(self, draw: ImageDraw.ImageDraw, column: int, colour: str) -> None:
        x, y = self.corner(column)
        middle = self.tile[1] / 2 + _BORDER
        for name, at, ink in (
            ("truth", x + middle, FAINT_INK),
            ("model", x + self.tile[1] + _GAP + middle, colour),
        ):
            draw.text((at, y - 11), name, ink, _font(14), anchor="mm")

    def _tile(
        self, image: Image.Image, tile: np.ndarray, x: int, y: int, colour: str | None
    ) -> None:
        height, width = self.tile
        if colour is not None:
            edge = (x, y, x + width + 2 * _BORDER - 1, y + height + 2 * _BORDER - 1)
            ImageDraw.Draw(image).rectangle(edge, outline=colour, width=_BORDER)
        place = (x + _BORDER, y + _BORDER)
        image.paste(Image.fromarray(np.ascontiguousarray(tile)), place)

    def _timeline(self, draw: ImageDraw.ImageDraw, t: int, colour: str) -> None:
        """The frames as a line of marks, the present one filled, and what it is."""
        frames, (width, height) = len(self.truth), self.size
        y, left, right = height - 48, _MARGIN, width - _MARGIN
        step = (right - left) / frames
        for k in range(frames):
            x = left + k * step
            mark = (x, y, x + max(1.0, step - 3), y + 8)
            draw.rectangle(mark, self.phase(k)[1] if k <= t else NOTHING)
        draw.text((_MARGIN, height - 32), self.caption(t), colour, _font(16))
