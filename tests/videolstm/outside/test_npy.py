"""Arrays of numbers in .npy and .npz files, of strangers."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from videolstm.errors import UserError
from videolstm.outside.npy import NpyFile, npz_array, npz_names

VALUES = np.random.RandomState(1).rand(4, 5, 3) * 200


def mistake(function, *args) -> str:
    with pytest.raises(UserError) as error:
        function(*args)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize("dtype", ["u1", "i2", ">f4", "f8", "f2", "?", "u8", "g"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_arrays_are_those_of_numpy(dtype, order, version, tmp_path):
    values = np.asarray(VALUES.astype(dtype), order=order)
    with open(tmp_path / "a.npy", "wb") as file:
        np.lib.format.write_array(file, values, version)
    found = NpyFile(tmp_path / "a.npy")
    assert (found.shape, found.dtype) == (values.shape, values.dtype)
    read = found.read()
    assert read.dtype == values.dtype
    np.testing.assert_array_equal(read, values)
    if order == "C":
        flat = values.ravel()[7:21]
        assert found.numbers(7, 14).tobytes() == flat.tobytes()


@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 0, 2)])
def test_shapes(shape, tmp_path):
    np.save(tmp_path / "a.npy", np.ones(shape))
    assert NpyFile(tmp_path / "a.npy").read().shape == shape


def test_headers_of_others(tmp_path):
    """Python 2's long integers, other quotes, another order, no padding."""
    for text in (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n",
        b'{"shape": (2, 3), "fortran_order": False, "descr": "<f4"}',
        b"{'shape':(2,3),'descr':'<f4','fortran_order':False}",
    ):
        data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
        (tmp_path / "a.npy").write_bytes(data + np.arange(6, dtype="f4").tobytes())
        assert NpyFile(tmp_path / "a.npy").read().tolist() == [[0, 1, 2], [3, 4, 5]]


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


def header(text: str, data: bytes = b"") -> bytes:
    packed = text.encode("latin-1")
    return b"\x93NUMPY\x01\x00" + len(packed).to_bytes(2, "little") + packed + data


def said(descr: str = "'<f4'", order: str = "False", shape: str = "(2, 3)") -> bytes:
    return header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")


HARM = {
    "pickle": (pickle.dumps(Evil()), "is not an .npy file"),
    "object": (said("'|O'") + pickle.dumps(Evil()), "holds Python objects"),
    "records": (said("[('a', '<f4'), ('b', '|O')]"), "is of type records"),
    "nested": (said("[('a', [('b', '|O')])]"), "is of type records"),
    "text": (said("'<U5'"), "is of type <U5"),
    "dates": (said("'<M8[s]'"), "is of type <M8[s]"),
    "complex": (said("'<c8'"), "is of type complex64"),
    "no such type": (said("'<f3'"), "is of type <f3"),
    "a call": (said("'<f4'", "__import__('os').system('touch executed')"), "damaged"),
    "a call for a shape": (said(shape="(2, exit())"), "its header does not say"),
    "a string for a shape": (said(shape="'23'"), "its header does not say"),
    "negative": (said(shape="(-2, 3)"), "its header does not say"),
    "huge": (said(shape="(1000000000000000, 3)"), "takes 12000000000000"),
    "beyond all numbers": (said(shape=f"({'9' * 30},)"), "its shape is impossible"),
    "many axes": (said(shape=f"({'1, ' * 40})"), "its shape is impossible"),
    "short": (said() + b"\0" * 23, "bytes, and an array (2, 3) of float32 takes"),
    "no header": (b"\x93NUMPY\x01\x00\x20\x00{'descr'", "it ends in its header"),
    "no length": (b"\x93NUMPY\x02\x00\x20", "it ends in its header"),
    "long header": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", "4294967295 bytes"),
    "version": (b"\x93NUMPY\x09\x00\x20\x00", "its version is not known"),
    "nothing": (b"", "is not an .npy file"),
}


@pytest.mark.parametrize("kind", HARM)
def test_what_is_no_array_of_numbers_is_refused(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, expected = HARM[kind]
    path = tmp_path / "a.npy"
    path.write_bytes(data)
    message = mistake(NpyFile, path)
    assert message.startswith(f"{path}") and expected in message
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x.npy", data)
    assert mistake(npz_array, tmp_path / "a.npz", "x").startswith(f"{tmp_path}/a.npz")
    assert not (tmp_path / "executed").exists()


def test_a_file_that_is_cut_short_while_it_is_open_is_no_crash(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, VALUES)
    found = NpyFile(path)
    os.truncate(path, 300)
    assert "has been cut short since it was opened" in mistake(found.read)
    assert found.numbers(0, 5).tolist() == VALUES.ravel()[:5].tolist()


def test_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    for reader in (NpyFile, npz_names):
        assert "it should be a file" in mistake(reader, tmp_path / "a.npy")


# ---- .npz ----------------------------------------------------------------------------


def test_npz(tmp_path):
    path = tmp_path / "a.npz"
    for save in (np.savez, np.savez_compressed):
        save(path, x=VALUES, y=np.asfortranarray(VALUES), z=np.arange(3))
        assert npz_names(path) == ["x", "y", "z"]
        for name in "xy":
            np.testing.assert_array_equal(npz_array(path, name), VALUES)
        assert npz_array(path, "none") is None


@pytest.mark.parametrize("seed", range(20))
def test_damaged_npz(seed, tmp_path):
    rng = np.random.RandomState(seed)
    packed = io.BytesIO()
    np.savez_compressed(packed, x=VALUES)
    data = bytearray(packed.getvalue())
    for place in rng.randint(0, len(data), size=1 + seed % 5):
        data[place] = rng.randint(256)
    path = tmp_path / "a.npz"
    path.write_bytes(data)
    try:
        npz_array(path, "x")
    except UserError as error:
        assert str(error).startswith(f"{path}: ") and str(error).isprintable()


def test_an_archive_that_claims_less_than_it_holds(tmp_path):
    """The header asks for more than the archive says that there is."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", said(shape="(1000000, 100)"))
    assert "is cut short" in mistake(npz_array, path, "x")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x.npy", said(shape="(10000000000000, 100)"))
    assert "of memory" in mistake(npz_array, path, "x")
