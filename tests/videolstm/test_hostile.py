"""Descriptions and files that are made to do harm: refused in a sentence, in no time
and without memory."""

import os
import resource
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.commands import BOARD, ROOT, run_program, write_files
from tests.videolstm.helpers import describe, describe_logreg
from videolstm import limits
from videolstm.config import locate, messages, read_data, read_model, write_text
from videolstm.config_check import check_classifier, check_composite, check_model
from videolstm.config_memory import check_model_memory, weight_bytes
from videolstm.data import make_data_handler
from videolstm.data.files import read_integers, read_lines
from videolstm.errors import UserError, one_line
from videolstm.models.composite import LSTMCombo
from videolstm.pictures.curves import read_log


def mistake(function, *args) -> str:
    with pytest.raises(UserError) as error:
        function(*args)
    assert str(error.value).isprintable() and len(str(error.value)) <= 1200
    return str(error.value)


# ---- messages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.h5: plain, with ä, 日本 and \U0001f600", None),
        ("a non-breaking\u00a0space", None),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\x1b[2J\x07\0", "\\x1b[2J\\x07\\x00"),
        ("gpj.\u202eexe\ufeff\u2028", "gpj.\\u202eexe\\ufeff\\u2028"),
        ("half a character \ud800", "half a character \\ud800"),
    ],
)
def test_a_message_is_one_line_that_shows_what_is_in_it(text, expected):
    assert one_line(text) == str(UserError(text)) == (expected or text)


def test_a_long_message_keeps_its_beginning_and_its_end():
    text = one_line("a.h5: " + "x" * 10**6 + ", and it should be short")
    assert len(text) == 1200
    assert text.startswith("a.h5: xxx") and text.endswith("x, and it should be short")


# ---- names ---------------------------------------------------------------------------

OUTSIDE = (
    "../x", "../../x", "/tmp/x", "a/b", "a\\b", "..", ".", ".hidden", "a\0b", "a\nb",
    "\x1b[2J", "\u202etxt.exe", "C:x", "a*", "n" * 101, "ä" * 51, "-rf", "", "a|b",
    "\ufeff", "a\u2028b",
)  # fmt: skip


def changed(field: str, value: str):
    """A good model with one field of another value."""
    model = describe()
    if field == "timestamp":
        model.timestamp.append(value)
    else:
        setattr(model, field, value)
    return model


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("field", ["name", "timestamp"])
def test_files_of_a_run_are_in_its_folder(field, name):
    message = mistake(check_model, changed(field, name), "m.pbtxt")
    assert message.startswith(f"m.pbtxt: the field {field} is ")


@pytest.mark.parametrize(
    "name", ["a/b", "/", "a:b", "..:w", "a\0", "a\n", "", "n" * 101]
)
def test_weights_of_a_layer_are_in_the_checkpoint(name):
    for model, check in (
        (describe(), check_composite),
        (describe_logreg(), check_classifier),
    ):
        layer = model.lstm[0] if model.lstm else model.logreg
        layer.name = name
        assert ".name is " in mistake(check, model, "m.pbtxt")


@pytest.mark.parametrize(
    "name", ["ä" * 50, "a b", "x" * 100, "2015-11", "日本語", "a.b"]
)
def test_other_names_are_as_good_as_ever(name, tmp_path):
    model = describe(timestamp=["20151231"])
    model.name = name
    assert check_model(model, "m.pbtxt") == []
    # The longest that is made of it is a file that can be written.
    (tmp_path / f".{name}_20151231235959_best.{'0' * 8}.h5").touch()


@pytest.mark.parametrize(
    "name", ["a\nb", "\x1b[2J", "a\0b", "/dev/zero", "pipe", "\ud800", "x" * 5000]
)
def test_names_of_data_files(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    message = mistake(locate, name, "d.pbtxt", "data_file")
    assert message.startswith("d.pbtxt: the field data_file ")


def test_a_run_writes_nowhere_else(tmp_path):
    """Whatever a description says: what is there afterwards is in checkpoint_dir."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    write_files(folder, max_iters=1)
    good = (folder / "model.pbtxt").read_text()
    before = sorted(tmp_path.rglob("*"))
    for change in ('name: "../../evil"', 'timestamp: "../../../evil"'):
        text = good.replace('name: "model"', change, 1) if "name" in change else good
        if "timestamp" in change:
            text += change
        (folder / "model.pbtxt").write_text(text)
        names = ("model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)
        done = run_program(folder, "lstm_combo.py", *names)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("folder", [b"a\nb", b"\x1b[2J", b"no text \xff"])
def test_folders_that_cannot_be_shown(folder, tmp_path):
    write_files(tmp_path, max_iters=1)
    before = sorted(tmp_path.rglob("*"))
    files = ("model.pbtxt", "train.pbtxt", "valid.pbtxt", BOARD)
    done = run_program(tmp_path, "lstm_combo.py", *files, "--out", os.fsdecode(folder))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("lstm_combo: --out is ")
    assert sorted(tmp_path.rglob("*")) == before
    message = mistake(check_model, changed("checkpoint_dir", "a\x1bb"), "m.pbtxt")
    assert message.startswith("m.pbtxt: the field checkpoint_dir is 'a\\x1bb', and")
    (tmp_path / os.fsdecode(folder)).mkdir()
    (tmp_path / os.fsdecode(folder) / "a.h5").touch()
    named_in = tmp_path / os.fsdecode(folder) / "d.pbtxt"
    assert "text that can be shown" in mistake(locate, "a.h5", named_in, "data_file")


def test_files_whose_names_are_no_text_can_be_read(tmp_path):
    write_files(tmp_path, max_iters=1)
    odd = os.fsdecode(b"valid \xff.pbtxt")
    (tmp_path / "valid.pbtxt").rename(tmp_path / odd)
    files = ("model.pbtxt", "train.pbtxt", odd, BOARD)
    done = run_program(tmp_path, "lstm_combo.py", *files, "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")


# ---- sizes ---------------------------------------------------------------------------


def changed_model(field: str, value: int):
    model = describe()
    for part in (model.lstm, model.lstm_dec, model.lstm_future):
        setattr(part[0], field, value)
    return model


@pytest.mark.parametrize("value", [2_000_000_000, 65_537, 2**31 - 1, 0, -1])
def test_sizes_that_are_none(value):
    for field in ("num_hid", "input_dims", "output_dims"):
        if value == 65_537 and field != "num_hid":
            continue
        message = mistake(check_composite, changed_model(field, value), "m.pbtxt")
        assert f".{field} is {value}" in message


def test_weights_that_no_memory_is_for(monkeypatch):
    monkeypatch.setattr("videolstm.config_memory._free_memory", lambda: 2**30)
    model = changed_model("num_hid", 20_000)
    check_composite(model, "m.pbtxt")
    # w_dense (4n, n), w_diag 3n, b 4n and w_input (4n, 5), of each of three layers, and
    # w_output (5, n) and b_output 5 of two: three copies of four bytes each.
    n = 20_000
    weights = 3 * (4 * n * n + 3 * n + 4 * n) + 4 * n * 5 + 2 * (5 * n + 5)
    assert weight_bytes(model) == 12 * weights
    tracemalloc.start()
    message = mistake(LSTMCombo, model, "m.pbtxt", 6)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert message.startswith("m.pbtxt: the weights of the model")
    assert "because of lstm_1_enc.num_hid 20000" in message
    assert "1.0 GiB of memory that are free" in message


def test_a_model_that_fits_is_built(monkeypatch):
    model = describe()
    monkeypatch.setattr("videolstm.config_memory._free_memory", lambda: 10**6)
    check_model_memory(model, "m.pbtxt")
    monkeypatch.setattr("videolstm.config_memory._free_memory", lambda: 10**2)
    mistake(check_model_memory, model, "m.pbtxt")


def test_a_thousand_layers():
    model = describe()
    for number in range(1000):
        model.lstm.add(name=str(number), num_hid=1)
    assert "number of lstm is 1001" in mistake(check_composite, model, "m.pbtxt")


PATCHES = {"dataset_type": 4, "data_file": "a.npy", "image_size": 4, "num_frames": 6}
DATA = {
    "batch_size 10^9": (
        PATCHES | {"batch_size": 10**9},
        "the field batch_size is 1000",
    ),
    "batch_size": (PATCHES | {"batch_size": 10**6}, "the field batch_size is 1000000"),
    "num_frames": (PATCHES | {"num_frames": 2**31 - 1}, "the field num_frames is 214"),
    "image_size": (PATCHES | {"image_size": 2 * 10**9}, "the field image_size is 2000"),
}


@pytest.mark.parametrize("kind", DATA)
def test_batches_that_no_memory_is_for(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("videolstm.data.handler.available_memory", lambda: 2**30)
    np.save(tmp_path / "a.npy", np.zeros((3, 6, 4, 4), np.uint8))
    fields, expected = DATA[kind]
    config = messages().Data(**({"batch_size": 4} | fields))
    tracemalloc.start()
    message = mistake(make_data_handler, config, tmp_path / "d.pbtxt")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    assert expected in message and "d.pbtxt" in message
    if kind == "batch_size":
        # A quarter of a GiB is for 2^28 / (4 * 6 * 16) clips.
        assert f"it should be at most {2**28 // (4 * 6 * 16)}, because" in message


def test_counts_that_overflow(tmp_path):
    """As many frames as all numbers of 64 bits hold, and one more, are not none."""
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros((5, 2), np.float32)
    (tmp_path / "n.txt").write_text(f"{2**40}\n" * 2**12 + "5\n")
    config = messages().Data(
        data_file="a.h5", dataset_name="x", num_frames_file="n.txt", batch_size=1
    )
    message = mistake(make_data_handler, config, tmp_path / "d.pbtxt")
    assert f"the videos have {2**52 + 5} frames together" in message
    # Listed files are opened after their clips are counted.
    config.dataset_type, config.data_file = messages().Data.UNLABELLED, "l.txt"
    (tmp_path / "l.txt").write_text("a.h5\n" * (2**12 + 1))
    message = mistake(make_data_handler, config, tmp_path / "d.pbtxt")
    assert f"the list of the {2**52 + 5} clips of its videos takes" in message


# ---- descriptions --------------------------------------------------------------------

TEXTS = {
    "deeply nested": "lstm {" * 100_000,
    "nested values": "lstm { b { " * 20_000,
    "many digits": "max_iters: " + "9" * 100_000,
    "many hexadecimal digits": "max_iters: 0x" + "f" * 100_000,
    "a long exponent": "lstm { input_dropprob: 1e" + "9" * 10_000 + " }",
    "a long name": 'lstm { name: "' + "n" * 500_000,
    "not a text in a string": 'name: "\\377\\376"',
    "half a character": 'name: "\\ud800"',
    "an extension": "[google.protobuf.any]: 1",
    "a type elsewhere": "[type.googleapis.com/config.Model] { }",
    "control characters": "\x00\x01\x1b[2J",
    "a mark in the middle": "max_iters: \ufeff1",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_that_are_none(kind, tmp_path):
    path = tmp_path / "m.pbtxt"
    path.write_text(TEXTS[kind])
    start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    message = mistake(lambda: check_model(read_model(path), path))
    assert str(path) in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - start < 5


@pytest.mark.parametrize("reader", [read_model, read_data, read_lines, read_log])
def test_files_that_never_end(reader, tmp_path):
    """1 TiB, of which the disk has nothing, and a device."""
    path = tmp_path / "a.pbtxt"
    with open(path, "wb") as file:
        file.truncate(2**40)
    tracemalloc.start()
    message = mistake(reader, path)
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()
    assert message.startswith(f"{path}: is longer than ")
    mistake(reader, "/dev/zero")


def test_a_description_may_come_through_a_pipe(tmp_path):
    """As the shell's <(...) has it; only who calls the program can name one."""
    os.mkfifo(tmp_path / "pipe")
    write_text(describe(), tmp_path / "m.pbtxt")
    data = (tmp_path / "m.pbtxt").read_bytes()
    thread = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    thread.start()
    assert read_model(tmp_path / "pipe") == describe()
    thread.join()


def test_lists_of_too_many_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\n" * 4_000_002 + b"1")
    message = mistake(read_lines, tmp_path / "a.txt")
    assert "has 4000002 lines, and it should have at most 4000000" in message
    for text in ("1\n" * 10 + "x" * 10**6, "9" * 10**6):
        (tmp_path / "a.txt").write_text(text)
        assert len(mistake(read_integers, tmp_path / "a.txt", "a count", 0, 9)) < 300


# ---- memory --------------------------------------------------------------------------


def test_memory_is_what_the_system_and_the_limit_leave():
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[1])\n"
        "from videolstm.limits import available_memory\n"
        "free = available_memory()\n"
        "assert 2**20 < free < 2**50, free\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "most = pages * resource.getpagesize() + 50 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "print(available_memory())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ROOT], capture_output=True, text=True
    )
    assert done.stderr == ""
    # The modules that were imported in between have taken a little.
    assert 40 * 2**20 < int(done.stdout) <= 50 * 2**20


def test_the_limit_of_a_control_group(tmp_path, monkeypatch):
    files = {
        "/proc/self/cgroup": "0::/a/b\n",
        "/sys/fs/cgroup/a/memory.max": "1000\n",
        "/sys/fs/cgroup/a/memory.current": "700\n",
        "/sys/fs/cgroup/a/memory.stat": "anon 5\ninactive_file 60\n",
        "/sys/fs/cgroup/a/b/memory.max": "max\n",
    }
    monkeypatch.setattr(limits, "_text", lambda path: files.get(str(path), ""))
    assert limits.available_memory() == 1000 - 700 + 60


def test_pipes_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        assert "a device or the like" in mistake(limits.check_regular, path)
    limits.check_regular(tmp_path / "none")
    limits.check_regular(Path(__file__))
