"""An .h5 file of whoever made it, with the little of h5py's interface that reading
takes: groups, datasets of numbers, attributes.

    with H5File("checkpoint.h5") as file:
        if "lstm_1:w_dense" in file:
            values = file["lstm_1:w_dense"][...]
        updates = file.attrs.get("lstm_1:w_dense_t", 0)

It is read by another process (h5_process.py): what makes the HDF5 library crash, hang
or take all memory is a UserError here, and so is what would lead out of the file. Sizes
are held against the memory that is free, and against the file, before anything is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Any

import numpy as np

from videolstm.errors import UserError
from videolstm.limits import check_memory, check_regular
from videolstm.outside.h5_process import H5

# A dataset may be this much larger than what is stored of it: more than deflate, the
# best of the filters, can do. Small ones may be as sparse as they like.
_MOST_UNPACKED = 1100
_SMALL = 64 * 2**20


class H5Group:
    """A group; `in`, `[...]`, `get`, iteration and `items` are as of h5py's.

    filename: of the file. name: path of the group in it. attrs: an H5Attributes.
    """

    def __init__(self, file: H5File, name: str) -> None:
        self._file, self.name = file, name
        self.attrs = H5Attributes(file, name)

    @property
    def filename(self) -> str:
        return self._file.filename

    def get(self, name: str, default: Any = None) -> H5Group | H5Dataset | Any:
        """The group or dataset at a path below this one, or the default."""
        path = f"{self.name}/{name}"
        about = self._file.ask("look", name=path)
        if about["kind"] == "dataset":
            return H5Dataset(self._file, path, about)
        return H5Group(self._file, path) if about["kind"] == "group" else default

    def __getitem__(self, name: str) -> H5Group | H5Dataset:
        found = self.get(name)
        if found is None:
            raise KeyError(f"there is no {name!r}")
        return found

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.ask("names", name=self.name)["names"])

    def items(self) -> Iterator[tuple[str, H5Group | H5Dataset]]:
        for name in self:
            yield name, self[name]


class H5File(H5Group):
    """An .h5, open for reading until `close` or the end of a `with` block.

    Raises Unreadable, an OSError, for what is no .h5 file, and then and later UserError
    for what it is dangerous to read.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        check_regular(path)
        answers = H5.ask(path, do="open", path=os.path.abspath(self.path))
        self._number, self._generation = answers[0][0]["file"], H5.generation
        super().__init__(self, "")

    @property
    def filename(self) -> str:
        return str(self.path)

    def __enter__(self) -> H5File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        # A process that has died since has nothing open.
        if self._number is not None and self._generation == H5.generation:
            H5.ask(self.path, do="close", file=self._number)
        self._number = None

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The one answer to a request about this file, without its array."""
        return self.answer(do, **request)[0]

    def answer(
        self, do: str, **request: Any
    ) -> tuple[dict[str, Any], np.ndarray | None]:
        return H5.ask(self.path, do=do, file=self._current(), **request)[0]

    def rows(self, **request: Any) -> Iterator[np.ndarray]:
        """The blocks of a request for rows."""
        for _, block in H5.stream(
            self.path, do="read", file=self._current(), **request
        ):
            yield block

    def datasets(self) -> tuple[list[str], bool]:
        """Paths of the first datasets, and whether there are more."""
        found = self.ask("datasets")
        return found["names"], found["more"]

    def _current(self) -> int:
        if self._number is None:
            raise ValueError(f"{self.path} is closed")
        if self._generation != H5.generation:
            raise UserError(
                f"{self.path}: the process that had it open has ended; open it again"
            )
        return self._number


class H5Dataset:
    """A dataset; `[...]` takes `()`, `...` or a slice of rows.

    shape, ndim: as of an array. dtype: of its numbers, or None where it has none;
    `kind` is then what it holds, in a word.
    """

    def __init__(self, file: H5File, name: str, about: dict[str, Any]) -> None:
        self._file, self.name = file, name
        self.shape = tuple(about["shape"])
        self.dtype = None if about["dtype"] is None else np.dtype(about["dtype"])
        self.kind = about.get("what", "numbers")
        self._stored = about.get("stored", 0)
        self.attrs = H5Attributes(file, name)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, key: slice | EllipsisType | tuple) -> np.ndarray:
        """The values, or rows of them.

        Raises UserError for a dataset without numbers, and where there is no memory for
        what it says it holds or cannot hold it.
        """
        if self.dtype is None:
            raise UserError(f"{self._said} holds {self.kind}, and not numbers")
        rows = self.shape[0] if self.shape else 1
        start, stop = 0, rows
        if isinstance(key, slice):
            start, stop, step = key.indices(rows)
            if step != 1:
                raise ValueError("rows are read one after the other")
        elif key is not Ellipsis and key != ():
            raise ValueError(f"{key!r} is neither all nor a slice of rows")
        shape = (max(0, stop - start), *self.shape[1:]) if self.shape else ()
        self._check_size(shape)
        if 0 in shape:
            return np.empty(shape, self.dtype)
        values, done = None, 0
        for block in self._file.rows(name=self.name, start=start, stop=stop):
            if block.shape == shape:  # all of it
                values = block
                continue  # to the end of the answers, which is still to come
            if values is None:
                values = np.empty(shape, self.dtype)
            values[done : done + len(block)] = block
            done += len(block)
        return values

    def _check_size(self, shape: tuple[int, ...]) -> None:
        size = self.dtype.itemsize
        for extent in shape:
            size *= extent
        check_memory(size, self._said)
        if size > _SMALL and size > _MOST_UNPACKED * self._stored:
            raise UserError(
                f"{self._said} claims {size} bytes, and {self._stored} are stored of "
                "it, so it is damaged or was made to do harm"
            )

    @property
    def _said(self) -> str:
        name = self.name.lstrip("/")[:100]
        return f"{self._file.filename}: the dataset {name!r}"


class H5Attributes:
    """Attributes of a group or a dataset: numbers as h5py gives them, and text."""

    def __init__(self, file: H5File, name: str) -> None:
        self._file, self._name = file, name

    def keys(self) -> list[str]:
        return self._file.ask("attributes", name=self._name)["names"]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: str) -> bool:
        return self._answer(key)[0]["there"]

    def get(self, key: str, default: Any = None) -> Any:
        header, values = self._answer(key)
        if not header["there"]:
            return default
        if "text" in header:
            return header["text"]
        return values if values.ndim else values[()]

    def __getitem__(self, key: str) -> Any:
        missing = object()
        value = self.get(key, missing)
        if value is missing:
            raise KeyError(f"there is no attribute {key!r}")
        return value

    def _answer(self, key: str) -> tuple[dict[str, Any], np.ndarray | None]:
        return self._file.answer("attribute", name=self._name, key=key)


def read_rows(
    wanted: Sequence[tuple[str | os.PathLike, str, int, int]],
) -> list[np.ndarray]:
    """Rows of datasets (rows, columns): of each (path, dataset, start, stop), in one
    request, since each takes its time when the computer is busy.

    Raises UserError and Unreadable as H5File and H5Dataset do.
    """
    wanted = [(os.path.abspath(path), *rest) for path, *rest in wanted]
    for path in {entry[0] for entry in wanted}:
        check_regular(path)
    parts: list[list[np.ndarray]] = [[] for _ in wanted]
    at = 0

    def path_at() -> str:
        return wanted[at][0]

    for header, block in H5.stream(path_at, do="rows", wanted=wanted):
        at = header["number"]
        parts[at].append(block)
        # What comes next, if this one is complete; it is what an error is about.
        _, _, start, stop = wanted[at]
        if sum(map(len, parts[at])) >= stop - start:
            at = min(at + 1, len(wanted) - 1)
    return [part[0] if len(part) == 1 else np.concatenate(part) for part in parts]
