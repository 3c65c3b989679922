"""The page that `make demo` ends with: what the model does, for someone who has never
heard of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cudamat as cm
from videolstm.config import read_model
from videolstm.models.checkpoint import checkpoint_iteration, find_checkpoint
from videolstm.pictures.curves import Row, history, logs_of
from videolstm.pictures.page import Page, Picture, Section
from videolstm.results.metrics import Score
from videolstm.results.tables import legend, read_csv, tables

_PAPER = (
    "The model is that of N. Srivastava, E. Mansimov and R. Salakhutdinov, "
    "Unsupervised Learning of Video Representations using LSTMs, ICML 2015. "
    "This page needs no other file and no network."
)


@dataclass(frozen=True)
class Run:
    """What there is to show of the run that left `description`.

    results: the folder that display_results.py has written into, for the data set
    `data` (its name). steps: of its option --steps. commands: that made it all, as one
    types them.
    """

    description: Path
    results: Path
    data: str
    steps: int
    commands: list[str]

    def picture(self, name: str, shows: str, caption: str = "") -> Picture:
        """One of the pictures, by the end of its name."""
        path = self.results / f"{self.description.stem}_{self.data}{name}"
        return Picture(path, shows, caption)

    def iterations(self) -> int:
        """Steps of training."""
        config = read_model(self.description)
        return checkpoint_iteration(find_checkpoint(config, self.description))


def demo_page(run: Run) -> Page:
    """The page about a run."""
    config = read_model(run.description)
    seen, unseen = config.dec_seq_length, config.future_seq_length
    numbers = 2 * config.lstm[0].num_hid  # hidden state and cell
    first = run.picture(
        ".gif",
        "Videos of a bouncing digit, each beside what the model makes of it",
        f"Left the video, right the model. Blue: the {seen} frames that it has "
        "watched, redrawn from memory. Orange: it sees nothing any more, and draws "
        "what it expects to happen.",
    )
    return Page(
        title="A network that watches, remembers and predicts",
        lead=f"It watches {seen} frames of a video and keeps nothing of them but "
        f"{numbers} numbers. From these numbers alone it redraws what it saw, and then "
        f"draws the {unseen} frames that come next, which nobody has shown it.",
        first=first,
        numbers=_cards(run, config),
        sections=[
            _frames(run),
            *_learning(run),
            _numbers(run, config),
            _further(run, unseen),
            _features(run, config),
            _commands(run),
        ],
        footer=f"{_PAPER} {_machine()}",
    )


# ---- sections ------------------------------------------------------------------------


def _frames(run: Run) -> Section:
    text = (
        "The same videos, laid out. The upper row of each pair is the video; below it "
        "is the model, left of the rule its memory of the past, right of it the "
        "future. Blurred means unsure: where a digit may be in several places, the "
        "best answer is all of them, a little."
    )
    shown = run.picture(".png", "The videos frame by frame, with the model below")
    return Section("Frame by frame", [text], [shown])


def _learning(run: Run) -> list[Section]:
    """Nothing where training was too short for a curve."""
    curve = run.description.with_suffix(".png")
    if not curve.is_file():
        return []
    text = (
        "Nobody tells the model what a digit is, or that it bounces: it only ever sees "
        "videos, and is corrected where its picture differs from the true one. The "
        "curve is how much a frame still surprises it, in nats: in training, and, the "
        "dots, in videos of other digits that it never learns from."
    )
    picture = Picture(curve, "Loss over the steps of training")
    return [Section("How it learned", [text], [picture])]


def _numbers(run: Run, config) -> Section:
    scores, binary, modes = read_csv(run.results / "numbers.csv")
    text = (
        "Lower is better for nats, MSE and MAE, higher for SSIM and PSNR. To know what "
        "they are worth, compare them with two others: the least that any model could "
        "reach, and, right of the line, what one gets by saying that nothing will move."
    )
    return Section(
        "In numbers",
        [text],
        tables=tables(scores, binary, modes),
        notes=legend(binary, config.lstm[0].input_dims),
    )


def _further(run: Run, unseen: int) -> Section:
    text = (
        f"In training it never had to predict more than {unseen} frames. Here it goes "
        f"on for {run.steps}, with no frame to look at. Purple is further than it was "
        "trained to look."
    )
    moving = run.picture(f"_{run.steps}_steps.gif", "The future going on and on")
    units = run.picture(
        f"_{run.steps}_steps_units.png",
        "The activity of the predictor's units over time",
        "What the units of the predictor do meanwhile, in the first video: a line for "
        "each of 200 chosen at random, time from left to right; right of the rule it "
        "is further than in training.",
    )
    return Section("Further than it was trained to look", [text], [moving, units])


def _features(run: Run, config) -> Section:
    text = (
        f"Each of the {config.lstm[0].num_hid} units of the encoder looks at the frame "
        "through weights of its own: bright where ink excites it, dark where ink "
        "silences it. Nobody drew these; strokes and places emerge from watching. The "
        "decoders' weights, smoother, are what their units draw with."
    )
    shown = run.picture("_features.png", "The weights of units as little pictures")
    return Section("What its units look for", [text], [shown])


def _commands(run: Run) -> Section:
    text = (
        "make demo runs these commands in the folder demo, and then writes this page. "
        "Another model, data set or board is another word in them."
    )
    return Section("Make this page", [text], commands=run.commands)


# ---- the numbers that one sees first -------------------------------------------------


def _cards(run: Run, config) -> list[tuple[str, str]]:
    scores, _, _ = read_csv(run.results / "numbers.csv")
    iterations = run.iterations()
    steps = f"of training on a CPU: {iterations} steps"
    rows = history(logs_of(config, run.description))
    cards = [(_duration(rows, iterations), steps)] if rows else []
    model, copy = (_of_all(scores, who, "mse") for who in ("model", "copy"))
    if copy > model > 0:
        what = "smaller squared error of the future than if nothing moved"
        cards.append((f"{copy / model:.1f}×", what))
    model, copy = (_of_all(scores, who, "ssim") for who in ("model", "copy"))
    if model is not None:
        what = "similarity of predicted and true future (SSIM, at most 1;"
        cards.append((f"{model:.2f}", f"{what} {copy:.2f} if nothing moved)"))
    return cards


def _of_all(scores: list[Score], predictor: str, name: str) -> float | None:
    """A number of all frames of the future, or None."""
    for score in scores:
        key = (score.part, score.predictor, score.frame)
        if key == ("future", predictor, None):
            return score.values.get(name)
    return None


def _duration(rows: list[Row], iterations: int) -> str:
    """How long training took, over all the times that the run was continued."""
    seconds = [row.get("seconds", 0.0) for row in rows]
    ends = [last for last, first in pairwise(seconds) if first < last]
    # The log ends with the last line that was printed, a few steps before the run.
    all_of_it = (sum(ends) + seconds[-1]) * iterations / rows[-1]["iteration"]
    return f"{all_of_it / 60:.0f} min" if all_of_it >= 90 else f"{all_of_it:.0f} s"


def _machine() -> str:
    """What the model ran on, in a sentence."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return f"Made on {names[0] if names else 'a CPU'}, {cm.threads()} threads."
