"""Video patches: which of the first two axes of the file has the clips."""

import tracemalloc

import numpy as np
import pytest

from videolstm.config import messages
from videolstm.data import make_data_handler
from videolstm.errors import UserError


def make(folder, **fields):
    """A handler of moving.npy."""
    types = messages()
    fields = {"image_size": 4, "batch_size": 4, "data_file": "moving.npy"} | fields
    config = types.Data(dataset_type=types.Data.VIDEO_PATCH, **fields)
    return make_data_handler(config, folder / "data.pbtxt")


def moving(folder, shape, num_frames=6, colours=0):
    """A handler of an array of random bytes, and the array."""
    values = np.random.RandomState(2).randint(0, 256, shape, np.uint8)
    np.save(folder / "moving.npy", values)
    return make(folder, num_frames=num_frames, num_colors=colours), values


@pytest.mark.parametrize(
    ("shape", "first", "note"),
    [
        ((6, 9, 4, 4), "frames", "9 clips of 6 frames; the file has frames first"),
        ((6, 2, 4, 4), "frames", "2 clips of 6 frames; the file has frames first"),
        ((9, 6, 4, 4), "clips", "9 clips of 6 frames; the file has clips first"),
        ((6, 6, 4, 4), "clips", "6 clips of 6 frames; the file has clips first"),
        (
            (5, 9, 4, 4),
            "clips",
            "5 clips of 9 frames, the last 3 of which are left out; the file has clips "
            "first",
        ),
        ((6, 9, 3, 4, 4), "frames", "9 clips of 6 frames; the file has frames first"),
    ],
)
def test_which_axis_has_the_clips(shape, first, note, tmp_path):
    handler, values = moving(tmp_path, shape, colours=3 if len(shape) == 5 else 0)
    clips = values.swapaxes(0, 1) if first == "frames" else values
    assert handler.notes == [f"{tmp_path / 'moving.npy'}: {note}"]
    (batch,) = handler.epoch(100)
    expected = clips[:, :6].swapaxes(0, 1).reshape(6, len(clips), -1)
    expected = expected.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(batch.frames, expected)


def test_the_standard_file_is_read_clip_by_clip(tmp_path):
    # mnist_test_seq.npy: 20 frames of 10000 clips, 64x64; here sparse, 800 MiB.
    path = tmp_path / "moving.npy"
    shape = (20, 10000, 64, 64)
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    array[19, 9999, 63, 63] = 255
    array.flush()
    del array
    tracemalloc.start()
    handler = make(tmp_path, num_frames=20, image_size=64)
    assert handler.dataset_size == 10000
    assert "frames first" in handler.notes[0]
    last = handler._views(9999, None)[0]
    assert last.sum() == 1 == last[19, -1]
    # A clip is 80 KiB in the file and four times that as float32.
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


def test_frames_first_of_another_size(tmp_path):
    with pytest.raises(UserError) as error:
        moving(tmp_path, (6, 9, 5, 5))
    found = "the shape of the array is (6, 9, 5, 5), and it should be"
    assert found in str(error.value)
