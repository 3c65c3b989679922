"""Features of videos become data sets that train; broken videos are left out, runs that
were cut go on. The net is a tiny one; its values are computed in numpy as well."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from PIL import Image

from tests.videolstm.video.nets import plain, tiny_net
from videolstm.config import read_data
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.outside.apart import TRUST
from videolstm.tools import features
from videolstm.tools.features import main

ROOT = Path(__file__).resolve().parents[3]
HEIGHT, WIDTH = 6, 8
# Sums over 27 and 12 terms of about 100, in single precision.
TOLERANCE = 2e-3

LENGTHS = {"a/one.npy": 7, "b/two.npy": 5, "b/three.npy": 9}


def pixels(name):
    """The frames of a video, uint8 (frames, height, width, 3)."""
    rng = np.random.RandomState(len(name))
    return rng.randint(0, 256, (LENGTHS[name], HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # All in this process, which is faster; see test_a_decoder_that_crashes.
    monkeypatch.setenv(TRUST, "1")
    for name in LENGTHS:
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, pixels(name))
    (tmp_path / "list.txt").write_text("a/one.npy 0\nb/two.npy 2\nb/three.npy 2\n")
    tiny_net(tmp_path / "net.onnx", size=(HEIGHT, WIDTH))
    (tmp_path / "net.pbtxt").write_text('name: "net"')
    return tmp_path


def call(*extra, source="list.txt", out="f.h5", **options):
    options = {
        "model": "net.onnx",
        "layer": "fc6",
        "out": out,
        "videos": "videos",
        "preset": "bytes",
        "fit": "centre",
        "threads": 1,
    } | options
    words = [f"--{name.replace('_', '-')}={x}" for name, x in options.items() if x]
    main([source, *words, *extra])


def read(path="f.h5", dataset="features"):
    with h5py.File(path) as file:
        return file[dataset][:]


def lines(name):
    return Path(name).read_text().splitlines()


def expected(*names, layer="fc6", of=lambda frames: frames):
    return np.concatenate([plain(of(pixels(name)), layer) for name in names])


def assert_close(rows, wanted, tolerance=TOLERANCE):
    assert rows.shape == wanted.shape
    assert np.abs(rows - wanted).max() < tolerance


def refused(words, *args, **options):
    with pytest.raises(UserError) as caught:
        call(*args, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def handler(path):
    return make_data_handler(read_data(path), path)


# ---- one file ------------------------------------------------------------------------


def test_labelled_data(folder, capsys):
    call(clip=6)
    rows = read()
    assert rows.dtype == np.float32
    assert_close(rows, expected(*LENGTHS))
    assert lines("f_num_frames.txt") == ["7", "5", "9"]
    assert lines("f_labels.txt") == ["0", "2", "2"]
    assert lines("f_videos.txt") == list(LENGTHS)
    with h5py.File("f.h5") as file:
        assert file["num_frames"][:].tolist() == [7, 5, 9]
        assert file["videos"].asstr()[:].tolist() == list(LENGTHS)
        assert file.attrs["layer"] == "fc6"
    assert not Path("f.part.h5").exists() and not Path("f_classes.txt").exists()
    # Clips of 6 frames from videos of 7, 5 and 9, a frame apart.
    data = handler("f.pbtxt")
    assert (data.dataset_size, data.frame_dims, data.batch_size) == (2 + 0 + 4, 5, 128)
    (batch,) = data.epoch(100)
    assert batch.labels.tolist() == [0, 0, 2, 2, 2, 2]
    assert np.array_equal(batch.frames[:, 2], rows[12:18])
    assert data.randomize
    out = capsys.readouterr().out
    assert "f.h5: 21 frames of 3 videos, 5 numbers each" in out
    assert "f.pbtxt describes them; for a model: input_dims 5, 3 classes" in out


def test_it_trains(folder):
    """The files are what the classifier reads."""
    call(clip=4)
    (folder / "model.pbtxt").write_text(
        'name: "m" max_iters: 2 checkpoint_dir: "runs"'
        'logreg { name: "logreg" num_inputs: 5 num_outputs: 3'
        " w { epsilon: 1 } b { epsilon: 1 } }"
    )
    arguments = ["model.pbtxt", "f.pbtxt", "f.pbtxt", "cpu"]
    done = subprocess.run(
        [sys.executable, ROOT / "lstm_classifier.py", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.stderr == "" and done.returncode == 0


def test_classes_have_names(folder):
    """From folders; a class that all videos were left out of keeps its number."""
    (folder / "videos" / "a" / "one.npy").write_bytes(b"broken")
    call(source="videos", videos=None)
    assert lines("f_labels.txt") == ["1", "1"]
    assert lines("f_classes.txt") == ["a", "b"]
    assert lines("f_videos.txt") == ["b/three.npy", "b/two.npy"]


def test_lists_of_ucf(folder, capsys):
    """Numbers from 1 and a test list without any become classes from 0."""
    lists = folder / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 a\n2 b\n")
    (lists / "trainlist01.txt").write_text("b/two.npy 2\na/one.npy 1\n")
    (lists / "testlist01.txt").write_text("b/three.npy\n")
    call(source="ucfTrainTestlist/trainlist01.txt", out="train.h5")
    call("--part=test", source="ucfTrainTestlist", out="test.h5")
    assert lines("train_labels.txt") == ["1", "0"]
    assert lines("test_labels.txt") == ["1"]
    assert_close(read("test.h5"), expected("b/three.npy"))


def test_without_classes(folder):
    (folder / "list.txt").write_text("a/one.npy\n")
    call()
    assert not read_data("f.pbtxt").labels_file
    assert handler("f.pbtxt").labels is None
    # No video has the 16 frames of a clip.
    assert read_data("f.pbtxt").num_frames == 7


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_batches_make_no_difference(folder, batch):
    call(batch=batch)
    assert_close(read(), expected(*LENGTHS))


def test_a_net_for_a_fixed_number(folder):
    tiny_net(folder / "net.onnx", size=(HEIGHT, WIDTH), batch=4)
    call()
    assert_close(read(), expected(*LENGTHS))


@pytest.mark.parametrize(
    ("options", "of"),
    [
        ({"every": 3}, lambda frames: frames[::3]),
        ({"max_frames": 2}, lambda frames: frames[:2]),
        ({"every": 2, "max_frames": 2}, lambda frames: frames[:4:2]),
        ({"fps": "30000/1001"}, lambda frames: frames),  # arrays have no times
    ],
)
def test_which_frames(folder, options, of):
    call(**options)
    assert_close(read(), expected(*LENGTHS, of=of))


def test_preparation(folder):
    call(preset="caffe-vgg", mean="1,2,3", std="10")
    wanted = expected(*LENGTHS, of=lambda x: (x[..., ::-1] - [1.0, 2.0, 3.0]) / 10)
    assert_close(read(), wanted)


def test_a_grey_net_gets_grey_frames(folder):
    tiny_net(folder / "net.onnx", colours=1, size=(HEIGHT, WIDTH))
    call()
    grey = [
        np.stack([np.asarray(Image.fromarray(f).convert("L")) for f in pixels(name)])
        for name in LENGTHS
    ]
    wanted = [plain(frames[..., None], colours=1) for frames in grey]
    assert_close(read(), np.concatenate(wanted))


def test_another_layer_and_dataset(folder):
    call(layer="conv1", dataset="hidden6")
    assert_close(read(dataset="hidden6"), expected(*LENGTHS, layer="conv"))
    assert read_data("f.pbtxt").dataset_name == "hidden6"


def test_real_videos(folder):
    """A film of 25 frames a second, and the same frames as a folder of images."""
    frames = np.random.RandomState(3).randint(0, 256, (12, 3, 4, 3), np.uint8)
    frames = frames.repeat(8, 1).repeat(8, 2)  # blocks, which the codec keeps
    with av.open("film.mp4", "w") as film:
        stream = film.add_stream("mpeg4", rate=25, width=32, height=24)
        stream.bit_rate, stream.pix_fmt = 10**7, "yuv420p"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        film.mux(stream.encode())
    (folder / "images").mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / "images" / f"{number}.png")
    (folder / "list.txt").write_text("images\nfilm.mp4\n")
    call(videos=".", fit="squash", fps="12.5", preset="unit")
    counts = [int(line) for line in lines("f_num_frames.txt")]
    # Images have no times; of the film every second frame, maybe one more at its end.
    assert counts[0] == 12 and counts[1] in (6, 7)
    rows = read()
    # The codec loses a few levels of 255.
    assert_close(rows[12:18], rows[:12:2], 0.1)


# ---- a file for each -----------------------------------------------------------------


def test_unlabelled_data(folder, capsys):
    call(out="u.txt", clip=5, stride=2)
    assert lines("u.txt") == [
        "u/000000_one.h5",
        "u/000001_two.h5",
        "u/000002_three.h5",
    ]
    assert lines("u_num_frames.txt") == ["7", "5", "9"]
    data = handler("u.pbtxt")
    assert (data.kind, data.dataset_size) == ("UNLABELLED", 2 + 1 + 3)
    (batch,) = data.epoch(100)
    wanted = expected("b/three.npy")
    assert_close(batch.frames[:, 5], wanted[4:9])
    assert "Note: UNLABELLED data has no classes" in capsys.readouterr().out


def test_files_that_are_there_are_taken(folder, monkeypatch):
    call(out="u.txt")
    before = {path: path.stat().st_mtime_ns for path in Path("u").iterdir()}
    (folder / "u" / "000001_two.h5").write_bytes(b"damaged")
    call(out="u.txt")
    assert [path for path in sorted(before) if path.stat().st_mtime_ns > before[path]] \
        == [Path("u/000001_two.h5")]  # fmt: skip
    assert_close(read("u/000001_two.h5"), expected("b/two.npy"))
    call(out="u.txt", layer="prob")  # with other settings none is
    assert_close(read("u/000002_three.h5"), expected("b/three.npy", layer="prob"))


def test_broken_ones_are_not_listed(folder):
    (folder / "videos" / "a" / "one.npy").write_bytes(b"broken")
    call(out="u.txt")
    assert lines("u.txt") == ["u/000001_two.h5", "u/000002_three.h5"]
    assert handler("u.pbtxt").video_count == 2


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


# ---- mistakes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "fc8"}, "net.onnx: has no layer 'fc8'; did you mean 'fc6'? It has"),
        ({"out": "f.npy"}, "f.npy: should end in .h5 (one file, with classes) or .txt"),
        ({"out": "list.txt"}, "list.txt: list.txt would be replaced"),
        ({"out": "net.h5"}, "net.pbtxt: there is a description of something else, and "
                            "it should describe net.h5"),
        ({"out": "nowhere/f.h5"}, "there is no folder"),
        ({"videos": "nowhere"}, "none of its 3 videos is there; the first would be "
                                "nowhere/a/one.npy"),
        ({"videos": None}, "say with --videos which folder they are in"),
        ({"source": "none.txt"}, "none.txt: cannot be read"),
        ({"part": "train"}, "list.txt: a part (train) is chosen from a folder"),
        ({"model": "none.onnx"}, "none.onnx: there is no such file"),
        ({"colours": "grey"}, "reads images of 3 colours, and --colours grey has 1"),
        ({"mean": "1,2"}, "--mean has 2 numbers"),
        ({"short_side": 5, "fit": "crop"}, "--short-side 5 is smaller than the 8x6"),
        ({"short_side": 9}, "--short-side goes with --fit crop"),
        ({"size": "8x7"}, "takes images of 8x6 pixels, and --size asks for 8x7"),
    ],
)  # fmt: skip
def test_mistakes_are_a_sentence(folder, options, words):
    refused(words, **options)
    assert not Path("f.h5").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model=n"], "VIDEO_LIST and --out are required"),
        (["l", "--model=n", "--out=f.h5", "--fps=0"], "must be frames a second"),
        (["l", "--model=n", "--out=f.h5", "--fps=1/0"], "must be frames a second"),
        (["l", "--model=n", "--out=f.h5", "--mean=a"], "must be numbers with commas"),
        (["l", "--model=n", "--out=f.h5", "--size=0"], "must be a number of pixels"),
        (["l", "--model=n", "--out=f.h5", "--dataset=a/b"], "--dataset must be a name"),
        (["l", "--model=n", "--out=f.h5", "--dataset=videos"], "taken by the list"),
    ],
)
def test_wrong_options(arguments, words, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err


def test_layers(folder, capsys):
    main(["--model", "net.onnx", "--layers"])
    assert capsys.readouterr().out.split() == "conv relu flat fc6 relu6 prob".split()
