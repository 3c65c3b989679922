"""Random numbers: the state, which is seed and offset of a Philox stream and nothing
else, and the methods of a matrix that draw from it."""

from __future__ import annotations

from .base import Base
from .library import CUDAMatException, lib


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


class Randomness(Base):
    """The methods of CUDAMatrix that draw random numbers, the same on every board and
    for any number of threads."""

    @staticmethod
    def init_random(seed: int = 0) -> None:
        """Starts the random numbers of all matrices anew from `seed`."""
        try:
            random_state.__init__(seed)
        except (TypeError, ValueError, OverflowError):
            raise CUDAMatException(f"a seed is a whole number, not {seed!r}") from None

    def fill_with_rand(self):
        """Uniform random numbers, above 0 and below 1."""
        lib.cm_fill_uniform(self, random_state.seed, random_state.take(self.size))
        return self

    def fill_with_randn(self):
        """Normal random numbers of mean 0 and variance 1."""
        lib.cm_fill_normal(self, random_state.seed, random_state.take(self.size))
        return self

    def fill_with_dropout_mask(self, dropprob: float):
        """0 with probability `dropprob`, else 1 / (1 - dropprob)."""
        offset = random_state.take(self.size)
        lib.cm_dropout_mask(self, dropprob, random_state.seed, offset)
        return self

    def fill_with_part_of_dropout_mask(
        self, dropprob: float, first: int, count: int, whole: int
    ):
        """What `fill_with_dropout_mask` draws for a matrix that has `whole` columns
        where this one has `count`: those from `first` on, for each `count` columns of
        this matrix, whose number is a multiple of that.

        So processes that share a batch draw the masks that one would: all of them are
        afterwards at the same place of the stream.
        """
        seed, offset = random_state.seed, random_state.offset
        lib.cm_dropout_mask_part(self, dropprob, first, count, whole, seed, offset)
        random_state.take(self.size // count * whole)
        return self

    def dropout(self, dropprob: float, val: float = 0.0, scale: float = 1.0):
        """Each element becomes `val` with probability `dropprob`, else it is multiplied
        by `scale`; in place."""
        offset = random_state.take(self.size)
        lib.cm_dropout(self, dropprob, val, scale, random_state.seed, offset)
        return self

    def sample_bernoulli(self, target=None):
        """1 with the probability that is there, else 0, in place unless a target is
        given."""
        target = self if target is None else target
        offset = random_state.take(self.size)
        lib.cm_sample_bernoulli(self, random_state.seed, offset, target)
        return target
