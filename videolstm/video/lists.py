"""Lists of videos with their classes: plain ones, UCF-101's, HMDB-51's, or folders.

What `read_videos` takes:

- a text file, a video a line, with or without its class behind it: ``a/b.avi`` or
  ``a/b.avi 3``. Classes are counted from 0.
- UCF-101's ``trainlist01.txt`` (``Class/v_x.avi 1``) and ``testlist01.txt``
  (``Class/v_x.avi``), with ``classInd.txt`` (``1 Class``) beside them; or their folder,
  ucfTrainTestlist, with a split and a part.
- HMDB-51's folder of splits, testTrainMulti_7030_splits, whose files
  ``CLASS_test_split1.txt`` have lines ``x.avi 1``: 1 is for training, 2 for testing, 0
  for neither. Classes are counted in the alphabet's order.
- a folder with a folder of videos for each class, classes in the alphabet's order; or
  with videos of no class.

Whatever the list counts from, the classes that come out are counted from 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from videolstm.data.files import read_lines
from videolstm.errors import UserError
from videolstm.video.source import find_sources, left_out

PARTS = ("train", "test")

_CLASSES_OF_UCF = "classInd.txt"
_LIST_OF_UCF = re.compile(r"(train|test)list([0-9]+)\.txt")
_LIST_OF_HMDB = re.compile(r"(.+)_test_split([0-9]+)\.txt")
_NUMBER_IN_HMDB = {"train": "1", "test": "2"}


@dataclass(frozen=True)
class ListedVideo:
    """name: as the list has it; path: where to look for it; label: its class, from 0,
    or None."""

    name: str
    path: Path
    label: int | None = None


@dataclass(frozen=True)
class VideoList:
    """Videos in the order of the list. classes: the names, by number, where they are
    known. notes: sentences that a user should read."""

    videos: list[ListedVideo]
    classes: list[str] | None = None
    notes: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        return self.videos[0].label is not None


def read_videos(
    source: str | Path,
    folder: str | Path | None = None,
    classes: str | Path | None = None,
    part: str | None = None,
    split: int = 1,
) -> VideoList:
    """The videos that a list or folder names.

    folder: what the names are relative to; without it the current folder, else that of
    the list. classes: names of the classes, a line each, as in UCF-101's classInd.txt
    or without numbers; without it classInd.txt beside the list is taken, if it is
    there. part, split: "train" or "test" and a number, for folders of splits.

    Whether the videos are there is not looked at. Raises UserError for what is none of
    the kinds of list above.
    """
    source = Path(source)
    if os.path.isdir(source):
        listing = _in_folder(source, folder, classes, part, split)
    elif part is not None:
        raise UserError(
            f"{source}: a part ({part}) is chosen from a folder of splits, and this is "
            f"{'a file' if os.path.exists(source) else 'nothing that is there'}"
        )
    else:
        listing = _in_file(source, folder, classes)
    if not listing.videos:
        raise UserError(f"{source}: there is no video in it")
    return listing


def _in_folder(
    source: Path,
    folder: str | Path | None,
    classes: str | Path | None,
    part: str | None,
    split: int,
) -> VideoList:
    try:
        names = sorted(os.listdir(source))
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror})") from None
    of_ucf = [m for name in names if (m := _LIST_OF_UCF.fullmatch(name))]
    of_hmdb = [m for name in names if (m := _LIST_OF_HMDB.fullmatch(name))]
    if not of_ucf and not of_hmdb:
        if part is not None:
            raise UserError(
                f"{source}: there is no split in this folder to take the part {part} "
                "of: neither trainlist01.txt nor CLASS_test_split1.txt"
            )
        return _by_folders(source, folder, classes)
    if part is None:
        raise UserError(
            f"{source} has the splits of a data set: say which part is wanted, --part "
            f"{' or --part '.join(PARTS)}"
        )
    splits = sorted({int(match[2]) for match in of_ucf or of_hmdb})
    if split not in splits:
        raise UserError(
            f"{source}: there is no split {split}; it has {', '.join(map(str, splits))}"
        )
    if of_ucf:
        (name,) = [m[0] for m in of_ucf if m[1] == part and int(m[2]) == split] or [
            f"{part}list{split:02}.txt"
        ]
        return _in_file(source / name, folder, classes)
    # Not in the order of the files: kick_ball_test_... comes before kick_test_...
    chosen = sorted((m for m in of_hmdb if int(m[2]) == split), key=lambda m: m[1])
    return _of_hmdb(source, chosen, folder, part)


# ---- text files ----------------------------------------------------------------------


def _in_file(
    source: Path, folder: str | Path | None, classes: str | Path | None
) -> VideoList:
    lines = read_lines(source)
    entries = [_split_line(line) for line in lines]
    for number, (name, _) in enumerate(entries, start=1):
        if not name or "\0" in name:
            raise UserError(f"{source}, line {number} names no video")
    with_number = sum(label is not None for _, label in entries)
    if 0 < with_number < len(entries):
        number = 1 + [label is None for _, label in entries].index(True)
        raise UserError(
            f"{source}, line {number}: there is no class behind the video, as there is "
            f"in {with_number} other lines"
        )
    if classes is None and (source.parent / _CLASSES_OF_UCF).is_file():
        classes = source.parent / _CLASSES_OF_UCF
    numbering = None if classes is None else _read_classes(Path(classes))
    labels, notes = _labels(source, entries, numbering)
    videos = [
        ListedVideo(name, _place(name, source, folder), label)
        for (name, _), label in zip(entries, labels, strict=True)
    ]
    known = numbering is not None and videos[0].label is not None
    return VideoList(videos, list(numbering.values()) if known else None, notes)


def _split_line(line: str) -> tuple[str, int | None]:
    """The video and the class behind it. A name may have spaces."""
    match = re.fullmatch(r"(.*\S)\s+([0-9]{1,9})", line, re.DOTALL)
    return (match[1], int(match[2])) if match else (line, None)


def _place(name: str, source: Path, folder: str | Path | None) -> Path:
    if folder is not None:
        return Path(folder) / name
    beside = source.parent / name
    return Path(name) if os.path.exists(name) or not os.path.exists(beside) else beside


def _labels(
    source: Path,
    entries: Sequence[tuple[str, int | None]],
    numbering: dict[int, str] | None,
) -> tuple[list[int | None], tuple[str, ...]]:
    """Classes from 0, and notes; by number, or by the name of the folder."""
    numbered = entries[0][1] is not None
    if numbering is None:
        labels = [label for _, label in entries]
        if numbered and min(labels) > 0:
            return labels, (
                f"{source}: the smallest class is {min(labels)}; where the list counts "
                f"from 1, name its classes with --classes or put {_CLASSES_OF_UCF} "
                "beside it, and they are counted from 0",
            )
        return labels, ()
    ranks = {number: rank for rank, number in enumerate(numbering)}
    names = {name.lower(): rank for rank, name in enumerate(numbering.values())}
    labels = []
    for line, (name, number) in enumerate(entries, start=1):
        by_folder = names.get(Path(name).parent.name.lower())
        label = ranks.get(number) if numbered else by_folder
        if label is None:
            found = number if numbered else Path(name).parent.name or name
            raise UserError(
                f"{source}, line {line}: {found!r} is none of the {len(numbering)} "
                "classes"
            )
        if by_folder not in (None, label):
            raise UserError(
                f"{source}, line {line}: class {number} is {numbering[number]}, and "
                f"the video is in the folder {Path(name).parent.name}"
            )
        labels.append(label)
    return labels, ()


def _read_classes(path: Path) -> dict[int, str]:
    """Names by the number that lists have for them, in the order of these."""
    lines = read_lines(path)
    pairs = [re.fullmatch(r"([0-9]{1,9})\s+(\S.*)", line) for line in lines]
    if not all(pairs):
        named = dict(enumerate(lines))
    else:
        named = {int(pair[1]): pair[2] for pair in sorted(pairs, key=_number)}
    if len({name.lower() for name in named.values()}) < len(lines) or "" in lines:
        raise UserError(f"{path}: a class is named twice, or a line is empty")
    return named


def _number(pair: re.Match) -> int:
    return int(pair[1])


# ---- folders -------------------------------------------------------------------------


def _of_hmdb(
    source: Path, files: Sequence[re.Match], folder: str | Path | None, part: str
) -> VideoList:
    if folder is None:
        raise UserError(
            f"{source}: the splits name videos in folders of their classes: say with "
            "--videos where these folders are"
        )
    videos = []
    for label, file in enumerate(files):
        path = source / file[0]
        for line, text in enumerate(read_lines(path), start=1):
            name, number = _split_line(text)
            if number not in (0, 1, 2):
                raise UserError(
                    f"{path}, line {line}: found {text[:60]!r}, and it should be a "
                    "video and 1 (train), 2 (test) or 0 (neither)"
                )
            if str(number) == _NUMBER_IN_HMDB[part]:
                listed = f"{file[1]}/{name}"
                videos.append(ListedVideo(listed, Path(folder) / listed, label))
    return VideoList(videos, [file[1] for file in files])


def _by_folders(
    source: Path, folder: str | Path | None, classes: str | Path | None
) -> VideoList:
    """A folder for each class, or a folder of videos."""
    if folder is not None:
        raise UserError(f"{source} has the videos itself: leave out --videos")
    others: list[Path] = []
    found = [entry.path for entry in find_sources([source], others)]
    notes = (left_out(others),) if others else ()
    inside = [path.relative_to(source) for path in found]
    names = sorted({path.parts[0] for path in inside if len(path.parts) > 1})
    if classes is not None:
        names = list(_read_classes(Path(classes)).values())
    elif not names or any(len(path.parts) == 1 for path in inside):
        videos = zip(inside, found, strict=True)
        videos = [ListedVideo(str(name), path) for name, path in videos]
        return VideoList(videos, notes=notes)
    ranks = {name.lower(): rank for rank, name in enumerate(names)}
    videos = []
    for name, path in zip(inside, found, strict=True):
        label = ranks.get(name.parts[0].lower()) if name.parts else None
        if label is None:
            raise UserError(f"{path}: its folder is none of the {len(names)} classes")
        videos.append(ListedVideo(str(name), path, label))
    return VideoList(videos, names, notes)
