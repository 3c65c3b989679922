"""Readers of what one's own videos come in: videos, images, arrays, nets, lists.

As in readings.py a reader uses a file as `videolstm.tools.patches` or `features` does,
and looks at what it gets.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np

from tests.fuzz import films, seeds
from videolstm.config import read_data
from videolstm.data import make_data_handler
from videolstm.errors import UserError
from videolstm.tools import features
from videolstm.tools.feature_files import spelled
from videolstm.video.lists import VideoList, read_videos
from videolstm.video.part import Cut, Job
from videolstm.video.sampling import Sampling
from videolstm.video.settings import GRID, Settings
from videolstm.video.source import Source, find_sources
from videolstm.video.work import cut_all

_CLASSES = ("run", "walk")
_HMDB = "{}_test_split1.txt"


def prepare_videos(folder: Path) -> None:
    """The files that those that are fuzzed go with."""
    film = np.random.RandomState(5).randint(0, 256, (5, 6, 8, 3)).astype(np.uint8)
    film_files = {f"{name}/film.npy": seeds.npy(film) for name in _CLASSES}
    for name, data in {
        **film_files,
        "film.npy": seeds.npy(film),
        "films.txt": b"run/film.npy 0\nwalk/film.npy 1\n",
        "ucf/classInd.txt": b"1 run\n2 walk\n",
        "ucf/testlist01.txt": b"walk/film.npy\n",
        "hmdb/walk_test_split1.txt": b"film.npy 1 \nother.avi 2 \n",
        "pictures/a.png": films.picture(),
        "pictures/b.png": films.picture(),
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


# ---- videos, images, arrays ----------------------------------------------------------

_SETTINGS = (
    Settings(frames=3, stride=2, size=8, per_clip=2, cut=20.0),
    Settings(
        frames=2, stride=1, fps=Fraction(25, 2), step=2, short_side=9, size=4,
        crop=GRID, grey=True, motion=0.1,
    ),
)  # fmt: skip


def use_video(path: Path) -> None:
    (source,) = find_sources([path])
    _cut(source)


def use_image(path: Path) -> None:
    """An image of a folder that has two others."""
    folder = path.with_name("pictures")
    (folder / path.name).write_bytes(path.read_bytes())
    (source,) = find_sources([folder])
    _cut(source)


use_array = use_video


def _cut(source: Source) -> None:
    """Cuts a video into clips, twice; UserError where neither gives one."""
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(n, source, how, Path(folder)) for n, how in enumerate(_SETTINGS)]
        told: list[int] = []
        done = 0
        for job, cut in cut_all(jobs, 1, told.append, lambda sentence: None):
            _check_cut(job, cut)
            failures += [cut.failure] if cut.failure else []
            done += 1
        assert done == len(jobs) and min(told, default=0) >= 0
    if len(failures) == len(jobs):
        raise UserError(failures[0])


def _check_cut(job: Job, cut: Cut) -> None:
    for said in (*cut.notes, *([cut.failure] if cut.failure else [])):
        assert said.isprintable() and os.fspath(job.source.path) in said, said
    if cut.failure:
        assert not cut.patches and not job.part.exists()
        return
    records = np.fromfile(job.part, job.settings.record)
    assert len(records) == cut.patches == job.patches() > 0
    assert (records["frame"] >= 0).all() and (np.diff(records["frame"]) >= 0).all()
    assert (records["top"] >= 0).all() and (records["left"] >= 0).all()


def good_videos() -> list[bytes]:
    return films.videos()


def good_images() -> list[bytes]:
    return films.images()


def good_arrays() -> list[bytes]:
    film = (np.arange(5 * 9 * 10 * 3) % 251).astype(np.uint8).reshape(5, 9, 10, 3)
    arrays = [
        film, film[..., 0], film.transpose(0, 3, 1, 2), film[..., :1], film[:1],
        np.asfortranarray(film), film.astype("f4"), film.astype(">u2"), film[:0],
        np.concatenate([film, film[..., :1]], -1), film[0], np.uint8(7), film[..., :2],
    ]  # fmt: skip
    made = [seeds.npy(array) for array in map(np.asarray, arrays)]
    for shape in ((10**15, 9, 10, 3), (5, 10**9, 10**9, 3), (5, 1, 2**26, 3)):
        made.append(
            made[0].replace(b"(5, 9, 10, 3), }", b"%s, }" % str(shape).encode())
        )
    return made


# ---- nets ----------------------------------------------------------------------------


def use_net(path: Path) -> None:
    """All of `videolstm.tools.features`, with a layer or without one."""
    layer = ["--layer", "fc6"] if path.stat().st_size % 2 else []
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        out = Path(folder) / "f.h5"
        names = [str(path.with_name("films.txt")), "--model", str(path)]
        how = "--preset unit --fit squash --threads 1 --clip 3 --batch-size 2".split()
        features.main([*names, "--out", str(out), *layer, *how])
        with h5py.File(out) as file:
            rows = file["features"][()]
        assert rows.dtype == np.float32 and len(rows) and np.isfinite(rows).all()
        description = out.with_suffix(".pbtxt")
        batch = make_data_handler(read_data(description), description).next_batch()
        assert batch.frames.shape == (3, 2, rows.shape[1])


def good_nets() -> list[bytes]:
    return films.nets()


# ---- lists ---------------------------------------------------------------------------


def use_video_list(path: Path) -> None:
    folder = path.parent
    listing = read_videos(path, folder)
    _check_list(listing)
    _look_at_videos(listing, path, folder)


def use_ucf_split(path: Path) -> None:
    """As a part of UCF-101's lists, with their classes."""
    folder = path.parent
    (folder / "ucf" / "trainlist01.txt").write_bytes(path.read_bytes())
    listing = read_videos(folder / "ucf", folder, part="train")
    assert listing.classes == list(_CLASSES)
    _check_list(listing)
    _look_at_videos(listing, path, folder)


def use_hmdb_split(path: Path) -> None:
    folder = path.parent
    (folder / "hmdb" / _HMDB.format("run")).write_bytes(path.read_bytes())
    for part in ("train", "test"):
        listing = read_videos(folder / "hmdb", folder, part=part)
        assert listing.classes == list(_CLASSES)
        _check_list(listing)


def use_class_list(path: Path) -> None:
    listing = read_videos(path.with_name("films.txt"), path.parent, path)
    assert listing.classes
    _check_list(listing)


def _check_list(listing: VideoList) -> None:
    labels = [video.label for video in listing.videos]
    assert all((label is None) == (labels[0] is None) for label in labels)
    if listing.classes is not None:
        assert all(0 <= label < len(listing.classes) for label in labels)
        assert all(map(spelled, listing.classes))
    assert all(label is None or label >= 0 for label in labels)
    assert all(spelled(video.name).encode() for video in listing.videos)
    assert all(note.isprintable() for note in listing.notes)


def _look_at_videos(listing: VideoList, path: Path, folder: Path) -> None:
    """The first of the videos, as features reads them; UserError where none is one."""
    chosen = argparse.Namespace(videos=str(path), folder=str(folder))
    features._check_there(listing, chosen)
    broken = []
    for video in listing.videos[:5]:
        if os.path.isdir(video.path):  # perhaps all of the disk, which takes long
            return
        try:
            how = (lambda rgb: rgb, Sampling(), 2, [])
            assert list(features._images(video.path, *how))
            return
        except features.BrokenVideo as error:
            assert str(error).isprintable()
            broken.append(str(error))
    raise UserError(f"{path}: {broken[0]}")


def good_video_lists() -> list[bytes]:
    return [
        b"run/film.npy 1\nwalk/film.npy 2\n", b"run/film.npy\r\nwalk/film.npy\r\n",
        b"film.npy 0\nrun/film.npy 0\n", b"\xef\xbb\xbfrun/film.npy\t2\n\n",
        b"walk/film.npy 2\n" * 300, b"/dev/zero\n/dev/stdin\n", b"../../etc/passwd 1\n",
        b"run/film.npy 999999999\n", b"a\0b 1\n\x1b[2J 2\n", b"n" * 300 + b".avi\n",
        b"RUN/film.npy 1\nrun/../walk/film.npy 2\n", b"film.npy " + b"9" * 30 + b"\n",
    ]  # fmt: skip


def good_hmdb_splits() -> list[bytes]:
    return [
        b"April 09 a.avi 1 \nb_(2)_#x.avi 2 \nc.avi 0 \n", b"a.avi 2\n", b"a.avi 1\r\n",
        b"a.avi 3\n", b"\n", b"a.avi 1 \n" * 400, b"\xff\xfe", b"../../x 2\n",
    ]  # fmt: skip


def good_class_lists() -> list[bytes]:
    return [
        b"run\nwalk\n", b"0 run\n1 walk\n", b"1 walk\n0 run\n", b"1 a b\n0 c  d\n",
        b"0 run\n1 RUN\n", b"run\n\nwalk\n", b"000 a\n01 b\n", b"0 a\n00 b\n1 c\n",
        b"".join(b"%d class %d\n" % (k, k) for k in range(500)), b"\x1b[2J\n\xc2\x9b\n",
    ]  # fmt: skip
