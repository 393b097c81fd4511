"""The figures of a comparison at several settings: a forest of differences, areas along λ, curves, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from fbench.harness.contract import Figure, Panel, Series
from fbench.measure.friedman import RankTest
from fbench.measure.split_overlap import corrected_interval
from fbench.measure.statistics import paired
from fbench.results.words import count_seeds

from .everywhere import AtSetting, Claim, threshold_of
from .everywhere_words import Grid
from .family import FEWEST
from .figure import curve_series
from .tables import BASELINE

_BELOW = 0.24
"""How far below a mean its settings stand, so that they don't hide its interval."""
_BESIDE = 0.06
"""How far apart two strategies stand at a λ, of the distance of two λ."""


def forest(claims: Sequence[Claim]) -> Figure:
    """A row a question: the mean difference over settings with its interval, and that at every setting as a dot."""
    rows = [(float(len(claims) - 1 - place), claim) for place, claim in enumerate(claims)]
    known = [(y, claim) for y, claim in rows if claim.mean]
    low, high = ([claim.mean_interval()[end] for _, claim in known] for end in (0, 1))
    x, y = [claim.mean_apart for _, claim in known], [y for y, _ in known]
    means = Series("mean of settings", x, y, low, high, style="places", colour=0)
    dots = [(test.apart, y - _BELOW) for y, claim in rows for test in claim.tests]
    settings = Series("at one setting", [x for x, _ in dots], [y for _, y in dots], style="points", colour=1)
    lower = ", lower is better" if claims[0].lower else ""
    names = [f"{claim.first} − {claim.second}" for claim in reversed(claims)]
    panel = Panel(
        [settings, means],
        f"difference in AULC{lower}",
        "",
        marks=[(0.0, "")],
        y_names=names,
        y_limits=(-0.6, len(claims) - 0.4),
    )
    return Figure("forest", _title(claims), [panel], f"{_difference(claims)}; dots without one")


def forest_by_setting(claims: Sequence[Claim], grid: Grid) -> Figure:
    """A panel a question: the difference at every setting with its interval, and that of their mean below."""
    note = f"{_difference(claims)}; dotted: what it is held to"
    return Figure("forest_by_setting", _title(claims), [_trees(claim, grid) for claim in claims], note, pairs=True)


def _title(claims: Sequence[Claim]) -> str:
    return f"What is better by how much, {count_seeds(min(t.comparison.n for c in claims for t in c.tests))} a setting"


def _difference(claims: Sequence[Claim]) -> str:
    """What a place is, and its interval."""
    counting = " counting overlapping splits" if any(claim.overlap is not None for claim in claims) else ""
    return f"difference in AULC, paired by seed, with its 95 % interval{counting}"


def _trees(claim: Claim, grid: Grid) -> Panel:
    """Settings from the top down, the mean at the bottom; dotted is what the differences are held to."""
    count = len(claim.tests)
    ends = [test.overlapping for test in claim.tests]
    y = [float(count - place) for place in range(count)]
    trees = Series(
        "at one setting",
        [test.apart for test in claim.tests],
        y,
        [low for low, _ in ends],
        [high for _, high in ends],
        style="places",
        colour=1,
    )
    low, high = claim.mean_interval()
    mean = Series("mean of settings", [claim.mean_apart], [0.0], [low], [high], style="places", colour=0)
    names = ["mean", *(grid.name(setting) for setting in claim.settings[::-1])]
    series = [trees, mean] if claim.mean else [trees]
    held_to = (threshold_of(claim.tests[0]) if claim.lower else -threshold_of(claim.tests[0])) or 0.0
    first, second = claim.first, claim.second
    return Panel(
        series,
        "difference in AULC" + (", lower is better" if claim.lower else ""),
        "",
        f"{first} − {second}",
        marks=[(held_to, "")],
        y_names=names,
        y_limits=(-0.6, count + 0.6),
    )


def along_lambda(places: Sequence[AtSetting], grid: Grid, regularised: frozenset[str]) -> list[Figure]:
    """A panel a data set: every strategy's area at every λ; none where there is one λ."""
    if len(grid.regularisations) < 2:
        return []
    panels = [_areas_along(places, dataset, grid, regularised) for dataset in grid.datasets]
    gain = all(BASELINE in place.curves.areas for place in places)
    what = f"AULC less that of {BASELINE}, paired by seed" if gain else "AULC"
    counting = " counting overlapping splits" if any(place.overlap is not None for place in places) else ""
    note = f"{what}: mean with its 95 % interval{counting}; dashed: strategies without λ"
    return [Figure("areas_along_lambda", "What λ does to each strategy", panels, note, pairs=True)]


def _areas_along(places: Sequence[AtSetting], dataset: str, grid: Grid, regularised: frozenset[str]) -> Panel:
    """The areas, or their gain over the baseline where every setting has one."""
    here = [place for place in places if place.setting.dataset == dataset]
    at = {place.setting.regularisation: place.curves.areas for place in here}
    gain = all(BASELINE in place.curves.areas for place in places)
    names = list(dict.fromkeys(name for areas in at.values() for name in areas))
    shifts, series = _beside([name for name in names if name in regularised]), []
    for name in names:
        known = [(float(x), at[λ]) for x, λ in enumerate(grid.regularisations) if λ in at and name in at[λ]]
        means = [paired(areas[name], areas[BASELINE] if gain else 0 * areas[name]) for _, areas in known]
        style: Literal["line", "dashed"] = "line" if name in regularised else "dashed"
        line = Series(
            name, [x + shifts.get(name, 0.0) for x, _ in known], [mean.difference for mean in means], style=style
        )
        if name in regularised and means[0].n >= FEWEST:
            ends = [corrected_interval(mean, here[0].overlap or 0.0) for mean in means]
            line = replace(line, low=[low for low, _ in ends], high=[high for _, high in ends])
        series.append(line)
    label = f"AULC − that of {BASELINE}" if gain else "AULC"
    return Panel(series, "λ", label, dataset, x_names=grid.regularisations, dodge=0.0)


def _beside(names: Sequence[str]) -> dict[str, float]:
    """How far to the side of a λ each strategy stands, so that no interval hides another."""
    return {name: _BESIDE * (place - (len(names) - 1) / 2) for place, name in enumerate(names)}


def curves_by_lambda(places: Sequence[AtSetting], grid: Grid) -> list[Figure]:
    """A figure for every λ: the learning curves, a panel a data set."""
    figures, several = [], len(grid.regularisations) > 1
    for lambda_ in grid.regularisations:
        here = [place for place in places if place.setting.regularisation == lambda_]
        name, title = "learning_curves", "Learning curves"
        if several:
            name, title = f"{name}_{lambda_}", f"{title} at λ = {lambda_}"
        panels = [_curves_panel(place) for place in here]
        if panels:
            figures.append(Figure(name, title, panels, "mean and 95 % t interval over seeds", pairs=True))
    return figures


def _curves_panel(place: AtSetting) -> Panel:
    curves = place.curves
    series = [curve_series(name, curves.labels, values, dots=False) for name, values in curves.values.items()]
    label = f"test {curves.metric}"
    ticks, most = curves.labels.tolist(), curves.measured.most
    return Panel(series, "labels", label, place.setting.dataset, x_ticks=ticks, y_most=most)


def rank_figures(tests: Sequence[tuple[str, RankTest]]) -> list[Figure]:
    """A panel for every λ: mean ranks, each with half of the critical difference to both sides."""
    panels = []
    for lambda_, test in tests:
        order = sorted(range(len(test.names)), key=lambda i: -test.mean_ranks[i])
        x, half = [float(test.mean_ranks[i]) for i in order], test.critical_difference / 2
        y = [float(place) for place in range(len(order))]
        bars = Series("", x, y, [at - half for at in x], [at + half for at in x], style="places", colour=1)
        names = [test.names[i] for i in order]
        panels.append(Panel([bars], "mean rank, 1 is best", "", f"λ = {lambda_}", y_names=names))
    note = "strategies differ at 5 % where their bars do not overlap (Nemenyi's critical difference)"
    title = f"Ranks over {tests[0][1].datasets} data sets" if tests else ""
    return [Figure("ranks", title, panels, note, pairs=True)] if tests else []
