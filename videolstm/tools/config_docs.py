"""docs/config.md from the comments of config.proto.

    python -m videolstm.tools.config_docs --out docs/config.md

Without --out the page is printed. The .proto is read as text, by the few rules it is
written by: one field or enum value on a line, its comment in the lines above it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from videolstm.command import parser, run
from videolstm.errors import UserError
from videolstm.files import written_beside

PROTO = Path(__file__).resolve().parents[2] / "config.proto"

_BLOCK = re.compile(r"(message|enum) (\w+) \{")
_FIELD = re.compile(
    r"(?P<label>optional|repeated) (?P<type>\w+) (?P<name>\w+) = (?P<number>\d+)"
    r"(?: \[default = (?P<default>[^\]]+)\])?;"
)
_VALUE = re.compile(r"(?P<name>[A-Z]\w+) = (?P<number>\d+);")

_INTRO = """\
# Configuration

<!-- Made by `python -m videolstm.tools.config_docs --out docs/config.md` from the
     comments of config.proto: change those. -->

Models (`models/*.pbtxt`) and data sets (`datasets/*.pbtxt`) are described in protobuf's
text format, a field on each line and blocks in braces; `#` starts a comment:

    name: "lstm_combo"
    lstm {
      name: "lstm_1_enc"
      num_hid: 2048
    }

A model is a [Model](#model), a data set a [Data](#data). A field that does not exist,
or a value that does not fit, is refused with its line and column; a field that is
left out has its default. Fields that have none are text that is empty or numbers that
are 0, and whoever needs one says so when it is missing.
"""

_FORMATS = """\
## File formats

A file that is named in a `.pbtxt`, or in a list of files, is looked for in the current
folder and then in the folder of the file that names it. Data is only ever read, and
nothing in it is executed: arrays of Python objects are refused.

| file | what it holds |
| --- | --- |
| `data_file`, LABELLED | An `.h5`. The dataset `dataset_name`, (frames, numbers in \
a frame), has the frames of all videos below each other. |
| `data_file`, UNLABELLED | A text file with the path of an `.h5` on each line, one \
for each video. Each has the dataset `dataset_name`, (frames, numbers in a frame). |
| `data_file`, BOUNCING_MNIST | An `.h5` of digits: `dataset_name`, else `train`, is \
(digits, 784), the 28 rows of an image one after the other, from 0 (dark) to 1. |
| `data_file`, VIDEO_PATCH | An `.npy`, (clips, frames, height, width) for grey and \
(clips, frames, 3, height, width) for colour, with values from 0 to 255; they are \
divided by 255. Where the first axis has just `num_frames` and the second has not, as \
in the standard `mnist_test_seq.npy`, (20, 10000, 64, 64), frames come first and then \
clips. |
| `num_frames_file` | Text, an integer on each line: the frames of a video, in the \
order of the data. |
| `labels_file` | Text, an integer on each line: the class of a video, from 0, in \
the order of the data. |
| `video_ids_file` | Text, an integer on each line: which videos to use, from 0, in \
the order to use them. |
| `mean_file` | An `.h5` with `pixel_mean` and `pixel_std`, each (colours,). |
| `file_name` of a weight, checkpoints | An `.h5` with a dataset `<layer>:<weight>` \
for each weight, such as `lstm_1_enc:w_dense`. A checkpoint has the momentum history \
in `<layer>:<weight>_grad` too, with rms_prop the running root mean square in \
`<layer>:<weight>_rms_prop`, and the number of updates in the attribute \
`<layer>:<weight>_t`. |

A frame of an image with several colours is stored colour by colour, and each colour
row by row. Clips are cut from a video every `stride` frames, as long as `num_frames`
of them are left.
"""


@dataclass
class Entry:
    """A field or an enum value: `number` and `default` as written, '' for none."""

    name: str
    number: str
    comment: str
    type: str = ""
    default: str = ""


@dataclass
class Block:
    """A message or an enum, with its fields or values and the enums inside it."""

    name: str
    kind: str
    comment: str
    entries: list[Entry] = field(default_factory=list)
    enums: list[Block] = field(default_factory=list)


def read_proto(text: str) -> list[Block]:
    """The messages of a .proto, with the comment above each thing.

    Raises UserError for a line inside a message that is none of the known kinds.
    """
    messages: list[Block] = []
    inside: list[Block] = []
    comment: list[str] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if line.startswith("//"):
            comment.append(line[2:].strip())
            continue
        words, comment = " ".join(comment), []
        if match := _BLOCK.fullmatch(line):
            block = Block(match[2], match[1], words)
            (inside[-1].enums if inside else messages).append(block)
            inside.append(block)
        elif line == "}" and inside:
            inside.pop()
        elif inside and line:
            inside[-1].entries.append(_entry(inside[-1], line, number, words))
    return messages


def _entry(block: Block, line: str, number: int, comment: str) -> Entry:
    match = (_FIELD if block.kind == "message" else _VALUE).fullmatch(line)
    if not match:
        raise UserError(
            f"config.proto, line {number}: found {line!r}, and it should be one field "
            "or enum value on a line"
        )
    parts = match.groupdict(default="")
    kind = parts.get("type", "")
    if parts.get("label") == "repeated":
        kind = f"repeated {kind}"
    default = parts.get("default", "")
    return Entry(parts["name"], parts["number"], comment, kind, default)


def page(messages: Sequence[Block]) -> str:
    """The whole of docs/config.md."""
    parts = [_INTRO]
    own = {block.name for block in messages}
    for message in messages:
        parts.append(f"## {message.name}\n\n{message.comment}\n")
        parts.append(_field_table(message, own))
        for enum in message.enums:
            parts.append(f"### {enum.name}\n\n{enum.comment}\n")
            parts.append(_value_table(enum))
    parts.append(_FORMATS)
    return "\n".join(parts)


def _field_table(message: Block, own: set[str]) -> str:
    enums = {enum.name for enum in message.enums}
    rows = ["| field | number | type | default | meaning |", "| --- " * 5 + "|"]
    for entry in message.entries:
        name = entry.type.split()[-1]
        kind = entry.type
        if name in own | enums:
            kind = kind.replace(name, f"[{name}](#{name.lower()})")
        default = f"`{entry.default}`" if entry.default else ""
        rows.append(
            f"| `{entry.name}` | {entry.number} | {kind} | {default} "
            f"| {_cell(entry.comment)} |"
        )
    return "\n".join(rows) + "\n"


def _value_table(enum: Block) -> str:
    rows = ["| value | number | meaning |", "| --- " * 3 + "|"]
    for entry in enum.entries:
        rows.append(f"| `{entry.name}` | {entry.number} | {_cell(entry.comment)} |")
    return "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    """Text as it may stand in a table: a bar would end the cell."""
    return text.replace("|", "\\|")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: print or write the page."""
    options = parser(
        "python -m videolstm.tools.config_docs",
        "Make docs/config.md from the comments of config.proto.",
    )
    options.add_argument(
        "--out", metavar="FILE.md", help="where to write; without it, print"
    )
    chosen = options.parse_args(arguments)
    try:
        text = PROTO.read_text("utf-8")
    except OSError as error:
        raise UserError(
            f"{PROTO}: cannot be read ({error.strerror}), and it should be in the root "
            "of the source tree, where this program is for"
        ) from None
    made = page(read_proto(text))
    if chosen.out is None:
        sys.stdout.write(made)
        return
    with written_beside(chosen.out) as beside:
        beside.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    run(main)
