"""docs/config.md is what the comments of config.proto say, and they say all of it."""

from pathlib import Path

import pytest

from videolstm.config import messages
from videolstm.errors import UserError
from videolstm.tools.config_docs import main, read_proto

ROOT = Path(__file__).parents[3]
PROTO = (ROOT / "config.proto").read_text("utf-8")


def test_the_page_is_up_to_date(tmp_path, capsys):
    page = (ROOT / "docs/config.md").read_text("utf-8")
    main(["--out", str(tmp_path / "config.md")])
    assert (tmp_path / "config.md").read_text("utf-8") == page
    main([])
    assert capsys.readouterr().out == page


def test_every_field_and_value_is_described():
    # protoc's own reading of the file is the measure of ours.
    read = {message.name: message for message in read_proto(PROTO)}
    for name, descriptor in messages().DESCRIPTOR.message_types_by_name.items():
        message = read.pop(name)
        described = {entry.name: int(entry.number) for entry in message.entries}
        assert described == {field.name: field.number for field in descriptor.fields}
        assert message.comment
        assert all(len(entry.comment) > 10 for entry in message.entries)
        enums = {enum.name: enum for enum in message.enums}
        for enum in descriptor.enum_types:
            entries = enums.pop(enum.name).entries
            assert {entry.name: int(entry.number) for entry in entries} == {
                value.name: value.number for value in enum.values
            }
            assert all(len(entry.comment) > 10 for entry in entries)
        assert not enums
    assert not read


def test_a_field_is_a_row_of_the_page():
    page = (ROOT / "docs/config.md").read_text("utf-8")
    row = (
        "| `max_iters` | 6 | int32 | `0` | Updates to make in all; with a checkpoint "
        "that does not know how many it has had, this many more. |"
    )
    assert row in page.splitlines()


def test_lines_it_cannot_read_are_named():
    with pytest.raises(UserError, match="line 2: found 'required int32 x = 1;'"):
        read_proto("message A {\n  required int32 x = 1;\n}\n")
