"""The gradient checker: it passes what is right, finds what is wrong, and says what it
cannot tell.

Whether the models' gradients are right is tested by other differences, written
elsewhere (models/test_gradients.py); here faults are put in, and the checker has to
find them.
"""

import random

import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import (
    describe,
    describe_classifier,
    describe_logreg,
    make,
    random_frames,
)
from videolstm.data import Batch
from videolstm.models.classifier import make_classifier
from videolstm.models.dropout import Dropout
from videolstm.models.lstm import LSTM
from videolstm.training.gradient_check import (
    Row,
    TrainingLoss,
    check_gradients,
    choose,
    limits,
)
from videolstm.training.gradient_table import notes, summary, table

ENTRIES = 6
CONDITIONAL = {"dec_conditional": True, "future_conditional": True}
COPIES = {"decoder_copy_init_state": True, "future_copy_init_state": True}

double = pytest.mark.skipif(
    cm.real_type() != np.float64, reason="only double precision tells small faults"
)


def composite(**options):
    """A small composite model and a batch for it."""
    model = make(describe(**options))
    frames = random_frames(model, 3)
    return model, Batch(frames, None, np.arange(3))


def classifier(describe=describe_classifier, **options):
    cm.CUDAMatrix.init_random(1)
    model = make_classifier(describe(**options), "model.pbtxt", 4)
    frames = np.random.RandomState(2).rand(4, 3, 5).astype(np.float32)
    return model, Batch(frames, np.array([0, 2, 1]), np.arange(3))


MODELS = {
    "real": lambda: composite(),
    "binary": lambda: composite(binary_data=True, **CONDITIONAL),
    "copies": lambda: composite(**COPIES, **CONDITIONAL),
    "two layers": lambda: composite(units=(4, 3), **CONDITIONAL),
    "dropout": lambda: composite(dropprob=(0.3, 0.4), units=(4, 3), **CONDITIONAL),
    "relu": lambda: composite(use_relu=True, **CONDITIONAL),
    "autoencoder": lambda: composite(future=0),
    "classifier": lambda: classifier(units=(4, 3), dropprob=(0.3, 0.4)),
    "logistic regression": lambda: classifier(describe_logreg, dropprob=0.2),
}


def checked(model, batch) -> dict[str, Row]:
    return {row.name: row for row in check_gradients(model, batch, ENTRIES)}


@double
@pytest.mark.parametrize("name", MODELS)
def test_what_is_right_passes(name):
    model, batch = MODELS[name]()
    before = {p.name: p.w.asarray().tobytes() for p in model.params}
    cm.CUDAMatrix.init_random(8)
    rows = checked(model, batch)
    assert {row.verdict for row in rows.values()} == {"pass"}, table(rows.values())
    assert list(rows) == [p.name for p in model.params]
    for param in model.params:
        assert len(rows[param.name].entries) == min(ENTRIES, np.prod(param.shape))
    # nothing has moved
    assert {p.name: p.w.asarray().tobytes() for p in model.params} == before
    assert (cm.random_state.seed, cm.random_state.offset) == (8, 0)


# ---- faults --------------------------------------------------------------------------


def scaled(weight: str, factor: float):
    """A fault: one gradient of each layer is off by a factor."""

    def spoil(monkeypatch) -> None:
        right = LSTM._weight_gradients

        def wrong(self) -> None:
            right(self)
            self.params[weight].dw.mult(factor)

        monkeypatch.setattr(LSTM, "_weight_gradients", wrong)

    return spoil


def forgets_a_step(monkeypatch) -> None:
    """A fault: the derivative does not go back beyond the last step but one."""
    right = LSTM._recurrent_deriv

    def wrong(self, t, target, beta) -> None:
        if t != 1:
            right(self, t, target, beta)

    monkeypatch.setattr(LSTM, "_recurrent_deriv", wrong)


def forgets_dropout(monkeypatch) -> None:
    """A fault: the derivative goes through what was dropped."""
    monkeypatch.setattr(Dropout, "derive", lambda *_: None)


# fault: the model, and the weights in whose rows it must show
FAULTS = {
    "w_diag 0.1% too large": (scaled("w_diag", 1.001), "real", [":w_diag"]),
    "b of the wrong sign": (scaled("b", -1.0), "real", [":b"]),
    "w_dense is 0": (scaled("w_dense", 0.0), "copies", [":w_dense"]),
    "w_input doubled": (scaled("w_input", 2.0), "two layers", [":w_input"]),
    "a step is forgotten": (forgets_a_step, "autoencoder", ["enc:w_input", "dec:b"]),
    "dropout is forgotten": (forgets_dropout, "dropout", ["1_dec:b", "2_dec:b"]),
    "classifier": (scaled("w_dense", 1.01), "classifier", [":w_dense"]),
}


@double
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, monkeypatch):
    spoil, kind, shows = FAULTS[name]
    model, batch = MODELS[kind]()
    spoil(monkeypatch)
    rows = checked(model, batch)
    failed = {row.name for row in rows.values() if row.verdict == "FAIL"}
    for weight in shows:
        named = {row for row in rows if row.endswith(weight)}
        assert named and named <= failed, table(rows.values())
    # and it is told apart from the weights that are right
    if len(shows) == 1:
        assert failed == named


@double
def test_the_release_fails_at_the_encoder_and_says_why():
    model, batch = composite(reproduce_2016_release=True, **CONDITIONAL)
    rows = checked(model, batch)
    failed = {row.name for row in rows.values() if row.verdict == "FAIL"}
    encoder = {p.name for layer in model.encoder.layers for p in layer.params.values()}
    assert failed == encoder
    (note,) = notes(model, list(rows.values()))
    assert "decoder and future predictor" in note and "expected to fail" in note
    # with one decoder there is nothing to overwrite
    model, batch = composite(reproduce_2016_release=True, future=0)
    assert {row.verdict for row in checked(model, batch).values()} == {"pass"}


@double
def test_the_release_s_use_relu_is_said_too():
    # Only a cell below 0 shows it, which a decoder has from a tanh encoder.
    config = describe(reproduce_2016_release=True, future=0, use_relu=True)
    config.lstm[0].use_relu = False
    model = make(config)
    batch = Batch(random_frames(model, 3), None, np.arange(3))
    rows = list(checked(model, batch).values())
    assert "FAIL" in {row.verdict for row in rows}
    (note,) = notes(model, rows)
    assert "derives use_relu" in note


# ---- what cannot be told -------------------------------------------------------------


@double
def test_a_kink_is_no_failure_and_no_pass():
    # relu(z) of z = 0 everywhere: the bias of the output sits at the bend
    model, batch = composite(relu_data=True)
    for decoder in model.decoders:
        top = decoder.stack.top
        top.w_output.assign(0.0)
        top.b_output.assign(0.0)
    rows = checked(model, batch)
    for name in ("lstm_1_dec:b_output", "lstm_1_fut:b_output"):
        row = rows[name]
        assert row.verdict == "unclear"
        assert row.count("kink") == len(row.entries)
        assert "at a kink" in table([row])[1]
    said = notes(model, list(rows.values()))
    assert len(said) == 2 and "unclear" in said[0] and "two slopes" in said[1]


@double
def test_a_wrong_gradient_at_a_kink_fails(monkeypatch):
    model, batch = composite(relu_data=True, future=0)
    top = model.decoder.stack.top
    top.w_output.assign(0.0)
    top.b_output.assign(0.0)
    right = LSTM.output_bprop

    def wrong(self, deriv):
        right(self, deriv)
        self.params["b_output"].dw.add(1e3)  # above both slopes

    monkeypatch.setattr(LSTM, "output_bprop", wrong)
    assert checked(model, batch)["lstm_1_dec:b_output"].verdict == "FAIL"


def test_too_small_to_tell():
    # nothing comes out of the decoder, but for 1e-12 of it
    model, batch = composite(future=0)
    model.decoder.stack.top.w_output.assign(1e-12)
    row = checked(model, batch)["lstm_1_enc:w_dense"]
    assert row.verdict == "unclear" and row.count("small") == len(row.entries)
    assert "too small for this precision" in table([row])[1]


def test_a_weight_that_nothing_depends_on_passes():
    model, batch = composite(future=0)
    model.decoder.stack.top.w_output.assign(0.0)
    row = checked(model, batch)["lstm_1_enc:w_dense"]
    assert row.verdict == "pass" and row.worst.error == 0


def test_gross_faults_show_in_any_precision(monkeypatch):
    model, batch = composite(future=0)
    scaled("b", -1.0)(monkeypatch)
    rows = checked(model, batch)
    assert rows["lstm_1_dec:b"].verdict == "FAIL"
    assert rows["lstm_1_dec:b_output"].verdict == "pass"


def test_a_loss_that_is_not_finite_fails():
    model, batch = composite(future=0)
    model.params[0].w.assign(np.nan)
    rows = checked(model, batch)
    assert {row.verdict for row in rows.values()} == {"FAIL"}
    assert "nan" in table(rows.values())[1]


# ---- parts ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, CONDITIONAL, COPIES, {"units": (4, 3)}])
def test_the_loss_of_a_part_moves_as_the_whole_does(options):
    """What is computed again for a decoder's weight is all that depends on it."""
    model, batch = composite(**options)
    loss = TrainingLoss(model, batch)
    scale = loss.value()
    for param in model.params:
        part = loss.part_of(param)
        assert (part is None) == ("_enc:" in param.name)
        starts = loss.value(), loss.value(part)
        param.w.write_value(0, 0, param.w.read_value(0, 0) + 0.5)
        ends = loss.value(part), loss.value()
        # rounding of two sums
        limit = 50 * np.finfo(cm.real_type()).eps * scale
        assert abs((ends[0] - starts[1]) - (ends[1] - starts[0])) <= limit


def test_half_of_the_entries_have_large_gradients():
    gradient = np.zeros((40, 50))
    gradient[::4] = 1e-3
    gradient[:, 3] = [5.0, -5.0] * 20
    places = choose(gradient, 10, random.Random(1))
    assert len(set(places)) == 10
    # by chance, of 50 columns, and of 640 that are drawn some 13
    assert sum(column == 3 for _, column in places[:5]) <= 2
    assert all(column == 3 for _, column in places[5:])
    # small weights: all of them, once
    assert sorted(choose(gradient[:2, :3], 10, random.Random(1))) == [
        (row, column) for row in range(2) for column in range(3)
    ]


def test_summary_and_table(monkeypatch):
    model, batch = composite(future=0)
    scaled("b", -1.0)(monkeypatch)
    rows = check_gradients(model, batch, ENTRIES)
    lines = table(rows)
    assert lines[0].split() == "weight entries compared largest error result".split()
    (wrong,) = [line for line in lines if line.startswith("lstm_1_dec:b ")]
    worst = next(row for row in rows if row.name == "lstm_1_dec:b").worst
    assert f" differ, such as [{worst.row}, {worst.column}]: gradient " in wrong
    # of the wrong sign, and so twice as far off as it is large
    assert worst.error == pytest.approx(2, rel=0.01)
    passed = sum(row.verdict == "pass" for row in rows)
    assert summary(rows).startswith(f"{passed} of {len(rows)} weights pass: ")
    assert f"{limits().tolerance:g} are allowed" in summary(rows)
