"""How a run of ``fbench memory`` went: what its readers reached, what is not torch's, what was not measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fbench.results.words import counted, listed
from fbench.units import format_bytes, format_count, format_percent, format_seconds

from .peaks import CaseMemory, GaugeProfile, PhaseGrowth
from .rows import PhaseRow, ReaderRow, RunRows, UnfinishedRow, grouped


def conduct_findings(cases: Sequence[CaseMemory], rows: RunRows, names: Mapping[str, str]) -> list[str]:
    """Sentences on rates, faults and what they leave empty; memory outside torch's allocator; cases without a number.

    ``names`` says what each case is called, by its id.
    """
    readers = [*_rates(rows.readers), *_scopes(rows.readers), *_faults(rows.readers, rows.phases)]
    return [*readers, *_not_torch(cases, names, rows.readers), *_left_out(rows)]


def _rates(readers: Sequence[ReaderRow]) -> Iterable[str]:
    """Readings a second by each source that samples, and those that were missed."""
    sampled = [row for row in readers if row.rate_hz is not None]
    for source, rows in grouped(sampled, lambda row: row.source).items():
        rates = [row.rate_hz for row in rows if row.rate_hz is not None]
        slow, fast = f"{min(rates):,.3g}", f"{max(rates):,.3g}"
        reached = slow if slow == fast else f"{slow} to {fast}"
        yield f"The {source} sampler took {reached} readings a second{_asked(rows)}{_missed(rows)}."


def _asked(rows: Sequence[ReaderRow]) -> str:
    periods = {row.period_s for row in rows if row.period_s}
    return f" where {1 / periods.pop():,.3g} were asked for" if len(periods) == 1 else ""


def _missed(rows: Sequence[ReaderRow]) -> str:
    known = [(row.missed, row.samples) for row in rows if row.missed is not None and row.samples is not None]
    if not known:
        return ""
    missed = sum(periods for periods, _ in known)
    due = missed + sum(samples for _, samples in known)
    share = f" ({format_percent(float(f'{missed / due:.2g}'))})" if missed else ""
    return f"; {format_count(missed)} of {format_count(due)} were missed{share}"


def _scopes(readers: Sequence[ReaderRow]) -> Iterable[str]:
    """Where a device's own growth stands for the process's."""
    devices = list(dict.fromkeys(row.device for row in readers if row.scope == "device_delta"))
    if devices:
        yield (
            f"NVML did not tell this process's own memory on {listed(devices)}: its rows are the growth of the whole "
            "device, other processes included."
        )


def _faults(readers: Sequence[ReaderRow], phases: Sequence[PhaseRow]) -> Iterable[str]:
    """Every distinct fault once, with the peaks that it leaves empty."""
    faulty = grouped((row for row in readers if row.fault), lambda row: (row.source, row.fault or ""))
    for (source, fault), rows in faulty.items():
        places = {(row.case, row.device) for row in rows}
        behind = [row for row in phases if row.gauge.source == source and (row.case, row.gauge.device) in places]
        devices = listed(sorted({row.device for row in rows}))
        yield f"{source} on {devices}: {fault.rstrip('.')}; {_empty(source, behind)}."


def _empty(source: str, phases: Sequence[PhaseRow]) -> str:
    """``18 of 18 peaks of used and non_torch are empty``; where a mark stands in for readings, none are."""
    empty = [row for row in phases if row.peak_bytes is None]
    if not phases:
        return f"there are no peaks by {source}"
    if not empty:
        return "no peak is empty for it"
    quantities = listed(list(dict.fromkeys(row.gauge.quantity for row in empty)))
    return f"{len(empty)} of {len(phases)} of its peaks are empty ({quantities})"


class _Outside(NamedTuple):
    """Bytes outside torch's allocator in one phase of a case: in all where the process's own are known, else growth."""

    size: float
    phase: PhaseGrowth
    profile: GaugeProfile
    case_name: str


def _not_torch(cases: Sequence[CaseMemory], names: Mapping[str, str], readers: Sequence[ReaderRow]) -> Iterable[str]:
    """The most that a GPU held outside torch's allocator: the context, libraries, and what they take."""
    outside = [
        _Outside(size, phase, profile, names[case.case])
        for case in cases
        for profile in case.profiles.values()
        if profile.gauge.quantity == "non_torch"
        for phase in profile.phases
        if (size := _held(profile, phase)) is not None
    ]
    if not outside:
        return
    most = max(outside, key=lambda held: held.size)
    what = "memory grew by" if most.profile.scope == "device_delta" else "the process held"
    periods = {row.period_s for row in readers if row.source == "nvml" and row.period_s}
    apart = f"; readings are {format_seconds(max(periods))} apart and miss what is shorter" if periods else ""
    yield (
        f"Outside torch's allocator {what} at most {format_bytes(most.size)} on {most.profile.gauge.device}, in "
        f"{most.phase.name} of {most.case_name} (median of {counted([len(most.phase.growth)], 'round')}){apart}."
    )


def _held(profile: GaugeProfile, phase: PhaseGrowth) -> float | None:
    """Bytes in all where the process's own are known, else their growth."""
    measured, base = phase.measured, profile.baseline
    if measured is None or base is None:
        return None
    return measured if profile.scope == "device_delta" else base + measured


def _left_out(rows: RunRows) -> Iterable[str]:
    """Cases without an end, by what became of them: how many, and the first one's reason."""
    for status, unfinished in grouped(rows.unfinished, lambda row: row.status).items():
        first, count = unfinished[0], len({row.case for row in unfinished})
        yield (
            f"Not finished ({status}): {count} of {len(rows.cases)} cases; the first is {first.case}"
            f"{_foreseen(first)}: {(first.reason or 'no reason was given').rstrip('.')}."
        )


def _foreseen(row: UnfinishedRow) -> str:
    """What was predicted of a case that was refused for it."""
    if row.predicted_bytes is None or not row.phase:
        return ""
    return f", predicted to grow by {format_bytes(row.predicted_bytes)} in {row.phase}"
