"""Training on many machines: one batch shared out to processes that are started by an
MPI launcher."""

from videolstm.parallel.world import ALONE, Exchange, World

__all__ = ["ALONE", "Exchange", "World"]
