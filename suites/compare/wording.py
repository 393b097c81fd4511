"""Numbers and names as the answers of ``fbench compare`` carry them, and how many words a sentence has."""

from __future__ import annotations

import math
from collections.abc import Iterable

from fbench.results.findings import number
from fbench.results.words import count_words


def as_many(first: str, parts: Iterable[str], most: int, between: str = ", ") -> str:
    """Begin a sentence and go on with as many of the parts as fit into ``most`` words; with a dot.

    Example:
        >>> as_many("We have", ["one", "two", "three"], most=4)
        'We have one, two.'
    """
    text = ""
    for part in parts:
        longer = f"{text}{between}{part}" if text else f"{first} {part}"
        if count_words(longer) > most:
            break
        text = longer
    return f"{text or first}."


def with_sign(value: float, digits: int = 4) -> str:
    """A difference, with its sign; 0 has none.

    Example:
        >>> with_sign(-0.0123), with_sign(-0.00001)
        ('−0.0123', '0.0000')
    """
    return number(value, digits, signed=True) if round(value, digits) else number(0.0, digits)


def ends(low: float, high: float, digits: int = 4) -> str:
    """The ends of a difference's interval; empty where there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{with_sign(low, digits)} to {with_sign(high, digits)}"


def mirrored(low: float, high: float) -> tuple[float, float]:
    """The ends of an interval of −x.

    Example:
        >>> mirrored(-1.0, 2.0)
        (-2.0, 1.0)
    """
    return -high, -low


def whole_percent(share: float) -> str:
    """A share in whole per cent, with a real minus sign."""
    return f"{round(100 * share)} %".replace("-", "−")
