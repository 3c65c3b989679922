"""Rendered digits: the format of MNIST, and digits that can be told apart."""

import h5py
import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.tools import digits
from videolstm.tools.digits import digit_faces, main, render_digits

# Named in words here, so that the fonts' own glyph names are not the only witness.
NOT_DIGITS = {"LastResortHE-Regular", "cmex10", "cmsy10", "DejaVuSansDisplay"}


@pytest.fixture(scope="module")
def rendered():
    images, labels = render_digits(2000, seed=3)
    return images.reshape(-1, 28, 28), labels


def test_faces_have_digits():
    names = {file.stem for file in digit_faces()}
    assert not names & NOT_DIGITS
    # 12 DejaVu, 4 STIX and 6 Computer Modern, of which older releases lack cmti10.
    assert len(names) >= 21
    assert {"DejaVuSans", "STIXGeneral", "cmr10"} <= names


def test_types_shapes_and_levels(rendered):
    images, labels = rendered
    assert images.dtype == np.float32 and images.shape == (2000, 28, 28)
    assert labels.dtype == np.int64 and labels.shape == (2000,)
    # Exactly the values that 8-bit images divided by 255 have.
    bytes_ = np.rint(images * 255).astype(np.uint8)
    assert np.array_equal(bytes_.astype(np.float32) / np.float32(255), images)
    assert bytes_.min() == 0 and bytes_.max() == 255


def test_each_digit_equally_often(rendered):
    assert np.bincount(rendered[1]).tolist() == [200] * 10


def test_digits_fill_a_box_of_about_20_pixels(rendered):
    images, _ = rendered
    height = (images.max(axis=2) > 0).sum(axis=1)
    width = (images.max(axis=1) > 0).sum(axis=1)
    longer = np.maximum(height, width)
    # Boxes of 17 to 20 pixels, which lie across up to one pixel more.
    assert longer.min() >= 17 and longer.max() <= 21


def test_centre_of_mass_is_the_middle(rendered):
    images, _ = rendered
    places = np.arange(28) - 13.5
    ink = images.sum(axis=(1, 2))
    for axis in (1, 2):
        offset = (images.sum(axis=axis) * places).sum(axis=1) / ink
        # Moved by whole pixels: half a pixel is the best that can be promised, and
        # digits that would be cut off (there are hardly any) stay a little off.
        assert np.mean(np.abs(offset) <= 0.5 + 1e-4) > 0.99
        assert np.abs(offset).max() < 2


def test_nothing_is_cut_off(rendered):
    images, _ = rendered
    border = np.ones((28, 28), bool)
    border[1:-1, 1:-1] = False
    # A digit may touch the border, but ink as strong as a stroke there would mean that
    # the stroke went on.
    assert (images[:, border].max(axis=1) > 0.5).mean() < 0.005


def test_samples_are_distinct_and_varied(rendered):
    images, labels = rendered
    assert len(np.unique(images.reshape(2000, -1), axis=0)) == 2000
    ink = images.mean(axis=(1, 2))
    # MNIST's mean is 0.13, from thin to bold.
    assert 0.1 < ink.mean() < 0.2
    assert ink.min() < 0.08 and ink.max() > 0.22


def test_labels_are_what_is_shown(rendered):
    """A plain nearest neighbour among the first half recognises the second half."""
    images, labels = rendered
    known, asked = images[:1000].reshape(1000, -1), images[1000:].reshape(1000, -1)
    distance = (known**2).sum(axis=1) - 2 * asked @ known.T
    guess = labels[:1000][distance.argmin(axis=1)]
    # Wrong labels would give 0.1; 1000 neighbours among 22 fonts give about 0.97.
    assert (guess == labels[1000:]).mean() > 0.9


def test_digits_stand_upright_and_are_not_mirrored(rendered):
    images, labels = rendered
    seven = images[labels == 7].mean(axis=0)
    # Corners of the digit, away from the middle, where all the strokes cross.
    near, far = slice(4, 11), slice(17, 24)
    corners = {
        "top left": seven[near, near].sum(),
        "top right": seven[near, far].sum(),
        "bottom left": seven[far, near].sum(),
        "bottom right": seven[far, far].sum(),
    }
    # A seven has ink in three corners, hardly any at the bottom right; one that is
    # turned over or mirrored has its empty corner elsewhere.
    empty = corners.pop("bottom right")
    assert empty < 0.5 * min(corners.values()), corners


def test_the_seed_decides():
    first, again, other = (
        render_digits(30, 5),
        render_digits(30, 5),
        render_digits(30, 6),
    )
    for one, same, different in zip(first, again, other, strict=False):
        assert np.array_equal(one, same)
        assert not np.array_equal(one, different)


def test_command_writes_the_file(tmp_path, capsys):
    path = tmp_path / "digits.h5"
    main(["--out", str(path), "--samples", "25", "--seed", "9"])
    images, labels = render_digits(25, 9)
    with h5py.File(path) as file:
        assert set(file) == {"train", "labels"}
        assert file["train"].dtype == np.float32
        assert file["labels"].dtype == np.int64
        assert np.array_equal(file["train"][:], images)
        assert np.array_equal(file["labels"][:], labels)
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{path}: 25 digits of 28x28 pixels from ")
    assert printed.err == ""  # no progress bar where stderr is no terminal


def test_same_seed_same_file(tmp_path):
    for name in ("a.h5", "b.h5"):
        main(["--out", str(tmp_path / name), "--samples", "12"])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--samples", "0", "must be a whole number from 1 up, not '0'"),
        ("--seed", "-1", "must be a whole number from 0 to 4294967295, not '-1'"),
    ],
)
def test_wrong_options(option, text, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--out", str(tmp_path / "digits.h5"), f"{option}={text}"])
    assert caught.value.code == 2
    assert f"argument {option}: {message}\n" in capsys.readouterr().err


def test_a_wrong_place_is_found_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "render_digits", lambda *_, **__: pytest.fail("worked"))
    with pytest.raises(UserError, match="there is no folder"):
        main(["--out", str(tmp_path / "none" / "digits.h5")])
