"""Data sets: batches of clips, from files or made on the fly."""

from videolstm.data.handler import Batch, DataHandler
from videolstm.data.make import make_data_handler

__all__ = ["Batch", "DataHandler", "make_data_handler"]
