"""What `videolstm.tools.patches`, `features` and `download` write, for test_kinds: a
table as there."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest

from tests.videolstm.tools.web_server import answer, file, serving
from tests.videolstm.video.nets import tiny_net
from videolstm.errors import UserError
from videolstm.outside.apart import TRUST
from videolstm.tools import download, features, fetch, patches
from videolstm.tools.fetch import RemoteFile
from videolstm.video.part import cut_video

DESCRIBED = "the description of a data set"
LABELLED = "frames (LABELLED or UNLABELLED)"
NUMBERS = "a list of whole numbers (labels_file, num_frames_file or video_ids_file)"
CLIPS, ROWS = "video patches", "where patches are from (videolstm.tools.patches)"
CLASSES = "the names of classes, from 0 on (videolstm.tools.features)"
VIDEOS = "the names of videos (videolstm.tools.features)"
BEGINNING = "the beginning of a file (videolstm.tools.download)"

# Two videos of 20 frames of 10x12 pixels; a clip has 4, so there are 10 of both.
_LENGTH, _HEIGHT, _WIDTH = 20, 10, 12


def write(folder: Path) -> None:
    """Lets the three programs work in `folder`, once to the end and once not."""
    (folder / "v").mkdir()
    for name in ("run", "walk"):
        (folder / "films" / name).mkdir(parents=True)
        rng = np.random.RandomState(len(name))
        shape = (_LENGTH, _HEIGHT, _WIDTH, 3)
        np.save(folder / "films" / name / "a.npy", rng.randint(0, 256, shape, np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TRUST, "1")
        patch.setenv("no_proxy", "*")
        patch.setattr(fetch, "_PAUSE", 0)
        _write_patches(folder)
        _write_features(folder)
        _download(folder)
        with pytest.raises(KeyboardInterrupt):
            patch.setattr("videolstm.video.work.cut_video", _InterruptedLater())
            _make_patches(folder, "left")
        with pytest.raises(KeyboardInterrupt):
            patch.setattr(features, "features_of", _interrupted_features)
            _make_features(folder, "films", "left.h5")


def _make_patches(folder: Path, name: str, *options: str) -> None:
    small = "--frames 4 --size 8 --per-clip 1 --workers 1 --valid-part 0.5".split()
    out = str(folder / "v" / f"{name}.npy")
    patches.main([str(folder / "films"), "--out", out, *small, *options])


def _write_patches(folder: Path) -> None:
    _make_patches(folder, "colour", "--model", str(folder / "v" / "model.pbtxt"))
    _make_patches(folder, "grey", "--grey")


class _InterruptedLater:
    """Cuts a video, and no other one."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, job, advance):
        self.done += 1
        if self.done == 2:
            raise KeyboardInterrupt
        return cut_video(job, advance)


_features_of = features.features_of


def _interrupted_features(path, *rest):
    if "walk" in path.parts:
        raise KeyboardInterrupt
    return _features_of(path, *rest)


def _make_features(folder: Path, source: str, out: str) -> None:
    net = tiny_net(folder / "net.onnx", size=(6, 8))
    how = f"--model {net} --layer fc6 --clip 5 --batch-size 2 --threads 1".split()
    features.main([str(folder / source), "--out", str(folder / "v" / out), *how])


def _write_features(folder: Path) -> None:
    _make_features(folder, "films", "one.h5")
    names = [str(path) for path in sorted((folder / "films").glob("*/a.npy"))]
    (folder / "films.txt").write_text("".join(f"{name}\n" for name in names))
    _make_features(folder, "films.txt", "two.txt")
    _make_features(folder, "films.txt", "plain.h5")  # one file, and no classes


def _download(folder: Path) -> None:
    """A set that comes, one that is cut, one that is another one."""
    clips = np.random.RandomState(4).randint(0, 256, (6, 20, 16, 16), np.uint8)
    memory = io.BytesIO()
    np.save(memory, clips)
    content = memory.getvalue()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    with serving() as server:
        cut = (file(content, cut=999, tag='"v1"'), answer(503))
        for name, sum_, answers in (
            ("clips", md5, (file(content),)),
            ("cut", None, cut),
            ("wrong", "0" * 32, (file(content),)),
        ):
            files = (
                RemoteFile(f"{name}.npy", (server.put(name, *answers),), 10**6, sum_),
            )
            there = {name: download.DataSet("Clips.", files, "look at {folder}")}
            try:
                download.main([name, "--out", str(folder / "v")], there)
            except UserError as error:
                assert name != "clips", error


_ONE = {"holds.frames": 4, "holds.height": 8, "holds.colours": 3}
_GREY = _ONE | {"holds.colours": 1}
_NET = {"frame.dims": 5, "holds.frames": 5}

# As WRITTEN of test_kinds.
WRITTEN = {
    "v/colour.npy": (CLIPS, _ONE | {"holds.clips": 5, "layout.type": "uint8"}),
    "v/colour_valid.npy": (CLIPS, _ONE | {"holds.clips": 5}),
    "v/colour.pbtxt": (DESCRIBED, {"holds.clips": 5, "frame.shape": [3, 8, 8]}),
    "v/colour_valid.pbtxt": (DESCRIBED, {"holds.clips": 5, "frame.shape": [3, 8, 8]}),
    "v/colour.csv": (ROWS, {"rows": 5, "columns.1": "video"}),
    "v/colour_valid.csv": (ROWS, {"rows": 5}),
    "v/model.pbtxt": ("the description of a model", {}),
    "v/grey.npy": (CLIPS, _GREY),
    "v/grey_valid.npy": (CLIPS, _GREY),
    "v/grey.pbtxt": (DESCRIBED, {"holds.clips": 5, "frame.shape": [1, 8, 8]}),
    "v/grey_valid.pbtxt": (DESCRIBED, {"frame.shape": [1, 8, 8]}),
    "v/one.h5": (LABELLED, {"features.layout.shape": [40, 5]}),
    "v/one.pbtxt": (DESCRIBED, _NET | {"videos.videos": 2, "labels": {"0": 1, "1": 1}}),
    "v/one_num_frames.txt": (NUMBERS, {"lines": 2, "values.sum": 40}),
    "v/one_labels.txt": (NUMBERS, {"lines": 2, "values.sum": 1}),
    "v/one_classes.txt": (CLASSES, {"lines": 2, "first": "run", "last": "walk"}),
    "v/one_videos.txt": (VIDEOS, {"lines": 2, "first": "run/a.npy"}),
    "v/plain.h5": (LABELLED, {"features.layout.shape": [40, 5]}),
    "v/plain.pbtxt": (DESCRIBED, _NET | {"videos.videos": 2}),
    "v/two.txt": ("a list of .h5 files (UNLABELLED)", {"files": 2, "there": 2}),
    "v/two.pbtxt": (DESCRIBED, _NET | {"read as": "UNLABELLED"}),
    "v/two_num_frames.txt": (NUMBERS, {"lines": 2, "values.sum": 40}),
    "v/two_videos.txt": (VIDEOS, {"lines": 2}),
    "v/two/000001_a.h5": (LABELLED, {"features.layout.shape": [20, 5]}),
    "v/left.part.h5": (LABELLED, {"features.layout.shape": [20, 5]}),
    "v/left.npy.parts/0*.part": (
        "clips of one video, of a run that is not done (videolstm.tools.patches)",
        {"video": 0, "size": 5 * (24 + 4 * 3 * 8 * 8)},
    ),
    "v/left.npy.parts/lock": ("the mark of a run of videolstm.tools.patches", {}),
    "v/clips.npy": (CLIPS, {"holds.clips": 6, "holds.frames": 20}),
    "v/cut.npy.part": (BEGINNING, {"size": 999}),
    "v/cut.npy.part.from": (
        "where the beginning of a file is from (videolstm.tools.download)",
        {"version": '"v1"'},
    ),
    "v/wrong.npy.wrong": (
        "not the file that was asked for (videolstm.tools.download)",
        {"size": 128 + 6 * 20 * 16 * 16},
    ),
}  # fmt: skip
