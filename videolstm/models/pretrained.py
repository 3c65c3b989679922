"""Layers that start from a trained model: the field `pretrained` of an LSTM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.config import locate, read_model
from videolstm.config_values import PRETRAINED_BLOCKS
from videolstm.data.files import open_h5
from videolstm.errors import UserError
from videolstm.models.checkpoint import find_checkpoint
from videolstm.models.param import sources_needed

if TYPE_CHECKING:
    from videolstm import config_pb2
    from videolstm.models.param import Param


def take_pretrained(
    config: config_pb2.LSTM, params: dict[str, Param], path: str | Path
) -> None:
    """Fills the weights PRETRAINED_BLOCKS of a layer, by their names in `params`, from
    the layer of a checkpoint that its description `config`, in the file `path`, names.

    Histories and counts of updates stay what they are. The place that was found is
    written back into `config`, because the description that a run leaves stands in
    another folder. Within `without_sources` nothing is done.

    Raises UserError for a checkpoint that is not there, has no such layer or one of
    another shape.
    """
    if not sources_needed():
        return
    field = f"pretrained.checkpoint of {config.name}"
    source = locate(config.pretrained.checkpoint, path, field)
    if source.suffix == ".pbtxt":
        source = _newest(source, f"{path}: the field {field}")
    config.pretrained.checkpoint = str(source)
    layer = config.pretrained.layer
    with open_h5(source) as file:
        layers = {name.split(":")[0]: None for name in file if ":" in name}
        if layer not in layers:
            raise UserError(
                f"{path}: the field pretrained.layer of {config.name} is {layer!r}, "
                f"and it should be a layer of {source}, which has "
                f"{', '.join(layers) or 'none'}"
            )
        for weight in PRETRAINED_BLOCKS:
            if weight in params:
                params[weight].take(file, f"{layer}:{weight}")


def _newest(description: Path, named: str) -> Path:
    """The newest checkpoint of a run."""
    checkpoint = find_checkpoint(read_model(description), description)
    if checkpoint is None:
        raise UserError(
            f"{named} is {str(description)!r}, and none of the timestamps in that file "
            "has an .h5 file; it should be the description that a run left, or an .h5"
        )
    return checkpoint
