"""What users switch on and off by variables of the environment."""

from __future__ import annotations

import os

from videolstm.errors import UserError


def switched(variable: str, on: str, off: str) -> bool | None:
    """What an environment variable says: True for 1, False for 0, None where it is not
    set or empty. `on` and `off` are what these do, in words.

    Raises UserError for any other value.
    """
    said = os.environ.get(variable, "")
    if said not in ("", "0", "1"):
        raise UserError(
            f"the environment variable {variable} is {said!r}, and it should be 1, to "
            f"{on}, or 0, to {off}"
        )
    return said == "1" if said else None
