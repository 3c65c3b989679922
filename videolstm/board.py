"""The board that a program computes on: a CUDA device, or the CPU."""

from __future__ import annotations

import os

import numpy as np

import cudamat as cm
from videolstm.errors import UserError


def use_board(
    name: str, number: int = 0, threads: int | None = None, math: str = "fp32"
) -> str:
    """Uses the board `name` from now on: a CUDA device number, ``cpu``, or ``auto``,
    which is CUDA device `number` (counted round where there are fewer) or, where there
    is none, the CPU. There it uses so many threads; None leaves that to the library.

    math: what matrix products make of their operands, one of `cudamat.MATH_MODES`.

    Returns a line that says what it is: board, matrix products, threads, precision.
    Raises UserError for a name that is none of these, for a board that is not there and
    for products with fewer bits in double precision.
    """
    try:
        if name == "auto":
            name = _own_board(number)
        if name == "cpu":
            cm.load("cpu")
            if threads is not None:
                cm.set_threads(threads)
        elif name.isdecimal():
            cm.cuda_set_device(int(name))
        else:
            raise UserError(
                f"board {name!r}: it should be the number of a CUDA device, such as 0, "
                "cpu or auto"
            )
        blas = cm.blas_name()
    except cm.CUDAMatException as error:
        hint = "" if name == "cpu" else "; the board cpu needs none of that"
        raise UserError(f"board {name}: {error}{hint}") from None
    if name == "cpu":
        threads = cm.threads()
        detail = f"{_asked(blas)}, {threads} thread{'s' if threads > 1 else ''}"
    else:
        detail = f"{cm.board_name(int(name))}, {blas}"
    return f"Using board {name}: {detail}, {cm.real_type()}{_use_math(math)}"


def _use_math(math: str) -> str:
    """Products of this kind from now on; what a line says of those that are not the
    usual ones."""
    if math != "fp32" and cm.real_type() != np.float32:
        raise UserError(
            f"--math {math} rounds what is in single precision, and this library "
            "computes in double; use CUDAMAT_PRECISION=float, or leave --math out"
        )
    cm.set_math_mode(math)
    if math == "fp32":
        return ""
    emulated = ", emulated and slower than fp32" if cm.load().kind == "cpu" else ""
    return f", products in {math}{emulated}"


def _own_board(number: int) -> str:
    """The name of the CUDA device that process `number` of this machine has, or cpu."""
    if cm.load().kind == "cpu":
        return "cpu"
    return str(number % cm.board_count())


def _asked(blas: str) -> str:
    """What the CPU's products are made with, and whether somebody asked for it: some
    systems set OPENBLAS_CORETYPE to older kernels, which take twice the time."""
    asked = os.environ.get("OPENBLAS_CORETYPE")
    if not asked or "OpenBLAS" not in blas:
        return blas
    return f"{blas} (as OPENBLAS_CORETYPE={asked} asks)"
