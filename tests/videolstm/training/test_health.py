"""What stops a run because it is no finite number, and the norms in its log."""

import csv

import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import describe, make, random_frames
from tests.videolstm.training.test_loop import trainer_of
from videolstm.errors import UserError
from videolstm.models.checkpoint import Progress, load_checkpoint
from videolstm.models.composite import LSTMCombo
from videolstm.training.health import Health

LAST = "lstm_1_fut:b_output"


def stopped(trainer) -> str:
    with pytest.raises(UserError) as caught:
        trainer.run()
    return str(caught.value)


def param_of(trainer, name: str):
    return next(param for param in trainer.model.params if param.name == name)


# ---- what is said --------------------------------------------------------------------


def spoil_at(trainer, step: int, monkeypatch, spoil, after="bprop") -> None:
    """Calls `spoil` once this method of the model has run in that step."""
    method = getattr(trainer.model, after)

    def call(*args, **kwargs):
        method(*args, **kwargs)
        if trainer.step + 1 == step:
            spoil()

    monkeypatch.setattr(trainer.model, after, call)


def test_a_gradient(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, print_after=0, save_after=2)
    dw = param_of(trainer, "lstm_1_dec:w_diag").dw
    spoil_at(trainer, 3, monkeypatch, lambda: dw.write_value(0, 1, np.inf))
    weights = trainer.files.weights
    assert stopped(trainer) == (
        "infinity or NaN is in the gradient of lstm_1_dec:w_diag at step 3: training "
        f"has diverged, {weights} keeps an earlier step; a smaller epsilon or a "
        "gradient_clip would help, in model.pbtxt"
    )
    # it stopped there, though nothing was printed, and step 2 is what is kept
    assert trainer.step == 3 or (cm.load().kind == "cuda" and trainer.step > 3)
    again = trainer_of(tmp_path)
    assert load_checkpoint(weights, again.model.params).iteration == 2


def test_a_gradient_that_is_clipped(tmp_path, monkeypatch):
    # the weight stays finite, and the step is as wrong as without the clip
    trainer = trainer_of(tmp_path)
    param = param_of(trainer, LAST)
    param.config.gradient_clip = 0.01
    spoil_at(trainer, 2, monkeypatch, lambda: param.dw.assign(-np.inf))
    assert f"the gradient of {LAST} at step 2: " in stopped(trainer)
    assert param.w.allfinite()


def test_a_gradient_that_rms_prop_hides(tmp_path, monkeypatch):
    # d / r of NaN counts as 0, so that the weight would stay as it is for ever
    trainer = trainer_of(tmp_path)
    param = param_of(trainer, LAST)
    param.rms = cm.empty(param.shape).assign(1.0)
    spoil_at(trainer, 4, monkeypatch, lambda: param.dw.write_value(0, 0, np.nan))
    assert f"the gradient of {LAST} at step 4: " in stopped(trainer)
    assert param.w.allfinite()


def test_an_update_that_overflows(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, print_after=5)
    largest = float(np.finfo(cm.real_type()).max)
    params = [param_of(trainer, f"lstm_1_enc:{name}") for name in ("w_dense", "b")]
    for param in params:
        param.config.epsilon = largest

    def large():
        for param in params:
            param.dw.assign(-4.0)

    spoil_at(trainer, 1, monkeypatch, large)
    assert stopped(trainer).startswith(
        "infinity or NaN is in the weight lstm_1_enc:w_dense and 1 more after step 1: "
        "training has diverged; a smaller"  # no checkpoint yet
    )
    assert trainer.files.log.read_text().count("\n") == 1  # only the header


def test_a_weight_that_no_update_has_spoilt(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path)
    w = param_of(trainer, "lstm_1_enc:w_input").w
    spoil_at(
        trainer, 2, monkeypatch, lambda: w.write_value(3, 2, np.nan), after="update"
    )
    message = stopped(trainer)
    # the loss and every gradient of the step are NaN, and this is why
    found = "before step 3 infinity or NaN is in the weight lstm_1_enc:w_input: "
    assert message.startswith(found)


def test_a_loss(tmp_path, monkeypatch):
    # Frames that overflow when their error is squared: the loss is infinite, and the
    # weights have gradients that are not.
    trainer = trainer_of(tmp_path, print_after=4)
    largest = float(np.finfo(cm.real_type()).max)
    model = trainer.model
    spoil_at(
        trainer,
        3,
        monkeypatch,
        lambda: model.frames[5].write_value(0, 0, 1e-10 * largest),
        after="load",
    )
    message = stopped(trainer)
    assert message.startswith("the loss Fut is inf at step 3")
    assert trainer.step == 3 or (cm.load().kind == "cuda" and trainer.step > 3)


def test_a_loss_and_what_it_spoils(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path)
    frames = trainer.model.frames
    spoil_at(
        trainer,
        2,
        monkeypatch,
        lambda: frames[0].write_value(0, 0, np.nan),
        after="load",
    )
    message = stopped(trainer)
    start = "the loss Dec is nan at step 2, and so is the gradient of lstm_1_enc:w_"
    assert message.startswith(start) and " more: training" in message


def test_nothing_that_is_not_finite_is_saved(tmp_path):
    trainer = trainer_of(tmp_path, max_iters=2)
    trainer.run()
    before = trainer.files.weights.read_bytes()
    for kind in ("w", "history"):
        matrix = getattr(param_of(trainer, "lstm_1_dec:b"), kind)
        value = matrix.read_value(0, 2)
        matrix.write_value(0, 2, np.inf)  # nothing has noted this
        said = {"w": "weight", "history": "history of"}[kind]
        with pytest.raises(UserError, match=f"is in the {said} lstm_1_dec:b at step 2"):
            trainer.save()
        matrix.write_value(0, 2, value)
    assert trainer.files.weights.read_bytes() == before


def test_looking_does_not_wait_for_the_board(tmp_path, monkeypatch):
    """A step without a printed line calls nothing that waits."""
    trainer = trainer_of(tmp_path, max_iters=3, print_after=0)
    called = []
    for name in ("cm_synchronize", "cm_copy_out", "cm_count_nonfinite"):
        monkeypatch.setattr(
            cm.library.lib, name, lambda *_, name=name: called.append(name)
        )
    trainer.model.train_step(trainer.train_data.handler.frames)
    called.clear()  # the first step allocates
    trainer.health.begin(2)
    trainer.model.train_step(trainer.train_data.handler.frames)
    trainer.health.end()
    trainer.check_health()
    assert called == []


# ---- norms ---------------------------------------------------------------------------


def rows_of(trainer) -> list[dict[str, str]]:
    with trainer.files.log.open(newline="") as file:
        return list(csv.DictReader(file))


def test_norms_are_those_of_numpy(tmp_path):
    trainer = trainer_of(tmp_path, max_iters=4, print_after=2)
    trainer.run()
    first, row = rows_of(trainer)
    # the same four steps by hand
    config = describe(checkpoint_dir=str(tmp_path))
    model = make(config)
    frames = random_frames(model, 4)
    for _ in range(4):
        model.load(frames)
        model.fprop(train=True)
        model.add_losses(model.train_losses, derive=True)
        model.bprop()
        gradients = {p.name: p.dw.asarray().astype(float) for p in model.params}
        model.update()
    names = [f"{p.name}:{k}" for p in model.params for k in ("norm", "gradient_norm")]
    assert list(row) == ["iteration", "seconds", "dec", "fut", "vdec", "vfut", *names]
    for param in model.params:
        norm = np.sqrt((param.w.asarray().astype(float) ** 2).sum())
        slope = np.sqrt((gradients[param.name] ** 2).sum())
        # 7 digits are written; squares are rounded in the library's type
        assert float(row[f"{param.name}:norm"]) == pytest.approx(norm, rel=1e-6)
        found = float(row[f"{param.name}:gradient_norm"])
        assert found == pytest.approx(slope, rel=1e-6)
        assert first[f"{param.name}:norm"] != row[f"{param.name}:norm"]


def test_norms_of_a_step_that_another_run_reports(tmp_path):
    """A run that was stopped before it printed its last step leaves the norms of that
    step's gradients behind."""
    whole = trainer_of(tmp_path / "whole", max_iters=2)
    whole.run()
    first = trainer_of(tmp_path / "first", max_iters=2)
    for _ in range(2):
        first.health.begin(first.step + 1)
        first.train_step(first.train_data.handler.next_batch())
        first.step += 1
    norms = first.health.gradient_norms()
    progress = Progress(iteration=2, reported=False, gradient_norms=norms)
    progress.losses, progress.loss_cases = tuple(first.totals.read()), 8
    second = trainer_of(tmp_path / "second", max_iters=2, progress=progress)
    for mine, theirs in zip(second.model.params, first.model.params, strict=True):
        mine.w.overwrite(theirs.w.asarray())
    second.run()
    found, expected = rows_of(second)[-1], rows_of(whole)[-1]
    for column in second.health.columns:
        assert found[column] == expected[column]
    assert float(found[f"{LAST}:gradient_norm"]) > 0


def test_what_several_processes_have_seen():
    """Of the first step; a weight that any of them has noted, and the loss of one that
    has noted it."""
    model = make(describe())
    health = Health(model.params, model.train_losses, {0: "the loss", 1: "the other"})
    one, two = np.zeros((2, len(health.watch.read())))
    first = 3 * len(model.params)  # of the losses
    one[[1, 4]], two[[1, 7]] = 5, 5  # gradients of the weights 0, 1 and 2
    one[2] = 4  # the weight 0 after step 4
    names = [param.name for param in model.params]
    sums = np.array([1.0, 2.0]), np.array([np.inf, 3.0])
    assert health.complaint([(one * 0, sums[0])] * 2) is None
    said = health.complaint(list(zip((one, two), sums, strict=True)))
    assert said == f"infinity or NaN is in the weight {names[0]} after step 4"
    one[2] = 0
    said = health.complaint(list(zip((one, two), sums, strict=True)))
    found = f"the gradient of {names[0]} and 2 more"
    assert said == f"infinity or NaN is in {found} at step 5"
    two[first] = 5
    said = health.complaint(list(zip((one, two), sums, strict=True)))
    assert said == f"the loss is inf at step 5, and so is {found}"


def test_a_model_without_losses_to_watch():
    model = make(describe(future=0))
    assert isinstance(model, LSTMCombo)
    health = Health(model.params, model.train_losses, {})
    health.begin(1)
    model.train_step(random_frames(model, 2))
    health.end()
    assert health.fine and health.complaint() is None and health.unfit() is None
