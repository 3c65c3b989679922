"""The options of `videolstm.tools.features`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from fractions import Fraction

from videolstm.command import parser, whole_number
from videolstm.video.convnet import MOST_IMAGES
from videolstm.video.lists import PARTS
from videolstm.video.pixels import COLOURS, FITS, PRESETS


def _size(text: str) -> tuple[int, int]:
    """An argparse `type`: 224 or 320x240 (width x height), as (height, width)."""
    match = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", text)
    if not match or 0 in (width := int(match[1]), height := int(match[2] or match[1])):
        raise argparse.ArgumentTypeError(
            f"must be a number of pixels, or WIDTHxHEIGHT, not {text!r}"
        )
    return height, width


def _numbers(text: str) -> tuple[float, ...]:
    """An argparse `type`: numbers with commas between them."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be numbers with commas between them, not {text!r}"
        ) from None


def _rate(text: str) -> Fraction:
    """An argparse `type`: frames a second, such as 25 or 30000/1001."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise argparse.ArgumentTypeError(
            f"must be frames a second, such as 25 or 30000/1001, not {text!r}"
        )
    return rate


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser(
        "python -m videolstm.tools.features",
        "Write what a layer of a convolutional net says of the frames of videos.",
    )
    # No default to show, and None where it is left out.
    left_out = {"default": argparse.SUPPRESS}
    add = options.add_argument
    add(
        "videos",
        nargs="?",
        metavar="VIDEO_LIST",
        help="a list, or a folder",
        **left_out,
    )
    add("--model", required=True, metavar="NET.onnx", help="the net", **left_out)
    add("--layer", metavar="NAME", help="the layer; without it, its output", **left_out)
    add("--layers", action="store_true", help="print the net's layers and stop")
    add("--out", metavar="FILE", help=".h5: one file; .txt: a file each", **left_out)
    add(
        "--dataset", default="features", metavar="NAME", help="of the dataset in an .h5"
    )
    _add_lists(options, left_out)
    _add_pixels(options, left_out)
    chosen = options.parse_args(arguments)
    for name in (
        "videos layer out folder classes part size colours mean std fps max_frames"
    ).split():
        vars(chosen).setdefault(name, None)
    if not chosen.layers and (chosen.videos is None or chosen.out is None):
        options.error("VIDEO_LIST and --out are required")
    if not chosen.dataset.replace("_", "").isalnum():
        options.error("--dataset must be a name of letters, digits and underlines")
    if chosen.dataset in ("videos", "num_frames"):
        options.error(f"--dataset {chosen.dataset} is taken by the list of videos")
    return chosen


def _add_lists(options: argparse.ArgumentParser, left_out: dict) -> None:
    add = options.add_argument_group("videos").add_argument
    add(
        "--videos",
        dest="folder",
        metavar="DIR",
        help="what names in the list are "
        "relative to; else the current folder, then the list's",
        **left_out,
    )
    add(
        "--classes",
        metavar="FILE",
        help="names of the classes, a line each; else classInd.txt beside the list",
        **left_out,
    )
    add("--part", choices=PARTS, help="of a folder of splits", **left_out)
    add("--split", type=whole_number(1), default=1, metavar="N", help="the same")
    add("--fps", type=_rate, metavar="F", help="frames a second; else all", **left_out)
    add(
        "--every",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="of these frames, one in N",
    )
    add(
        "--max-frames", type=whole_number(1), metavar="N", help="of a video", **left_out
    )
    add(
        "--clip",
        type=whole_number(1),
        default=16,
        metavar="N",
        help="frames of a clip, for the .pbtxt",
    )
    add(
        "--stride",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="frames from one clip to the next, for the .pbtxt",
    )
    add(
        "--batch-size",
        type=whole_number(1),
        default=128,
        metavar="N",
        help="clips of a batch, for the .pbtxt",
    )


def _add_pixels(options: argparse.ArgumentParser, left_out: dict) -> None:
    add = options.add_argument_group("net").add_argument
    add(
        "--preset",
        choices=PRESETS,
        default="imagenet",
        help="colours, mean and std; "
        "imagenet is torchvision's, caffe-vgg that of the original VGG",
    )
    add("--colours", choices=COLOURS, help="in place of the preset's", **left_out)
    add(
        "--mean",
        type=_numbers,
        metavar="R,G,B",
        help="the same, in the order of --colours, of pixels from 0 to 255",
        **left_out,
    )
    add("--std", type=_numbers, metavar="R,G,B", help="the same", **left_out)
    add(
        "--fit",
        choices=FITS,
        default="crop",
        help="crop: resized, the middle cut "
        "out; centre: the middle of the frame as it is, as in the paper; squash: "
        "resized to the net's shape",
    )
    add(
        "--short-side",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="pixels of "
        "the shorter side before --fit crop cuts; 0: 256 for a net of 224",
    )
    add(
        "--size", type=_size, metavar="WxH", help="for a net that takes any", **left_out
    )
    add(
        "--batch",
        type=whole_number(1, MOST_IMAGES),
        default=32,
        metavar="N",
        help="images at once",
    )
    add("--board", default="cpu", help="cpu, or the number of a CUDA device")
    add(
        "--threads",
        type=whole_number(0, 1024),
        default=0,
        metavar="N",
        help="of the CPU; 0: all cores",
    )
