"""Memory on the board, and who frees it."""

import ctypes as ct

from .library import lib, load


class Buffer:
    """Memory on the board, freed once, when the last matrix that uses it is gone."""

    def __init__(self, nbytes: int, seen: bool = False) -> None:
        """With `seen` it is memory that the host can read under the same address."""
        self.nbytes = nbytes
        self.pointer = None
        self.lent: list = []  # an entry for each Lease of the memory
        load()
        pointer = ct.c_void_p()
        allocate = lib.cm_allocate_seen if seen else lib.cm_allocate
        allocate(nbytes, ct.byref(pointer))
        self.pointer = pointer.value

    def free(self) -> None:
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            lib.cm_release(pointer, self.nbytes)

    def __del__(self) -> None:
        try:
            self.free()
        except Exception:  # the interpreter is shutting down, or the board is lost
            pass


class Address(ct.c_void_p):
    """A place in a buffer, which it keeps; what the library is given of memory that is
    no matrix."""

    def __init__(self, buffer: Buffer, offset: int = 0) -> None:
        start = buffer.pointer
        super().__init__(None if start is None else start + offset)
        self.buffer = buffer


class _Nothing(Buffer):
    """What a view has after its own `free_device_memory`."""

    def __init__(self) -> None:
        self.nbytes = 0
        self.pointer = None
        self.lent = []


NOTHING = _Nothing()
