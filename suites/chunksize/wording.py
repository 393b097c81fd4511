"""How numbers of a chunk sweep stand in sentences: ratios and percents with their intervals, in few words."""

from __future__ import annotations

from collections.abc import Sequence

from fbench.results.ratios import factor
from fbench.results.words import listed


def times(ratio: float, low: float, high: float) -> str:
    """``1.44 (1.38 to 1.49)``."""
    return f"{factor(ratio)} ({factor(low)} to {factor(high)})"


def short_percent(share: float, *, signed: bool = False) -> str:
    """``2.4 %``, with a real minus sign; one decimal under 10 %."""
    value = round(100 * share, 1 if abs(share) < 0.0995 else 0) + 0.0
    return f"{value:{'+' if signed else ''}.{1 if abs(share) < 0.0995 else 0}f} %".replace("-", "−")


def percent_interval(share: float, low: float, high: float, *, signed: bool = False) -> str:
    """``2.4 % (−0.5 to 5.3)``."""
    ends = f"{short_percent(low)} to {short_percent(high)}".replace(" %", "")
    return f"{short_percent(share, signed=signed)} ({ends})"


def some(names: Sequence[str], most: int = 2) -> str:
    """The names in a list; of many the first with how many more there are."""
    return listed(names) if len(names) <= most + 1 else f"{', '.join(names[:most])} and {len(names) - most} more"


def of_all(names: Sequence[str], total: int) -> str:
    """``all 6 kernels``, ``both kernels``, ``2 of 6 kernels``; of one kernel its name."""
    if total == 1:
        return names[0]
    everyone = "both kernels" if total == 2 else f"all {total} kernels"
    return everyone if len(names) == total else f"{len(names)} of {total} kernels"
