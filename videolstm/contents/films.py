"""Videos and images, which `tools.patches` and `tools.features` read."""

from __future__ import annotations

from videolstm.contents.kind import Contents
from videolstm.contents.opened import Opened
from videolstm.contents.report import Report, counted, number_text, size_text
from videolstm.video.decode import Header
from videolstm.video.facts import Facts, facts_of
from videolstm.video.source import images_of


def _describe_frame(report: Report, facts: Facts) -> None:
    colours = "grey" if facts.grey else "colour"
    text = f"{facts.width}x{facts.height} pixels, {colours}"
    value = {"width": facts.width, "height": facts.height, "grey": facts.grey}
    report.add("frame", text, value)


class Film(Contents):
    """A video file: what its header says, and the size of its first frame."""

    title = "a video"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "video"

    def describe(self, report: Report) -> None:
        facts = facts_of(self.path)
        _describe_frame(report, facts)
        self._describe_length(report, facts.header)
        header = facts.header
        value = {"codec": header.codec, "container": header.container}
        report.add("format", f"{header.codec} in {header.container}", value)
        report.add("size", size_text(self.opened.size), self.opened.size)
        report.add("note", "videolstm.tools.patches makes clips of it to train on")

    @staticmethod
    def _describe_length(report: Report, header: Header) -> None:
        rate, seconds = header.rate, header.seconds
        if header.frames is not None:
            text = f"{header.frames:,}, as the file says"
        elif rate and seconds:
            text = f"about {round(rate * seconds):,}, by its length"
        else:
            text = "not said in the file"
        report.add("frames", text, header.frames)
        said = f"{number_text(float(rate))} frames a second" if rate else "not said"
        report.add("rate", said, rate and float(rate))
        said = f"{seconds:,.2f} seconds" if seconds else "not said"
        report.add("length", said, seconds)


class Picture(Contents):
    """An image file."""

    title = "an image"

    @classmethod
    def recognises(cls, opened: Opened) -> bool:
        return opened.family == "image"

    def describe(self, report: Report) -> None:
        facts = facts_of(self.path)
        _describe_frame(report, facts)
        report.add("format", facts.format)
        report.add("size", size_text(self.opened.size), self.opened.size)
        beside = len(images_of(self.path.parent))
        if beside > 1:
            text = (
                f"{counted(beside, 'image')} are in its folder, which is a video for "
                "videolstm.tools.patches if they have one size"
            )
            report.add("note", text)
