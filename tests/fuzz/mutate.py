"""Changing files so that they are wrong in interesting ways.

A mutator takes the random numbers, the bytes of a good file and those of another one,
and returns bytes. `BYTES` know nothing of the format; the others know what a text, an
.h5, an .npy or an IDX file looks like.
"""

from __future__ import annotations

import gzip
import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence

Mutator = Callable[[random.Random, bytes, bytes], bytes]

# Sizes and counts that go wrong: around powers of two, signs, all ones, far too many.
NUMBERS = sorted(
    {0, 1, 2, 3, 5, 7, 10, 100, 255, 1000, 65535, 10**6, 10**9, 10**12, 10**15, 10**18}
    | {
        2**k + d
        for k in (7, 8, 15, 16, 24, 31, 32, 40, 48, 62, 63, 64)
        for d in (-1, 0)
    }
)
WORDS = (
    *("0", "-1", "-0", "1", "2", "3", "7", "16", "80", "1000", "65536", "65537"),
    *("2147483647", "2147483648", "-2147483649", "2000000000", "1000000000"),
    *("9223372036854775808", "18446744073709551616", "1" + "0" * 400, "9" * 5000),
    *("0x7fffffff", "0x" + "f" * 5000, "017", "1_000", "1e3", "1e-320", "1e39"),
    *("1e999", "-1e999", "nan", "-nan", "inf", "-inf", "infinity", "0.5", ".5f", "-.1"),
    *("true", "false", "True", "None", "LABELLED", "PRETRAINED", "VIDEO_PATCH"),
    *('""', '"x"', '"../../x"', '"/etc/passwd"', '"/dev/zero"', '"a/b"', '"a:b"'),
    *('"."', '".."', '"~"', '"-"', '"\\0"', '"a\\nb"', '"\\033[2J"', '"\\377"'),
    *('"\\u202egp.exe"', '"%s%n{0}"', '"$x_{y$"', '"' + "n" * 300 + '"', "'x'"),
    *('"' + "ä" * 90 + '"', '"\U0001f600"', '"é"', "{", "}", "<", ">", "[", "]", ":"),
    *(",", ";", "#", "{ }", "[1, 2]", "[[", "{{{{", "\x00", "\ufeff", "\u2028", "\t"),
)


def some_bytes(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Some bytes get other values."""
    changed = bytearray(data or b"\0")
    for _ in range(1 << draw.randrange(6)):
        changed[draw.randrange(len(changed))] = draw.choice(
            (0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256), draw.randrange(256))
        )
    return bytes(changed)


def some_bits(draw: random.Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(draw.randint(1, 4)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut_short(draw: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def longer(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Bytes are added at the end or in front of it."""
    more = draw.choice((b"\0", b"\xff", b"\n", b" ", other[:200] or b"x"))
    place = draw.choice((len(data), draw.randrange(len(data) + 1)))
    return data[:place] + more * draw.randint(1, 40) + data[place:]


def without_a_part(draw: random.Random, data: bytes, other: bytes) -> bytes:
    start = draw.randrange(len(data) + 1)
    return data[:start] + data[start + draw.randint(1, 1 << draw.randrange(10)) :]


def a_part_twice(draw: random.Random, data: bytes, other: bytes) -> bytes:
    start = draw.randrange(len(data) + 1)
    part = data[start : start + draw.randint(1, 1 << draw.randrange(10))]
    place = draw.randrange(len(data) + 1)
    return data[:place] + part * draw.randint(1, 3) + data[place:]


def spliced(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """The beginning of one and the end of another."""
    return (
        data[: draw.randrange(len(data) + 1)] + other[draw.randrange(len(other) + 1) :]
    )


def a_number(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Some bytes in a row become a number that may be a size."""
    size = draw.choice((1, 2, 4, 8))
    place = draw.randrange(max(1, len(data) - size))
    if draw.random() < 0.5:
        place -= place % size
    order = draw.choice(("little", "big"))
    old = int.from_bytes(data[place : place + size], order)
    value = draw.choice((draw.choice(NUMBERS), old + draw.randint(-3, 3), -1, old * 2))
    packed = (value % 2 ** (8 * size)).to_bytes(size, order)
    return data[:place] + packed + data[place + size :]


BYTES = (
    some_bytes, some_bits, cut_short, longer, without_a_part, a_part_twice, spliced,
    a_number,
)  # fmt: skip


def repeatedly(*mutators: Mutator) -> Mutator:
    """One of the mutators, or a few one after the other."""

    def mutate(draw: random.Random, data: bytes, other: bytes) -> bytes:
        for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 5))):
            data = draw.choice(mutators)(draw, data, other)
        return data

    return mutate


# ---- text ----------------------------------------------------------------------------

_TOKEN = re.compile(r'"[^"\n]*"|[\w.+-]+|\S')


def a_word(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """A value, name or bracket becomes another one."""
    text = data.decode("utf-8", "replace")
    tokens = list(_TOKEN.finditer(text))
    if not tokens:
        return draw.choice(WORDS).encode("utf-8", "replace")
    found = draw.choice(tokens)
    words = (draw.choice(WORDS), draw.choice(WORDS), draw.choice(tokens)[0])
    word = draw.choice(words)
    return (text[: found.start()] + word + text[found.end() :]).encode(
        "utf-8", "replace"
    )


def a_number_in_text(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """A number becomes another one."""
    text = data.decode("utf-8", "replace")
    found = list(re.finditer(r"-?\d+(\.\d+)?", text))
    if not found:
        return a_word(draw, data, other)
    place = draw.choice(found)
    number = draw.choice((str(draw.choice(NUMBERS)), f"-{draw.choice(NUMBERS)}"))
    number = draw.choice((number, number, draw.choice(WORDS), f"{draw.random():.3g}"))
    return (text[: place.start()] + number + text[place.end() :]).encode()


def some_lines(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """Lines go, come twice, change places or come from the other file."""
    lines = data.split(b"\n")
    kind, place = draw.randrange(4), draw.randrange(len(lines))
    if kind == 0:
        del lines[place : place + draw.randint(1, 4)]
    elif kind == 1:
        lines[place:place] = lines[place : place + 3] * draw.choice((1, 2, 50))
    elif kind == 2:
        draw.shuffle(lines)
    else:
        lines[place:place] = draw.sample(other.split(b"\n"), 1)
    return b"\n".join(lines)


TEXT = (a_word, a_word, a_number_in_text, a_number_in_text, some_lines, *BYTES)


# ---- binary formats ------------------------------------------------------------------

_SIGNATURES = re.compile(b"TREE|HEAP|SNOD|GCOL|OHDR|FRHP|BTHD|BTLF|FADB|EAHD|\x89HDF")


def near_a_signature(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """A number just behind one of the marks that structures of an .h5 begin with."""
    places = [found.start() for found in _SIGNATURES.finditer(data)]
    if not places:
        return a_number(draw, data, other)
    start = draw.choice(places) + draw.randrange(4, 96)
    end = start + 16
    return data[:start] + a_number(draw, data[start:end], other) + data[end:]


def at_the_beginning(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """A number in the first part of a file, where sizes stand."""
    size = draw.choice((16, 64, 256, 2048))
    return a_number(draw, data[:size], other) + data[size:]


def npy_header(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """The header's text changes, and its length with it."""
    if data[:6] != b"\x93NUMPY" or len(data) < 12:
        return a_number(draw, data, other)
    wide = data[6] > 1
    start = 12 if wide else 10
    end = start + int.from_bytes(data[8:start], "little")
    change = draw.choice((a_word, a_number_in_text, a_number_in_text, some_bytes))
    text = change(draw, data[start:end], other)[: 2**16 - 1]
    length = struct.pack("<I" if wide else "<H", len(text))
    return data[:8] + length + text + data[end:]


def inside_gzip(*mutators: Mutator) -> Mutator:
    """The same for what is packed; the rest of the time for the packed bytes."""
    inner = repeatedly(*mutators)

    def mutate(draw: random.Random, data: bytes, other: bytes) -> bytes:
        if data[:2] == b"\x1f\x8b" and draw.random() < 0.7:
            try:
                plain = gzip.decompress(data)
            except (OSError, EOFError, ValueError, zlib.error):
                return inner(draw, data, other)
            level = draw.choice((1, 9))
            return gzip.compress(inner(draw, plain, other), level, mtime=0)
        return inner(draw, data, other)

    return mutate


H5: Sequence[Mutator] = (near_a_signature, near_a_signature, at_the_beginning, *BYTES)
NPY: Sequence[Mutator] = (npy_header, npy_header, npy_header, *BYTES)
# Sizes stand in headers, and headers at the beginning; most of the rest is pixels.
VIDEO: Sequence[Mutator] = (at_the_beginning, at_the_beginning, *BYTES)
HTTP: Sequence[Mutator] = (a_word, a_number_in_text, a_number_in_text, *BYTES)
