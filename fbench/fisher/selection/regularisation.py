"""λ as it is written: a positive number, or ``rel:c`` for c · tr F/d, since λ means nothing without F's scale."""

from __future__ import annotations

import math

from fbench.errors import InputError


def parse_regularisation(typed: float | str) -> tuple[float, bool]:
    """λ's number, and whether it is relative to F.

    Raises:
        InputError: not a positive finite number, nor ``rel:`` and one.

    Examples:
        >>> parse_regularisation(0.5), parse_regularisation("rel:0.01")
        ((0.5, False), (0.01, True))
        >>> parse_regularisation("0")
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: regularisation 0: must be a positive number, or rel:c with c positive
    """
    relative = isinstance(typed, str) and typed.startswith("rel:")
    try:
        value = float(str(typed).removeprefix("rel:"))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"regularisation {typed}: must be a positive number, or rel:c with c positive")
    return value, relative
