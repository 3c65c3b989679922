"""What to expect of many ranks: a model of one training step, in which every rank goes
forward and back, messages follow each other over its link, and what has arrived is
used for the update.

    sum over N ranks of a message of B bytes:  2 (N - 1) / N B / bandwidth
                                               + 2 ceil(log2 N) latency

which is what the algorithms of MPI libraries for large messages need at least. Links
are taken at their nominal speed, and ranks as equally fast, so that efficiencies are
upper bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.sizes import SIZES, Size
from benchmarks.table import table

RANKS = (2, 4, 8, 16, 32, 64, 128, 256)


class Link(NamedTuple):
    """How a rank is connected: bytes a second in each direction, seconds of latency."""

    name: str
    bandwidth: float
    latency: float


LINKS = (
    Link("25 Gbit/s", 25e9 / 8, 20e-6),
    Link("100 Gbit/s", 100e9 / 8, 5e-6),
    Link("NVLink", 450e9, 3e-6),
)


class Part(NamedTuple):
    """A part of the model in the order of the backward pass: seconds that it takes to
    go back through it and to update it, bytes of its gradients."""

    backward: float
    update: float
    nbytes: float


def sum_seconds(nbytes: float, ranks: int, link: Link) -> float:
    """Seconds to sum so many bytes over all ranks."""
    if ranks == 1:
        return 0.0
    moved = 2 * (ranks - 1) / ranks * nbytes
    return moved / link.bandwidth + 2 * math.ceil(math.log2(ranks)) * link.latency


def step_seconds(
    forward: float, parts: Sequence[Part], ranks: int, link: Link
) -> float:
    """Seconds of a step of one rank; `forward` and the parts are those of its own
    cases.

    The gradients of a part leave at the end of its backward pass, or when the link is
    free; it is updated once they are back and the backward pass has ended.
    """
    clock, free, arrived = forward, 0.0, []
    for part in parts:
        clock += part.backward
        free = max(clock, free) + sum_seconds(part.nbytes, ranks, link)
        arrived.append(free)
    for part, back in zip(parts, arrived, strict=True):
        clock = max(clock, back) + part.update
    return clock


def gradient_bytes(size: Size) -> dict[str, int]:
    """Bytes of the gradients of the parts of a composite model of one layer, whose
    decoders are conditional, in single precision."""
    n, dims = size.units, size.dims
    encoder = 4 * n * (n + dims) + 3 * n + 4 * n
    decoder = encoder + dims * n + dims
    return {"decoder": 4 * decoder, "future": 4 * decoder, "encoder": 4 * encoder}


def parts_of(
    size: Size, compute: float, update: float, share: float
) -> tuple[float, list[Part]]:
    """Forward pass and parts of a step that takes so many seconds for the whole batch,
    for a rank that has `share` of it. Backward takes twice what forward does, each part
    in proportion to its weights; updates are those of all weights for every rank."""
    sizes = gradient_bytes(size)
    whole = sum(sizes.values())
    parts = [
        Part(2 / 3 * compute * share * nbytes / whole, update * nbytes / whole, nbytes)
        for nbytes in sizes.values()
    ]
    return compute * share / 3, parts


def efficiency(
    size: Size, compute: float, update: float, ranks: int, link: Link, grows: bool
) -> float:
    """Cases a second of so many ranks, over those of one times their number.

    `grows`: each rank has a whole batch of its own, so that the batch grows with them;
    else they share one.
    """
    alone = step_seconds(*parts_of(size, compute, update, 1.0), 1, link)
    share = 1.0 if grows else 1 / ranks
    together = step_seconds(*parts_of(size, compute, update, share), ranks, link)
    return alone * share / together


# Seconds of a step without the update, and of the update, of the shipped model on one
# rank, and the links that it might have. The first is measured (docs/performance.md),
# the others are nobody's: they show what a faster rank needs of its link.
RANK_KINDS = {
    "1970 ms": (1.91, 0.06, LINKS[:2]),
    "100 ms": (0.095, 0.005, LINKS),
    "12 ms": (0.0113, 0.0007, LINKS),
}


def expected_table(grows: bool, size: Size = SIZES["L"]) -> str:
    """Efficiencies in percent, a row for each number of ranks and a column for each
    kind of rank and link; no row where a rank would have no case."""
    kinds = [
        (f"{name}, {link.name}", compute, update, link)
        for name, (compute, update, links) in RANK_KINDS.items()
        for link in links
    ]
    rows = []
    for ranks in RANKS:
        if grows or ranks <= size.batch:
            found = [
                efficiency(size, compute, update, ranks, link, grows)
                for _, compute, update, link in kinds
            ]
            rows.append([ranks, *(f"{100 * part:.0f}%" for part in found)])
    return table(["ranks", *(kind[0] for kind in kinds)], rows)


def report(size: Size = SIZES["L"]) -> str:
    """Both tables, with what they are of."""
    total = sum(gradient_bytes(size).values()) / 1e6
    return (
        f"Efficiency by the model, {total:.0f} MB of gradients; a batch of "
        f"{size.batch} for each rank:\n\n{expected_table(True, size)}\n\n"
        f"and one batch of {size.batch} shared out:\n\n{expected_table(False, size)}"
    )
