"""Reading the descriptions of models and data: protobuf text files.

The messages are made from config.proto by protoc; `messages()` is the one place that
imports the generated module, so that a missing one is a sentence and not a traceback.
"""

from __future__ import annotations

import difflib
import re
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from videolstm.errors import UserError
from videolstm.files import written_beside
from videolstm.limits import is_plain, read_bounded

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from videolstm import config_pb2

# Descriptions have some ten kilobytes; a million of them is the work of a second.
_MOST_TEXT = 2**20

# What a file is the description of, by the message that it is read into.
_DESCRIBES = {"Model": "a model", "Data": "a data set"}

MAKE_MESSAGES = "protoc -I. --python_out=videolstm config.proto"


def messages() -> ModuleType:
    """The module that protoc makes from config.proto.

    Raises UserError where it is missing, or was made by a protoc that is newer than the
    installed protobuf.
    """
    try:
        from google.protobuf import runtime_version

        too_new: type[Exception] = runtime_version.VersionError
    except ImportError:  # protobuf before 5.26 has no such check
        too_new = UserError
    try:
        from videolstm import config_pb2
    except ImportError as error:
        raise UserError(
            f"videolstm/config_pb2.py cannot be imported ({error}): make it from "
            f"config.proto with `{MAKE_MESSAGES}`"
        ) from None
    except too_new as error:
        raise UserError(
            "videolstm/config_pb2.py was made by another protoc than the installed "
            f"protobuf fits ({error}): make it again with `{MAKE_MESSAGES}`"
        ) from None
    return config_pb2


def read_model(path: str | Path) -> config_pb2.Model:
    """The model described by the .pbtxt at `path`.

    Raises UserError, with line and column, for a file that cannot be read, an unknown
    field or a bad value. The structure is checked elsewhere (`config_check`).
    """
    return _read(messages().Model(), Path(path))


def read_data(path: str | Path) -> config_pb2.Data:
    """The data set described by the .pbtxt at `path`; raises as `read_model`."""
    return _read(messages().Data(), Path(path))


def write_text(message: Message, path: str | Path) -> None:
    """Write a model or data set as the .pbtxt that `read_model` reads."""
    from google.protobuf import text_format

    text = text_format.MessageToString(message, as_utf8=True)
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def check_description(path: str | Path, data_file: str | Path) -> None:
    """Raises UserError where the .pbtxt that a data set is to have beside it is there
    already, and is not one of `data_file`: a model, another set, somebody's notes."""
    path, data_file = Path(path), Path(data_file)
    if not path.exists():
        return
    try:
        described = Path(read_data(path).data_file).name
    except UserError:
        described = None
    if described != data_file.name:
        raise UserError(
            f"{path}: there is a description of something else, and it should "
            f"describe {data_file.name}: choose another name, or move it away"
        )


def locate(name: str, named_in: str | Path, field: str) -> Path:
    """Where the file is that `field` of the file `named_in` calls `name`.

    It is taken from the current folder, else from the folder of the file that names it;
    an absolute name is taken as it is. In a list of files `field` is "line N".

    Raises UserError, naming the field and both places, where neither is a file.
    """
    is_line = field.startswith("line ")
    where = f"{named_in}, {field}" if is_line else f"{named_in}: the field {field}"
    if not name or not is_plain(name):
        raise UserError(f"{where} is {name[:100]!r}, and it should name a file")
    shown = name if len(name) <= 300 else f"{name[:300]}..."
    # dict.fromkeys: when the two places are the same, it is tried and named once.
    places = list(dict.fromkeys([Path(name), Path(named_in).parent / name]))
    for place in places:
        if _kind(place) == "file":
            # The run's own description names it again, and holds text only.
            if not is_plain(str(place)):
                raise UserError(
                    f"{where} names {str(place)!r}, and the names of its folders "
                    "should be text that can be shown on a line"
                )
            return place
    folders = [place for place in places if _kind(place) == "folder"]
    if folders:
        raise UserError(
            f"{where} names {folders[0]}, which is a folder, and it should name a file"
        )
    if any(_kind(place) for place in places):
        raise UserError(
            f"{where} names {shown!r}, which is a pipe, a device or the like, and it "
            "should name a file"
        )
    tried = " and ".join(str(place) for place in places)
    tried = f" (tried {tried})" if shown == name else ""
    raise UserError(f"{where} names {shown!r}, and there is no such file{tried}")


def _kind(place: Path) -> str:
    """'file', 'folder', 'other' or '' for what is at a place, or may not be looked
    at."""
    try:
        mode = place.stat().st_mode
    # A name that is impossible or too long, or a folder that may not be entered.
    except (OSError, ValueError):
        return ""
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def _read(message: Message, path: Path) -> Message:
    """Parse the text file at `path` into `message` and return it."""
    from google.protobuf import text_format

    kind = _DESCRIBES[message.DESCRIPTOR.name]
    try:
        data = read_bounded(path, _MOST_TEXT, f"the text description of {kind}")
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            f"{path}: there is no such file, and it should be the text description "
            f"(.pbtxt) of {kind}"
        ) from None
    except IsADirectoryError:
        raise UserError(
            f"{path} is a folder, and it should be the text description (.pbtxt) of "
            f"{kind}"
        ) from None
    except UnicodeDecodeError:
        raise UserError(
            f"{path} is not a text file, and it should be the text description "
            f"(.pbtxt) of {kind}"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    try:
        with warnings.catch_warnings():
            # Escapes such as \. in a string, which the parser takes as they are.
            warnings.simplefilter("ignore", DeprecationWarning)
            return text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise UserError(_parse_error(error, path, text, message)) from None
    # What some versions of protobuf raise for numbers of thousands of digits and for
    # text in a string that is none.
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        found = " ".join(str(error).split()) or "it is nested too deeply"
        raise UserError(
            f"{path}: cannot be read as the text description (.pbtxt) of {kind} "
            f"({found[:200]})"
        ) from None


def _parse_error(error: Exception, path: Path, source: str, message: Message) -> str:
    """One sentence for what the parser found in `source`, with line and column."""
    text = " ".join(str(error).split())
    place = re.match(r"(\d+):(\d+)\s*:\s*(.*)", text)
    if not place:
        return f"{path}: {text}"
    line, column, found = place.groups()
    # The parser quotes the whole source line in front of some messages.
    found = re.sub(r"^'.*?': ", "", found).rstrip(". ")
    where = f"{path}, line {line} column {column}"
    types = message.DESCRIPTOR.file.message_types_by_name
    if unknown := re.search(r'type "config\.(\w+)" has no.*named "(.+?)"', found):
        return f"{where}: {_unknown_field(types, *unknown.groups(), message)}"
    if enum := re.search(r'type "config\.(\w+)\.(\w+)" has no.* (\S+)$', found):
        values = types[enum[1]].enum_types_by_name[enum[2]].values_by_name
        return f"{where}: there is no {enum[2]} {enum[3]}; it is {_either(values)}"
    before = source.splitlines()[int(line) - 1 : int(line)]
    if before and (field := re.search(r"(\w+)\s*:\s*$", before[0][: int(column) - 1])):
        found = f"the field {field[1]}: {found}"
    return f"{where}: {found}"


def _unknown_field(types: dict, type_name: str, field: str, message: Message) -> str:
    """What to say about a field that the message of that type does not have."""
    fields = [known.name for known in types[type_name].fields]
    for other in _DESCRIBES.keys() - {message.DESCRIPTOR.name}:
        if (
            type_name == message.DESCRIPTOR.name
            and field in types[other].fields_by_name
        ):
            return (
                f"{field!r} belongs in the description of {_DESCRIBES[other]}, and "
                f"this file should describe {_DESCRIBES[type_name]}; are the files in "
                "the right order?"
            )
    close = difflib.get_close_matches(field, fields, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {_either(fields)}"
    return f"a message of type {type_name} has no field {field[:60]!r}; {hint}"


def _either(names: Iterable[str]) -> str:
    """The names as a list in words."""
    *most, last = names
    return f"{', '.join(most)} or {last}"
