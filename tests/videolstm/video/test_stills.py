"""Image folders and arrays give the frames that are in them; finding videos."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.videolstm.video.making import noise, write_video
from videolstm.errors import UserError
from videolstm.video.frame import grey, resized
from videolstm.video.source import ARRAY, IMAGES, VIDEO, find_sources, left_out
from videolstm.video.stills import array_frames, image_frames


def save(folder, names, frames):
    folder.mkdir(exist_ok=True)
    for name, frame in zip(names, frames, strict=True):
        Image.fromarray(frame).save(folder / name)
    return [folder / name for name in names]


def pixels(frames):
    return np.stack([frame.rgb() for frame in frames])


# ---- images --------------------------------------------------------------------------


def test_images_in_natural_order(tmp_path):
    names = ["f1.png", "f2.PNG", "f9.png", "f10.bmp", "f100.ppm", "g.png"]
    frames = noise(6, 5, 7)
    save(tmp_path / "v", names[::-1], frames[::-1])
    (tmp_path / "v" / "notes.txt").write_text("not an image")
    (tmp_path / "v" / ".f0.png").write_bytes(b"hidden")
    (source,) = find_sources([tmp_path / "v"])
    found = list(source.frames([]))
    np.testing.assert_array_equal(pixels(found), frames)
    assert [frame.follows for frame in found] == [False] + 5 * [True]
    assert {frame.time for frame in found} == {None}
    assert found[-1].done == source.size


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(3, lambda p: np.rot90(p, 2)), (6, lambda p: np.rot90(p, -1))],
)
def test_exif_orientation(orientation, expected, tmp_path):
    frame = noise(1, 5, 7)[0]
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(frame).save(tmp_path / "a.png", exif=exif)
    found = list(image_frames(tmp_path, [tmp_path / "a.png"]))
    np.testing.assert_array_equal(found[0].rgb(), expected(frame))
    assert found[0].size == expected(frame).shape[:2]


def test_other_kinds_of_images(tmp_path):
    levels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    colours = np.repeat(levels[..., None], 3, -1)
    opacity = np.full((3, 4, 1), 7, np.uint8)
    images = {
        "1grey.png": Image.fromarray(levels),
        "2alpha.png": Image.fromarray(np.concatenate([colours, opacity], -1)),
        "3deep.png": Image.fromarray(levels.astype(np.uint16) * 257),
        "4deep.tif": Image.fromarray(levels.astype(np.uint16) * 257 + 100),
        "5palette.png": Image.fromarray(levels).convert("P"),
    }
    for name, image in images.items():
        image.save(tmp_path / name)
    found = pixels(image_frames(tmp_path, [tmp_path / name for name in images]))
    np.testing.assert_array_equal(found, [colours] * 5)


def test_a_program_is_no_image(tmp_path):
    """PostScript, for which Pillow would start Ghostscript."""
    path = tmp_path / "a.png"
    Image.fromarray(noise(1, 4, 4)[0]).save(path, "EPS")
    assert path.read_bytes().startswith(b"%!PS")
    with pytest.raises(UserError, match="a.png: cannot be read as an image"):
        list(image_frames(tmp_path, [path]))


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        (
            "2.png",
            lambda path: Image.fromarray(noise(1, 4, 7)[0]).save(path),
            "is 7x4 pixels, and it should be 7x5 as the images of",
        ),
        ("2.png", lambda path: path.write_bytes(b""), "cannot be read as an image ("),
        (
            "2.png",
            lambda path: path.write_bytes((path.parent / "1.png").read_bytes()[:60]),
            "cannot be read as an image (",
        ),
        (
            "2.tif",
            lambda path: Image.fromarray(np.full((5, 7), 0.5, np.float32)).save(path),
            "its values are float32 from 0.5 to 0.5, and they should be of 8 or 16",
        ),
        (
            "2.ppm",
            lambda path: path.write_bytes(b"P6 12000 12000 255\n"),
            "its frames are 12000x12000 pixels, and they should have at most",
        ),
    ],
)
def test_images_that_are_no_frame(name, make, words, tmp_path):
    images = save(tmp_path, ["1.png"], noise(1, 5, 7)) + [tmp_path / name]
    make(images[1])
    with pytest.raises(UserError) as caught:
        list(image_frames(tmp_path, images))
    assert str(caught.value).startswith(f"{images[1]}: {words}")


# ---- arrays --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "as_rgb"),
    [
        ((6, 8, 9), lambda a: np.repeat(a[..., None], 3, -1)),
        ((6, 8, 9, 1), lambda a: np.repeat(a, 3, -1)),
        ((6, 8, 9, 3), lambda a: a),
        ((6, 8, 9, 4), lambda a: a[..., :3]),
        ((6, 3, 8, 9), lambda a: a.transpose(0, 2, 3, 1)),
        ((3, 8, 9, 3), lambda a: a),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays(shape, as_rgb, order, tmp_path):
    array = np.random.RandomState(3).randint(0, 256, shape, np.uint8)
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))
    (source,) = find_sources([tmp_path / "a.npy"])
    found = list(source.frames([]))
    assert source.kind == ARRAY
    np.testing.assert_array_equal(pixels(found), as_rgb(array))
    assert found[0].size == (8, 9)
    assert [frame.follows for frame in found] == [False] + (len(found) - 1) * [True]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 8, 9), np.float32), "the array is float32, and it should be"),
        (np.zeros((8, 9), np.uint8), "the shape of the array is (8, 9), and it should"),
        (
            np.zeros((4, 5, 8, 9), np.uint8),
            "the shape of the array is (4, 5, 8, 9), an",
        ),
        (np.zeros((4, 0, 9), np.uint8), "the shape of the array is (4, 0, 9), and it"),
    ],
)
def test_arrays_that_are_no_video(array, words, tmp_path):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError) as caught:
        list(array_frames(tmp_path / "a.npy"))
    assert str(caught.value).startswith(f"{tmp_path / 'a.npy'}: {words}")


# ---- pixels --------------------------------------------------------------------------


def test_grey_is_the_luma_of_bt601():
    rgb = noise(1, 40, 40)[0]
    expected = rgb @ [0.299, 0.587, 0.114]
    # Half a level of rounding, and weights of 16 bits.
    assert np.abs(grey(rgb) - expected).max() < 0.51
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, -1)
    np.testing.assert_array_equal(grey(levels)[0], np.arange(256))


@pytest.mark.parametrize(
    ("size", "short_side", "expected"),
    [
        ((720, 1280), 144, (144, 256)),
        ((1280, 720), 144, (256, 144)),
        ((10, 25), 1, (1, 3)),  # 2.5 goes up
        ((7, 7), 14, (14, 14)),
    ],
)
def test_resized(size, short_side, expected):
    rgb = np.full((*size, 3), 77, np.uint8)
    assert resized(rgb, short_side).shape == (*expected, 3)
    assert (resized(rgb, short_side) == 77).all()


def test_resizing_averages_all_pixels():
    # Fine stripes, which a resize that skips pixels would give as black or white.
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:, ::2] = 255
    assert np.abs(resized(rgb, 8).astype(int) - 127.5).max() < 10


# ---- finding -------------------------------------------------------------------------


def test_find_sources(tmp_path):
    root = tmp_path / "all"
    save(root, ["cover.jpg"], noise(1, 8, 8))  # beside videos: not a video
    for name in ("v10.avi", "v9.AVI", "b.avi"):
        write_video(root / "tmp.avi", noise(2, 8, 8)).rename(root / name)
    save(root / "frames2", ["1.png"], noise(1, 8, 8))
    (root / "empty").mkdir()
    (root / "deep" / "er").mkdir(parents=True)
    np.save(root / "deep" / "er" / "x.npy", noise(2, 8, 8))
    (root / "readme.txt").write_text("words")
    os.symlink(root, root / "deep" / "loop")
    os.symlink(root / "nowhere", root / "broken.avi")
    (root / "frames2" / "LABELS").touch()
    (root / ".hidden").touch()
    others = []
    found = find_sources([root, root / "b.avi", root / "readme.txt"], others)
    names = [str(path.relative_to(root)) for path in others]
    assert names == ["cover.jpg", "frames2/LABELS", "readme.txt"]
    assert left_out(others) == (
        "3 files are left out, by their names no videos (nor are images, beside "
        "videos): 1 .jpg, 1 without a suffix, 1 .txt"
    )
    assert [(str(s.path.relative_to(root)), s.kind) for s in found] == [
        ("b.avi", VIDEO),
        ("deep/er/x.npy", ARRAY),
        ("frames2", IMAGES),
        ("v9.AVI", VIDEO),
        ("v10.avi", VIDEO),
        ("readme.txt", VIDEO),  # because it was named
    ]


def test_what_is_left_out_is_counted_by_its_suffix():
    kinds = ["TXT", "txt", "txt", "md", "md", "c", "d", "e", "f", "g"]
    paths = [Path(f"{number}.{kind}") for number, kind in enumerate(kinds)]
    assert left_out(paths) == (
        "10 files are left out, by their names no videos: 3 .txt, 2 .md, 1 .c, 1 .d, "
        "1 .e, 2 others"
    )
    assert left_out([Path("a.\n")]) == (
        r"1 file is left out, by its name no video: 1 .\n"
    )


def test_a_folder_of_other_files(tmp_path):
    (tmp_path / "a.doc").touch()
    with pytest.raises(UserError, match=r"in this folder, only 1 \.doc$"):
        find_sources([tmp_path])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.mp4", "no such file or folder"),
        ("", "neither videos nor images nor .npy in this folder"),
    ],
)
def test_names_that_are_no_video(name, words, tmp_path):
    with pytest.raises(UserError) as caught:
        find_sources([tmp_path / name])
    assert str(caught.value) == f"{tmp_path / name}: {words}"
