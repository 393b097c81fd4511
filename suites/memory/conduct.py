"""How a run of ``fbench memory`` went: what its readers reached, what is not torch's, what was not measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fbench.harness.contract import Row
from fbench.results.words import counted, listed
from fbench.units import format_bytes, format_count, format_percent, format_seconds

from .peaks import Measured, Phase, Profile, Tables


def findings(cases: Sequence[Measured], tables: Tables, label: Mapping[str, str]) -> list[str]:
    """Rates, faults and what they leave empty; memory outside torch's allocator; cases without a number."""
    readers = tables.get("readers", ())
    said = [*_rates(readers), *_scopes(readers), *_faults(readers, tables["results"])]
    return [*said, *_not_torch(cases, label, readers), *_left_out(tables["results"])]


def _rates(readers: Sequence[Row]) -> Iterable[str]:
    """Readings a second by each source that samples, and those that were missed."""
    sampled = [row for row in readers if row["rate_hz"] is not None]
    for source in dict.fromkeys(row["source"] for row in sampled):
        own = [row for row in sampled if row["source"] == source]
        slow, fast = f"{min(row['rate_hz'] for row in own):,.3g}", f"{max(row['rate_hz'] for row in own):,.3g}"
        reached = slow if slow == fast else f"{slow} to {fast}"
        yield f"The {source} sampler took {reached} readings a second{_asked(own)}{_missed(own)}."


def _asked(own: Sequence[Row]) -> str:
    periods = {row["period_s"] for row in own if row["period_s"]}
    return f" where {1 / periods.pop():,.3g} were asked for" if len(periods) == 1 else ""


def _missed(own: Sequence[Row]) -> str:
    known = [row for row in own if row["missed"] is not None and row["samples"] is not None]
    if not known:
        return ""
    missed = sum(row["missed"] for row in known)
    due = missed + sum(row["samples"] for row in known)
    share = f" ({format_percent(float(f'{missed / due:.2g}'))})" if missed else ""
    return f"; {format_count(missed)} of {format_count(due)} were missed{share}"


def _scopes(readers: Sequence[Row]) -> Iterable[str]:
    """Where a device's own growth stands for the process's."""
    devices = list(dict.fromkeys(row["device"] for row in readers if row["scope"] == "device_delta"))
    if devices:
        yield (
            f"NVML did not tell this process's own memory on {listed(devices)}: its rows are the growth of the whole "
            "device, other processes included."
        )


def _faults(readers: Sequence[Row], results: Sequence[Row]) -> Iterable[str]:
    """Every distinct fault once, with the peaks that it leaves empty."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in readers:
        if row["fault"]:
            found.setdefault((row["source"], row["fault"]), []).append(row)
    for (source, fault), rows in found.items():
        places = {(row["case"], row["device"]) for row in rows}
        own = [row for row in results if row["source"] == source and (row["case"], row["device"]) in places]
        devices = listed(sorted({row["device"] for row in rows}))
        yield f"{source} on {devices}: {fault.rstrip('.')}; {_empty(source, own)}."


def _empty(source: str, rows: Sequence[Row]) -> str:
    """``18 of 18 peaks of used and non_torch are empty``; where a mark stands in for readings, none are."""
    measured = [row for row in rows if row["status"] == "ok"]
    empty = [row for row in measured if row["peak_bytes"] is None]
    if not measured:
        return f"there are no peaks by {source}"
    if not empty:
        return "no peak is empty for it"
    quantities = listed(list(dict.fromkeys(row["quantity"] for row in empty)))
    return f"{len(empty)} of {len(measured)} of its peaks are empty ({quantities})"


def _not_torch(cases: Sequence[Measured], label: Mapping[str, str], readers: Sequence[Row]) -> Iterable[str]:
    """The most that a GPU held outside torch's allocator: the context, libraries, and what they take."""
    found = [
        (number, phase, profile, label[case.case])
        for case in cases
        for profile in case.profiles.values()
        if profile.meter.quantity == "non_torch"
        for phase in profile.phases
        if (number := _held(profile, phase)) is not None
    ]
    if not found:
        return
    most, phase, profile, name = max(found, key=lambda each: each[0])
    what = "memory grew by" if profile.scope == "device_delta" else "the process held"
    periods = {row["period_s"] for row in readers if row["source"] == "nvml" and row["period_s"]}
    apart = f"; readings are {format_seconds(max(periods))} apart and miss what is shorter" if periods else ""
    yield (
        f"Outside torch's allocator {what} at most {format_bytes(most)} on {profile.meter.device}, in {phase.name} of "
        f"{name} (median of {counted([len(phase.growth)], 'round')}){apart}."
    )


def _held(profile: Profile, phase: Phase) -> float | None:
    """Bytes in all where the process's own are known, else their growth."""
    measured, base = phase.measured, profile.baseline
    if measured is None or base is None:
        return None
    return measured if profile.scope == "device_delta" else base + measured


def _left_out(results: Sequence[Row]) -> Iterable[str]:
    """Cases without an end, by what became of them: how many, and the first one's reason."""
    every = {row["case"] for row in results}
    found: dict[str, dict[str, Row]] = {}
    for row in results:
        if row["status"] != "ok":
            found.setdefault(row["status"], {}).setdefault(row["case"], row)
    for status, rows in found.items():
        first = next(iter(rows.values()))
        yield (
            f"Not finished ({status}): {len(rows)} of {len(every)} cases; the first is {first['case']}"
            f"{_foreseen(first)}: {(first['reason'] or 'no reason was given').rstrip('.')}."
        )


def _foreseen(row: Row) -> str:
    """What was predicted of a case that was refused for it."""
    size, phase = row.get("predicted_bytes"), row.get("phase")
    return f", predicted to grow by {format_bytes(size)} in {phase}" if size is not None and phase else ""
