"""Do the CPU library and the CUDA library compute the same?

    CUDAMAT_LIBRARY=... python -m benchmarks.agreement answer --out A.npz
    python -m benchmarks.agreement compare A.npz B.npz [--out FILE.json]

A process uses one library, so each answers in a process of its own: every operation of
the table in tests/cudamat, random numbers, and the models of tests/golden after five
updates. `compare` allows twice what the tests allow against numpy or the reference
values; random words and masks must be the same to the bit. Exit status 1 where they
differ.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import cudamat as cm
from tests.cudamat.table import ROWS, Row, shapes
from tests.videolstm.helpers import difference, tolerance
from tests.videolstm.models.test_golden_composite import NAMES, make_case
from videolstm.command import add_out, parser, run
from videolstm.errors import UserError
from videolstm.files import written_beside

UPDATES = 5
RANDOM = {
    "uniform": lambda m: m.fill_with_rand(),
    "dropout": lambda m: m.fill_with_dropout_mask(0.3),
    "normal": lambda m: m.fill_with_randn(),
}
EXACT = ("uniform", "dropout")
# Normal numbers go through log, sin and cos, which may differ in the last places; the
# largest of them is about 5.
NORMAL_DIFFERENCE = 5e-6

Answers = dict[str, np.ndarray]

# ----------------------------------------------------------------------- answers


def operation(row: Row, size: str) -> np.ndarray:
    """The result of an operation of the table, float64."""
    given = [cm.CUDAMatrix(values) for values in row.make(size)]
    target = None
    if row.modes == ("target",):
        target = cm.zeros(shapes(row.pattern, size)[-1])
    result = row.ours(*given, target)
    values = result.asarray() if isinstance(result, cm.CUDAMatrix) else result
    return np.asarray(values, np.float64)


def answers() -> Answers:
    """What the loaded library computes, by name."""
    found = {
        f"op/{row.name}/{size}": operation(row, size)
        for row in ROWS
        for size in row.sizes()
    }
    for name, fill in RANDOM.items():
        cm.CUDAMatrix.init_random(7)
        found[f"random/{name}"] = fill(cm.empty((301, 207))).asarray().copy()
    for name in NAMES:
        model, frames = make_case(name, "right")
        cm.CUDAMatrix.init_random(3)  # dropout
        for _ in range(UPDATES):
            model.train_step(frames)
        found[f"model/{name}/losses"] = model.train_losses.take()
        for param in model.params:
            found[f"model/{name}/{param.name}"] = param.w.asarray().copy()
    return found


# ----------------------------------------------------------------------- comparison


def excess(name: str, a: np.ndarray, b: np.ndarray) -> float:
    """How far two answers differ, in units of what is allowed."""
    if a.shape != b.shape:
        return np.inf
    kind, which, *rest = name.split("/")
    if kind == "op":
        return _operation_excess(which, rest[0], a, b)
    if kind == "random":
        if which in EXACT:
            return 0.0 if np.array_equal(a, b) else np.inf
        return float(np.abs(a - b).max() / NORMAL_DIFFERENCE)
    return float(difference(a, b) / (2 * tolerance()))


def _operation_excess(name: str, size: str, a: np.ndarray, b: np.ndarray) -> float:
    row = next(row for row in ROWS if row.name == name)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    scale = np.abs(b)
    if row.scale:
        scale = row.scale(*map(np.abs, row.make(size)))
    allowed = 2 * row.ulps * np.finfo(cm.real_type()).eps * np.asarray(scale)
    with np.errstate(all="ignore"):
        ratio = np.where(same, 0.0, np.abs(a - b) / allowed)
    return float(np.nan_to_num(ratio, nan=np.inf).max())


def compare(a: Answers, b: Answers) -> tuple[dict, list[str]]:
    """The largest part of what is allowed, by kind, and where it is more than that."""
    wrong = [f"{name}: only one of them has it" for name in sorted(set(a) ^ set(b))]
    worst: dict[str, dict] = {}
    for name in a.keys() & b.keys():
        part = excess(name, a[name], b[name])
        kind = worst.setdefault(name.split("/")[0], {"answers": 0, "largest part": 0.0})
        kind["answers"] += 1
        if part > kind["largest part"]:
            kind |= {"largest part": part, "of": name}
        if not part <= 1:
            wrong.append(f"{name}: differs by {part:.3g} times what is allowed")
    return worst, sorted(wrong)


# ----------------------------------------------------------------------- command line


def _load(path: str) -> Answers:
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, ValueError):
        raise UserError(
            f"{path}: is no file of answers, as `answer --out` writes them"
        ) from None


def main() -> None:
    options = parser(
        "python -m benchmarks.agreement", "Compares what two libraries compute."
    )
    verbs = options.add_subparsers(dest="verb", required=True)
    whole = {"allow_abbrev": False}
    answering = verbs.add_parser("answer", help="compute with one library", **whole)
    add_out(answering, "FILE.npz")
    comparing = verbs.add_parser("compare", help="compare the answers of two", **whole)
    comparing.add_argument("files", nargs=2, metavar="FILE.npz")
    comparing.add_argument("--out", type=Path, metavar="FILE.json")
    args = options.parse_args()
    if args.verb == "answer":
        found = answers()
        with written_beside(args.out) as beside:
            np.savez_compressed(beside, **found)
        print(f"{args.out}: {len(found)} answers of the {cm.load().kind} library")
        return
    worst, wrong = compare(*map(_load, args.files))
    print(json.dumps(worst, indent=2))
    for line in wrong:
        print(line)
    if args.out:
        with written_beside(args.out) as beside:
            beside.write_text(json.dumps(worst, indent=2) + "\n")
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    run(main)
