"""What does not take several ranks: which way gradients go, how threads are shared, and
what a process by itself does."""

import numpy as np
import pytest

from videolstm.parallel import ALONE

mpi4py = pytest.importorskip("mpi4py", reason="mpi4py is not there: nothing to test")
# The process of the tests is no rank, and starts others.
mpi4py.rc(initialize=False, finalize=False)

from videolstm.parallel import transport  # noqa: E402
from videolstm.parallel.ranks import fair_share  # noqa: E402

VARIABLES = ("VIDEOLSTM_CUDA_MPI", "MPICH_GPU_SUPPORT_ENABLED", "MV2_USE_CUDA")

# The environment, what the library answers (None: it knows no such question), and
# whether it is given memory of boards.
ANSWERS = [
    ({}, None, False),
    ({}, 0, False),
    ({}, 1, True),
    ({"MPICH_GPU_SUPPORT_ENABLED": "1"}, None, True),
    ({"MPICH_GPU_SUPPORT_ENABLED": "0"}, None, False),
    ({"MV2_USE_CUDA": "1"}, 0, True),
    ({"VIDEOLSTM_CUDA_MPI": "0", "MV2_USE_CUDA": "1"}, 1, False),
    ({"VIDEOLSTM_CUDA_MPI": "1"}, 0, True),
    ({"VIDEOLSTM_CUDA_MPI": "perhaps"}, 1, True),
]


@pytest.mark.parametrize(("variables", "answer", "taken"), ANSWERS)
def test_memory_of_boards(variables, answer, taken, monkeypatch):
    class Library:
        def __init__(self, path):
            if answer is not None:
                self.MPIX_Query_cuda_support = lambda: answer

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(transport.ct, "CDLL", Library)
    assert transport.takes_boards_memory() is taken


def test_memory_of_a_board_is_a_vector():
    class Matrix:
        shape = (1, 6)
        __cuda_array_interface__ = {
            "shape": (1, 6),
            "strides": (4, 4),
            "typestr": "<f4",
            "data": (4096, False),
            "version": 3,
            "stream": None,
        }

    found = transport.BoardMemory(Matrix()).__cuda_array_interface__
    expected = Matrix.__cuda_array_interface__ | {"shape": (6,), "strides": None}
    assert found == expected


# The processors of this process and of all on its machine, and its threads.
SHARES = [
    ({0, 1, 2, 3}, [{0, 1, 2, 3}], 4),
    ({0, 1, 2, 3}, [{0, 1, 2, 3}] * 2, 2),
    ({0, 1, 2, 3}, [{0, 1, 2, 3}] * 3, 1),
    ({0, 1, 2, 3}, [{0, 1, 2, 3}] * 9, 1),
    ({2, 3}, [{0, 1}, {2, 3}], 2),
    ({0, 1, 2}, [{0, 1, 2}] * 3, 1),
    (set(range(49)), [set(range(49))] * 7, 7),
    ({0, 1, 2, 3}, [{0, 1, 2, 3}, {0}], 3),
]


@pytest.mark.parametrize(("mine", "everybody", "threads"), SHARES)
def test_threads(mine, everybody, threads):
    assert fair_share(mine, everybody) == threads


def test_a_process_by_itself():
    assert (ALONE.rank, ALONE.ranks, ALONE.leads, ALONE.local_rank) == (0, 1, True, 0)
    assert ALONE.threads() is None
    assert ALONE.lead(lambda: 3) == ALONE.alike(lambda: 3) == ALONE.most(3) == 3
    assert ALONE.gather("x") == ["x"]
    assert list(ALONE.share_of(4)) == [0, 1, 2, 3]
    np.testing.assert_array_equal(ALONE.sum([1.5, 2.0]), [1.5, 2.0])
    exchange = ALONE.exchange([])
    assert exchange.describe("MPICH") == ALONE.describe(80, exchange) == ""
