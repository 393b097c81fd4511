"""Statistics into words: numbers and p values as sentences carry them."""

from __future__ import annotations

import math


def number(value: float, digits: int = 4, *, signed: bool = False) -> str:
    """A number for a sentence, with a real minus sign; n/a where there is none.

    Example:
        >>> number(-0.0123, signed=True), number(0.5, 2)
        ('−0.0123', '0.50')
    """
    if math.isnan(value):
        return "n/a"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def p_value(p: float) -> str:
    """A p value as sentences carry it: ``p = 0.031``, ``p < 0.001``, or ``no p`` for nan.

    Example:
        >>> p_value(0.031), p_value(0.0001), p_value(math.nan)
        ('p = 0.031', 'p < 0.001', 'no p')
    """
    if math.isnan(p):
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.0995 else f"p = {p:.2f}"


def small_share(value: float) -> str:
    """A small share with one digit and a real minus sign.

    Example:
        >>> small_share(2.07e-06)
        '2e−6'
    """
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−") if value else "0"
