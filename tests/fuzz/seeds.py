"""Good files, and files that are made to do harm, for the fuzzer to start from."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

HUGE = 10**15


def h5(fill: Callable[[h5py.File], object], **options) -> bytes:
    """The bytes of an .h5 that a function has filled."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", **options) as file:
        fill(file)
    return memory.getvalue()


def frames(rows: int = 15, dims: int = 3, dtype="f4") -> np.ndarray:
    return (np.arange(rows * dims).reshape(rows, dims) % 7).astype(dtype)


def npy(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    memory = io.BytesIO()
    np.lib.format.write_array(memory, array, version)
    return memory.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    memory = io.BytesIO()
    np.savez_compressed(memory, **arrays)
    return memory.getvalue()


def idx(array: np.ndarray, packed: bool = False) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    data = header + array.astype(np.uint8).tobytes()
    return gzip.compress(data, mtime=0) if packed else data


# ---- datasets of all kinds -----------------------------------------------------------


def datasets(name: str, values: np.ndarray) -> list[bytes]:
    """The same dataset in an .h5, stored in each way that can be read."""
    ways = (
        {}, {"chunks": True}, {"compression": "gzip"}, {"compression": "lzf"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True, "chunks": True},
        {"maxshape": (None,) * values.ndim}, {"dtype": "f8"}, {"dtype": "f2"},
        {"dtype": ">f4"}, {"dtype": "u1"}, {"dtype": "i8"}, {"dtype": "?"},
    )  # fmt: skip

    def stored(dtype="f4", **way) -> Callable[[h5py.File], object]:
        data = values.astype(dtype)
        return lambda file: file.create_dataset(name, data=data, **way)

    made = [h5(stored(**way)) for way in ways]
    made += [h5(stored(), libver=version) for version in ("earliest", "latest")]
    made.append(h5(stored(chunks=True, compression="gzip"), libver="latest"))
    return made


def traps(name: str, shape: tuple[int, ...]) -> list[bytes]:
    """Datasets that claim what is not there, or lie outside of the file."""

    def dataset(**how):
        return lambda file: file.create_dataset(name, **how)

    rest = shape[1:]
    made = [
        dataset(shape=(HUGE, *rest), dtype="f4"),
        dataset(shape=(HUGE, *rest), dtype="f4", chunks=(1, *rest)),
        dataset(shape=(2**40, *rest), dtype="u1", chunks=(2**22, *rest)),
        dataset(shape=(4 * 10**6, *rest), dtype="f4", compression="gzip"),
        dataset(shape=(0, *rest), dtype="f4"),
        dataset(data=h5py.Empty("f4")),
        dataset(data=1.5),
        dataset(data=np.zeros(shape, "c8")),
        dataset(data=np.zeros(shape, [("a", "f4"), ("b", "i2")])),
        dataset(data=np.zeros(shape, "S5")),
        dataset(data=["text"] * shape[0], dtype=h5py.string_dtype()),
        dataset(shape=shape, dtype=h5py.vlen_dtype(np.float32)),
        dataset(shape=shape, dtype=h5py.ref_dtype),
        dataset(shape=shape, dtype=np.dtype(("f4", (3, 2)))),
        dataset(data=np.full(shape, np.nan, "f4")),
        dataset(data=np.full(shape, 1e300)),
        dataset(
            shape=shape, dtype="f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
        ),
    ]
    return [h5(fill) for fill in (*made, *_links(name, shape))]


def _links(name: str, shape: tuple[int, ...]) -> list[Callable[[h5py.File], object]]:
    def link(make):
        return lambda file: file.__setitem__(name, make())

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource("labels.h5", name, shape)
        file.create_virtual_dataset(name, layout)

    def circle(file: h5py.File) -> None:
        group = file.create_group("a")
        group["b"] = file["/"]
        file[name] = h5py.SoftLink("/a/b/a/b/x")

    return [
        link(lambda: h5py.ExternalLink("labels.h5", "/x")),
        link(lambda: h5py.ExternalLink("/etc/passwd", "/x")),
        link(lambda: h5py.SoftLink(name)),
        link(lambda: h5py.SoftLink("/nowhere")),
        lambda file: file.create_group(name),
        virtual,
        circle,
        lambda file: [file.create_group("g" * 200 + str(k)) for k in range(30)],
        lambda file: file.create_dataset("\x1b[2J\n/\u202eevil", data=[1.0]),
    ]


def bomb(name: str, columns: int, mebibytes: int) -> bytes:
    """A thousandth of what it unpacks to: a chunk that says it is small."""

    def fill(file: h5py.File) -> None:
        made = file.create_dataset(
            name, (16, columns), "f4", chunks=(16, columns), compression="gzip"
        )
        # After a full flush the packed bytes of a mebibyte can be repeated.
        packer = zlib.compressobj(9)
        start = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
        again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
        data = start + again * (mebibytes - 1)
        made.id.write_direct_chunk((0, 0), data)

    return h5(fill)


# ---- checkpoints ---------------------------------------------------------------------


def checkpoints(good: bytes, release: bytes) -> list[bytes]:
    """Checkpoints with a position that is none, or weights that are none."""

    def changed(change: Callable[[h5py.File], object]) -> bytes:
        memory = io.BytesIO(good)
        with h5py.File(memory, "r+") as file:
            change(file)
        return memory.getvalue()

    def attribute(name: str, value, group: str = "resume"):
        return lambda file: file[group].attrs.__setitem__(name, value)

    def position(name: str, **how):
        def change(file: h5py.File) -> None:
            del file["resume/data"][name]
            file["resume/data"].create_dataset(name, **how)

        return change

    numbers = (-1, 2**63, 1e308, np.nan, np.inf, [1, 2], "text", b"\xff", np.zeros(0))
    names = ("iteration", "random_seed", "random_offset", "losses", "loss_cases")
    changes = [attribute(name, value) for name in names for value in numbers]
    changes += [attribute("lstm_1_enc:w_dense_t", value, "/") for value in numbers]
    changes += [attribute("rng_position", value, "resume/data") for value in numbers]
    changes += [
        position("rng_key", shape=(HUGE,), dtype="u4"),
        position("rng_key", data=np.zeros(10)),
        position("order", shape=(HUGE,), dtype="i8", chunks=(1024,)),
        position("order", data=["a", "b"]),
        lambda file: file.__delitem__("resume/data"),
        lambda file: file.__setitem__("resume/data/x", h5py.ExternalLink("a.h5", "/")),
    ]
    made = [good, release]
    for change in changes:
        try:
            made.append(changed(change))
        except (TypeError, KeyError):  # what h5py itself does not write
            continue
    return made


def golden(name: str) -> bytes:
    """A file of the golden cases."""
    return (Path(__file__).resolve().parents[1] / "golden" / name).read_bytes()
