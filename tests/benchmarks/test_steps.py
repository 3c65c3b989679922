"""Measuring steps: samples, parts, and that PyTorch's model is the same one."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ours, parts, peer, steps, worker
from benchmarks.bench import find_torch
from benchmarks.sizes import SIZES, S, describe, make_frames
from benchmarks.steps import Settings, largest_difference, summary
from benchmarks.worker import Failed, Worker
from videolstm.errors import UserError

TINY = S.changed(units=16, batch=6)
CLIPS = SIZES["C"].changed(units=16, dims=30, batch=6, classes=7)
PATCHES = SIZES["P"].changed(units=16, dims=50, batch=6)


def task(folder, size):
    return ours.OurTask(folder, size, 2)


# ---- sizes ---------------------------------------------------------------------------


def test_descriptions_have_the_size_s_numbers():
    config = describe(S.changed(units=7, layers=2, read=4, frames=9))
    assert (config.dec_seq_length, config.future_seq_length) == (4, 5)
    for stack in (config.lstm, config.lstm_dec, config.lstm_future):
        assert [layer.input_dims for layer in stack] == [4096, 7]
        assert [layer.num_hid for layer in stack] == [7, 7]
    assert [layer.has_output for layer in config.lstm_dec] == [False, True]
    assert [layer.name for layer in config.lstm] == ["lstm_1_enc", "lstm_2_enc"]


def test_digits_are_sparse_and_noise_is_not():
    assert 0.03 < np.mean(make_frames(TINY) > 0) < 0.15
    assert np.mean(make_frames(PATCHES) > 0) > 0.99


# ---- samples -------------------------------------------------------------------------


def test_only_quiet_samples_count():
    samples = [{"ms": ms, "quiet": ms < 10} for ms in (1.0, 50.0, 3.0, 40.0, 2.0)]
    found = summary(samples)
    assert (found["ms"], found["fastest"]) == (2.0, 1.0)
    assert (found["kept"], found["taken"], found["quiet"]) == (3, 5, True)
    found = summary([{"ms": 5.0, "quiet": False}, {"ms": 7.0, "quiet": False}])
    assert (found["ms"], found["kept"], found["quiet"]) == (6.0, 2, False)


class Sleeper(worker.Task):
    """Steps of 2 ms."""

    def describe(self):
        return {"name": "sleeper"}

    def step(self):
        worker.time.sleep(0.002)

    def losses(self):
        return [1.0]

    def arrays(self):
        return {"w": np.ones(2)}


def test_samples_are_of_many_steps():
    found = worker.samples(Sleeper(), seconds=0.1, sample=0.03)
    assert 2 <= len(found) <= 5
    assert all(sample["steps"] > 3 and 2 <= sample["ms"] < 20 for sample in found)


def test_answers(tmp_path):
    sleeper, out = Sleeper(), str(tmp_path / "out.npz")
    assert worker.answer(sleeper, {"do": "describe"}) == {"name": "sleeper"}
    request = {"do": "step", "times": 3, "out": out}
    assert worker.answer(sleeper, request) == {"losses": [[1.0]] * 3}
    assert np.load(out)["w"].tolist() == [1.0, 1.0]
    assert worker.answer(sleeper, {"do": "memory"})["peak_mib"] > 1
    with pytest.raises(ValueError, match="nobody has measured 'nonsense'"):
        worker.answer(sleeper, {"do": "nonsense"})


def test_a_worker_that_ends(capfd):
    with Worker(sys.executable, "benchmarks.no_such_module") as gone:
        with pytest.raises(Failed, match="ended with exit status 1 at 'describe'"):
            gone.ask("describe")
    assert "no_such_module" in capfd.readouterr().err


# ---- parts ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [TINY, CLIPS, PATCHES], ids=lambda size: size.name)
def test_every_part_of_a_step_has_its_time(size, tmp_path):
    model = task(tmp_path, size)
    model.step()
    found = parts.time_parts(model.step, model.model.params, 2)
    assert tuple(found["parts"]) == parts.PARTS
    assert all(ms > 0 for ms in found["parts"].values())
    known = {"cm_dot", "cm_update", "cm_lstm_fprop", "cm_lstm_bprop", "cm_upload"}
    assert known <= found["functions"].keys()
    # what is not in a call is Python, and `rest` has that beside calls without a part
    assert sum(found["parts"].values()) >= sum(found["functions"].values())


def test_timing_leaves_the_library_as_it_was(tmp_path):
    model = task(tmp_path, TINY)
    before = {name: getattr(parts.lib, name) for name in parts.PROTOTYPES}
    with pytest.raises(KeyError):
        with parts.PartTimer(model.model.params).timing():
            raise KeyError
    assert {name: getattr(parts.lib, name) for name in parts.PROTOTYPES} == before


# ---- PyTorch -------------------------------------------------------------------------


def test_differences():
    a = {"w": np.array([3.0, 4.0]), "b": np.zeros(2)}
    assert largest_difference(a, a) == (0.0, "")
    found = largest_difference(a, {"w": np.array([3.0, 4.5]), "b": np.zeros(2)})
    assert found == (pytest.approx(0.1), "w")
    with pytest.raises(UserError, match="different names: {'b'}"):
        largest_difference(a, {"w": a["w"]})


@pytest.mark.slow
@pytest.mark.parametrize("size", [TINY, CLIPS, PATCHES], ids=lambda size: size.name)
def test_pytorch_s_model_is_the_same(size, tmp_path):
    python = find_torch(os.environ.get("TORCH_PYTHON"))
    if python is None:
        pytest.skip("no torch: TORCH_PYTHON=path/to/python names a Python that has it")
    model = task(tmp_path, size)
    with Worker(python, "benchmarks.torch_model", tmp_path) as theirs:

        class Here:
            def ask(self, do, **request):
                return worker.answer(model, {"do": do, **request})

        found = steps.check_equal(Here(), theirs, tmp_path)
        assert found["losses"] < 1e-5 and found["arrays"] < steps.TOLERANCE


def test_results_that_differ(tmp_path):
    class Side:
        def __init__(self, loss, w):
            self.loss, self.w = loss, w

        def ask(self, do, times, out):
            np.savez(out, w=np.array(self.w))
            return {"losses": [[self.loss]] * times}

    one = Side(100.0, [1.0, 1.0])
    steps.check_equal(one, Side(100.001, [1.0, 1.00001]), tmp_path)
    for other in (Side(101.0, [1.0, 1.0]), Side(100.0, [1.0, 1.1])):
        with pytest.raises(UserError, match="results differ after 2 updates"):
            steps.check_equal(one, other, tmp_path)


# ---- the peer ------------------------------------------------------------------------

SCRIPT = """
import json, sys
arguments = sys.argv[1:]
assert arguments[arguments.index("--hid") + 1] == "2048", arguments
assert "--real" in arguments, arguments
out = arguments[arguments.index("--json") + 1]
slow = {"median_ms": 9.0, "n": 10, "clean_samples": [10, 12]}
fast = {"median_ms": 7.0, "n": 4, "clean_samples": [4, 30]}
variants = {"e": slow, "e+dnn": fast, "f": {"error": "needs cuda"}}
json.dump({"variants": variants, "peak_rss_mb": 5.5}, open(out, "w"))
"""


def test_the_fastest_of_a_peer(tmp_path):
    script = tmp_path / "peer.py"
    script.write_text(SCRIPT)
    found = peer.run(sys.executable, script, SIZES["P"], 2, 10, 5.0)
    assert found == {
        "variant": "e+dnn",
        "ms": 7.0,
        "kept": 4,
        "taken": 30,
        "quiet": True,
        "peak_mib": 5.5,
    }
    with pytest.raises(UserError, match="peer.py: it ended with exit status 1: .*Asse"):
        peer.run(sys.executable, script, SIZES["L"], 2, 10, 5.0)


def test_a_peer_that_times_nothing():
    with pytest.raises(UserError, match="timed none of e,e"):
        peer.fastest({"variants": {"e": {"error": "no compiler"}}})


def test_the_classifier_s_script_stands_beside_it(tmp_path):
    script = tmp_path / "combo.py"
    assert peer.script_for(script, SIZES["S"]) is None
    for name in ("combo.py", "torch_classifier.py"):
        (tmp_path / name).write_text("")
    assert peer.script_for(script, SIZES["S"]) == script
    assert peer.script_for(script, SIZES["C"]) == Path(tmp_path / "torch_classifier.py")
    assert "--classes" in peer.arguments(SIZES["C"], 2, 10, 5.0)


def test_settings_of_a_run():
    settings = Settings(1.0, 2, 3.0, 4)
    assert settings.torch_python is None and settings.peer is None
