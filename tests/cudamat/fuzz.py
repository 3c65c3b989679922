"""Calls every export of the library with arguments that nobody would give.

    python -m tests.cudamat.fuzz SEED CALLS

makes so many calls for each export and prints how many came back with which code: null
pointers, absurd shapes, negative sizes, overlapping and freed matrices, numbers that
are none. What a library cannot know of, it is not given: an address where nothing is,
or a size that is more than what is there.
"""

from __future__ import annotations

import collections
import ctypes as ct
import math
import random
import sys

import cudamat as cm
from cudamat.compose import ScenesStruct
from cudamat.paint import ImagesStruct, VideosStruct
from cudamat.prototypes import PROTOTYPES, MatrixStruct
from cudamat.sparse import ListsStruct, NonZeros, Order, OrderStruct

EXTENTS = (0, 1, 2, 3, 4, 8, 12)
ABSURD = (-1, -(2**63), 2**62, 2**63 - 1, 2**59 + 1, 2**32)
INTEGERS = (-(2**31), -1, 0, 1, 2, 3, 7, 2**31 - 1)
LONGS = (*INTEGERS, *ABSURD)
NUMBERS = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 1e300, 1e-300)
SIZES = (0, 1, 8, 64, 2**40, 2**62, 2**64 - 1)
KINDS = ("none", "absurd", "freed", "own", "own", "arena", "arena")
ARENA = 4096  # reals, in which overlapping matrices lie
ALLOCATIONS = ("cm_allocate", "cm_allocate_seen")
CELL = 64  # bytes of what is written to the host


def raw_functions() -> dict:
    """The exports as they are, without the exceptions that `cudamat.library` adds."""
    shared = ct.CDLL(str(cm.load().path))
    functions = {}
    for name, types in PROTOTYPES.items():
        functions[name] = getattr(shared, name)
        functions[name].argtypes = types
        functions[name].restype = ct.c_int
    return functions


class Fuzzer:
    """Arguments at random, and the memory that they point to."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.functions = raw_functions()
        self.real = cm.real_type().itemsize
        self.arena = cm.zeros((ARENA, 1))
        self.allocated: list[tuple[int, int]] = []
        self.kept: list = []  # whatever a call's pointers point to
        self.extents = EXTENTS  # of the matrices of one call
        self.kinds = KINDS
        self.lists = NonZeros(8, 12)
        self.lists.fill(cm.zeros((8, 12)))
        self.codes: dict[str, collections.Counter] = collections.defaultdict(
            collections.Counter
        )

    # ------------------------------------------------------------------- arguments

    def change_mood(self) -> None:
        """Half of the calls have matrices that often fit together."""
        self.kinds, self.extents = KINDS, EXTENTS
        if self.draw.random() < 0.5:
            self.kinds = ("own", "own", "own", "arena") * 5 + ("none", "freed")
            self.extents = self.draw.choices(EXTENTS, k=self.draw.choice((1, 1, 2)))

    def matrix(self):
        """None, or a matrix with or without memory, of any shape that fits into it."""
        kind = self.draw.choice(self.kinds)
        if kind == "none":
            return None
        rows, cols = self.draw.choice(self.extents), self.draw.choice(self.extents)
        data = None
        if kind == "absurd":
            # with an absurd extent the product of both is too, unless the other is 0
            rows, cols = self.draw.choice(ABSURD), self.draw.choice((rows, *ABSURD))
            data = self.draw.choice((None, self.arena.mat.data))
            if rows == 2**32 and data:
                cols = self.draw.choice(ABSURD)
            if self.draw.random() < 0.5:
                rows, cols = cols, rows
        elif kind == "own":
            memory = cm.zeros((rows, cols))
            self.kept.append(memory)
            data = memory.mat.data
        elif kind == "arena":
            data = self.arena.mat.data + self.real * self.draw.randrange(ARENA - 144)
        trans = self.draw.choice((0, 0, 1, 1, 7, -1))
        return ct.pointer(MatrixStruct(data, rows, cols, trans))

    def cell(self, kind):
        """A place on the host for a result, or null."""
        place = (ct.c_byte * CELL)()
        self.kept.append(place)
        return self.draw.choice((None, ct.cast(place, kind)))

    def argument(self, kind):
        if kind is ct.POINTER(MatrixStruct):
            return self.matrix()
        if kind is ct.c_int:
            return self.draw.choice(INTEGERS)
        if kind is ct.c_int64 or kind is ct.c_longlong:
            return self.draw.choice(LONGS)
        if kind is ct.c_uint64 or kind is ct.c_size_t:
            return self.draw.choice(SIZES)
        if kind is ct.c_double:
            return self.draw.choice(NUMBERS)
        if kind is ct.c_void_p:  # eight bytes on the board, such as a total
            return self.draw.choice((None, self.arena.mat.data))
        if kind is ct.c_char_p:
            return self.draw.choice((None, b"", b"/nowhere/libblas.so", b"\xff" * 300))
        return self.cell(kind)

    # ------------------------------------------------------------------- special ones

    def of_allocate(self):
        return self.draw.choice((0, 8, 64, 4096, 2**62, 2**64 - 1)), self.cell(
            ct.POINTER(ct.c_void_p)
        )

    def of_release(self):
        wild = (None, 0), (12345678, 64), (self.arena.mat.data + 8, 8), (None, 64)
        ours = (self.arena.mat.data, 1)  # of another size
        address, size = self.draw.choice((*wild, ours, *self.allocated[-3:]))
        return address, size

    def of_copy(self):
        host = self.draw.choice((None, ct.addressof((ct.c_byte * CELL)())))
        if host:
            place = (ct.c_byte * CELL)()
            self.kept.append(place)
            host = ct.addressof(place)
        size = self.draw.choice((0, 1, CELL) if host else (0, 1, 2**62))
        board = self.draw.choice((None, self.arena.mat.data))
        return host, board, size

    def of_text(self):
        room = self.draw.choice((-(2**31), -1, 0, 1, 2, CELL))
        return self.draw.choice((None, ct.create_string_buffer(CELL))), room

    def lists_and_order(self):
        lists = self.draw.choice((None, ListsStruct(), self.lists.lists))
        fields = [self.draw.choice((*EXTENTS, *ABSURD, -1, 1)) for _ in range(4)]
        orders = (None, OrderStruct(*fields), Order(0, 1, 3).struct(4), OrderStruct())
        order = self.draw.choice(orders)
        self.kept += [lists, order]
        return [ct.addressof(x) if x is not None else None for x in (lists, order)]

    def scenes(self):
        """What is shown where, read from whatever is in the arena: few enough numbers
        for that, or absurdly many."""
        memory = self.draw.choice((None, self.arena.mat.data, self.arena.mat.data))
        most = self.draw.choice(self.extents)
        steps, videos, each = (self.draw.choice((most, 1, 2)) for _ in range(3))
        side, size = self.draw.choice(((1, 1), (1, 2), (2, 2), (2, 3), (3, 2), (0, 1)))
        fields = [steps, videos, each, side, size]
        if self.draw.random() < 0.3:
            fields[self.draw.randrange(5)] = self.draw.choice(ABSURD)
        return ScenesStruct(memory, memory, memory, *fields)

    def of_compose(self):
        """Half of the time with matrices that fit."""
        scenes = self.draw.choice((None, *(self.scenes() for _ in range(5))))
        table, target = self.matrix(), self.matrix()
        if scenes and self.draw.random() < 0.5:
            shapes = [
                (scenes.side**2, self.draw.choice((0, 1, 5))),
                (scenes.size**2, scenes.steps * scenes.videos),
            ]
            if all(0 <= extent < 200 for shape in shapes for extent in shape):
                made = [cm.zeros(shape) for shape in shapes]
                self.kept += made
                table, target = (ct.pointer(matrix.mat) for matrix in made)
        return table, self.address(scenes), target

    def address(self, struct):
        self.kept.append(struct)
        return None if struct is None else ct.addressof(struct)

    def arguments(self, name: str) -> tuple:
        types = PROTOTYPES[name]
        if name in ALLOCATIONS:
            return self.of_allocate()
        if name == "cm_release":
            return self.of_release()
        if name in ("cm_copy_in", "cm_upload"):
            host, board, size = self.of_copy()
            return board, host, size
        if name == "cm_copy_out":
            return self.of_copy()
        if name == "cm_blas_describe":
            return self.of_text()
        if name == "cm_board_name":
            text, room = self.of_text()
            return (
                self.draw.choice(INTEGERS),
                text,
                room,
                *map(self.argument, types[3:]),
            )
        if name == "cm_philox_words":
            count = self.draw.choice((-(2**63), -1, 0, 1, 7, 2**62))
            words = None if count > 7 else self.argument(ct.c_void_p)
            return words, count, *map(self.argument, types[2:])
        if name == "cm_compress":
            lists = self.lists_and_order()[0]
            return self.matrix(), lists, self.argument(types[2])
        if name in ("cm_sparse_product", "cm_sparse_gradient"):
            return self.matrix(), *self.lists_and_order(), self.matrix()
        if name == "cm_compose":
            return self.of_compose()
        if name == "cm_paint":  # lists of the host's, which may have no memory
            structs = (ImagesStruct(), VideosStruct(size=8))
            given = [self.draw.choice((None, struct)) for struct in structs]
            return *map(self.address, given), self.cell(ct.c_void_p)
        return tuple(map(self.argument, types))

    # ------------------------------------------------------------------- calls

    def call(self, name: str) -> None:
        self.change_mood()
        arguments = self.arguments(name)
        code = self.functions[name](*arguments)
        self.codes[name][code] += 1
        if name in ALLOCATIONS and code == 0 and arguments[0]:
            address = ct.cast(arguments[1], ct.POINTER(ct.c_void_p))[0]
            self.allocated.append((address, arguments[0]))
        elif name == "cm_release" and code == 0 and arguments in self.allocated:
            self.allocated.remove(arguments)
        elif name == "cm_graph_begin" and code == 0:
            self.functions["cm_graph_give_up"]()  # or nothing would be done any more
        elif name == "cm_compress":
            self.lists.fill(cm.zeros((8, 12)))  # whole again
        if code not in range(5):
            raise SystemExit(f"{name} returned {code}: {self.last_error()}")
        if code != 0 and name != "cm_last_error" and len(self.last_error()) < 10:
            raise SystemExit(f"{name} returned {code} and left no sentence")
        self.kept.clear()

    def last_error(self) -> str:
        text = ct.c_char_p()
        self.functions["cm_last_error"](ct.byref(text))
        return (text.value or b"").decode(errors="replace")

    def finish(self) -> None:
        for address, size in self.allocated:
            self.functions["cm_release"](address, size)
        self.functions["cm_join"]()
        self.functions["cm_set_threads"](1)


def main(seed: int, calls: int) -> None:
    fuzzer = Fuzzer(seed)
    for _ in range(calls):
        for name in PROTOTYPES:
            fuzzer.call(name)
    fuzzer.finish()
    for name, codes in fuzzer.codes.items():
        print(name, *(f"{code}:{count}" for code, count in sorted(codes.items())))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
