"""The program as one types it: what it prints, how it ends, what it says of garbage."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import small_model
from videolstm.config import write_text
from videolstm.errors import UserError
from videolstm.tools.inspect import NO, main

SIDE = 30  # of the small model


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clips = np.zeros((8, 6, SIDE, SIDE), np.uint8)
    clips[:, :, 10:20, 10:20] = 255
    np.save("clips.npy", clips)
    np.save("small.npy", clips[..., :20, :20])
    write_text(small_model(), "model.pbtxt")
    return tmp_path


def test_what_is_printed(folder, capsys):
    # By hand, for 3 units, 900 numbers, 3 frames each and conditional decoders. A step
    # of a clip: encoder 2 (3*36*2 + 2*10800*3), each decoder 2 (3*36*3 + 2*10800*2 +
    # 3*2700*3) operations. 39771 weights three times, w_dense a fourth time; of each
    # clip 75 + 2 * 2775 + 900 * 9 numbers.
    main(["clips.npy", "--model", "model.pbtxt"])
    assert (
        capsys.readouterr().out
        == """\
clips.npy: video patches

  holds    8 clips of 6 frames of 30x30 pixels, grey
  layout   8 x 6 x 30 x 30, clips first, uint8
  size     42.3 KiB
  values   0 to 255, mean 28.33, 11.1% not zero
  as data  divided by 255: 0 to 1

runs with model.pbtxt
  answer        yes
  step          3.21 million operations for a batch of 8, 895.4 KiB of memory
  note          clips.npy: 8 clips of 6 frames; the file has clips first
  described by  data_file: "clips.npy"
                num_frames: 6
                batch_size: 8
                dataset_type: VIDEO_PATCH
                image_size: 30
"""
    )


def test_no_is_an_exit_status(folder, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["small.npy", "--model", "model.pbtxt"])
    assert caught.value.code == NO == 1
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "answer no: small.npy: a frame has 400 numbers, and it should have the" in said
    )


def test_json(folder, capsys):
    main(["clips.npy", "--model", "model.pbtxt", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["kind"] == "video patches"
    assert said["holds"]["clips"] == 8
    assert said["values"]["density"] == pytest.approx(1 / 9)
    assert said["runs_with"]["answer"] == {"yes": True, "why": None}
    np.save("nan.npy", np.full((2, 3, 4, 4), np.nan))
    main(["nan.npy", "--json"])
    values = json.loads(capsys.readouterr().out)["values"]
    assert (values["nan"], values["min"], values["mean"]) == (96, None, None)


def test_a_sheet(folder, capsys):
    main(["clips.npy", "--sheet", "sheet.png", "--clips", "2", "--random", "1"])
    assert capsys.readouterr().out.endswith("  sheet  written to sheet.png\n")
    with Image.open("sheet.png") as picture:
        assert picture.format == "PNG"
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["clips.npy", "model.pbtxt", "sheet.png", "small.npy"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.bin", b"\x7fELF\x02\xff", "begins with the bytes 7f 45 4c 46 and is of no"),
        ("a.pbtxt", b"", "a.pbtxt is empty, and it should be a .pbtxt, a list"),
        ("a.pbtxt", b"data_fil: 3", "no kind known here"),
        ("a.pbtxt", b'data_file: "x"\nbatch: 3', "did you mean 'batch_size'?"),
        ("a.pbtxt", b"name: 3", "a.pbtxt, line 1 column 7"),
        ("a.pbtxt", b'data_file: "x.h5" batch_size: 3', "names 'x.h5', and there"),
        ("a.h5", b"\x89HDF\r\n\x1a\nxxxxxxxx", "a.h5: cannot be read as an .h5 file"),
        ("a.npy", b"\x93NUMPY\x01\x00\x10\x00", "a.npy: cannot be read as an .npy"),
        ("a.npz", b"PK\x03\x04xxxx", "a.npz: cannot be read as an .npz file"),
        ("a.gz", b"\x1f\x8bxxxxxxxx", "a.gz: it begins with the bytes 1f 8b 78 78"),
        ("a", b"\x00\x00\x08\x03\x00\x00\x00\x05" + b"\0\0\0\x1c" * 2, "a: truncated"),
        ("a.txt", "naïve\0".encode(), "is of no kind known here"),
    ],
)  # fmt: skip
def test_garbage_is_one_sentence(folder, name, content, says):
    Path(name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        main([name])
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["none.npy"], "none.npy: there is no such file"),
        ([".", "--model", "model.pbtxt"], ".: no model is run with a folder: name dat"),
        ([".", "--sheet", "x.png"], ".: there is nothing to draw of a folder"),
        (["/dev/null"], "/dev/null is a pipe, a device or the like"),
        (["clips.npy", "--sheet", "x.gif"], "x.gif: pictures are .png or .pdf"),
        (["clips.npy", "--sheet", "no/x.png"], "no/x.png: there is no folder"),
        (["clips.npy", "--model", "clips.npy"], "clips.npy is not a text file"),
        (
            ["clips.npy", "--model", "none"],
            "none: there is no such file, and it should",
        ),
        (
            ["model.pbtxt", "--sheet", "x.png"],
            "there is nothing to draw of the descrip",
        ),
        (["model.pbtxt", "--model", "model.pbtxt"], "this is a model itself"),
    ],
)
def test_mistakes(folder, arguments, says):
    with pytest.raises(UserError) as caught:
        main(arguments)
    assert says in str(caught.value)
    assert not list(folder.glob("x.*"))


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--sheet", "x.png", "there is nothing to draw of the description of a model"),
        ("--model", "model.pbtxt", "this is a model itself"),
    ],
)
def test_what_is_known_is_printed_where_the_rest_fails(
    folder, capsys, option, value, says
):
    main(["model.pbtxt"])
    alone = capsys.readouterr().out
    with pytest.raises(UserError, match=says):
        main(["model.pbtxt", option, value])
    assert capsys.readouterr().out == alone
    with pytest.raises(UserError, match=says):
        main(["model.pbtxt", option, value, "--json"])
    assert json.loads(capsys.readouterr().out)["kind"] == "the description of a model"


def test_as_a_module(folder):
    """Its name is that of a module of Python's own, which others need to find: numpy
    and dataclasses import `inspect`."""
    command = [sys.executable, "-m", "videolstm.tools.inspect"]
    done = subprocess.run(
        [*command, "clips.npy"], capture_output=True, text=True, timeout=60,
        cwd=folder, env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("clips.npy: video patches\n")
    done = subprocess.run(
        [*command, "none.npy"], capture_output=True, text=True, timeout=60,
        cwd=folder, env=environment(),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "inspect: none.npy: there is no such file\n"


def environment():
    import os

    root = str(Path(__file__).resolve().parents[3])
    return os.environ | {"PYTHONPATH": root}
