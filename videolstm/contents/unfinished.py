"""What programs leave behind that were not done: they go on with it when they are
called again in the same way."""

from __future__ import annotations

import json
import re

from videolstm.contents.kind import Contents
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, size_text
from videolstm.errors import UserError, one_line
from videolstm.limits import read_bounded

_PART_OF_PATCHES = re.compile(r"([0-9]{6,})-[0-9a-f]{16}\.part")
_FROM = ".part.from"
_MOST_FROM = 2**16  # bytes


def _number_of_part(opened: Opened) -> int | None:
    """The video, counted from 0, whose clips a file has."""
    match = _PART_OF_PATCHES.fullmatch(opened.path.name)
    in_parts = opened.path.parent.name.endswith(".parts")
    return int(match[1]) if match and in_parts else None


class PartOfPatches(Contents):
    """The clips of one video."""

    title = "clips of one video, of a run that is not done (videolstm.tools.patches)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "unfinished" and _number_of_part(opened) is not None

    def describe(self, report: Report) -> None:
        number = _number_of_part(self.opened)
        report.add("video", f"number {number}, counted from 0", number)
        report.add("size", size_text(self.opened.size), self.opened.size)
        out = self.path.parent.name.removesuffix(".parts")
        report.add("note", f"the same command again goes on and makes {out} of it")


class Lock(Contents):
    """What a run holds for as long as it is at work."""

    title = "the mark of a run of videolstm.tools.patches"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "unfinished" and opened.path.name == "lock"

    def describe(self, report: Report) -> None:
        out = self.path.parent.name.removesuffix(".parts")
        report.add("note", f"one run at a time writes {out}; this file stays empty")


class Origin(Contents):
    """Where a download comes from."""

    title = "where the beginning of a file is from (videolstm.tools.download)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "unfinished" and opened.path.name.endswith(_FROM)

    def describe(self, report: Report) -> None:
        data = read_bounded(self.path, _MOST_FROM, "the origin of a download")
        try:
            said = json.loads(data)
            lines = [(key, str(said[key])) for key in ("address", "version")]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise UserError(
                f"{self.path}: it should be JSON with an address and a version, as "
                "videolstm.tools.download writes it; without it a download starts over"
            ) from None
        for key, value in lines:
            report.add(key, one_line(value), value)


class Beginning(Contents):
    """A download that was cut, or whose whole was another file."""

    title = "the beginning of a file (videolstm.tools.download)"

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened)
        if opened.path.name.endswith(".wrong"):
            self.title = "not the file that was asked for (videolstm.tools.download)"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "unfinished"

    def describe(self, report: Report) -> None:
        report.add("size", size_text(self.opened.size), self.opened.size)
        if self.path.name.endswith(".wrong"):
            note = "its checksum or its kind is another; it may be removed"
        else:
            name = self.path.name.removesuffix(".part")
            note = f"the same command again fetches what is missing of {name}"
        report.add("note", note)
