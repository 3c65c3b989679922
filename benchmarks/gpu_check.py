"""Checks everything on a machine with a CUDA board: `make gpu-check`.

    python -m benchmarks.gpu_check [--stage NAME ...] [--out DIR]

Works with the Python that runs it, which needs numpy, h5py, protobuf, matplotlib, tqdm
and pytest, and without a network. A stage takes under 8 minutes, is left out where the
machine lacks what it needs, and does not stop those after it. Results are added up in
DIR: gpu-<board>-<date>.json, a summary .md, and a .log of all that was printed. Exit
status: 0 if no stage failed, 1 if one did, 2 without a board.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.gpu_board import Board, first_board
from benchmarks.gpu_report import STATUS, Report, in_words
from benchmarks.gpu_session import ROOT, Failed, LeftOut, Session
from benchmarks.gpu_stages import STAGES, Stage
from videolstm.command import parser, run
from videolstm.errors import UserError

RESULTS = ROOT / "benchmarks" / "results"


def run_stage(stage: Stage, board: Board, report: Report) -> str:
    """Runs a stage, adds it to the report, and returns its status."""
    print(f"{stage.name}: {stage.purpose}", flush=True)
    start = time.monotonic()
    session = Session(board, report.path.parent, report.log)
    entry: dict = {"status": "passed", "purpose": stage.purpose}
    try:
        entry["found"] = stage.run(session)
    except LeftOut as reason:
        entry |= {"status": "left out", "why": f"left out: {reason}"}
    except Failed as reason:
        entry |= {"status": "failed", "why": str(reason)}
    entry["seconds"] = round(time.monotonic() - start, 1)
    report.add(stage.name, entry)
    words = entry.get("why") or in_words(entry["found"])
    print(f"{STATUS[entry['status']]} {stage.name}: {words}\n", flush=True)
    return entry["status"]


def chosen_stages(names: Sequence[str]) -> list[Stage]:
    """The stages of these names in their own order; all without a name."""
    return [stage for stage in STAGES if not names or stage.name in names]


def check(arguments: Sequence[str] | None = None) -> None:
    """What the command line asks for."""
    options = parser("gpu_check", "Check everything on a machine with a CUDA board.")
    options.add_argument(
        "--stage",
        action="append",
        choices=[stage.name for stage in STAGES],
        help="only this one; may be given several times",
    )
    options.add_argument("--out", type=Path, default=RESULTS, help="folder of results")
    args = options.parse_args(arguments)
    board = first_board()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{args.out}: cannot be made a folder ({error})") from None
    print(f"CUDA board 0: {board.name}, sm_{board.architecture}\n")
    report = Report(args.out.resolve(), board, date.today())
    states = [run_stage(s, board, report) for s in chosen_stages(args.stage or [])]
    print(f"{report.path}\n{report.summary}\n{report.log}")
    if "failed" in states:
        sys.exit(1)


if __name__ == "__main__":
    run(check)
