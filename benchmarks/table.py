"""What was measured, in Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.parts import PARTS

NONE = "-"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table: the first column to the left, numbers to the right; None is
    shown as a dash."""
    cells = [[NONE if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    widths = [max(width, 3) for width in widths]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(row):
        first, *others = row
        shown = [first.ljust(widths[0])]
        shown += [cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True)]
        return "| " + " | ".join(shown) + " |"

    return "\n".join(map(line, [list(heads), rule, *cells]))


def number(value: float | None, digits: int = 3) -> str | None:
    """`value` with so many digits that count, whole from a hundred on."""
    if value is None:
        return None
    if value == 0:
        return "0"
    whole = len(str(int(abs(value))))
    return f"{value:.{max(0, digits - whole)}f}"


def _ratio(theirs: dict | None, ours: float) -> str | None:
    return None if theirs is None else f"{theirs['ms'] / ours:.2f}x"


def step_table(sizes: dict[str, dict]) -> str:
    """Times of a step; GFLOP/s as if all data were dense, and as a part of what the
    products alone would reach."""
    heads = ["", "ms", "PyTorch", "ratio", "peer", "ratio", "GFLOP", "GFLOP/s"]
    heads += ["products alone", "of that", "MiB", "PyTorch MiB"]
    rows = []
    for name, found in sizes.items():
        ours, torch, peer = found["ours"], found.get("torch"), found.get("peer")
        rate = found["gflop"] / ours["ms"] * 1e3
        alone = found["gflop"] / found["products_ms"] * 1e3
        rows.append(
            [
                name,
                number(ours["ms"]),
                number(torch and torch["ms"]),
                _ratio(torch, ours["ms"]),
                number(peer and peer["ms"]),
                _ratio(peer, ours["ms"]),
                number(found["gflop"]),
                number(rate),
                number(alone),
                f"{rate / alone:.2f}",
                number(ours["peak_mib"]),
                number(torch and torch["peak_mib"]),
            ]
        )
    return table(heads, rows)


def parts_table(sizes: dict[str, dict]) -> str:
    """Milliseconds of a step by part."""
    rows = [
        [name, *(number(found["parts"][part]) for part in PARTS)]
        for name, found in sizes.items()
    ]
    return table(["ms", *PARTS], rows)


def growth_table(grown: dict[str, list[dict]]) -> str:
    """How the time of a step grows with what."""
    rows = []
    for what, points in grown.items():
        for point in points:
            rate = point["gflop"] / point["ms"] * 1e3
            shown = (number(point["gflop"]), number(point["ms"]), number(rate))
            rows.append([f"{what} {point['value']}", *shown])
    return table(["", "GFLOP", "ms", "GFLOP/s"], rows)


def samples_line(name: str, found: dict) -> str:
    """How many samples there were and how many were thrown away, in words."""
    kept, taken = found["kept"], found["taken"]
    text = f"{name}: {kept} samples kept, {taken - kept} thrown away"
    if not found["quiet"]:
        text += ", and those kept were taken while others were at work"
    return text
