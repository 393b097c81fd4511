"""The tables of a comparison at several settings: questions over all of them and at each, areas, ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fbench.harness.contract import Table
from fbench.measure.friedman import RankTest
from fbench.results.findings import number, p_value
from fbench.results.words import count_seeds, counted

from .everywhere import AtSetting, Claim
from .everywhere_words import Grid, beyond
from .settings import CompareSetting
from .wording import ends, with_sign


def claims_table(claims: Sequence[Claim], grid: Grid) -> Table:
    """A row a question: its answer over all settings, at how many it is shown, the mean and the least difference."""
    rows = [
        [
            str(claim.question),
            claim.verdict,
            f"{claim.count('yes')} of {len(claim.tests)}",
            str(claim.count("no")),
            with_sign(claim.mean_apart) if claim.mean else "",
            ends(*claim.mean_interval()),
            "" if claim.later else _p(claim.mean_corrected),
            f"{with_sign(claim.least[1].apart)} at {grid.name(claim.least[0])}",
            "asked later" if claim.later else _p(claim.corrected),
        ]
        for claim in claims
    ]
    questions, tests = counted([len(claims)], "question"), claims[0].tests[0].family
    note = (
        f"yes: a gain at every setting, and the largest p is at most 5 % after Holm for {questions} "
        "(intersection-union); no: the opposite is shown at one. Shown at: settings that show it by themselves, Holm "
        f"over all {tests} tests. Mean: over settings, paired by seed, with its 95 % interval and p, corrected as the "
        "largest. Least: where the gain is smallest."
    )
    if any(claim.overlap is not None for claim in claims):
        note += " Intervals and p count overlapping splits, and of the mean that settings of one data set share images."
    columns = [
        "question",
        "answer",
        "shown at",
        "opposite at",
        "mean Δ AULC",
        "95 % interval",
        "its p, Holm",
        "least",
        "largest p, Holm",
    ]
    optional = ["opposite at", "largest p, Holm", "its p, Holm", "least", "95 % interval"]
    return Table(f"The questions {grid.everywhere}", columns, rows, note, optional)


def question_tables(claims: Sequence[Claim], grid: Grid) -> list[Table]:
    """A table a question, a row a setting."""
    return [_question_table(claim, grid) for claim in claims]


def _question_table(claim: Claim, grid: Grid) -> Table:
    pairs = list(zip(claim.settings, claim.tests, strict=True))
    overlap = claim.overlap is not None
    rows = [
        [
            grid.name(setting),
            test.verdict,
            with_sign(test.apart),
            ends(*test.interval),
            *([ends(*test.overlapping)] * overlap),
            _p(test.p),
            "asked later" if test.later else _p(test.corrected),
        ]
        for setting, test in pairs
    ]
    note = (
        f"{count_seeds(pairs[0][1].comparison.n)}, paired. Held to {beyond(claim)}. Holm: over all "
        f"{pairs[0][1].family} tests of all settings. Intervals: 95 %, each by itself, not corrected."
    )
    if overlap:
        note += " On these splits: for more seeds. With overlap: for other images of the kind; p is of that kind."
    interval = ["on these splits", "with overlap"] if overlap else ["95 % interval"]
    columns = ["setting", "answer", "Δ AULC", *interval, "p", "p, Holm"]
    return Table(f"{claim.question}, setting by setting", columns, rows, note, ["p", *interval[:-1]])


def areas_table(places: Sequence[AtSetting], grid: Grid, regularised: frozenset[str]) -> Table:
    """A row a strategy and λ: its area on every data set."""

    def cell(at: AtSetting, name: str) -> str:
        return number(float(at.curves.areas[name].mean()))

    metric = places[0].curves.metric
    note = f"AULC: {metric} averaged over labels, mean over seeds. A strategy without λ stands once."
    return _by_dataset("Areas", places, grid, regularised, cell, note)


def seconds_table(places: Sequence[AtSetting], grid: Grid, regularised: frozenset[str]) -> Table:
    """A row a strategy and λ: how long it took to choose a batch on every data set."""

    def cell(at: AtSetting, name: str) -> str:
        return number(at.curves.seconds[name][1], 3) if name in at.curves.buying else ""

    note = "Seconds of choosing a batch, mean over seeds and rounds, on the machine and threads of the run."
    return _by_dataset("What choosing costs", places, grid, regularised, cell, note)


def dimensions_table(places: Sequence[AtSetting], grid: Grid, regularised: frozenset[str]) -> list[Table]:
    """A row a strategy and λ: what λ left of its weights on every data set; none where no strategy has them."""

    def cell(at: AtSetting, name: str) -> str:
        if name not in at.curves.dimensions:
            return ""
        left, d = at.curves.dimensions[name]
        return f"{left:.1f} of {d:.0f}"

    note = (
        "d_eff = tr F(F + λI)⁻¹ of d, mean over seeds and rounds. Arms of one λ are not of one d_eff: what one gains "
        "at a λ, another may gain at a smaller one. --regularisation deff:c compares them at one d_eff."
    )
    table = _by_dataset("What λ leaves", places, grid, regularised, cell, note)
    return [table] if table.rows else []


def _by_dataset(
    title: str,
    places: Sequence[AtSetting],
    grid: Grid,
    regularised: frozenset[str],
    cell: Callable[[AtSetting, str], str],
    note: str,
) -> Table:
    """Strategies and λ down, data sets across; rows without a number are left out."""
    at = {place.setting: place for place in places}
    names = list(dict.fromkeys(name for place in places for name in place.curves.values))
    rows = []
    for name in names:
        for lambda_ in grid.regularisations if name in regularised else grid.regularisations[:1]:
            cells = [
                cell(at[setting], name) if setting in at and name in at[setting].curves.values else ""
                for setting in (CompareSetting(dataset, lambda_) for dataset in grid.datasets)
            ]
            rows.append([name, lambda_ if name in regularised else "", *cells])
    kept = [row for row in rows if any(row[2:])]
    return Table(title, ["strategy", "λ", *grid.datasets], kept, note, list(grid.datasets[2:][::-1]))


def rank_tables(tests: Sequence[tuple[str, RankTest]]) -> list[Table]:
    """A table for every λ: the strategies by their mean rank over the data sets."""
    tables = []
    for lambda_, test in tests:
        order = sorted(range(len(test.names)), key=lambda i: test.mean_ranks[i])
        rows = [[test.names[i], number(float(test.mean_ranks[i]), 2)] for i in order]
        note = (
            f"Rank 1 is the best AULC, over {test.datasets} data sets. Friedman, as Iman and Davenport corrected it: "
            f"F = {number(test.statistic, 2)}, {p_value(test.p)}. Two strategies differ at 5 % where their mean ranks "
            f"lie more than {number(test.critical_difference, 2)} apart (Nemenyi)."
        )
        tables.append(Table(f"Mean ranks at λ = {lambda_}", ["strategy", "mean rank"], rows, note))
    return tables


def _p(p: float) -> str:
    return "" if math.isnan(p) else p_value(p).removeprefix("p = ").removeprefix("p ")
