"""Boards by name: the CPU, CUDA devices, and what is neither."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import cudamat as cm
from videolstm import board
from videolstm.board import use_board
from videolstm.errors import UserError


@pytest.fixture
def cuda(monkeypatch):
    """A machine with two CUDA devices, as the matrix library would tell of it."""
    used = []

    def select(number):
        if number > 1:
            raise cm.CUDAMatException(f"there is no board {number}; there are 2")
        used.append(number)

    monkeypatch.setattr(board.cm, "cuda_set_device", select)
    monkeypatch.setattr(board.cm, "board_name", lambda number: "H200")
    monkeypatch.setattr(board.cm, "blas_name", lambda: "cuBLAS 13")
    return used


def on_the_cpu() -> bool:
    return cm.load().kind == "cpu"


def test_the_cpu_says_what_it_computes_with():
    if not on_the_cpu():
        pytest.skip("the CUDA library is in use")
    line = use_board("cpu")
    pattern = r"Using board cpu: .+, (\d+) threads?, (float32|float64)"
    threads, real = re.fullmatch(pattern, line).groups()
    assert int(threads) == cm.threads()
    assert np.dtype(real) == cm.real_type()


@pytest.mark.parametrize(("threads", "said"), [(1, ", 1 thread, "), (2, ", 2 threads")])
def test_threads_are_counted(threads, said, monkeypatch):
    monkeypatch.setattr(board.cm, "load", lambda kind: None)
    monkeypatch.setattr(board.cm, "threads", lambda: threads)
    assert said in use_board("cpu")


@pytest.mark.parametrize(
    ("asked", "blas", "said"),
    [
        ("Haswell", "OpenBLAS 1 with Haswell kernels", " (as OPENBLAS_CORETYPE="),
        ("", "OpenBLAS 1 with Zen kernels", ""),
        ("Haswell", "/usr/lib/libblas.so.3", ""),  # which does not look at it
    ],
)
def test_kernels_that_were_asked_for(asked, blas, said, monkeypatch):
    """A variable that halves the speed, and that nobody remembers having set."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", asked)
    monkeypatch.setattr(board.cm, "load", lambda kind: None)
    monkeypatch.setattr(board.cm, "blas_name", lambda: blas)
    line = use_board("cpu")
    assert f"cpu: {blas}{said}" in line
    assert ("OPENBLAS_CORETYPE" in line) == bool(said)


@pytest.mark.skipif(cm.real_type() != np.float32, reason="only float has them")
@pytest.mark.parametrize("mode", cm.MATH_MODES)
def test_products_with_fewer_bits_are_said(mode):
    if not on_the_cpu():
        pytest.skip("the CUDA library is in use")
    try:
        line = use_board("cpu", math=mode)
        assert cm.math_mode() == mode
    finally:
        cm.set_math_mode("fp32")
    end = f", products in {mode}, emulated and slower than fp32"
    assert line == use_board("cpu") + (end if mode != "fp32" else "")


@pytest.mark.skipif(cm.real_type() == np.float32, reason="float has them")
def test_products_with_fewer_bits_are_not_of_doubles():
    with pytest.raises(UserError) as caught:
        use_board("cpu" if on_the_cpu() else "0", math="bf16")
    assert str(caught.value).startswith(
        "--math bf16 rounds what is in single precision"
    )


def test_a_device_is_used_by_its_number(cuda):
    line = use_board("1")
    assert re.fullmatch(r"Using board 1: H200, cuBLAS 13, float(32|64)", line)
    assert cuda == [1]


@pytest.mark.parametrize(("number", "device"), [(0, 0), (1, 1), (2, 0), (5, 1)])
def test_each_process_has_its_own_device(number, device, cuda, monkeypatch):
    monkeypatch.setattr(board.cm, "load", lambda: SimpleNamespace(kind="cuda"))
    monkeypatch.setattr(board.cm, "board_count", lambda: 2)
    assert use_board("auto", number).startswith(f"Using board {device}: H200, ")
    assert cuda == [device]


def test_auto_without_a_device_is_the_cpu():
    if not on_the_cpu():
        pytest.skip("the CUDA library is in use")
    before = cm.threads()
    try:
        assert ", 3 threads, " in use_board("auto", 1, threads=3)
        assert cm.threads() == 3
        use_board("auto", 1)
        assert cm.threads() == 3
    finally:
        cm.set_threads(before)


def test_a_device_that_is_not_there(cuda):
    with pytest.raises(UserError) as caught:
        use_board("7")
    message = "board 7: there is no board 7; there are 2; the board cpu needs none of"
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["gpu", "-1", "", "0.5", "CPU", "cuda:0", " 0", "1e3"])
def test_names_of_no_board(name, cuda):
    with pytest.raises(UserError) as caught:
        use_board(name)
    assert str(caught.value) == (
        f"board {name!r}: it should be the number of a CUDA device, such as 0, cpu or "
        "auto"
    )
    assert not cuda


def test_the_other_library_cannot_be_used_in_the_same_process():
    name = "0" if on_the_cpu() else "cpu"
    with pytest.raises(UserError, match=f"^board {name}: .* already in use"):
        use_board(name)
