"""The options of `videolstm.tools.patches`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from fractions import Fraction

from videolstm.command import add_out, add_seed, parser, whole_number
from videolstm.video.sets import SPLITS
from videolstm.video.settings import CROPS, RANDOM, Settings

_MOST_FRAMES, _MOST_SIDE, _MOST_FPS = 10_000, 4096, 1000


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says; what it does not say and has no default is None."""
    options = parser(
        "python -m videolstm.tools.patches",
        "Cut videos into short clips of pixels, a training and a validation set, which "
        "VIDEO_PATCH reads.",
    )
    options.add_argument(
        "videos",
        nargs="+",
        metavar="VIDEO",
        help="video file, folder of images, .npy of uint8 frames, or folder of these",
    )
    add_out(options, "FILE.npy")
    _add_frames(options)
    _add_pixels(options)
    _add_sets(options)
    chosen = options.parse_args(arguments)
    for name in ("fps", "stride", "split", "model"):
        vars(chosen).setdefault(name, None)
    return chosen


def _add_frames(options: argparse.ArgumentParser) -> None:
    add = options.add_argument_group("which frames").add_argument
    frames = whole_number(2, _MOST_FRAMES)
    add("--frames", type=frames, default=20, metavar="N", help="frames of a clip")
    add(
        "--stride",
        type=whole_number(1),
        default=argparse.SUPPRESS,
        metavar="N",
        help="frames from the start of a clip to the start of the next; as many as a "
        "clip has if left out",
    )
    add(
        "--fps",
        type=_frame_rate,
        default=argparse.SUPPRESS,
        metavar="F",
        help="frames a second, such as 12.5 or 30000/1001, by the time stamps of the "
        "video; if left out each frame counts",
    )
    step = whole_number(1, _MOST_FRAMES)
    add("--step", type=step, default=1, metavar="N", help="every N-th frame counts")
    add(
        "--cut",
        type=_levels,
        default=0.0,
        metavar="X",
        help="no clip goes over a cut, where the picture changes at once by more than "
        "X of 255 levels (20 finds most); 0: cuts are not looked for",
    )


def _add_pixels(options: argparse.ArgumentParser) -> None:
    add = options.add_argument_group("which pixels").add_argument
    side = whole_number(1, _MOST_SIDE)
    add(
        "--short-side",
        type=whole_number(0, _MOST_SIDE),
        default=0,
        metavar="N",
        help="resize frames so that the shorter side has N pixels; 0: leave them",
    )
    add("--size", type=side, default=32, metavar="N", help="side of a patch, in pixels")
    add(
        "--crop",
        choices=CROPS,
        default=RANDOM,
        help="where patches are: at random places, touching in a grid, one in the "
        "middle",
    )
    add(
        "--per-clip",
        type=whole_number(1, 10_000),
        default=4,
        metavar="N",
        help="random places in each clip",
    )
    add("--grey", action="store_true", help="grey levels, not colours")
    add(
        "--motion",
        type=_levels,
        default=0.0,
        metavar="X",
        help="drop patches that change by less than X of 255 levels from frame to "
        "frame, on average; 0: keep all",
    )


def _add_sets(options: argparse.ArgumentParser) -> None:
    add = options.add_argument_group("what is written, and how").add_argument
    add(
        "--valid-part",
        type=_part,
        default=0.1,
        metavar="X",
        help="what part is set aside for validation, from 0 to below 1",
    )
    add(
        "--split",
        choices=SPLITS,
        default=argparse.SUPPRESS,
        help="set whole videos aside, or the end of each in time; if left out, videos "
        "where the part is one or more",
    )
    add(
        "--model",
        default=argparse.SUPPRESS,
        metavar="FILE.pbtxt",
        help="write a model that fits, small enough for a CPU; replaced if it is there",
    )
    units = whole_number(1, 100_000)
    add("--units", type=units, default=256, metavar="N", help="of that model")
    add_seed(options, default=42)
    add(
        "--workers",
        type=whole_number(1, 1000),
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="cores to decode on",
    )


def _frame_rate(text: str) -> Fraction:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not Fraction(1, 1000) <= value <= _MOST_FPS:
        raise argparse.ArgumentTypeError(
            f"must be frames a second, from 0.001 to {_MOST_FPS}, not {text!r}"
        )
    return value


def _levels(text: str) -> float:
    return _number(text, 255, "from 0 to 255")


def _part(text: str) -> float:
    value = _number(text, 1, "from 0 to below 1")
    if value == 1:
        raise argparse.ArgumentTypeError("must be from 0 to below 1, not '1'")
    return value


def _number(text: str, most: float, span: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise argparse.ArgumentTypeError(f"must be a number {span}, not {text!r}")
    return value


def settings_of(chosen: argparse.Namespace) -> Settings:
    """What of it decides the clips."""
    return Settings(
        frames=chosen.frames,
        stride=chosen.stride or chosen.frames,
        fps=chosen.fps,
        step=chosen.step,
        short_side=chosen.short_side,
        size=chosen.size,
        crop=chosen.crop,
        per_clip=chosen.per_clip,
        grey=chosen.grey,
        cut=chosen.cut,
        motion=chosen.motion,
        seed=chosen.seed,
    )
