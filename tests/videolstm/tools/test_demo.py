"""`make demo`, with less data and a second of training: what it prints and leaves, and
its page in a browser."""

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.chromium import Chromium, find_chromium
from tests.commands import on_the_cpu
from videolstm.pictures.curves import LOSSES, draw_curves, read_log
from videolstm.tools.demo import DATA

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("CUDAMAT_PRECISION") == "double",
        reason="the demo is the same in double precision",
    ),
]


def run_demo(folder):
    command = [sys.executable, "-m", "videolstm.tools.demo", "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--max-minutes", "0.02"],
        cwd=ROOT,
        env=on_the_cpu(),  # whichever library the other tests are of
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Its folder, what it printed, and what it printed the second time."""
    folder = tmp_path_factory.mktemp("demo")
    for name in ("digits.h5", "bouncing_demo_valid.npy"):
        command = DATA[name].replace("digits_valid", "digits")
        command = command.replace("--sequences 400", "--sequences 12")
        if name == "digits.h5":
            command += " --samples 500"
        subprocess.run(
            [sys.executable, *command.split()],
            cwd=folder,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
        )
    (folder / "digits_valid.h5").touch()
    first = run_demo(folder)
    # A second is too short for a line of the log: it gets some, and their curve.
    (log,) = (folder / "runs").glob("*.csv")
    with log.open("a") as file:
        file.write("100,60,200,250,,\n200,120,150,200,160,210\n")
    rows = read_log(log)
    assert draw_curves(log.with_suffix(".png"), rows, LOSSES, "nats/frame", "demo")
    start = time.monotonic()
    second = run_demo(folder)
    assert time.monotonic() - start < 60  # a few seconds on an idle machine
    return folder, first, second


def test_it_ends_with_a_page(demo):
    folder, output, _ = demo
    assert f"Open {folder / 'index.html'} in a browser" in output
    text = (folder / "index.html").read_text("utf-8")
    typed = re.findall(r"^\$ (python .+)$", output, re.M)
    assert len(typed) == 2  # to train and to show; the data were there
    for command in typed:
        assert command in text
    assert text.count("<img ") == 6
    assert text.count("--out digits") == 2


def test_the_second_time_nothing_is_trained(demo):
    _, _, output = demo
    assert "is trained; remove" in output and "lstm_combo.py" not in output


# ---- in a browser --------------------------------------------------------------------


@pytest.fixture
def browser(tmp_path):
    if find_chromium() is None:
        pytest.skip(
            "there is no chromium (apt-get install chromium): no page is opened"
        )
    with Chromium(tmp_path, width=1200, height=900) as browser:
        yield browser


def pixels(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_the_page_in_a_browser(demo, browser):
    folder, _, _ = demo
    browser.open(folder / "index.html")
    assert browser.complaints == []
    outside = [url for url in browser.requests if not url.startswith("data:")]
    assert outside == [(folder / "index.html").as_uri()]
    widths = browser.run("[...document.images].map(i => i.naturalWidth)")
    assert len(widths) == 6 and min(widths) > 400
    assert browser.run("document.documentElement.scrollWidth") <= 1200
    picture = pixels(browser.screenshot(whole=True))
    height = browser.run("document.documentElement.scrollHeight")
    assert picture.shape == (height, 1200, 3)
    # No screenful is blank: each has many colours, and not nearly one alone.
    for top in range(0, height - 900, 900):
        screen = picture[top : top + 900].reshape(-1, 3)
        assert len(np.unique(screen, axis=0)) > 50, top
        assert (screen != np.median(screen, axis=0)).any(axis=1).mean() > 0.02, top


@pytest.mark.parametrize("number", [0, 3], ids=["first", "long"])
def test_animations_play(number, demo, browser):
    folder, _, _ = demo
    browser.open(folder / "index.html")
    browser.run(f"document.images[{number}].scrollIntoView({{block: 'center'}})")
    box = browser.run(
        f"(r => [r.left, r.top, r.right, r.bottom])"
        f"(document.images[{number}].getBoundingClientRect())"
    )
    left, top, right, bottom = (round(edge) for edge in box)
    shots = []
    for _ in range(3):
        picture = pixels(browser.screenshot())
        outside = picture.copy()
        outside[max(0, top) : bottom, left:right] = 0
        shots.append((picture, outside))
        time.sleep(0.5)  # three frames
    for (before, still), (after, same) in zip(shots, shots[1:], strict=False):
        assert (before != after).any(), "the animation stands still"
        assert (still != same).any(axis=2).sum() < 1000, "something else moves"


def test_the_page_on_a_telephone(demo, tmp_path):
    if find_chromium() is None:
        pytest.skip(
            "there is no chromium (apt-get install chromium): no page is opened"
        )
    folder, _, _ = demo
    with Chromium(tmp_path, width=400, height=800) as browser:
        browser.open(folder / "index.html")
        assert browser.run("document.documentElement.scrollWidth") <= 400
