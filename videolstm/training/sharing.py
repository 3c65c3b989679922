"""Sharing a training run out to the processes that an MPI launcher has started."""

from __future__ import annotations

import argparse
import hashlib

import numpy as np

import cudamat as cm
from videolstm.data import DataHandler
from videolstm.errors import UserError
from videolstm.parallel import World

# Paths may differ between machines, what is in the files may not; boards are each
# rank's own.
_OF_A_MACHINE = ("model", "train", "valid", "board", "out", "predict")


def share_out(
    world: World,
    args: argparse.Namespace,
    model,
    train_data: DataHandler,
    valid_data: DataHandler,
) -> None:
    """From now on this process has its own part of each batch of training and of
    validation, and trains the model of the first rank together with the others; says
    so. Nothing for a process by itself.

    To be called where a run begins: weights, random numbers and data at their start.
    Raises UserError where there are more ranks than cases, or where the ranks' options,
    descriptions or data differ.
    """
    if world.ranks == 1:
        return
    size = train_data.batch_size
    if size < world.ranks:
        raise UserError(
            f"{train_data.path}: the field batch_size is {size}, and it should be at "
            f"least {world.ranks}, a case for each rank"
        )
    options = {k: v for k, v in vars(args).items() if k not in _OF_A_MACHINE}
    world.check_alike(
        {
            "real type (CUDAMAT_PRECISION)": str(cm.real_type()),
            "command line": options,
            "model description": model.config.SerializeToString(),
            "training data set": _digest(train_data),
            "validation data set": _digest(valid_data),
        }
    )
    world.copy_start(model.params)
    exchange = world.exchange(model.params)
    model.use_exchange(exchange)
    for dropout in model.dropouts:
        dropout.part, dropout.whole = world.share_of(size), size
    for handler in (train_data, valid_data):
        handler.part = (world.rank, world.ranks)
    print(world.describe(size, exchange))


def _digest(data: DataHandler) -> str:
    """Of the description, the number and size of the clips, and the position."""
    known = [data.config.SerializeToString(), data.dataset_size, data.frame_dims]
    digest = hashlib.sha256(repr(known).encode())
    for key, value in sorted(data.state().items()):
        digest.update(key.encode() + np.asarray(value).tobytes())
    return digest.hexdigest()
