"""How fast training is on this CPU, ours beside PyTorch: `make bench`.

    python -m benchmarks.bench [--sizes S M L P C] [--quick] [--torch-python PYTHON]
        [--peer SCRIPT] [--threads N] [--out DIR]

Each side in a process of its own, in turn, with the same number of threads and batches
of the same kind; medians of samples in which nobody else was at work. Prints tables and
writes DIR/cpu-<date>.json.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import cudamat as cm
from benchmarks import around
from benchmarks.sizes import ROOT, SIZES
from benchmarks.steps import Settings, measure
from benchmarks.table import growth_table, number, parts_table, samples_line, step_table
from benchmarks.worker import Failed
from videolstm.board import use_board
from videolstm.command import parser, run, whole_number
from videolstm.errors import UserError
from videolstm.files import written_beside

RESULTS = ROOT / "benchmarks" / "results"
AROUND = ("data", "start", "growth")


def machine() -> dict:
    """Processor, memory and system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def find_torch(named: str | None) -> str | None:
    """A Python that has torch: the one that is named, else this one if it has."""
    python = named or sys.executable
    if shutil.which(python) is None:
        raise UserError(f"{python}: there is no such program, to be the torch-python")
    # A path from here; the name is left as it is, for a venv goes by it.
    python = os.path.abspath(python) if os.sep in python else python
    found = subprocess.run([python, "-c", "import torch"], capture_output=True)
    if found.returncode == 0:
        return python
    if named:
        raise UserError(f"{named}: this Python cannot import torch")
    return None


def arguments():
    options = parser("python -m benchmarks.bench", "Times training on this CPU.")
    add = options.add_argument
    add("--sizes", nargs="*", choices=SIZES, default=list(SIZES), metavar="SIZE")
    add("--around", nargs="*", choices=AROUND, default=list(AROUND), metavar="WHAT")
    add("--quick", action="store_true", help="a few seconds for each")
    add("--torch-python", metavar="PYTHON", help="a Python that has torch")
    add("--peer", type=Path, metavar="SCRIPT", help="another PyTorch to compare with")
    add("--threads", type=whole_number(1), help="on each side; all cores if left out")
    add("--out", type=Path, default=RESULTS, metavar="DIR", help="for the JSON")
    add("--date", default=f"{datetime.now(timezone.utc):%Y%m%d}", help="in its name")
    return options.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure_all(args, settings: Settings) -> Iterator[dict]:
    """What has been found so far, each time that there is more: a run takes half an
    hour, and what fails late must not lose it."""
    found: dict = {"sizes": {}}
    for name in args.sizes:
        say(f"{name}: steps")
        found["sizes"][name] = measure(SIZES[name], settings, say)
        yield found
    if "data" in args.around:
        found["generator"] = around.generator()
        yield found
    if "start" in args.around:
        found["start_up"] = around.start_up()
        yield found
    if "growth" in args.around:
        found["growth"] = around.growth(settings, args.quick, say)
        yield found


def report(found: dict) -> str:
    """All tables."""
    sizes, parts = found["sizes"], []
    if sizes:
        parts += [step_table(sizes), parts_table(sizes)]
    lines = []
    for name, result in sizes.items():
        for side in ("ours", "torch", "peer"):
            if side in result:
                lines.append(samples_line(f"{name}, {side}", result[side]))
        if "evaluation_ms" in result:
            batch = result["size"]["batch"]
            rate = 1e3 * batch / result["evaluation_ms"]
            lines.append(
                f"{name}: evaluation {number(result['evaluation_ms'])} ms a batch, "
                f"{rate:.0f} videos a second"
            )
    if "generator" in found:
        made = found["generator"]
        lines.append(
            f"bouncing digits: {made['ms']:.2f} ms a batch of 80x20x64x64 "
            f"({made['batches per second']:.0f} a second), "
            f"{made['ms with new memory']:.2f} ms with new memory"
        )
    for name, seconds in found.get("start_up", {}).items():
        lines.append(f"{name}: {seconds:.2f} s")
    parts.append("\n".join(lines))
    if "growth" in found:
        parts.append(growth_table(found["growth"]))
    return "\n\n".join(parts)


def bench() -> None:
    """What the command line asks for."""
    args = arguments()
    line = use_board("cpu")
    print(line)
    threads = args.threads or cm.threads()
    torch_python = find_torch(args.torch_python)
    if torch_python is None:
        print(
            "PyTorch is not installed here, so there is nothing to compare with; name"
        )
        print("a Python that has it: make bench TORCH_PYTHON=path/to/python")
    if args.peer and not args.peer.is_file():
        raise UserError(f"{args.peer}: there is no such script, to be the peer")
    if args.peer and torch_python is None:
        raise UserError(f"{args.peer}: the peer needs a torch-python")
    times = (2.0, 1, 10.0) if args.quick else (6.0, 3, 60.0)
    peer = args.peer and args.peer.resolve()
    settings = Settings(*times, threads, torch_python, peer)
    about = {"command": " ".join(_command()), "machine": machine(), "board": line}
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"cpu-{args.date}.json"
    found: dict = {"sizes": {}}
    try:
        for found in measure_all(args, settings):
            with written_beside(path) as beside:
                beside.write_text(json.dumps(about | found, indent=1) + "\n")
    except Failed as error:
        kept = f"; {path} has what was measured before" if found["sizes"] else ""
        raise UserError(f"{error}{kept}") from None
    print(report(found))
    print(f"\n{path}")


def _command() -> list[str]:
    """What was typed, with the names of files and not where they are."""
    words = [Path(w).name if os.sep in w else w for w in sys.argv[1:]]
    return ["python", "-m", "benchmarks.bench", *words]


if __name__ == "__main__":
    run(bench)
