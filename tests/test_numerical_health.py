"""Numbers that are not finite, in data, weights and steps, as users of the programs
meet them; and --check-gradients."""

import os
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from cudamat.library import HERE, precision
from tests import test_lstm_classifier as classifier
from tests.commands import BOARD, FILES, ROOT, run_program, train, write_files
from videolstm.config import read_model, write_text

PROGRAMS = {
    "lstm_combo.py": (write_files, "lstm_1_enc", FILES),
    "lstm_classifier.py": (
        classifier.write_files,
        "lstm_1",
        (*classifier.FILES[:3], BOARD),
    ),
}
PROGRAM = pytest.mark.parametrize("program", PROGRAMS)


def sentence(done, program: str) -> str:
    """The one line that a program ended with."""
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{program.removesuffix('.py')}: ")
    return done.stderr.rstrip("\n")


def snapshot(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("out/*.h5")}


# ---- steps ---------------------------------------------------------------------------


@PROGRAM
def test_steps_that_are_too_large_stop_a_run_that_went_well(program, tmp_path):
    write, layer, files = PROGRAMS[program]
    write(tmp_path, max_iters=4, save_after=2, print_after=0)
    done = run_program(tmp_path, program, *files)
    assert done.returncode == 0, done.stderr
    before = snapshot(tmp_path)
    (description,) = tmp_path.glob("out/*.pbtxt")
    config = read_model(description)
    config.max_iters = 60
    for block in (*config.lstm, *config.lstm_dec, *config.lstm_future):
        for weight in ("w_dense", "w_input", "w_output"):
            # decay by a factor beyond 1 lets weights grow without end
            param = getattr(block, weight)
            param.epsilon, param.l2_decay, param.rms_prop = 1e12, 1e12, False
    write_text(config, description)
    run = description.relative_to(tmp_path)
    line = sentence(run_program(tmp_path, program, run, *files[1:]), program)
    found = re.search(r"at step (\d+)|after step (\d+)", line)
    step = int(found[1] or found[2])
    assert 5 <= step <= 60
    assert layer[:6] in line and "training has diverged" in line
    assert re.search(r"(lstm_\w+):(w_\w+|b\w*)", line), line
    # what was kept before is as it was, and what this run kept is finite
    now = snapshot(tmp_path)
    assert before.items() <= now.items()
    for path in tmp_path.glob("out/*.h5"):
        with h5py.File(path) as file:
            for name in file:
                if ":" in name:
                    assert np.isfinite(file[name]).all(), (path, name)


# ---- weights -------------------------------------------------------------------------


@PROGRAM
@pytest.mark.parametrize("kind", ["", "_grad"])
def test_a_checkpoint_with_nan(kind, program, tmp_path):
    write, layer, files = PROGRAMS[program]
    write(tmp_path, max_iters=2)
    assert run_program(tmp_path, program, *files).returncode == 0
    (description,) = tmp_path.glob("out/*.pbtxt")
    with h5py.File(description.with_suffix(".h5"), "r+") as file:
        file[f"{layer}:w_dense{kind}"][3, 1] = np.nan
    before = snapshot(tmp_path)
    run = description.relative_to(tmp_path)
    line = sentence(run_program(tmp_path, program, run, *files[1:]), program)
    assert f"dataset '{layer}:w_dense{kind}' has nan in row 3, column 1" in line
    assert "earlier checkpoint" in line
    assert snapshot(tmp_path) == before
    assert list(tmp_path.glob("out/*.pbtxt")) == [description]  # nothing was begun


def test_a_pretrained_weight_with_infinity(tmp_path):
    write_files(tmp_path)
    with h5py.File(tmp_path / "trained.h5", "w") as file:
        file["x"] = np.full((12, 3), np.inf)
    text = (tmp_path / "model.pbtxt").read_text()
    source = 'init_type: PRETRAINED file_name: "trained.h5" dataset_name: "x"\n'
    text = text.replace("init_type: UNIFORM\n", source, 1)
    (tmp_path / "model.pbtxt").write_text(text)
    line = sentence(run_program(tmp_path, "lstm_combo.py", *FILES), "lstm_combo.py")
    assert "trained.h5: dataset 'x' has inf in row 0, column 0" in line
    assert "lstm_1_enc:w_dense needs finite numbers" in line


# ---- data ----------------------------------------------------------------------------


def test_a_clip_with_nan_stops_a_run_that_has_saved(tmp_path):
    # real numbers from 0 to 255, of which one is none; batches of 2 read in order
    write_files(tmp_path, max_iters=5, save_after=1)
    clips = np.load(tmp_path / "valid.npy").astype(np.float32)
    clips[5, 2, 1, 7] = np.nan
    np.save(tmp_path / "train.npy", clips)
    text = (tmp_path / "valid.pbtxt").read_text()
    text = text.replace("valid.npy", "train.npy").replace("size: 3\n", "size: 2\n")
    (tmp_path / "train.pbtxt").write_text(text)
    line = sentence(run_program(tmp_path, "lstm_combo.py", *FILES), "lstm_combo.py")
    assert "train.npy: clip 5 has nan in frame 2, number 37 of it" in line
    (weights,) = tmp_path.glob("out/*.h5")
    with h5py.File(weights) as file:
        assert file["resume"].attrs["iteration"] == 2


def test_features_with_nan_name_video_and_frame(tmp_path):
    classifier.write_files(tmp_path)
    with h5py.File(tmp_path / "train.h5", "r+") as file:
        counts = np.loadtxt(tmp_path / "train_num_frames.txt", dtype=int)
        row = counts[:4].sum() + 2
        file["x"][row, 3] = -np.inf
    files = PROGRAMS["lstm_classifier.py"][2]
    done = run_program(tmp_path, "lstm_classifier.py", *files)
    line = sentence(done, "lstm_classifier.py")
    place = f"'x' has -inf in row {row} (video 4, frame 2), column 3"
    assert "train.h5: the dataset" in line and place in line


# ---- the log -------------------------------------------------------------------------


def test_a_log_of_before_goes_on_and_is_drawn(tmp_path):
    """Logs had no norms once."""
    write_files(tmp_path, print_after=1)
    first = train(tmp_path, *FILES)
    log = first.description.with_suffix(".csv")
    rows = [line.split(",")[:6] for line in log.read_text().splitlines()]
    log.write_text("".join(",".join(row) + "\n" for row in rows))
    picture = first.description.with_suffix(".png")
    shutil.copy(picture, tmp_path / "before.png")
    second = train(tmp_path, first.description, *FILES[1:], "--max-iters", 5)
    assert [row["iteration"] for row in second.rows] == ["4", "5"]
    assert float(second.rows[0]["lstm_1_dec:b:norm"]) > 0
    drawn = second.description.with_suffix(".png").read_bytes()
    assert drawn != (tmp_path / "before.png").read_bytes()


# ---- gradients -----------------------------------------------------------------------


def run_check(folder, program, *options, **environment):
    """Without the precision that the tests have, unless it is asked for."""
    kept = {k: v for k, v in os.environ.items() if k != "CUDAMAT_PRECISION"}
    return subprocess.run(
        [sys.executable, ROOT / program, *PROGRAMS[program][2], *options],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


has_double = pytest.mark.skipif(
    not (HERE / f"libcudamat_{'cpu' if BOARD == 'cpu' else 'cuda'}_double.so").is_file()
    or "CUDAMAT_LIBRARY" in os.environ
    or precision() == "double",
    reason="the double library is not there, or, in make test's second run, this has "
    "been tested in the first: the program chooses it by itself",
)


@has_double
@PROGRAM
def test_check_gradients(program, tmp_path):
    write, layer, _ = PROGRAMS[program]
    write(tmp_path, dropprob=(0.2, 0.1)) if layer == "lstm_1" else write(tmp_path)
    options = ("--check-gradients", "--check-entries", "2")
    done = run_check(tmp_path, program, *options)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.count("Using board") == 1
    assert ", float64\n" in done.stdout and "in double precision\n" in done.stdout
    rows = re.findall(r"^(lstm_\w+:\w+) +2 +\d +\S+  (\w+)$", done.stdout, re.M)
    assert len(rows) in (6, 16) and {verdict for _, verdict in rows} == {"pass"}
    assert f"{len(rows)} of {len(rows)} weights pass" in done.stdout
    assert not (tmp_path / "out").exists()  # nothing is begun


@has_double
def test_check_gradients_of_the_release(tmp_path):
    write_files(tmp_path, reproduce_2016_release=True)
    done = run_check(tmp_path, "lstm_combo.py", "--check-gradients")
    assert (done.returncode, done.stderr) == (1, "")
    failed = re.findall(r"^(\S+) .* FAIL \(\d+ differ", done.stdout, re.M)
    assert failed and {name.split(":")[0] for name in failed} == {"lstm_1_enc"}
    assert done.stdout.splitlines()[-1].startswith("Note: reproduce_2016_release keeps")


@has_double
def test_check_gradients_of_a_trained_model(tmp_path):
    write_files(tmp_path, max_iters=3)
    run = train(tmp_path, *FILES)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    shutil.copy(run.description, tmp_path / "model.pbtxt")
    done = run_check(tmp_path, "lstm_combo.py", "--check-gradients")
    assert done.returncode == 0, done.stdout
    assert f"Continuing from out/model_{run.timestamp}.h5" in done.stdout
    del before[tmp_path / "model.pbtxt"]
    assert all(path.read_bytes() == old for path, old in before.items())


def test_a_precision_that_was_asked_for_is_kept(tmp_path):
    classifier.write_files(tmp_path)
    options = {"CUDAMAT_PRECISION": "float"}
    if "CUDAMAT_LIBRARY" in os.environ:
        pytest.skip("the library that is asked for has a precision of its own")
    done = run_check(tmp_path, "lstm_classifier.py", "--check-gradients", **options)
    assert "in single precision\n" in done.stdout, done.stderr
    assert "PRECISION=double builds the library for double" in done.stdout
    assert done.returncode in (0, 1)
    assert "relative errors up to 0.05 are allowed" in done.stdout


@pytest.mark.parametrize("wrong", ["0", "-1", "10001", "ten"])
def test_entries_that_there_cannot_be(wrong, tmp_path):
    write_files(tmp_path)
    done = run_program(tmp_path, "lstm_combo.py", *FILES, "--check-entries", wrong)
    assert done.returncode == 2
    said = f"--check-entries: must be a whole number from 1 to 10000, not '{wrong}'"
    assert said in done.stderr
