"""What the tests of features share: three videos, a tiny net known to numpy."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.videolstm.video.nets import plain, tiny_net
from videolstm.config import read_data
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.outside.apart import TRUST
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


def prepare(tmp_path, monkeypatch):
    """A folder, which becomes the current one, with videos, their list and a net."""
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
