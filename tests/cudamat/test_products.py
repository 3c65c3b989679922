"""Matrix products beyond the table: large ones, an LSTM's time loop on views, threads,
special values and what does not fit."""

import numpy as np
import pytest

import cudamat as cm
from tests.cudamat.framed import Framed, assert_close, rounded


def random(*shape, seed=0):
    return rounded(np.random.default_rng(seed).standard_normal(shape))


def test_large_product():
    """Larger than the blocks of any BLAS, and shared out over threads."""
    a, b = random(301, 260), random(260, 517, seed=1)
    got = cm.dot(cm.CUDAMatrix(a), cm.CUDAMatrix(b)).asarray()
    # 260 products of either sign: their rounding errors do not come near 16 epsilon of
    # the sum of absolute values
    assert_close(got, a @ b, 16, np.abs(a) @ np.abs(b))


def test_time_loop():
    """gates[t] += W h[t-1] on slices, and the weight gradient of all steps at once."""
    n, batch, steps = 5, 3, 4
    w, start = random(4 * n, n), random(n, batch, seed=1)
    gates = Framed(random(4 * n, batch * steps, seed=2))
    hidden = Framed(np.tile(start, steps))
    weights = cm.CUDAMatrix(w)
    want = random(4 * n, batch * steps, seed=2)
    for t in range(1, steps):
        now = slice(t * batch, (t + 1) * batch)
        before = hidden.matrix.slice((t - 1) * batch, t * batch)
        gates.matrix.slice(now.start, now.stop).add_dot(weights, before)
        want[:, now] += w @ start
    assert_close(gates.values(), want, 16, np.abs(w).sum() * np.ones_like(want))
    gates.check_marks()
    hidden.check_untouched()
    gradient = cm.dot(gates.matrix, hidden.matrix.T).asarray()
    scale = np.abs(want) @ np.abs(np.tile(start, steps)).T
    assert_close(gradient, want @ np.tile(start, steps).T, 64, scale)


def test_beta_zero_does_not_read_the_target():
    a, b = random(3, 2), random(2, 4)
    target = cm.CUDAMatrix(np.full((3, 4), np.nan))
    cm.dot(cm.CUDAMatrix(a), cm.CUDAMatrix(b), target)
    assert_close(target.asarray(), a @ b, 4, np.abs(a) @ np.abs(b))


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_nothing_to_add_up(beta):
    """An inner extent of 0 gives beta times the target, and zeros where beta is 0."""
    target = cm.CUDAMatrix([[1.0, np.nan if beta == 0 else 2.0]])
    cm.dot(cm.empty((1, 0)), cm.empty((0, 2)), target, beta=beta)
    assert target.asarray().tolist() == [[beta, 2 * beta]]


def test_beta_without_a_target_is_ignored():
    a = cm.CUDAMatrix([[3.0]])
    assert cm.dot(a, a, beta=1.0).asarray().tolist() == [[9.0]]


def test_infinities_multiply():
    a, b = cm.CUDAMatrix([[np.inf, 1.0]]), cm.CUDAMatrix([[1.0, 0.0], [1.0, np.nan]])
    got = cm.dot(a, b).asarray()
    assert got[0, 0] == np.inf
    assert np.isnan(got[0, 1])


def test_operand_may_be_both_factors():
    a = random(4, 6)
    m = cm.CUDAMatrix(a)
    assert_close(cm.dot(m, m.T).asarray(), a @ a.T, 8, np.abs(a) @ np.abs(a).T)


MISFITS = {
    "inner extents": ((2, 3), (2, 3), (2, 3), "(2, 3) and (2, 3) do not multiply"),
    "target": ((2, 3), (3, 4), (4, 2), "target has shape (4, 2), but (2, 4) is needed"),
    "empty": ((2, 0), (1, 2), (2, 2), "0 columns against 1 rows"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_shapes_that_do_not_fit(name):
    *operands, message = MISFITS[name]
    a, b, target = (cm.zeros(shape) for shape in operands)
    with pytest.raises(cm.CUDAMatException) as error:
        cm.dot(a, b, target)
    assert message in str(error.value)
    assert (target.asarray() == 0).all()


@pytest.mark.parametrize("which", [0, 1])
def test_target_may_not_be_a_factor(which):
    m, other = cm.zeros((3, 3)), cm.zeros((3, 3))
    factors = (m, other) if which == 0 else (other, m)
    for target in (m, m.T):
        with pytest.raises(cm.CUDAMatException, match="dot: the target overlaps the"):
            cm.dot(*factors, target)
