"""Matrices and PyCUDA's arrays. PyCUDA is no requirement and needs a driver, so the
first tests give us a module that only notes what it is asked for; the last runs PyCUDA
itself on a board."""

import sys
import types

import numpy as np
import pytest

import cudamat as cm
from cudamat import gpuarray as ours
from cudamat.library import lib

on_cpu = pytest.mark.skipif(
    cm.load().kind != "cpu", reason="a CUDA board does not take the host's memory"
)


class Notes:
    """A stand-in for PyCUDA; `calls` are what was asked of it, in order."""

    def __init__(self, monkeypatch):
        self.calls = []
        self.arrays = []
        monkeypatch.setattr(ours, "_contexts", {})
        monkeypatch.setattr(ours.atexit, "register", self._at_exit)
        parts = {
            "pycuda.driver": {"init": self._note("init"), "Device": self._device},
            "pycuda.gpuarray": {"GPUArray": self._gpuarray},
            "pycuda.tools": {"clear_context_caches": self._note("clear")},
        }
        package = types.ModuleType("pycuda")
        monkeypatch.setitem(sys.modules, "pycuda", package)
        for name, attributes in parts.items():
            module = types.ModuleType(name)
            vars(module).update(attributes)
            setattr(package, name.partition(".")[2], module)
            monkeypatch.setitem(sys.modules, name, module)

    def _note(self, what):
        return lambda: self.calls.append(what)

    def _device(self, board):
        context = types.SimpleNamespace(push=self._note("push"), pop=self._note("pop"))
        return types.SimpleNamespace(
            retain_primary_context=lambda: (
                self.calls.append(f"primary {board}") or context
            )
        )

    def _at_exit(self, function, *arguments):
        self.at_exit = lambda: function(*arguments)

    def _gpuarray(self, shape, dtype, base, gpudata, strides):
        """As PyCUDA's: keeps `base`, and tells where it is."""
        interface = {
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "strides": strides,
            "data": (gpudata, False),
            "stream": None,
            "version": 3,
        }
        return types.SimpleNamespace(base=base, __cuda_array_interface__=interface)


@pytest.fixture
def notes(monkeypatch):
    monkeypatch.setattr(lib, "kind", "cuda")
    return Notes(monkeypatch)


def matrix() -> cm.CUDAMatrix:
    return cm.CUDAMatrix(np.arange(6.0).reshape(2, 3))


# ----------------------------------------------------------------------- the calls


def test_array_in_a_matrix(notes):
    m = matrix()
    item = cm.real_type().itemsize
    array = cm.to_gpuarray(m.T)
    found = array.__cuda_array_interface__
    assert found["data"] == (m.mat.data, False)
    assert (found["shape"], found["strides"]) == ((3, 2), (2 * item, item))
    with pytest.raises(cm.SharingError, match="cannot be freed while arrays of other"):
        m.free_device_memory()
    del array, found
    m.free_device_memory()


def test_one_primary_context(notes):
    """It is PyCUDA's until the program ends, when PyCUDA wants its stack empty."""
    cm.to_gpuarray(matrix())
    cm.to_gpuarray(cm.zeros((0, 3)))
    assert notes.calls == ["init", "primary 0", "push", "init"]
    notes.at_exit()
    assert notes.calls[4:] == ["pop", "clear"]


def test_matrix_in_an_array(notes):
    m = matrix()
    back = cm.from_gpuarray(cm.to_gpuarray(m))
    assert back.mat.data == m.mat.data and not back.mat.trans
    back.add(1)
    np.testing.assert_array_equal(m.asarray(), np.arange(6.0).reshape(2, 3) + 1)
    with pytest.raises(cm.SharingError):
        m.free_device_memory()  # the array, and through it the matrix, are kept
    assert cm.from_gpuarray(cm.to_gpuarray(m), copy=True).mat.data != m.mat.data


def on_board(array: np.ndarray, **changes):
    """An object with the CUDA array interface; the memory is the host's."""
    known = array.__array_interface__ | {"stream": None, "version": 3} | changes
    return types.SimpleNamespace(__cuda_array_interface__=known, array=array)


@on_cpu
def test_rows_first(notes):
    array = np.zeros((2, 3), cm.real_type())
    m = cm.from_gpuarray(on_board(array))
    assert m.mat.trans and m.shape == (2, 3)
    m.add(2)
    assert (array == 2).all()


WRONG = {
    "type": (lambda: on_board(np.zeros((2, 3), np.int32)), "it holds int32, and matri"),
    "holes": (
        lambda: on_board(np.zeros((4, 6), cm.real_type())[::2, ::2]),
        "neither its columns nor its rows are packed",
    ),
    "read-only": (
        lambda: on_board(np.zeros((2, 3), cm.real_type()), data=(64, True)),
        "it is read-only",
    ),
    "1-D": (lambda: on_board(np.zeros(3, cm.real_type())), "has 2 dimensions"),
    "list": (lambda: [[1.0]], "it was given an object of type list"),
    "None": (lambda: None, "it was given None"),
    "no address": (
        lambda: types.SimpleNamespace(__cuda_array_interface__={}),
        "it was given an object of type SimpleNamespace: 'data'",
    ),
}


@on_cpu
@pytest.mark.parametrize("name", WRONG)
def test_arrays_that_cannot_be_shared(notes, name):
    make, message = WRONG[name]
    with pytest.raises(cm.CUDAMatException) as error:
        cm.from_gpuarray(make())
    assert message in str(error.value)


# ----------------------------------------------------------------------- without PyCUDA


def test_what_is_no_matrix(notes):
    with pytest.raises(cm.CUDAMatException, match="must be a CUDAMatrix, but it is"):
        cm.to_gpuarray([1.0])


def test_pycuda_that_is_not_there(monkeypatch):
    monkeypatch.setattr(lib, "kind", "cuda")
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(cm.CUDAMatException) as error:
        cm.to_gpuarray(matrix())
    assert "PyCUDA cannot be imported (" in str(error.value)
    assert "'pip install .[cuda]' installs it" in str(error.value)


@on_cpu
def test_pycuda_with_the_cpu_library():
    with pytest.raises(cm.SharingError, match="but the cpu library is in use"):
        cm.to_gpuarray(matrix())
    with pytest.raises(cm.SharingError, match="where the cpu library cannot reach"):
        cm.from_gpuarray(on_board(np.zeros((2, 3), cm.real_type())))


# ----------------------------------------------------------------------- on a board


@pytest.mark.gpu
@pytest.mark.skipif(cm.load().kind != "cuda", reason="needs the CUDA library")
def test_pycuda_s_kernels_on_our_matrices():
    """The example of docs/cudamat.md."""
    pytest.importorskip("pycuda", reason="PyCUDA is not installed")
    m = matrix()
    array = cm.to_gpuarray(m)
    from pycuda.elementwise import ElementwiseKernel

    real = "double" if cm.real_type() == np.float64 else "float"
    swish = ElementwiseKernel(f"{real} *x", "x[i] = x[i] / (1 + exp(-x[i]))")
    swish(array)
    x = np.arange(6.0).reshape(2, 3)
    # exp of a float on a board is good to 2 units in the last place
    np.testing.assert_allclose(m.asarray(), x / (1 + np.exp(-x)), rtol=1e-6)
    cm.from_gpuarray(array).assign(3.0)
    assert (array.get() == 3).all()
