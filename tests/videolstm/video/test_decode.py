"""Decoded frames are those that were encoded. What lossless codecs must give back is
known to the last bit; colours are the standards' own formulas."""

import struct
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.videolstm.video.making import moving, noise, set_matrix, write_video
from videolstm.errors import UserError
from videolstm.video.decode import video_frames


def decoded(path, notes=None):
    """All frames, and their pixels (count, height, width, 3)."""
    frames = list(video_frames(path, [] if notes is None else notes))
    pixels = np.stack([frame.rgb() for frame in frames])
    assert all(frame.size == pixels.shape[1:3] for frame in frames)
    return frames, pixels


def refusal(path):
    with pytest.raises(UserError) as caught:
        list(video_frames(path, []))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- frames --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "size"),
    [
        ("a.mkv", "ffv1", "bgr0", (24, 32)),
        ("a.avi", "ffv1", "bgr0", (23, 37)),  # odd height and width
        ("a.nut", "ffv1", "bgr0", (1, 5)),
        ("a.mov", "png", "rgb24", (37, 23)),
        ("a.mp4", "libx264rgb", "rgb24", (31, 33)),
        ("a.avi", "rawvideo", "bgr24", (5, 7)),
    ],
)
def test_lossless_frames_come_back_exactly(name, codec, pixels, size, tmp_path):
    frames = noise(9, *size)
    options = {"qp": "0"} if codec == "libx264rgb" else {}
    path = write_video(tmp_path / name, frames, codec, pixels, **options)
    notes = []
    found, given = decoded(path, notes)
    np.testing.assert_array_equal(given, frames)
    assert [frame.time for frame in found] == [Fraction(n, 25) for n in range(9)] or (
        name == "a.mkv"  # which counts milliseconds
        and [frame.time for frame in found]
        == [Fraction(40 * n, 1000) for n in range(9)]
    )
    assert [frame.follows for frame in found] == [False] + 8 * [True]
    assert found[-1].done <= path.stat().st_size
    assert notes == []


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "size"),
    [
        ("a.mp4", "libx264", "yuv420p", (46, 62)),
        ("a.mp4", "libx265", "yuv420p", (64, 64)),
        ("a.mkv", "libsvtav1", "yuv420p", (64, 64)),
        ("a.avi", "mpeg4", "yuv420p", (45, 61)),
        ("a.avi", "mjpeg", "yuvj420p", (45, 61)),
        ("a.webm", "libvpx-vp9", "yuv420p", (45, 61)),
        ("a.ts", "mpeg2video", "yuv420p", (46, 62)),
        ("a.wmv", "wmv2", "yuv420p", (46, 62)),
        ("a.flv", "flv", "yuv420p", (45, 61)),
        ("a.mov", "prores", "yuv422p10le", (46, 62)),
        ("a.gif", "gif", "rgb8", (45, 61)),
    ],
)
def test_frames_of_lossy_codecs_come_back_nearly(name, codec, pixels, size, tmp_path):
    frames = moving(12, *size)
    sound = {"a.mp4": "aac", "a.avi": "mp2"}.get(name)
    path = tmp_path / name
    write_video(path, frames, codec, pixels, sound=sound, b="8M")
    notes = []
    found, given = decoded(path, notes)
    assert (given.shape, notes) == (frames.shape, [])
    # Coarse codecs and halved colours cost some levels, a palette of 256 more; another
    # frame, or a wrong colour matrix, is 20 away.
    error = np.abs(given.astype(int) - frames).mean(axis=(1, 2, 3))
    assert error.max() < (18 if codec == "gif" else 6)
    times = [float(frame.time - found[0].time) for frame in found]
    assert times == pytest.approx(np.arange(12) / 25, abs=0.0051)  # .gif: 1/100 s


def test_sound_changes_nothing(tmp_path):
    frames = noise(30, 16, 16)
    path = write_video(tmp_path / "a.avi", frames, sound="mp2")
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1
    np.testing.assert_array_equal(decoded(path)[1], frames)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_time_stamps_of_a_variable_frame_rate(name, tmp_path):
    times = [0, 10, 55, 56, 200, 1000, 1033]
    codec = {"a.mkv": ("ffv1", "bgr0"), "a.mp4": ("libx264", "yuv420p")}[name]
    path = write_video(tmp_path / name, moving(7, 32, 32), *codec, times=times)
    found, _ = decoded(path)
    assert [frame.time for frame in found] == [Fraction(t, 1000) for t in times]


# ---- colours -------------------------------------------------------------------------

# Kr and Kb of ITU-R BT.601 and BT.709.
WEIGHTS = {5: (0.299, 0.114), 1: (0.2126, 0.0722), 2: (0.299, 0.114)}
LIMITED, FULL = 1, 2


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("levels", [LIMITED, FULL])
def test_colour_matrix_and_range(matrix, levels, tmp_path):
    y, u, v = np.random.RandomState(5).randint(16, 236, (3, 16, 16), np.uint8)
    frame = av.VideoFrame.from_ndarray(np.stack([y, u, v]), "yuv444p")
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv444p"
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = levels
        frame.colorspace, frame.color_range = matrix, levels
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    _, (given,) = decoded(path)
    luma, chroma = (219, 224) if levels == LIMITED else (255, 255)
    y = (y.astype(float) - (16 if levels == LIMITED else 0)) / luma
    blue, red = ((c.astype(float) - 128) / chroma for c in (u, v))
    kr, kb = WEIGHTS[matrix]
    r = y + 2 * (1 - kr) * red
    b = y + 2 * (1 - kb) * blue
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    expected = np.clip(np.stack([r, g, b], -1), 0, 1) * 255
    # A level for the scaler's fixed-point numbers, half of one for rounding.
    assert np.abs(given - expected).max() < 1.5


def test_grey_video_is_grey(tmp_path):
    levels = np.random.RandomState(5).randint(0, 256, (3, 9, 11), np.uint8)
    frames = [av.VideoFrame.from_ndarray(level, "gray") for level in levels]
    path = write_video(tmp_path / "a.mov", frames, "png", "gray")
    _, given = decoded(path)
    np.testing.assert_array_equal(given, np.repeat(levels[..., None], 3, -1))


# ---- orientation ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), lambda p: p),
        # A point to the right comes to lie below: a quarter turn clockwise.
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1, (1, 2))),
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2, (1, 2))),
        ((0, -1, 1, 0), lambda p: np.rot90(p, 1, (1, 2))),
        ((-1, 0, 0, 1), lambda p: p[:, :, ::-1]),
        ((1, 0, 0, -1), lambda p: p[:, ::-1]),
        ((0, 1, 1, 0), lambda p: p.transpose(0, 2, 1, 3)),
        ((0, -1, -1, 0), lambda p: p.transpose(0, 2, 1, 3)[:, ::-1, ::-1]),
    ],
)
def test_display_matrix(matrix, expected, tmp_path):
    frames = noise(3, 9, 13)
    path = write_video(tmp_path / "a.mov", frames, "png", "rgb24")
    set_matrix(path, *matrix)
    _, given = decoded(path)
    np.testing.assert_array_equal(given, expected(frames))


# ---- damage --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.avi", "ffv1")])
def test_a_truncated_file_gives_what_is_there(name, codec, tmp_path):
    frames = noise(20, 16, 16)
    path = write_video(tmp_path / name, frames, codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    notes = []
    _, given = decoded(path, notes)
    assert 8 <= len(given) <= 12
    np.testing.assert_array_equal(given, frames[: len(given)])


def test_a_frame_that_is_damaged_is_a_gap(tmp_path):
    frames = noise(12, 32, 32)
    path = write_video(tmp_path / "a.mov", frames, "png", "rgb24")
    data = bytearray(path.read_bytes())
    starts = [i for i in range(len(data)) if data.startswith(b"\x89PNG", i)]
    assert len(starts) == 12
    data[starts[5] : starts[5] + 8] = bytes(8)
    path.write_bytes(data)
    notes = []
    found, given = decoded(path, notes)
    np.testing.assert_array_equal(given, np.delete(frames, 5, axis=0))
    follows = [frame.follows for frame in found]
    assert follows == [number not in (0, 5) for number in range(11)]
    (note,) = notes
    assert note.startswith(f"{path}: damaged or cut short (")
    assert note.endswith("): 11 frames are used")


def test_a_container_that_breaks_off(tmp_path):
    # Each frame has a header of its own, and that of the second one is wrong.
    start, frame = b"YUV4MPEG2 W4 H4 F25:1 C444\n", b"FRAME\n" + bytes([99] * 48)
    path = tmp_path / "a.y4m"
    path.write_bytes(start + frame + b"BROKEN" + frame)
    notes = []
    assert len(decoded(path, notes)[0]) == 1
    assert notes == [
        f"{path}: damaged or cut short (invalid data found when processing input): 1 "
        "frame is used"
    ]
    path.write_bytes(start + b"BROKEN" + frame)
    assert "no frame of it can be decoded" in refusal(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"no video at all\n" * 100),
        ("text.txt", b"no video at all\n" * 100),
        ("random.avi", np.random.RandomState(1).bytes(5000)),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nreal.ts\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile real.ts\n"),
        ("list.mp4", b"ffconcat version 1.0\nfile real.ts\n"),
    ],
)
def test_what_is_no_video(name, content, tmp_path):
    write_video(tmp_path / "real.ts", moving(5, 32, 32), "mpeg2video", "yuv420p")
    (tmp_path / name).write_bytes(content)
    why = " (it is empty)" if not content else " ("
    assert f"{name}: cannot be read as a video{why}" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.ts", "mpeg2video", "yuv420p"),
        ("a.flv", "flv", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.mov", "png", "rgb24"),
    ],
)
def test_damaged_bytes_end_in_frames_or_in_a_sentence(name, codec, pixels, tmp_path):
    path = write_video(tmp_path / name, moving(6, 32, 32), codec, pixels)
    whole = path.read_bytes()
    rng = np.random.RandomState(6)
    for trial in range(40):
        data = np.frombuffer(whole, np.uint8).copy()
        reach = len(data) if trial % 2 else min(len(data), 400)  # the header
        data[rng.randint(reach, size=2 ** rng.randint(7))] = rng.randint(256)
        path.write_bytes(data[: rng.randint(len(data)) if trial % 4 == 3 else None])
        notes = []
        try:
            for frame in video_frames(path, notes):
                assert frame.rgb().shape == (*frame.size, 3)
        except UserError as error:
            notes.append(str(error))
        assert all(str(path) in note and "\n" not in note for note in notes)


def test_an_mp4_without_its_index(tmp_path):
    path = write_video(tmp_path / "a.mp4", moving(9, 32, 32), "libx264", "yuv420p")
    path.write_bytes(path.read_bytes()[:-600])  # the index is at the end
    refusal(path)


def test_sound_alone(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        samples = np.zeros((1, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert refusal(path) == f"{path}: there is no video in it"


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (
            (10000, 9000),
            "its frames are 10000x9000 pixels, and they should have at most 67,108,864",
        ),
        # FFmpeg itself takes these for no size at all.
        ((30000, 30000), "its header gives no size of its frames that can be"),
        ((2**30, 1), "its header gives no size of its frames that can be"),
        ((0, 8), "its header gives no size of its frames that can be"),
    ],
)
def test_absurd_sizes(size, words, tmp_path):
    path = write_video(tmp_path / "a.avi", noise(2, 8, 8))
    data = bytearray(path.read_bytes())
    place = data.index(b"strf") + 12  # width and height of the stream's pictures
    data[place : place + 8] = struct.pack("<2i", *size)
    path.write_bytes(data)
    assert refusal(path) == f"{path}: {words}"


def test_a_name_is_never_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = noise(2, 8, 8)
    odd = write_video(tmp_path / "plain.avi", frames).rename(
        tmp_path / "http:%03d ü.avi"
    )
    np.testing.assert_array_equal(decoded(odd)[1], frames)


def test_without_pyav(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.avi", noise(2, 8, 8))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match="install it with `pip install av`"):
        list(video_frames(path, []))
