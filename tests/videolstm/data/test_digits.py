"""Digits of files of every kind, their sizes, and what is wrong with them."""

import gzip
import struct

import h5py
import numpy as np
import pytest

from videolstm.data.digits import SparseDigits, load_digits, resized
from videolstm.errors import UserError

COUNT = 6


def levels(count=COUNT, side=28, seed=0):
    """Images of whole numbers 0 to 255, three pixels of four dark, one of them 255."""
    rng = np.random.RandomState(seed)
    images = rng.randint(1, 256, (count, side, side)) * (
        rng.rand(count, side, side) < 0.25
    )
    images[0, 0, 0] = 255
    return images.astype(np.uint8)


LABELS = np.array([3, 1, 4, 1, 5, 9])
UNIT = levels().astype(np.float32) / np.float32(255)


def idx(values):
    header = struct.pack(">BBBB", 0, 0, 8, values.ndim)
    return header + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_h5(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return path


def write(folder, kind):
    """The same six digits in a file of some kind; returns its path."""
    path, bytes_ = folder / "digits.h5", levels()
    labels = LABELS.astype(np.uint8)
    if kind == "h5":
        return write_h5(path, train=UNIT.reshape(COUNT, 784), labels=LABELS)
    if kind == "h5 of bytes":
        return write_h5(path, train=bytes_, train_labels=labels)
    if kind == "h5 of doubles":
        return write_h5(path, train=bytes_.astype(float) / 255, y_train=LABELS)
    if kind == "npz":
        np.savez_compressed(folder / "d.npz", x_train=bytes_, y_train=labels)
        return folder / "d.npz"
    if kind == "npy":
        np.save(folder / "d.npy", UNIT)
        return folder / "d.npy"
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(bytes_)))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder if kind == "folder" else folder / "train-images-idx3-ubyte.gz"


@pytest.mark.parametrize(
    "kind", ["h5", "h5 of bytes", "h5 of doubles", "npz", "npy", "folder", "idx"]
)
def test_digits_of_any_file(tmp_path, kind):
    images, labels = load_digits(write(tmp_path, kind))
    assert images.dtype == np.float32
    # Exactly, also from doubles: k / 255 rounds to the same float either way.
    np.testing.assert_array_equal(images, UNIT)
    if kind == "npy":
        assert labels is None
    else:
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(labels, LABELS)


def test_sets_are_chosen_by_name(tmp_path):
    other = UNIT[:, ::-1]
    path = write_h5(tmp_path / "d.h5", train=UNIT, test=other, test_labels=LABELS[::-1])
    images, labels = load_digits(path, "test")
    np.testing.assert_array_equal(images, other)
    np.testing.assert_array_equal(labels, LABELS[::-1])
    assert load_digits(path)[1] is None
    write(tmp_path, "folder")
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(idx(levels(2, seed=1)))
    images, labels = load_digits(tmp_path, "test")
    np.testing.assert_array_equal(images, levels(2, seed=1) / np.float32(255))
    assert labels is None


def test_bytes_that_are_zero_or_one_are_taken_as_they_are(tmp_path):
    binary = (levels() > 0).astype(np.uint8)
    images, _ = load_digits(write_h5(tmp_path / "d.h5", train=binary))
    np.testing.assert_array_equal(images, binary)


@pytest.mark.parametrize("side", [8, 20, 256])
def test_other_sides(tmp_path, side):
    images, _ = load_digits(write_h5(tmp_path / "d.h5", train=levels(2, side)))
    assert images.shape == (2, side, side)
    sparse = SparseDigits(images)
    assert (sparse.count, sparse.side) == (2, side)
    assert sparse.starts[sparse.dark] == sparse.starts[sparse.dark + 1]


@pytest.mark.parametrize(
    ("datasets", "says"),
    [
        ({"train": UNIT[:, :, :27]}, r"dataset 'train' has the shape \(6, 28, 27\)"),
        (
            {"train": UNIT[:, :7, :7]},
            r"shape \(6, 7, 7\), and it should be \(digits, 7",
        ),
        ({"train": UNIT[0, 0]}, r"has the shape \(28,\)"),
        ({"train": UNIT - 1}, "has values from -1.0 to 0.0, and they should be from 0"),
        ({"train": UNIT * 255}, "from 0.0 to 255.0, and they should be from 0 to 1"),
        (
            {"train": levels().astype(int) * 2},
            "to 510, and they should be from 0 to 255",
        ),
        ({"train": UNIT * np.nan}, "has values from nan to nan"),
        ({"train": UNIT[:0]}, "has no digits in it"),
        ({"valid": UNIT}, "there is no dataset 'train'"),
        ({"train": UNIT, "labels": LABELS[1:]}, r"'labels' has the shape \(5,\)"),
        ({"train": UNIT, "labels": LABELS + 1}, "has values from 2 to 10"),
    ],
)
def test_wrong_h5(tmp_path, datasets, says):
    path = write_h5(tmp_path / "d.h5", **datasets)
    with pytest.raises(UserError, match=says) as caught:
        load_digits(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_wrong_choices(tmp_path):
    file = write(tmp_path, "idx")
    with pytest.raises(UserError, match="one set of digits, from which 'test' cannot"):
        load_digits(file, "test")
    with pytest.raises(
        UserError, match="no images of the set 'test' there, only of tr"
    ):
        load_digits(tmp_path, "test")
    (tmp_path / "train-images-idx3-ubyte.gz").rename(
        tmp_path / "t10k-images-idx3-ubyte"
    )
    assert len(load_digits(tmp_path)[0]) == COUNT  # the only ones there
    npz = write(tmp_path, "npz")
    with pytest.raises(
        UserError, match="no array 'x_test'; the file has x_train, y_tr"
    ):
        load_digits(npz, "test")
    npz.write_bytes(npz.read_bytes()[:200])
    with pytest.raises(UserError, match="cannot be read as an .npz file"):
        load_digits(npz)
    with pytest.raises(UserError, match="cannot be read"):
        load_digits(tmp_path / "none.h5")


# ---- sizes ---------------------------------------------------------------------------


def triangle(image, side):
    """The bilinear filter written out: along each axis a new pixel is the mean of the
    old ones, weighted by a triangle as wide as two new pixels (two old ones, where the
    image grows), cut at the edges."""
    old = len(image)
    scale = old / side
    width = max(scale, 1.0)
    centres = (np.arange(side) + 0.5) * scale
    distance = np.abs(np.arange(old) + 0.5 - centres[:, None])
    weights = np.maximum(0, 1 - distance / width)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights @ image @ weights.T


@pytest.mark.parametrize("side", [14, 20, 28, 41, 56])
def test_resized(side):
    found = resized(UNIT, side)
    assert found.shape == (COUNT, side, side) and found.dtype == np.float32
    for image, small in zip(UNIT.astype(float), found, strict=True):
        # 1e-5: Pillow adds up some thirty numbers of at most 1 in floats.
        np.testing.assert_allclose(small, triangle(image, side), atol=1e-5)
    assert found.min() >= 0 and found.max() <= 1
