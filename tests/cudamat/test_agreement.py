"""The CUDA library against the CPU library, every row of the table, and random numbers:
to twice a row's tolerance, since both have it."""

import subprocess
import sys

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import HERE
from tests.commands import on_the_cpu
from tests.cudamat.framed import assert_close
from tests.cudamat.outputs import result
from tests.cudamat.table import ROWS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(cm.load().kind != "cuda", reason="for the CUDA library"),
]


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory):
    """The CPU library's results, from a process of its own."""
    double = "_double" if cm.real_type() == np.float64 else ""
    library = HERE / f"libcudamat_cpu{double}.so"
    if not library.is_file():
        pytest.skip(f"{library.name} is not built")
    path = tmp_path_factory.mktemp("agreement") / "cpu.npz"
    done = subprocess.run(
        [sys.executable, "-m", "tests.cudamat.outputs", str(path)],
        cwd=HERE.parent,
        env=on_the_cpu() | {"CUDAMAT_LIBRARY": str(library)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as results:
        return dict(results)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_operation(row, on_cpu):
    for size in row.sizes():
        want = on_cpu[f"{row.name} {size}"]
        operands = row.make(size)
        with np.errstate(all="ignore"):
            scale = row.scale and row.scale(*map(np.abs, operands))
        message = f"{row.name} {size}: CUDA against CPU"
        assert_close(result(row, size), want, 2 * row.ulps, scale, message)
