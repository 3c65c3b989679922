"""Fuzzing that is led by what code an input reaches, with atheris.

    pip install atheris
    python -m tests.fuzz.guided FORMAT [CORPUS_DIR] [-runs=N] [-max_total_time=S] [...]

Inputs that reach something new are kept in CORPUS_DIR and changed further. Whatever is
no UserError ends it, and the input is written to /tmp/crash-...; `python -m
tests.fuzz.guided FORMAT FILE` reads a file again. The options are libFuzzer's.

What has a process of its own otherwise is read in this one (VIDEOLSTM_TRUST_H5 and
VIDEOLSTM_TRUST_VIDEOS), because coverage is not seen in another one: there a crash of a
library ends the run.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("python -m tests.fuzz.guided needs atheris: pip install atheris")

os.environ["VIDEOLSTM_TRUST_H5"] = os.environ["VIDEOLSTM_TRUST_VIDEOS"] = "1"

with atheris.instrument_imports(include=["videolstm"]):
    from tests.fuzz.formats import FORMATS
    from tests.fuzz.trial import Trials

_MOST_BYTES = 20_000


def main() -> None:
    name, *options = sys.argv[1:] or [""]
    if name not in FORMATS:
        sys.exit(f"usage: python -m tests.fuzz.guided FORMAT, one of {list(FORMATS)}")
    folder = Path(tempfile.mkdtemp(prefix="guided"))
    trials = Trials(FORMATS[name], 0, folder)
    places = [Path(option) for option in options if not option.startswith("-")]
    corpus = places[0] if places else Path(tempfile.mkdtemp(prefix="corpus"))
    with contextlib.suppress(FileExistsError):
        corpus.mkdir(parents=True)
    if corpus.is_dir():
        for number, data in enumerate(FORMATS[name].seeds()):
            (corpus / f"seed{number}").write_bytes(data)
        options = [*(o for o in options if o.startswith("-")), str(corpus)]

    def one(data: bytes) -> None:
        failure = trials.run(trials.tally.inputs, data)
        trials.tally.messages.clear()
        if failure is not None:
            raise RuntimeError(failure)

    # Where several are given the last one counts.
    usual = [f"-max_len={_MOST_BYTES}", f"-artifact_prefix={tempfile.gettempdir()}/"]
    atheris.Setup([sys.argv[0], *usual, *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
