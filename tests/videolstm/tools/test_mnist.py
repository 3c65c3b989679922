"""MNIST's IDX files become an .h5; wrong ones a sentence. The files are made here."""

import gzip
import struct

import h5py
import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.tools.mnist import main

TRAIN, TEST = 7, 4


def idx(values):
    """The bytes of an IDX file of unsigned bytes, written out as the format says."""
    header = struct.pack(">BBBB", 0, 0, 8, values.ndim)
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    return header + sizes + values.astype(np.uint8).tobytes()


def made(count, seed):
    rng = np.random.RandomState(seed)
    return rng.randint(256, size=(count, 28, 28)), rng.randint(10, size=count)


def put(folder, *names, wrap=lambda content: content):
    """Write those of the four files whose names are given."""
    for name in names:
        plain = name.removesuffix(".gz")
        count, seed = (TRAIN, 1) if plain.startswith("train") else (TEST, 2)
        content = wrap(idx(made(count, seed)["labels" in plain]))
        if name.endswith(".gz"):
            content = gzip.compress(content)
        (folder / name).write_bytes(content)


def check_file(path, expected):
    """expected: name -> (count, seed) of the part that the data set was made from."""
    with h5py.File(path) as file:
        assert set(file) == set(expected)
        for name, part in expected.items():
            images, labels = made(*part)
            if "labels" in name:
                assert file[name].dtype == np.int64
                assert np.array_equal(file[name][:], labels)
            else:
                assert file[name].dtype == np.float32
                plain = images.reshape(len(images), 784).astype(np.float32)
                assert np.array_equal(file[name][:], plain / np.float32(255))


BOTH = {
    "train": (TRAIN, 1),
    "labels": (TRAIN, 1),
    "test": (TEST, 2),
    "test_labels": (TEST, 2),
}
ONLY_TEST = {"train": (TEST, 2), "labels": (TEST, 2)}
FOUR = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (FOUR, BOTH),
        ([f"{name}.gz" for name in FOUR], BOTH),
        ([name.replace("-idx", ".idx") for name in FOUR], BOTH),
        (FOUR[:2], {"train": (TRAIN, 1), "labels": (TRAIN, 1)}),
        (FOUR[2:], ONLY_TEST),
        (FOUR[2:3], {"train": (TEST, 2)}),
        ([FOUR[0], *FOUR[2:]], {k: v for k, v in BOTH.items() if k != "labels"}),
        ([FOUR[1], *FOUR[2:]], ONLY_TEST),
    ],
    ids=["four", "gz", "dots", "train", "t10k", "unlabelled", "half", "no-images"],
)
def test_what_is_there_is_converted(tmp_path, names, expected, capsys):
    put(tmp_path, *names)
    (tmp_path / "README").write_text("not MNIST's")
    main([str(tmp_path), "--out", str(tmp_path / "mnist.h5")])
    check_file(tmp_path / "mnist.h5", expected)
    said = "Only the test digits (t10k) are there: they become `train`.\n"
    only_test = "train" in expected and expected["train"] == (TEST, 2)
    assert (said in capsys.readouterr().out) == only_test


def test_files_can_be_named(tmp_path, capsys):
    put(tmp_path, *FOUR)
    named = [str(tmp_path / name) for name in FOUR[2:]]
    main([*named, "--out", str(tmp_path / "mnist.h5")])
    check_file(tmp_path / "mnist.h5", ONLY_TEST)
    assert "`train` 4 x 784, `labels` 4" in capsys.readouterr().out


def test_plain_is_taken_before_gz(tmp_path):
    put(tmp_path, FOUR[2])
    (tmp_path / f"{FOUR[2]}.gz").write_bytes(b"half a download")
    main([str(tmp_path), "--out", str(tmp_path / "mnist.h5")])
    check_file(tmp_path / "mnist.h5", {"train": (TEST, 2)})


def header(*sizes, dims=None):
    dims = len(sizes) if dims is None else dims
    return struct.pack(">BBBB", 0, 0, 8, dims) + struct.pack(f">{len(sizes)}I", *sizes)


WRONG = {
    "empty": (b"", "starts with the bytes (none)"),
    "magic": (b"\x89PNG" + bytes(99), "starts with the bytes 89 50 4e 47, but an IDX"),
    "labels": (idx(np.zeros(9)), "of images starts with 00 00 08 03"),
    "header": (header(4, 28, dims=3), "truncated within its header"),
    "size": (
        idx(np.zeros((2, 32, 32))),
        "images of 32x32 pixels, but digits are 28x28",
    ),
    "none": (header(0, 28, 28), "its header promises 0 items"),
    "truncated": (
        idx(np.zeros((4, 28, 28)))[:-1],
        "promises 4 items in 3,136 bytes, of which 3,135 are there",
    ),
    "huge": (header(2**32 - 1, 28, 28), "promises 4,294,967,295 items"),
    "huge-gz": (
        gzip.compress(header(2**32 - 1, 28, 28)),
        "promises 4,294,967,295 items",
    ),
    "short-gz": (
        gzip.compress(idx(np.zeros((4, 28, 28)))[:-1]),
        "in 3,136 bytes, of which 3,135 are there",
    ),
    "long": (idx(np.zeros((4, 28, 28))) + b"x", "goes on after the 4 items"),
    "cut-gz": (
        gzip.compress(idx(made(4, 0)[0]))[:-20],
        "damaged or truncated gzip file",
    ),
    "bad-gz": (
        gzip.compress(idx(made(4, 0)[0]))[:-8] + bytes(8),
        "damaged or truncated gzip file",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_named(tmp_path, name):
    content, message = WRONG[name]
    file = tmp_path / FOUR[0]
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        main([str(tmp_path), "--out", str(tmp_path / "mnist.h5")])
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [FOUR[0]]


def test_labels_must_belong_to_the_images(tmp_path):
    put(tmp_path, FOUR[0])
    (tmp_path / FOUR[1]).write_bytes(idx(np.zeros(TRAIN + 1)))
    with pytest.raises(UserError, match="holds 8 labels, but .* holds 7 images"):
        main([str(tmp_path), "--out", str(tmp_path / "mnist.h5")])


def test_labels_must_be_digits(tmp_path):
    put(tmp_path, FOUR[0])
    (tmp_path / FOUR[1]).write_bytes(idx(np.full(TRAIN, 10)))
    with pytest.raises(UserError, match="a label is 10, but digits are 0 to 9"):
        main([str(tmp_path), "--out", str(tmp_path / "mnist.h5")])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "no images of MNIST there, looked for train-images-idx3-ubyte"),
        ("none", "no such file or folder"),
        ("n" * 300, "no such file or folder"),  # no file can have that name
        ("notes.txt", "not the name of a file of MNIST"),
        (FOUR[1], "no images of MNIST there"),
    ],
)
def test_wrong_sources_are_named(tmp_path, source, message):
    put(tmp_path, FOUR[1])
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError) as caught:
        main([str(tmp_path / source), "--out", str(tmp_path / "mnist.h5")])
    assert str(caught.value).startswith(f"{tmp_path / source}: ")
    assert message in str(caught.value)
