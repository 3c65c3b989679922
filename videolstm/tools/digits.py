"""Digits without a download: MNIST-like images rendered from matplotlib's fonts.

    python -m videolstm.tools.digits --out digits.h5

Each image is a digit of one of the fonts that matplotlib brings along, distorted by a
random affine map (rotation, shear, width, size) and drawn with a random stroke weight.
As in MNIST the digit fits into a box of about 20x20 and its centre of mass is in the
middle of 28x28 pixels.

The file: dataset `train`, float32 (N, 784), each row an image read row by row, 0
background to 1 ink, and dataset `labels`, int64 (N,), the digits shown.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from pathlib import Path

import h5py
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from tqdm import tqdm

from videolstm.command import add_out, add_seed, parser, run, whole_number
from videolstm.files import check_writable, written_beside

SIDE = 28  # pixels of an image's side
DIMS = SIDE * SIDE

_BOX = (17.0, 20.0)  # longer side of a digit in pixels; MNIST: 20
_ROTATION = 13.0  # degrees to either side
_SHEAR = 0.22  # horizontal pixels per vertical pixel, to either side
_WIDTH = (0.85, 1.25)  # factor of a digit's width before its size is set
_STROKE = (1.8, 3.4)  # pixels: the weight that thinner strokes are thickened to
_THICKEN = (0.3, 1.7)  # pixels: the least keeps hairlines visible

_CANVAS = 44  # pixels: room for the digit before it is centred
_NAMES = "zero one two three four five six seven eight nine".split()


def render_digits(
    samples: int, seed: int, progress: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Render `samples` distinct digits, each of the ten about equally often.

    Returns images, float32 (samples, 784) with values k/255 from 0 to 1, and labels,
    int64 (samples,). The same seed gives the same arrays (with the same matplotlib).
    progress: show a bar where stderr is a terminal.
    """
    rng = np.random.RandomState(seed)
    labels = rng.permutation(np.arange(samples, dtype=np.int64) % 10)
    outlines = digit_outlines()
    faces = rng.randint(len(outlines), size=samples)
    draw = _Drawing()
    images = np.empty((samples, DIMS), np.float32)
    for k in tqdm(
        range(samples),
        desc="digits",
        unit=" digits",
        disable=None if progress else True,
    ):
        ink = draw(outlines[faces[k]][labels[k]], rng)
        images[k] = _centred(ink).ravel()
    # Divided in float32, as readers of 8-bit images do, so that the two agree exactly.
    images /= np.float32(255)
    return images, labels


# ---- fonts ---------------------------------------------------------------------------


@functools.cache
def digit_faces() -> tuple[Path, ...]:
    """The font files in matplotlib's folder that have all ten digits, sorted by name.

    Some fonts map the characters 0 to 9 to something else (brackets, arrows, a box), so
    it is the names of the glyphs that decide; old-style digits count.
    """
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return tuple(file for file in sorted(folder.glob("*.ttf")) if _has_digits(file))


def _has_digits(file: Path) -> bool:
    font = get_font(str(file))
    glyphs = font.get_charmap()
    codes = [glyphs.get(ord("0") + digit, 0) for digit in range(10)]
    # Glyph 0 is the one shown for characters that the font does not have.
    return all(codes) and all(
        font.get_glyph_name(code) in (name, name + "oldstyle")
        for code, name in zip(codes, _NAMES, strict=False)
    )


@functools.cache
def digit_outlines() -> tuple[tuple[Outline, ...], ...]:
    """Outlines [face][digit] of `digit_faces()`, in points of the size 100, y up.

    Curves are cut into short straight pieces once, here: extents and stroke weights of
    a polygon are a few array operations, those of curves most of the time it takes.
    """
    return tuple(
        tuple(
            _polygons(TextPath((0, 0), str(digit), size=100, prop=font))
            for digit in range(10)
        )
        for font in (FontProperties(fname=str(file)) for file in digit_faces())
    )


def _polygons(outline: Outline) -> Outline:
    rings = outline.to_polygons()  # closed: the last point is the first again
    codes = [
        [Outline.MOVETO] + [Outline.LINETO] * (len(ring) - 2) + [Outline.CLOSEPOLY]
        for ring in rings
    ]
    return Outline(np.concatenate(rings), np.concatenate(codes))


# ---- drawing -------------------------------------------------------------------------


class _Drawing:
    """Draws an outline, randomly distorted, on a canvas that is used again."""

    def __init__(self) -> None:
        # At 72 dots per inch a point, the unit of line widths, is a pixel.
        self._canvas = RendererAgg(_CANVAS, _CANVAS, 72)
        self._pen = self._canvas.new_gc()
        self._pen.set_joinstyle("round")
        self._pen.set_foreground("white")
        # Snapping would straighten the strokes of a 1 to whole pixels.
        self._pen.set_snap(False)

    def __call__(self, outline: Outline, rng: np.random.RandomState) -> np.ndarray:
        """Return the ink, uint8 (canvas, canvas), 0 to 255, row 0 at the top."""
        shape = outline.transformed(_distortion(rng))
        weight = rng.uniform(*_STROKE)
        low, high = shape.vertices.min(axis=0), shape.vertices.max(axis=0)
        box = rng.uniform(*_BOX)
        # What the pen adds around the outline belongs to the digit's size too.
        scale = (box - _THICKEN[0]) / (high - low).max()
        line = np.clip(weight - scale * _stroke_weight(shape), *_THICKEN)
        scale = (box - line) / (high - low).max()
        # A random fraction of a pixel: centring then moves by whole pixels only.
        at_x, at_y = _CANVAS / 2 + rng.uniform(-0.5, 0.5, size=2)
        place = Affine2D().translate(*-(low + high) / 2).scale(scale)
        self._canvas.clear()
        self._pen.set_linewidth(line)
        self._canvas.draw_path(
            self._pen, shape, place.translate(at_x, at_y), (1.0, 1.0, 1.0)
        )
        return np.array(np.asarray(self._canvas.buffer_rgba())[..., 3])


def _distortion(rng: np.random.RandomState) -> Affine2D:
    width = rng.uniform(*_WIDTH)
    shear = rng.uniform(-_SHEAR, _SHEAR)
    turn = rng.uniform(-_ROTATION, _ROTATION)
    return Affine2D().scale(width, 1).skew(np.arctan(shear), 0).rotate_deg(turn)


def _stroke_weight(shape: Outline) -> float:
    """Mean width of the strokes of a polygon: a long stroke has the area length * width
    and an outline of 2 * length."""
    x, y = shape.vertices.T
    within = shape.codes[1:] != Outline.MOVETO  # not the jump from ring to ring
    outline = np.hypot(np.diff(x), np.diff(y))[within].sum()
    twice_area = (x[:-1] * y[1:] - x[1:] * y[:-1])[within].sum()
    return abs(twice_area) / outline


def _centred(ink: np.ndarray) -> np.ndarray:
    """Cut (SIDE, SIDE) out of the canvas, centre of mass in the middle.

    Moves by whole pixels, as MNIST does, and less where ink would be cut off.
    """
    top = _cut(ink.sum(axis=1, dtype=np.float64))
    left = _cut(ink.sum(axis=0, dtype=np.float64))
    return ink[top : top + SIDE, left : left + SIDE]


def _cut(profile: np.ndarray) -> int:
    """First of the SIDE places of `profile` (ink per row or column) to keep."""
    places = np.arange(len(profile))
    centre = np.dot(profile, places) / profile.sum()
    inked = np.flatnonzero(profile)
    start = round(centre - (SIDE - 1) / 2)
    return int(np.clip(start, inked[-1] - SIDE + 1, inked[0]))


# ---- file ----------------------------------------------------------------------------


def save_digits(path: str | Path, **datasets: np.ndarray) -> None:
    """Write digit data sets to an .h5 (beside its place, then renamed).

    Compressed lightly, in pieces of 1 MB or so: 60,000 digits load in about a second.
    """
    with written_beside(path) as beside, h5py.File(beside, "w") as file:
        for name, values in datasets.items():
            piece = (min(len(values), 512), *values.shape[1:])
            file.create_dataset(
                name, data=values, chunks=piece, compression=1, shuffle=True
            )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: render digits into an .h5."""
    options = parser(
        "python -m videolstm.tools.digits",
        "Make an .h5 of MNIST-like digits by rendering matplotlib's fonts.",
    )
    add_out(options, "FILE.h5")
    options.add_argument(
        "--samples",
        type=whole_number(1),
        default=10000,
        metavar="N",
        help="number of digits, 28x28 pixels each",
    )
    add_seed(options, default=42)
    chosen = options.parse_args(arguments)

    check_writable(chosen.out)
    start = time.monotonic()
    images, labels = render_digits(chosen.samples, chosen.seed, progress=True)
    save_digits(chosen.out, train=images, labels=labels)
    print(
        f"{chosen.out}: {chosen.samples:,} digits of {SIDE}x{SIDE} pixels from "
        f"{len(digit_faces())} fonts, {time.monotonic() - start:.1f} s"
    )


if __name__ == "__main__":
    run(main)
