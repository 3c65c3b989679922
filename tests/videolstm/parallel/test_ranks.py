"""Several ranks compute what one process does: runs of each model on each kind of data,
by 1, 2, 3 and 4 of them, and what they decide together."""

import csv
import json
import re

import numpy as np
import pytest

import cudamat as cm
from tests.videolstm.helpers import difference, read_h5
from tests.videolstm.parallel.runs import (
    CASES,
    case,
    drive,
    write_data,
    write_models,
)

pytest.importorskip("mpi4py", reason="mpi4py is not there: no ranks are tested")
pytestmark = pytest.mark.skipif(
    cm.load().kind != "cpu", reason="the runs of one machine are on the CPU"
)

# Sums over cases are rounded in another order; 50 gentle steps make of the rounding of
# a number (6e-8, 1e-16) no more than this.
TOLERANCE = 1e-5 if cm.real_type() == np.float32 else 1e-12

HALF, WHOLE = 25, 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All runs: `NAME_N` is case NAME by N ranks, `NAME_N_M` was stopped half way and
    continued by M."""
    folder = tmp_path_factory.mktemp("ranks")
    write_data(folder)
    write_models(folder)

    def continued(ranks: int, before: int) -> dict:
        found = next((folder / f"digits_{before}_half").glob("*.pbtxt"))
        return case("digits", f"digits_{before}_{ranks}", model=str(found))

    def halves(ranks: int) -> list[dict]:
        return [case("digits", f"digits_{ranks}_half", max_iters=HALF)]

    drive(folder, 1, [*(case(name, f"{name}_1") for name in CASES), *halves(1)])

    def otherwise(name: str, exchange: str, ranks: int) -> dict:
        found = case(name, f"{name}_{exchange}_{ranks}")
        return found | {"exchange": exchange}

    staged = otherwise("digits", "staged", 2)
    plan = [*(case(name, f"{name}_2") for name in CASES), staged, *halves(2)]
    drive(folder, 2, [{"probe": "agree", "name": "probe2"}, *plan])
    plan = [case(name, f"{name}_3") for name in CASES]
    plan += [otherwise(name, "own_weights", 3) for name in CASES]
    plan += [otherwise(name, "late", 3) for name in ("digits", "classes")]
    drive(folder, 3, [*plan, continued(3, 1), continued(3, 2)])
    plan = [case(name, f"{name}_4") for name in ("digits", "classes")]
    plan += [otherwise(name, "two_a_machine", 4) for name in ("digits", "classes")]
    drive(folder, 4, plan)
    drive(folder, 1, [continued(1, 2)])
    return folder


def file_of(folder, suffix):
    """The file of a run that is called NAME_TIMESTAMP and the suffix."""
    (found,) = folder.glob(f"*_{'[0-9]' * 14}{suffix}")
    return found


def rows_of(folder) -> list[dict[str, float]]:
    with file_of(folder, ".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["seconds"]
    return [{k: float(v) for k, v in row.items() if v} for row in rows]


RUNS = [f"{name}_{way}" for name in CASES for way in ("2", "3", "own_weights_3")]
RUNS += [f"digits_{way}" for way in ("4", "two_a_machine_4", "late_3", "staged_2")]
RUNS += [f"classes_{way}" for way in ("4", "two_a_machine_4", "late_3")]
CONTINUED = ["digits_1_3", "digits_2_3", "digits_2_1"]


@pytest.mark.parametrize("run", [*RUNS, *CONTINUED])
def test_the_checkpoint_is_that_of_one_process(run, folder):
    name = run.split("_")[0]
    arrays, attributes = read_h5(file_of(folder / f"{name}_1", ".h5"))
    found, found_attributes = read_h5(file_of(folder / run, ".h5"))
    assert found.keys() == arrays.keys()
    for key, expected in arrays.items():
        if ":" in key:
            assert difference(found[key], expected) <= TOLERANCE, key
        else:  # positions and random states, where nothing is rounded
            np.testing.assert_array_equal(found[key], expected)
    assert found_attributes == attributes


@pytest.mark.parametrize("run", [*RUNS, *CONTINUED])
def test_random_numbers_and_counts_are_those_of_one_process(run, folder):
    name = run.split("_")[0]
    states = []
    for place in (folder / f"{name}_1", folder / run):
        with h5_open(file_of(place, ".h5")) as file:
            resume, data = dict(file["resume"].attrs), dict(file["resume/data"].attrs)
            losses = resume.pop("losses")
            states.append((resume, data))
            np.testing.assert_allclose(losses, 0, atol=1e-300)  # just printed
    assert states[0] == states[1]


def h5_open(path):
    import h5py

    return h5py.File(path)


@pytest.mark.parametrize("run", RUNS)
def test_printed_numbers_are_those_of_one_process(run, folder):
    name = run.split("_")[0]
    expected, found = rows_of(folder / f"{name}_1"), rows_of(folder / run)
    assert [row.keys() for row in found] == [row.keys() for row in expected]
    assert len(expected) == 6
    for one, many in zip(expected, found, strict=True):
        for key, value in one.items():
            # sums of losses: the rounding of float32 outputs
            assert many[key] == pytest.approx(value, rel=10 * TOLERANCE), key


@pytest.mark.parametrize("run", [*RUNS, *CONTINUED])
def test_ranks_agree_to_the_bit(run, folder):
    digests = [path.read_text() for path in sorted((folder / run).glob("rank*.txt"))]
    assert len(digests) == int(run.rsplit("_", 1)[1])
    assert len(set(digests)) == 1


def test_the_same_run_has_the_same_bytes(folder):
    """Again, and with gradients that go through memory of the host: two numbers have
    one sum in any order."""
    runs = ("digits_2", "digits_staged_2")
    one, again = (read_h5(file_of(folder / name, ".h5"))[0] for name in runs)
    for key, value in one.items():
        assert again[key].tobytes() == value.tobytes(), key


def test_only_the_first_rank_writes(folder):
    """The files of a run are there once, and are those of one process."""

    def kinds(place):
        names = (re.sub(r"_\d{14}", "", path.name) for path in place.iterdir())
        return sorted(name for name in names if not name.startswith("rank"))

    for name in CASES:
        for ranks in (2, 3):
            assert kinds(folder / f"{name}_{ranks}") == kinds(folder / f"{name}_1")


def test_only_the_first_rank_prints(folder):
    output = (folder / "output3.txt").read_text()
    assert len(re.findall(r"^Step 10 ", output, re.MULTILINE)) == 2 * len(CASES) + 2
    shared = re.findall(r"^3 ranks on one machine, each with (.+); ", output, re.M)
    assert shared[0] == "1 to 2 cases of each batch and 1 thread"
    ways = re.findall(r"^3 ranks on one machine, .+; (.+)$", output, re.MULTILINE)
    assert re.fullmatch(r"they share their weights in memory of MPICH [\d.]+", ways[0])
    own = ways[len(CASES)]
    assert re.fullmatch(r"MPICH [\d.]+ adds up their gradients where they lie", own)


# ---- what they decide together -------------------------------------------------------


@pytest.fixture
def answers(folder):
    paths = sorted((folder / "probe2").glob("rank*.json"))
    return [json.loads(path.read_text()) for path in paths]


# What ranks 0 and 1 find; one value is that of both.
EXPECTED = {
    "most": [1, 0, 1],
    "gather": ["r0", "r1"],
    "lead": ["from", 0],
    "lead fails": ["CannotWrite", "full"],
    "one fails": ["UserError", "no data"],
    "after copying": None,
    "boards": True,
    "pieces": [[2.0 * k + 100 for k in range(11)]] * 2,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_all_find(name, answers):
    assert [answer[name] for answer in answers] == [EXPECTED[name]] * 2


def test_what_each_has(answers):
    assert [answer["alike"] for answer in answers] == [0, 1]
    assert [answer["local rank"] for answer in answers] == [0, 1]
    assert [answer["share"] for answer in answers] == [[0, 1, 2], [3, 4, 5, 6]]


def test_sums_are_in_the_order_of_the_ranks(answers):
    assert [answer["sum"] for answer in answers] == [[0.1 + 0.2, 0.0]] * 2


def test_a_bug_of_one_is_raised_on_all(answers):
    assert answers[0]["one has a bug"] == ["RuntimeError", "Unportable: 1 2"]
    assert answers[1]["one has a bug"] == ["Unportable", "1 2"]


def test_other_data_are_named(answers):
    kind, text = answers[0]["other data"]
    assert kind == "UserError" and answers[1]["other data"] == [kind, text]
    pattern = (
        r"rank 1, on \S+, has another data than rank 0, on \S+: all ranks need the "
        "same files, options and build"
    )
    assert re.fullmatch(pattern, text)


@pytest.mark.parametrize(("name", "step"), [("other weights", 3), ("one bit", 9)])
def test_weights_that_differ_are_noticed(name, step, answers):
    for answer in answers:
        kind, text = answer[name]
        assert kind == "UserError"
        assert "are not the bits of rank 0, on " in text and f"step {step}:" in text


def test_where_memory_is_short_each_has_its_own(answers):
    for answer in answers:
        assert re.fullmatch(
            r"MPI adds up their gradients where they lie \(to share weights, \S+ lacks "
            r"\d MiB of /dev/shm\)",
            answer["short of memory"],
        )


def test_the_start_is_that_of_the_first(answers):
    assert [answer["state"] for answer in answers] == [[1, 0, 0]] * 2
