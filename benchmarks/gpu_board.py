"""The CUDA boards of this machine, asked of the driver: nothing needs to be built."""

from __future__ import annotations

import ctypes as ct
from typing import NamedTuple

from videolstm.errors import UserError

# CUdevice_attribute
_MAJOR, _MINOR = 75, 76


class Board(NamedTuple):
    """A CUDA board: its name, compute capability such as (9, 0), bytes of memory."""

    name: str
    compute_capability: tuple[int, int]
    total_bytes: int

    @property
    def architecture(self) -> str:
        """As nvcc and CUDA_ARCH of cudamat/Makefile want it: 90."""
        return "{}{}".format(*self.compute_capability)


def open_driver():
    """The CUDA driver's library. Raises OSError where there is none."""
    return ct.CDLL("libcuda.so.1")


def first_board() -> Board:
    """CUDA board 0. Raises UserError where there is none, with the reason."""
    try:
        driver = open_driver()
    except OSError:
        raise _no_board("no CUDA driver is installed (no libcuda.so.1)") from None
    code = driver.cuInit(0)
    if code != 0:
        raise _no_board(f"the CUDA driver does not start (error {code})")
    count = ct.c_int()
    driver.cuDeviceGetCount(ct.byref(count))
    if count.value == 0:
        raise _no_board("the CUDA driver knows of none")
    device, name, total = ct.c_int(), ct.create_string_buffer(256), ct.c_size_t()
    driver.cuDeviceGet(ct.byref(device), 0)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ct.byref(total), device)
    numbers = []
    for attribute in (_MAJOR, _MINOR):
        number = ct.c_int()
        driver.cuDeviceGetAttribute(ct.byref(number), attribute, device)
        numbers.append(number.value)
    return Board(name.value.decode(errors="replace"), tuple(numbers), total.value)


def _no_board(reason: str) -> UserError:
    return UserError(
        f"this machine has no CUDA board, which is what would be checked: {reason}"
    )
