"""What ``fbench drift`` and ``fbench compare --drift`` say of masks, in order: drift, its floors, falls, cost, gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fbench.harness.contract import Row
from fbench.learning.arm_options import ArmOptions
from fbench.measure.statistics import Mean, mean_interval
from fbench.results.findings import interval_ends as ends
from fbench.results.findings import number, plus_minus
from fbench.results.words import counted, listed
from fbench.units import format_percent

from . import answer, claim, layers, smooth, time
from . import falls as drift_falls
from .falls import Found
from .floors import Floors, corrected, floors, of_layer
from .names import named, seeds_said
from .rows import Drift, Variant, fisher_values

Tables = Mapping[str, Sequence[Row]]
_ENTRIES = 6
"""Variants that a sentence still lists with their numbers."""


def findings(
    drift: Drift, tables: Tables, options: ArmOptions, falls: Sequence[Found], margin: float, *, confirmatory: bool
) -> list[str]:
    """Every sentence.

    Args:
        drift: what was measured.
        tables: those of a drift run; ``rounds`` is missing where no time was taken.
        options: of the run.
        falls: as ``drift_falls.find`` has them.
        margin: overlap that counts.
        confirmatory: the options fixed the comparison before the run; a run that compares arms has questions of its
            own, and masks are beside them.
    """
    main = drift.main(drift.strategies[0])
    names = named(drift.variants)
    fisher = tables.get("fisher", ())
    return [
        *answer.answer(drift, main, margin, confirmatory=confirmatory),
        *layers.finding(drift, main, margin),
        *answer.since_first(drift, main),
        *answer.settled(drift, main, margin),
        *_ranks(drift, main, fisher),
        *_captured(drift, main),
        *drift_falls.sentences(falls),
        *claim.claim(falls),
        *smooth.sentences(drift, fisher),
        *_others(drift, main, margin, names),
        *time.finding(drift, tables.get("rounds", ()), main.strategy),
        *left_out(drift, tables["results"], options),
    ]


def _ranks(drift: Drift, main: Variant, rows: Sequence[Row]) -> list[str]:
    """Rank correlations of all Fisher values, which know no mask and no fraction."""
    previous, redraw, retrain = (
        fisher_values(rows, drift, main.strategy, main.samples, f"spearman_{name}")
        for name in ("previous", "redraw", "retrain")
    )
    found = floors(previous, redraw, retrain, 0)
    means = {name: each for name in ("previous", "redraw", "retrain") if (each := found.mean(name))}
    if "previous" not in means:
        return []
    again = f" and {plus_minus(means['retrain'])} after training again" if "retrain" in means else ""
    judged = {
        "below both": ", below both floors",
        "below redraw": ", below the redraw floor, the only one",
        "one seed": "; one seed has no interval",
    }.get(found.word, ", not shown to be below both floors" if "retrain" in means else ", not shown to be below it")
    gaps = [
        f"{number(gap.difference, signed=True)} ({ends(gap.low, gap.high, signed=True)})"
        for gap in (found.redraw, found.retrain)
        if gap is not None and gap.n > 1
    ]
    below = f": floors less previous {' and '.join(gaps)}, 95 % intervals over {found.seeds} seeds" if gaps else ""
    return [
        "The ranks of all weights' Fisher values F_j, which no mask cuts, correlate (Spearman) at "
        f"{plus_minus(means['previous'])} with those of the round before, at {plus_minus(means['redraw'])} after "
        f"redrawing the images{again}{judged}{below}."
    ]


def _captured(drift: Drift, main: Variant) -> list[str]:
    """The share of the Fisher mass that masks hold, by fraction."""
    own = [each for each in drift.variants if each[:5] == main[:5]]
    found = {each: drift.values(each, "captured") for each in own}
    known = {each: mean_interval(values.mean(axis=1)) for each, values in found.items() if np.isfinite(values).all()}
    if not known:
        return []
    said = [f"{format_percent(each.fraction)} of the weights hold {_share(mean)}" for each, mean in known.items()]
    interval = "; ±: 95 % t interval" if len(drift.seeds) > 1 else ""
    return [
        f"Of the Fisher mass, the sum of all F_j, {listed(said)} (mean over all rounds and "
        f"{seeds_said(drift)}{interval})."
    ]


def _share(found: Mean) -> str:
    half = (found.high - found.low) / 2
    ends_said = "" if np.isnan(half) else f" ± {100 * half:.2f}"
    return f"{100 * found.mean:.2f}{ends_said} %"


def _others(drift: Drift, main: Variant, margin: float, names: Mapping[Variant, str]) -> list[str]:
    """Verdicts of the variants beside the main one, corrected over them: one sentence a verdict."""
    rest = [each for each in drift.variants if each != main]
    own = of_layer(drift, main, margin).word
    if not rest or own == "undefined":
        return []
    found = dict(zip(rest, corrected([of_layer(drift, each, margin) for each in rest]), strict=True))
    words = sorted(dict.fromkeys(each.word for each in found.values()), key=lambda word: word != own)
    holm = f", corrected by Holm for {len(rest)}" if len(rest) > 1 else ""
    said = []
    for word in words:
        group = {names[variant]: each for variant, each in found.items() if each.word == word}
        same = "the same verdict as above, " if word == own else ""
        said.append(f"{same}{word}{_entries(group)}")
    count = counted([len(rest)], "other variant")
    return [f"Exploratory, of {count}{holm}: {each}." for each in said]


def _entries(found: Mapping[str, Floors]) -> str:
    """Each variant's overlap and the difference to its last floor, as far as a sentence goes."""
    shown = [f"{name} ({_numbers(each)})" for name, each in list(found.items())[:_ENTRIES]]
    more = len(found) - len(shown)
    return f": {'; '.join(shown)}{f'; and {more} more, in the table' if more else ''}"


def _numbers(found: Floors) -> str:
    previous, gap = found.mean("previous"), found.retrain or found.redraw
    if previous is None or gap is None:
        return "no overlap"
    floor = "retrain" if found.retrain else "redraw"
    interval = f", 95 % interval {ends(gap.low, gap.high, signed=True)}" if gap.n > 1 else ""
    return f"J {plus_minus(previous)}, {floor} floor less that {number(gap.difference, signed=True)}{interval}"


def left_out(drift: Drift | None, rows: Sequence[Row], options: ArmOptions) -> list[str]:
    """Arms that finished no seed, seeds that failed, and seeds that are missing without a reason.

    A side table has no status; what failed is then said by whoever has the table of results.
    """
    bad = [row for row in rows if row.get("status", "ok") != "ok"]
    said, told = [], set()
    for strategy in options.strategies if any("status" in row for row in rows) else ():
        own = [row for row in bad if row["strategy"] == strategy]
        reasons = "; ".join(dict.fromkeys(f"{row['status']}: {row['reason'].rstrip('.')}" for row in own))
        if drift is None or strategy not in drift.strategies:
            said.append(f"{strategy} finished no seed and is left out: {reasons or 'no rows'}.")
        elif own:
            seeds = sorted({row["seed"] for row in own})
            told.update(seeds)
            said.append(f"{_seeds(seeds)} left out of all of the above, for {strategy}: {reasons}.")
    missing = sorted(set(range(options.seeds)) - set(drift.seeds) - told) if drift else []
    if missing:
        said.append(f"{_seeds(missing)} left out of all of the above: not every round of every variant is there.")
    return said


def _seeds(seeds: Sequence[int]) -> str:
    return f"Seed {seeds[0]} is" if len(seeds) == 1 else f"Seeds {listed([str(seed) for seed in seeds])} are"
