"""Two runs made at different times: a ratio a benchmark, and the drift that it must be read against.

A machine that is shared, warmer or otherwise clocked is a few to fifteen percent faster or slower for a whole run. No
number of samples averages that out, so such runs confirm nothing. What they can show is that one benchmark moved more
than its controls and its neighbours did: these tell how much the machine moved by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fbench.regression.compared import ComparedRow
from fbench.regression.paired_rule import time_verdict
from fbench.regression.timings import LogTime, Timings

FEWEST_READINGS = 4
"""Controls, or other benchmarks, from which on the machine's drift is known."""
_SPREADS = 3.0 * 1.4826
"""Three standard deviations, for each median absolute deviation of normal values."""


def compare_apart(base: Mapping[str, Timings], new: Mapping[str, Timings], margin: float) -> list[ComparedRow]:
    """A row for every benchmark that both have; a change is shown where it is beyond its interval and the drift.

    Example:
        >>> from fbench.regression.timings import timings_of
        >>> before = {name: timings_of(name, [1.0] * 9) for name in "abcdef"}
        >>> after = {name: timings_of(name, [1.5 if name == "a" else 1.001] * 9) for name in "abcdef"}
        >>> [row.verdict for row in compare_apart(before, after, 0.03)][:2]
        ['slower', 'same within the margin']
    """
    names = [name for name in base if name in new]
    alike = [name for name in names if base[name].control is not None and new[name].control is not None]
    ratios = {name: _ratio(base[name], new[name], name in alike) for name in names}
    controls = {name: _control(new[name]).over(_control(base[name])).middle for name in alike}
    changes = {name: ratio.middle for name, ratio in ratios.items()}
    drifts = {name: _drift([*controls.values()], [changes[n] for n in names if n != name]) for name in names}
    return [
        _row(name, base[name], new[name], ratios[name], controls.get(name, math.nan), drifts[name], margin)
        for name in names
    ]


def _ratio(base: Timings, new: Timings, controlled: bool) -> LogTime:
    return new.relative.over(base.relative) if controlled else new.time.over(base.time)


def _control(timings: Timings) -> LogTime:
    assert timings.control is not None
    return timings.control


def _drift(controls: Sequence[float], others: Sequence[float]) -> float:
    """How far the machine may have moved a logarithm by itself: what controls and others say, the larger; nan."""
    known = [_reach(readings) for readings in (controls, others) if len(readings) >= FEWEST_READINGS]
    return max(known, default=math.nan)


def _reach(readings: Sequence[float]) -> float:
    """How far the readings lie from 0 as a whole, and three times how far they lie apart: one that jumps counts little.

    Changes of the code are among the readings. They widen the drift, so that many at once pass for the machine's.
    """
    middle = float(np.median(readings))
    return abs(middle) + _SPREADS * float(np.median(np.abs(np.asarray(readings) - middle)))


def _row(
    name: str, base: Timings, new: Timings, ratio: LogTime, control: float, drift: float, margin: float
) -> ComparedRow:
    low = ratio.middle - math.hypot(ratio.middle - ratio.low, drift)
    high = ratio.middle + math.hypot(ratio.high - ratio.middle, drift)
    shown = low > 0 or high < 0
    return ComparedRow(
        name=name,
        quantity="time",
        n=ratio.n,
        base=math.exp(base.time.middle),
        new=math.exp(new.time.middle),
        change=math.exp(ratio.middle),
        low=math.exp(ratio.low),
        high=math.exp(ratio.high),
        verdict=time_verdict(ratio.middle, low, high, shown, margin),
        control=math.exp(control),
        drift=math.expm1(drift),
        why=_why(ratio, drift),
    )


def _why(ratio: LogTime, drift: float) -> str:
    """What is missing for any verdict; empty where nothing is."""
    if math.isnan(ratio.low) or math.isnan(ratio.high):
        return f"{ratio.n} samples have no interval"
    if math.isnan(drift):
        return f"fewer than {FEWEST_READINGS} other benchmarks or controls tell the machine's drift"
    return ""
