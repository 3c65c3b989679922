"""What is in a file, and would it run with this model?

    python -m videolstm.tools.inspect FILE [--model MODEL.pbtxt] [--sheet sheet.png]

FILE is anything that the programs here read or write: a description (.pbtxt) of data or
of a model, clips (.npy), digits (.h5, .npz, MNIST's own), features or labelled videos
(.h5), a checkpoint, predictions, a log, a list of labels, a video, an image; or it is a
folder of these. What is there is said in a few lines: layout, counts, ranges, classes,
layers. Of a large file some is looked at, and the line says how much.

With --model it ends in `runs with MODEL: yes`, or `no` and why; the exit status is then
0 or 1. Where data has no description of its own, one that would do is printed, too.
With --sheet some of it is drawn: frames of clips, digits, weights, the curves of a log.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from videolstm.command import LARGEST_SEED, parser, run, whole_number
from videolstm.config import read_model
from videolstm.contents.kind import Choice, Contents, Verdict
from videolstm.contents.kinds import contents_of
from videolstm.contents.report import Report
from videolstm.errors import UserError
from videolstm.files import check_writable

NO = 1  # exit status where a model does not run


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: say what is in a file."""
    chosen = _options(arguments)
    if chosen.sheet is not None:
        # here, because matplotlib takes longer to import than all the rest together
        from videolstm.pictures.sequences import check_suffix

        check_suffix(chosen.sheet)
        check_writable(chosen.sheet)
    contents = contents_of(chosen.file)
    report = Report(chosen.file, contents.title)
    contents.describe(report)
    runs = True
    try:
        if chosen.model is not None:
            model = read_model(chosen.model)
            verdict = contents.runs_with(model, Path(chosen.model))
            runs = verdict.why is None
            _add_verdict(report, chosen.model, verdict)
        if chosen.sheet is not None:
            _draw(contents, chosen, report)
    except UserError:  # what was found in the file is worth knowing all the same
        _say(report, chosen.json)
        raise
    _say(report, chosen.json)
    if not runs:
        sys.exit(NO)


def _draw(contents: Contents, chosen: argparse.Namespace, report: Report) -> None:
    from videolstm.pictures.sequences import save_figure

    figure = contents.sheet(Choice(chosen.clips, chosen.random))
    save_figure(figure, chosen.sheet)
    report.begin()
    report.add("sheet", f"written to {chosen.sheet}", str(chosen.sheet))


def _say(report: Report, as_json: bool | None) -> None:
    if as_json:
        print(json.dumps(_plain(report.json()), indent=2, allow_nan=False), flush=True)
    else:
        print(report.text(), flush=True)


def _add_verdict(report: Report, model: str, verdict: Verdict) -> None:
    report.begin(f"runs with {model}", "runs_with")
    text = "yes" if verdict.why is None else f"no: {verdict.why}"
    value = {"yes": verdict.why is None, "why": verdict.why}
    report.add("answer", text, value)
    if verdict.step is not None:
        report.add("step", verdict.step)
    for note in verdict.notes:
        report.add("note", note)
    if verdict.description is not None:
        report.add("described by", verdict.description)


def _plain(value: object) -> object:
    """As JSON has it: no number is infinite or NaN there."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = parser(
        "python -m videolstm.tools.inspect",
        "Say what is in a file that the programs here read or write.",
    )
    absent = {"default": argparse.SUPPRESS}
    add = options.add_argument
    text = "description, data, checkpoint, log, video or the like, or a folder of these"
    add("file", metavar="FILE", help=text)
    add(
        "--model",
        metavar="MODEL.pbtxt",
        help="say whether it runs with this model; exit status 1 where it does not",
        **absent,
    )
    add("--sheet", metavar="FILE.png", help="draw some of it, .png or .pdf", **absent)
    add(
        "--clips",
        type=whole_number(1, 100),
        default=6,
        metavar="N",
        help="rows of the sheet",
    )
    add(
        "--random",
        type=whole_number(0, LARGEST_SEED),
        metavar="SEED",
        help="on the sheet: some at random, not the first ones",
        **absent,
    )
    add("--json", action="store_true", help="for programs to read", **absent)
    chosen = options.parse_args(arguments)
    for name in ("model", "sheet", "random", "json"):
        vars(chosen).setdefault(name, None)
    return chosen


if __name__ == "__main__":
    run(main)
