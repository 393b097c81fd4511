"""λ as it is written: a positive number, or ``rel:c`` for c · tr F/d, since λ means nothing without F's scale."""

from __future__ import annotations

from fbench.errors import InputError, shorten
from fbench.harness.parsing import read_real

LEAST, MOST = 1e-30, 1e30
"""Of λ, and of its c: with less or more, float32 has no square of it, nor of its inverse."""


def parse_regularisation(typed: float | str) -> tuple[float, bool]:
    """λ's number, and whether it is relative to F.

    Raises:
        InputError: not a positive number, nor ``rel:`` and one; out of ``LEAST`` to ``MOST``.

    Examples:
        >>> parse_regularisation(0.5), parse_regularisation("rel:0.01")
        ((0.5, False), (0.01, True))
        >>> parse_regularisation("0")
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: regularisation 0: must be a positive number, or rel:c with c positive
    """
    relative = isinstance(typed, str) and typed.startswith("rel:")
    value = read_real(str(typed).removeprefix("rel:"))
    if value is None or value <= 0:
        raise InputError(f"regularisation {shorten(typed)}: must be a positive number, or rel:c with c positive")
    if not LEAST <= value <= MOST:
        raise InputError(f"regularisation {shorten(typed)}: must be from {LEAST:g} to {MOST:g}")
    return value, relative
