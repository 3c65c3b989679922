"""What counts as a video: a file, a folder of images, an array; and finding them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from videolstm.errors import UserError, one_line
from videolstm.video.decode import video_frames
from videolstm.video.frame import Frame
from videolstm.video.stills import array_frames, image_frames

# What a folder is searched for. A file that is named itself is tried whatever its name.
VIDEO_SUFFIXES = frozenset(
    "3g2 3gp asf avi divx dv f4v flv gif h264 h265 hevc ivf m2ts m2v m4v mjpeg "
    "mjpg mkv mov mp4 mpe mpeg mpg mts mxf nut ogm ogv qt rm rmvb ts vob webm wmv "
    "y4m".split()
)
IMAGE_SUFFIXES = frozenset("bmp jpe jpeg jpg pgm png pnm ppm tif tiff webp".split())

_MOST_KINDS = 5  # that a sentence names

VIDEO, IMAGES, ARRAY = "video", "images", "array"


@dataclass(frozen=True)
class Source:
    """A video: kind is VIDEO, IMAGES (path is their folder) or ARRAY.

    size: its bytes, for progress. stamp: changes when its files do.
    """

    path: Path
    kind: str
    size: int
    stamp: str

    def frames(self, notes: list[str]) -> Iterator[Frame]:
        """All frames in order; `notes` takes sentences on what was damaged.

        Raises UserError, possibly after some frames, for what cannot be read.
        """
        if self.kind == IMAGES:
            return image_frames(self.path, images_of(self.path))
        if self.kind == ARRAY:
            return array_frames(self.path)
        return video_frames(self.path, notes)


def find_sources(
    names: Iterable[str | Path], others: list[Path] | None = None
) -> list[Source]:
    """The videos that the names stand for, in their order, each once.

    A file is a video, or an array where it ends in .npy. A folder is searched with all
    that is in it, in natural order: its videos and arrays; and a folder with images and
    none of these is a video itself. Hidden files are passed over.

    others: takes the files of folders that are none of these (see `left_out`).

    Raises UserError for a name that is not there and a folder that has no video.
    """
    found: dict[str, Source] = {}
    others = [] if others is None else others
    for name in names:
        path = Path(name)
        if os.path.isdir(path):
            before = len(others)
            sources = list(_searched(path, set(), others))
            if not sources:
                there = others[before:]
                only = f", only {_kinds(there)}" if there else ""
                raise UserError(
                    f"{path}: neither videos nor images nor .npy in this folder{only}"
                )
        elif os.path.isfile(path):
            sources = [_file(path)]
        else:
            there = "is no" if os.path.exists(path) else "no such"
            raise UserError(f"{path}: {there} file or folder")
        for source in sources:
            found.setdefault(os.path.realpath(source.path), source)
    return list(found.values())


def left_out(others: Sequence[Path]) -> str:
    """A sentence on the files of folders that `find_sources` has not taken."""
    text = f"{len(others):,} files are left out, by their names no videos"
    if len(others) == 1:
        text = "1 file is left out, by its name no video"
    if any(map(is_image, others)):
        text += " (nor are images, beside videos)"
    return f"{text}: {_kinds(others)}"


def _kinds(paths: Iterable[Path]) -> str:
    """How many there are of each suffix, the most frequent ones first."""
    counts = Counter(path.suffix.lower() for path in paths).most_common()
    said = [f"{n:,} {kind or 'without a suffix'}" for kind, n in counts[:_MOST_KINDS]]
    if rest := sum(n for _, n in counts[_MOST_KINDS:]):
        said.append(f"{rest:,} others")
    return one_line(", ".join(said))


def is_video(path: Path) -> bool:
    """Whether a file is one by its name; a .gif counts, other images do not."""
    return _suffix(path) in VIDEO_SUFFIXES


def is_image(path: Path) -> bool:
    """Whether a file is one by its name."""
    return _suffix(path) in IMAGE_SUFFIXES


def natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    """A sort key by name: frame10 comes after frame9."""
    # words and numbers by turns, a word first, so that like is compared with like
    parts = re.split(r"([0-9]+)", path.name.lower())
    numbers = [int(part) for part in parts[1::2]] + [0]
    return list(zip(parts[::2], numbers, strict=True)), path.name


def images_of(folder: Path) -> list[Path]:
    """The images of a folder in natural order."""
    return [p for p in _visible(folder) if _is_a(p, IMAGE_SUFFIXES)]


def _searched(folder: Path, seen: set[str], others: list[Path]) -> Iterator[Source]:
    real = os.path.realpath(folder)
    if real in seen:  # a link that leads back
        return
    seen.add(real)
    entries = _visible(folder)
    videos = {path for path in entries if _is_a(path, {*VIDEO_SUFFIXES, "npy"})}
    images = images_of(folder)
    if images and not videos:
        yield _images(folder, images)
    taken = videos or set(images)
    for path in entries:
        if os.path.isdir(path):
            yield from _searched(path, seen, others)
        elif path in videos:
            yield _file(path)
        elif path not in taken and os.path.isfile(path):
            others.append(path)


def _visible(folder: Path) -> list[Path]:
    try:
        entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    return sorted(entries, key=natural)


def _suffix(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _is_a(path: Path, suffixes: Collection[str]) -> bool:
    return _suffix(path) in suffixes and os.path.isfile(path)


def _file(path: Path) -> Source:
    state = path.stat()
    kind = ARRAY if _suffix(path) == "npy" else VIDEO
    return Source(path, kind, state.st_size, f"{state.st_size} {state.st_mtime_ns}")


def _images(folder: Path, images: list[Path]) -> Source:
    states = [(path.name, path.stat()) for path in images]
    stamp = "\n".join(f"{name} {s.st_size} {s.st_mtime_ns}" for name, s in states)
    return Source(folder, IMAGES, sum(s.st_size for _, s in states), stamp)
