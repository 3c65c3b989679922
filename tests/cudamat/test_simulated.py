"""The CUDA library as a whole, on a simulated board: kernels with their blocks and
barriers, streams, graphs, and models that train on it."""

import os
import subprocess
import sys

import numpy as np
import pytest

import cudamat as cm
from cudamat.library import HERE
from tests.cudamat.simulated import CannotBuild, build

pytestmark = pytest.mark.skipif(
    cm.load().kind != "cpu" or cm.real_type() != np.float32,
    reason="once is enough, beside the library for the CPU in single precision",
)

# What has kernels, memory or streams of its own. Large matrices would take minutes.
TESTS = (
    "table shapes parts matrix reductions softmax classify lstm loss optimizer watch "
)
TESTS += "random compose graph math_modes"
MODELS = "replay golden_composite golden_classifier gradients"
SMALL = "not large and not tall and not wide"


def test_the_suite_on_a_simulated_board(tmp_path):
    try:
        environment = os.environ | build(tmp_path)
    except CannotBuild as error:
        if str(error).startswith("there is no "):
            pytest.skip(str(error))
        raise
    files = [f"tests/cudamat/test_{name}.py" for name in TESTS.split()]
    files += [f"tests/videolstm/models/test_{name}.py" for name in MODELS.split()]
    options = ("-q", "-x", "-p", "no:cacheprovider", "-k", SMALL, "-m", "not slow")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *files],
        cwd=HERE.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
