"""λ as it is written: a positive number, or ``rel:c`` for c · tr F/d, since λ means nothing without F's scale."""

from __future__ import annotations

import math

from fbench.errors import InputError


def parse_regularisation(given: float | str) -> tuple[float, bool]:
    """The number, and whether it is relative to F.

    Raises:
        InputError: not a positive finite number, nor ``rel:`` and one.
    """
    relative = isinstance(given, str) and given.startswith("rel:")
    try:
        value = float(str(given).removeprefix("rel:"))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"regularisation {given}: must be a positive number, or rel:c with c positive")
    return value, relative
