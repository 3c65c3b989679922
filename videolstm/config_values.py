"""Checks of single values, names and weight blocks in the description of a model.

Each raises UserError where a value is out of range; `wrong` is its one sentence.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from videolstm.errors import UserError

if TYPE_CHECKING:
    from videolstm import config_pb2

# No sensible model is beyond these; they keep sizes in memory from overflowing.
MOST_UNITS = 65_536
MOST_DIMS = 2**24
MOST_INT = 2**31 - 1
MOST_LAYERS = 100  # of a part of a model, above each other

# What a layer takes from a trained one (pretrained.py).
PRETRAINED_BLOCKS = ("w_dense", "w_diag", "b", "w_input")


def wrong(path: str | Path, field: str, found: object, right: str) -> UserError:
    """The error for a field of the description at `path`."""
    return UserError(f"{path}: the field {field} is {found}, and it should be {right}")


def check_range(
    path: str | Path, field: str, value: int, least: int, most: int
) -> None:
    """An integer from `least` to `most`."""
    if not least <= value <= most:
        raise wrong(path, field, value, f"an integer from {least} to {most}")


def check_finite(path: str | Path, field: str, value: float) -> None:
    """A number that is neither infinite nor NaN."""
    if not math.isfinite(value):
        raise wrong(path, field, value, "a finite number")


def check_positive(path: str | Path, field: str, value: float) -> None:
    """A finite number above 0."""
    if not (math.isfinite(value) and value > 0):
        raise wrong(path, field, value, "a finite number above 0")


def check_not_negative(path: str | Path, field: str, value: float) -> None:
    """A finite number, 0 or above."""
    if not (math.isfinite(value) and value >= 0):
        raise wrong(path, field, value, "a finite number that is not negative")


def check_probability(path: str | Path, field: str, value: float) -> None:
    """A number from 0 to below 1."""
    if not 0 <= value < 1:
        raise wrong(path, field, value, "from 0 to below 1")


def check_file_name(path: str | Path, field: str, name: str) -> None:
    """A name that files are named after: it must stay inside its folder."""
    plain = all(c.isprintable() and c not in '/\\:*?"<>|' for c in name)
    # In bytes: with a timestamp and a suffix it has to be below the 255 of a file name.
    if not name or not plain or name[0] in ".-" or len(name.encode()) > 100:
        found = repr(name[:120]) if name else "missing"
        right = (
            "a plain part of a file name: at most 100 letters, digits, dashes and the "
            "like, with no slash, no colon, and no dot or dash in front"
        )
        raise wrong(path, field, found, right)


def check_layer_name(path: str | Path, field: str, name: str, seen: set[str]) -> None:
    """A name that the datasets of a checkpoint start with; it is added to `seen`."""
    # '/' makes groups in an .h5, ':' parts the layer from the weight.
    plain = name.isprintable() and not set(name) & set("/:")
    if not name or not plain or len(name) > 100:
        found = repr(name[:120]) if name else "missing"
        right = (
            "a name of at most 100 characters without '/' and ':', because the weights "
            "in a checkpoint are named after it"
        )
        raise wrong(path, f"{field}.name", found, right)
    if name in seen:
        right = "a name that no other layer has"
        raise wrong(path, f"{field}.name", repr(name), right)
    seen.add(name)


def check_weight(
    path: str | Path, field: str, rows: int, columns: int, most: int = MOST_INT
) -> None:
    """A weight (rows, columns) that can be indexed and held."""
    if rows * columns > most:
        right = f"a weight of at most {most} elements"
        raise wrong(path, field, f"{rows} by {columns}", right)


def _is_pretrained(layer: config_pb2.LSTM | config_pb2.Logreg) -> bool:
    known = "pretrained" in layer.DESCRIPTOR.fields_by_name
    return known and layer.HasField("pretrained")


def check_blocks(
    layer: config_pb2.LSTM | config_pb2.Logreg, blocks: list[str], path: str | Path
) -> list[str]:
    """Check the settings of the weights a layer has; warnings of those left out."""
    warnings = []
    for block in blocks:
        if layer.HasField(block):
            check_param(getattr(layer, block), path, f"{layer.name}.{block}")
        elif block in PRETRAINED_BLOCKS and _is_pretrained(layer):
            warnings.append(
                f"{path}: {layer.name} has no block {block}, so that weight stays as "
                "it was pretrained"
            )
        else:
            warnings.append(
                f"{path}: {layer.name} has no block {block}, so that weight is zero "
                "and never learns"
            )
    return warnings


def check_param(param: config_pb2.Param, path: str | Path, where: str) -> None:
    """Check how one weight starts and learns; `where` is layer.block."""
    for field in ("scale", "input_bias", "input_gate_bias"):
        check_finite(path, f"{where}.{field}", getattr(param, field))
    for field in ("forget_gate_bias", "output_gate_bias"):
        check_finite(path, f"{where}.{field}", getattr(param, field))
    for field in ("epsilon", "l2_decay", "gradient_clip", "eps_decay_factor"):
        check_not_negative(path, f"{where}.{field}", getattr(param, field))
    check_range(path, f"{where}.eps_decay_after", param.eps_decay_after, 0, MOST_INT)
    check_probability(path, f"{where}.momentum", param.momentum)
    check_probability(path, f"{where}.rms_prop_factor", param.rms_prop_factor)
    kind = type(param).InitType.Name(param.init_type)
    if kind == "PRETRAINED":
        for field in ("file_name", "dataset_name"):
            if not getattr(param, field):
                right = "given, because init_type is PRETRAINED"
                raise wrong(path, f"{where}.{field}", "missing", right)
    if kind == "LSTM_BIAS" and not where.endswith(".b"):
        right = "another one, because only the bias b of an LSTM has gates"
        raise wrong(path, f"{where}.init_type", kind, right)
