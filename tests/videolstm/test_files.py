"""Files are whole or not there, and keep what stood there before."""

import errno
import os
import stat

import pytest

from videolstm.errors import UserError
from videolstm.files import check_writable, written_beside


def test_content_appears_only_at_the_end(tmp_path):
    path = tmp_path / "numbers.npy"
    path.write_bytes(b"old")
    with written_beside(path) as beside:
        beside.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        # Same folder, or the rename would not be atomic; same suffix, or numpy and
        # matplotlib would write elsewhere or in another format.
        assert beside.parent == path.parent
        assert beside.suffix == ".npy"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["numbers.npy"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, OSError])
def test_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path, failure):
    path = tmp_path / "numbers.npy"
    path.write_bytes(b"old")
    with pytest.raises(failure), written_beside(path) as beside:
        beside.write_bytes(b"half")
        raise failure
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["numbers.npy"]


def test_full_disk_is_a_sentence(tmp_path):
    path = tmp_path / "numbers.npy"
    with pytest.raises(UserError) as caught, written_beside(path):
        raise OSError(errno.ENOSPC, "write failed")
    assert str(caught.value) == (
        f"{path}: cannot be written (no space left on device): make room, or name a "
        "file on another disk"
    )
    assert os.listdir(tmp_path) == []


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    target, link = tmp_path / "target.h5", tmp_path / "link.h5"
    target.write_bytes(b"old")
    link.symlink_to("target.h5")
    with written_beside(link) as beside:
        beside.write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_permissions_are_those_of_any_new_file(tmp_path):
    plain, path = tmp_path / "plain", tmp_path / "numbers.npy"
    plain.touch()
    with written_beside(path):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def wrong_places(folder):
    (folder / "file").touch()
    os.mkfifo(folder / "pipe")
    return [
        (folder / "none" / "x.h5", f"there is no folder {folder}/none: make it first"),
        (folder / "file" / "x.h5", f"there is no folder {folder}/file: make it first"),
        (folder, "is a folder: name a file to write"),
        (folder / "pipe", "is not a regular file: name a file to write"),
        (folder / f"{'x' * 300}.h5", "(file name too long)"),
    ]


@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize("check", [False, True], ids=["write", "check"])
def test_wrong_places_are_named(tmp_path, case, check):
    path, message = wrong_places(tmp_path)[case]
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UserError) as caught:
        if check:
            check_writable(path)
        else:
            with written_beside(path):
                pytest.fail("the block must not run")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


def test_read_only_folder(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "refused")

    # Patched, since a test that runs as root may write anywhere.
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UserError) as caught:
        check_writable(tmp_path / "x.h5")
    monkeypatch.undo()
    assert f"cannot be written in {tmp_path} (permission denied)" in str(caught.value)


def test_check_writable_leaves_no_trace(tmp_path):
    check_writable(tmp_path / "x.h5")
    assert os.listdir(tmp_path) == []
