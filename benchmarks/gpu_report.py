"""What the GPU check found, as JSON and for people to read."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from datetime import date
from pathlib import Path

from benchmarks.gpu_board import Board
from benchmarks.gpu_session import ROOT
from videolstm.errors import UserError
from videolstm.files import written_beside

STATUS = {"passed": "✓", "failed": "✗", "left out": "-"}


class Report:
    """The results of one board and day; stages that run later join those before.

    Attributes:
        path: the .json; a .md for reading and a .log of all output are beside it.
    """

    def __init__(self, folder: Path, board: Board, today: date) -> None:
        name = re.sub(r"[^a-z0-9]+", "-", board.name.lower()).strip("-")
        self.path = folder / f"gpu-{name}-{today:%Y%m%d}.json"
        self.content = {
            "board": {
                "name": board.name,
                "compute_capability": "{}.{}".format(*board.compute_capability),
                "total_bytes": board.total_bytes,
            },
            "date": today.isoformat(),
            "command": "make gpu-check",
            "commit": commit(),
            "host": {"machine": platform.machine(), "cores": os.cpu_count()},
            "stages": self._before(),
        }

    @property
    def log(self) -> Path:
        return self.path.with_suffix(".log")

    @property
    def summary(self) -> Path:
        return self.path.with_suffix(".md")

    @property
    def stages(self) -> dict[str, dict]:
        """By name: status, seconds, purpose, and what was found or what went wrong."""
        return self.content["stages"]

    def _before(self) -> dict[str, dict]:
        if not self.path.is_file():
            return {}
        try:
            return dict(json.loads(self.path.read_text())["stages"])
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{self.path}: is not a result of this check, which would join it; "
                "remove it, or name another folder with --out"
            ) from None

    def add(self, name: str, entry: dict) -> None:
        """Takes a stage's result and writes both files."""
        self.stages[name] = entry | {"commit": self.content["commit"]}
        with written_beside(self.path) as beside:
            beside.write_text(json.dumps(self.content, indent=2) + "\n")
        with written_beside(self.summary) as beside:
            beside.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        """The summary, in Markdown."""
        board, host = self.content["board"], self.content["host"]
        lines = [
            f"# GPU check: {board['name']}, {self.content['date']}",
            "",
            f"Compute capability {board['compute_capability']}, "
            f"{board['total_bytes'] / 1e9:.1f} GB; host: {host['machine']}, "
            f"{host['cores']} cores. `{self.content['command']}` of commit "
            f"{self.content['commit']}.",
            "",
            "| | stage | what it shows | seconds | found |",
            "| --- | --- | --- | ---: | --- |",
        ]
        lines += [self._row(name, entry) for name, entry in self.stages.items()]
        for name, entry in self.stages.items():
            if entry["status"] == "failed":
                lines += ["", f"## {name}", "", "```", entry["why"], "```"]
        return "\n".join(lines) + "\n"

    def _row(self, name: str, entry: dict) -> str:
        if entry["status"] == "failed":
            found = "failed, see below"
        else:
            found = entry.get("why") or in_words(entry["found"])
        found = found.replace("\n", " ").replace("|", "/")
        return (
            f"| {STATUS[entry['status']]} | {name} | {entry['purpose']} | "
            f"{entry['seconds']:.0f} | {found} |"
        )


def in_words(found) -> str:
    """What a stage found, on one line."""
    if isinstance(found, dict):
        return ", ".join(f"{k}: {in_words(v)}" for k, v in found.items())
    return f"{found:.4g}" if isinstance(found, float) else str(found)


def commit() -> str:
    """The commit of the tree, as git knows it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
