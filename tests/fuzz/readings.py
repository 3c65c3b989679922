"""For each format that is fuzzed: files to start from, and its reader.

A reader uses a file as a program would, and looks at what it gets. The files that go
with it lie in the same folder (`prepare`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from google.protobuf import text_format

import cudamat as cm
from tests.fuzz import seeds
from tests.videolstm.helpers import describe, describe_classifier, describe_logreg
from videolstm.config import messages, read_data, read_model
from videolstm.config_check import (
    check_classifier,
    check_composite,
)
from videolstm.config_memory import check_model_memory, weight_bytes
from videolstm.data import make_data_handler
from videolstm.data.digits import load_digits
from videolstm.data.idx import read_idx
from videolstm.models.checkpoint import (
    Progress,
    find_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from videolstm.models.classifier import make_classifier
from videolstm.models.composite import LSTMCombo
from videolstm.pictures.curves import LOSSES, draw_curves, history, logs_of

SMALL_MODEL = 2**22  # bytes of weights of a model that is built and trained a step


def prepare(folder: Path) -> None:
    """The files that those that are fuzzed go with."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in {
        "good.h5": seeds.datasets("feat", seeds.frames())[0],
        "mean.h5": seeds.h5(_means),
        "digits.h5": good_digits_h5()[0],
        "grey.npy": seeds.npy(np.arange(480, dtype=np.uint8).reshape(5, 6, 4, 4)),
        "num_frames.txt": b"7\n2\n6\n",
        "labels.txt": b"2\n0\n1\n",
        "list.txt": b"good.h5\ngood.h5\n",
        "list_frames.txt": b"15\n9\n",
    }.items():
        (folder / name).write_bytes(data)


def _data(**fields):
    types = messages()
    return types.Data(**({"batch_size": 4, "num_frames": 3} | fields))


def _use(config, path: Path) -> None:
    """A data set as training uses it: batches, an epoch, a position."""
    data = make_data_handler(config, path)
    if data.batch_size > 1000:  # takes as long as whoever asks for it wants
        return
    data.dataset_size = min(data.dataset_size, 64)
    batch = data.next_batch()
    assert batch.frames.dtype == np.float32 and batch.frames.flags.c_contiguous
    assert np.isfinite(batch.frames).all()
    state = data.state()
    first = next(data.epoch(2)).frames
    assert np.isfinite(first).all()
    again = data.next_batch().frames
    data.restore(state)
    assert np.array_equal(data.next_batch().frames, again)


# ---- descriptions --------------------------------------------------------------------


def use_model(path: Path) -> None:
    config = read_model(path)
    is_combo = bool(config.dec_seq_length or config.future_seq_length)
    (check_composite if is_combo else check_classifier)(config, path)
    check_model_memory(config, path)
    find_checkpoint(config, path)
    draw = logs_of(config, path)
    assert not draw
    if weight_bytes(config) > SMALL_MODEL:
        return
    if is_combo:
        frames = (
            config.dec_seq_length
            + config.future_seq_length
            + (0 if config.dec_seq_length else 1)
        )
        if frames > 40:
            return
        model = LSTMCombo(config, path, frames)
        batch = np.full((frames, 2, config.lstm[0].input_dims), 0.5, np.float32)
        model.train_step(batch)
    else:
        model = make_classifier(config, path, 2)
        batch = np.full((2, 2, model.dims), 0.5, np.float32)
        model.train_step(batch, np.zeros(2, np.int64))
    for param in model.params:
        param.t = 10_000
        param.epsilon()


def good_models() -> list[bytes]:
    texts = [
        describe(), describe(units=(3, 4), dec_conditional=True, timestamp=["2015"]),
        describe(future=0, squash_relu=True, checkpoint_dir="out", max_iters=10),
        describe(dec=0, future_conditional=True, binary_data=True),
        describe_classifier(units=(2, 3)), describe_logreg(dropprob=0.5),
    ]  # fmt: skip
    param = texts[0].lstm[0].b
    param.init_type, param.forget_gate_bias = messages().Param.LSTM_BIAS, 5.0
    param.eps_decay_factor, param.eps_decay_after = 0.9, 100
    param = texts[1].lstm[0].w_dense
    param.init_type = messages().Param.PRETRAINED
    param.file_name, param.dataset_name = "good.h5", "feat"
    texts[4].lstm[0].pretrained.checkpoint = "good.h5"
    texts[4].lstm[0].pretrained.layer = "lstm_1"
    shipped = Path(__file__).resolve().parents[2] / "models"
    return [
        *(text_format.MessageToString(text).encode() for text in texts),
        *(path.read_bytes() for path in sorted(shipped.glob("*mnist.pbtxt"))),
    ]


def use_data(path: Path) -> None:
    config = read_data(path)
    _use(config, path)


def good_datas() -> list[bytes]:
    types = messages().Data
    labelled = {
        "data_file": "good.h5", "dataset_name": "feat", "labels_file": "labels.txt",
        "num_frames_file": "num_frames.txt",
    }  # fmt: skip
    made = [
        _data(**labelled, randomize=True, stride=2),
        _data(**labelled, image_size_x=3, num_colors=1, patch_size_x=2, sample_times=2,
              mean_file="mean.h5", video_ids_file="labels.txt"),
        _data(dataset_type=types.UNLABELLED, data_file="list.txt", dataset_name="feat",
              num_frames_file="list_frames.txt"),
        _data(dataset_type=types.VIDEO_PATCH, data_file="grey.npy", image_size=4),
        _data(dataset_type=types.BOUNCING_MNIST, data_file="digits.h5", num_digits=2,
              image_size=30, step_length=0.1),
    ]  # fmt: skip
    return [text_format.MessageToString(data).encode() for data in made]


# ---- weights -------------------------------------------------------------------------


@functools.cache
def _model() -> LSTMCombo:
    cm.CUDAMatrix.init_random(1)
    config = describe(units=(2,), dims=3)
    config.lstm[0].w_dense.rms_prop = True
    return LSTMCombo(config, "model.pbtxt", 6)


@functools.cache
def _bouncing(folder: Path):
    config = _data(
        dataset_type=messages().Data.BOUNCING_MNIST, data_file="digits.h5",
        num_digits=1, image_size=30, step_length=0.1,
    )  # fmt: skip
    return make_data_handler(config, folder / "data.pbtxt")


def use_checkpoint(path: Path) -> None:
    model = _model()
    progress = load_checkpoint(path, model.params)
    if progress.iteration is not None:
        assert progress.iteration >= 0 and progress.loss_cases >= 0
    if progress.losses:
        model.train_losses.write(progress.losses)
    for param in model.params:
        param.epsilon()
    if progress.data:
        data = _bouncing(path.parent)
        data.restore(progress.data)
        data.next_batch()
    model.train_step(np.full((6, 2, 3), 0.5, np.float32))


def good_checkpoints() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        prepare(place)
        data = _bouncing(place).state()
        _bouncing.cache_clear()
        whole, bare = place / "a.h5", place / "b.h5"
        save_checkpoint(whole, _model().params, Progress(3, (1.5, 2.5), 4, data))
        save_checkpoint(bare, _model().params, Progress(3))
        import h5py

        with h5py.File(bare, "r+") as file:
            del file["resume"]
        return seeds.checkpoints(whole.read_bytes(), bare.read_bytes())


# ---- data files ----------------------------------------------------------------------


def use_features(path: Path) -> None:
    config = _data(
        data_file=path.name, dataset_name="feat", num_frames_file="num_frames.txt",
        labels_file="labels.txt", randomize=True,
    )  # fmt: skip
    _use(config, path.with_name("data.pbtxt"))


def good_features() -> list[bytes]:
    return [
        *seeds.datasets("feat", seeds.frames()),
        *seeds.traps("feat", (15, 3)),
    ]


def _means(file) -> None:
    file["pixel_mean"] = np.array([0.25])
    file["pixel_std"] = np.array([2.0])


def use_mean(path: Path) -> None:
    config = _data(
        data_file="good.h5", dataset_name="feat", num_frames_file="num_frames.txt",
        num_colors=1, image_size_x=3, mean_file=path.name,
    )  # fmt: skip
    _use(config, path.with_name("data.pbtxt"))


def good_mean_files() -> list[bytes]:
    return [seeds.h5(_means), *seeds.traps("pixel_mean", (1,))]


def _digit_images() -> np.ndarray:
    return (np.arange(4 * 784).reshape(4, 784) % 5 / 4).astype("f4")


def good_digits_h5() -> list[bytes]:
    images = _digit_images()
    made = seeds.datasets("train", images) + seeds.traps("train", (4, 784))

    def with_labels(file) -> None:
        file["train"], file["labels"] = images, [3, 1, 4, 1]

    return [*made, seeds.h5(with_labels)]


def use_digits(path: Path) -> None:
    images, labels = load_digits(path)
    assert images.min() >= 0 and images.max() <= 1
    assert labels is None or len(labels) == len(images)
    _use(
        _data(
            dataset_type=messages().Data.BOUNCING_MNIST, data_file=path.name,
            num_digits=1, image_size=300, step_length=0.1, batch_size=1,
        ),
        path.with_name("data.pbtxt"),
    )  # fmt: skip


def good_npz() -> list[bytes]:
    images = _digit_images().reshape(4, 28, 28)
    levels = (images * 255).astype(np.uint8)
    labels = np.array([3, 1, 4, 1])
    return [
        seeds.npz(x_train=images, y_train=labels, x_test=images[:1]),
        seeds.npz(x_train=levels, y_train=labels),
        seeds.npy(levels), seeds.npy(np.asfortranarray(images)),
        seeds.npz(x_train=np.zeros((10**4, 28, 28), np.uint8)),
    ]  # fmt: skip


def use_patches(path: Path) -> None:
    config = _data(
        dataset_type=messages().Data.VIDEO_PATCH, data_file=path.name, image_size=4,
        num_frames=5,
    )  # fmt: skip
    _use(config, path.with_name("data.pbtxt"))


def good_npy() -> list[bytes]:
    grey = (np.arange(3 * 5 * 16).reshape(3, 5, 4, 4) % 256).astype(np.uint8)
    arrays = [
        grey, grey.swapaxes(0, 1), np.asfortranarray(grey), grey.astype(">f8"),
        grey.astype("f2"), grey.astype("i2"), grey.astype("?"), grey.astype("c8"),
        np.zeros((3, 5, 3, 4, 4), np.uint8), np.zeros((0, 5, 4, 4)), np.float64(1),
        np.full((3, 5, 4, 4), np.nan), np.full((3, 5, 4, 4), 1e300),
        np.zeros((3, 5, 4, 4), [("a", "u1")]), np.zeros((3, 5, 4, 4), "S3"),
        np.zeros((3, 5, 4, 4), "M8[s]"),
    ]  # fmt: skip
    made = [seeds.npy(array) for array in map(np.asarray, arrays)]
    objects = np.empty((3, 5, 4, 4), object)
    made += [seeds.npy(objects), seeds.npy(grey, (2, 0)), seeds.npy(grey, (3, 0))]
    for shape in ((10**15, 5, 4, 4), (5, 10**15, 4, 4), (-1, 5, 4, 4)):
        made.append(made[0].replace(b"(3, 5, 4, 4), }", b"%s, }" % str(shape).encode()))
    return made


def use_idx(path: Path) -> None:
    read_idx(path, (28, 28))
    load_digits(path)


def good_idx() -> list[bytes]:
    images = (_digit_images() * 255).reshape(4, 28, 28)
    zeros = np.zeros((2000, 28, 28))
    return [
        seeds.idx(images), seeds.idx(images, True), seeds.idx(zeros, True),
        seeds.idx(np.arange(4)), seeds.idx(np.arange(4), True),
    ]  # fmt: skip


def use_idx_labels(path: Path) -> None:
    read_idx(path, ())


# ---- text files ----------------------------------------------------------------------


def use_list(**fields: str) -> Callable[[Path], None]:
    """A reader of a text file that stands for one of the fields."""
    (field,) = (name for name, value in fields.items() if value == "")

    def read(path: Path) -> None:
        _use(_data(**fields | {field: path.name}), path.with_name("data.pbtxt"))

    return read


LABELLED = {"data_file": "good.h5", "dataset_name": "feat"}
COUNTED = LABELLED | {"num_frames_file": "num_frames.txt"}
UNLABELLED = {"dataset_type": 1, "dataset_name": "feat"}


def good_lists() -> list[bytes]:
    return [
        b"7\n2\n6\n", b"2\n0\n1\n", b"+1\r\n2\r\n0\r\n", b"\xef\xbb\xbf0\n1\n2",
        b"15\n", b"9223372036854775807\n1\n", b"1099511627776\n" * 40, b"1\n" * 5000,
    ]  # fmt: skip


def good_paths() -> list[bytes]:
    return [
        b"good.h5\ngood.h5\n", b"list.txt\nmean.h5\n", b"/dev/zero\n/dev/stdin\n",
        b"../../../etc/passwd\n.\n", b"a\0b\n\x1b[2J\n", b"good.h5\n" * 300,
    ]  # fmt: skip


def use_log(path: Path) -> None:
    rows = history([path, path])
    if len(rows) % 500 == 7:  # a picture takes a hundred times longer than all else
        draw_curves(path.with_suffix(".png"), rows, LOSSES, "nats/frame", "a run")


def good_logs() -> list[bytes]:
    header = b"iteration,seconds,dec,fut,vdec,vfut\r\n"
    rows = b"".join(b"%d,%d.5,%d,%d,,\r\n" % (k, k, 400 - k, 500 - k) for k in range(7))
    return [
        header + rows, header, rows, header + b'1,"2\n3",4\r\n', header * 3,
        header + b"1,1,1e308,1e-308,nan,inf\r\n-5,,,,7,7\r\n", b"iteration\n1e999\n1\n",
        header + b"1,2,3," + b"4," * 70000,
    ]  # fmt: skip
