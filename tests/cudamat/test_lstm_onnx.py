"""The LSTM against ONNX's reference implementation: another group's equations, with the
same peepholes.

ONNX orders the gates i o f c and the peepholes i o f, where ours are i f a o and i f o;
its weights are (gates, inputs), its sequences (steps, batch, inputs).
"""

import numpy as np
import pytest

import cudamat as cm
from cudamat import learn
from tests.cudamat.framed import rounded

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

# inputs, units, batch, steps
SIZES = [(1, 1, 1, 1), (3, 2, 4, 5), (7, 5, 1, 9), (16, 33, 8, 4)]


def blocks(array, order):
    """The gates' parts of an array, in another order."""
    parts = np.split(array, len(order))
    return np.concatenate([parts[k] for k in order])


def theirs(x, w, r, bias, peepholes, h, c):
    """h of all steps and the last c, by ONNX, in float32 or float64."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    kind = TensorProto.DOUBLE if x.dtype == np.float64 else TensorProto.FLOAT
    inputs = ["X", "W", "R", "B", "", "initial_h", "initial_c", "P"]
    outputs = ["Y", "Y_h", "Y_c"]
    node = helper.make_node("LSTM", inputs, outputs, hidden_size=h.shape[-1])
    graph = helper.make_graph(
        [node],
        "lstm",
        [helper.make_tensor_value_info(name, kind, None) for name in inputs if name],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
    )
    feeds = {
        "X": x,
        "W": blocks(w, (0, 3, 1, 2))[None],
        "R": blocks(r, (0, 3, 1, 2))[None],
        # ONNX has two biases and adds them
        "B": np.concatenate([blocks(bias, (0, 3, 1, 2)), np.zeros_like(bias)])[None],
        "P": blocks(peepholes, (0, 2, 1))[None],
        "initial_h": h[None],
        "initial_c": c[None],
    }
    every, _, last = ReferenceEvaluator(helper.make_model(graph)).run(None, feeds)
    return every[:, 0], last[0]


def ours(x, w, r, bias, peepholes, h, c):
    """The same by the library: one product for all inputs, then step by step."""
    steps, batch, inputs = x.shape
    units = h.shape[1]
    recurrent = cm.CUDAMatrix(r)
    gates = cm.dot(cm.CUDAMatrix(w), cm.CUDAMatrix(x.reshape(steps * batch, inputs).T))
    diag, b = cm.CUDAMatrix(peepholes[None]), cm.CUDAMatrix(bias[None])
    before, hidden = cm.CUDAMatrix(c.T), cm.CUDAMatrix(h.T)
    every = []
    for t in range(steps):
        z = gates.col_slice(t * batch, (t + 1) * batch).add_dot(recurrent, hidden)
        cell, hidden = cm.empty((units, batch)), cm.empty((units, batch))
        learn.lstm_fprop(z, before, diag, b, cell, hidden)
        every.append(hidden.asarray().T)
        before = cell
    return np.stack(every), before.asarray().T


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_forward_is_onnx_s(size):
    inputs, units, batch, steps = size
    rng = np.random.default_rng(units)
    real = cm.real_type()

    def values(*shape, scale=1.0):
        return rounded(scale * rng.standard_normal(shape)).astype(real)

    arguments = (
        values(steps, batch, inputs),
        values(4 * units, inputs, scale=inputs**-0.5),
        values(4 * units, units, scale=units**-0.5),
        values(4 * units),
        values(3 * units),
        values(batch, units),
        values(batch, units),
    )
    want_hidden, want_cell = theirs(*arguments)
    hidden, cell = ours(*arguments)
    # rounding errors of both, carried on through up to 9 steps
    tolerance = 200 * np.finfo(real).eps
    np.testing.assert_allclose(hidden, want_hidden, tolerance, tolerance)
    np.testing.assert_allclose(cell, want_cell, tolerance, tolerance)


def test_the_comparison_notices_a_wrong_peephole():
    """Each peephole matters: with two of them exchanged the results differ."""
    rng = np.random.default_rng(0)
    real = cm.real_type()
    shapes = [(3, 2, 4), (12, 4), (12, 3), (12,), (9,), (2, 3), (2, 3)]
    arguments = [rng.standard_normal(shape).astype(real) for shape in shapes]
    right, _ = ours(*arguments)
    for exchanged in ((1, 0, 2), (2, 1, 0), (0, 2, 1)):
        arguments[4] = blocks(arguments[4], exchanged)
        assert np.abs(ours(*arguments)[0] - right).max() > 1e-3
        arguments[4] = blocks(arguments[4], np.argsort(exchanged))
