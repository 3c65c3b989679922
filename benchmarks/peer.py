"""A PyTorch script from elsewhere that times the same step: PEER=path/to/script.py.

It is run in a process of its own, with the arguments that torch_combo.py takes, and
must write JSON with `variants`, each with `median_ms`; the fastest counts. For the
classifier a script torch_classifier.py beside it is run.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from benchmarks.sizes import Size
from videolstm.errors import UserError

# The fastest on every CPU so far: a hand-written backward pass with compiled parts,
# its products by PyTorch's own choice and by oneDNN.
VARIANTS = "e,e+dnn"


def script_for(peer: Path, size: Size) -> Path | None:
    """The script that times this size; None where there is none."""
    script = peer.with_name("torch_classifier.py") if size.classes else peer
    return script if script.is_file() else None


def arguments(size: Size, threads: int, steps: int, seconds: float) -> list[str]:
    """What the script is given, without the place for its JSON."""
    numbers = {
        "hid": size.units,
        "dims": size.dims,
        "batch": size.batch,
        "threads": threads,
        "steps": steps,
        "max-s": seconds,
        "variant": VARIANTS,
    }
    found = [part for key, x in numbers.items() for part in (f"--{key}", str(x))]
    if size.classes:
        found += ["--frames", str(size.frames), "--classes", str(size.classes)]
    else:
        found += ["--frames", str(size.read), str(size.frames - size.read)]
        found += [] if size.sparse else ["--real"]
    return [*found, "--no-check"]


def fastest(result: dict) -> dict:
    """Name, milliseconds and samples of the fastest variant of the script's JSON."""
    timed = {k: v for k, v in result["variants"].items() if "median_ms" in v}
    if not timed:
        raise UserError(f"the peer's script timed none of {VARIANTS}: {result}")
    name = min(timed, key=lambda name: timed[name]["median_ms"])
    clean, taken = timed[name].get("clean_samples") or (None, timed[name].get("n"))
    kept = timed[name].get("n")
    return {"variant": name, "ms": timed[name]["median_ms"], "kept": kept} | {
        "taken": taken,
        "quiet": clean == kept,
        "peak_mib": result.get("peak_rss_mb"),
    }


def run(
    python: str, script: Path, size: Size, threads: int, steps: int, seconds: float
) -> dict:
    """Runs the script once; as `fastest`. Raises UserError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "peer.json"
        command = [python, str(script), *arguments(size, threads, steps, seconds)]
        done = subprocess.run(
            [*command, "--json", str(out)], capture_output=True, text=True
        )
        if done.returncode or not out.is_file():
            raise UserError(
                f"{script}: it ended with exit status {done.returncode}: "
                f"{' '.join(done.stderr.split())[-500:]}"
            )
        return fastest(json.loads(out.read_text()))
