"""All videos into their parts, so that an interrupted run can be taken up again."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from videolstm.errors import UserError
from videolstm.outside.apart import trusting
from videolstm.video.part import Cut, Job, cut_video
from videolstm.video.pool import Crashed, run_jobs
from videolstm.video.settings import Settings
from videolstm.video.source import Source

# Of the processor, for a frame; the largest that there may be take a few.
MOST_SECONDS = 120

_ATTEMPTS = 100  # to lock a folder that other runs remove

CRASHED = (
    "it makes the decoder crash, or keeps it busy with a frame for more than "
    f"{MOST_SECONDS} seconds, so it is damaged or was made to do harm"
)


@contextlib.contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """The folder beside `out` that keeps the parts until `out` is written.

    It stays when the block ends with an exception, so that the next run finds what was
    done, if anything was, and is removed otherwise. Raises UserError where another run
    is at work in it.
    """
    folder = out.with_name(f"{out.name}.parts")
    with _locked(folder, out) as lock:
        for left in folder.glob(".*.part"):  # of a run that was killed
            left.unlink()
        try:
            yield folder
        except BaseException:
            with contextlib.suppress(OSError):
                if os.listdir(folder) == [os.path.basename(lock.name)]:
                    shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)


def _locked(folder: Path, out: Path) -> TextIO:
    """The open lock of the folder, which is made."""
    for _ in range(_ATTEMPTS):
        try:
            folder.mkdir(exist_ok=True)
            lock = open(folder / "lock", "w")
        except FileNotFoundError:  # perhaps another run has just removed its folder
            continue
        except OSError as error:
            raise _no_folder(folder, error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock.fileno()), os.stat(lock.name)):
                return lock
        except FileNotFoundError:  # likewise, before it was locked
            pass
        except OSError:
            lock.close()
            raise UserError(
                f"{out}: another run is writing this file: wait for its end, or name "
                "another file"
            ) from None
        lock.close()
    raise _no_folder(folder, OSError(errno.ENOENT, "the lock in it goes away"))


def _no_folder(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"{folder}: no folder can be there for what is not finished "
        f"({error.strerror}): name a file elsewhere, or remove what is there"
    )


@dataclass
class Outcome:
    """What came of all videos. kept: jobs whose parts an earlier run has made; done:
    jobs with a part, in the order of their numbers; failed: how many gave nothing."""

    kept: int = 0
    done: list[Job] = field(default_factory=list)
    failed: int = 0


def plan(
    sources: Sequence[Source], settings: Settings, folder: Path
) -> tuple[list[Job], list[Job]]:
    """The jobs of all videos: those whose parts are there, and those to do."""
    jobs = [Job(k, source, settings, folder) for k, source in enumerate(sources)]
    kept = [job for job in jobs if job.patches()]
    return kept, [job for job in jobs if not job.patches()]


def cut_all(
    jobs: Sequence[Job],
    workers: int,
    advance: Callable[[int], None],
    say: Callable[[str], None],
) -> Iterator[tuple[Job, Cut]]:
    """Cut the videos, on `workers` cores; gives each job and what came of it as they
    are done. `say` takes a sentence on each thing that was odd.

    In processes, also where it is one: a video that makes a decoder crash, or keeps it
    busy for ever, ends its process and is skipped. (`outside.apart` says how to have
    none.)
    """
    workers = 0 if workers == 1 and trusting() else workers
    made = run_jobs(cut_video, jobs, workers, advance, MOST_SECONDS)
    with contextlib.closing(made) as results:
        for job, cut in results:
            if isinstance(cut, Crashed):
                cut = Cut(0, (), f"{job.source.path}: {CRASHED}")
            for note in cut.notes:
                say(f"Note: {note}")
            if cut.failure:
                say(f"Skipped: {cut.failure}")
            yield job, cut
