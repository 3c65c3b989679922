"""Your own videos as video patches: short clips that a model can be trained on.

    python -m videolstm.tools.patches VIDEO... --out patches.npy

VIDEO is a file in any format that FFmpeg reads, a folder of images (in natural order),
an .npy of uint8 frames, or a folder that is searched for all of these. Each is cut into
clips of --frames frames, and of each clip --per-clip squares of --size pixels are taken
at random places. What is written, beside each other:

* patches.npy, uint8 (clips, frames, 3, size, size), with --grey (clips, frames, size,
  size), in random order, for training, and patches.pbtxt, which describes it;
* patches_valid.npy and patches_valid.pbtxt, the same of the videos that were set aside
  for validation, --valid-part of them; where that is less than one video, the end of
  each video is set aside, and no frame is in both sets;
* patches.csv and patches_valid.csv: which video, frame and place each clip is from;
* with --model FILE.pbtxt a model that fits, of a size that a CPU can train.

Which frames count: all, each once; with --fps F those that are shown at F ticks a
second, by the time stamps, whatever the frame rate and whether it varies; with --step N
every N-th of these. --short-side N first resizes frames. Colours become grey as 0.299 R
+ 0.587 G + 0.114 B. --cut X begins anew where the picture changes at once by more than
X levels (of 255; 20 finds most cuts), and --motion X drops patches that change by less
than X levels from frame to frame (1 drops most that stand still).

A video that cannot be read, makes a decoder crash, or has no clip is reported in a line
and skipped; the exit status is 0 as long as there are clips of any. Videos are decoded
on several cores, and each is written to a folder, patches.npy.parts, when it is done:
the same command, given again after an interruption, takes up there. The result is the
same bytes in any case. That folder takes as much room as the result, and is removed at
the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from tqdm import tqdm

from videolstm.command import add_out, add_seed, parser, run, whole_number
from videolstm.errors import UserError
from videolstm.files import check_writable
from videolstm.video.decode import load_av
from videolstm.video.describe import describe_patches, write_cpu_model
from videolstm.video.part import Job
from videolstm.video.sets import BY_TIME, BY_VIDEO, SPLITS, Picked, split, write_set
from videolstm.video.settings import CROPS, RANDOM, Settings
from videolstm.video.source import VIDEO, Source, find_sources
from videolstm.video.work import cut_all, plan, work_folder

_FEW = 1000  # clips

_MOST_FRAMES, _MOST_SIDE, _MOST_FPS = 10_000, 4096, 1000


def make_patches(
    sources: Sequence[Source],
    settings: Settings,
    out: Path,
    valid_part: float,
    how: str,
    workers: int,
) -> dict[Path, Picked]:
    """Write the sets of `sources`; returns the .npy files and what is in them.

    how: a member of SPLITS. Shows progress where stderr is a terminal, and says on
    stderr what is wrong with single videos. Raises UserError where no video gives a
    clip and where a file cannot be written.
    """
    with work_folder(out) as folder:
        jobs = _cut(sources, settings, folder, workers)
        sets = split(jobs, how, valid_part, settings.seed)
        files = dict(zip((out, valid_file(out)), sets, strict=True))
        files = {path: picked for path, picked in files.items() if len(picked)}
        total = sum(map(len, sets))
        with tqdm(total=total, desc="writing", unit=" clips", disable=None) as bar:
            for path, picked in files.items():
                write_set(path, jobs, picked, bar.update)
    return files


def valid_file(out: Path) -> Path:
    """Where the validation set goes: x_valid.npy for x.npy."""
    return out.with_name(f"{out.stem}_valid{out.suffix}")


def _cut(
    sources: Sequence[Source], settings: Settings, folder: Path, workers: int
) -> list[Job]:
    """Cut all videos that are not yet cut; returns the jobs that have clips."""
    kept, jobs = plan(sources, settings, folder)
    if kept:
        print(f"{len(kept)} of {len(sources)} videos were done by an earlier run")
    elif any(folder.glob("*.part")):
        _say(f"Note: {folder} is of a run with other options, and is not used")
    clips = sum(job.patches() for job in kept)
    done = list(kept)
    bar = tqdm(
        total=sum(job.source.size for job in (*kept, *jobs)),
        initial=sum(job.source.size for job in kept),
        desc="decoding",
        unit="B",
        unit_scale=True,
        disable=None,
    )
    with bar:
        for job, cut in cut_all(jobs, min(workers, len(jobs) or 1), bar.update, _say):
            if cut.patches:
                done.append(job)
                clips += cut.patches
            bar.set_postfix_str(f"{len(done)} videos, {clips:,} clips")
    if not done:
        raise UserError(
            f"none of the {len(sources)} videos gives a clip, for the reasons above"
            if len(sources) > 1
            else "the video gives no clip, for the reason above"
        )
    return sorted(done, key=lambda job: job.number)


def _say(sentence: str) -> None:
    """A line on stderr that the progress bar leaves alone."""
    tqdm.write(sentence, file=sys.stderr)


# ---- command line --------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: make video patches."""
    chosen = _options(arguments)
    out, settings = Path(chosen.out), _settings(chosen)
    if out.suffix != ".npy":
        raise UserError(f"{out}: patches are an .npy: name one")
    sources = find_sources(chosen.videos)
    _check_outputs(out, chosen.model, sources)
    if any(source.kind == VIDEO for source in sources):
        load_av()
    how = chosen.split or (
        BY_VIDEO if chosen.valid_part * len(sources) >= 1 else BY_TIME
    )
    start = time.monotonic()
    files = make_patches(sources, settings, out, chosen.valid_part, how, chosen.workers)
    for path, picked in files.items():
        description = describe_patches(path, settings, len(picked))
        print(_described(path, description, picked, settings))
    if chosen.model:
        write_cpu_model(Path(chosen.model), settings, chosen.units)
        print(f"{chosen.model} is a model for them, of {chosen.units} units")
    else:
        print(f"A model for them has input_dims and output_dims {settings.dims}")
    if len(files[out]) < _FEW:
        print(
            f"Note: {len(files[out]):,} clips are few, a model learns them by heart: "
            "more videos, a shorter --stride or a larger --per-clip give more"
        )
    if len(files) == 1 and chosen.valid_part:
        _say("Note: there are too few clips to set any aside for validation")
    print(f"{time.monotonic() - start:.1f} s")


def _described(
    path: Path, description: Path, picked: Picked, settings: Settings
) -> str:
    videos = f"{picked.videos:,} video{'s' if picked.videos > 1 else ''}"
    colours = "grey" if settings.grey else "colour"
    return (
        f"{path}: {len(picked):,} clips of {settings.frames} frames of "
        f"{settings.size}x{settings.size} pixels, {colours}, from {videos}; "
        f"{description} describes it"
    )


def _check_outputs(out: Path, model: str | None, sources: Sequence[Source]) -> None:
    """Raise UserError, before hours of work, for a place that cannot be written and
    for a video that would be replaced."""
    inputs = {os.path.realpath(source.path) for source in sources}
    for npy in (out, valid_file(out)):
        for path in (npy, npy.with_suffix(".csv"), npy.with_suffix(".pbtxt")):
            if os.path.realpath(path) in inputs:
                raise UserError(
                    f"{path}: is one of the videos and would be replaced: name "
                    "another file"
                )
            check_writable(path)
            if model and os.path.realpath(path) == os.path.realpath(model):
                raise UserError(
                    f"{model}: will be a file of the patches, and cannot be the model, "
                    "too: name another file"
                )
    if model:
        check_writable(model)


def _settings(chosen: argparse.Namespace) -> Settings:
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


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
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


if __name__ == "__main__":
    run(main)
