"""Statistics into words: numbers, intervals, p and paired differences as sentences carry them."""

from __future__ import annotations

import math

from fbench.measure.statistics import Mean, Paired


def number(value: float, digits: int = 4, *, signed: bool = False) -> str:
    """A number for a sentence, with a real minus sign; n/a where there is none.

    Example:
        >>> number(-0.0123, signed=True), number(0.5, 2)
        ('−0.0123', '0.50')
    """
    if math.isnan(value):
        return "n/a"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def interval_ends(low: float, high: float, *, signed: bool = False) -> str:
    """An interval's two ends; n/a where there is none.

    Example:
        >>> interval_ends(-0.01, 0.02, signed=True)
        '−0.0100 to +0.0200'
    """
    if math.isnan(low) or math.isnan(high):
        return "n/a"
    return f"{number(low, signed=signed)} to {number(high, signed=signed)}"


def plus_minus(sample: Mean, *, signed: bool = False) -> str:
    """A mean and half its interval's width, ``0.8497 ± 0.0164``; the mean alone where there is no interval.

    Example:
        >>> plus_minus(Mean(n=4, mean=0.8497, sd=0.01, low=0.8333, high=0.8661))
        '0.8497 ± 0.0164'
    """
    half = (sample.high - sample.low) / 2
    mean = number(sample.mean, signed=signed)
    return mean if math.isnan(half) else f"{mean} ± {number(half)}"


def p_value(p: float) -> str:
    """A p value as sentences carry it: ``p = 0.031``, ``p < 0.001``, or ``no p`` for nan.

    Example:
        >>> p_value(0.031), p_value(0.0001), p_value(math.nan)
        ('p = 0.031', 'p < 0.001', 'no p')
    """
    if math.isnan(p):
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.0995 else f"p = {p:.2f}"


def evidence(comparison: Paired, unit: str) -> str:
    """What a paired comparison measured, in one clause.

    Example:
        >>> from fbench.measure.statistics import paired
        >>> evidence(paired([0.85], [0.83]), "accuracy")
        '+0.0200 accuracy on one seed, which has no interval'
    """
    if comparison.n == 1:
        return f"{number(comparison.difference, signed=True)} {unit} on one seed, which has no interval"
    flips = f"sign-flip {p_value(comparison.sign_flip_p)}, the smallest possible being {comparison.sign_flip_floor:.2g}"
    d_z, g = comparison.d_z, comparison.hedges_g
    effect = f", d_z {number(d_z, 2)}, g {number(g, 2)}" if math.isfinite(g) else ""
    return (
        f"mean paired difference {number(comparison.difference, signed=True)} {unit} (95 % interval "
        f"{interval_ends(comparison.low, comparison.high, signed=True)}; {comparison.n} seeds, "
        f"paired t against 0 {p_value(comparison.p)}, {flips}{effect})"
    )
