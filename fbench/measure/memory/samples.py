"""Samples of memory over time, as ``sampler`` takes them: what they show, and how they lie in its file."""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["STAGE", "Samples", "missed_periods", "record", "unpack_samples"]

STAGE = 250_000
"""Samples at one period; then it doubles, and none is dropped: one of 20 ms after 83 minutes. A week leaves 30 MB."""


@dataclass(frozen=True)
class Samples:
    """What was read between ``Sampler.start`` and ``stop``.

    ``times`` are seconds of ``time.perf_counter``, each taken right before its reading; ``values`` are bytes by
    quantity, each as long as ``times``. ``scope`` is the reader's, "" where it never read. ``period_s`` is the period
    of the first stage. ``missed`` counts the periods from the first sample to the stop in which no reading began.
    ``fault`` is "" or, in one line, why there are no samples, or none after the last.
    """

    times: Sequence[float]
    values: Mapping[str, Sequence[int]]
    scope: str
    period_s: float
    missed: int
    fault: str

    def rate_hz(self) -> float | None:
        """Samples a second, between the first and the last; None for fewer than two."""
        span = self.times[-1] - self.times[0] if len(self.times) > 1 else 0.0
        return (len(self.times) - 1) / span if span > 0 else None

    def peak(self, quantity: str, start_s: float, end_s: float) -> int | None:
        """The largest sample between two times; None without a sample there, or if a fault ended them before."""
        first, last = bisect_left(self.times, start_s), bisect_right(self.times, end_s)
        if first >= last or quantity not in self.values or self._cut(end_s):
            return None
        return max(self.values[quantity][first:last])

    def at(self, quantity: str, t_s: float) -> int | None:
        """The last sample at or before a time; None without one, or if a fault ended them before."""
        last = bisect_right(self.times, t_s)
        if not last or quantity not in self.values or self._cut(t_s):
            return None
        return self.values[quantity][last - 1]

    def _cut(self, t_s: float) -> bool:
        """Whether a fault left a time without samples that should be there; two periods late is only late."""
        period_s = self.period_s * 2 ** ((len(self.times) - 1) // STAGE)
        return bool(self.fault) and t_s > self.times[-1] + 2 * period_s


def record(quantities: int) -> struct.Struct:
    """The layout of one sample in the file: its time as a double, its values as 64-bit integers.

    Example:
        >>> record(2).size
        24
    """
    return struct.Struct(f"=d{quantities}q")


def unpack_samples(content: bytes, quantities: Sequence[str]) -> tuple[Sequence[float], dict[str, Sequence[int]]]:
    """Times and values of the whole records in a file; a disk that filled up leaves a part of one.

    Example:
        >>> content = record(1).pack(0.5, 7) + record(1).pack(1.0, 9)
        >>> times, values = unpack_samples(content, ["used"])
        >>> list(times), {name: list(column) for name, column in values.items()}
        ([0.5, 1.0], {'used': [7, 9]})
    """
    if not quantities:
        return array("d"), {}
    form = record(len(quantities))
    times, columns = array("d"), [array("q") for _ in quantities]
    for t_s, *values in form.iter_unpack(content[: len(content) // form.size * form.size]):
        times.append(t_s)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return times, dict(zip(quantities, columns, strict=True))


def missed_periods(times: Sequence[float], stop_s: float, period_s: float) -> int:
    """Periods without a sample, from the first to the stop; those of a stage begin at its own first sample.

    Example:
        >>> missed_periods([0.0, 1.0, 4.0], stop_s=5.0, period_s=1.0)
        2
    """
    missed = 0
    for stage, first in enumerate(range(0, len(times), STAGE)):
        part = times[first : first + STAGE]
        end_s = times[first + STAGE] if first + STAGE < len(times) else stop_s
        period = period_s * 2**stage
        with_sample = len({int((t_s - part[0]) / period) for t_s in part})
        missed += max(0, int((end_s - part[0]) / period) - with_sample)
    return missed
