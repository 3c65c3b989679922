"""The table of kinds."""

from __future__ import annotations

from pathlib import Path

from videolstm.contents.checkpoints import Checkpoint
from videolstm.contents.clips import Clips, PlainArray
from videolstm.contents.descriptions import (
    BrokenDescription,
    DataDescription,
    ModelDescription,
)
from videolstm.contents.digits import Digits, Labels, OtherIdx, OtherNpz
from videolstm.contents.features import Features, H5Datasets, Means
from videolstm.contents.films import Film, Picture
from videolstm.contents.folder import Folder
from videolstm.contents.kind import Contents
from videolstm.contents.opened import look
from videolstm.contents.predictions import Predictions, Votes
from videolstm.contents.texts import Integers, Log, Names, Paths, Table
from videolstm.contents.unfinished import Beginning, Lock, Origin, PartOfPatches

# In the order in which they are asked: the particular before the general.
KINDS: tuple[type[Contents], ...] = (
    PartOfPatches, Lock, Origin, Beginning,
    Checkpoint, Predictions, Votes, Means, Digits, Features, H5Datasets,
    Clips, PlainArray,
    Labels, OtherIdx, OtherNpz,
    Film, Picture, Folder,
    Log, Table, Names, Integers, Paths,
    DataDescription, ModelDescription, BrokenDescription,
)  # fmt: skip


def contents_of(path: str | Path) -> Contents:
    """What is in a file; raises UserError for a file of no kind known here."""
    opened = look(path)
    return next(kind for kind in KINDS if kind.recognises(opened))(opened)
