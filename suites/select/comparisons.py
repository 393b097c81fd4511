"""Which cases of ``fbench select`` are compared with which, all judged as one family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fbench.results.faster import Pair, TimeComparison, compare_times
from fbench.results.ratios import Seconds

from .cases import MeasuredCase, problems

Kind = Literal["exact", "approximation", "score", "dtype"]
"""Exact ways against the published order, approximations against the exact way, scores, float64 against float32."""


@dataclass(frozen=True)
class ComparedCases:
    """A case against its ``base``; ``result`` says whether the case is the faster one."""

    kind: Kind
    base: MeasuredCase
    case: MeasuredCase
    result: TimeComparison

    @property
    def names(self) -> tuple[str, str]:
        """The case and its base, with their dtypes where these differ."""
        if self.kind == "dtype":
            return f"{self.case.method}, {self.case.sizes.dtype}", f"{self.base.method}, {self.base.sizes.dtype}"
        return self.case.method, self.base.method


def comparisons(cases: Sequence[MeasuredCase]) -> list[ComparedCases]:
    """Every comparison on the largest problem; all dtypes belong to the family."""
    pairs = list(_pairs(largest_problem(cases)))
    results = compare_times(
        {str(place): Pair(seconds(base), seconds(case)) for place, (_, base, case) in enumerate(pairs)}
    )
    return [
        ComparedCases(kind, base, case, results[str(place)])
        for place, (kind, base, case) in enumerate(pairs)
        if str(place) in results
    ]


def largest_problem(cases: Sequence[MeasuredCase]) -> list[MeasuredCase]:
    """The cases of the largest problem, in all its dtypes."""
    order = problems(cases)
    return [case for case in cases if case.sizes.counts == order[-1].counts] if order else []


def seconds(case: MeasuredCase) -> Seconds:
    """Seconds of a whole selection, or of a pass of the score, by block."""
    return case.whole() if case.timed else case.score


def exact_ways(cases: Sequence[MeasuredCase]) -> list[MeasuredCase]:
    """The exact ways that were timed, the published order left out: incremental first."""
    ways = [case for case in cases if case.timed and case.exact and case.method != "published"]
    return sorted(ways, key=lambda case: case.method != "incremental")


def find(cases: Sequence[MeasuredCase], method: str) -> MeasuredCase | None:
    """The case of a method; of a score by how its name begins."""
    return next((case for case in cases if case.method == method or case.method.startswith(f"{method} ")), None)


def inverse_of(scored: Sequence[MeasuredCase]) -> MeasuredCase | None:
    """The score as published: it inverts whole k×k matrices."""
    return next((c for c in scored if c.method == f"score-inverse {c.sizes.classes}×{c.sizes.classes}"), None)


def _pairs(cases: Sequence[MeasuredCase]) -> Iterator[tuple[Kind, MeasuredCase, MeasuredCase]]:
    by_dtype: dict[str, list[MeasuredCase]] = {}
    for case in cases:
        by_dtype.setdefault(case.sizes.dtype, []).append(case)
    for group in by_dtype.values():
        yield from _exact(group)
        yield from _approximations(group)
        yield from _scores(group)
    yield from _dtypes(by_dtype)


def _exact(cases: Sequence[MeasuredCase]) -> Iterator[tuple[Kind, MeasuredCase, MeasuredCase]]:
    """Every exact way against the published order; without that, the first of them against the others."""
    published, ways = find(cases, "published"), exact_ways(cases)
    if published is not None and published.timed:
        yield from (("exact", published, case) for case in ways)
    else:
        yield from (("exact", other, ways[0]) for other in ways[1:])


def _approximations(cases: Sequence[MeasuredCase]) -> Iterator[tuple[Kind, MeasuredCase, MeasuredCase]]:
    ways = exact_ways(cases)
    if ways:
        yield from (("approximation", ways[0], case) for case in cases if case.timed and not case.exact)


def _scores(cases: Sequence[MeasuredCase]) -> Iterator[tuple[Kind, MeasuredCase, MeasuredCase]]:
    scored = [case for case in cases if case.score]
    base = inverse_of(scored)
    if base is not None:
        yield from (("score", base, case) for case in scored if case is not base)


def _dtypes(by_dtype: Mapping[str, Sequence[MeasuredCase]]) -> Iterator[tuple[Kind, MeasuredCase, MeasuredCase]]:
    double = by_dtype.get("float64", ())
    for case in by_dtype.get("float32", ()):
        other = find(double, case.method) if case.timed else None
        if other is not None and other.timed:
            yield "dtype", other, case
