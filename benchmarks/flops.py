"""The matrix products of a training step, counted as if all data were dense.

One m x k by k x n product is 2 m n k floating point operations; everything else is left
out, being a few percent. Products that a step does in one go are one here, too: those
are the shapes at which the machine's own rate is measured.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from benchmarks.sizes import Size


class Product(NamedTuple):
    """`count` products (m x k) (k x n) of a part of the step; which operand is read
    transposed, `a`, `b` or none."""

    part: str
    m: int
    n: int
    k: int
    count: int = 1
    transposed: str = ""

    @property
    def flop(self) -> int:
        return 2 * self.m * self.n * self.k * self.count


def _layer(size: Size, dims: int, steps: int, fed: int, moved: int) -> list[Product]:
    """A layer of which `fed` steps have an input and `moved` a step before them."""
    n, batch = size.units, size.batch
    found = [
        Product("recurrent", 4 * n, batch, n, moved),
        Product("recurrent", n, batch, 4 * n, moved, "a"),
        Product("weight gradients", 4 * n, n, moved * batch, 1, "b"),
    ]
    if fed:
        found.append(Product("input products", 4 * n, fed * batch, dims))
        found.append(Product("weight gradients", 4 * n, dims, fed * batch, 1, "b"))
    return found


def _stack(size: Size, steps: int, fed: int, moved: int, outputs: int) -> list[Product]:
    found, n, columns = [], size.units, steps * size.batch
    for k in range(size.layers):
        dims, here = (size.dims, fed) if k == 0 else (n, steps)
        found += _layer(size, dims, steps, here, moved)
        if k > 0:  # the derivative of what it reads
            found.append(Product("input products", n, columns, 4 * n, 1, "a"))
    if outputs:
        found += [
            Product("output", outputs, columns, n),
            Product("output", n, columns, outputs, 1, "a"),
            Product("weight gradients", outputs, n, columns, 1, "b"),
        ]
    return found


def products(size: Size) -> list[Product]:
    """All products of a step; decoders are conditional and start with a step without
    input, the encoder and a classifier from zeros."""
    read = size.read
    found = _stack(size, read, read, read - 1, outputs=size.classes)
    if not size.classes:
        for steps in (read, size.frames - read):
            found += _stack(size, steps, steps - 1, steps, outputs=size.dims)
    return [product for product in found if product.flop]


def total(size: Size) -> int:
    """Floating point operations of a step."""
    return sum(product.flop for product in products(size))


def by_part(size: Size) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for product in products(size):
        counts[product.part] += product.flop
    return dict(counts)
