"""What the command lines share: how they end, and how they read numbers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from cudamat import CUDAMatException
from videolstm.errors import UserError

WRONG_USE = 2
INTERRUPTED = 130  # 128 + SIGINT, what a shell expects
PIPE_CLOSED = 141  # 128 + SIGPIPE

LARGEST_SEED = 2**32 - 1


def run(main: Callable[[], None]) -> None:
    """Call `main` and exit as every program here does.

    A UserError, or what the matrix library cannot do (no memory, no library), is one
    line on stderr, `PROGRAM: sentence`, and exit status 2; Ctrl-C is `PROGRAM:
    interrupted` and 130. Everything else is a fault of ours and keeps its traceback.
    """
    program = Path(sys.argv[0]).stem
    try:
        main()
    except (UserError, CUDAMatException) as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(WRONG_USE)
    except BrokenPipeError:  # whoever read our output has stopped, such as `head`
        # Python flushes stdout once more at the end, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """An argument parser whose help shows `program` and each option's default."""
    return argparse.ArgumentParser(
        prog=program,
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """An argparse `type`: a whole number of at least `least` (and at most `most`)."""
    span = f"from {least} up" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(
                f"must be a whole number {span}, not {text!r}"
            )
        return value

    return read


def positive_number(text: str) -> float:
    """An argparse `type`: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = None
    if value is None or not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def add_out(options: argparse.ArgumentParser, name: str) -> None:
    """Add `--out`, the file to write; `name` stands for it in the help."""
    options.add_argument(
        "--out",
        required=True,
        default=argparse.SUPPRESS,  # there is none for the help to show
        metavar=name,
        help="where to write; replaced if it is there",
    )


def add_seed(options: argparse.ArgumentParser, default: int) -> None:
    """Add `--seed`, the same in every program that draws random numbers."""
    options.add_argument(
        "--seed",
        type=whole_number(0, LARGEST_SEED),
        default=default,
        metavar="S",
        help="of the random numbers: the same seed gives the same data",
    )
