"""The log of a run: rows are there whole or not at all, and none is lost."""

import os

import pytest

from tests.full_disk import largest_file
from videolstm.files import CannotWrite
from videolstm.training.log import Log


def test_a_row_that_does_not_fit_waits_for_the_next(tmp_path):
    log = Log(tmp_path / "a.csv", ("iteration", "dec"))
    log.row({"iteration": 1, "dec": 0.5})
    before = log.path.read_bytes()
    with largest_file(len(before) + 3):  # some of a row would fit
        with pytest.raises(CannotWrite) as caught:
            log.row({"iteration": 2, "dec": 0.25})
        assert str(caught.value) == (
            f"{log.path}: the log cannot be written (no space left on device); its "
            "folder should be there and have room"
        )
        log.row({"iteration": 3, "dec": 0.125})  # complained of once
        assert log.path.read_bytes() == before
        with pytest.raises(CannotWrite):
            log.flush()
    log.row({"iteration": 4})
    rows = "iteration,dec\n1,0.5\n2,0.25\n3,0.125\n4,\n"
    assert log.path.read_text() == rows
    log.flush()
    assert log.path.read_text() == rows


def test_a_log_that_was_removed_begins_anew(tmp_path):
    log = Log(tmp_path / "a.csv", ("iteration", "dec"))
    log.row({"iteration": 1, "dec": 0.5})
    os.unlink(log.path)
    log.row({"iteration": 2, "dec": 0.25})
    assert log.path.read_text() == "iteration,dec\n2,0.25\n"
