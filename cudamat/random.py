"""The state of the random numbers: seed and offset of a Philox stream, nothing else."""


class RandomState:
    """Position in the Philox 4x32-10 stream of a seed.

    Attributes:
        seed: key of the stream, 0 to 2^64 - 1.
        offset: blocks of four 32-bit words used so far.
    """

    def __init__(self, seed: int = 0, offset: int = 0) -> None:
        self.seed = int(seed) % 2**64
        self.offset = int(offset)

    def take(self, elements: int) -> int:
        """Reserves the numbers for so many elements; returns the offset to start at."""
        start = self.offset
        self.offset += (elements + 3) // 4
        return start


random_state = RandomState()
