"""Files that change while they are used are told by name."""

import os

import pytest

from videolstm.data.unchanged import Unchanged
from videolstm.errors import UserError


def cut_short(path):
    os.truncate(path, 3)


def grow(path):
    with path.open("ab") as file:
        file.write(b"more")


def write_again(path):
    path.write_bytes(b"98765")
    os.utime(path, (1e9, 1e9))


def replace(path):
    other = path.with_name("other")
    other.write_bytes(b"12345")
    os.utime(other, ns=(os.stat(path).st_atime_ns, os.stat(path).st_mtime_ns))
    other.rename(path)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"12345")
    return path


@pytest.mark.parametrize("change", [cut_short, grow, write_again, replace])
def test_changes(path, change):
    unchanged = Unchanged(path)
    unchanged.check()
    with unchanged.read():
        path.read_bytes()
    change(path)
    with pytest.raises(UserError) as caught, unchanged.read():
        pass
    message = str(caught.value)
    assert message.startswith(f"{path}: was 5 bytes of 20")
    assert f"and is {path.stat().st_size} bytes of " in message
    assert message.endswith("it should stay as it is while it is used")


def test_a_file_that_is_gone(path):
    unchanged = Unchanged(path)
    path.unlink()
    # in the place of what reading it says
    with pytest.raises(UserError) as caught, unchanged.read():
        raise UserError("it cannot be opened")
    assert str(caught.value) == (
        f"{path}: is no longer there; it should stay as it is while it is used"
    )


def test_other_errors_stay_what_they_are(path):
    with pytest.raises(UserError, match="row 17"), Unchanged(path).read():
        raise UserError("row 17 is no number")
