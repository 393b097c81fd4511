"""Two sides, or a file of pairs, to a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from fbench.errors import NothingComparableError
from fbench.regression.compared import ComparedRow, RevisionDiff
from fbench.regression.floor import floor_of, gate_word
from fbench.regression.measured import Side, check_comparable, notes_on
from fbench.regression.other_rules import compare_areas, compare_peaks
from fbench.regression.paired_rule import TIME_MARGIN, PairedJudgement, judge_pairs
from fbench.regression.pairs_file import PairedSamples
from fbench.regression.times_apart import compare_apart
from fbench.units import format_percent


def compare_sides(base: Side, new: Side, margin: float = TIME_MARGIN, *, force: bool = False) -> RevisionDiff:
    """Compare two revisions that were measured at different times: nothing is confirmed by it.

    Raises:
        NothingComparableError: other machines, versions or options without ``force``; nothing that both have.
    """
    differences = check_comparable(base, new, force=force)
    before, after = base.timings, new.timings
    base_areas, new_areas = _joined(base, "areas"), _joined(new, "areas")
    base_peaks, new_peaks = _joined(base, "peaks"), _joined(new, "peaks")
    rows = [
        *compare_apart(before, after, margin),
        *compare_areas(base_areas, new_areas, base.first.margin),
        *compare_peaks(base_peaks, new_peaks, margin),
    ]
    if not rows:
        one = next(iter([*before, *base_areas, *base_peaks]), "nothing")
        other = next(iter([*after, *new_areas, *new_peaks]), "nothing")
        raise NothingComparableError(
            f"{base.path} and {new.path} have nothing in common: one has {one!r}, the other {other!r}"
        )
    names = {row.name for row in rows}
    return RevisionDiff(
        base=base.revision,
        new=new.revision,
        rows=rows,
        margin=margin,
        only_base=[name for name in (*before, *base_areas, *base_peaks) if name not in names],
        only_new=[name for name in (*after, *new_areas, *new_peaks) if name not in names],
        differences=differences,
        notes=notes_on(base, new),
    )


def _joined(side: Side, kind: str) -> Mapping[str, Mapping[int, float]]:
    """Areas or peaks of all runs of a side; of a seed or round that several have, the first one's."""
    joined: dict[str, dict[int, float]] = {}
    for run in reversed(side.runs):
        for name, values in getattr(run, kind).items():
            joined.setdefault(name, {}).update(values)
    return joined


def compare_pairs(samples: PairedSamples, path: Path, margin: float | None = None) -> RevisionDiff:
    """Compare two revisions by samples that took turns: what is called slower is confirmed.

    ``margin`` is the share that does not matter, or None for what the gate that measured them was asked for.

    Where one side always came first the pairs are judged and nothing is confirmed. Where the base had a second process
    the words are the gate's: nothing below that benchmark's floor is slower or faster, whatever the margin.

    Raises:
        NothingComparableError: there are no pairs.
    """
    if not samples.pairs:
        raise NothingComparableError(f"{path} has no pairs")
    margin = margin or samples.threshold
    judged = judge_pairs(samples.logs, margin, unit="start" if samples.has_starts else "pair")
    rows = [_paired_row(name, one, samples, margin, len(judged)) for name, one in judged.items()]
    fixed = samples.in_turn
    notes = [f"one side always came first in {', '.join(fixed)}: order is to be drawn, so nothing is confirmed"]
    return RevisionDiff(
        base=_called(samples.base, "base"),
        new=_called(samples.new, "new"),
        rows=rows,
        margin=margin,
        paired=not fixed,
        by_start=samples.has_starts,
        notes=notes if fixed else (),
    )


def _paired_row(name: str, one: PairedJudgement, samples: PairedSamples, margin: float, family: int) -> ComparedRow:
    pairs, again_s = samples.pairs[name], samples.again_s.get(name)
    floor = floor_of(pairs, again_s) if again_s else math.nan
    return ComparedRow(
        name=name,
        quantity="time",
        n=one.n,
        base=median(pair.base_s for pair in pairs),
        new=median(pair.new_s for pair in pairs),
        change=one.ratio,
        low=one.low,
        high=one.high,
        verdict=gate_word(one, margin, floor, family) if again_s else one.verdict,
        p=one.p,
        adjusted=one.adjusted,
        why=one.why or ("" if math.isnan(floor) else _why_open(one, margin, floor)),
        floor=floor,
    )


def _why_open(one: PairedJudgement, margin: float, floor: float) -> str:
    """Why a gate's word is ``inconclusive``, though there are starts enough; empty where it is another."""
    if floor > margin:
        return f"a floor above {format_percent(margin)} hides what is below it"
    if one.verdict == "not shown" and one.ratio - 1 > margin:
        return "it looks slower and is not shown to be: more starts would tell"
    return ""


def _called(revision: Mapping[str, Any], side: str) -> str:
    return str(revision.get("revision") or revision.get("commit") or side)
