"""DLPack's capsules: looking into them, with numpy doing the work.

A capsule holds a C struct with a tensor's address, shape, strides, type and device, and
the function that gives the tensor back. numpy makes such capsules from arrays, takes
them, and calls that function exactly once, whatever Python is doing at that moment. An
array that is never read or written may stand for memory on a CUDA board as well, so all
that is left to do here is to read and to write the struct's device and flags.

The structs are those of dlpack.h, version 1.0, as far as they are used.
"""

from __future__ import annotations

import ctypes as ct

import numpy as np

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13  # DLDeviceType
READ_ONLY, IS_COPIED = 1, 2  # flags

# `max_version` for producers: newer minor versions have this layout, too.
VERSION = (1, 0)

Device = tuple[int, int]  # DLDeviceType, number of the board


class _Tensor(ct.Structure):
    """DLTensor, its beginning."""

    _fields_ = [
        ("data", ct.c_void_p),
        ("device_type", ct.c_int32),
        ("device_id", ct.c_int32),
    ]


class _Versioned(ct.Structure):
    """DLManagedTensorVersioned; the older DLManagedTensor begins with its tensor."""

    _fields_ = [
        ("major", ct.c_uint32),
        ("minor", ct.c_uint32),
        ("manager_ctx", ct.c_void_p),
        ("deleter", ct.c_void_p),
        ("flags", ct.c_uint64),
        ("tensor", _Tensor),
    ]


# Prototypes of our own: those at ct.pythonapi belong to everybody.
_is_valid = ct.PYFUNCTYPE(ct.c_int, ct.py_object, ct.c_char_p)(
    ("PyCapsule_IsValid", ct.pythonapi)
)
_get_pointer = ct.PYFUNCTYPE(ct.c_void_p, ct.py_object, ct.c_char_p)(
    ("PyCapsule_GetPointer", ct.pythonapi)
)


class Capsule:
    """A capsule that nobody has taken yet.

    Raises TypeError for anything else, among it a capsule of DLPack 2.
    """

    def __init__(self, capsule) -> None:
        self.capsule = capsule
        self._versioned: _Versioned | None = None
        if _is_valid(capsule, b"dltensor_versioned"):
            pointer = _get_pointer(capsule, b"dltensor_versioned")
            self._versioned = _Versioned.from_address(pointer)
            if self._versioned.major != VERSION[0]:
                raise TypeError(f"DLPack version {self._versioned.major}")
            self._tensor = self._versioned.tensor
        elif _is_valid(capsule, b"dltensor"):
            self._tensor = _Tensor.from_address(_get_pointer(capsule, b"dltensor"))
        else:
            raise TypeError("no DLPack capsule, or one that has been used")

    @property
    def device(self) -> Device:
        return self._tensor.device_type, self._tensor.device_id

    @device.setter
    def device(self, device: Device) -> None:
        self._tensor.device_type, self._tensor.device_id = device

    @property
    def flags(self) -> int:
        """READ_ONLY, IS_COPIED; a capsule without a version has none."""
        return self._versioned.flags if self._versioned else 0

    def mark_as_copied(self) -> None:
        if self._versioned:
            self._versioned.flags |= IS_COPIED

    def take(self) -> np.ndarray:
        """The tensor as a numpy array, which gives it back when it is dropped.

        Its shape, strides, type and address are right wherever the memory is; its
        values may only be touched where that is the host's.
        """
        device = self.device
        self.device = CPU, 0
        try:
            # The struct outlives the capsule: the array keeps it.
            return np.from_dlpack(_Producer(self.capsule))
        finally:
            self.device = device


class _Producer:
    """What `np.from_dlpack` asks for a capsule."""

    def __init__(self, capsule) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_):
        return self.capsule

    def __dlpack_device__(self) -> Device:
        return CPU, 0
