"""Features: broken videos are left out, and runs that were cut go on."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.videolstm.tools.extracting import (
    HEIGHT,
    LENGTHS,
    ROOT,
    WIDTH,
    assert_close,
    call,
    expected,
    handler,
    lines,
    pixels,
    prepare,
    read,
    refused,
)
from tests.videolstm.video.nets import tiny_net
from videolstm.outside.apart import TRUST
from videolstm.tools import features


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return prepare(tmp_path, monkeypatch)


# ---- broken videos -------------------------------------------------------------------

BROKEN = {
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(np.random.RandomState(0).bytes(5000)),
    "missing": lambda path: path.unlink(),
    "floats": lambda path: np.save(path, np.zeros((5, HEIGHT, WIDTH))),
    "flat": lambda path: np.save(path, np.zeros(5, np.uint8)),
    "no-frames": lambda path: np.save(path, np.zeros((0, HEIGHT, WIDTH), np.uint8)),
    "small": lambda path: np.save(path, np.zeros((5, 5, WIDTH), np.uint8)),
    "two": lambda path: (path.unlink(), path.mkdir(),
                         [np.save(path / f"{k}.npy", pixels("a/one.npy"))
                          for k in (0, 1)]),
    "no-video": lambda path: (path.unlink(), path.mkdir()),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_video_is_left_out_everywhere(folder, name, capsys):
    BROKEN[name](folder / "videos" / "b" / "two.npy")
    call(clip=7)
    assert_close(read(), expected("a/one.npy", "b/three.npy"))
    assert lines("f_num_frames.txt") == ["7", "9"]
    assert lines("f_labels.txt") == ["0", "2"]
    assert lines("f_videos.txt") == ["a/one.npy", "b/three.npy"]
    out = capsys.readouterr().out
    (note,) = [line for line in out.splitlines() if line.startswith("Note: ")][:1]
    assert "two.npy" in note and note.endswith(": left out")
    assert "2 videos, 5 numbers each; 1 video left out" in out


def test_a_video_that_breaks_in_the_middle_leaves_nothing(folder):
    """The last image of a folder is damaged, after rows have been written."""
    broken = folder / "videos" / "a" / "one.npy"
    broken.unlink()
    broken.mkdir()
    for number, frame in enumerate(pixels("a/one.npy")):
        Image.fromarray(frame).save(broken / f"{number}.png")
    (broken / "6.png").write_bytes(b"damaged")
    call(batch=1, clip=5)
    assert_close(read(), expected("b/two.npy", "b/three.npy"))
    assert lines("f_labels.txt") == ["2", "2"]
    assert handler("f.pbtxt").videos.tolist() == [0, 1, 1, 1, 1, 1]


def test_a_net_that_divides_by_zero(folder, capsys):
    """Values that are no numbers would end training; the video is left out."""
    np.save(folder / "videos" / "b" / "two.npy", np.zeros((5, HEIGHT, WIDTH), np.uint8))
    net = features.Convnet

    def infinite(*args):
        made = net(*args)
        run = made._run
        made._run = lambda x: run(x) / (1.0 if x.any() else np.float32(np.nan))
        return made

    features.Convnet = infinite
    try:
        call()
    finally:
        features.Convnet = net
    assert lines("f_num_frames.txt") == ["7", "9"]
    assert "no finite numbers for its frame 0, counted" in capsys.readouterr().out


class Deadly(features.Reader):
    """A decoder that crashes on one video, when rows have been given."""

    def rows(self, path, *how):
        for some in super().rows(path, *how):
            yield some
            if path.name == "two.npy":
                os.kill(os.getpid(), signal.SIGSEGV)


class DeadlyNet(features.Reader):
    def __init__(self, *options):
        os.kill(os.getpid(), signal.SIGABRT)


def test_a_decoder_that_crashes(folder, capsys, monkeypatch):
    """It ends a process of its own; the next video has another one."""
    monkeypatch.setenv(TRUST, "")
    monkeypatch.setattr(features, "Reader", Deadly)
    (folder / "videos" / "a" / "one.npy").write_bytes(b"broken")
    call(clip=7, batch=2)
    assert_close(read(), expected("b/three.npy"))
    assert lines("f_videos.txt") == ["b/three.npy"]
    notes = [n for n in capsys.readouterr().out.splitlines() if n.startswith("Note: ")]
    assert notes[0].startswith("Note: videos/a/one.npy is not an .npy file, and ")
    assert notes[1] == (
        "Note: videos/b/two.npy: it makes the decoder crash, or the net that is shown "
        "it (SIGSEGV): left out"
    )


def test_a_net_that_crashes(folder, monkeypatch):
    monkeypatch.setenv(TRUST, "")
    monkeypatch.setattr(features, "Reader", DeadlyNet)
    refused("net.onnx: it makes ONNX Runtime crash (SIGABRT), so it is damaged or was")


def test_names_that_no_file_can_have(folder):
    (folder / "list.txt").write_text("n" * 300 + "\n")
    refused("list.txt: none of its 1 videos is there; the first would be videos/nnn")


def test_nothing_but_broken_videos(folder):
    for name in LENGTHS:
        (folder / "videos" / name).write_bytes(b"")
    refused("features of none of its 3 videos; the first: videos/a/one.npy")
    assert not Path("f.h5").exists()


# ---- going on ------------------------------------------------------------------------


class Cut(BaseException):
    """What stops a run, as Ctrl-C does."""


def cut_after(monkeypatch, images):
    """The next run stops when the net has seen that many images."""
    seen = 0
    real = features.Convnet.__call__

    def run(self, some):
        nonlocal seen
        if len(some) > 1 or seen:  # not the black image that it is measured with
            seen += len(some)
            if seen > images:
                raise Cut
        return real(self, some)

    monkeypatch.setattr(features.Convnet, "__call__", run)


@pytest.mark.parametrize("images", [2, 8, 13, 20])
def test_a_run_that_was_cut_goes_on(folder, monkeypatch, capsys, images):
    with monkeypatch.context() as patched, pytest.raises(Cut):
        cut_after(patched, images)
        call(batch=2)
    assert not Path("f.h5").exists() and not Path("f.pbtxt").exists()
    videos_seen = []
    real = features.find_sources
    monkeypatch.setattr(
        features, "find_sources", lambda p: videos_seen.append(p[0]) or real(p)
    )
    call(batch=2)
    assert_close(read(), expected(*LENGTHS))
    assert lines("f_labels.txt") == ["0", "2", "2"]
    # 7 + 5 images are two whole videos, which are not read again.
    assert len(videos_seen) == (3 if images < 7 else 2 if images < 12 else 1)
    assert ("goes on after" in capsys.readouterr().out) == (images >= 7)


def test_rows_that_were_written_ahead_are_dropped(folder, monkeypatch):
    """Long videos are written in pieces; those of one that was cut do not stay."""
    monkeypatch.setattr("videolstm.tools.feature_files._WAITING_BYTES", 1)
    with monkeypatch.context() as patched, pytest.raises(Cut):
        cut_after(patched, 11)
        call(batch=2)
    with h5py.File("f.part.h5") as file:
        assert len(file["features"]) > 7
    np.save(folder / "videos" / "b" / "two.npy", pixels("b/two.npy")[:1])
    call(batch=2)
    wanted = np.concatenate([
        expected("a/one.npy"), expected("b/two.npy")[:1], expected("b/three.npy")
    ])  # fmt: skip
    assert_close(read(), wanted)


def test_a_skipped_video_stays_skipped(folder, monkeypatch):
    path = folder / "videos" / "a" / "one.npy"
    path.write_bytes(b"")
    with monkeypatch.context() as patched, pytest.raises(Cut):
        cut_after(patched, 5)
        call()
    np.save(path, pixels("a/one.npy"))
    call()
    assert lines("f_videos.txt") == ["b/two.npy", "b/three.npy"]


def test_another_run_is_not_gone_on_with(folder, monkeypatch):
    with monkeypatch.context() as patched, pytest.raises(Cut):
        cut_after(patched, 8)
        call()
    part = Path("f.part.h5").read_bytes()
    refused("earlier run with layer fc6, and now it is prob", layer="prob")
    refused("earlier run with every 1, and now it is 2", every=2)
    refused("earlier run with mean 0.0, and now it is 3.0", mean="3")
    (folder / "list.txt").write_text("b/two.npy 2\na/one.npy 0\n")
    refused("another list of videos: give the same list to go on, or remove it")
    assert Path("f.part.h5").read_bytes() == part
    tiny_net(folder / "net.onnx", size=(HEIGHT, WIDTH), batch=1)
    refused("earlier run with model sha256")
    for damaged in (b"", b"nonsense", part[: len(part) // 2], part[:500] + bytes(900)):
        Path("f.part.h5").write_bytes(damaged)
        refused("f.part.h5: cannot be read or written")


def test_a_program_that_is_killed(folder):
    """SIGKILL in the middle of a long video: no file is closed in good order."""
    arguments = ["list.txt", "--model=net.onnx", "--layer=fc6", "--out=f.h5",
                 "--videos=videos", "--preset=bytes", "--fit=centre", "--batch=1",
                 "--threads=1"]  # fmt: skip
    np.save(
        folder / "videos" / "b" / "three.npy",
        np.zeros((200_000, HEIGHT, WIDTH, 3), np.uint8),
    )
    command = [sys.executable, "-m", "videolstm.tools.features", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    while running.poll() is None and not Path("f.part.h5").exists():
        time.sleep(0.01)
    time.sleep(1)  # for what follows the first video, on a busy machine
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert running.returncode == -signal.SIGKILL
    np.save(folder / "videos" / "b" / "three.npy", pixels("b/three.npy"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stderr == "" and done.returncode == 0
    assert re.search("f.part.h5: goes on after [12] videos?\n", done.stdout)
    assert_close(read(), expected(*LENGTHS))
