"""λ as it is written: a positive number, ``rel:c`` or ``deff:c``, since λ means nothing without F's scale.

``rel:c`` is c · tr F/d. ``deff:c`` is the λ at which tr F(F + λI)⁻¹ = c, so that embeddings of different widths are
compared at one effective dimension (../MATH.md, "λ and the effective dimension").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from fbench.errors import InputError, shorten
from fbench.harness.parsing import read_real

LEAST, MOST = 1e-30, 1e30
"""Of λ, and of its c: with less or more, float32 has no square of it, nor of its inverse."""
_STEP = 16.0
"""By how much λ is lowered at a time until d_eff is large enough."""


class Regularisation(NamedTuple):
    """A number, and what it is: λ itself (``""``), or c of ``rel`` or ``deff``."""

    value: float
    kind: str


def parse_regularisation(typed: float | str) -> Regularisation:
    """What was typed, as a number and its kind.

    Raises:
        InputError: not a positive number, nor ``rel:`` or ``deff:`` and one; out of ``LEAST`` to ``MOST``.

    Examples:
        >>> parse_regularisation(0.5), parse_regularisation("deff:12")
        (Regularisation(value=0.5, kind=''), Regularisation(value=12.0, kind='deff'))
        >>> parse_regularisation("0")
        Traceback (most recent call last):
        ...
        fbench.errors.InputError: regularisation 0: must be a positive number, or rel:c or deff:c with c positive
    """
    kind, colon, number = str(typed).partition(":")
    if not colon or kind not in ("rel", "deff"):
        kind, number = "", str(typed)
    value = read_real(number)
    if value is None or value <= 0:
        raise InputError(
            f"regularisation {shorten(typed)}: must be a positive number, or rel:c or deff:c with c positive"
        )
    if not LEAST <= value <= MOST:
        raise InputError(f"regularisation {shorten(typed)}: must be from {LEAST:g} to {MOST:g}")
    return Regularisation(value, kind)


def lambda_at(c: float, dimension: Callable[[float], float], trace: float, least: float, digits: float) -> float:
    """The λ at which ``dimension(λ)`` = tr F(F + λI)⁻¹ is c; it falls monotonically in λ.

    It is at most tr F/λ, so the λ that is asked for lies below tr F/c; from there λ is lowered until the dimension is
    above c, and what is between is searched by Brent's method, in log λ.

    Args:
        c: positive.
        dimension: d_eff as a function of λ.
        trace: tr F, positive.
        least: λ below which rounding decides.
        digits: of log λ, how exact.

    Raises:
        InputError: the dimension stays below c down to ``least``.

    Example:
        >>> round(lambda_at(1.5, lambda lam: 2 / (2 + lam) + 2 / (2 + lam), 4.0, least=1e-12, digits=1e-12), 9)
        0.666666667
    """
    from scipy.optimize import brentq

    known: dict[float, float] = {}  # where the bracket ends, too: a dimension may take seconds

    def over(x: float) -> float:
        if x not in known:
            known[x] = dimension(math.exp(x)) - c
        return known[x]

    high = math.log(trace / c)
    low = high
    while over(low) < 0:
        if low <= math.log(least):
            raise InputError(too_many(c, f"about {over(low) + c:.0f} directions above rounding"))
        high, low = low, max(low - math.log(_STEP), math.log(least))
    if low == high:  # rounding put tr F/c on the other side
        return math.exp(low)
    root: float = brentq(over, low, high, xtol=digits, rtol=1e-15)
    return math.exp(root)


def too_many(c: float, has: str) -> str:
    """What is said of a c that no λ gives.

    Example:
        >>> too_many(12, "rank 9")
        'regularisation deff:12: the Fisher information has rank 9, and d_eff stays below that; take a smaller c'
    """
    return f"regularisation deff:{c:g}: the Fisher information has {has}, and d_eff stays below that; take a smaller c"
