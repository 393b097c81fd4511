"""What lies behind the answers of ``fbench chunksize``: costs and tests, periods, predictions, kernels, the run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from fbench.harness.contract import Evidence, Figure, Table
from fbench.results.findings import p_value
from fbench.results.ratios import factor

from .conduct import how_it_went
from .judged import Judged, Judgement, Searched
from .lanes import lanes_of
from .options import Options
from .sweeps import scaling
from .wiggles import LEAST_PERIODS, decomposed, expected_period, thirds
from .wording import percent_interval, short_percent, times

_COSTS = 8
"""Sizes that a table of costs is still read with."""


def evidence_of(
    judgement: Judgement, options: Options, tables: Sequence[Table], figures: Sequence[Figure]
) -> list[Evidence]:
    """Every part that has something in it; ``tables`` and ``figures`` are those of all points."""
    kernels = judgement.kernels
    names = ("time_by_chunk", "residual", "single_chunk", "prediction_errors")
    drawn = {name: [figure for figure in figures if figure.name.startswith(name)] for name in names}
    parts = [
        Evidence("What every size costs", [], [*_costs(kernels), *_tests(kernels)], drawn["time_by_chunk"]),
        Evidence(
            "Periods",
            list(_periods(judgement)),
            list(_spreads(kernels)),
            [*drawn["residual"], *drawn["single_chunk"]],
        ),
        Evidence("Predictions from single chunks", [], list(_predictions(kernels)), drawn["prediction_errors"]),
        Evidence("Kernels", list(compared(kernels))),
        Evidence("The run", how_it_went(judgement.run, options), tables),
    ]
    return [part for part in parts if part.claims or part.tables or part.figures]


def _costs(kernels: Sequence[Judged]) -> Iterable[Table]:
    """Time over the knee's at every size, or at eight of many."""
    known = [one for one in kernels if one.worth]
    if not known:
        return
    sizes = sorted({size for one in known for size in one.sweep.sizes})
    shown = _spread_out(sizes)
    rows = [[one.label, *(_cost(one, size) for size in shown)] for one in known]
    note = (
        "Time over that at the knee, the smallest chunk within 5 % of the fastest, with 95 % intervals that hold for "
        "all sizes of a kernel together, in this run (Tukey)."
    )
    yield Table("Cost against the knee", ["kernel", *(f"{size:,}" for size in shown)], rows, note, _inner(shown))


def _cost(one: Judged, size: int) -> str:
    if one.worth is None or size not in one.worth.sizes:
        return ""
    return "1" if size == one.worth.reference else times(*one.worth.cost(size)[1:])


def _inner(shown: Sequence[int]) -> list[str]:
    """Columns that a narrow terminal may leave out, the middle ones first."""
    inner = [f"{size:,}" for size in shown[1:-1]]
    return sorted(inner, key=lambda name: abs(inner.index(name) - (len(inner) - 1) / 2))


def _spread_out(sizes: Sequence[int]) -> list[int]:
    """All sizes, or of many the eight that are evenly spread in order."""
    if len(sizes) <= _COSTS:
        return list(sizes)
    return sorted({sizes[round(i * (len(sizes) - 1) / (_COSTS - 1))] for i in range(_COSTS)})


def _tests(kernels: Sequence[Judged]) -> Iterable[Table]:
    """Friedman's test, and the comparison with the published kernel."""
    rows = [
        [one.label, f"{one.blocks:,}", p_value(one.worth.p), p_value(one.worth_p), _p(one.less_p)]
        for one in kernels
        if one.worth
    ]
    if rows:
        columns = ["kernel", "blocks", "p: sizes differ", "corrected", "p: as published"]
        note = (
            "Blocks: those in which every size was timed. Friedman's test over the sizes; a t test over blocks against "
            "the published kernel. Corrected: over all tests of this run (Holm), as is every p elsewhere."
        )
        yield Table("Tests", columns, rows, note)


def _p(value: float) -> str:
    return "" if math.isnan(value) else p_value(value)


def _periods(judgement: Judgement) -> Iterable[str]:
    """What was looked for and what was search, a claim each."""
    for one in judgement.kernels:
        yield from _lanes(one)
        expected = expected_period(one.sweep, judgement.run.multiprocessors)
        yield from (_searched(one, search, expected) for search in one.searched)
        passes = next((search.wiggle for search in one.searched if search.of == "t(c)"), None)
        if passes is not None:
            first, last = thirds(passes)
            yield (
                f"{one.label}: the number of chunks leaves a spread of {short_percent(first)} in the first third of "
                f"the sizes and {short_percent(last)} in the last."
            )
        if expected is not None and one.searched:
            yield f"{one.label}: a wave of 128×128 tiles, one a multiprocessor, would be {expected:.3g} candidates."


def _lanes(one: Judged) -> Iterable[str]:
    lanes = lanes_of(one.sweep.kernel)
    if one.lanes is None:
        if lanes > 1 and one.searched:
            yield f"{one.label} packs {lanes} candidates on a CPU; sizes at a step below {lanes} would show it."
        return
    yield (
        f"{one.label} packs {lanes} candidates: its {one.lanes.multiples} multiples of {lanes} take "
        f"{percent_interval(*one.lanes.whole[:3])} less than the sizes {one.lanes.step} beside them."
    )
    yield (
        f"{one.label}: with what the number of chunks explains taken off, multiples of {lanes} take "
        f"{percent_interval(*one.lanes.beyond[:3])} less (corrected {p_value(one.lanes_p)})."
    )


def _searched(one: Judged, search: Searched, expected: float | None) -> str:
    period, wiggle = search.period, search.wiggle
    if period is None:
        return f"{one.label}: {search.of} does not vary about its trend."
    limits = _limits(wiggle.step, len(wiggle.sizes), expected)
    strongest = f"{period.period:.3g} ({period.low:.3g} to {period.high:.3g}) candidates"
    p = f"corrected {p_value(search.p)} against red noise"
    if not search.told:
        return f"{one.label}: {search.of} shows no period; the strongest, {strongest}, may be noise ({p}){limits}."
    if search.too_short:
        return f"{one.label}: {search.of} may have a period of {strongest} ({p}); a shorter one would look the same."
    return f"{one.label}: {search.of} has a period of {strongest} ({p}){limits}."


def _limits(step: int, sizes: int, expected: float | None) -> str:
    """Why these sizes could not have shown the period expected; empty where they could."""
    if expected is None:
        return ""
    if 2 * step > expected:
        return f"; a step of {step} is too coarse for the one expected"
    spans = step * sizes / expected
    return (
        f"; the sizes span {spans:.2g} of the expected period, {LEAST_PERIODS} are needed"
        if spans < LEAST_PERIODS
        else ""
    )


def _spreads(kernels: Sequence[Judged]) -> Iterable[Table]:
    """How far times stray from their trend, and what is left of it by each explanation."""
    rows = []
    for one in kernels:
        parts = decomposed(one.sweep, noise=True) if one.searched else None
        if parts is not None:
            spreads = (parts.spread, parts.stepped, parts.unexplained, parts.noise)
            rows.append(
                [one.label, f"{len(parts.sizes)}", *("" if math.isnan(s) else short_percent(s) for s in spreads)]
            )
    if rows:
        columns = ["kernel", "sizes", "about trend", "about chunks", "about predicted", "noise"]
        note = (
            "Standard deviations over the sizes of the time about its smooth trend, about what whole chunks of a "
            "smooth τ take, and about the prediction from single chunks; noise: of a median, by bootstrap over blocks."
        )
        yield Table("How far times stray", columns, rows, note)


def _predictions(kernels: Sequence[Judged]) -> Iterable[Table]:
    known = [(one, one.prediction) for one in kernels if one.prediction]
    if not known:
        return
    rows = [
        [
            one.label,
            f"{len(foretold.logs)}",
            f"{foretold.sizes}",
            percent_interval(*foretold.error[:3], signed=True),
            short_percent(foretold.typical),
            f"{short_percent(foretold.farthest[1], signed=True)} at {foretold.farthest[0]:,}",
        ]
        for one, foretold in known
    ]
    columns = ["kernel", "blocks", "sizes", "measured − predicted", "typical", "farthest"]
    note = (
        "Predicted: ⌊n/c⌋·τ(c) + τ(n mod c). The mean error over all sizes with its 95 % interval over the blocks of "
        "this run; typical: the median over sizes without the sign."
    )
    yield Table("Errors of the predictions", columns, rows, note, ["blocks", "sizes"])


def compared(kernels: Sequence[Judged]) -> Iterable[str]:
    """How devices share the pool, a sentence a kernel, and the largest error of all scores."""
    for one in kernels:
        share = scaling(one.sweep, one.point.key.chunk_size)
        if share is not None and share.n > 1:
            gpus = one.sweep.gpus
            yield f"{one.label} on {gpus} devices has an efficiency t₁/({gpus}·t) of {percent_interval(*share[1:])}."
    errors = {one.label: error for one in kernels if (error := _error(one)) is not None}
    if errors:
        far = max(errors, key=errors.__getitem__)
        yield f"Scores are within {errors[far]:.0e} of the float64 ones, over the largest; {far} is the farthest."


def _error(one: Judged) -> float | None:
    errors = [p.max_rel_error for p in one.sweep.points.values() if p.max_rel_error is not None]
    return max(errors, default=None)


def ratio_cell(one: Judged) -> str:
    """How many times less than the published kernel; nothing where there is none."""
    less = one.less
    return "" if not less.n else times(*less[1:]) if less.n > 1 else factor(less.mean)
