"""What a layer reads: a matrix of all its steps, or frames that are mostly zero."""

from __future__ import annotations

from dataclasses import dataclass

import cudamat as cm
from cudamat.sparse import NonZeros, Order
from videolstm.models.sequence import Sequence


@dataclass(frozen=True)
class Inputs:
    """Inputs of a range of steps, (input_dims, steps batch), time outermost.

    Where `nonzeros` lists the frames that they are taken from, in `order`, the two
    products that read them go through the non-zeros alone.
    """

    dense: cm.CUDAMatrix
    nonzeros: NonZeros | None = None
    order: Order | None = None

    @property
    def _batch(self) -> int:
        return self.dense.shape[1] // self.order.frames

    def product(self, w: cm.CUDAMatrix, target: cm.CUDAMatrix) -> None:
        """target (rows, steps batch) = w (rows, input_dims) times the inputs."""
        if self.nonzeros is None:
            cm.dot(w, self.dense, target)
        else:
            self.nonzeros.product(w, self.order, self._batch, target)

    def gradient(self, deriv: cm.CUDAMatrix, target: cm.CUDAMatrix) -> None:
        """target (rows, input_dims) = deriv (rows, steps batch) times the inputs'
        transpose."""
        if self.nonzeros is None:
            cm.dot(deriv, self.dense.T, target)
        else:
            self.nonzeros.gradient(deriv, self.order, self._batch, target)


class Frames(Sequence):
    """A batch of frames, and their non-zeros where they are few and the board can make
    use of that."""

    def __init__(self, dims: int, num_frames: int) -> None:
        super().__init__(dims, num_frames)
        self._nonzeros: NonZeros | None = None
        self._listed = False

    def list_nonzeros(self) -> None:
        """To be called once the frames of a batch are complete."""
        self._listed = False
        if not cm.sparse.is_worthwhile():
            return
        count = self.steps * self.batch
        if self._nonzeros is None or self._nonzeros.most < count:
            self._nonzeros = None
            self._nonzeros = NonZeros(self.rows, count)
        self._listed = self._nonzeros.fill(self.all)

    @property
    def nonzeros(self) -> NonZeros | None:
        """Those of this batch, where they are listed."""
        return self._nonzeros if self._listed else None

    def inputs(self, order: Order, dense: cm.CUDAMatrix) -> Inputs:
        """Frames in the given order, of which `dense` is the matrix."""
        if self.nonzeros is not None and order.frames > 0:
            return Inputs(dense, self.nonzeros, order)
        return Inputs(dense)
