"""Threads of Python, and processes that were forked: they work, or say why not, and do
not hang."""

import os
import signal
import threading
import traceback

import numpy as np
import pytest

import cudamat as cm

SECONDS = 60  # until a child counts as hung


def in_child(work) -> str:
    """What `work` returns, or raises, in a forked process."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        try:
            text = str(work())
        except cm.CUDAMatException as error:
            text = f"CUDAMatException: {error}"
        except BaseException:
            text = traceback.format_exc()
        os.write(into, text.encode())
        os._exit(0)
    os.close(into)
    timer = threading.Timer(SECONDS, os.kill, (child, signal.SIGKILL))
    timer.start()
    with os.fdopen(out) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    assert status == 0, f"the child ended with {status:#x} and said {text!r}"
    return text


def compute() -> float:
    """Everything that has threads: maps, sums, products, random numbers."""
    m = cm.empty((400, 300)).assign(1.0)
    cm.exp(m).mult(0.0).add(2.0)
    product = cm.dot(m, m.T)
    cm.empty((400, 300)).fill_with_rand().T.max(0)
    return product.sum(0).sum(1).asarray()[0, 0] / (400 * 400) + m.total()


WANT = 4 * 300 + 2 * 400 * 300
on_cpu = pytest.mark.skipif(cm.load().kind == "cuda", reason="for the CPU library")


@on_cpu
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
class TestForked:
    def test_after_use(self):
        """Matrices of the parent and new ones, forked before and after threads were
        started there."""
        assert compute() == WANT
        kept = cm.empty((500, 500)).assign(3.0)
        for _ in range(3):
            assert float(in_child(compute)) == WANT
            assert float(in_child(lambda: kept.mult(2).total())) == 6 * 500**2
        assert compute() == WANT
        assert kept.total() == 3 * 500**2  # the child's is a copy

    def test_one_thread_is_left(self):
        compute()
        assert in_child(cm.threads) == "1"
        assert in_child(lambda: cm.set_threads(1)) == "None"
        message = in_child(lambda: cm.set_threads(2))
        assert message == (
            "CUDAMatException: set_threads: this process was forked from one that had "
            "loaded the library and has one thread only; start it in another way "
            "(spawn)"
        )

    def test_threads_of_a_child(self):
        def work():
            result = []
            thread = threading.Thread(target=lambda: result.append(compute()))
            thread.start()
            thread.join()
            return result[0]

        compute()
        assert float(in_child(work)) == WANT

    def test_grandchildren(self):
        compute()
        assert float(in_child(lambda: in_child(compute))) == WANT


@pytest.mark.gpu
@pytest.mark.skipif(cm.load().kind != "cuda", reason="for the CUDA library")
def test_a_board_is_not_for_forked_processes():
    compute()
    message = in_child(compute)
    assert (
        message.startswith("CUDAMatException: ")
        and "start it in another way" in message
    )


def test_threads_of_python():
    """Sums have a place of their own in each thread."""
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(100):
            rows, cols = (int(n) for n in rng.integers(1, 5000, 2) // (1, 3))
            m = cm.empty((rows, cols // 50 + 1)).assign(float(seed))
            if m.total() != seed * m.size or m.sum(0).max(1).total() != seed * rows:
                wrong.append((seed, m.shape))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
