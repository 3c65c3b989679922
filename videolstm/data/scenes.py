"""Videos of digits that are known by what is shown where, and not painted yet.

A batch of them is some thousand whole numbers instead of millions of pixels. The host
paints them when somebody asks for an array; a model has them composed where it
computes: only the numbers go to the board, and the digits, which are there already,
are looked up by every pixel. Both give the same values.

On the CPU painting is faster, because it touches lit pixels alone; so that is what is
done there, and CUDA boards compose. VIDEOLSTM_COMPOSE=0 or 1 in the environment says
otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

import cudamat as cm
from cudamat.compose import Table
from videolstm.data.digits import SparseDigits
from videolstm.data.painting import paint
from videolstm.limits import gib
from videolstm.switches import switched

if TYPE_CHECKING:
    from videolstm.data.handler import DataHandler

VARIABLE = "VIDEOLSTM_COMPOSE"

# So much of the free memory of a board the digits may take: the rest is the model's.
MOST_OF_BOARD = 1 / 4


@dataclass(frozen=True, eq=False)
class Scenes:
    """What is shown in n videos, and where; it stands for the array float32
    (num_frames, n, size * size) that `paint` makes of it.

    It has that array's `shape`; numpy makes the array of it (`np.asarray`), and an
    index gives that part of the array.

    digits: the images. chosen: (n * each,), which of them, those of a video one after
    the other. top, left: (num_frames, n * each), pixel of their upper left corners.
    each: digits of a video. size: pixels along a side of a frame. table: the same
    images on the board, or None where `fill` is to paint.
    """

    digits: SparseDigits
    chosen: np.ndarray
    top: np.ndarray
    left: np.ndarray
    each: int
    size: int
    table: Table | None = None

    dtype = np.dtype(np.float32)
    ndim = 3

    # ---- as an array ---------------------------------------------------------------

    @property
    def count(self) -> int:
        """Number of videos."""
        return len(self.chosen) // self.each

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.top), self.count, self.size**2

    def __len__(self) -> int:
        return len(self.top)

    def __array__(self, dtype=None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("videos that are not painted yet are no array to share")
        painted = self.paint()
        return painted if dtype is None else painted.astype(dtype, copy=False)

    def __getitem__(self, index) -> np.ndarray:
        # Of the first videos the others need not be painted.
        if isinstance(index, tuple) and len(index) == 2 and index[0] == slice(None):
            if isinstance(index[1], slice) and index[1].step in (None, 1):
                return self.part(range(self.count)[index[1]]).paint()
        return self.paint()[index]

    # ---- parts ---------------------------------------------------------------------

    def part(self, videos: range) -> Scenes:
        """Those in a range of videos, of step 1."""
        digits = slice(videos.start * self.each, videos.stop * self.each)
        return replace(
            self,
            chosen=self.chosen[digits],
            top=self.top[:, digits],
            left=self.left[:, digits],
        )

    def joined(self, more: Scenes) -> Scenes:
        """These videos and then more of their kind."""
        return replace(
            self,
            chosen=np.concatenate([self.chosen, more.chosen]),
            top=np.concatenate([self.top, more.top], axis=1),
            left=np.concatenate([self.left, more.left], axis=1),
        )

    # ---- as pixels -----------------------------------------------------------------

    def paint(self, out: np.ndarray | None = None) -> np.ndarray:
        """The videos, painted on the host, float32 (num_frames, n, size * size); with
        `out`, a C-order array of that shape and type, there.

        Raises ValueError for another `out`.
        """
        if out is None:
            out = np.empty(self.shape, np.float32)
        fits = out.shape == self.shape and out.dtype == np.float32
        if not fits or not out.flags.c_contiguous:
            raise ValueError(f"out should be float32 {self.shape} in C order")
        places = (self.chosen, self.top, self.left)
        return paint(self.digits, *places, self.size, out)

    def fill(self, matrix: cm.CUDAMatrix) -> None:
        """The same values into a matrix (size * size, num_frames * n), composed on its
        board where the digits are there.

        Only the thread that uses the board may do this. Raises CUDAMatException for a
        matrix of another shape.
        """
        if self.table is None:
            matrix.upload(self.paint().reshape(-1, self.size**2).T)
            return
        videos = (self.count, self.each)
        corners = (len(self.top), *videos)
        places = (self.top.reshape(corners), self.left.reshape(corners))
        self.table.compose(self.chosen.reshape(videos), *places, self.size, matrix)


# ---- where it is done ----------------------------------------------------------------


def wants_composing() -> bool:
    """Whether batches are to be composed on the board in use: where that is a CUDA
    board, unless VIDEOLSTM_COMPOSE says otherwise.

    Raises UserError where that is neither 0 nor 1.
    """
    said = switched(
        VARIABLE, on="compose batches on the board", off="paint them on the host"
    )
    return cm.load().kind == "cuda" if said is None else said


def compose_batches(*handlers: DataHandler) -> list[str]:
    """Has the batches of data that are drawn composed on the board, where that is
    wanted; the others stay as they are. To be called once the board is in use and the
    model is made, whose weights should have their memory first; what its batches need
    comes later.

    Returns sentences on what is painted on the host all the same. Raises UserError as
    `wants_composing` does.
    """
    notes = []
    if wants_composing():
        notes = [handler.compose_on_board() for handler in handlers]
    return [note for note in notes if note is not None]


def table_for(digits: SparseDigits) -> tuple[Table | None, str]:
    """The digits on the board, or None and why not where they would take more than a
    quarter of its free memory."""
    size, free = Table.bytes_of(digits.images, digits.side), cm.memory_free()
    if size > MOST_OF_BOARD * free:
        return None, (
            f"the digits would take {gib(size)} of the {gib(free)} of the board that "
            "are free, so batches are painted on the host"
        )
    return Table(digits.images, digits.side), ""
