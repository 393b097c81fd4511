"""The figure of ``fbench select``: time along a swept size, or against what the batch is worth, or phase by phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fbench.harness.contract import Figure, Panel, Series
from fbench.results.ratios import Seconds, geometric

from .cases import MeasuredCase
from .sizes import COUNTS, SIZE_LETTERS


def figures(cases: Sequence[MeasuredCase]) -> list[Figure]:
    """Time against the size that was swept; else against what the batch is worth; else by phase.

    Nothing is drawn where nothing was timed.
    """
    timed = [case for case in cases if case.timed] or [case for case in cases if case.score]
    if not timed:
        return []
    swept = max(COUNTS, key=lambda name: _values(timed, name))
    what = "a forward pick" if timed[0].timed else "a pass of the score"
    if _values(timed, swept) > 1:
        return [_sweep(timed, swept, what)]
    if all(case.timed and case.agreement for case in timed) and not all(case.exact for case in timed):
        return [_worth(timed)]
    return [_by_phase(timed) if timed[0].timed else _by_score(timed)]


def _values(cases: Sequence[MeasuredCase], name: str) -> int:
    """How many values of a size the cases have."""
    return len({case.sizes.count(name) for case in cases})


def _unit_seconds(case: MeasuredCase) -> Seconds:
    """Seconds of a forward pick, or of a pass of the score, by block."""
    return case.step("forward") if case.timed else case.score


def _along(cases: Sequence[MeasuredCase], swept: str) -> tuple[list[MeasuredCase], str]:
    """The cases along one size with the other sizes at their largest, and these other sizes in words."""
    others = tuple(name for name in COUNTS if name != swept)
    by_others = [tuple(case.sizes.count(name) for name in others) for case in cases]
    most = max(by_others)
    along = [case for case, sizes in zip(cases, by_others, strict=True) if sizes == most]
    return along, along[0].sizes.equations(others)


def _lines(cases: Sequence[MeasuredCase]) -> dict[str, list[MeasuredCase]]:
    """Cases by their line's label: the method, and the dtype where there are several."""
    several = len({case.sizes.dtype for case in cases}) > 1
    lines: dict[str, list[MeasuredCase]] = {}
    for case in sorted(cases, key=lambda case: case.method != "published"):  # the first colour is the baseline's
        lines.setdefault(f"{case.method}, {case.sizes.dtype}" if several else case.method, []).append(case)
    return lines


def _sweep(cases: Sequence[MeasuredCase], swept: str, what: str) -> Figure:
    """Seconds along a size that was swept, a line a method."""
    along, fixed = _along(cases, swept)
    series = []
    for label, line in _lines(along).items():
        seconds = [(float(case.sizes.count(swept)), _unit_seconds(case)) for case in line]
        seconds.sort(key=lambda pair: pair[0])
        points = [(x, value) for x, by_block in seconds for value in by_block.values()]
        means = [geometric(by_block) for _, by_block in seconds]
        series.append(Series(label, [x for x, _ in seconds], means, points=points))
    ticks = sorted({float(case.sizes.count(swept)) for case in along})
    name = f"{swept} {SIZE_LETTERS[swept]}"
    panel = Panel(series, name, f"seconds {what}", "", x_ticks=ticks, x_log=True, y_log=True)
    return Figure("time", f"Time of {what}: {fixed}", [panel], "geometric mean over blocks, and every block as a dot")


def _worth(cases: Sequence[MeasuredCase]) -> Figure:
    """Seconds a selection against its objective: low and left is good."""
    series = []
    for label, (case, *_) in _lines(cases).items():
        worth, whole = case.objective_ratio(), case.whole()
        x = 100 * (worth.mean - 1) if worth else 0.0  # cut short: an exact way's batch is the reference's
        series.append(Series(label, [x], [geometric(whole)], points=[(x, value) for value in whole.values()]))
    panel = Panel(series, "objective tr(F M⁻¹) above the reference's, in %", "seconds a selection", "", y_log=True)
    note = "geometric mean over blocks, and every block as a dot; low and left is good"
    short = dict.fromkeys(case.method for case in cases if case.cut_short)
    if short:
        note += f"; {', '.join(short)} extrapolated from a few picks"
    return Figure("time", f"What a batch costs and what it is worth: {cases[0].sizes.equations()}", [panel], note)


_PHASES: Mapping[str, Callable[[MeasuredCase], Seconds]] = {
    "set-up": lambda case: case.step("setup"),
    "forward pick": lambda case: case.step("forward"),
    "first removal": lambda case: case.step("first_removal"),
    "removal": MeasuredCase.removal,
    "whole selection": MeasuredCase.whole,
}
"""Seconds by block of what a selection is made of, and of the whole."""


def _by_phase(cases: Sequence[MeasuredCase]) -> Figure:
    """Seconds of every phase, side by side: a colour a method, a dot a block."""
    series = []
    for label, (case, *_) in _lines(cases).items():
        by_phase = [seconds(case) for seconds in _PHASES.values()]
        known = [(float(place), times) for place, times in enumerate(by_phase) if times]
        series.append(_marks(f"{label} (extrapolated)" if case.cut_short else label, known))
    panel = Panel(series, "", "seconds", "", x_names=list(_PHASES), y_log=True)
    return Figure("time", f"Time of a selection: {cases[0].sizes.equations()}", [panel], _NOTE)


def _by_score(cases: Sequence[MeasuredCase]) -> Figure:
    """Seconds of a pass of the score, a place a method."""
    lines = list(_lines(cases).items())
    series = [_marks("", [(float(place), case.score)], place) for place, (_, (case, *_)) in enumerate(lines)]
    panel = Panel(series, "", "seconds a pass", "", x_names=[label for label, _ in lines], y_log=True, dodge=0.0)
    return Figure("time", f"Time of a pass of the score: {cases[0].sizes.equations()}", [panel], _NOTE)


_NOTE = "geometric mean over blocks, and every block as a dot"


def _marks(label: str, places: Sequence[tuple[float, Seconds]], colour: int | None = None) -> Series:
    """A mark at every place, and a dot a block."""
    dots = [(x, value) for x, times in places for value in times.values()]
    means = [geometric(times) for _, times in places]
    return Series(label, [x for x, _ in places], means, points=dots, style="points", colour=colour)
