"""Writing .h5 files: on a full disk a sentence, and a library that still works."""

import gc
import os

import h5py
import numpy as np
import pytest

from tests.full_disk import largest_file
from videolstm.files import CannotWrite
from videolstm.h5_writing import written_h5


def write(path, sizes):
    with written_h5(path) as file:
        for number, size in enumerate(sizes):
            file.create_dataset(f"x{number}", data=np.arange(float(size)))
            file.attrs[f"x{number}_t"] = number
        file.create_group("resume").attrs["iteration"] = 7


def test_what_is_written_is_an_ordinary_file(tmp_path):
    path = tmp_path / "a.h5"
    sizes = (3, 0, 100_000, 1)
    write(path, sizes)
    with h5py.File(path) as file:
        assert set(file) == {"x0", "x1", "x2", "x3", "resume"}
        for number, size in enumerate(sizes):
            assert (file[f"x{number}"][...] == np.arange(float(size))).all()
            assert file.attrs[f"x{number}_t"] == number
        assert file["resume"].attrs["iteration"] == 7
    assert os.listdir(tmp_path) == ["a.h5"]
    assert gc.isenabled()


def test_a_disk_that_fills_up_at_any_byte(tmp_path):
    # With h5py alone the library keeps what it cannot write, complains of it when other
    # files are closed, and crashes in the end.
    path, other = tmp_path / "a.h5", tmp_path / "b.h5"
    write(path, (5,))
    before = path.read_bytes()
    write(other, (1000, 20))
    open_files = len(os.listdir("/proc/self/fd"))
    for size in range(0, other.stat().st_size, 97):
        with largest_file(size):
            with pytest.raises(CannotWrite) as caught:
                write(path, (1000, 20))
        assert str(caught.value) == (
            f"{path}: cannot be written (file too large): make room, or name a file on "
            "another disk"
        )
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "b.h5"]
    assert len(os.listdir("/proc/self/fd")) == open_files
    gc.collect()
    write(path, (1000, 20))
    with h5py.File(path) as file:
        assert file["x0"].shape == (1000,)


def test_errors_of_the_writer_are_its_own(tmp_path):
    with pytest.raises(ZeroDivisionError), written_h5(tmp_path / "a.h5") as file:
        file["x"] = 1 / 0
    assert os.listdir(tmp_path) == []
