"""Memory shared with numpy and with what speaks DLPack or the CUDA array interface.

What concerns a CUDA board is tested without one, on the structures alone: the library
is made to say that it is CUDA's, and addresses stand for memory that nobody touches.
"""

import gc
import threading

import numpy as np
import pytest

import cudamat as cm
from cudamat.capsule import CPU, CUDA, Capsule
from cudamat.library import lib

NUMPY_HAS_VERSIONS = np.lib.NumpyVersion(np.__version__) >= "2.1.0"

on_cpu = pytest.mark.skipif(
    cm.load().kind != "cpu", reason="numpy shares memory with the CPU library only"
)
gpu = pytest.mark.gpu
on_board = pytest.mark.skipif(
    cm.load().kind != "cuda", reason="needs the CUDA library and a board"
)


def numbered(rows=2, cols=3) -> np.ndarray:
    values = np.arange(rows * cols, dtype=cm.real_type())
    return np.asfortranarray(values.reshape(rows, cols))


@pytest.fixture
def says_cuda(monkeypatch):
    """The library says that it is CUDA's; the memory is the host's all the same."""
    monkeypatch.setattr(lib, "kind", "cuda")


class Producer:
    """An array of another library; a capsule of `array`, on the device named.

    `versioned` None: one that does not know `max_version`.
    """

    def __init__(self, array, device=(CPU, 0), versioned=True, major=None):
        self.array, self.device = array, device
        self.versioned, self.major, self.asked = versioned, major, None

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **asked):
        if self.versioned is None and "max_version" in asked:
            raise TypeError("unexpected keyword argument 'max_version'")
        self.asked = asked
        new = self.versioned and NUMPY_HAS_VERSIONS
        versioned = {"max_version": (1, 0)} if new else {}
        capsule = Capsule(self.array.__dlpack__(**versioned))
        capsule.device = self.device
        if self.major:
            capsule._versioned.major = self.major
        return capsule.capsule


# ----------------------------------------------------------------------- numpy


@pytest.mark.parametrize("copy", [None, True])
def test_asarray_is_a_copy(copy):
    m = cm.CUDAMatrix(numbered())
    m.numpy_array[0, 0] = 7  # the matrix's own array on the host has no part in it
    for matrix, values in ((m, numbered()), (m.T, numbered().T)):
        array = np.asarray(matrix) if copy is None else matrix.__array__(copy=True)
        np.testing.assert_array_equal(array, values)
        assert array.dtype == cm.real_type()
        array[...] = -1
        np.testing.assert_array_equal(matrix.copy().asarray(), values)
    assert m.numpy_array[0, 0] == 7


def test_asarray_of_another_type_and_of_views():
    m = cm.CUDAMatrix(numbered(3, 5))
    assert np.asarray(m, np.float16).dtype == np.float16
    assert np.array(m).tolist() == numbered(3, 5).tolist()
    assert np.asarray(m.slice(1, 3).T).tolist() == numbered(3, 5)[:, 1:3].T.tolist()
    assert np.asarray(cm.zeros((0, 4))).shape == (0, 4)
    assert np.sum(np.asarray(m)) == numbered(3, 5).sum()


@on_cpu
def test_array_without_a_copy():
    m = cm.CUDAMatrix(numbered())
    array = m.__array__(copy=False)
    m.add(1)
    np.testing.assert_array_equal(array, numbered() + 1)
    array[0, 1] = 50
    assert m.asarray()[0, 1] == 50
    with pytest.raises(cm.SharingError, match="become float16 only by a copy"):
        m.__array__(np.float16, copy=False)


def test_array_without_a_copy_from_a_board(says_cuda):
    with pytest.raises(ValueError, match="on a CUDA board can only be copied"):
        cm.zeros((1, 1)).__array__(copy=False)


# ----------------------------------------------------------------------- DLPack, out


@on_cpu
@pytest.mark.parametrize("shape", [(2, 3), (1, 1), (1, 4), (4, 1), (0, 3), (3, 0)])
def test_numpy_shares_the_memory(shape):
    m = cm.CUDAMatrix(numbered(*shape))
    for matrix, values in ((m, numbered(*shape)), (m.T, numbered(*shape).T)):
        array = np.from_dlpack(matrix)
        assert array.shape == values.shape and array.dtype == cm.real_type()
        np.testing.assert_array_equal(array, values)
        matrix.add(1)
        np.testing.assert_array_equal(array, values + 1)
        matrix.subtract(1)
    part = cm.CUDAMatrix(numbered(3, 5)).slice(1, 4)
    np.testing.assert_array_equal(np.from_dlpack(part), numbered(3, 5)[:, 1:4])


@pytest.mark.parametrize("max_version", [None, (0, 8), (1, 0), (1, 3)])
def test_capsule_with_and_without_a_version(max_version):
    m = cm.CUDAMatrix(numbered())
    capsule = m.__dlpack__(max_version=max_version)
    wanted = NUMPY_HAS_VERSIONS and max_version is not None and max_version >= (1, 0)
    assert ("dltensor_versioned" in repr(capsule)) == wanted
    opened = Capsule(capsule)
    assert opened.device == m.__dlpack_device__() and opened.flags == 0


def test_copies_are_marked():
    m = cm.CUDAMatrix(numbered())
    opened = Capsule(m.__dlpack__(max_version=(1, 0), copy=True))
    assert opened.flags in (2, 0)  # 0: numpy before 2.1 makes no versions
    array = opened.take()
    assert array.ctypes.data != m.mat.data


@on_cpu
def test_memory_lives_as_long_as_anybody_uses_it():
    gc.collect()
    before = cm.memory_in_use()
    m = cm.CUDAMatrix(numbered())
    arrays = [np.from_dlpack(m), np.from_dlpack(m.T), m.__array__(copy=False)]
    unused = [m.__dlpack__(), m.__dlpack__(max_version=(1, 0))]
    del m
    others = [cm.zeros((2, 3)) for _ in range(100)]
    np.testing.assert_array_equal(arrays[0], numbered())
    del arrays[0], unused, others
    np.testing.assert_array_equal(arrays[0], numbered().T)
    assert cm.memory_in_use() > before
    arrays.clear()
    assert cm.memory_in_use() == before


def test_no_freeing_while_others_use_the_memory():
    m = cm.CUDAMatrix(numbered())
    capsules = [m.__dlpack__(), m.slice(0, 1).__dlpack__()]
    with pytest.raises(cm.SharingError) as error:
        m.free_device_memory()
    assert str(error.value) == (
        "this memory cannot be freed while arrays of other libraries use it; there are "
        "2 of them"
    )
    np.testing.assert_array_equal(m.asarray(), numbered())
    capsules.clear()
    m.free_device_memory()


def test_capsule_that_a_failing_consumer_drops():
    """Giving back while an exception is on its way: it must arrive."""
    m = cm.CUDAMatrix(numbered())
    for versioned in ({}, {"max_version": (1, 0)}):
        capsule = m.__dlpack__(**versioned)
        Capsule(capsule).device = 99, 0
        holder = [capsule]
        del capsule

        class Failing:
            def __dlpack__(self, holder=holder, **_):
                return holder.pop()

            def __dlpack_device__(self):
                return CPU, 0

        with pytest.raises((BufferError, RuntimeError), match="[Uu]nsupported device"):
            np.from_dlpack(Failing())
    m.free_device_memory()  # nobody has it


@on_cpu
def test_sharing_from_many_threads():
    m = cm.CUDAMatrix(numbered())

    def share():
        for _ in range(500):
            np.from_dlpack(m)

    threads = [threading.Thread(target=share) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    m.free_device_memory()


def test_capsule_of_a_freed_matrix():
    m = cm.CUDAMatrix(numbered())
    m.free_device_memory()
    for call in (m.__dlpack__, m.__array__, lambda: np.asarray(m)):
        with pytest.raises(cm.CUDAMatException, match=r"\(2, 3\) has no memory"):
            call()


# ----------------------------------------------------------------------- devices


@on_cpu
def test_other_devices():
    m = cm.CUDAMatrix(numbered())
    assert m.__dlpack_device__() == (1, 0)
    assert Capsule(m.__dlpack__(dl_device=(1, 0))).device == (1, 0)
    with pytest.raises(BufferError) as error:
        m.__dlpack__(dl_device=(2, 0))
    assert str(error.value) == (
        "the matrix is on device (1, 0), and there is no sharing it with device (2, 0)"
    )
    with pytest.raises(cm.SharingError, match="stream 1 was given for memory on the C"):
        m.__dlpack__(stream=1)


def test_capsule_of_a_board(says_cuda):
    m = cm.CUDAMatrix(numbered())
    assert m.__dlpack_device__()[0] == CUDA
    for versioned in ({}, {"max_version": (1, 1)}):
        for stream in (None, 1, 2, -1, 140_000_000):
            opened = Capsule(m.T.__dlpack__(stream=stream, **versioned))
            assert opened.device == m.__dlpack_device__()
            array = opened.take()
            assert opened.device == m.__dlpack_device__()  # as its maker left it
            assert array.ctypes.data == m.mat.data
            assert array.shape == (3, 2) and array.flags.c_contiguous
    with pytest.raises(cm.SharingError, match="1 is the default stream"):
        m.__dlpack__(stream=0)


def test_a_board_s_matrix_on_the_host(says_cuda):
    m = cm.CUDAMatrix(numbered())
    opened = Capsule(m.__dlpack__(dl_device=(CPU, 0), max_version=(1, 0)))
    assert opened.device == (CPU, 0)
    np.testing.assert_array_equal(opened.take(), numbered())
    with pytest.raises(cm.SharingError, match="no sharing it with device"):
        m.__dlpack__(dl_device=(CPU, 0), copy=False)


def test_cuda_array_interface(says_cuda):
    """The structure, from an address of the host's."""
    m = cm.CUDAMatrix(numbered(2, 3))
    item = cm.real_type().itemsize
    want = {
        "shape": (2, 3),
        "typestr": f"<f{item}",
        "data": (m.mat.data, False),
        "strides": (item, 2 * item),
        "version": 3,
        "stream": None,
    }
    assert m.__cuda_array_interface__ == want
    part = m.slice(1, 3).T.__cuda_array_interface__
    assert part["data"][0] == m.mat.data + 2 * item
    assert (part["shape"], part["strides"]) == ((2, 2), (2 * item, item))
    assert cm.zeros((0, 3)).__cuda_array_interface__["data"] == (0, False)


@on_cpu
def test_no_cuda_array_interface_on_the_cpu():
    assert not hasattr(cm.zeros((1, 1)), "__cuda_array_interface__")


# ----------------------------------------------------------------------- DLPack, in

ORDERS = {"columns": False, "rows": True}


@on_cpu
@pytest.mark.parametrize("versioned", [True, False, None])
@pytest.mark.parametrize("order", ORDERS)
def test_matrix_in_an_array(order, versioned):
    array = numbered() if order == "columns" else np.ascontiguousarray(numbered())
    m = cm.from_dlpack(Producer(array, versioned=versioned), copy=False)
    assert m.mat.data == array.ctypes.data and bool(m.mat.trans) == ORDERS[order]
    assert "transposed" in repr(m) or order == "columns"
    m.add(1)
    np.testing.assert_array_equal(array, numbered() + 1)
    array[0, 0] = 40
    assert m.asarray()[0, 0] == 40
    np.testing.assert_array_equal(np.from_dlpack(m), array)  # and out again
    want = array.astype(np.float64)
    np.testing.assert_array_equal(cm.dot(m, m.T).asarray(), want @ want.T)


@on_cpu
def test_borrowed_memory_is_kept_and_given_back():
    gc.collect()
    before = cm.memory_in_use()
    array = numbered()
    m = cm.from_dlpack(array)
    view, again = m.T, np.from_dlpack(m)
    values = array.copy()
    del array, m
    gc.collect()
    np.testing.assert_array_equal(view.asarray(), values.T)
    np.testing.assert_array_equal(again, values)
    assert cm.memory_in_use() == before  # it is not ours
    del again
    view.free_device_memory()
    with pytest.raises(cm.CUDAMatException, match="has no memory"):
        view.add(1)


def read_only() -> np.ndarray:
    array = numbered()
    array.flags.writeable = False
    return array


def unaligned() -> np.ndarray:
    item = cm.real_type().itemsize
    memory = np.zeros(6 * item + 1, np.uint8)
    return np.ndarray((2, 3), cm.real_type(), memory, 1, (item, 2 * item))


OTHER = {"float32": "float64", "float64": "float32"}
NOT_SHARED = {
    "another type": (
        lambda: numbered().astype(OTHER[cm.real_type().name]),
        lambda: f"it holds {OTHER[cm.real_type().name]}, and matrices {cm.real_type()}",
    ),
    "whole numbers": (
        lambda: numbered().astype(np.int16),
        lambda: f"it holds int16, and matrices {cm.real_type()}",
    ),
    "holes": (
        lambda: np.asfortranarray(np.zeros((8, 6), cm.real_type()))[::4, ::2],
        lambda: "neither its columns nor its rows are packed (strides",
    ),
    "backwards": (
        lambda: numbered()[:, ::-1],
        lambda: "neither its columns nor its rows are packed (strides",
    ),
    "unaligned": (unaligned, lambda: f"it starts in the middle of a {cm.real_type()}"),
}


@on_cpu
@pytest.mark.parametrize("name", NOT_SHARED)
def test_arrays_that_are_copied(name):
    make, reason = NOT_SHARED[name]
    array = make()
    m = cm.from_dlpack(array)
    np.testing.assert_array_equal(m.asarray(), array)
    m.add(1)
    np.testing.assert_array_equal(m.asarray(), array + np.ones((), array.dtype))
    with pytest.raises(cm.SharingError) as error:
        cm.from_dlpack(array, copy=False)
    assert str(error.value).startswith("this tensor cannot be shared: ")
    assert reason() in str(error.value)


@on_cpu
@pytest.mark.skipif(not NUMPY_HAS_VERSIONS, reason="numpy cannot say read-only")
def test_read_only_arrays():
    array = read_only()
    assert cm.from_dlpack(array).add(1).asarray()[0, 0] == 1 and array[0, 0] == 0
    with pytest.raises(BufferError, match="it is read-only, and matrices are not"):
        cm.from_dlpack(array, copy=False)


def test_copy_when_asked():
    array = numbered()
    cm.from_dlpack(array, copy=True).add(1)
    np.testing.assert_array_equal(array, numbered())


@pytest.mark.parametrize("copy", [None, False, True])
def test_arrays_on_another_device(copy):
    wrong = (CUDA, 77) if cm.load().kind == "cuda" else (CUDA, 0)
    with pytest.raises(cm.SharingError) as error:
        cm.from_dlpack(Producer(numbered(), wrong), copy=copy)
    if wrong == (CUDA, 0):
        assert str(error.value) == (
            "this tensor cannot be shared: it is on device (2, 0), where the cpu "
            "library cannot reach; convert or copy it where it comes from"
        )
    else:
        assert "on CUDA board 77" in str(error.value)


def test_arrays_for_a_board(says_cuda):
    """What is on the host is copied; what is on the board is shared, or not at all."""
    array = numbered()
    cm.from_dlpack(array).add(1)
    np.testing.assert_array_equal(array, numbered())
    with pytest.raises(cm.SharingError, match="on the host, where the cuda li"):
        cm.from_dlpack(array, copy=False)
    here = cm.zeros((1, 1)).__dlpack_device__()
    producer = Producer(array, here)
    m = cm.from_dlpack(producer)
    assert m.mat.data == array.ctypes.data
    assert producer.asked == {"max_version": (1, 0), "stream": 1}
    for other in (array.astype(np.int32), np.zeros((4, 4), array.dtype)[::2, ::2]):
        with pytest.raises(cm.SharingError, match="convert or copy it where it comes"):
            cm.from_dlpack(Producer(other, here))
    with pytest.raises(cm.SharingError, match="on CUDA board 5, and board . is in use"):
        cm.from_dlpack(Producer(array, (CUDA, 5)))


NO_TENSORS = {
    "list": (lambda: [[1.0]], "but it was given an object of type list"),
    "None": (lambda: None, "but it was given None"),
    "1-D": (lambda: np.zeros(3), "of shape (3,) was given; a matrix has 2 dimensions"),
    "3-D": (lambda: np.zeros((2, 2, 2)), "of shape (2, 2, 2) was given; a matrix has"),
    "complex": (lambda: np.zeros((2, 2), complex), "no array of real numbers"),
    "no capsule": (lambda: Odd(None), "no DLPack capsule"),
    "used capsule": (lambda: Odd(used()), "no DLPack capsule, or one that has been us"),
    "refused": (lambda: Odd(BufferError("gradient")), "cannot be shared: gradient"),
    "version 2": (lambda: Producer(numbered(), major=2), "DLPack version 2"),
}


class Odd:
    """A tensor whose capsule is something else."""

    def __init__(self, capsule):
        self.capsule = capsule

    def __dlpack_device__(self):
        return CPU, 0

    def __dlpack__(self, **_):
        if isinstance(self.capsule, Exception):
            raise self.capsule
        return self.capsule


def used():
    capsule = numbered().__dlpack__()
    Capsule(capsule).take()
    return capsule


@pytest.mark.parametrize("name", NO_TENSORS)
def test_what_is_no_tensor(name):
    make, message = NO_TENSORS[name]
    if name == "version 2" and not NUMPY_HAS_VERSIONS:
        pytest.skip("this numpy makes no capsules with a version")
    with pytest.raises(cm.CUDAMatException) as error:
        cm.from_dlpack(make())
    assert message in str(error.value)


# ----------------------------------------------------------------------- others


@pytest.mark.parametrize("name", ["torch", "jax", "cupy"])
def test_another_library(name, monkeypatch):
    """Both ways through a library that is installed, on whichever board is in use."""
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX: not all of it
    other = pytest.importorskip(name, reason=f"{name} is not installed")
    make, read = {
        "torch": lambda: (other.from_dlpack, lambda t: t.cpu().numpy()),
        "jax": lambda: (other.dlpack.from_dlpack, np.asarray),
        "cupy": lambda: (other.from_dlpack, lambda a: a.get()),
    }[name]()
    if name == "cupy" and cm.load().kind == "cpu":
        pytest.skip("CuPy's arrays are on a CUDA board")
    m = cm.CUDAMatrix(numbered())
    for matrix, values in ((m, numbered()), (m.T, numbered().T)):
        tensor = make(matrix)
        np.testing.assert_array_equal(read(tensor), values)
        back = cm.from_dlpack(tensor)
        assert back.mat.data == m.mat.data, "copied"
        np.testing.assert_array_equal(back.asarray(), values)


@gpu
@on_board
def test_cuda_array_interface_on_a_board():
    """Memory that a board's owner finds where the interface says."""
    m = cm.CUDAMatrix(numbered())
    back = cm.from_gpuarray(m)
    assert back.mat.data == m.mat.data
    back.add(1)
    np.testing.assert_array_equal(m.asarray(), numbered() + 1)


# ----------------------------------------------------------------------- print


def test_repr_has_shape_type_board_and_values():
    board = "cpu" if cm.load().kind == "cpu" else "CUDA board 0"
    m = cm.CUDAMatrix([[1.0, 2.5], [-3.0, 4.0]])
    first = f"CUDAMatrix (2, 2) of {cm.real_type()} on {board}"
    assert repr(m) == f"{first}\n[[ 1.   2.5]\n [-3.   4. ]]"
    assert repr(m.T) == f"{first}, transposed view\n[[ 1.  -3. ]\n [ 2.5  4. ]]"
    large = repr(cm.zeros((100, 11)))
    assert large == first.replace("(2, 2)", "(100, 11)")
    assert repr(cm.zeros((0, 2))) == first.replace("(2, 2)", "(0, 2)")
    m.free_device_memory()
    assert repr(m) == f"{first}, freed"


def test_repr_of_a_matrix_on_a_board(says_cuda):
    m = cm.zeros((1, 2))
    assert repr(m).startswith(f"CUDAMatrix (1, 2) of {cm.real_type()} on CUDA board ")


def test_repr_of_a_matrix_on_a_lost_board(says_cuda, monkeypatch):
    m = cm.zeros((1, 2))

    def lost(*_):
        raise cm.CUDAMatException("the board is lost")

    monkeypatch.setattr(lib, "cm_board_of", lost)
    assert repr(m) == f"CUDAMatrix (1, 2) of {cm.real_type()}; the board is lost"
