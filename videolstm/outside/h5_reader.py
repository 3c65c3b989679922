"""What hands the bytes of an .h5 to the HDF5 library, and nothing else does.

The library is written for files that it wrote itself: one that was damaged, or made to
do harm, can crash it, keep it busy for ever or make it take all memory. So this runs in
a process of its own (h5_process.py), and answers requests about files:

    open     -> its number           close
    look     -> what a name stands for: shape and type of a dataset, or a group
    names    -> what is in a group   datasets -> names of the first datasets of the file
    read     -> rows of a dataset    attribute, attributes
    rows     -> rows of datasets of many files, which are opened for it and closed

A file may lead elsewhere: into other files (external links, external and virtual
storage) and, through filters and links of a user's own, into code that is loaded. None
of this is followed. `Refused` says why, in words that go on after the file's name.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

Answer = tuple[dict[str, Any], np.ndarray | None]

# Memory beyond what the process has when it starts. Data pass through it in blocks; a
# chunk is unpacked whole, and takes its size two or three times.
MOST_MEMORY = 768 * 2**20
MOST_CHUNK = 128 * 2**20
BLOCK = 4 * 2**20  # larger ones are new memory each time, which is slow to come by

MOST_ATTRIBUTE = 2**20
MOST_NAMES = 20_000
_LISTED = 20  # datasets of a file, for a message
_VISITED = 1_000  # objects that are looked at to find them
_MOST_SOFT_LINKS = 16  # as many as the library itself follows

# Filters that come with HDF5 or h5py; all others are loaded from somewhere.
_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
_LAYOUTS = (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED)
_KINDS = {
    h5py.h5t.STRING: "text",
    h5py.h5t.COMPOUND: "records",
    h5py.h5t.REFERENCE: "references",
    h5py.h5t.VLEN: "lists",
    h5py.h5t.ARRAY: "arrays",
    h5py.h5t.OPAQUE: "opaque bytes",
    h5py.h5t.BITFIELD: "bits",
}
_NUMBERS = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM)


class Refused(Exception):
    """What this file asks for is not done; the text goes on after its name."""


class Reader:
    """Answers requests about .h5 files; see the module."""

    def __init__(self) -> None:
        self._files: dict[int, h5py.File] = {}
        self._opened = 0

    def answer(self, request: dict[str, Any]) -> Iterator[Answer]:
        """The answers to one request: one, or for `read` a block of rows each.

        Raises Refused, MemoryError, and whatever h5py does for a damaged file.
        """
        request = dict(request)
        return getattr(self, f"_do_{request.pop('do')}")(**request)

    def close_all(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    # ------------------------------------------------------------------- requests

    def _do_open(self, path: str) -> Iterator[Answer]:
        self._opened += 1
        self._files[self._opened] = h5py.File(os.fsencode(path), "r")
        yield {"file": self._opened}, None

    def _do_close(self, file: int) -> Iterator[Answer]:
        opened = self._files.pop(file, None)
        if opened is not None:
            opened.close()
        yield {}, None

    def _do_look(self, file: int, name: str) -> Iterator[Answer]:
        found = _find(self._files[file], name)
        if isinstance(found, h5py.h5d.DatasetID):
            yield _about(found, name), None
        else:
            is_group = isinstance(found, h5py.h5g.GroupID)
            yield {"kind": "group" if is_group else None}, None

    def _do_names(self, file: int, name: str) -> Iterator[Answer]:
        group = _find(self._files[file], name)
        count = group.get_num_objs() if isinstance(group, h5py.h5g.GroupID) else 0
        if count > MOST_NAMES:
            raise Refused(
                f"the group {_shown(name)} has {count} members, and it should have at "
                f"most {MOST_NAMES}"
            )
        names = [_text(member) for member in group] if count else []
        yield {"names": names}, None

    def _do_datasets(self, file: int) -> Iterator[Answer]:
        names = list(_datasets(self._files[file]))
        yield {"names": names[:_LISTED], "more": len(names) > _LISTED}, None

    def _do_read(self, file: int, name: str, start: int, stop: int) -> Iterator[Answer]:
        found = _find(self._files[file], name)
        about = _about(found, name)
        dataset = h5py.Dataset(found)
        if not dataset.shape:
            yield {}, np.asarray(dataset[()])
            return
        for first, last in _blocks(start, stop, about, found):
            yield {}, dataset[first:last]

    def _do_rows(self, wanted: list[tuple[str, str, int, int]]) -> Iterator[Answer]:
        opened, file = None, None
        try:
            for number, (path, name, start, stop) in enumerate(wanted):
                if path != opened:
                    if file is not None:
                        file.close()
                    opened, file = None, None
                    file = h5py.File(os.fsencode(path), "r")
                    opened = path
                found = _find(file, name)
                if not isinstance(found, h5py.h5d.DatasetID):
                    raise Refused(f"it has no dataset {_shown(name)} any more")
                about = _about(found, name)
                if about["dtype"] is None or len(about["shape"]) != 2:
                    raise Refused(f"its dataset {_shown(name)} is another one now")
                dataset = h5py.Dataset(found)
                for first, last in _blocks(start, stop, about, found):
                    yield {"number": number}, dataset[first:last]
        finally:
            if file is not None:
                file.close()

    def _do_attributes(self, file: int, name: str) -> Iterator[Answer]:
        found = _find(self._files[file], name)
        count = h5py.h5a.get_num_attrs(found) if found is not None else 0
        if count > MOST_NAMES:
            raise Refused(
                f"{_shown(name)} has {count} attributes, and it should have at most "
                f"{MOST_NAMES}"
            )
        names = [_text(h5py.h5a.open(found, index=k).name) for k in range(count)]
        yield {"names": names}, None

    def _do_attribute(self, file: int, name: str, key: str) -> Iterator[Answer]:
        found = _find(self._files[file], name)
        if found is None or "\0" in key or not h5py.h5a.exists(found, _bytes(key)):
            yield {"there": False}, None
            return
        yield _attribute(found, key)


# ---- objects of a file ---------------------------------------------------------------


def _find(file: h5py.File, name: str):
    """The object that a path stands for, by its low-level identifier; None where there
    is none. Only links within the file are followed, one by one."""
    if "\0" in name:
        return None
    root = h5py.h5g.open(file.id, b"/")
    here, parts, soft = root, deque(_parts(_bytes(name))), 0
    while parts:
        part = parts.popleft()
        if not isinstance(here, h5py.h5g.GroupID) or not here.links.exists(part):
            return None
        kind = here.links.get_info(part).type
        if kind == h5py.h5l.TYPE_SOFT:
            soft += 1
            if soft > _MOST_SOFT_LINKS:
                raise Refused(f"the links of {_shown(name)} lead nowhere")
            target = here.links.get_val(part)
            here = root if target.startswith(b"/") else here
            parts.extendleft(reversed(_parts(target)))
        elif kind == h5py.h5l.TYPE_HARD:
            here = h5py.h5o.open(here, part)
        else:
            raise Refused(
                f"{_shown(name)} is a link into another file, which is not followed; "
                "the data should be in the file itself"
            )
    return here


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def _datasets(file: h5py.File) -> Iterator[str]:
    """Paths of datasets, one more than are listed; stops after so many objects."""
    root = h5py.h5g.open(file.id, b"/")
    open_groups = [("", root, iter(root))]
    seen = {h5py.h5o.get_info(root).addr}
    visited = found = 0
    while open_groups and visited < _VISITED and found <= _LISTED:
        path, group, members = open_groups[-1]
        member = next(members, None)
        if member is None:
            open_groups.pop()
            continue
        visited += 1
        if group.links.get_info(member).type != h5py.h5l.TYPE_HARD:
            continue
        item = h5py.h5o.open(group, member)
        name = f"{path}{_text(member)}"
        if isinstance(item, h5py.h5d.DatasetID):
            found += 1
            yield name
        elif isinstance(item, h5py.h5g.GroupID):
            address = h5py.h5o.get_info(item).addr
            if address not in seen:
                seen.add(address)
                open_groups.append((f"{name}/", item, iter(item)))


def _about(found: h5py.h5d.DatasetID, name: str) -> dict[str, Any]:
    """Shape, type and stored size of a dataset that can be read without leaving the
    file; type is None where it is not of numbers, and `what` then says of what."""
    plan = found.get_create_plist()
    layout = plan.get_layout()
    if layout not in _LAYOUTS or plan.get_external_count():
        raise Refused(
            f"the dataset {_shown(name)} is stored in other files, which are not read; "
            "the data should be in the file itself"
        )
    for number in range(plan.get_nfilters()):
        code, _, _, called = plan.get_filter(number)
        if code not in _FILTERS:
            raise Refused(
                f"the dataset {_shown(name)} is compressed with the filter {code} "
                f"({_shown(_text(called))}), which is not part of HDF5; it should be "
                "stored plain or with gzip"
            )
    shape = found.shape
    if shape is None:
        return {"kind": "dataset", "shape": [0], "dtype": None, "what": "nothing"}
    about = {"kind": "dataset", "shape": list(shape), "dtype": None}
    about["stored"] = int(found.get_storage_size())
    kind = found.get_type().get_class()
    if kind not in _NUMBERS:
        return about | {"what": _KINDS.get(kind, "something else")}
    dtype = found.dtype
    if dtype.kind not in "buif":
        return about | {"what": "something else"}
    if layout == h5py.h5d.CHUNKED:
        size = dtype.itemsize * _product(plan.get_chunk())
        if size > MOST_CHUNK:
            raise Refused(
                f"the dataset {_shown(name)} has chunks of {size} bytes, and they "
                f"should have at most {MOST_CHUNK}"
            )
    # Without the metadata that h5py hangs on the types of enumerations.
    return about | {"dtype": np.dtype(dtype.str).str}


def _blocks(
    start: int, stop: int, about: dict[str, Any], found: h5py.h5d.DatasetID
) -> Iterator[tuple[int, int]]:
    """Ranges of rows that fit into a block; whole chunks, so that none is unpacked
    twice."""
    row = max(1, np.dtype(about["dtype"]).itemsize * _product(about["shape"][1:]))
    if row > MOST_MEMORY // 4:
        raise Refused(f"a row of the dataset has {row} bytes, which is too long")
    rows = max(1, BLOCK // row)
    plan = found.get_create_plist()
    if plan.get_layout() == h5py.h5d.CHUNKED:
        chunk = plan.get_chunk()[0]
        if chunk * row <= MOST_MEMORY // 4:
            rows = max(chunk, rows - rows % chunk)
    for first in range(start, stop, rows):
        yield first, min(first + rows, stop)


def _attribute(found, key: str) -> Answer:
    """The value of an attribute: an array of numbers, or text."""
    attribute = h5py.h5a.open(found, _bytes(key))
    size = attribute.get_type().get_size() * _product(attribute.shape or ())
    if size > MOST_ATTRIBUTE:
        raise Refused(f"the attribute {_shown(key)} is longer than a mebibyte")
    kind = attribute.get_type().get_class()
    is_dataset = isinstance(found, h5py.h5d.DatasetID)
    value = (h5py.Dataset if is_dataset else h5py.Group)(found).attrs[key]
    if kind in _NUMBERS:
        value = np.asarray(value)
        if value.dtype.kind in "buif":
            return {"there": True}, value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, str) and len(value) <= MOST_ATTRIBUTE:
        return {"there": True, "text": value}, None
    raise Refused(f"the attribute {_shown(key)} is neither numbers nor text")


def _product(extents) -> int:
    size = 1
    for extent in extents:
        size *= int(extent)
    return size


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _text(name: bytes | str) -> str:
    if isinstance(name, str):
        return name
    return name.decode("utf-8", "surrogateescape")


def _shown(name: str) -> str:
    return repr(name.lstrip("/")[:100] or "/")
