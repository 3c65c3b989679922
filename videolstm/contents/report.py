"""What is said of a file: names and values, for people and for programs."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

_WIDTH = 88  # of a line, for people
_BAR = 40  # letters of the longest bar


@dataclass
class Section:
    """Lines under a heading: a name, the text for people, the value for programs. key:
    what the section is called there."""

    heading: str
    key: str
    lines: list[tuple[str, str, object]] = field(default_factory=list)


class Report:
    """What is said of the file `path`, which is of the kind `kind`.

    Lines are added to the last section; the first one has no heading.
    """

    def __init__(self, path: str | Path, kind: str) -> None:
        self.path, self.kind = str(path), kind
        self.sections = [Section("", "")]

    def begin(self, heading: str = "", key: str | None = None) -> None:
        """Lines come under this heading from now on, or under none."""
        self.sections.append(Section(heading, heading if key is None else key))

    def add(self, name: str, text: str, value: object = ...) -> None:
        """A line. `value`, of types that JSON has, is the text where it is left out."""
        value = text if value is ... else value
        self.sections[-1].lines.append((name, text, value))

    def text(self) -> str:
        """For people: aligned lines, long ones broken."""
        out = [f"{self.path}: {self.kind}"]
        for section in self.sections:
            if section.lines:
                out += ["", *([section.heading] if section.heading else [])]
                width = max(len(name) for name, _, _ in section.lines) + 2
                for name, text, _ in section.lines:
                    out += _aligned(name, text, width)
        return "\n".join(out)

    def json(self) -> dict:
        """For programs: values by their names, those under a heading in a dictionary of
        that name; notes as a list."""
        found: dict[str, object] = {"file": self.path, "kind": self.kind}
        for section in self.sections:
            if section.lines:
                place = found
                if section.key:
                    place = found.setdefault(section.key, {})
                for name, _, value in section.lines:
                    if name == "note":  # of which there may be several
                        place.setdefault("notes", []).append(value)
                    else:
                        place[name] = value
        return found


def _aligned(name: str, text: str, width: int) -> list[str]:
    """A line, its further lines below its first one."""
    pieces = []
    for line in text.split("\n"):
        # what is aligned by blanks stays as it is
        kept = "  " in line.strip()
        # what is long is a path, and stays whole
        room = {"break_long_words": False, "break_on_hyphens": False}
        wrapped = textwrap.wrap(line, _WIDTH - width - 2, **room)
        pieces += [line] if kept else wrapped or [""]
    first, *more = pieces or [""]
    lead = "  " + name.ljust(width)
    return [lead + first, *(" " * (width + 2) + line for line in more)]


def bars(counts: dict[object, int]) -> str:
    """Numbers as lines of bars, the longest as long as fits."""
    most = max(counts.values(), default=0) or 1
    wide = max(len(str(key)) for key in counts)
    digits = len(f"{most:,}")
    lines = []
    for key, count in counts.items():
        bar = "#" * round(_BAR * count / most)
        lines.append(f"{key!s:>{wide}}  {count:>{digits},}  {bar}".rstrip())
    return "\n".join(lines)


def size_text(size: float) -> str:
    """Bytes in a unit that leaves few digits."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"


def number_text(value: float) -> str:
    """A number with as many digits as one reads."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def count_text(count: float) -> str:
    """A large count in words."""
    for unit, name in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:,.0f}"


def shape_text(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{n:,}" for n in shape) or "one number"


def counted(count: int, noun: str) -> str:
    """`3 clips`, `1 clip`."""
    plural = noun if count == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {plural}"
