"""Features of the frames of videos: what a layer of a convolutional net says of them.

    python -m videolstm.tools.features VIDEO_LIST --model net.onnx --layer NAME \\
        --out features.h5

The net is any that was exported to ONNX, such as VGG, and the layer any that is in it,
such as VGG's fc6. VIDEO_LIST is a text file with a video, or a video and its class, on
each line; a list of UCF-101 (ucfTrainTestlist/trainlist01.txt) or its folder; HMDB-51's
folder of splits; or a folder of videos, with a folder for each class
(`videolstm.video.lists`). A video is a file, a folder of images or an .npy.

With --out features.h5 the features are LABELLED data: features.h5 with the rows of all
videos below each other, features_num_frames.txt, features_labels.txt (classes from 0),
features_classes.txt (their names, where they are known), features_videos.txt and
features.pbtxt, which describes them for training. With --out features.txt they are
UNLABELLED data: an .h5 for each video in the folder features, listed in features.txt.

A video that cannot be read is reported and left out everywhere; so is one that makes a
decoder crash, because videos and net are read by a process of their own. A run that was
interrupted goes on when it is started again. Needs onnx, onnxruntime and PyAV:
`pip install 'videolstm[features]'`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from tqdm import tqdm

from videolstm.command import run
from videolstm.config import check_description
from videolstm.data.ahead import Background
from videolstm.errors import UserError
from videolstm.files import check_writable, written_beside
from videolstm.outside.apart import Apart, Died
from videolstm.tools.feature_files import FeatureFiles, FilePerVideo, OneFile, spelled
from videolstm.tools.feature_options import read_options
from videolstm.video.convnet import Convnet, Net, layers_of, load_net
from videolstm.video.frame import Frame
from videolstm.video.lists import ListedVideo, VideoList, read_videos
from videolstm.video.pixels import PRESETS, Preparation
from videolstm.video.sampling import Sampling
from videolstm.video.source import find_sources


class BrokenVideo(Exception):
    """Why there are no features of a video."""


def features_of(
    path: Path,
    net: Callable[[np.ndarray], np.ndarray],
    prepare: Callable[[np.ndarray], np.ndarray],
    sampling: Sampling,
    batch: int,
    notes: list[str],
) -> Iterator[np.ndarray]:
    """Rows of a video, at most `batch` at a time; meanwhile the next are decoded.

    notes: takes sentences on what was damaged. Raises BrokenVideo, perhaps after some
    rows; what the net says of images is not the video's fault and stays a UserError.
    """
    frames = 0
    with closing(Background(_images(path, prepare, sampling, batch, notes))) as images:
        for some in images:
            rows = net(some)
            if not np.isfinite(rows).all():
                bad = frames + int(np.argwhere(~np.isfinite(rows))[0, 0])
                raise BrokenVideo(
                    f"{path}: the net gives no finite numbers for its "
                    f"frame {bad}, counted from 0"
                )
            frames += len(rows)
            yield rows
    if not frames:
        raise BrokenVideo(f"{path}: has no frame")


def _images(
    path: Path,
    prepare: Callable[[np.ndarray], np.ndarray],
    sampling: Sampling,
    batch: int,
    notes: list[str],
) -> Iterator[np.ndarray]:
    """Prepared images (at most batch, height, width, colours)."""
    try:
        sources = find_sources([path])
        if len(sources) > 1:
            raise UserError(
                f"{path}: has {len(sources)} videos in it, and it should be one"
            )
        with closing(sources[0].frames(notes)) as frames:
            waiting = []
            for frame in sampling(frames):
                waiting.append(_prepared(path, frame, prepare))
                if len(waiting) == batch:
                    yield np.stack(waiting)
                    waiting.clear()
            if waiting:
                yield np.stack(waiting)
    except UserError as error:
        raise BrokenVideo(str(error)) from None
    except MemoryError:
        raise BrokenVideo(f"{path}: takes more memory than there is") from None


def _prepared(
    path: Path, frame: Frame, prepare: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    rgb = frame.rgb()
    try:
        return prepare(rgb)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


class Reader:
    """All that is done with the files of strangers, to be done `Apart`: what `model`
    says of the frames of videos. The arguments are those of Convnet."""

    def __init__(
        self,
        model: str,
        layer: str | None,
        size: tuple[int, int] | None,
        board: str,
        threads: int,
    ) -> None:
        self._net = Convnet(model, layer, size, board, threads)

    def net(self) -> Iterator[Net]:
        yield self._net.facts()

    def rows(
        self,
        path: Path,
        prepare: Callable[[np.ndarray], np.ndarray],
        sampling: Sampling,
        batch: int,
    ) -> Iterator[np.ndarray | str]:
        """What `features_of` gives, and then its notes."""
        notes: list[str] = []
        yield from features_of(path, self._net, prepare, sampling, batch, notes)
        yield from notes


def _net_of(reader: Apart, model: str) -> Net:
    try:
        (net,) = reader.each("net")
    except Died as error:
        raise UserError(
            f"{model}: it makes ONNX Runtime crash ({error}), so it is damaged or was "
            "made to do harm; it should be a net in ONNX format"
        ) from None
    return net


def _rows_of(
    reader: Apart, path: Path, notes: list[str], *how: object
) -> Iterator[np.ndarray]:
    try:
        for item in reader.each("rows", path, *how):
            if isinstance(item, str):
                notes.append(item)
            else:
                yield item
    except Died as error:
        raise BrokenVideo(
            f"{path}: it makes the decoder crash, or the net that is shown it ({error})"
        ) from None


def extract(
    videos: Sequence[ListedVideo],
    files: FeatureFiles,
    rows_of: Callable[[Path, list[str]], Iterator[np.ndarray]],
) -> list[str]:
    """Puts the features of all videos into the files, where they are not yet; returns
    why those that are left out now are. rows_of: `features_of` with all settings."""
    broken = []
    frames = 0
    with tqdm(total=len(videos), desc="features", unit=" videos", disable=None) as bar:
        for number, video in enumerate(videos):
            if not files.has(number, video.name):
                notes: list[str] = []
                try:
                    with files.video(number, video.name) as append:
                        for rows in rows_of(video.path, notes):
                            append(rows)
                            frames += len(rows)
                            bar.set_postfix_str(f"{frames:,} frames")
                except BrokenVideo as error:
                    files.skip(number, video.name)
                    broken.append(str(error))
                    notes = [f"{error}: left out"]
                for note in notes:
                    tqdm.write(f"Note: {note}")
            bar.update()
    return broken


# ---- command line --------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: write features of videos as a data set."""
    chosen = read_options(arguments)
    if chosen.layers:
        print("\n".join(layers_of(load_net(Path(chosen.model)))))
        return
    out = _checked_out(chosen)
    listing = read_videos(
        chosen.videos, chosen.folder, chosen.classes, chosen.part, chosen.split
    )
    for note in listing.notes:
        print(f"Note: {note}")
    _check_there(listing, chosen)
    net_options = (chosen.layer, chosen.size, chosen.board, chosen.threads)
    with Apart(Reader, chosen.model, *net_options) as reader:
        net = _net_of(reader, chosen.model)
        prepare = _preparation(chosen, net)
        sampling = Sampling(chosen.fps, chosen.every, chosen.max_frames)
        print(_summary(net, prepare, listing))
        settings = _settings(net, prepare, sampling)
        files = _files(out, chosen.dataset, settings, listing)
        how = (prepare, sampling, chosen.batch)
        broken = extract(
            listing.videos,
            files,
            lambda path, notes: _rows_of(reader, path, notes, *how),
        )
    if not files.counts:
        raise UserError(
            f"{chosen.videos}: there are features of none of its "
            f"{len(listing.videos)} videos"
            + (f"; the first: {broken[0]}" if broken else "")
        )
    _finish(out, files, listing, chosen, net.dims)


def _finish(
    out: Path,
    files: FeatureFiles,
    listing: VideoList,
    chosen: argparse.Namespace,
    dims: int,
) -> None:
    """Writes what goes beside the features and says what is there."""
    kept = [listing.videos[number] for number in sorted(files.counts)]
    labels = [video.label for video in kept] if listing.labelled else None
    longest = max(files.counts.values())
    clip = min(chosen.clip, longest)
    lists = {"videos": [spelled(video.name) for video in kept]}
    if labels is not None and listing.classes is not None:
        lists["classes"] = [spelled(name) for name in listing.classes]
    for name, lines in lists.items():
        with written_beside(out.with_name(f"{out.stem}_{name}.txt")) as beside:
            beside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    description = files.complete(clip, chosen.stride, chosen.batch_size, labels)
    left_out = len(listing.videos) - len(kept)
    print(
        f"{out}: {sum(files.counts.values()):,} frames of {_videos(len(kept))}, "
        f"{dims} numbers each" + (f"; {_videos(left_out)} left out" if left_out else "")
    )
    if clip < chosen.clip:
        print(f"Note: no video has {chosen.clip} frames, so clips are of {clip}")
    print(
        f"{description} describes them; for a model: input_dims {dims}"
        + (f", {_classes(labels, listing)} classes" if labels else "")
    )


def _videos(count: int) -> str:
    return f"{count:,} video{'s' if count != 1 else ''}"


def _classes(labels: Sequence[int], listing: VideoList) -> int:
    return len(listing.classes) if listing.classes else max(labels) + 1


def _checked_out(chosen: argparse.Namespace) -> Path:
    """The file to write; what may stand in the way is said before long work."""
    out = Path(chosen.out)
    if out.suffix not in (".h5", ".txt"):
        raise UserError(
            f"{out}: should end in .h5 (one file, with classes) or .txt (a list of .h5 "
            "files, one for each video)"
        )
    for name in ("", "_videos", "_num_frames"):
        path = out.with_name(f"{out.stem}{name}.txt") if name else out
        if Path(chosen.videos).resolve() == path.resolve():
            raise UserError(
                f"{out}: {chosen.videos} would be replaced: give the features another "
                "name"
            )
        check_writable(path)
    check_description(out.with_suffix(".pbtxt"), out)
    return out


def _check_there(listing: VideoList, chosen: argparse.Namespace) -> None:
    """A wrong folder would make every video a broken one."""
    if not any(os.path.exists(video.path) for video in listing.videos):
        hint = "" if chosen.folder else ": say with --videos which folder they are in"
        raise UserError(
            f"{chosen.videos}: none of its {len(listing.videos)} videos is there; the "
            f"first would be {listing.videos[0].path}{hint}"
        )


def _preparation(chosen: argparse.Namespace, net: Net) -> Preparation:
    order = chosen.colours or ("grey" if net.colours == 1 else None)
    colours = PRESETS[chosen.preset].changed(order, chosen.mean, chosen.std)
    if colours.count != net.colours:
        raise UserError(
            f"{net.path}: reads images of {net.colours} colours, and --colours "
            f"{colours.order} has {colours.count}"
        )
    if chosen.short_side and chosen.fit != "crop":
        raise UserError("--short-side goes with --fit crop")
    if 0 < chosen.short_side < max(net.height, net.width):
        raise UserError(
            f"--short-side {chosen.short_side} is smaller than the "
            f"{net.width}x{net.height} pixels that {net.path} reads"
        )
    return Preparation(net.height, net.width, colours, chosen.fit, chosen.short_side)


def _settings(net: Net, prepare: Preparation, sampling: Sampling) -> dict[str, str]:
    """What decides the features, kept in their files."""
    colours = prepare.colours
    return {
        "model": _digest(net.path),
        "layer": net.layer,
        "size": f"{net.width}x{net.height}",
        "fit": prepare.fit,
        "short side": str(prepare.short_side),
        "colours": colours.order,
        "mean": " ".join(map(repr, colours.mean)),
        "std": " ".join(map(repr, colours.std)),
        "fps": str(sampling.fps or "all"),
        "every": str(sampling.step),
        "max frames": str(sampling.most or "all"),
    }


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return f"sha256 {digest.hexdigest()}"


def _files(
    out: Path, dataset: str, settings: dict[str, str], listing: VideoList
) -> FeatureFiles:
    if out.suffix == ".h5":
        files = OneFile(out, dataset, settings, [v.name for v in listing.videos])
        if files.counts:
            print(f"{files.part}: goes on after {_videos(len(files.counts))}")
        return files
    if listing.labelled:
        print("Note: UNLABELLED data has no classes, those of the list are not kept")
    return FilePerVideo(out, dataset, settings)


def _summary(net: Net, prepare: Preparation, listing: VideoList) -> str:
    colours = prepare.colours
    mean, std = (
        ", ".join(f"{number:.6g}" for number in numbers)
        for numbers in (colours.mean, colours.std)
    )
    return (
        f"{net.path}: {net.layer}, {net.dims} numbers for images of "
        f"{net.width}x{net.height}, {colours.order}, less {mean}, divided by {std} "
        f"({prepare.fit}); {_videos(len(listing.videos))}"
    )


if __name__ == "__main__":
    run(main)
