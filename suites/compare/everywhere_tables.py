"""The tables of a comparison at several settings: questions over all of them and at each, areas, ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fbench.harness.contract import Table
from fbench.measure.friedman import RankTest
from fbench.results.findings import number, p_value
from fbench.results.words import count_seeds

from .everywhere import AtSetting, Claim
from .everywhere_words import Grid, beyond
from .family import ALPHA
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
            f"{with_sign(claim.least[1].apart)} at {grid.name(claim.least[0])}",
            "asked later" if claim.later else _p(claim.corrected),
        ]
        for claim in claims
    ]
    overlap = any(claim.overlap is not None for claim in claims)
    note = (
        "yes: shown at every setting (intersection-union, the largest p, corrected by Holm for "
        f"{len(claims)} questions); no: the opposite is shown at one. Mean: over settings, paired by seed, with its "
        f"95 % interval{', which counts overlapping splits' if overlap else ''}. Least: where the gain is smallest."
    )
    if any(claim.verdict == "not shown" and claim.corrected <= ALPHA for claim in claims):
        note += " Not shown with a p below 0.05: these splits show it, not every interval that counts overlap."
    columns = ["question", "answer", "shown at", "opposite at", "mean Δ AULC", "95 % interval", "least", "p"]
    optional = ["opposite at", "p", "least", "95 % interval"]
    return Table(f"The questions {grid.everywhere}", columns, rows, note, optional)


def question_tables(claims: Sequence[Claim], grid: Grid) -> list[Table]:
    """A table a question, a row a setting."""
    return [_question_table(claim, grid) for claim in claims]


def _question_table(claim: Claim, grid: Grid) -> Table:
    pairs = list(zip(claim.settings, claim.tests, strict=True))
    counted = claim.overlap is not None
    rows = [
        [
            grid.name(setting),
            test.verdict,
            with_sign(test.apart),
            ends(*test.interval),
            *([ends(*test.overlapping)] * counted),
            _p(test.p),
            "asked later" if test.later else _p(test.corrected),
        ]
        for setting, test in pairs
    ]
    note = (
        f"{count_seeds(pairs[0][1].comparison.n)}, paired. Held to {beyond(claim)}. Holm: over all "
        f"{pairs[0][1].family} tests of all settings."
    )
    columns = ["setting", "answer", "Δ AULC", "95 % interval", *["with overlap"] * counted, "p", "p, Holm"]
    return Table(f"{claim.question}, setting by setting", columns, rows, note, ["p", *["with overlap"] * counted])


def areas_table(places: Sequence[AtSetting], grid: Grid, regularised: frozenset[str]) -> Table:
    """A row a strategy and λ: its area on every data set."""

    def cell(at: AtSetting, name: str) -> str:
        return number(float(at.curves.areas[name].mean()))

    note = "AULC, mean over seeds. A strategy without λ stands once."
    return _by_dataset("Areas", places, grid, regularised, cell, note)


def dimensions_table(places: Sequence[AtSetting], grid: Grid, regularised: frozenset[str]) -> list[Table]:
    """A row a strategy and λ: what λ left of its weights on every data set; none where no strategy has them."""

    def cell(at: AtSetting, name: str) -> str:
        if name not in at.curves.dimensions:
            return ""
        left, d = at.curves.dimensions[name]
        return f"{left:.1f} of {d:.0f}"

    note = "d_eff = tr F(F + λI)⁻¹ of d, mean over seeds and rounds: arms of one λ are not of one d_eff."
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
