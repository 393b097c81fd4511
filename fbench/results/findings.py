"""Statistics into words: numbers, intervals, p and paired differences as sentences carry them."""

from __future__ import annotations

import math

from fbench.measure.statistics import Mean, Paired


def number(value: float, digits: int = 4, *, signed: bool = False) -> str:
    """A number for a sentence, with a real minus sign; n/a where there is none."""
    if math.isnan(value):
        return "n/a"
    return f"{value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def span(low: float, high: float, *, signed: bool = False) -> str:
    """An interval's two ends; n/a where there is none."""
    if math.isnan(low) or math.isnan(high):
        return "n/a"
    return f"{number(low, signed=signed)} to {number(high, signed=signed)}"


def plus_minus(found: Mean, *, signed: bool = False) -> str:
    """``0.8497 ± 0.0164``: a mean and half its interval's width; the mean alone where there is no interval."""
    half = (found.high - found.low) / 2
    mean = number(found.mean, signed=signed)
    return mean if math.isnan(half) else f"{mean} ± {number(half)}"


def p_value(p: float) -> str:
    """``p = 0.031``, or ``p < 0.001``, or ``no p``."""
    if math.isnan(p):
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.0995 else f"p = {p:.2f}"


def evidence(found: Paired, unit: str) -> str:
    """What a paired comparison measured, in one clause."""
    if found.n == 1:
        return f"{number(found.difference, signed=True)} {unit} on one seed, which has no interval"
    flips = f"sign-flip {p_value(found.sign_flip_p)}, the smallest possible being {found.sign_flip_floor:.2g}"
    effect = f", d_z {number(found.d_z, 2)}, g {number(found.hedges_g, 2)}" if math.isfinite(found.hedges_g) else ""
    return (
        f"mean paired difference {number(found.difference, signed=True)} {unit} (95 % interval "
        f"{span(found.low, found.high, signed=True)}; {found.n} seeds, "
        f"paired t against 0 {p_value(found.p)}, {flips}{effect})"
    )
