"""Kills training runs at random moments, hundreds of times, and looks what is lost.

    python -m tests.campaigns.kills --kills 300 --seed 1

Each run is killed with SIGKILL, in its start-up, between saves or in the middle of one,
and continued from the last description that a run has printed, until the training is
complete; then the next one begins. After every kill the campaign checks that

* the next run loads, and goes on from no earlier step than the last save that was
  printed;
* the files that killed writers leave behind are removed by the next run;

and after every complete training that checkpoint, best model and merged log are bit for
bit those of a run that nobody disturbed.

Most runs are forked from this process, which has imported everything and opened none,
draw no curves and read .h5 files themselves; a part of them, --cold, are started as a
user does, from the shell's point of view.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import lstm_classifier
import lstm_combo
from tests.campaigns.scenarios import (
    SCENARIOS,
    Scenario,
    contents,
    merged_logs,
)
from tests.commands import FILES
from videolstm.command import whole_number
from videolstm.config import read_model
from videolstm.outside.h5_process import TRUST
from videolstm.training import loop

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {"lstm_combo": lstm_combo.main, "lstm_classifier": lstm_classifier.main}
STEPS, SAVE_AFTER = 120, 4
FIELDS = {
    "max_iters": STEPS,
    "print_after": 3,
    "validate_after": 10,
    "save_after": SAVE_AFTER,
}
UNITS = 48  # a checkpoint of some 100 KB to 3 MB, so that saving it takes a while
LONGEST = 120.0  # seconds until a run counts as hung
LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.(h5|pbtxt|png|csv)")


class Lost(AssertionError):
    """A run lost what it should not."""


# ---- one run -------------------------------------------------------------------------


class Life:
    """One run of a program, from its start to its end.

    output: the file that it prints into. status: as of a Popen, once it has ended.
    """

    def __init__(self, process: int, output: Path) -> None:
        self.process, self.output = process, output
        self.started = time.monotonic()
        self.status: int | None = None

    @property
    def text(self) -> str:
        return self.output.read_text()

    def runs(self) -> bool:
        """Whether it has not ended by itself."""
        if self.status is None:
            if time.monotonic() - self.started > LONGEST:
                self.kill()
                raise Lost(f"{self.output}: the run hangs")
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def kill(self) -> bool:
        """Kills it; False where it had ended by itself."""
        if self.status is None:
            os.kill(self.process, signal.SIGKILL)
            _, status = os.waitpid(self.process, 0)
            self.status = os.waitstatus_to_exitcode(status)
        return self.status == -signal.SIGKILL


def begin(scenario: Scenario, folder: Path, model: str, number: int, cold: bool):
    """Starts a program that goes on from `model`."""
    output = folder / f"life_{number}.txt"
    arguments = [model, *FILES[1:]]
    if cold:
        script = ROOT / f"{scenario.program}.py"
        with output.open("wb") as file:
            process = os.posix_spawn(
                "/usr/bin/env",
                ["env", "-C", str(folder), sys.executable, str(script), *arguments],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, file.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, file.fileno(), 2),
                ],
            )
        return Life(process, output)
    output.touch()
    child = os.fork()
    if child == 0:
        _live(scenario.program, folder, output, arguments)
    return Life(child, output)


def _live(program: str, folder: Path, output: Path, arguments: list[str]) -> None:
    """The forked process: the program and nothing else. Does not return."""
    status = 70
    try:
        os.chdir(folder)
        file = os.open(output, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout = open(1, "w", closefd=False)
        sys.stderr = open(2, "w", closefd=False, buffering=1)
        sys.argv = [f"{program}.py", *arguments]
        os.environ[TRUST] = "1"
        loop.draw_curves = lambda *_, **__: False
        PROGRAMS[program]()
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)


# ---- when ----------------------------------------------------------------------------


def wait_for_moment(
    life: Life, folder: Path, kind: str, start_up: float, rng: random.Random
) -> None:
    """Returns at a random moment of a kind, or when the run has ended by itself."""
    if kind == "saving":
        count, delay = rng.randrange(1, 8), rng.uniform(0, 0.01)
        seen: set[str] = set()
        while len(seen) < count and life.runs():
            seen |= leftovers(folder)
            time.sleep(0.0003)
        time.sleep(delay)
        return
    seconds = rng.uniform(0, 1.2 * start_up)
    if kind == "training":
        seconds = start_up + rng.uniform(0, 0.8)
    while life.runs() and time.monotonic() - life.started < seconds:
        time.sleep(0.001)


def leftovers(folder: Path) -> set[str]:
    """Files that are being written, or were when their writer was killed."""
    out = folder / "out"
    if not out.is_dir():
        return set()
    return {name for name in os.listdir(out) if LEFTOVER.fullmatch(name)}


# ---- one training --------------------------------------------------------------------


@dataclass
class Count:
    """What a campaign has seen."""

    kills: Counter = field(default_factory=Counter)
    trainings: int = 0
    resumed: int = 0
    most_leftovers: int = 0
    mid_save: int = 0

    @property
    def total(self) -> int:
        return sum(self.kills.values())


def left(folder: Path, description: str) -> dict[str, object]:
    """What a complete training has left, bit for bit."""
    path = folder / description
    config = read_model(path)
    best = path.with_name(f"{path.stem}_best.h5")
    return {
        "weights": contents(path.with_suffix(".h5")),
        "best": contents(best) if best.exists() else None,
        "log": merged_logs(path.parent, config.name, config.timestamp),
    }


def description_of(text: str) -> str | None:
    found = re.search(r"^Model saved at (.+)$", text, re.MULTILINE)
    return found and found[1]


def first_step(text: str) -> int:
    """The step that a run has gone on from."""
    found = re.search(r"^Continuing from \S+ after (\d+) steps$", text, re.MULTILINE)
    return int(found[1]) if found else 0


def last_save(text: str) -> int:
    """The step of the last save that a run has printed, or that it has gone on from."""
    step, name = first_step(text), description_of(text)
    if name is None:
        return step
    weights = re.escape(name.removesuffix(".pbtxt"))
    saves = len(re.findall(rf"^Writing model to {weights}\.h5$", text, re.MULTILINE))
    return min(STEPS, (step // SAVE_AFTER + saves) * SAVE_AFTER) if saves else step


class Training:
    """A training that is killed again and again."""

    def __init__(self, scenario: Scenario, folder: Path, start_up: float) -> None:
        self.scenario, self.folder, self.start_up = scenario, folder, start_up
        self.model, self.saved, self.number = "model.pbtxt", 0, 0
        folder.mkdir()
        scenario.write(folder, UNITS, **FIELDS)

    def live(self, rng: random.Random, kill: bool, cold: bool, count: Count) -> bool:
        """One run, killed or not; True when the training is complete."""
        self.number += 1
        life = begin(self.scenario, self.folder, self.model, self.number, cold)
        kind = rng.choices(("start-up", "training", "saving"), (3, 4, 5))[0]
        if kill:
            start_up = self.start_up * (3 if cold else 1)
            wait_for_moment(life, self.folder, kind, start_up, rng)
            if life.kill():
                count.kills[kind] += 1
                count.mid_save += bool(leftovers(self.folder))
        while life.runs():
            time.sleep(0.005)
        self.check(life, count)
        return life.status == 0

    def check(self, life: Life, count: Count) -> None:
        """Whether the run has lost nothing; what it has saved."""
        text = life.text
        if life.status not in (0, -signal.SIGKILL):
            raise Lost(f"{life.output} ends with {life.status}:\n{text}")
        if "Continuing from" in text:
            count.resumed += 1
            # a save may be there and its line not yet
            if not self.saved <= first_step(text) <= self.saved + SAVE_AFTER:
                raise Lost(
                    f"{life.output} goes on from step {first_step(text)}, and step "
                    f"{self.saved} was saved:\n{text}"
                )
        elif description_of(text) and self.saved:
            raise Lost(f"{life.output} does not go on from {self.saved}:\n{text}")
        self.saved = max(self.saved, last_save(text))
        found = leftovers(self.folder)
        count.most_leftovers = max(count.most_leftovers, len(found))
        if description_of(text):
            self.model = description_of(text)
            stem = Path(self.model).stem
            strays = {name for name in found if not name.startswith(f".{stem}")}
            if strays:
                raise Lost(f"{life.output} has not removed {strays}")


def campaign(
    names: list[str], kills: int, seed: int, cold: float, root: Path, say=print
) -> Count:
    """Kills so many runs. Raises Lost where one loses anything."""
    rng, count = random.Random(seed), Count()
    undisturbed, start_up = {}, {}
    for name in names:
        training = Training(SCENARIOS[name], root / f"undisturbed_{name}", 0)
        began = time.monotonic()
        training.live(rng, kill=False, cold=False, count=Count())
        start_up[name] = 0.4 * (time.monotonic() - began)
        undisturbed[name] = left(training.folder, training.model)
        say(f"{name}: undisturbed in {time.monotonic() - began:.1f} s")
    while count.total < kills:
        name = names[count.trainings % len(names)]
        folder = root / f"training_{count.trainings}"
        training = Training(SCENARIOS[name], folder, start_up[name])
        # without an end a training that gets nowhere would go on for ever
        for _ in range(40 * STEPS):
            kill = count.total < kills
            if training.live(rng, kill, rng.random() < cold, count):
                break
        if left(folder, training.model) != undisturbed[name]:
            raise Lost(f"{folder} is not what an undisturbed run leaves")
        if leftovers(folder):
            raise Lost(f"{folder} has {leftovers(folder)}")
        count.trainings += 1
        say(
            f"{name}: {training.number} runs, the same bytes; kills so far "
            f"{count.total}, {count.mid_save} in the middle of a file"
        )
        shutil.rmtree(folder)
    return count


# ---- the program ---------------------------------------------------------------------


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_argument("--kills", type=whole_number(1), default=300)
    options.add_argument("--seed", type=whole_number(0), default=1)
    options.add_argument("--cold", type=float, default=0.1)
    options.add_argument("--scenarios", default=",".join(SCENARIOS))
    options.add_argument("--folder", help="a new one; it is kept if a run loses")
    args = options.parse_args()
    root = Path(args.folder or tempfile.mkdtemp(prefix="kills_")).resolve()
    root.mkdir(exist_ok=True)
    began = time.monotonic()
    try:
        count = campaign(
            args.scenarios.split(","), args.kills, args.seed, args.cold, root
        )
    except Lost as error:
        print(f"✗ {error}\nall of it is in {root}")
        return 1
    shutil.rmtree(root)
    kinds = ", ".join(f"{number} {kind}" for kind, number in count.kills.items())
    print(
        f"✓ {count.total} kills ({kinds}; {count.mid_save} in the middle of writing a "
        f"file), {count.resumed} runs continued, {count.trainings} trainings complete "
        f"and bit for bit those that nobody disturbed, at most {count.most_leftovers} "
        f"half-written files at a time, {time.monotonic() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
