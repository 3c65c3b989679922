"""Boards: what there is, and what is said of it."""

import os

import pytest

import cudamat as cm
from cudamat import boards as module
from cudamat.library import lib


@pytest.fixture
def cpu():
    found = [device for device in cm.devices() if device.board == "cpu"]
    if not found:
        pytest.skip("the CPU library is not built, or not the one in use")
    return found[0]


def test_the_cpu_is_there(cpu):
    assert cpu.compute_capability is None and cpu.threads >= 1 and cpu.name
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert cpu.total_bytes == total and 0 < cpu.free_bytes <= total
    if lib.kind == "cpu":
        assert cpu.threads == cm.threads()


def test_every_kind_is_there_or_missing_for_a_reason():
    found = cm.devices()
    kinds = {"cpu" if device.board == "cpu" else "cuda" for device in found}
    assert kinds | set(found.missing) == {"cpu", "cuda"}
    assert not kinds & set(found.missing)
    lines = repr(found).splitlines()
    assert len(lines) == len(found) + len(found.missing)
    for kind, reason in found.missing.items():
        assert f"no {kind} board: {reason}" in lines
    assert lib.kind in kinds


def test_lines():
    cpu = cm.Device("cpu", "A Chip", None, 1_250_000_000, 4_000_000_000, 1)
    assert str(cpu) == "cpu: A Chip, 1 thread, 1.2 of 4.0 GB free"
    gpu = cm.Device("0", "A Board", (9, 0), 140_000_000_000, 150_000_000_000, None)
    assert str(gpu) == "0: A Board, compute capability 9.0, 140.0 of 150.0 GB free"


def test_no_library_at_all(monkeypatch):
    monkeypatch.setattr(module, "lib", type("Unopened", (), {"kind": ""}))
    monkeypatch.setenv("CUDAMAT_LIBRARY", "/nowhere/lib.so")
    found = cm.devices()
    assert len(found) == 0 and list(found.missing) == ["cuda", "cpu"]
    assert "no cpu board: the cpu library was not found; 'make -C" in repr(found)


def test_processor_without_a_name(monkeypatch):
    def nowhere(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", nowhere)
    monkeypatch.setattr(module.platform, "processor", lambda: "")
    monkeypatch.setattr(module.platform, "machine", lambda: "riscv64")
    assert module.processor() == "riscv64"


@pytest.mark.gpu
@pytest.mark.skipif(cm.load().kind != "cuda", reason="needs the CUDA library")
def test_boards():
    boards = [device for device in cm.devices() if device.board != "cpu"]
    assert len(boards) == cm.board_count()
    for number, board in enumerate(boards):
        assert board.board == str(number) and board.name == cm.board_name(number)
        assert board.compute_capability >= (5, 0) and board.threads is None
        assert 0 < board.free_bytes <= board.total_bytes
