"""The one exception that a user's mistake ends in."""

from __future__ import annotations

import re
import unicodedata

# What ends a line, moves the cursor or turns text round on a terminal, and halves of
# characters, which no file can be written with: no name of a file has such.
UNSPEAKABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LONGEST = 1200  # characters of a message
_TAIL = 300  # what is kept of the end of a longer one: it says what would be right


def one_line(text: str) -> str:
    """`text` as one line of at most 1200 characters, whatever is in it.

    What a terminal would obey instead of showing it is written as an escape (\\x1b),
    and of a longer text the middle is left out. Names in files of strangers end up in
    messages, and may be made to forge others.
    """
    text = str(text)
    if not text.isprintable():
        text = "".join(map(_visible, text))
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - _TAIL - 5]} ... {text[-_TAIL:]}"


def _visible(character: str) -> str:
    """A character, or its escape where it is none that can be seen."""
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return ascii(character)[1:-1]


class UserError(Exception):
    """A mistake that the user can mend: a wrong file, field, shape or board.

    The message is one sentence that names the file, the field, what was found and what
    would be right; it is made one line (`one_line`). The command lines print it on
    stderr and exit with status 2; a caller of the library catches it like any
    exception.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))
