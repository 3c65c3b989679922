"""Patches whatever happens: broken videos, crashes, interruptions, several runs."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.videolstm.tools.cutting import COMMAND, SMALL, make, write_videos, written
from tests.videolstm.video.making import moving, noise, write_video
from videolstm.errors import UserError
from videolstm.outside.apart import TRUST
from videolstm.video.part import Job, cut_video
from videolstm.video.settings import Settings
from videolstm.video.source import VIDEO, Source
from videolstm.video.work import cut_all


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """One worker is this process, which is faster; see test_a_decoder_that_crashes."""
    monkeypatch.setenv(TRUST, "1")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Six videos of known pixels in a folder, and these pixels by name."""
    folder = tmp_path_factory.mktemp("all") / "videos"
    return folder, write_videos(folder)


@pytest.fixture
def copied(videos, tmp_path):
    shutil.copytree(videos[0], tmp_path / "videos")
    return tmp_path


def test_broken_videos_are_skipped(copied, capsys):
    (copied / "videos" / "broken.avi").write_bytes(b"no video")
    (copied / "videos" / "images" / "4.png").write_bytes(b"no image")
    write_video(copied / "videos" / "short.avi", noise(3, 16, 16))
    write_video(copied / "videos" / "small.avi", noise(9, 7, 16))
    make(copied)
    folder = copied / "videos"
    assert sorted(capsys.readouterr().err.splitlines()) == [
        f"Skipped: {folder}/broken.avi: cannot be read as a video (invalid data found "
        "when processing input)",
        f"Skipped: {folder}/images/4.png: cannot be read as an image (cannot identify "
        f"image file '{folder}/images/4.png')",
        f"Skipped: {folder}/short.avi: too short for a clip of 4 frames (3 frames)",
        f"Skipped: {folder}/small.avi: its frames are 16x7 pixels, smaller than "
        "patches of 8x8: choose smaller patches, or a short side to resize to",
    ]


def test_files_that_are_no_videos_are_said(copied, capsys):
    (copied / "videos" / "readme.txt").touch()
    (copied / "videos" / "images" / "labels.csv").touch()
    make(copied)
    assert capsys.readouterr().err == (
        "Note: 2 files are left out, by their names no videos: 1 .csv, 1 .txt\n"
    )


def test_truncated_video(copied, capsys):
    path = copied / "videos" / "v3.avi"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    make(copied, sources=["videos/v3.avi"])
    clips = len(np.load(copied / "p.npy")) + len(np.load(copied / "p_valid.npy"))
    assert clips == 4 * 2  # of 23 frames about 11


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a.avi": b"x", "b.avi": b""}, "none of the 2 videos gives a clip, for the"),
        ({"a.avi": b"x"}, "the video gives no clip, for the reason above"),
    ],
)
def test_nothing_but_broken_videos(content, words, tmp_path):
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    command = [*COMMAND, *content, "--out", "p.npy", *SMALL]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == len(content) + 1
    assert lines[-1].startswith(f"patches: {words}")
    assert sorted(os.listdir(tmp_path)) == sorted(content)  # nothing to take up


def test_the_number_of_workers_changes_nothing(copied):
    alone = make(copied)
    names = sorted(alone)
    assert names == [
        f"p{s}.{t}" for s in ("", "_valid") for t in ("csv", "npy", "pbtxt")
    ]
    assert make(copied, "--workers", 3) == alone


class Deadly(Source):
    """A video whose decoder crashes at the third frame."""

    def frames(self, notes):
        for number, frame in enumerate(super().frames(notes)):
            if number == 2:
                os.kill(os.getpid(), signal.SIGSEGV)
            yield frame


@pytest.mark.parametrize("workers", [1, 2])
def test_a_decoder_that_crashes(workers, copied, monkeypatch):
    """Also with one worker it ends a process of its own."""
    monkeypatch.setenv(TRUST, "")
    settings = Settings(frames=4, stride=4, size=8)
    path = copied / "videos" / "v0.avi"
    jobs = [
        Job(number, kind(path, VIDEO, path.stat().st_size, ""), settings, copied)
        for number, kind in enumerate((Source, Deadly, Source))
    ]
    said = []
    cuts = dict(cut_all(jobs, workers, lambda amount: None, said.append))
    assert [cuts[job].patches for job in jobs] == [20, 0, 20]
    assert said == [f"Skipped: {cuts[jobs[1]].failure}"]
    assert cuts[jobs[1]].failure.startswith(f"{path}: it makes the decoder crash, or ")
    assert not jobs[1].part.exists()


def test_a_long_thin_frame(copied, capsys):
    """A pixel high, it would be 4000 times as long as it is."""
    np.save(copied / "thin.npy", np.zeros((4, 1, 20_000), np.uint8))
    with pytest.raises(UserError, match="gives no clip"):
        make(copied, "--short-side", 4000, sources=["thin.npy"])
    assert capsys.readouterr().err == (
        f"Skipped: {copied}/thin.npy: its frames of 20000x1 pixels would be "
        "80000000x4000 when the shorter side has 4000, and they should have at most "
        "67,108,864\n"
    )


def test_an_interrupted_run_is_taken_up(copied, capsys, monkeypatch):
    undisturbed = make(copied)
    for name in undisturbed:
        (copied / name).unlink()
    cut = []

    def interrupted(job, advance):
        if len(cut) == 3:
            raise KeyboardInterrupt
        cut.append(job)
        return cut_video(job, advance)

    with monkeypatch.context() as patched:
        patched.setattr("videolstm.video.work.cut_video", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(copied)
    assert written(copied) == {}
    assert len(list((copied / "p.npy.parts").glob("*.part"))) == 3
    # What a run that was killed leaves, and a video that has changed since.
    (copied / "p.npy.parts" / ".half.part").write_bytes(b"half")
    os.utime(cut[0].source.path, ns=(1, 1))
    capsys.readouterr()
    assert make(copied) == undisturbed
    assert "2 of 6 videos were done by an earlier run\n" in capsys.readouterr().out


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_from_outside(end, copied):
    write_video(copied / "videos" / "z.avi", noise(1500, 32, 32), "mpeg4", "yuv420p")
    command = [*COMMAND, "videos", "--out", "p.npy", *SMALL[:4], "--stride", "1"]
    command += ["--workers", "2", "--per-clip", "30"]
    running = subprocess.Popen(
        command, cwd=copied, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    parts = copied / "p.npy.parts"
    deadline = time.monotonic() + 60
    while len(list(parts.glob("[!.]*.part"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(end)
    error = running.communicate(timeout=60)[1]
    if end == signal.SIGINT:
        assert (running.returncode, error) == (130, "patches: interrupted\n")
    assert not (copied / "p.npy").exists()
    again = subprocess.run(command, cwd=copied, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("6 of 7 videos were done by an earlier run\n")
    afterwards = written(copied)
    undisturbed = subprocess.run(command, cwd=copied, capture_output=True, text=True)
    assert undisturbed.returncode == 0
    assert "earlier run" not in undisturbed.stdout
    assert written(copied) == afterwards


def test_what_is_left_of_a_failure_is_what_can_be_taken_up(copied, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("videolstm.video.work.cut_video", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(copied)
    assert sorted(os.listdir(copied)) == ["videos"]
    # a folder with the lock alone, which a run that was killed has left
    (copied / "p.npy.parts").mkdir()
    (copied / "p.npy.parts" / "lock").touch()
    make(copied)
    monkeypatch.setattr("videolstm.tools.patches.write_set", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(copied)
    assert len(list((copied / "p.npy.parts").glob("*.part"))) == 6


def test_a_lock_that_was_removed_meanwhile_is_none(copied, monkeypatch):
    """Another run has ended between our opening its lock and locking it."""
    from videolstm.video import work

    lock, calls = work.fcntl.flock, []

    def flock(file, how):
        calls.append(how)
        lock(file, how)
        if len(calls) == 1:
            shutil.rmtree(copied / "p.npy.parts")

    monkeypatch.setattr(work.fcntl, "flock", flock)
    with work.work_folder(copied / "p.npy") as folder:
        assert os.listdir(folder) == ["lock"]
        monkeypatch.setattr(work.fcntl, "flock", lock)
        with pytest.raises(UserError, match="another run"):
            make(copied)


def test_a_lock_that_leads_nowhere(copied):
    (copied / "p.npy.parts").mkdir()
    (copied / "p.npy.parts" / "lock").symlink_to("no/where")
    with pytest.raises(UserError, match=r"p.npy.parts: no folder can be there for wha"):
        make(copied)


def test_two_runs_at_a_time(copied):
    from videolstm.video.work import work_folder

    with work_folder(copied / "p.npy"), pytest.raises(UserError) as caught:
        make(copied)
    assert "another run is writing this file" in str(caught.value)


def test_memory_does_not_grow_with_the_video(tmp_path):
    script = (
        "import resource\n"
        "from videolstm.tools.patches import main\n"
        "main()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    options = "long.avi --out p.npy --workers 1 --stride 5 --valid-part 0 --per-clip 10"
    frames = moving(50, 64, 64)
    peaks = []
    for count in (150, 1500):
        repeated = [frames[n % 50] for n in range(count)]
        write_video(tmp_path / "long.avi", repeated, "mpeg4", "yuv420p")
        command = [sys.executable, "-c", script, *options.split()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        peaks.append(int(done.stdout.splitlines()[-1]) / 1024)
    assert (tmp_path / "p.npy").stat().st_size > 170 * 2**20
    # The first has 16 of the 32 MiB of clips that are written at a time; the rest is
    # what the system's memory varies by.
    assert peaks[1] < peaks[0] + 16 + 16
