"""What the ranks that train together need of a weight; `videolstm.models.param.Param`
is one."""

from __future__ import annotations

from typing import Protocol

import cudamat as cm


class Weight(Protocol):
    """A weight matrix with its gradient, its momentum history, its running root mean
    square if it has one, all of one shape, and how many updates it has had."""

    name: str
    shape: tuple[int, int]
    w: cm.CUDAMatrix
    dw: cm.CUDAMatrix
    history: cm.CUDAMatrix
    rms: cm.CUDAMatrix | None
    t: int

    def update(self) -> None:
        """One step against `dw`."""

    def step(
        self,
        w: cm.CUDAMatrix,
        history: cm.CUDAMatrix,
        dw: cm.CUDAMatrix,
        rms: cm.CUDAMatrix | None,
    ) -> None:
        """The step of these elements of the four; it is not counted."""
