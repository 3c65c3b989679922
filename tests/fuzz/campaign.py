"""Many changed files for every reader, and a table of what became of them.

    python -m tests.fuzz.campaign --inputs 100000 --seed 1 [--minutes M] [--out DIR]

Each format is read by a process of its own, which is watched: where it dies or stops
answering, the input is a failure, and the next process goes on behind it.

The programs read an .h5, a video, an image and a net in a process of its own, which
takes time on a busy computer. So here 49 of 50 are read in the process that reads all
the rest. Where it dies, or takes too long or too much, the library has failed, and the
input is read once more, as the programs do: it is a failure only if that does not end
in a sentence.

Inputs that fail are kept in --out and can be repeated by

    python -m tests.fuzz.campaign --format NAME --seed S --repeat NUMBER

The last lines are the table for docs/reliability.md; exit status 1 if anything failed.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.formats import FORMATS
from tests.fuzz.trial import Tally, Trials, limit_memory
from videolstm.outside.h5_server import SECONDS

# Seconds without an input after which a process is taken for stuck: on a busy computer
# those of the processor, which are counted elsewhere, take their time.
SILENT = 1200
MEMORY = 2 * 2**30  # that a process gets beyond what it starts with
_REPORT_EVERY = 50


def shares(inputs: int, names: Sequence[str]) -> dict[str, int]:
    """How many inputs each format gets."""
    total = sum(FORMATS[name].part for name in names)
    return {name: -int(-inputs * FORMATS[name].part // total) for name in names}


# ---- the process that reads ----------------------------------------------------------


def work(name: str, seed: int, first: int, last: int, folder: Path) -> None:
    """Reads inputs; prints the number of each before it is read, now and then a tally,
    and each failure."""
    trials = Trials(FORMATS[name], seed, folder, isolated=last - first == 1)
    limit_memory(MEMORY)
    for number in range(first, last):
        print(json.dumps({"at": number}), flush=True)
        failure = trials.run(number)
        # What is not reported yet is lost with the process, which a library may end.
        every = 1 if FORMATS[name].library else _REPORT_EVERY
        if failure is not None or (number - first) % every == 0:
            _report(trials)
    _report(trials)


def _report(trials: Trials) -> None:
    print(json.dumps({"tally": vars(trials.tally)}), flush=True)
    trials.tally = Tally()


# ---- the campaign --------------------------------------------------------------------


class Watch:
    """Runs the inputs of a format in processes and sums up what became of them."""

    def __init__(self, name: str, seed: int, until: float, out: Path) -> None:
        self.name, self.seed, self.until, self.out = name, seed, until, out
        self.tally = Tally()

    def run(self, count: int) -> None:
        first = 0
        while first < count and time.monotonic() < self.until:
            first = self._process(first, count)

    def _process(self, first: int, last: int) -> int:
        """One process; returns the number of the input to go on with."""
        with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
            command = [sys.executable, "-m", "tests.fuzz.campaign", "--work", folder]
            command += ["--format", self.name, "--seed", str(self.seed)]
            command += ["--from", str(first), "--inputs", str(last)]
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | {SECONDS: "5"},
            )
            at, ended = self._listen(process)
            process.kill()
            said = process.stderr.read().decode(errors="replace")[-2000:]
            status = process.wait()
        if at is None and ended:
            raise RuntimeError(f"no input of {self.name} was read:\n{said}")
        at = first if at is None else at
        if (ended and status == 0) or time.monotonic() >= self.until:
            return last
        if FORMATS[self.name].library and last - first > 1:
            self._alone(at, f"the process ended with {status}")
        else:
            self.tally.inputs += 1
            self.tally.failures[at] = f"the process ended with {status}: {said}"
        return at + 1

    def _alone(self, number: int, why: str) -> None:
        """An input with which a library has failed, read as the programs do."""
        self._process(number, number + 1)
        self.tally.library.setdefault(number, f"{why}, and not in a process of its own")

    def _listen(self, process: subprocess.Popen) -> tuple[int | None, bool]:
        """Until the process ends or is silent for too long: the input that it was at,
        and whether it ended by itself."""
        at, rest = None, b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while time.monotonic() < self.until:
                if not selector.select(SILENT):
                    return at, False
                data = os.read(process.stdout.fileno(), 2**16)
                if not data:
                    process.wait()
                    return at, True
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    said = json.loads(line)
                    at = said.get("at", at)
                    if "tally" in said:
                        self._add(said["tally"])
        return at, False

    def _add(self, said: dict) -> None:
        said["messages"] = Counter(said["messages"])
        for key in ("library", "failures", "again"):
            said[key] = {int(number): text for number, text in said[key].items()}
        self.tally.add(Tally(**said))
        for number, why in said["again"].items():
            self._alone(number, why)
        for number, text in said["failures"].items():
            print(f"{self.name} {number}: {text.strip().splitlines()[-1]}", flush=True)

    def keep_failures(self) -> None:
        """Writes the inputs that failed, and why, into the folder `out`."""
        if not self.tally.failures:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            trials = Trials(FORMATS[self.name], self.seed, Path(folder))
            for number, text in self.tally.failures.items():
                stem = f"{self.name.replace(' ', '_')}_{self.seed}_{number}"
                place = self.out / f"{stem}{FORMATS[self.name].suffix}"
                place.write_bytes(trials.made(number))
                place.with_name(f"{place.name}.why").write_text(text)


def table(tallies: dict[str, Tally]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| format | inputs | accepted | refused | messages | library failures "
        "| failures | seconds | slowest |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    total = Tally()
    for name, tally in tallies.items():
        total.add(tally)
        lines.append(_row(name, tally))
    return "\n".join([*lines, _row("all", total)])


def _row(name: str, tally: Tally) -> str:
    return (
        f"| {name} | {tally.inputs:,} | {tally.accepted:,} | {tally.refused:,} "
        f"| {len(tally.messages)} | {len(tally.library)} | {len(tally.failures)} "
        f"| {tally.seconds:.0f} | {tally.slowest:.2f} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _options(arguments)
    if chosen.work:
        work(chosen.format[0], chosen.seed, chosen.first, chosen.inputs, chosen.work)
        return 0
    names = chosen.format or list(FORMATS)
    if chosen.repeat is not None:
        folder = Path(tempfile.mkdtemp(prefix="fuzz"))
        trials = Trials(FORMATS[names[0]], chosen.seed, folder)
        print(
            trials.run(chosen.repeat)
            or f"as it should be: {dict(trials.tally.messages)}"
        )
        print(f"the input is {trials.path}")
        return 0
    shutil.rmtree(chosen.out, ignore_errors=True)
    until = time.monotonic() + 60 * chosen.minutes
    start = time.monotonic()
    tallies = {}
    for name, count in shares(chosen.inputs, names).items():
        watch = Watch(name, chosen.seed, until, chosen.out)
        watch.run(count)
        watch.keep_failures()
        tallies[name] = watch.tally
        print(_row(name, watch.tally), flush=True)
    print(f"\nseed {chosen.seed}, {time.monotonic() - start:.0f} s\n")
    print(table(tallies))
    for name, tally in tallies.items():
        for number, how in tally.library.items():
            library = FORMATS[name].library
            print(f"{name} {number}, seed {chosen.seed}: {library}: {how}")
    return int(any(tally.failures for tally in tallies.values()))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = argparse.ArgumentParser(
        prog="python -m tests.fuzz.campaign", allow_abbrev=False
    )
    add = options.add_argument
    add("--inputs", type=int, default=100_000, metavar="N", help="of all formats")
    add("--seed", type=int, default=1, metavar="S")
    add("--minutes", type=float, default=1e9, metavar="M", help="stop after so many")
    add("--format", action="append", choices=list(FORMATS), help="only this one")
    add("--out", type=Path, default=Path("fuzz_failures"), metavar="DIR")
    add("--repeat", type=int, metavar="NUMBER", help="read one input of a format again")
    add("--work", type=Path, help=argparse.SUPPRESS)
    add("--from", dest="first", type=int, default=0, help=argparse.SUPPRESS)
    return options.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
