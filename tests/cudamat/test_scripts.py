"""Scripts as people wrote them for cudamat 0.3, unchanged: float32 arrays in Fortran
order, `copy_to_host` and `numpy_array`, conditions and columns, restricted Boltzmann
machines. None of them calls `cublas_init`; `test_api` does."""

import numpy as np

import cudamat as cm


def array(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return np.array(rng.random(shape) * 10, dtype=np.float32, order="F")


def close(matrix, want, threshold=1e-2):
    """0.3's own threshold, for results of up to some thousands."""
    matrix.copy_to_host()
    assert matrix.numpy_array.shape == want.shape
    return np.max(np.abs(matrix.numpy_array - want)) < threshold


def test_reshaped_vectors():
    a, b = array(1, 256), array(256, 1, seed=1)
    m, other = cm.CUDAMatrix(a), cm.CUDAMatrix(b)
    m.reshape((256, 1))
    other.assign(m)
    m.reshape((1, 256))
    m.copy_to_host()
    other.copy_to_host()
    np.testing.assert_array_equal(m.numpy_array, other.numpy_array.T)


def test_transposes_as_operands():
    a, b, c = array(128, 256), array(256, 1, seed=1), array(1, 128, seed=2)
    m, v, row = cm.CUDAMatrix(a), cm.CUDAMatrix(b), cm.CUDAMatrix(c)
    assert close(cm.dot(v.T, m.T), np.dot(b.T, a.T), 0.1)
    row.add_dot(v.T, m.T)
    assert close(row, c + np.dot(b.T, a.T), 0.1)
    v.add_sums(m.T, axis=1)
    assert close(v, b + a.sum(0)[:, np.newaxis], 0.1)


def test_flags_of_transposition():
    a = array(256, 128)
    m = cm.CUDAMatrix(a)
    m.set_trans(True)
    row, column = cm.CUDAMatrix(array(1, 256)), cm.CUDAMatrix(array(128, 1))
    m.sum(axis=0, target=row)
    m.sum(axis=1, target=column)
    assert close(row, np.atleast_2d(a.T.sum(0)))
    assert close(column, np.atleast_2d(a.T.sum(1)).T)
    left, right = cm.CUDAMatrix(array(64, 256)), cm.CUDAMatrix(array(128, 32, seed=3))
    product = cm.dot(left, cm.CUDAMatrix(a))
    assert close(product, array(64, 256) @ a, 1.0)
    assert close(cm.dot(right.T, m), array(128, 32, seed=3).T @ a.T, 1.0)


def test_rows_columns_and_conditions():
    a, b = array(256, 128), array(43, 128, seed=1)
    m, part = cm.CUDAMatrix(a), cm.CUDAMatrix(b)
    m.get_row_slice(11, 54, target=part)
    assert close(part, a[11:54])
    assert close(m.get_row_slice(11, 54), a[11:54])
    m.set_row_slice(11, 54, cm.CUDAMatrix(b))
    assert close(m.slice(32, 64), np.vstack([a[:11], b, a[54:]])[:, 32:64])

    centred = np.array(a - 5, order="F")
    condition, zeros = cm.empty(a.shape), cm.CUDAMatrix(np.zeros_like(a))
    source = cm.CUDAMatrix(centred)
    source.greater_than(0, condition)
    cm.where(condition, source, zeros)
    assert close(condition, np.where(centred > 0, centred, 0))

    chosen = [0, 1, 2, 3, 5, 10, 12, 20]
    indices = cm.CUDAMatrix(np.array(chosen).T[np.newaxis, :])
    target = cm.CUDAMatrix(np.empty((256, 8)))
    source.select_columns(indices, target)
    assert close(target, centred[:, chosen])


def test_numbers_of_any_kind():
    a = array(25, 12)
    target = cm.empty((25, 12))
    m = cm.CUDAMatrix(a)
    for number in (np.pi, np.float32(2.5), np.int64(3), True, 7):
        m.mult(number, target=target)
        assert close(target, a * float(number))
    m.assign(np.pi)
    assert close(m, np.full_like(a, np.pi))


def test_a_restricted_boltzmann_machine_learns():
    """The example that came with 0.3, on bars: a step of contrastive divergence with
    momentum, in its own idiom."""
    cm.CUDAMatrix.init_random(42)
    rng = np.random.default_rng(0)
    bars = np.kron(np.eye(4), np.ones((4, 1)))[:, rng.integers(0, 4, 2000)]
    dev_data = cm.CUDAMatrix(cm.reformat(bars))
    num_vis, num_hid, batch_size = 16, 8, 50
    w_vh = cm.CUDAMatrix(0.1 * rng.standard_normal((num_vis, num_hid)))
    w_v = cm.CUDAMatrix(np.zeros((num_vis, 1)))
    w_h = cm.CUDAMatrix(-1.0 * np.ones((num_hid, 1)))
    wu_vh = cm.CUDAMatrix(np.zeros((num_vis, num_hid)))
    wu_v = cm.CUDAMatrix(np.zeros((num_vis, 1)))
    wu_h = cm.CUDAMatrix(np.zeros((num_hid, 1)))
    h = cm.empty((num_hid, batch_size))
    r = cm.empty((num_hid, batch_size))
    errors = []
    for _ in range(12):
        error = []
        for batch in range(dev_data.shape[1] // batch_size):
            v_true = dev_data.slice(batch * batch_size, (batch + 1) * batch_size)
            v = v_true.copy()
            wu_vh.mult(0.9)
            wu_v.mult(0.9)
            wu_h.mult(0.9)
            cm.dot(w_vh.T, v, target=h)
            h.add_col_vec(w_h)
            h.apply_sigmoid()
            wu_vh.add_dot(v, h.T)
            wu_v.add_sums(v, axis=1)
            wu_h.add_sums(h, axis=1)
            r.fill_with_rand()
            r.less_than(h, target=h)
            cm.dot(w_vh, h, target=v)
            v.add_col_vec(w_v)
            v.apply_sigmoid()
            cm.dot(w_vh.T, v, target=h)
            h.add_col_vec(w_h)
            h.apply_sigmoid()
            wu_vh.subtract_dot(v, h.T)
            wu_v.add_sums(v, axis=1, mult=-1.0)
            wu_h.add_sums(h, axis=1, mult=-1.0)
            w_vh.add_mult(wu_vh, 0.1 / batch_size)
            w_v.add_mult(wu_v, 0.1 / batch_size)
            w_h.add_mult(wu_h, 0.1 / batch_size)
            v.subtract(v_true)
            error.append(v.euclid_norm() ** 2 / (num_vis * batch_size))
        errors.append(np.mean(error))
    # four bars of eight units: from about the variance of a pixel, 0.19, towards 0
    assert errors[0] > 0.1 and errors[-1] < 0.02
