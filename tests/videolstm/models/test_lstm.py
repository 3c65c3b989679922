"""LSTM layers and stacks against the equations written out in numpy, and against the
reference values of the release's classifier."""

import itertools

import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import (
    GOLDEN,
    difference,
    frames_of,
    gradients_of,
    read_h5,
    tolerance,
    weights_of,
)
from videolstm.config import messages, read_model
from videolstm.models.dropout import Dropout, draw_masks
from videolstm.models.lstm import LSTM, State
from videolstm.models.stack import LSTMStack

DIMS, OUTPUTS, BATCH = 5, 3, 4


# ---- the equations -------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(weights, x, hidden, cell, use_relu):
    """One step (the paper, section 2.1), a row per case; x None: no input."""
    w_ci, w_cf, w_co = np.split(weights["w_diag"][0], 3)
    z = hidden @ weights["w_dense"].T + weights["b"][0]
    if x is not None:
        z = z + x @ weights["w_input"].T
    zi, zf, za, zo = np.split(z, 4, axis=1)
    i = sigmoid(zi + w_ci * cell)
    f = sigmoid(zf + w_cf * cell)
    a = np.maximum(za, 0) if use_relu else np.tanh(za)
    cell = f * cell + i * a
    o = sigmoid(zo + w_co * cell)
    return o * (cell if use_relu else np.tanh(cell)), cell


def unrolled(layers, xs, states, copy_state, use_relu):
    """Runs all steps of all layers: xs one input or None a step, states (hidden, cell)
    a layer. Returns the top's hidden states (steps, batch, n) and the last states."""
    states, tops = list(states), []
    for t, x in enumerate(xs):
        for k, weights in enumerate(layers):
            if not (copy_state and t == 0):
                states[k] = step(weights, x, *states[k], use_relu)
            x = states[k][0]
        tops.append(x)
    return np.array(tops), states


# ---- what is tested ------------------------------------------------------------------


def describe(units, has_output=True, use_relu=False, dropprob=(0.0, 0.0)):
    """Layers of the given units; the first reads DIMS numbers."""
    types = messages()
    layers = []
    for k, num_hid in enumerate(units):
        layer = types.LSTM(name=f"lstm_{k + 1}", num_hid=num_hid, use_relu=use_relu)
        layer.has_input = True
        layer.input_dims = units[k - 1] if k else DIMS
        layer.has_output = has_output and k + 1 == len(units)
        layer.output_dims = OUTPUTS if layer.has_output else 0
        layer.input_dropprob, layer.output_dropprob = dropprob
        for weight in ("w_dense", "w_diag", "b", "w_input", "w_output", "b_output"):
            getattr(layer, weight).init_type = types.Param.UNIFORM
            getattr(layer, weight).scale = 0.5
        layers.append(layer)
    return layers


def make(units, steps, seed=1, **options):
    cm.CUDAMatrix.init_random(seed)
    return LSTMStack(describe(units, **options), steps)


def layer_weights(stack):
    """The weights of each layer, float64."""
    return [
        {name: param.w.asarray().astype(float) for name, param in layer.params.items()}
        for layer in stack.layers
    ]


def random_inputs(steps, batch, seed=2):
    shape = (steps, batch, DIMS)
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def random_states(units, batch, seed=3):
    """(hidden, cell) of each layer; cells not negative, as after use_relu."""
    rng = np.random.RandomState(seed)
    shapes = [(batch, n) for n in units]
    return [
        (rng.rand(*s).astype(np.float32), rng.rand(*s).astype(np.float32))
        for s in shapes
    ]


def zero_states(units, batch):
    return [(np.zeros((batch, n)), np.zeros((batch, n))) for n in units]


def on_board(array):
    """(steps, batch, dims) or (batch, dims) with a column per case."""
    return cm.CUDAMatrix(array.reshape(-1, array.shape[-1]).T)


def run(stack, inputs, states, copy_state, fed_from, stepwise, train=False):
    """Forward; fed_from: first step with an input. Returns outputs (steps, batch,
    OUTPUTS) without bias, and the last states as rows."""
    steps, batch = inputs.shape[:2]
    given = [State(on_board(h), on_board(c)) for h, c in states] if states else None
    if train:
        draw_masks(stack.dropouts, batch)
    stack.begin(batch, given, copy_state, train)
    if stepwise:
        for t in range(steps):
            stack.fprop_step(t, on_board(inputs[t]) if t >= fed_from else None)
    elif fed_from < steps:
        stack.fprop(on_board(inputs[fed_from:]), fed_from)
    else:
        stack.fprop(None)
    last = [(s.hidden.asarray().T, s.cell.asarray().T) for s in stack.states()]
    return stack.outputs.asarray(), last


def expected_run(stack, inputs, states, copy_state, fed_from):
    """The same in numpy."""
    layers = layer_weights(stack)
    units = [layer.num_hid for layer in stack.layers]
    use_relu = stack.top.config.use_relu
    xs = [x.astype(float) if t >= fed_from else None for t, x in enumerate(inputs)]
    states = states or zero_states(units, inputs.shape[1])
    tops, last = unrolled(layers, xs, states, copy_state, use_relu)
    return tops @ layers[-1]["w_output"].T, last


def assert_run(actual, expected):
    assert difference(actual[0], expected[0]) <= tolerance()
    for have, want in zip(actual[1], expected[1], strict=True):
        assert difference(have[0], want[0]) <= tolerance()
        assert difference(have[1], want[1]) <= tolerance()


# ---- forward -------------------------------------------------------------------------

# Units, whether there are states to start from, whether step 0 is their copy, and the
# first step that has an input.
FORWARD = [
    (units, *start, fed_from)
    for units, start, fed_from in itertools.product(
        [(4,), (4, 6), (3, 4, 5), (65,)],  # 65: large enough to be packed
        [(False, False), (True, False), (True, True)],
        [0, 1, 4],
    )
    if not (start[1] and fed_from == 0)  # a copied step has no input
]


@pytest.mark.parametrize("stepwise", [False, True], ids=["at once", "by steps"])
@pytest.mark.parametrize("use_relu", [False, True], ids=["tanh", "relu"])
@pytest.mark.parametrize(("units", "started", "copied", "fed_from"), FORWARD)
def test_forward(units, started, copied, fed_from, use_relu, stepwise):
    stack = make(units, 4, use_relu=use_relu)
    inputs = random_inputs(4, BATCH)
    states = random_states(units, BATCH) if started else None
    actual = run(stack, inputs, states, copied, fed_from, stepwise)
    assert_run(actual, expected_run(stack, inputs, states, copied, fed_from))


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("stepwise", [False, True])
def test_one_step(copied, stepwise):
    stack = make((4, 3), 1)
    inputs, states = random_inputs(1, BATCH), random_states((4, 3), BATCH)
    actual = run(stack, inputs, states, copied, 1, stepwise)
    assert_run(actual, expected_run(stack, inputs, states, copied, 1))


def test_weights_are_named_as_in_checkpoints():
    layer = LSTM(describe((4,))[0], steps=2)
    shapes = {param.name: param.shape for param in layer.params.values()}
    assert shapes == {
        "lstm_1:w_dense": (16, 4),
        "lstm_1:w_diag": (1, 12),
        "lstm_1:b": (1, 16),
        "lstm_1:w_input": (16, DIMS),
        "lstm_1:w_output": (OUTPUTS, 4),
        "lstm_1:b_output": (1, OUTPUTS),
    }
    assert layer.w_dense is layer.params["w_dense"].w
    with pytest.raises(AttributeError, match="w_nothing"):
        layer.w_nothing  # noqa: B018


# ---- batches of changing size --------------------------------------------------------


@pytest.fixture
def undefined_memory(monkeypatch):
    """New matrices, and whatever a change of the batch leaves undefined, are NaN, so
    that a value read before it is written shows."""
    empty = cm.empty
    monkeypatch.setattr(cm, "empty", lambda shape: empty(shape).assign(float("nan")))
    from videolstm.models.sequence import Sequence

    resize = Sequence.resize

    def resize_and_spoil(self, batch):
        changed = batch != self.batch
        resize(self, batch)
        if changed:
            self._memory.assign(float("nan"))

    monkeypatch.setattr(Sequence, "resize", resize_and_spoil)


def gradients(stack, inputs, states, copied, fed_from, seed=5):
    """Forward, and back from random derivatives of outputs and last states."""
    run(stack, inputs, states, copied, fed_from, False, train=True)
    batch, rng = inputs.shape[1], np.random.RandomState(seed)
    derivs = rng.randn(stack.steps, batch, OUTPUTS)
    stack.outputs.all.overwrite(derivs.reshape(-1, OUTPUTS).T)
    units = [layer.num_hid for layer in stack.layers]
    for param in stack.params:  # every gradient must be written, zeros too
        param.dw.assign(float("nan"))
    back = stack.bprop(
        [
            State(on_board(rng.randn(batch, n)), on_board(rng.randn(batch, n)))
            for n in units
        ]
    )
    result = gradients_of(stack)
    for k, state in enumerate(back):
        if state is not None:
            result[f"hidden {k}"] = state.hidden.asarray().copy()
            result[f"cell {k}"] = state.cell.asarray().copy()
    return result


@pytest.mark.parametrize(
    ("started", "copied", "fed_from"),
    [(False, False, 0), (True, False, 1), (True, True, 1), (True, False, 3)],
)
@pytest.mark.usefixtures("undefined_memory")
def test_batches_up_and_down(started, copied, fed_from):
    units = (4, 6)
    stack = make(units, 3)
    for batch in (4, 2, 6, 1, 5, 6):
        inputs = random_inputs(3, batch, seed=batch)
        states = random_states(units, batch, seed=batch) if started else None
        call = (inputs, states, copied, fed_from)
        for stepwise in (False, True):
            assert_run(run(stack, *call, stepwise), expected_run(stack, *call))
        # a stack that has never seen another batch
        fresh = gradients(make(units, 3), *call)
        for name, gradient in gradients(stack, *call).items():
            assert np.isfinite(gradient).all(), name
            np.testing.assert_array_equal(gradient, fresh[name], err_msg=name)


# ---- dropout -------------------------------------------------------------------------


def test_drawn_masks():
    cm.CUDAMatrix.init_random(1)
    dropout = Dropout(0.25, dim=50, steps=4)
    dropout.draw(100)
    first = dropout.mask.asarray().copy()
    assert set(np.unique(first)) == {0.0, first.max()}
    assert difference(first.max(), 1 / 0.75) <= tolerance()
    # 20000 draws: a standard deviation of 0.003, so five of them
    assert abs((first == 0).mean() - 0.25) < 0.015
    dropout.draw(100)
    assert (dropout.mask.asarray() != first).any()


def test_no_dropout_in_testing():
    inputs = random_inputs(3, BATCH)
    results = []
    for dropprob in ((0.0, 0.0), (0.5, 0.5)):
        stack = make((4, 3), 3, dropprob=dropprob)
        results.append(run(stack, inputs, None, False, 0, False)[0].copy())
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("place", ["input", "output"])
def test_masks_act_where_they_should(place):
    """The input's mask multiplies what the layer reads; the output's only what w_output
    reads, not the state that goes on to the next step."""
    dropprob = (0.25, 0.0) if place == "input" else (0.0, 0.25)
    stack = make((4,), 3, dropprob=dropprob)
    inputs = random_inputs(3, BATCH)
    dropout = getattr(stack.top, f"{place}_dropout")
    rng = np.random.RandomState(6)
    mask = rng.rand(3, BATCH, dropout.mask.rows) > 0.5
    dropout.given = mask
    actual = run(stack, inputs, None, False, 0, False, train=True)
    weights = layer_weights(stack)
    seen = inputs.astype(float)
    if place == "input":
        seen = seen * mask / 0.75
    tops, last = unrolled(weights, seen, zero_states((4,), BATCH), False, False)
    if place == "output":
        tops = tops * mask / 0.75
    assert_run(actual, (tops @ weights[0]["w_output"].T, last))


# ---- the release's classifier --------------------------------------------------------


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("phase", ["test", "train"])
@pytest.mark.parametrize("name", ["1layer", "2layer", "dropout"])
def test_golden_classifier(name, phase):
    """Outputs at each step, the last states and all gradients of a stack whose every
    step has an input and an output, with the release's dropout masks."""
    path = GOLDEN / "cases" / f"classifier_{name}"
    arrays, attributes = read_h5(path.with_suffix(".h5"))
    steps, batch = int(attributes["seq_length"]), int(attributes["batch_size"])
    config = read_model(path.with_suffix(".model.pbtxt"))
    stack = LSTMStack(config.lstm, steps)
    assert set(weights_of(stack)) == set(attributes["param_names"])
    for param in stack.params:
        param.w.overwrite(arrays[f"init/{param.name}"])
    for layer in stack.layers:
        for place in ("input", "output"):
            if dropout := getattr(layer, f"{place}_dropout"):
                dropout.given = arrays[f"masks/step1/{layer.name}/{place}"]
    train = phase == "train"
    inputs = frames_of(arrays["input/v"], steps)
    outputs, last = run(stack, inputs, None, False, 0, False, train)
    bias = stack.top.b_output.asarray()
    rows = softmax(outputs + bias).transpose(1, 0, 2).reshape(batch, -1)
    assert difference(rows, arrays[f"expect/{phase}/o"]) <= tolerance()
    if not train:
        return
    for layer, (hidden, cell) in zip(stack.layers, last, strict=True):
        gates = layer.gates[steps - 1].asarray().T
        state = np.concatenate([hidden, cell, gates], axis=1)
        want = arrays[f"expect/train/state/{layer.name}"]
        assert difference(state, want) <= tolerance()
    stack.outputs.load(frames_of(arrays["expect/train/o_deriv"], steps))
    stack.bprop()
    for gradient, value in gradients_of(stack).items():
        assert difference(value, arrays[f"expect/grad/{gradient}"]) <= tolerance()
