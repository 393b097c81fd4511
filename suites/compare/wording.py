"""Numbers and names as the answers of ``fbench compare`` carry them, and how many words a sentence has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from fbench.results.findings import number

_WORD = re.compile(r"\S*\w\S*")


def words(text: str) -> int:
    """How many words a text has; signs that stand alone are none.

    Example:
        >>> words("bait − random: +0.02")
        3
    """
    return len(_WORD.findall(text))


def joined(parts: Sequence[str]) -> str:
    """Join names as a sentence does.

    Example:
        >>> joined(["a"]), joined(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def as_many(first: str, parts: Iterable[str], most: int, between: str = ", ") -> str:
    """Begin a sentence and go on with as many of the parts as fit into ``most`` words; with a dot.

    Example:
        >>> as_many("We have", ["one", "two", "three"], most=4)
        'We have one, two.'
    """
    text = ""
    for part in parts:
        longer = f"{text}{between}{part}" if text else f"{first} {part}"
        if words(longer) > most:
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


def whole_percent(share: float) -> str:
    """A share in whole per cent, with a real minus sign."""
    return f"{round(100 * share)} %".replace("-", "−")


def count_seeds(count: int) -> str:
    """``1 seed`` or ``5 seeds``."""
    return f"{count} seed" if count == 1 else f"{count} seeds"
