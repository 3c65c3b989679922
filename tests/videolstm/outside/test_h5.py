"""Reading .h5 files of strangers, in a process of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.fuzz import seeds
from videolstm.errors import UserError
from videolstm.outside import h5_process, h5_reader
from videolstm.outside.h5 import H5Dataset, H5File, H5Group, read_rows
from videolstm.outside.h5_process import H5, Unreadable
from videolstm.outside.h5_reader import MOST_MEMORY

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(params=["process", "here"])
def way(request, monkeypatch):
    """By the process, and in this one, as VIDEOLSTM_TRUST_H5 has it."""
    H5.stop()
    if request.param == "here":
        monkeypatch.setenv(h5_process.TRUST, "1")
    yield request.param
    H5.stop()


@pytest.fixture
def write(tmp_path):
    """Writes an .h5 that a function fills."""

    def write(fill, name="a.h5", **options) -> Path:
        path = tmp_path / name
        with h5py.File(path, "w", **options) as file:
            fill(file)
        return path

    return write


def mistake(function, *args) -> str:
    with pytest.raises(UserError) as error:
        function(*args)
    assert str(error.value).isprintable()
    return str(error.value)


# ---- what h5py reads, bit for bit ----------------------------------------------------

NUMBERS = np.random.RandomState(1).rand(50, 7) * 100
DTYPES = ("f4", "f8", ">f4", "f2", "i1", "u2", ">i8", "?", "u8")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("storage", [{}, {"compression": "gzip"}, {"chunks": (9, 3)}])
def test_numbers_are_those_of_h5py(way, write, dtype, storage):
    values = NUMBERS.astype(dtype)
    path = write(lambda file: file.create_dataset("a/b", data=values, **storage))
    with h5py.File(path) as file, H5File(path) as ours:
        theirs, found = file["a/b"], ours["a/b"]
        assert (found.shape, found.ndim, found.dtype) == ((50, 7), 2, theirs.dtype)
        for rows in (..., slice(3, 20), slice(0, 0), slice(49, 80)):
            expected = theirs[rows]
            assert found[rows].tobytes() == expected.tobytes()
            assert found[rows].dtype == expected.dtype


def test_groups_and_attributes(way, write):
    def fill(file):
        file["x"] = 1.5
        file["row"] = np.arange(3)
        file["g/deep"] = NUMBERS
        file["soft"] = h5py.SoftLink("/g/deep")
        file["g"].attrs.update(
            {"n": 3, "u": np.uint64(2**64 - 1), "f": 0.1, "s": "ä", "list": [1.5, 2.5]}
        )
        file["x"].attrs["none"] = np.zeros(0)

    with H5File(write(fill)) as file:
        assert sorted(file) == ["g", "row", "soft", "x"]
        assert isinstance(file["g"], H5Group) and isinstance(file.get("x"), H5Dataset)
        assert file["x"][()] == 1.5 and file["x"].shape == ()
        assert file["row"][...].tolist() == [0, 1, 2]
        assert file["g"]["deep"][...].tobytes() == NUMBERS.tobytes()
        assert file["soft"][...].tobytes() == NUMBERS.tobytes()
        assert "g/deep" in file and "g/x" not in file and file.get("x/y") is None
        assert [name for name, _ in file["g"].items()] == ["deep"]
        attributes = dict(file["g"].attrs)
        assert attributes.pop("list").tolist() == [1.5, 2.5]
        assert attributes == {"n": 3, "u": 2**64 - 1, "f": 0.1, "s": "ä"}
        assert attributes["f"].dtype == np.float64
        assert file["x"].attrs["none"].shape == (0,)
        assert file["g"].attrs.get("other", 7) == 7 and "n" in file["g"].attrs
        with pytest.raises(KeyError):
            file["g"].attrs["other"]
        with pytest.raises(KeyError):
            file["h"]
        assert file.datasets() == (["g/deep", "row", "x"], False)


def test_rows_of_many_files_at_once(way, write):
    paths = [
        write(lambda file, k=k: file.create_dataset("x", data=NUMBERS + k), f"{k}.h5")
        for k in range(3)
    ]
    wanted = [(paths[k % 3], "x", k, k + 5) for k in range(30)]
    for (path, _, start, stop), rows in zip(wanted, read_rows(wanted), strict=True):
        expected = NUMBERS[start:stop] + int(path.stem)
        assert rows.tobytes() == expected.tobytes()
    paths[1].write_bytes(b"no more")
    with pytest.raises(Unreadable) as error:
        read_rows(wanted)
    assert error.value.filename == str(paths[1])


def test_large_datasets_come_in_blocks(write, monkeypatch):
    # Here, where the size of a block can be changed; 40 bytes are less than a row.
    monkeypatch.setenv(h5_process.TRUST, "1")
    path = write(lambda file: file.create_dataset("x", data=NUMBERS, chunks=(4, 7)))
    for size in (40, 60, 500, 10**6):
        monkeypatch.setattr(h5_reader, "BLOCK", size)
        with H5File(path) as file:
            assert file["x"][...].tobytes() == NUMBERS.tobytes()
            assert file["x"][3:31].tobytes() == NUMBERS[3:31].tobytes()


# ---- what is not read ----------------------------------------------------------------


def dataset(**how):
    return lambda file: file.create_dataset("x", **how)


def link(target):
    return lambda file: file.__setitem__("x", target)


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[...] = h5py.VirtualSource("b.h5", "x", (3,))
    file.create_virtual_dataset("x", layout)


def foreign_filter(file):
    """A filter with a number that nobody has, which is no part of HDF5."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((3,))
    plan.set_filter(h5py.h5z.FILTER_DEFLATE, h5py.h5z.FLAG_OPTIONAL, (4,))
    space = h5py.h5s.create_simple((3,))
    h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_FLOAT, space, plan)


HARM = {
    "external storage": (
        dataset(shape=(3,), dtype="f4", external=[("/etc/passwd", 0, 12)]),
        "the dataset 'x' is stored in other files",
    ),
    "virtual": (virtual, "the dataset 'x' is stored in other files"),
    "external link": (
        link(h5py.ExternalLink("b.h5", "/x")),
        "'x' is a link into another file",
    ),
    "soft link to an external one": (
        lambda file: (
            [link(h5py.SoftLink("/y"))(file)]
            + [file.__setitem__("y", h5py.ExternalLink("b.h5", "/x"))]
        ),
        "'x' is a link into another file",
    ),
    "links in a circle": (link(h5py.SoftLink("/x")), "lead nowhere"),
    "huge": (
        dataset(shape=(10**15,), dtype="f4"),
        "the dataset 'x' takes 3,725,290.3 GiB of memory",
    ),
    "empty, and says it is large": (
        dataset(shape=(2**25,), dtype="f4"),
        "claims 134217728 bytes, and 0 are stored",
    ),
    "huge chunks": (
        dataset(shape=(10,), dtype="f4", chunks=(10,), maxshape=(None,)),
        None,
    ),
    "text": (dataset(data=["a"]), "the dataset 'x' holds text, and not numbers"),
    "records": (dataset(data=np.zeros(3, "i4,f4")), "holds records, and not numbers"),
    "references": (dataset(shape=(3,), dtype=h5py.ref_dtype), "holds references"),
}


@pytest.mark.parametrize("kind", HARM)
def test_what_leads_elsewhere_or_nowhere_is_refused(kind, way, write):
    fill, expected = HARM[kind]
    write(lambda file: file.create_dataset("x", data=[1.0, 2.0, 3.0]), "b.h5")
    path = write(fill)
    with H5File(path) as file:
        if expected is None:
            assert file["x"][...].shape == (10,)
            return
        message = mistake(lambda: file["x"][...])
    assert message.startswith(f"{path}: ") and expected in message


def test_other_filters_are_refused(way, write):
    """The number of deflate in the file becomes one that is loaded from somewhere."""
    path = write(foreign_filter)
    data = path.read_bytes()
    # A version 1 filter message: number 1, length of the name 8, then "deflate".
    found = data.index(b"deflate\0")
    assert data[found - 8 : found - 6] == b"\x01\x00"
    path.write_bytes(data[: found - 8] + b"\x05\x7d" + data[found - 6 :])
    with H5File(path) as file:
        message = mistake(file.get, "x")
    assert "is compressed with the filter 32005 ('deflate" in message


def test_chunks_that_are_too_large_are_refused(way, write):
    path = write(dataset(shape=(2**27,), dtype="f4", chunks=(2**27,)))
    with H5File(path) as file:
        assert "has chunks of 536870912 bytes" in mistake(file.get, "x")


def test_a_bomb_takes_no_memory(tmp_path):
    """A chunk that claims 1 KiB and unpacks to 4 GiB: the library unpacks it all, and
    the process may not."""
    H5.stop()
    path = tmp_path / "bomb.h5"
    path.write_bytes(seeds.bomb("x", 16, mebibytes=4096))
    assert path.stat().st_size < 5 * 2**20
    with H5File(path) as file, pytest.raises((UserError, Unreadable)) as error:
        file["x"][...]
    assert "filter returned failure" in str(error.value)
    status = Path(f"/proc/{H5._process.pid}/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
    assert peak < MOST_MEMORY + 200 * 2**20


@pytest.mark.parametrize("content", [b"", b"no .h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 90])
def test_no_h5(way, content, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        H5File(path)
    with pytest.raises(Unreadable, match="(?i)no such file"):
        H5File(tmp_path / "none.h5")


def test_pipes_and_devices_are_not_opened(way, tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    for path in (tmp_path / "pipe.h5", "/dev/zero", tmp_path):
        assert "it should be a file" in mistake(H5File, path)


# ---- the process ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("SIGSEGV", "it makes the HDF5 library crash (SIGSEGV), so it is damaged or"),
        ("SIGABRT", "it makes the HDF5 library crash (SIGABRT)"),
        ("SIGPROF", "it keeps the HDF5 library busy for more than 20 seconds"),
        ("SIGKILL", "the process that read it was killed, perhaps because memory is"),
    ],
)
def test_a_crash_is_a_sentence_and_the_next_file_is_read(number, expected, write):
    path = write(dataset(data=[1.0, 2.0]))
    with H5File(path) as file:
        os.kill(H5._process.pid, getattr(signal, number))
        H5._process.wait()
        message = mistake(lambda: file["x"])
        assert message.startswith(f"{path}: ") and expected in message
        assert "has ended; open it again" in mistake(lambda: file["x"])
    with H5File(path) as file:
        assert file["x"][...].tolist() == [1, 2]


def test_signals_of_a_terminal_do_not_end_it(write):
    path = write(dataset(data=[1.0, 2.0]))
    with H5File(path) as file:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(H5._process.pid, number)
        assert file["x"][...].tolist() == [1, 2]


def test_answers_that_nobody_took_are_not_given_to_the_next(write, monkeypatch):
    path = write(dataset(data=NUMBERS, chunks=(1, 7)))

    def interrupted(*_):
        raise KeyboardInterrupt

    with H5File(path) as file:
        whole = file["x"]
        with monkeypatch.context() as patch:
            patch.setattr(h5_process.H5Process, "_fill", interrupted)
            with pytest.raises(KeyboardInterrupt):
                whole[...]
    with H5File(path) as file:
        assert file["x"][...].tobytes() == NUMBERS.tobytes()


def test_threads_share_it(way, write):
    paths = [
        write(lambda file, k=k: file.create_dataset("x", data=NUMBERS + k), f"{k}.h5")
        for k in range(4)
    ]
    wrong = []

    def read(k):
        for _ in range(20):
            with H5File(paths[k]) as file:
                if file["x"][...].tobytes() != (NUMBERS + k).tobytes():
                    wrong.append(k)

    threads = [threading.Thread(target=read, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


READ = (
    "import sys\n"
    "from videolstm.outside.h5 import H5File\n"
    "with H5File('a.h5') as file: print(file['x'][...].sum())\n"
)


def test_modules_in_the_current_folder_are_not_imported(write, tmp_path):
    write(dataset(data=[1.0, 2.0]))
    for name in ("h5py", "numpy", "json", "resource", "videolstm", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w').close()\n")
    # A script's own folder comes first, as in every program; the current one does not.
    script = tmp_path / "scripts" / "read.py"
    script.parent.mkdir()
    script.write_text(READ)
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.stdout, done.stderr) == ("3.0\n", "")
    assert not (tmp_path / "imported").exists()


def test_it_ends_with_the_program(write, tmp_path):
    write(dataset(data=[1.0, 2.0]))
    code = READ + (
        "import os, signal\n"
        "from videolstm.outside.h5_process import H5\n"
        "print(H5._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = run(code, tmp_path)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout.split()[1])
    for _ in range(100):
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or ") Z " in status.read_text():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it still runs")


def test_a_forked_program_has_one_of_its_own(write, tmp_path):
    write(dataset(data=[1.0, 2.0]))
    code = READ + (
        "import os\n"
        "from videolstm.outside.h5_process import H5\n"
        "mine = H5._process.pid\n"
        "sys.stdout.flush()\n"
        "child = os.fork()\n"
        "with H5File('a.h5') as file: assert file['x'][...].sum() == 3\n"
        "if child == 0:\n"
        "    assert H5._process.pid != mine\n"
        "else:\n"
        "    assert H5._process.pid == mine and os.waitpid(child, 0)[1] == 0\n"
        "    with H5File('a.h5') as file: assert file['x'][...].sum() == 3\n"
    )
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3.0\n", "")


def test_a_python_that_is_not_there(write, monkeypatch):
    path = write(dataset(data=[1.0]))
    for executable in (None, "/nowhere/python", "/bin/false"):
        H5.stop()
        monkeypatch.setattr(sys, "executable", executable)
        message = mistake(H5File, path)
        assert "cannot be started" in message and h5_process.TRUST in message
