"""`make demo`: from nothing to a picture of a predicted future, on the CPU.

Makes digits and videos of them, trains the model of models/lstm_combo_demo.pbtxt on
them, and draws what it makes of videos that it has never seen. Everything lands in one
folder; each command is printed before it runs, as one could type it there.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from videolstm.board import use_board
from videolstm.checkpoint import find_checkpoint, load_checkpoint
from videolstm.command import parser, positive_number, run
from videolstm.composite import LSTMCombo
from videolstm.config import read_data, read_model
from videolstm.data import make_data_handler
from videolstm.display import draw_batch
from videolstm.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "lstm_combo_demo.pbtxt"
TRAIN = ROOT / "datasets" / "bouncing_demo.pbtxt"
VALID = ROOT / "datasets" / "bouncing_demo_valid.pbtxt"
EXAMPLES = 5


def call(folder: Path, *command: str) -> None:
    """Runs a Python command in `folder`, after printing it."""
    words = [word.replace(str(ROOT), "..") for word in command]
    print(f"\n$ python {shlex.join(words)}", flush=True)
    status = subprocess.run([sys.executable, *command], cwd=folder).returncode
    if status:
        sys.exit(status)


def make_data(folder: Path) -> None:
    """Digits for training, and videos of other digits for validation."""
    tools = "videolstm.tools"
    if not (folder / "digits.h5").exists():
        call(folder, "-m", f"{tools}.digits", "--out", "digits.h5")
    if not (folder / "bouncing_demo_valid.npy").exists():
        other = ["--samples", "1000", "--seed", "1", "--out", "digits_valid.h5"]
        call(folder, "-m", f"{tools}.digits", *other)
        videos = "--sequences 400 --image-size 40 --num-digits 1"
        call(
            folder,
            *["-m", f"{tools}.bouncing", "--digits", "digits_valid.h5"],
            *[*videos.split(), "--out", "bouncing_demo_valid.npy"],
        )


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


def draw(folder: Path, description: Path, picture: Path) -> None:
    """Draws the first validation videos, what the model rebuilds and what it
    predicts."""
    print(f"\n{use_board('cpu')}")
    config = read_model(description)
    data = make_data_handler(read_data(VALID), folder / VALID.name)
    model = LSTMCombo(config, description, data.num_frames)
    progress = load_checkpoint(find_checkpoint(config, description), model.params)
    frames = next(data.epoch(EXAMPLES)).frames
    title = f"{config.name} after {progress.iteration} steps, videos it has never seen"
    draw_batch(model, frames, data.frame_shape, picture, title)


def demo() -> None:
    """What the command line asks for."""
    options = parser("demo", "Train the demo model and draw what it predicts.")
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
    folder, picture = Path(args.folder), Path(args.folder) / "demo.png"
    folder.mkdir(parents=True, exist_ok=True)
    make_data(folder.resolve())
    description = trained(folder)
    if description is None:
        script = str(ROOT / "lstm_combo.py")
        minutes = ["--max-minutes", f"{args.max_minutes:g}"]
        files = [str(MODEL), str(TRAIN), str(VALID)]
        call(folder.resolve(), script, *files, "cpu", *minutes)
        description = trained(folder)
    else:
        print(f"{description} is trained; remove {folder} to train anew")
    draw(folder, description, picture)
    print(f"{picture}: the true videos, and below each the model's reconstruction of")
    print("its past and, right of the rule, the future that it predicts")


def main() -> None:
    """The console command."""
    run(demo)


if __name__ == "__main__":
    main()
