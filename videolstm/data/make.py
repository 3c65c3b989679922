"""From the description of a data set to the handler that reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.data.bouncing_mnist import BouncingMNIST
from videolstm.data.handler import DataHandler
from videolstm.data.labelled import Labelled
from videolstm.data.patches import VideoPatches
from videolstm.data.unlabelled import Unlabelled
from videolstm.errors import UserError

if TYPE_CHECKING:
    from videolstm import config_pb2

_HANDLERS: dict[str, type[DataHandler]] = {
    "LABELLED": Labelled,
    "UNLABELLED": Unlabelled,
    "BOUNCING_MNIST": BouncingMNIST,
    "VIDEO_PATCH": VideoPatches,
}


def make_data_handler(
    config: config_pb2.Data, path: str | Path, seed: int = 42
) -> DataHandler:
    """The handler for `config`, which was read from `path`.

    `seed` starts the handler's random stream, as np.random.seed did in the 2016
    release: the same seed gives the same batches. Files that `config` names are taken
    from the current folder, else from that of `path`.

    Raises UserError, naming the file and the field, for whatever is wrong with the
    description or the files.
    """
    kind = type(config).DatasetType.Name(config.dataset_type)
    if kind not in _HANDLERS:
        raise UserError(
            f"{path}: the field dataset_type is {kind}, which was never implemented in "
            "the 2016 release; write a fixed set with videolstm.tools.bouncing and "
            "read it as VIDEO_PATCH"
        )
    return _HANDLERS[kind](config, Path(path), seed)
