"""The campaigns, in a short form that every change goes through."""

import subprocess
import sys

import pytest

from tests.campaigns.kills import Count, Life, Lost, Training
from tests.campaigns.long_run import Grown, Sample, check_growth, long_run
from tests.campaigns.scenarios import SCENARIOS
from tests.commands import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux shows of it")
def test_a_longer_run_keeps_its_files_and_its_log(tmp_path):
    # So short a run says little of memory: matplotlib takes tens of MiB in its first
    # pictures. Open files, threads, the log and the checkpoint are what is checked.
    long_run("bouncing", tmp_path, 120, most=96 * 2**20)


@pytest.mark.parametrize(
    ("last", "what"),
    [((900, 2000, 8, 4), "memory"), ((900, 10, 9, 4), "files")],
)
def test_what_grows_is_told(last, what):
    samples = [Sample(step, 10, 8, 4) for step in range(100, 700, 100)]
    check_growth([*samples, *samples[-3:]], 1000)
    with pytest.raises(Grown, match=what):
        check_growth([*samples, *[Sample(*last)] * 3], 1000)


def test_some_kills(tmp_path):
    # As a process of its own: this one has threads, which do not survive a fork.
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaigns.kills", "--kills", "10"]
        + ["--scenarios", "bouncing", "--folder", str(tmp_path / "kills")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("✓ 10 kills (")


FROM = "Continuing from out/model_1.h5 after"
NEW = "Model saved at out/model_2.pbtxt\n"
SAID = {
    "goes on from an earlier step": (
        f"{FROM} 4 steps\n{NEW}",
        "goes on from step 4, and step 8 was saved",
    ),
    "begins anew": (NEW, "does not go on from 8"),
    "leaves what another has left": (
        f"{FROM} 8 steps\n{NEW}",
        r"has not removed \{'\.model_1\.0a1b2c3d\.h5'\}",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_lost_is_told(name, tmp_path):
    text, lost = SAID[name]
    training = Training(SCENARIOS["bouncing"], tmp_path / "training", 0)
    training.saved = 8
    (tmp_path / "training" / "out").mkdir()
    if "leaves" in name:
        (tmp_path / "training" / "out" / ".model_1.0a1b2c3d.h5").touch()
    life = Life(0, tmp_path / "life.txt")
    life.output.write_text(text)
    life.status = -9
    with pytest.raises(Lost, match=lost):
        training.check(life, Count())
