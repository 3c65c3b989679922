"""The LSTM step against plain numpy.

Backward it is compared with numerical derivatives of the plain forward pass, by complex
steps (exact to rounding), and, in double precision, with central differences of the
library's own forward pass.
"""

import numpy as np
import pytest

import cudamat as cm
from cudamat import learn
from tests.cudamat.framed import Framed, assert_close, rounded

# units, batch; the last has enough elements for several threads
SIZES = {
    "one": (1, 1),
    "odd": (3, 5),
    "no cases": (3, 0),
    "wide": (2, 9),
    "large": (70, 240),
}
ACTIVATIONS = {
    "tanh": learn.TANH,
    "relu": learn.RELU,
    "relu of 2016": learn.RELU_OF_2016,
}


# ----------------------------------------------------------------------- plain numpy


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def relu(x):
    return np.where(x.real > 0, x, 0)


def squashed_cell(c, o, activation):
    if activation == learn.TANH:
        return o * np.tanh(c)
    if activation == learn.RELU:
        return o * c
    # The release's derivative is that of o relu(c) where o c is computed: the value and
    # the derivative w.r.t. o are of the latter.
    return o * c.real + 1j * o.real * relu(c).imag


def forward(z, before, diag, bias, activation):
    """Gates (4, n, B), cell and hidden (n, B) of z (4n, B), c' (n, B), diag (1, 3n),
    bias (1, 4n), by the paper's equations."""
    n = before.shape[0]
    zi, zf, za, zo = z.reshape(4, n, -1)
    wi, wf, wo = diag.reshape(3, n, 1)
    bi, bf, ba, bo = bias.reshape(4, n, 1)
    i = sigmoid(zi + wi * before + bi)
    f = sigmoid(zf + wf * before + bf)
    a = (np.tanh if activation == learn.TANH else relu)(za + ba)
    c = f * before + i * a
    o = sigmoid(zo + wo * c + bo)
    return np.stack([i, f, a, o]), c, squashed_cell(c, o, activation)


def derivatives(z, before, diag, bias, activation, dc, dh):
    """d loss / d z and d loss / d c' for a loss with the derivatives dh w.r.t. h and dc
    w.r.t. c. Units and cases do not mix: one complex step derives by all elements."""
    step = 1e-40

    def loss(z, before):
        _, c, h = forward(z, before, diag, bias, activation)
        return (dh * h + dc * c).imag / step

    n = before.shape[0]
    dz = np.zeros_like(z)
    for gate in range(4):
        rows = slice(gate * n, (gate + 1) * n)
        stepped = z.astype(complex)
        stepped[rows] += 1j * step
        dz[rows] = loss(stepped, before.astype(complex))
    return dz, loss(z.astype(complex), before + 1j * step)


# ----------------------------------------------------------------------- data


class Step:
    """Random values of one step, exact in the real type, and their matrices."""

    def __init__(self, size, seed=0, scale=1.0):
        n, batch = SIZES[size]
        rng = np.random.default_rng(seed)
        shapes = {
            "z": (4 * n, batch),
            "before": (n, batch),
            "diag": (1, 3 * n),
            "bias": (1, 4 * n),
            "dh": (n, batch),
            "dc": (n, batch),
        }
        values = {k: rounded(scale * rng.standard_normal(s)) for k, s in shapes.items()}
        self.values = values
        self.frames = {name: Framed(value) for name, value in values.items()}
        blank = np.full((n, batch), np.nan)
        self.frames |= {"cell": Framed(blank), "hidden": Framed(blank)}

    def matrix(self, name):
        return self.frames[name].matrix

    def fprop(self, activation):
        names = ("z", "before", "diag", "bias", "cell", "hidden")
        learn.lstm_fprop(*map(self.matrix, names), activation)

    def bprop(self, activation):
        names = ("z", "before", "cell", "diag", "dh", "dc")
        learn.lstm_bprop(*map(self.matrix, names), activation)

    def check_frames(self, untouched):
        for name, frame in self.frames.items():
            frame.check_marks()
            if name in untouched:
                frame.check_untouched()


# ----------------------------------------------------------------------- forward


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("size", SIZES)
def test_forward(size, activation):
    step = Step(size)
    step.fprop(ACTIVATIONS[activation])
    v = step.values
    inputs = (v["z"], v["before"], v["diag"], v["bias"])
    gates, cell, hidden = forward(*inputs, ACTIVATIONS[activation])
    got = step.frames["z"].values().reshape(gates.shape)
    # some ten roundings of values of the size of the terms that are added
    assert_close(got, gates, 16, 1 + np.abs(gates), "gates")
    assert_close(step.frames["cell"].values(), cell, 16, 1 + np.abs(cell), "cell")
    assert_close(step.frames["hidden"].values(), hidden.real, 16, 1 + np.abs(cell))
    step.check_frames(untouched=("before", "diag", "bias", "dh", "dc"))


def test_forward_of_extreme_values():
    """Saturated gates are 0 and 1, not NaN."""
    n = 1
    z = cm.CUDAMatrix([[1e4, -1e4], [-1e4, 1e4], [1e4, -1e4], [1e4, 1e4]])
    before = cm.CUDAMatrix([[3.0, 5.0]])
    cell, hidden = cm.empty((n, 2)), cm.empty((n, 2))
    learn.lstm_fprop(z, before, cm.zeros((1, 3)), cm.zeros((1, 4)), cell, hidden)
    assert z.asarray().tolist() == [[1, 0], [0, 1], [1, -1], [1, 1]]
    assert cell.asarray().tolist() == [[1, 5]]
    np.testing.assert_allclose(hidden.asarray(), np.tanh([[1, 5]]), 1e-6)


# ----------------------------------------------------------------------- backward


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("size", SIZES)
def test_backward(size, activation):
    activation = ACTIVATIONS[activation]
    step = Step(size)
    step.fprop(activation)
    cell = step.frames["cell"].values()
    step.bprop(activation)
    v = step.values
    inputs = (v["z"], v["before"], v["diag"], v["bias"])
    dz, d_before = derivatives(*inputs, activation, v["dc"], v["dh"])
    # The gates' rounding errors, magnified by the factors that they meet: of the size
    # of the derivatives that come in, the cells and the weights.
    size = (1 + np.abs(v["dc"]) + np.abs(v["dh"])) * (1 + np.abs(v["before"])) ** 2
    size *= (1 + np.abs(cell)) * (1 + np.abs(v["diag"]).max(initial=0)) ** 2
    assert_close(step.frames["z"].values(), dz, 16, np.tile(size, (4, 1)), "dz")
    assert_close(step.frames["dc"].values(), d_before, 16, size, "dc'")
    step.check_frames(untouched=("before", "diag", "bias", "dh"))


@pytest.mark.skipif(
    cm.real_type() != np.float64, reason="differences of floats are too coarse"
)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("changed", ["z", "before", "diag", "bias"])
def test_central_differences(changed, activation):
    """The library's backward pass derives the library's forward pass."""
    activation = ACTIVATIONS[activation]
    step = Step("odd", seed=3)
    step.fprop(activation)
    cell = cm.CUDAMatrix(step.frames["cell"].values())
    step.bprop(activation)
    gradient = {"z": step.frames["z"].values(), "before": step.frames["dc"].values()}
    target = cm.empty((1, 9))
    learn.lstm_diag_grad(step.matrix("z"), step.matrix("before"), cell, target)
    gradient["diag"] = target.asarray()
    gradient["bias"] = gradient["z"].sum(axis=1)[None, :]

    def loss(values):
        moved = Step("odd", seed=3)
        moved.matrix(changed).overwrite(values)
        moved.fprop(activation)
        hidden, cell = moved.frames["hidden"].values(), moved.frames["cell"].values()
        return (step.values["dh"] * hidden + step.values["dc"] * cell).sum()

    here = step.values[changed]
    epsilon = 1e-5
    for place in np.ndindex(*here.shape):
        up, down = here.copy(), here.copy()
        up[place] += epsilon
        down[place] -= epsilon
        slope = (loss(up) - loss(down)) / (2 * epsilon)
        # differences: epsilon^2 of curvature and 1e-15 / epsilon of rounding
        assert abs(slope - gradient[changed][place]) < 2e-9, place


@pytest.mark.parametrize("columns", [0, 1, 5, 300])
@pytest.mark.parametrize("n", [1, 3, 130])
def test_peephole_gradient(n, columns):
    """Sums over all time steps and cases at once."""
    rng = np.random.default_rng(n)
    deriv = rounded(rng.standard_normal((4 * n, columns)))
    before, cell = rounded(rng.standard_normal((2, n, columns)))
    target = Framed(np.full((1, 3 * n), np.nan))
    frames = [Framed(value) for value in (deriv, before, cell)]
    learn.lstm_diag_grad(*(frame.matrix for frame in frames), target.matrix)
    di, df, _, do = deriv.reshape(4, n, columns)
    terms = np.concatenate([di * before, df * before, do * cell])
    want, scale = terms.sum(axis=1)[None, :], np.abs(terms).sum(axis=1)[None, :]
    assert_close(target.values(), want, 16, scale)  # 300 terms, errors of either sign
    target.check_marks()
    for frame in frames:
        frame.check_untouched()


# ----------------------------------------------------------------------- errors


def step_matrices():
    shapes = [(8, 3), (2, 3), (1, 6), (1, 8), (2, 3), (2, 3)]
    return [cm.zeros(shape) for shape in shapes]


ROLES = ["the gates", "the cell before", "the peephole weights", "the bias", "the cell"]


@pytest.mark.parametrize("which", range(6))
def test_wrong_shapes(which):
    role = [*ROLES, "the hidden state"][which]
    for shape in ((7, 3), (2, 4), (0, 0)):
        matrices = step_matrices()
        matrices[which] = cm.zeros(shape)
        with pytest.raises(cm.CUDAMatException, match="lstm_fprop: ") as error:
            learn.lstm_fprop(*matrices)
        if which > 0:
            assert f"{role} has shape ({shape[0]}, {shape[1]}), but" in str(error.value)


@pytest.mark.parametrize("which", range(6))
def test_missing_and_freed(which):
    matrices = step_matrices()
    matrices[which].free_device_memory()
    with pytest.raises(cm.CUDAMatException, match=r"was it freed\?"):
        learn.lstm_fprop(*matrices)
    matrices[which] = None
    with pytest.raises(cm.CUDAMatException, match="is missing"):
        learn.lstm_fprop(*matrices)


def test_gates_that_are_not_four():
    matrices = step_matrices()
    matrices[0] = cm.zeros((9, 3))
    with pytest.raises(cm.CUDAMatException, match="9 rows, which is not four times"):
        learn.lstm_fprop(*matrices)


def test_transposed_and_overlapping():
    for which, role in ((0, "the gates"), (1, "the cell before"), (4, "the cell")):
        matrices = step_matrices()
        matrices[which] = cm.zeros(matrices[which].shape[::-1]).T
        with pytest.raises(cm.CUDAMatException, match=f"{role} is a transposed view"):
            learn.lstm_fprop(*matrices)
    for one, other in ((1, 4), (4, 5), (1, 5)):
        matrices = step_matrices()
        matrices[one] = matrices[other]
        with pytest.raises(cm.CUDAMatException, match="the target overlaps"):
            learn.lstm_fprop(*matrices)


@pytest.mark.parametrize("activation", [-1, 3])
def test_unknown_activation(activation):
    with pytest.raises(cm.CUDAMatException, match=f"{activation} is no activation"):
        learn.lstm_fprop(*step_matrices(), activation)
    gates, before, diag, _, cell, hidden = step_matrices()
    with pytest.raises(cm.CUDAMatException, match=f"{activation} is no activation"):
        learn.lstm_bprop(
            gates, before, cell, diag, hidden, cm.zeros((2, 3)), activation
        )
