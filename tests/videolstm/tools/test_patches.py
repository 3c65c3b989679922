"""From videos to sets of patches that training reads, with the command line."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.videolstm.tools.cutting import SMALL, make, origins, write_videos
from tests.videolstm.video.making import moving, noise, write_video
from videolstm.config import read_data, read_model
from videolstm.config_check import check_clips, check_composite
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.outside.apart import TRUST
from videolstm.tools.patches import main


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
