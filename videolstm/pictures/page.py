"""A report as one .html file that needs no other: pictures, tables and text inside."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from videolstm.files import written_beside
from videolstm.results.tables import Table

_TYPES = {".png": "image/png", ".gif": "image/gif"}


@dataclass(frozen=True)
class Picture:
    """A .png or .gif, what it shows in words, and a caption."""

    path: str | os.PathLike
    shows: str
    caption: str = ""

    def html(self) -> str:
        path = Path(self.path)
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        caption = f"<figcaption>{escape(self.caption)}</figcaption>"
        return (
            f'<figure><img src="data:{_TYPES[path.suffix]};base64,{data}" '
            f'alt="{escape(self.shows)}">{caption if self.caption else ""}</figure>'
        )


@dataclass(frozen=True)
class Section:
    """A part of a page, in this order: heading, paragraphs, pictures, tables, notes in
    small letters, and commands as one types them."""

    heading: str
    paragraphs: list[str] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def html(self) -> str:
        parts = [f"<h2>{escape(self.heading)}</h2>"]
        parts += [f"<p>{escape(text)}</p>" for text in self.paragraphs]
        parts += [picture.html() for picture in self.pictures]
        parts += [_table(table) for table in self.tables]
        parts += [f'<p class="note">{escape(text)}</p>' for text in self.notes]
        if self.commands:
            lines = "\n".join(
                f'<span class="prompt">$</span> {escape(line)}'
                for line in self.commands
            )
            parts.append(f"<pre>{lines}</pre>")
        return f"<section>{''.join(parts)}</section>"


@dataclass(frozen=True)
class Page:
    """A page: its title, what it is about in a few sentences, the picture that one sees
    first, a few numbers with what they are of, sections, and a last line."""

    title: str
    lead: str
    first: Picture
    numbers: list[tuple[str, str]]
    sections: list[Section]
    footer: str

    def html(self) -> str:
        cards = "".join(
            f"<div><b>{escape(number)}</b>{escape(what)}</div>"
            for number, what in self.numbers
        )
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            # without it, a browser asks the server for one
            '<link rel="icon" href="data:,">'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style></head>\n"
            f"<body><main><header><h1>{escape(self.title)}</h1>"
            f'<p class="lead">{escape(self.lead)}</p></header>\n'
            f'{self.first.html()}\n<div class="numbers">{cards}</div>\n'
            + "\n".join(section.html() for section in self.sections)
            + f"\n<footer>{escape(self.footer)}</footer></main></body></html>\n"
        )


def write_page(path: str | os.PathLike, page: Page) -> None:
    """Writes a page (beside its place, then renamed)."""
    with written_beside(path) as beside:
        beside.write_text(page.html(), encoding="utf-8")


def _table(table: Table) -> str:
    """A table whose first column names the rows and whose last row is a summary."""
    groups = "".join(
        f'<th colspan="{count}" class="group{" edge" if k == 2 else ""}">'
        f"{escape(name)}</th>"
        for k, (name, count) in enumerate(table.groups)
    )
    last = len(table.headings) - (table.groups[2][1] if table.groups[2:] else 0)

    def row(cells: list[str], tag: str) -> str:
        edge = {last: ' class="edge"'}  # left of the baseline
        return "".join(
            f"<{tag}{edge.get(k, '')}>{escape(cell)}</{tag}>"
            for k, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in table.rows[:-1])
    return (
        f'<h3>{escape(table.title)}</h3><div class="scroll"><table><thead>'
        f"<tr>{groups}</tr><tr>{row(table.headings, 'th')}</tr></thead>"
        f"<tbody>{body}</tbody>"
        f"<tfoot><tr>{row(table.rows[-1], 'td')}</tr></tfoot></table></div>"
    )


_STYLE = """
:root { color-scheme: light; --ink: #1f2328; --faint: #6e7781; --line: #e3e6ea;
  --past: #4c78a8; --future: #e4572e; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: var(--ink);
  font: 17px/1.6 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 56px 24px 40px; }
h1 { font-size: 37px; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 16px; }
h2 { font-size: 25px; letter-spacing: -0.01em; margin: 0 0 8px; }
h3 { font-size: 15px; margin: 26px 0 8px; }
p { margin: 0 0 14px; max-width: 46em; }
.lead { font-size: 21px; line-height: 1.5; color: #3d444d; margin-bottom: 28px; }
figure { margin: 18px 0 0; background: #fff; border: 1px solid var(--line);
  border-radius: 12px; padding: 14px; text-align: center; }
figure img { max-width: 100%; height: auto; display: block; margin: 0 auto; }
figcaption { color: var(--faint); font-size: 15px; line-height: 1.5; text-align: left;
  margin-top: 12px; padding-top: 10px; border-top: 1px solid var(--line); }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(215px, 1fr));
  gap: 14px; margin: 22px 0 0; }
.numbers div { background: #fff; border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 18px; color: var(--faint); font-size: 15px; line-height: 1.4; }
.numbers b { display: block; color: var(--ink); font-size: 29px; line-height: 1.35;
  letter-spacing: -0.02em; }
section { margin-top: 54px; }
.scroll { overflow-x: auto; background: #fff; border: 1px solid var(--line);
  border-radius: 12px; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px;
  font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 4px 12px; white-space: nowrap; }
th { font-weight: 600; color: var(--faint); border-bottom: 1px solid var(--line); }
th.group { text-align: center; border-bottom: 0; padding-top: 10px; color: var(--ink); }
td.edge, th.edge { border-left: 1px solid var(--line); }
tbody tr:nth-child(even) { background: #fafbfc; }
tfoot td { font-weight: 700; border-top: 1px solid var(--line); padding: 8px 12px; }
.note { font-size: 14.5px; color: var(--faint); margin: 10px 0 0; max-width: none; }
.note + .note { margin-top: 2px; }
pre { background: #1f2328; color: #e6edf3; border-radius: 12px; padding: 16px 18px;
  font: 13.5px/1.7 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: 16px 0 0; }
.prompt { color: #7ee787; user-select: none; }
footer { margin-top: 60px; padding-top: 18px; border-top: 1px solid var(--line);
  color: var(--faint); font-size: 14px; }
"""
