"""Features of videos become data sets that train. The net is a tiny one; its values are
computed in numpy as well."""

import subprocess
import sys
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from PIL import Image

from tests.commands import BOARD
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
from tests.videolstm.video.nets import plain, tiny_net
from videolstm.config import read_data
from videolstm.tools.features import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    return prepare(tmp_path, monkeypatch)


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
    arguments = ["model.pbtxt", "f.pbtxt", "f.pbtxt", BOARD]
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
