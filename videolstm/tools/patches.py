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

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from videolstm.command import run
from videolstm.config import check_description, read_model
from videolstm.errors import UserError
from videolstm.files import check_writable
from videolstm.tools.patch_options import read_options, settings_of
from videolstm.video.decode import load_av
from videolstm.video.describe import describe_patches, write_cpu_model
from videolstm.video.part import Job
from videolstm.video.sets import BY_TIME, BY_VIDEO, Picked, split, write_set
from videolstm.video.settings import Settings
from videolstm.video.source import VIDEO, Source, find_sources, left_out
from videolstm.video.work import cut_all, plan, work_folder

_FEW = 1000  # clips


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
    chosen = read_options(arguments)
    out, settings = Path(chosen.out), settings_of(chosen)
    if out.suffix != ".npy":
        raise UserError(f"{out}: patches are an .npy: name one")
    others: list[Path] = []
    sources = find_sources(chosen.videos, others)
    if others:
        _say(f"Note: {left_out(others)}")
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
    if len(files) == 1 and (left := valid_file(out)).exists():
        _say(f"Note: {left} is of an earlier run, and may show what {out} shows")
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
        check_description(npy.with_suffix(".pbtxt"), npy)
    if model:
        check_writable(model)
        if os.path.exists(model):
            _check_replaced(model)


def _check_replaced(model: str) -> None:
    """Raise UserError where what --model would replace is no model, or a trained one,
    whose weights are found by its timestamps."""
    try:
        trained = len(read_model(model).timestamp)
    except UserError:
        raise UserError(
            f"{model}: is there and describes no model, and would be replaced by one: "
            "name another file, or move it away"
        ) from None
    if trained:
        raise UserError(
            f"{model}: is there and describes a trained model, and would be replaced: "
            "name another file, or move it away"
        )


if __name__ == "__main__":
    run(main)
