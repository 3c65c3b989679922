"""Lists of videos: the files of UCF-101 and HMDB-51, as they are published, and plain
ones; classes from 0; wrong lists a sentence."""

from pathlib import Path

import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.video.lists import read_videos

# As in ucfTrainTestlist, where the numbers run from 1; here with a gap.
UCF = {
    "classInd.txt": "1 ApplyEyeMakeup\n2 ApplyLipstick\n4 Archery\n",
    "trainlist01.txt": (
        "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\n"
        "Archery/v_Archery_g08_c01.avi 4\n"
        "ApplyLipstick/v_ApplyLipstick_g08_c02.avi 2\n"
    ),
    "testlist01.txt": (
        "Archery/v_Archery_g01_c01.avi\r\nApplyEyeMakeup/v_x_g01_c01.avi\r\n"
    ),
    "trainlist02.txt": "Archery/v_Archery_g09_c01.avi 4\n",
    "testlist02.txt": "Archery/v_Archery_g02_c01.avi\n",
}
# As in testTrainMulti_7030_splits: 1 trains, 2 tests, 0 neither, odd names and spaces.
HMDB = {
    "kick_ball_test_split1.txt": "a_(1)_kick_ball_#x.avi 2 \nb.avi 1 \n",
    "kick_test_split1.txt": "c.avi 0 \nd.avi 1 \n",
    "brush_hair_test_split1.txt": "April 09 hair.avi 1 \ne.avi 2 \n",
    "brush_hair_test_split2.txt": "e.avi 1 \n",
}


def put(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, newline="")
    return folder


@pytest.fixture
def ucf(tmp_path):
    return put(tmp_path / "ucfTrainTestlist", UCF)


@pytest.fixture
def hmdb(tmp_path):
    return put(tmp_path / "testTrainMulti_7030_splits", HMDB)


def pairs(listing):
    return [(video.name, video.label) for video in listing.videos]


def refused(words, *args, **options):
    with pytest.raises(UserError) as caught:
        read_videos(*args, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- UCF-101 -------------------------------------------------------------------------

TRAIN = [
    ("ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi", 0),
    ("Archery/v_Archery_g08_c01.avi", 2),
    ("ApplyLipstick/v_ApplyLipstick_g08_c02.avi", 1),
]
TEST = [("Archery/v_Archery_g01_c01.avi", 2), ("ApplyEyeMakeup/v_x_g01_c01.avi", 0)]


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ("trainlist01.txt", {}, TRAIN),
        ("testlist01.txt", {}, TEST),
        ("", {"part": "train"}, TRAIN),
        ("", {"part": "test"}, TEST),
        ("", {"part": "train", "split": 2}, [("Archery/v_Archery_g09_c01.avi", 2)]),
    ],
)
def test_ucf(ucf, source, options, expected):
    listing = read_videos(ucf / source, "UCF-101", **options)
    assert pairs(listing) == expected
    assert listing.classes == ["ApplyEyeMakeup", "ApplyLipstick", "Archery"]
    assert listing.videos[0].path == Path("UCF-101") / expected[0][0]
    assert listing.notes == ()


def test_ucf_without_its_classes(ucf):
    (ucf / "classInd.txt").rename(ucf / "names.txt")
    listing = read_videos(ucf / "trainlist01.txt")
    assert [label for _, label in pairs(listing)] == [1, 4, 2]
    assert listing.classes is None
    assert "counts from 1, name its classes with --classes" in listing.notes[0]
    assert [label for _, label in pairs(read_videos(ucf / "testlist01.txt"))] == [
        None,
        None,
    ]
    named = read_videos(ucf / "testlist01.txt", classes=ucf / "names.txt")
    assert pairs(named) == TEST


def test_ucf_mistakes(ucf):
    refused("say which part is wanted, --part train or --part test", ucf)
    refused("there is no split 9; it has 1, 2", ucf, part="train", split=9)
    (ucf / "testlist02.txt").unlink()
    refused("testlist02.txt: cannot be read", ucf, part="test", split=2)
    refused("chosen from a folder", ucf / "trainlist01.txt", part="train")
    put(ucf, {"a.txt": "Archery/a.avi 3\n", "b.txt": "Archery/a.avi 1\n"})
    refused("a.txt, line 1: 3 is none of the 3 classes", ucf / "a.txt")
    refused(
        "line 1: class 1 is ApplyEyeMakeup, and the video is in the folder Archery",
        ucf / "b.txt",
    )
    put(ucf, {"c.txt": "Archery/a.avi\nBowling/b.avi\n"})
    refused("c.txt, line 2: 'Bowling' is none of the 3 classes", ucf / "c.txt")
    for content in ("1 a\n1 b\n", "1 a\n2 A\n", "a\n\nb\n"):
        put(ucf, {"classInd.txt": content})
        refused("named twice, or a line is empty", ucf / "testlist01.txt")


# ---- HMDB-51 -------------------------------------------------------------------------


def test_hmdb(hmdb):
    train = read_videos(hmdb, "videos", part="train")
    # The alphabet's order of the classes, which is not that of the files.
    assert train.classes == ["brush_hair", "kick", "kick_ball"]
    assert pairs(train) == [
        ("brush_hair/April 09 hair.avi", 0),
        ("kick/d.avi", 1),
        ("kick_ball/b.avi", 2),
    ]
    assert train.videos[1].path == Path("videos/kick/d.avi")
    test = read_videos(hmdb, "videos", part="test")
    assert pairs(test) == [
        ("brush_hair/e.avi", 0),
        ("kick_ball/a_(1)_kick_ball_#x.avi", 2),
    ]
    assert pairs(read_videos(hmdb, "v", part="train", split=2)) == [
        ("brush_hair/e.avi", 0)
    ]


def test_hmdb_mistakes(hmdb):
    refused("say with --videos where these folders are", hmdb, part="train")
    refused("there is no split 3; it has 1, 2", hmdb, "v", part="train", split=3)
    refused("there is no video in it", hmdb, "v", part="test", split=2)
    put(hmdb, {"run_test_split1.txt": "a.avi 3\n"})
    refused("line 1: found 'a.avi 3', and it should be a video and 1 (train), 2 (test)"
            " or 0", hmdb, "v", part="train")  # fmt: skip


# ---- plain lists ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a.avi 0\nb c.avi  1\n", [("a.avi", 0), ("b c.avi", 1)]),
        ("a.avi\nb c.avi\n", [("a.avi", None), ("b c.avi", None)]),
        ("\ufeffa.avi\t7\n\n", [("a.avi", 7)]),
        ("take 2.avi\n", [("take 2.avi", None)]),
    ],
)
def test_plain_lists(tmp_path, content, expected):
    (tmp_path / "list.txt").write_text(content, encoding="utf-8")
    assert pairs(read_videos(tmp_path / "list.txt")) == expected


def test_classes_by_name(tmp_path):
    put(tmp_path, {"list.txt": "x/B/1.avi\na/2.avi\n", "classes.txt": "a\nb\n"})
    listing = read_videos(tmp_path / "list.txt", classes=tmp_path / "classes.txt")
    assert [label for _, label in pairs(listing)] == [1, 0]
    assert listing.classes == ["a", "b"]


def test_where_the_videos_are(tmp_path, monkeypatch):
    """The folder that is given; else here, else beside the list, as everywhere."""
    for folder in ("here", "lists"):
        put(tmp_path / folder, {"both.avi": ""})
    put(tmp_path / "lists", {"beside.avi": "", "l.txt": "both.avi\nbeside.avi\nno.avi"})
    monkeypatch.chdir(tmp_path / "here")
    listed = tmp_path / "lists"
    found = [video.path for video in read_videos(listed / "l.txt").videos]
    assert found == [Path("both.avi"), listed / "beside.avi", Path("no.avi")]
    found = [video.path for video in read_videos(listed / "l.txt", "else").videos]
    assert found == [Path("else") / p for p in ("both.avi", "beside.avi", "no.avi")]
    put(listed, {"l.txt": f"{tmp_path}/x.avi\n"})
    assert read_videos(listed / "l.txt", "else").videos[0].path == tmp_path / "x.avi"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a.avi 1\nb.avi\n", "line 2: there is no class behind the video"),
        (b"a.avi 1\n\nb.avi 1\n", "line 2 names no video"),
        (b"a\0.avi\n", "line 1 names no video"),
        (b"\xff\xfe\xfd", "is not a text file"),
        (b"\n", "is empty"),
    ],
)
def test_wrong_lists(tmp_path, content, words):
    (tmp_path / "list.txt").write_bytes(content)
    refused(words, tmp_path / "list.txt")


def test_no_list(tmp_path):
    refused("cannot be read", tmp_path / "none.txt")
    refused("nothing that is there", tmp_path / "none", part="train")


# ---- folders -------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path):
    for name in ("run/b10.npy", "run/b9.npy", "Jump/deep/a.npy"):
        path = tmp_path / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.zeros((2, 4, 4), np.uint8))
    return tmp_path / "all"


def test_a_folder_for_each_class(folders):
    listing = read_videos(folders)
    assert listing.classes == ["Jump", "run"]
    assert pairs(listing) == [("Jump/deep/a.npy", 0), ("run/b9.npy", 1),
                              ("run/b10.npy", 1)]  # fmt: skip
    put(folders.parent, {"c.txt": "run\nwalk\njump\n"})
    named = read_videos(folders, classes=folders.parent / "c.txt")
    assert [label for _, label in pairs(named)] == [2, 0, 0]
    assert named.classes == ["run", "walk", "jump"]


def test_a_folder_of_videos(folders):
    listing = read_videos(folders / "run")
    assert pairs(listing) == [("b9.npy", None), ("b10.npy", None)]
    assert listing.videos[0].path == folders / "run" / "b9.npy"
    # One that is beside the folders of classes leaves no class for it.
    (folders / "run" / "b9.npy").rename(folders / "b9.npy")
    assert not read_videos(folders).labelled


def test_folder_mistakes(folders, tmp_path):
    refused("leave out --videos", folders, "elsewhere")
    refused("no split in this folder", folders, part="train")
    put(tmp_path, {"c.txt": "run\nwalk\n"})
    refused("none of the 2 classes", folders, classes=tmp_path / "c.txt")
    (tmp_path / "empty").mkdir()
    refused("neither videos nor images", tmp_path / "empty")


def test_garbage_is_a_list_or_a_sentence(ucf, hmdb):
    """Files of UCF-101 and HMDB-51 with bytes changed, gone and added."""
    rng = np.random.RandomState(7)
    sources = [
        (ucf / "trainlist01.txt", ucf / "trainlist01.txt", None),
        (ucf / "classInd.txt", ucf, "test"),
        (hmdb / "kick_test_split1.txt", hmdb, "train"),
    ]
    for turn in range(150):
        damaged, source, part = sources[turn % 3]
        whole = damaged.read_bytes()
        content = bytearray(whole)
        for place in rng.randint(0, len(whole), 4):
            content[place : place + rng.randint(3)] = rng.bytes(rng.randint(3))
        damaged.write_bytes(content)
        try:
            listing = read_videos(source, "videos", part=part)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            for video in listing.videos:
                assert video.label is None or video.label >= 0
                assert video.path.is_relative_to("videos") or video.path.is_absolute()
        damaged.write_bytes(whole)
