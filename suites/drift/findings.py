"""What ``fbench drift`` and ``fbench compare --drift`` say of masks, in order: drift, its floors, falls, cost, gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fbench.learning.arm_options import ArmOptions
from fbench.learning.seed_groups import every_seed
from fbench.measure.statistics import Mean, mean_interval
from fbench.results.findings import interval_ends as ends
from fbench.results.findings import number, plus_minus
from fbench.results.words import counted, listed
from fbench.units import format_percent

from .answer import first_sentences, overlap_sentences, settling_sentences
from .claim import claim_sentences
from .falls import VariantFall, fall_sentences
from .floors import Floors, compare_with_floors, corrected, floors_of
from .layers import layer_sentences
from .measured import Drift, Variant
from .names import seeds_text, variant_names
from .round_times import time_sentences
from .rows import Failure
from .smooth import criterion_sentences

_ENTRIES = 6
"""How many variants a sentence still lists with their numbers."""


def findings(drift: Drift, falls: Sequence[VariantFall], margin: float, *, confirmatory: bool) -> list[str]:
    """Give every sentence that speaks of what was measured.

    Args:
        drift: what was measured.
        falls: as ``find_falls`` has them.
        margin: overlap that counts.
        confirmatory: the options fixed the comparison before the run; a run that compares arms has questions of its
            own, and masks are beside them.
    """
    main = drift.main(drift.strategies[0])
    return [
        *overlap_sentences(drift, main, margin, confirmatory=confirmatory),
        *layer_sentences(drift, main, margin),
        *first_sentences(drift, main),
        *settling_sentences(drift, main, margin),
        *_ranks(drift, main),
        *_captured(drift, main),
        *fall_sentences(falls),
        *claim_sentences(falls),
        *criterion_sentences(drift),
        *_others(drift, main, margin),
        *time_sentences(drift, main.strategy),
    ]


def _ranks(drift: Drift, main: Variant) -> list[str]:
    """Say how the ranks of all Fisher values, which know no mask and no fraction, correlate beside their floors."""
    fisher = drift.fisher(main)
    floors = compare_with_floors(fisher.previous, fisher.redraw, fisher.retrain, 0)
    previous, redraw, retrain = (floors.mean(name) for name in ("previous", "redraw", "retrain"))
    if previous is None or redraw is None:
        return []
    again = f" and {plus_minus(retrain)} after training again" if retrain else ""
    judged = {
        "below both": ", below both floors",
        "below redraw": ", below the redraw floor, the only one",
        "one seed": "; one seed has no interval",
    }.get(floors.word, ", not shown to be below both floors" if retrain else ", not shown to be below it")
    gaps = [
        f"{number(gap.difference, signed=True)} ({ends(gap.low, gap.high, signed=True)})"
        for gap in (floors.redraw, floors.retrain)
        if gap is not None and gap.n > 1
    ]
    below = f": floors less previous {' and '.join(gaps)}, 95 % intervals over {floors.seeds} seeds" if gaps else ""
    return [
        "The ranks of all weights' Fisher values F_j, which no mask cuts, correlate (Spearman) at "
        f"{plus_minus(previous)} with those of the round before, at {plus_minus(redraw)} after "
        f"redrawing the images{again}{judged}{below}."
    ]


def _captured(drift: Drift, main: Variant) -> list[str]:
    """Say which share of the Fisher mass masks hold, by fraction."""
    alike = [variant for variant in drift.variants if variant.all_but_fraction == main.all_but_fraction]
    captured = [(variant.fraction, drift.masks(variant).captured) for variant in alike]
    entries = [
        f"{format_percent(fraction)} of the weights hold {_mass(mean_interval(values.mean(axis=1)))}"
        for fraction, values in captured
        if np.isfinite(values).all()
    ]
    if not entries:
        return []
    interval = "; ±: 95 % t interval" if len(drift.seeds) > 1 else ""
    return [
        f"Of the Fisher mass, the sum of all F_j, {listed(entries)} (mean over all rounds and "
        f"{seeds_text(drift)}{interval})."
    ]


def _mass(share: Mean) -> str:
    half = (share.high - share.low) / 2
    interval = "" if np.isnan(half) else f" ± {100 * half:.2f}"
    return f"{100 * share.mean:.2f}{interval} %"


def _others(drift: Drift, main: Variant, margin: float) -> list[str]:
    """Give the verdicts of the variants beside the main one, corrected over them: a sentence for every verdict."""
    names = variant_names(drift.variants)
    rest = [variant for variant in drift.variants if variant != main]
    main_word = floors_of(drift, main, margin).word
    if not rest or main_word == "undefined":
        return []
    judged = dict(zip(rest, corrected([floors_of(drift, variant, margin) for variant in rest]), strict=True))
    words = sorted(dict.fromkeys(floors.word for floors in judged.values()), key=lambda word: word != main_word)
    holm = f", corrected by Holm for {len(rest)}" if len(rest) > 1 else ""
    begin = f"Exploratory, of {counted([len(rest)], 'other variant')}{holm}: "
    sentences = []
    for word in words:
        group = {names[variant]: floors for variant, floors in judged.items() if floors.word == word}
        same = "the same verdict as above, " if word == main_word else ""
        sentences.append(f"{begin}{same}{word}{_entries(group)}.")
    return sentences


def _entries(group: Mapping[str, Floors]) -> str:
    """List each variant's overlap and the difference to its last floor, as far as a sentence goes."""
    shown = [f"{name} ({_numbers(floors)})" for name, floors in list(group.items())[:_ENTRIES]]
    more = len(group) - len(shown)
    return f": {'; '.join(shown)}{f'; and {more} more, in the table' if more else ''}"


def _numbers(floors: Floors) -> str:
    previous, gap = floors.mean("previous"), floors.retrain or floors.redraw
    if previous is None or gap is None:
        return "no overlap"
    floor = "retrain" if floors.retrain else "redraw"
    interval = f", 95 % interval {ends(gap.low, gap.high, signed=True)}" if gap.n > 1 else ""
    return f"J {plus_minus(previous)}, {floor} floor less that {number(gap.difference, signed=True)}{interval}"


def left_out(drift: Drift | None, failures: Sequence[Failure] | None, options: ArmOptions) -> list[str]:
    """Name the arms that finished no seed, seeds that failed, and seeds that are missing without a reason.

    ``failures`` is None of a side table, which has no status; whoever has the table of results then says what failed.
    """
    sentences: list[str] = []
    explained: set[int] = set()
    for strategy in options.strategies if failures is not None else ():
        failed = [failure for failure in failures or () if failure.strategy == strategy]
        reasons = "; ".join(dict.fromkeys(f"{failure.status}: {failure.reason.rstrip('.')}" for failure in failed))
        if drift is None or strategy not in drift.strategies:
            sentences.append(f"{strategy} finished no seed and is left out: {reasons or 'no rows'}.")
        elif failed:
            seeds = sorted({failure.seed for failure in failed})
            explained.update(seeds)
            sentences.append(f"{_seeds(seeds)} left out of all of the above, for {strategy}: {reasons}.")
    missing = sorted(set(every_seed(options.seeds)) - set(drift.seeds) - explained) if drift else []
    if missing:
        sentences.append(f"{_seeds(missing)} left out of all of the above: not every round of every variant is there.")
    return sentences


def _seeds(seeds: Sequence[int]) -> str:
    return f"Seed {seeds[0]} is" if len(seeds) == 1 else f"Seeds {listed([str(seed) for seed in seeds])} are"
