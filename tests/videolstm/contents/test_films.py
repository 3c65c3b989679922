"""What is said of videos, images and folders."""

import os

import numpy as np
import pytest
from PIL import Image

from tests.videolstm.contents.test_kinds import said_of
from tests.videolstm.video.making import moving, noise, write_video
from videolstm.errors import UserError
from videolstm.outside.apart import TRUST
from videolstm.tools.inspect import main
from videolstm.video import facts
from videolstm.video.pool import Crashed


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """All in this process, which is faster; see test_a_process_of_its_own."""
    monkeypatch.setenv(TRUST, "1")


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "container"),
    [
        ("a.avi", "ffv1", "bgr0", "avi"),
        ("a.mp4", "libx264", "yuv420p", "mov,mp4,m4a,3gp,3g2,mj2"),
        ("a.gif", "gif", "rgb8", "gif"),
    ],
)
def test_a_video(name, codec, pixels, container, tmp_path):
    write_video(tmp_path / name, moving(30, 32, 48), codec, pixels, rate=10)
    said = said_of(tmp_path / name)
    assert said["kind"] == "a video"
    assert said["frame"] == {"width": 48, "height": 32, "grey": False}
    assert (said["frames"], said["rate"]) == (30, 10)
    assert said["length"] == pytest.approx(3, abs=0.01)  # a GIF has hundredths
    assert said["format"]["container"] == container
    assert said["size"] == (tmp_path / name).stat().st_size


def test_a_video_that_does_not_say_how_many_frames_it_has(tmp_path, capsys):
    path = tmp_path / "a.mkv"
    write_video(path, moving(30, 32, 48), "mpeg4", "yuv420p", rate=10)
    assert said_of(path)["frames"] is None
    main([str(path)])
    assert "  frames  about 30, by its length\n" in capsys.readouterr().out
    path = tmp_path / "a.h264"  # a stream without a container has no times either
    write_video(path, moving(5, 32, 48), "libx264", "yuv420p", rate=10)
    said = said_of(path)
    assert (said["frames"], said["length"]) == (None, None)


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG")])
@pytest.mark.parametrize("grey", [False, True])
def test_an_image(name, kind, grey, tmp_path):
    pixels = noise(1, 10, 16)[0]
    Image.fromarray(pixels[..., 0] if grey else pixels).save(tmp_path / name)
    said = said_of(tmp_path / name)
    assert (said["kind"], said["format"]) == ("an image", kind)
    assert said["frame"] == {"width": 16, "height": 10, "grey": grey}
    assert "notes" not in said
    (tmp_path / "b.png").touch()
    (note,) = said_of(tmp_path / name)["notes"]
    assert note.startswith("2 images are in its folder, which is a video for ")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.mp4", b"x", "a.mp4: cannot be read as a video (invalid data"),
        ("a.png", b"x", "a.png: cannot be read as an image (cannot identify"),
        ("a.mp4", b"", "a.mp4 is empty, and it should be"),
        ("a.svg", b"\0", "begins with the bytes 00 and is of no kind known here"),
    ],
)
def test_what_is_none(name, content, says, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        main([str(tmp_path / name)])
    assert says in str(caught.value)


def test_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv(TRUST, "")
    write_video(tmp_path / "a.avi", noise(4, 8, 8))
    assert said_of(tmp_path / "a.avi")["frames"] == 4

    def crashed(function, jobs, *_):
        yield jobs[0], Crashed()

    monkeypatch.setattr(facts, "run_jobs", crashed)
    with pytest.raises(UserError, match="a.avi: it makes the decoder crash, or keeps"):
        said_of(tmp_path / "a.avi")


# ---- folders -------------------------------------------------------------------------


def test_a_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    (tmp_path / "deep" / ".hidden" / "a.mp4").touch()
    (tmp_path / ".hidden.mp4").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("v10.mp4", "v9.avi", "deep/v1.mkv"):
        (tmp_path / name).touch()  # told by their names, and not opened
    np.save("clips.npy", np.zeros((2, 3, 4, 4), np.uint8))
    (tmp_path / "labels.txt").write_text("1\n2\n")
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY\x01")
    main(["."])
    assert (
        capsys.readouterr().out
        == """\
.: a folder

  files     6 in 2 folders
  of these  3 x  a video: v9.avi, v10.mp4, ...
            1 x  video patches: clips.npy
            1 x  of no kind known here: damaged.npy
            1 x  a list of whole numbers (labels_file, num_frames_file or video_ids_file): labels.txt
  note      videolstm.tools.patches makes clips of its videos to train on
"""  # noqa: E501
    )
    said = said_of(tmp_path)
    assert said["files"] == {"files": 6, "folders": 2}
    assert said["of these"]["a video"] == 3


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.mp4").touch()
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read everything
    assert said_of(tmp_path)["files"]["files"] == 1
    with pytest.raises(UserError, match=r"locked: cannot be read \(Permission denied"):
        said_of(tmp_path / "locked")


def test_folders_of_none_and_of_many(tmp_path, monkeypatch):
    assert said_of(tmp_path)["files"] == {"files": 0, "folders": 0}
    for number in range(7):
        (tmp_path / f"{number}.txt").write_text("1\n")
    monkeypatch.setattr("videolstm.contents.folder._MOST_LOOKED_INTO", 4)
    counts = said_of(tmp_path)["of these"]
    assert sorted(counts.values()) == [3, 4] and counts["not looked into"] == 3
    monkeypatch.setattr("videolstm.contents.folder._MOST_FILES", 5)
    said = said_of(tmp_path)
    assert said["files"]["files"] == 5
    assert said["notes"] == ["only the first 5 files were looked at"]
