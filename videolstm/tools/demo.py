"""`make demo`: from nothing to a page about what a model has learned, on the CPU.

Makes digits and videos of them, trains the model of models/lstm_combo_demo.pbtxt on
them, shows what it makes of videos that it has never seen, and writes all of it onto a
page. Everything lands in one folder; each command is printed before it runs, as one
could type it there.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from videolstm.command import parser, positive_number, run
from videolstm.config import read_model
from videolstm.errors import UserError
from videolstm.models.checkpoint import find_checkpoint
from videolstm.pictures.page import write_page
from videolstm.tools.demo_page import Run, demo_page

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "lstm_combo_demo.pbtxt"
TRAIN = ROOT / "datasets" / "bouncing_demo.pbtxt"
VALID = ROOT / "datasets" / "bouncing_demo_valid.pbtxt"
STEPS = 50  # of the future, five times what the model is trained for

# What makes the data: a file, and the command that makes it.
DATA = {
    "digits.h5": "-m videolstm.tools.digits --out digits.h5",
    "digits_valid.h5": "-m videolstm.tools.digits --samples 1000 --seed 1 "
    "--out digits_valid.h5",
    "bouncing_demo_valid.npy": "-m videolstm.tools.bouncing --digits digits_valid.h5 "
    "--sequences 400 --frames 60 --image-size 40 --num-digits 1 "
    "--out bouncing_demo_valid.npy",
}


def as_typed(words: list[str]) -> str:
    """A Python command as one types it in the demo's folder."""
    return f"python {shlex.join(word.replace(str(ROOT), '..') for word in words)}"


def call(folder: Path, words: list[str]) -> None:
    """Runs a Python command in `folder`, after printing it."""
    print(f"\n$ {as_typed(words)}", flush=True)
    status = subprocess.run([sys.executable, *words], cwd=folder).returncode
    if status:
        sys.exit(status)


def make_data(folder: Path) -> list[str]:
    """Makes digits for training, and videos of other digits for validation, where they
    are missing; returns the commands."""
    for name, command in DATA.items():
        if not (folder / name).exists():
            call(folder, command.split())
    return [as_typed(command.split()) for command in DATA.values()]


def trained(folder: Path) -> Path | None:
    """The description that the newest run of today's demo model left, if there is one
    with a checkpoint."""
    for path in sorted((folder / "runs").glob("lstm_combo_demo_*.pbtxt"), reverse=True):
        left, wanted = read_model(path), read_model(MODEL)
        checkpoint = find_checkpoint(left, path)
        for config in (left, wanted):
            config.ClearField("timestamp")
            config.ClearField("checkpoint_dir")
        if left == wanted and checkpoint is not None:
            return path
    return None


def training_command(max_minutes: float) -> list[str]:
    files = [ROOT / "lstm_combo.py", MODEL, TRAIN, VALID]
    return [*map(str, files), "cpu", "--max-minutes", f"{max_minutes:g}"]


def showing_command(description: Path, folder: Path) -> list[str]:
    words = [str(ROOT / "display_results.py"), str(description.relative_to(folder))]
    words += [str(VALID), "cpu", "--examples", "6", "--steps", str(STEPS)]
    return [*words, "--features", "--csv", "results/numbers.csv", "--out", "results"]


def demo() -> None:
    """What the command line asks for."""
    options = parser("demo", "Train the demo model and show what it has learned.")
    options.add_argument("--folder", default="demo", help="where everything goes")
    options.add_argument(
        "--max-minutes",
        type=positive_number,
        default=9.0,
        metavar="M",
        help="training stops after so many minutes, finished or not",
    )
    args = options.parse_args()
    if not MODEL.is_file():
        raise UserError(
            f"{MODEL}: there is no such file; the demo needs the source tree, where "
            "its model is described"
        )
    folder = Path(args.folder).resolve()
    (folder / "results").mkdir(parents=True, exist_ok=True)
    commands = make_data(folder)
    training = training_command(args.max_minutes)
    description = trained(folder)
    if description is None:
        call(folder, training)
        description = trained(folder)
    else:
        print(f"{description} is trained; remove {args.folder} to train anew")
    showing = showing_command(description, folder)
    call(folder, showing)
    commands += [as_typed(training), as_typed(showing)]
    made = Run(description, folder / "results", VALID.stem, STEPS, commands)
    write_page(folder / "index.html", demo_page(made))
    print(f"\nOpen {Path(args.folder) / 'index.html'} in a browser: what the model has")
    print("learned, in pictures, animations and numbers, and how to make them")


def main() -> None:
    """The console command."""
    run(demo)


if __name__ == "__main__":
    main()
