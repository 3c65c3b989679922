"""What the fuzzer has found stays found, and a short run of it for every format.

A file of corpus/ is called FORMAT__what it is.SUFFIX (spaces of FORMAT as dashes); each
made a reader fail once. `python -m tests.fuzz.campaign` is the long run.
"""

from pathlib import Path

import pytest

from tests.fuzz.formats import FORMATS
from tests.fuzz.trial import Trials
from videolstm.outside import apart
from videolstm.outside.h5_process import H5, TRUST
from videolstm.outside.h5_server import SECONDS

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())
SHORT = 100  # inputs of each format, beside its good files
SLOW_FORMATS = {"command line": 6, "video": 40, "net": 30, "image": 40, "answer": 60}
TAKEN_AS_THEY_ARE = ("log", "download part")  # nothing in them is worth a refusal


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv(TRUST, "")
    monkeypatch.setenv(apart.TRUST, "")
    monkeypatch.setenv(SECONDS, "0.5")  # so that what takes for ever takes less
    H5.stop()
    yield
    H5.stop()


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_found(path, tmp_path):
    name = path.name.split("__")[0].replace("-", " ")
    trials = Trials(FORMATS[name], 0, tmp_path / "files")
    assert trials.run(0, path.read_bytes()) is None


@pytest.mark.parametrize("name", FORMATS)
def test_good_files_and_changed_ones(name, tmp_path):
    trials = Trials(FORMATS[name], 20261123, tmp_path / "files", isolated=False)
    count = len(FORMATS[name].seeds()) + SLOW_FORMATS.get(name, SHORT)
    for number in range(count):
        assert trials.run(number) is None, f"input {number}"
    # A fuzzer whose good files are not good finds nothing.
    assert trials.tally.accepted > 0
    assert trials.tally.refused > 0 or name in TAKEN_AS_THEY_ARE


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_number_makes_the_same_bytes(name, tmp_path):
    one, two = (Trials(FORMATS[name], 7, tmp_path / folder) for folder in "ab")
    last = len(FORMATS[name].seeds())
    for number in (last + 1, last + 2, last + 30):
        assert one.made(number) == two.made(number)
    assert len({one.made(last + n) for n in range(1, 30)}) > 5
