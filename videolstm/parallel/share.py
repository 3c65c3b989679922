"""Sharing a number of cases out to ranks."""

from __future__ import annotations


def share_of(count: int, rank: int, ranks: int) -> range:
    """Which of `count` cases rank number `rank` of `ranks` has: shares follow each
    other in the order of the ranks, and differ by one at most."""
    return range(rank * count // ranks, (rank + 1) * count // ranks)
