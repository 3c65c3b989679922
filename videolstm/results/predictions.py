"""Results that are larger than memory: arrays in an .h5 that grow batch by batch."""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import TracebackType

import h5py
import numpy as np

from videolstm.files import written_beside

# HDF5 keeps a megabyte of a dataset's chunks in memory: a chunk that is larger and is
# filled in two parts would be read back from the disk in between.
_CHUNK_BYTES = 256 * 1024


class StreamedDatasets:
    """Datasets in an .h5 that grow along their first axis, and attributes.

        with StreamedDatasets("predictions.h5", model="runs/m.pbtxt") as results:
            for batch in data.epoch():
                results.append("future", predict(batch))  # (batch, frames, dims)

    What is appended goes to the disk: memory does not grow with what is there. The file
    is written beside `path` and renamed at the end of the block, so that an interrupted
    program leaves no half of it; where the block ends with an exception there is no
    file, or the one before. Raises UserError where `path` is no place for a file.
    """

    def __init__(self, path: str | os.PathLike, **attributes: object) -> None:
        self.path = path
        self.attributes = attributes

    def __enter__(self) -> StreamedDatasets:
        with ExitStack() as stack:
            beside = stack.enter_context(written_beside(self.path))
            self._file = stack.enter_context(h5py.File(beside, "w"))
            self._file.attrs.update(self.attributes)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def append(self, name: str, rows: np.ndarray) -> None:
        """Adds `rows` (n, ...) below those that the dataset `name` has.

        The first call makes it, with the type of `rows`; `name` may have folders, such
        as state/lstm_1. Raises ValueError for rows of another shape than the first.
        """
        rows = np.asarray(rows)
        dataset = self._file.get(name)
        if dataset is None:
            dataset = self._make(name, rows)
        if dataset.shape[1:] != rows.shape[1:]:
            raise ValueError(f"{name} {dataset.shape} cannot take rows {rows.shape}")
        have = len(dataset)
        dataset.resize(have + len(rows), axis=0)
        dataset[have:] = rows

    def set_attributes(self, **attributes: object) -> None:
        """Adds attributes to the file, such as counts that are known at the end."""
        self._file.attrs.update(attributes)

    def _make(self, name: str, rows: np.ndarray) -> h5py.Dataset:
        row_bytes = max(1, rows[:1].nbytes)
        chunk = max(1, _CHUNK_BYTES // row_bytes)
        return self._file.create_dataset(
            name,
            shape=(0, *rows.shape[1:]),
            maxshape=(None, *rows.shape[1:]),
            chunks=(chunk, *(max(1, n) for n in rows.shape[1:])),
            dtype=rows.dtype,
        )
