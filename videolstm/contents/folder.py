"""A folder: how many files of which kind are in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from videolstm.contents.films import Film, Picture
from videolstm.contents.kind import Contents
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, counted
from videolstm.errors import UserError, one_line
from videolstm.video.source import is_image, is_video, natural

_MOST_FILES = 100_000
_MOST_LOOKED_INTO = 300  # beside videos and images, which are told by their names
_NAMED = 2  # files of a kind
_VIDEO, _IMAGE = Film.title, Picture.title
_OTHER, _NOT_LOOKED = "of no kind known here", "not looked into"


class Folder(Contents):
    """All files in a folder and in those within it, but hidden ones."""

    title = "a folder"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "folder"

    def describe(self, report: Report) -> None:
        kinds: dict[str, list[Path]] = {}
        folders, files = set(), 0
        looked = 0
        for path in _files(self.path):
            files += 1
            folders.add(path.parent)
            if is_video(path) or is_image(path):
                kind = _VIDEO if is_video(path) else _IMAGE
            elif looked < _MOST_LOOKED_INTO:
                looked += 1
                kind = _kind(path)
            else:
                kind = _NOT_LOOKED
            kinds.setdefault(kind, []).append(path)
        value = {"files": files, "folders": len(folders)}
        text = f"{files:,} in {counted(len(folders), 'folder')}" if files else "none"
        report.add("files", text, value)
        if files == _MOST_FILES:
            report.add("note", f"only the first {_MOST_FILES:,} files were looked at")
        if kinds:
            counts = {kind: len(paths) for kind, paths in kinds.items()}
            report.add("of these", self._lines(kinds), counts)
        if _VIDEO in kinds or 2 * len(kinds.get(_IMAGE, ())) > files:
            text = "videolstm.tools.patches makes clips of its videos to train on"
            report.add("note", text)

    def _lines(self, kinds: dict[str, list[Path]]) -> str:
        """A line for each kind, the most frequent first, with some of its files."""
        wide = len(f"{max(map(len, kinds.values())):,}")
        lines = []
        for kind, paths in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
            names = [os.path.relpath(path, self.path) for path in paths[:_NAMED]]
            more = ", ..." if len(paths) > _NAMED else ""
            shown = one_line(f"{', '.join(names)}{more}")
            lines.append(f"{len(paths):>{wide},} x  {kind}: {shown}")
        return "\n".join(lines)


def _files(folder: Path) -> Iterator[Path]:
    """In natural order; links to folders are not followed."""
    count = 0

    def unreadable(error: OSError) -> None:
        if Path(error.filename) == folder:  # of those within it what can be read
            raise UserError(f"{folder}: cannot be read ({error.strerror})")

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        folders.sort(key=lambda name: natural(Path(name)))
        paths = [Path(place, name) for name in names if not name.startswith(".")]
        for path in sorted(filter(os.path.isfile, paths), key=natural):
            yield path
            count += 1
            if count == _MOST_FILES:
                return


def _kind(path: Path) -> str:
    # here, because the table has the class above in it
    from videolstm.contents.kinds import contents_of

    try:
        return contents_of(path).title
    except UserError:
        return _OTHER
