"""The training loop: when it prints, validates, draws and saves, and what it prints."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import describe, make, random_frames
from videolstm.data.handler import Batch
from videolstm.errors import UserError
from videolstm.models.checkpoint import Progress
from videolstm.models.composite import LSTMCombo
from videolstm.training import composite, loop
from videolstm.training.composite import Trainer
from videolstm.training.loop import Log
from videolstm.training.run_files import RunFiles


class Clips:
    """A data set in memory: the same batch over and over, epochs in batches of 2."""

    frame_shape = None
    endless = False

    def __init__(self, frames: np.ndarray) -> None:
        self.frames, self.batch_size = frames, frames.shape[1]

    def next_batch(self) -> Batch:
        return Batch(self.frames, None, np.arange(self.batch_size))

    def epoch(self, batch_size=None):
        size = batch_size or 2
        for first in range(0, self.batch_size, size):
            frames = self.frames[:, first : first + size]
            clips = np.arange(first, first + frames.shape[1])
            yield Batch(np.ascontiguousarray(frames), None, clips)

    def videos_of_clips(self):
        """Two to a video."""
        return np.arange(self.batch_size) // 2, np.arange(-(-self.batch_size // 2))

    def state(self) -> dict:
        return {"dataset_type": "CLIPS"}

    def restore(self, state: dict) -> None:
        """Nothing: every position is like the other."""


def trainer_of(
    folder: Path, max_iters=6, valid=True, progress=None, max_seconds=float("inf"), **kw
) -> Trainer:
    """A trainer of a small model of real data; `kw` are fields of the model."""
    config = describe(checkpoint_dir=str(folder), **kw)
    model = make(config)
    data = Clips(random_frames(model, 4))
    valid_data = Clips(random_frames(model, 5, seed=9)) if valid else None
    files = RunFiles(config, "model.pbtxt")
    progress = progress or Progress()
    return Trainer(model, data, valid_data, files, progress, max_iters, max_seconds)


def half_squared_error(model: LSTMCombo, frames: np.ndarray) -> tuple[float, float]:
    """Dec and Fut per frame and case, by numpy, of what the model makes of frames."""
    model.load(frames)
    model.fprop(train=False)
    frames = frames.astype(float)
    dec = model.decoder.predictions() - frames[2::-1]
    fut = model.future.predictions() - frames[3:]
    cases = 3 * frames.shape[1]
    return 0.5 * (dec**2).sum() / cases, 0.5 * (fut**2).sum() / cases


# ---- when ----------------------------------------------------------------------------


# Schedules, and the events of 6 steps: p a line of training, v of validation, b both in
# one line, d a picture, s a checkpoint, e the steps that no line has had.
SCHEDULES = {
    (): "1p 2p 3p 4p 5p 6p 6s",
    (("print_after", 0),): "6s",
    (("print_after", 4),): "4p 6e 6s",
    (("print_after", 7), ("validate_after", 6)): "6v 6e 6s",
    (("print_after", 0), ("validate_after", 5)): "5v 6s",
    (("print_after", 2), ("validate_after", 3)): "2p 3v 4p 6b 6s",
    (("print_after", 0), ("save_after", 4)): "4s 6s",
    (("print_after", 0), ("save_after", 3)): "3s 6s",
    (("print_after", 0), ("display_after", 2)): "2d 4d 6d 6s",
    (
        ("print_after", 3),
        ("validate_after", 3),
        ("display_after", 3),
        ("save_after", 3),
    ): "3b 3d 3s 6b 6d 6s",
}


@pytest.mark.parametrize("fields", SCHEDULES)
def test_schedules(fields, tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, **dict(fields))
    events = []

    def say(bar, line):
        if line.startswith("Writing"):
            events.append(f"{trainer.step}s")
        elif line.startswith("At the end, step 6: Dec "):
            events.append(f"{trainer.step}e")
        else:
            both = "b" if " Dec " in line and " VDec " in line else None
            events.append(f"{trainer.step}{both or ('v' if 'VDec' in line else 'p')}")
            assert line.startswith(f"Step {trainer.step} ")

    def draw(model, frames, shape, path, title):
        assert path == trainer.files.path(f"_{trainer.step}.png")
        assert frames.shape == (6, 4, 5)
        events.append(f"{trainer.step}d")

    monkeypatch.setattr(trainer, "_say", say)
    monkeypatch.setattr(composite, "draw_batch", draw)
    trainer.run()
    assert " ".join(events) == SCHEDULES[fields]


def test_a_picture_is_of_as_many_videos_as_there_are(tmp_path, monkeypatch):
    trainer = trainer_of(tmp_path, max_iters=1, display_after=1)
    data = trainer.train_data.handler
    data.frames = random_frames(trainer.model, 12)
    data.batch_size = 12
    drawn = []
    monkeypatch.setattr(composite, "draw_batch", lambda *args: drawn.append(args[1]))
    trainer.run()
    # the first clips of the first four videos, of two clips each
    np.testing.assert_array_equal(drawn, [data.frames[:, [0, 2, 4, 6]]])


def test_the_end_prints_what_no_line_has_had(tmp_path, capsys):
    """It is no row of the log, and a run that goes on has all of its steps in the row
    that comes due."""
    whole = trainer_of(tmp_path / "whole", max_iters=8, print_after=1)
    whole.run()
    capsys.readouterr()
    trainer = trainer_of(tmp_path / "parted", max_iters=6, print_after=4)
    trainer.run()
    pattern = r"^At the end, step 6: Dec (\S+) Fut (\S+)$"
    found = re.findall(pattern, capsys.readouterr().out, re.MULTILINE)
    trainer.max_iters = 8
    trainer.run()
    each = logged(whole, "dec", "fut")
    # as many digits as are printed
    np.testing.assert_allclose(np.array(found, "f8"), [each[4:6].mean(0)], atol=6e-6)
    expected = [[4, *each[:4].mean(0)], [8, *each[4:].mean(0)]]
    rows = logged(trainer, "iteration", "dec", "fut")
    np.testing.assert_allclose(rows, expected, rtol=1e-12)  # sums are double


def logged(trainer: Trainer, *columns: str) -> np.ndarray:
    """Columns of the log, (rows, columns)."""
    with trainer.files.log.open() as file:
        rows = csv.DictReader(file)
        return np.array([[float(row[c]) for c in columns] for row in rows])


def test_without_validation_data_nothing_is_validated(tmp_path, capsys):
    trainer_of(tmp_path, max_iters=1, valid=False, validate_after=1).run()
    assert "VDec" not in capsys.readouterr().out


def test_it_goes_on_from_a_step(tmp_path, capsys):
    trainer_of(tmp_path, progress=Progress(iteration=4), print_after=3).run()
    assert re.findall(r"Step (\d+)", capsys.readouterr().out) == ["6"]


def test_nothing_to_do_saves_what_is_there(tmp_path, capsys):
    trainer = trainer_of(tmp_path, max_iters=3, progress=Progress(iteration=5))
    trainer.run()
    assert capsys.readouterr().out == f"Writing model to {trainer.files.weights}\n"
    assert {param.t for param in trainer.model.params} == {0}


def test_time_runs_out(tmp_path, capsys):
    trainer = trainer_of(tmp_path, max_seconds=0)
    trainer.run()
    assert (trainer.step, trainer.files.weights.exists()) == (0, True)


# ---- what ----------------------------------------------------------------------------


def test_losses_are_those_of_numpy(tmp_path):
    # Without learning every step has the same loss, and so has their mean.
    trainer = trainer_of(tmp_path, max_iters=4, print_after=2, validate_after=4)
    for param in trainer.model.params:
        param.config.epsilon = 0
    trainer.run()
    with trainer.files.log.open() as file:
        rows = list(csv.DictReader(file))
    dec, fut = half_squared_error(trainer.model, trainer.train_data.frames)
    vdec, vfut = half_squared_error(trainer.model, trainer.valid_data.frames)
    expected = [
        {"iteration": 2, "dec": dec, "fut": fut, "vdec": None, "vfut": None},
        {"iteration": 4, "dec": dec, "fut": fut, "vdec": vdec, "vfut": vfut},
    ]
    # a few roundings of what the model computes in
    limit = 1e-12 if cm.real_type() == np.float64 else 2e-6
    for row, values in zip(rows, expected, strict=True):
        assert float(row.pop("seconds")) >= 0
        assert list(row)[:5] == list(values)  # norms follow
        for column, value in values.items():
            if value is None:
                assert row[column] == ""
            else:
                assert float(row[column]) == pytest.approx(value, rel=limit)


def test_a_line_is_the_mean_since_the_one_before(tmp_path):
    steps = trainer_of(tmp_path, print_after=1)
    pairs = trainer_of(tmp_path, print_after=2)
    for trainer in (steps, pairs):
        trainer.run()
    tables = [logged(trainer, "dec", "fut") for trainer in (steps, pairs)]
    means = tables[0].reshape(3, 2, 2).mean(axis=1)
    np.testing.assert_allclose(tables[1], means, rtol=1e-12)  # sums are double
    assert (tables[0][-1] < tables[0][0] / 2).all()  # and it learns


@pytest.mark.parametrize(
    ("lengths", "names"),
    [({"dec": 3, "future": 0}, ["Dec", "VDec"]), ({"dec": 0}, ["Fut", "VFut"])],
)
def test_only_the_losses_that_there_are(lengths, names, tmp_path, capsys):
    config = describe(checkpoint_dir=str(tmp_path), validate_after=1, **lengths)
    model = make(config, num_frames=6 if config.future_seq_length else 3)
    data = Clips(random_frames(model, 4))
    files = RunFiles(config, "model.pbtxt")
    Trainer(model, data, data, files, Progress(), 1).run()
    assert re.findall(r"[A-Z][A-Za-z]+(?= \d+\.\d{5}\b)", capsys.readouterr().out) == (
        names
    )


# ---- what goes wrong -----------------------------------------------------------------


@pytest.mark.parametrize("print_after", [1, 0])
def test_training_that_diverges_stops(tmp_path, print_after):
    # at that step, whether or not it has a printed line
    trainer = trainer_of(tmp_path, print_after=print_after, save_after=2)
    trainer.save()
    before = trainer.files.weights.read_bytes()
    trainer.model.params[0].w.assign(np.nan)
    with pytest.raises(UserError) as caught:
        trainer.run()
    message = str(caught.value)
    name = trainer.model.params[0].name
    start = f"before step 1 infinity or NaN is in the weight {name}: training has diver"
    assert message.startswith(start)
    for part in (f"{trainer.files.weights} keeps", "gradient_clip", "model.pbtxt"):
        assert part in message
    assert trainer.files.weights.read_bytes() == before


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "runs").mkdir()
    log = Log(tmp_path / "runs" / "a.csv", ("iteration", "dec"))
    log.row({"dec": 0.5})
    assert log.path.read_text() == "iteration,dec\n,0.5\n"
    log.path.unlink()
    (tmp_path / "runs").rmdir()
    with pytest.raises(UserError, match=r"a\.csv: the log cannot be written \(no such"):
        log.row({"dec": 0.5})


# ---- the terminal --------------------------------------------------------------------


def test_a_terminal_has_a_progress_bar(tmp_path, capsys, monkeypatch):
    trainer_of(tmp_path, max_iters=1).run()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    trainer_of(tmp_path, max_iters=1).run()
    out, err = capsys.readouterr()
    assert "1/1" in err and "step" in err
    assert out.startswith("Step 1 Dec ")


# ---- curves --------------------------------------------------------------------------


def test_a_curve_at_every_checkpoint_goes_on_from_the_run_before(tmp_path, monkeypatch):
    drawn = []

    def draw(path, rows, curves, unit, title):
        assert set(curves) == {"dec", "fut", "vdec", "vfut"}
        drawn.append((path, [int(row["iteration"]) for row in rows], unit, title))

    monkeypatch.setattr(loop, "draw_curves", draw)
    first = trainer_of(tmp_path, max_iters=4, print_after=2, save_after=2)
    first.run()
    unit = "half squared error/frame"
    assert drawn == [
        (first.files.path(".png"), [2], unit, "model"),
        (first.files.path(".png"), [2, 4], unit, "model"),
    ]
    second = trainer_of(
        tmp_path,
        max_iters=5,
        progress=Progress(iteration=2),
        print_after=1,
        timestamp=list(first.model.config.timestamp),
    )
    second.run()
    # it went on from step 2, and made steps 3 and 4 again
    assert drawn[-1] == (second.files.path(".png"), [2, 3, 4, 5], unit, "model")
