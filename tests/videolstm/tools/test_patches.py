"""From videos to sets of patches that training reads, with the command line."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.videolstm.video.making import moving, noise, write_video
from videolstm.config import read_data, read_model
from videolstm.config_check import check_clips, check_composite
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.outside.apart import TRUST
from videolstm.tools.patches import main
from videolstm.video.part import Job, cut_video
from videolstm.video.settings import Settings
from videolstm.video.source import VIDEO, Source
from videolstm.video.work import cut_all

COMMAND = [sys.executable, "-m", "videolstm.tools.patches"]
SMALL = ["--frames", "4", "--size", "8", "--workers", "1"]


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """One worker is this process, which is faster; see test_a_decoder_that_crashes."""
    monkeypatch.setenv(TRUST, "1")


def make(folder, *options, sources=("videos",), out="p.npy"):
    """Runs the program on what is in `folder`; the bytes of all that it wrote."""
    names = [folder / source for source in sources]
    main([*map(str, names), "--out", str(folder / out), *SMALL, *map(str, options)])
    assert not (folder / f"{out}.parts").exists()
    return written(folder)


def written(folder):
    return {p.name: p.read_bytes() for p in folder.glob("p[._]*") if p.is_file()}


def origins(folder, name):
    with open(folder / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Six videos of known pixels in a folder, and these pixels by name."""
    folder = tmp_path_factory.mktemp("all") / "videos"
    folder.mkdir()
    pixels = {f"v{n}.avi": noise(20 + n, 16, 20, seed=n) for n in range(4)}
    for name, frames in pixels.items():
        write_video(folder / name, frames)
    pixels["a.npy"] = noise(17, 12, 12, seed=8)
    np.save(folder / "a.npy", pixels["a.npy"])
    pixels["images"] = noise(9, 10, 16, seed=9)
    (folder / "images").mkdir()
    for n, frame in enumerate(pixels["images"]):
        Image.fromarray(frame).save(folder / "images" / f"{n}.png")
    return folder, pixels


@pytest.fixture
def copied(videos, tmp_path):
    shutil.copytree(videos[0], tmp_path / "videos")
    return tmp_path


# ---- what is written -----------------------------------------------------------------


def test_every_clip_is_what_its_row_says(videos, copied, capsys):
    make(copied, "--stride", "3", "--per-clip", "2", "--split", "video")
    pixels = videos[1]
    starts = {name: range(0, len(p) - 3, 3) for name, p in pixels.items()}
    seen = []
    for name in ("p", "p_valid"):
        clips = np.load(copied / f"{name}.npy", mmap_mode="r")
        assert clips.dtype == np.uint8
        rows = origins(copied, name)
        assert [int(row["clip"]) for row in rows] == list(range(len(clips)))
        for clip, row in zip(clips, rows, strict=True):
            video = os.path.basename(row["video"])
            start, y, x = (int(row[field]) for field in ("frame", "top", "left"))
            window = pixels[video][start : start + 4, y : y + 8, x : x + 8]
            np.testing.assert_array_equal(clip, window.transpose(0, 3, 1, 2))
            if video.endswith(".avi"):
                assert float(row["seconds"]) == pytest.approx(start / 25, abs=5e-4)
            else:
                assert row["seconds"] == ""
            seen.append((video, start))
    assert sorted(seen) == sorted((v, s) for v, k in starts.items() for s in 2 * [*k])
    out = capsys.readouterr().out
    assert f"{copied / 'p.npy'}: " in out
    assert "clips are few, a model learns them by heart: more videos" in out
    assert "A model for them has input_dims and output_dims 192" in out


@pytest.mark.parametrize("grey", [False, True])
def test_training_reads_them(grey, copied):
    model = copied / "model.pbtxt"
    make(copied, "--model", model, "--units", 3, *(["--grey"] if grey else []))
    config = read_model(model)
    assert check_composite(config, model) == []
    for name in ("p", "p_valid"):
        path = copied / f"{name}.pbtxt"
        data = make_data_handler(read_data(path), path)
        check_clips(config, model, data)
        assert data.dataset_size == len(np.load(copied / f"{name}.npy"))
        assert data.frame_shape == ((1 if grey else 3), 8, 8)
        assert data.next_batch().frames.max() <= 1


def test_grey(videos, copied):
    make(copied, "--grey")
    clip, row = np.load(copied / "p.npy")[0], origins(copied, "p")[0]
    start, y, x = (int(row[field]) for field in ("frame", "top", "left"))
    frames = videos[1][os.path.basename(row["video"])]
    window = frames[start : start + 4, y : y + 8, x : x + 8]
    # Half a level of rounding, and weights of 16 bits.
    assert np.abs(clip - window @ [0.299, 0.587, 0.114]).max() < 0.51


def test_frame_rate_step_and_resizing(copied):
    frames = moving(40, 32, 48)
    write_video(copied / "long.avi", frames, rate=20)
    options = ["--fps", 10, "--step", 2, "--short-side", 8, "--crop", "centre"]
    make(copied, *options, "--valid-part", 0, sources=["long.avi"])
    clips, rows = np.load(copied / "p.npy"), origins(copied, "p")
    assert len(clips) == 2  # 40 frames, 20 at 10 a second, every other one counts
    # At 10 a second the second frame of two is shown at each tick, see at_rate.
    for clip, row in zip(clips, rows, strict=True):
        first = 4 * int(row["frame"])
        shown = frames[first : first + 16 : 4]
        for got, frame in zip(clip, shown, strict=True):
            small = Image.fromarray(frame).resize((12, 8), Image.Resampling.BICUBIC)
            expected = np.asarray(small)[:, 2:10].transpose(2, 0, 1)
            np.testing.assert_array_equal(got, expected)


# ---- sets ----------------------------------------------------------------------------


def test_whole_videos_are_set_aside(copied):
    make(copied, "--valid-part", 0.3)
    train, valid = (
        {row["video"] for row in origins(copied, name)} for name in ("p", "p_valid")
    )
    assert (len(train), len(valid), train & valid) == (4, 2, set())


@pytest.mark.parametrize(
    "options",
    [
        ["--split", "time", "--valid-part", 0.3],
        ["--valid-part", 0.15],  # less than one of six videos
    ],
)
def test_the_end_of_each_video_is_set_aside(options, copied):
    make(copied, *options, "--stride", 1)
    last, first = {}, {}
    for row in origins(copied, "p"):
        video, frame = row["video"], int(row["frame"])
        last[video] = max(frame + 3, last.get(video, 0))
    for row in origins(copied, "p_valid"):
        video, frame = row["video"], int(row["frame"])
        first[video] = min(frame, first.get(video, frame))
    assert len(last) == 6 and last.keys() == first.keys()
    assert all(first[video] == last[video] + 1 for video in first)  # no frame in both


def test_a_single_video_is_split_in_time(copied, capsys):
    make(copied, sources=["videos/v1.avi"])
    frames = [int(row["frame"]) for row in origins(copied, "p_valid")]
    assert set(frames) == {16}
    assert capsys.readouterr().out.count(" from 1 video; ") == 2


def test_nothing_set_aside(copied, capsys):
    files = make(copied, "--valid-part", 0)
    assert sorted(files) == ["p.csv", "p.npy", "p.pbtxt"]
    assert capsys.readouterr().err == ""
    make(copied, "--frames", 17, sources=["videos/a.npy"])
    assert "too few clips to set any aside" in capsys.readouterr().err


def test_what_is_replaced(copied, capsys):
    """All that an earlier run has written, and nothing is said of it; but a validation
    set that is not made again shows what is for training now."""
    model = ["--model", copied / "model.pbtxt"]
    first = make(copied, *model)
    assert make(copied, *model) == first
    assert capsys.readouterr().err == ""
    again = make(copied, *model, "--valid-part", 0)
    assert again["p_valid.npy"] == first["p_valid.npy"] and again != first
    assert capsys.readouterr().err == (
        f"Note: {copied}/p_valid.npy is of an earlier run, and may show what "
        f"{copied}/p.npy shows\n"
    )


def test_the_order_is_random_and_seeded(copied):
    first = make(copied)
    again, other = make(copied), make(copied, "--seed", 7)
    assert first == again
    assert first["p.npy"] != other["p.npy"]
    videos = [row["video"] for row in origins(copied, "p")]
    assert videos != sorted(videos)


# ---- whatever happens ----------------------------------------------------------------


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


# ---- mistakes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["missing.avi"], "missing.avi: no such file or folder"),
        (["videos", "--out", "p.h5"], "p.h5: patches are an .npy: name one"),
        (["videos", "--out", "no/p.npy"], "no/p.npy: there is no folder "),
        (
            ["videos", "p.npy", "--out", "p.npy"],
            "p.npy: is one of the videos and would be replaced: name another file",
        ),
        (
            ["videos", "--model", "p.pbtxt"],
            "p.pbtxt: will be a file of the patches, and cannot be the model, too: ",
        ),
        (["videos", "--model", "no/m.pbtxt"], "no/m.pbtxt: there is no folder "),
        (
            ["videos", "--out", "model.npy"],
            "model.pbtxt: there is a description of something else, and it should "
            "describe model.npy: ",
        ),
        (
            ["videos", "--model", "data.pbtxt"],
            "data.pbtxt: is there and describes no model, and would be replaced by one",
        ),
        (
            ["videos", "--model", "model.pbtxt"],
            "model.pbtxt: is there and describes a trained model, and would be repla",
        ),
    ],
)
def test_mistakes(options, words, copied, monkeypatch):
    monkeypatch.chdir(copied)
    np.save("p.npy", noise(5, 8, 8))
    (copied / "model.pbtxt").write_text('name: "m" timestamp: "20261122120000"')
    (copied / "data.pbtxt").write_text('data_file: "p.npy"')
    before = sorted(os.listdir())
    with pytest.raises(UserError) as caught:
        main(["--out", "p.npy", *SMALL, *options])
    assert str(caught.value).startswith(words)
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--frames", "1"],
            "argument --frames: must be a whole number from 2 to 10000",
        ),
        (["--fps", "0"], "argument --fps: must be frames a second, from 0.001 to 1000"),
        (["--fps", "1/0"], "argument --fps: must be frames a second, from 0.001"),
        (["--valid-part", "1"], "argument --valid-part: must be from 0 to below 1"),
        (["--valid-part", "nan"], "argument --valid-part: must be a number from 0 to"),
        (["--cut", "300"], "argument --cut: must be a number from 0 to 255, not"),
        (["--size", "0"], "argument --size: must be a whole number from 1 to 4096"),
        (["--crop", "round"], "argument --crop: invalid choice: 'round'"),
    ],
)
def test_wrong_options(options, words, copied, capsys):
    with pytest.raises(SystemExit) as caught:
        main([str(copied / "videos"), "--out", str(copied / "p.npy"), *options])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
