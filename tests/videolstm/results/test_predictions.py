"""Arrays that grow in a file: what is in it, when it is there, how much memory it
takes."""

import subprocess
import sys

import h5py
import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.results.predictions import StreamedDatasets


def test_rows_stand_below_each_other(tmp_path):
    path = tmp_path / "a.h5"
    rows = np.random.RandomState(0).rand(11, 3, 4).astype(np.float32)
    with StreamedDatasets(path, model="m.pbtxt") as results:
        for first in range(0, 11, 4):  # the last part is smaller
            results.append("future", rows[first : first + 4])
            results.append("state/lstm_1", rows[first : first + 4, 0])
        results.set_attributes(cases=11)
    with h5py.File(path) as file:
        assert sorted(file) == ["future", "state"]
        assert np.array_equal(file["future"], rows)
        assert np.array_equal(file["state/lstm_1"], rows[:, 0])
        assert file["future"].dtype == np.float32
        assert dict(file.attrs) == {"model": "m.pbtxt", "cases": 11}


def test_rows_of_another_shape_are_refused(tmp_path):
    with StreamedDatasets(tmp_path / "a.h5") as results:
        results.append("x", np.zeros((2, 3)))
        with pytest.raises(ValueError, match="cannot take"):
            results.append("x", np.zeros((2, 1)))


def test_an_interrupted_program_leaves_the_file_of_before(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        with StreamedDatasets(path) as results:
            results.append("x", np.zeros((2, 3)))
            raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        with StreamedDatasets(tmp_path / "no" / "a.h5"):
            pass


PEAK = """
import resource, sys
import numpy as np
from videolstm.results.predictions import StreamedDatasets
rows = np.ones((8, 20, 4096), np.float32)  # 2.5 MiB
with StreamedDatasets(sys.argv[1]) as results:
    for k in range(int(sys.argv[2])):
        results.append("future", rows)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow(tmp_path):
    def peak(times):
        command = [sys.executable, "-c", PEAK, str(tmp_path / "a.h5"), str(times)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    # 20 MiB of predictions, and 250; in between is what the process itself takes.
    assert peak(100) - peak(8) < 40
