"""The programs with batches that are composed on the board: every number and every byte
is that of batches that are painted on the host."""

import numpy as np
import pytest

import cudamat as cm
from tests.commands import BOARD, FILES, run_program, train, write_files
from tests.videolstm.helpers import read_h5
from tests.videolstm.parallel.runs import case, drive, write_data, write_models

VARIABLE = "VIDEOLSTM_COMPOSE"
WAYS = ("0", "1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder, and a run in each of the two ways there."""
    folder = tmp_path_factory.mktemp("runs")
    write_files(folder, max_iters=6, print_after=2, validate_after=3, display_after=3)
    with pytest.MonkeyPatch.context() as patch:
        found = []
        for way in WAYS:
            patch.setenv(VARIABLE, way)
            found.append(train(folder, *FILES, f"--out=out{way}"))
    return folder, *found


def assert_same_checkpoints(one, other):
    (arrays, attributes), (others, other_attributes) = one, other
    assert attributes == other_attributes
    assert arrays.keys() == others.keys() and arrays
    assert not [k for k, v in arrays.items() if v.tobytes() != others[k].tobytes()]


def test_losses_and_weights_are_the_same_to_the_bit(runs):
    folder, painted, composed = runs
    assert painted.rows == composed.rows and len(painted.rows) == 4
    assert painted.losses == composed.losses and painted.losses
    assert_same_checkpoints(painted.checkpoint(), composed.checkpoint())


def test_steps_that_are_repeated_as_graphs(runs, monkeypatch):
    """A batch is composed before the part of a step that is repeated."""
    folder, painted, _ = runs
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setenv("VIDEOLSTM_GRAPH", "1")
    composed = train(folder, *FILES, "--out=graph")
    assert painted.rows == composed.rows
    assert_same_checkpoints(painted.checkpoint(), composed.checkpoint())


def test_pictures_of_batches_are_the_same(runs):
    pictures = [run.description.parent.glob("*_[36].png") for run in runs[1:]]
    bytes_of = [[path.read_bytes() for path in sorted(paths)] for paths in pictures]
    assert bytes_of[0] == bytes_of[1] and len(bytes_of[0]) == 2


def test_a_run_goes_on_in_the_other_way(runs, monkeypatch):
    folder, whole, _ = runs
    monkeypatch.setenv(VARIABLE, "1")
    first = train(folder, *FILES, "--max-iters=4", "--out=half")
    monkeypatch.setenv(VARIABLE, "0")
    second = train(folder, first.description, *FILES[1:], "--out=half")
    assert first.rows + second.rows == whole.rows
    assert_same_checkpoints(second.checkpoint(), whole.checkpoint())


def test_results_are_the_same(runs, monkeypatch):
    folder, trained, _ = runs
    tables = []
    for way in WAYS:
        monkeypatch.setenv(VARIABLE, way)
        table, saved = folder / f"{way}.csv", folder / f"{way}.h5"
        options = ("--cases=6", "--csv", table.name, "--save", saved.name)
        named = (trained.description, "train.pbtxt", BOARD)
        done = run_program(folder, "display_results.py", *named, *options)
        assert (done.returncode, done.stderr) == (0, "")
        tables.append((table.read_bytes(), read_h5(saved)))
    assert tables[0][0] == tables[1][0]
    assert_same_checkpoints(tables[0][1], tables[1][1])


def test_a_mistake_is_one_sentence(runs, monkeypatch):
    monkeypatch.setenv(VARIABLE, "on")
    done = run_program(runs[0], "lstm_combo.py", *FILES)
    assert done.returncode == 2
    assert done.stderr == (
        "lstm_combo: the environment variable VIDEOLSTM_COMPOSE is 'on', and it should "
        "be 1, to compose batches on the board, or 0, to paint them on the host\n"
    )


@pytest.mark.skipif(cm.load().kind != "cpu", reason="its ranks are on the CPU")
@pytest.mark.parametrize(("ranks", "name"), [(1, "patches"), (2, "digits")])
def test_ranks_and_validation(ranks, name, tmp_path):
    """Fifty steps: on patches, with validation on digits, 23 of them; and on digits by
    two ranks, each with its part of the batches."""
    if ranks > 1:
        pytest.importorskip("mpi4py", reason="mpi4py is not there: no ranks are tested")
    write_data(tmp_path)
    write_models(tmp_path)
    for way in WAYS:
        drive(tmp_path, ranks, [case(name, f"out{way}")], **{VARIABLE: way})
    painted, composed = (tmp_path / f"out{way}" for way in WAYS)
    for rank in range(ranks):
        file = f"rank{rank}.txt"
        assert (painted / file).read_text() == (composed / file).read_text()
    logs = [next(folder.glob("*.csv")) for folder in (painted, composed)]
    # all columns but the time
    columns = [np.genfromtxt(log, delimiter=",")[1:] for log in logs]
    np.testing.assert_array_equal(*(np.delete(c, 1, axis=1) for c in columns))
