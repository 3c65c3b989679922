"""What the command lines share: how they end, and how they read numbers."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from cudamat import MATH_MODES, CUDAMatException
from videolstm.errors import UserError

WRONG_USE = 2
INTERRUPTED = 130  # 128 + SIGINT, what a shell expects
PIPE_CLOSED = 141  # 128 + SIGPIPE

LARGEST_SEED = 2**32 - 1

BOARD = "CUDA device number, cpu, or auto"  # what `videolstm.board.use_board` takes

# What asks a program to end, beside Ctrl-C: kill, a batch system, a closed terminal.
ENDING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Stopped(BaseException):
    """A signal ends the program in good order; the text says what the user should know.

    Like KeyboardInterrupt it is no Exception, so that nothing takes it for a fault.
    """

    def __init__(self, number: int, text: str = "") -> None:
        self.number = number
        super().__init__(text or f"ended by {signal.Signals(number).name}")


def run(main: Callable[[], None]) -> None:
    """Call `main` and exit as every program here does.

    A UserError, or what the matrix library cannot do (no memory, no library), is one
    line on stderr, `PROGRAM: sentence`, and exit status 2; Ctrl-C is `PROGRAM:
    interrupted` and 130, SIGTERM and SIGHUP are likewise a line and 143 and 129.
    Everything else is a fault of ours and keeps its traceback.
    """
    # A file may have a name that is no text, or none in the terminal's encoding.
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _ending_signals_raised():
            main()
    except (UserError, CUDAMatException) as error:
        complain(str(error))
        sys.exit(WRONG_USE)
    except BrokenPipeError:  # whoever read our output has stopped, such as `head`
        _forget_stdout()
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(INTERRUPTED)
    except Stopped as stop:
        if 128 + stop.number == PIPE_CLOSED:
            _forget_stdout()
        complain(str(stop))
        sys.exit(128 + stop.number)


def complain(sentence: str) -> None:
    """Print `PROGRAM: sentence` on stderr."""
    with contextlib.suppress(OSError):  # a closed or full stderr changes nothing
        print(f"{Path(sys.argv[0]).stem}: {sentence}", file=sys.stderr, flush=True)


def _forget_stdout() -> None:
    """Python flushes stdout once more at the end, and would complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _ending_signals_raised() -> Iterator[None]:
    """Within it SIGTERM and SIGHUP raise Stopped, as Ctrl-C raises KeyboardInterrupt,
    so that files that are half written are removed. Ignored ones (nohup) stay so."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    before = {}
    with contextlib.suppress(ValueError):  # only the main thread may set handlers
        for number in ENDING:
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """An argument parser whose help shows `program` and each option's default.

    An option is spelled out: a beginning of its name that fits today may fit two
    options tomorrow, and what was a slip of the hand would be taken for another one.
    """
    return argparse.ArgumentParser(
        prog=program,
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
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


def add_math(options: argparse.ArgumentParser) -> None:
    """Add `--math`, the same in every program that computes with a model."""
    options.add_argument(
        "--math",
        choices=MATH_MODES,
        default=MATH_MODES[0],
        help="matrix products from operands of so many bits; all else is float32 "
        "(emulated on the CPU, to see what it does to the numbers; no checkpoint "
        "remembers it)",
    )


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
