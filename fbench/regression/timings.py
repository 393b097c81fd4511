"""What one run says of one benchmark's time: the median's logarithm with its interval, alone and over its control's.

Everything is a logarithm of seconds, so that a change is a difference and its interval does not depend on which side
is called the base.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import NamedTuple

import numpy as np

from fbench.errors import InputError
from fbench.measure.medians import LEAST_FOR_INTERVAL, median_interval
from fbench.measure.statistics import mean_interval

_NORMAL = NormalDist().inv_cdf(0.975)
_MEDIAN_ERROR = math.sqrt(math.pi / 2) / 1.349
"""Standard error of a normal sample's median, √(π/2)·sd/√n, for each interquartile range over √n."""


class LogTime(NamedTuple):
    """A middle with its 95 % interval, logarithms of seconds or of ratios; nan ends where there are too few values."""

    n: int
    middle: float
    low: float
    high: float

    def over(self, other: LogTime) -> LogTime:
        """This time over another that was measured apart from it.

        The interval is Donner and Zou's (2012): each end moves from the difference by the root of the sum of squares
        of how far either middle may lie from its own end.
        """
        middle = self.middle - other.middle
        low = middle - math.hypot(self.middle - self.low, other.high - other.middle)
        high = middle + math.hypot(self.high - self.middle, other.middle - other.low)
        return LogTime(min(self.n, other.n), middle, low, high)


@dataclass(frozen=True)
class Timings:
    """A benchmark in one run.

    Attributes:
        name: what it is known by in both revisions.
        time: of the benchmark, log seconds.
        control: of its control, log seconds; None where it has none.
        relative: time over control, log; the time itself where there is no control.
    """

    name: str
    time: LogTime
    control: LogTime | None
    relative: LogTime


def timings_of(name: str, times_s: Sequence[float], controls_s: Sequence[float] = ()) -> Timings:
    """From samples; as many control times as times are taken to have been measured beside them, one by one.

    Raises:
        InputError: no times, or one that is no positive number; says which.

    Example:
        >>> timings = timings_of("sum", [2.0, 4.0, 8.0], [1.0, 2.0, 4.0])
        >>> round(math.exp(timings.time.middle), 3), round(math.exp(timings.relative.middle), 3)
        (4.0, 2.0)
    """
    time, control = _log_time(times_s, ""), _log_time(controls_s, " of the control") if len(controls_s) else None
    if control is None:
        return Timings(name, time, None, time)
    beside = len(times_s) == len(controls_s)
    relative = _middle(np.log(times_s) - np.log(controls_s)) if beside else time.over(control)
    return Timings(name, time, control, relative)


def timings_of_summary(
    name: str, median_s: float, spread_s: float, n: int, controls_s: Sequence[float] = ()
) -> Timings:
    """From a median and an interquartile range alone, where samples were not kept; taken as those of normal samples.

    Raises:
        InputError: a median that is no positive number, or a range that is none.
    """
    _check([median_s], "")
    if not 0 <= spread_s < math.inf:
        raise InputError(f"an interquartile range of {spread_s:g} s: must be 0 or more")
    half = _NORMAL * _MEDIAN_ERROR * spread_s / median_s / math.sqrt(n) if n >= LEAST_FOR_INTERVAL else math.nan
    time = LogTime(n, math.log(median_s), math.log(median_s) - half, math.log(median_s) + half)
    control = _log_time(controls_s, " of the control") if len(controls_s) else None
    return Timings(name, time, control, time if control is None else time.over(control))


def pooled(name: str, runs: Sequence[Timings]) -> Timings:
    """Several runs of one revision as one: a run is one value, since what it meets of the machine lasts for all of it.

    The interval is t's over the runs. Controls count where every run has one.

    Example:
        >>> together = pooled("sum", [timings_of("sum", [1.0]), timings_of("sum", [math.e**2])])
        >>> together.time.n, round(together.time.middle, 6)
        (2, 1.0)
    """
    if len(runs) == 1:
        return runs[0]
    controls = [run.control for run in runs if run.control is not None]
    if len(controls) < len(runs):
        time = _over_runs([run.time for run in runs])
        return Timings(name, time, None, time)
    return Timings(
        name,
        _over_runs([run.time for run in runs]),
        _over_runs(controls),
        _over_runs([run.relative for run in runs]),
    )


def _over_runs(runs: Sequence[LogTime]) -> LogTime:
    values = [run.middle for run in runs]
    interval = mean_interval(values)
    return LogTime(len(runs), fmean(values), interval.low, interval.high)


def _log_time(seconds: Sequence[float], whose: str) -> LogTime:
    _check(seconds, whose)
    return _middle(np.log(seconds))


def _middle(logs: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> LogTime:
    median = median_interval(logs)
    return LogTime(median.n, median.median, median.low, median.high)


def _check(seconds: Sequence[float], whose: str) -> None:
    if not len(seconds):
        raise InputError(f"there are no times{whose}")
    for position, value in enumerate(seconds):
        if not 0 < value < math.inf:
            raise InputError(f"time {position + 1} of {len(seconds)}{whose} is {value:g} s: must be above 0 and finite")
