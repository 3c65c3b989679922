"""The BLAS of the CPU library: those that count with 32 bits, and with 64."""

from pathlib import Path

import numpy as np
import pytest

from cudamat import library
from tests.cudamat.test_library import FLOAT, need, run

PRODUCTS = """
import numpy as np
rng = np.random.default_rng(1)
a, b = rng.standard_normal((2, 40, 50)).astype(cm.real_type())
for x, y in ((a, b.T), (a.T, b)):
    ours = cm.dot(cm.CUDAMatrix(x), cm.CUDAMatrix(y)).asarray()
    viewed = cm.dot(cm.CUDAMatrix(x.T).T, cm.CUDAMatrix(y.T).T).asarray()
    # sums of 50 terms of about 1: 1e-4 is some hundred roundings
    print(np.abs(ours - x @ y).max() < 1e-4, np.abs(viewed - x @ y).max() < 1e-4)
cm.set_threads(1)
print(cm.blas_name())
"""


def numpy_blas() -> Path:
    """numpy's own OpenBLAS, which counts with 64 bits."""
    beside = Path(np.__file__).parents[1] / "numpy.libs"
    for path in beside.glob("lib*openblas*64*"):
        return path
    pytest.skip("this numpy brings no OpenBLAS that counts with 64 bits")


def test_integers_of_64_bits():
    need(FLOAT)
    printed = run("cm.load('cpu')\n" + PRODUCTS, CUDAMAT_BLAS=str(numpy_blas()))
    *right, name = printed.splitlines()
    assert right == ["True True", "True True"]
    assert name.startswith("OpenBLAS ") and name.endswith(" kernels")


def test_numpy_s_where_there_is_no_other(monkeypatch):
    monkeypatch.setattr(library, "_package_file", lambda *_: None)
    assert library.find_blas("cpu") == numpy_blas()
    assert library.find_blas("cuda") is None
