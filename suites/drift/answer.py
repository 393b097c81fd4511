"""Sentences of ``fbench drift`` on one mask: is the overlap of neighbouring rounds below its floors, and why?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fbench.measure.power import seeds_needed
from fbench.measure.statistics import Mean, Paired, mean_interval, paired
from fbench.results.findings import evidence, interval_ends, number, plus_minus

from .floors import Floors, Settling, floors_of, labels_share, seed_means, settling
from .measured import Drift, Variant
from .names import in_words, percent, rounds_text, varying_fields


def overlap_sentences(drift: Drift, variant: Variant, margin: float, *, confirmatory: bool = True) -> list[str]:
    """Say how large the overlap, its floors and chance are; give the verdict; say what the loss is made of.

    The verdict is the run's one ``confirmatory`` test where the run was made for it.
    """
    name = in_words(variant, {"strategy", "fraction", *varying_fields(drift.variants)})
    floors = floors_of(drift, variant, margin)
    previous, redraw = floors.mean("previous"), floors.mean("redraw")
    if previous is None or redraw is None:
        return [f"No round after the first has an overlap with the one before ({name}), so drift cannot be judged."]
    seeds = f"±: 95 % t interval over {floors.seeds} seeds" if floors.seeds > 1 else "one seed"
    overlap = (
        f"Masks of neighbouring rounds share {plus_minus(previous)} of the weights that either keeps (their Jaccard "
        f"overlap J; {name}; mean over {rounds_text(drift)}, {seeds}). Redrawing the images for the same network "
        f"leaves J at {plus_minus(redraw)} (the redraw floor){_again(floors.mean('retrain'))}"
        f"{_random(drift, variant)}."
    )
    return [overlap, _verdict(floors, margin, confirmatory=confirmatory), *_parts(floors)]


def _again(retrain: Mean | None) -> str:
    return f", training it again on the same labels at {plus_minus(retrain)} (the retrain floor)" if retrain else ""


def _random(drift: Drift, variant: Variant) -> str:
    """Say what chance leaves of the overlap, and how far above it that lies."""
    masks = drift.masks(variant)
    means = seed_means({"previous": masks.previous, "chance": masks.chance})
    if not len(means["chance"]):
        return ""
    gap = paired(means["previous"], means["chance"])
    ends = "" if gap.n == 1 else f" (95 % interval {interval_ends(gap.low, gap.high, signed=True)})"
    return (
        f"; masks of random weights, as many in every layer, would share {number(float(means['chance'].mean()))}, less "
        f"than neighbouring rounds by {number(gap.difference, signed=True)}{ends}"
    )


def _verdict(floors: Floors, margin: float, *, confirmatory: bool) -> str:
    """Give the verdict of the comparisons with the floors, and their numbers."""
    gaps = [(name, gap) for name, gap in (("redraw", floors.redraw), ("retrain", floors.retrain)) if gap]
    floor, last = gaps[-1]
    measured = "; ".join(f"{name} floor less previous, {evidence(gap, 'J')}" for name, gap in gaps)
    words = f"{_words(floors, floor, last, margin)}. {measured[0].upper()}{measured[1:]}."
    match floors.word:
        case "below both":
            words += " Drift takes both to be above 0 (an intersection-union test), so neither is corrected."
        case "not shown":
            words += _seeds([gap for _, gap in gaps if not gap.low > 0], margin)
    if floors.word != "one seed":
        fixed = " The options fixed this comparison before the run; what follows is exploratory."
        beside = " The run was made to compare arms, so all that is said of masks is exploratory."
        words += fixed if confirmatory else beside
    if floors.retrain is None:
        words += (
            " No network was trained again on the same labels, so how much of this is training noise is not known "
            "(`fbench drift` with --retrain 1 measures it)."
        )
    return words


def _words(floors: Floors, floor: str, last: Paired, margin: float) -> str:
    small = f", though by less than the margin of {margin:g}" if floors.small else ""
    match floors.word:
        case "below both":
            return (
                "The mask drifts: neighbouring rounds overlap less than both floors, so new labels change it by more "
                f"than sampling and training noise do{small}"
            )
        case "below redraw":
            return f"Masks of neighbouring rounds overlap less than sampling noise alone explains{small}"
        case "at the floor":
            return (
                f"No drift beyond the margin: neighbouring rounds overlap as much as the {floor} floor, to within "
                f"±{margin:g} (90 % interval of the difference {interval_ends(*last.interval(0.90), signed=True)})"
            )
        case "near chance":
            return (
                f"Drift can neither be shown nor be ruled out: the {floor} floor itself is not shown to lie above "
                f"chance by more than the margin of {margin:g}, so that random masks would be as near to it"
            )
        case "above the floor":
            return f"No drift is seen: neighbouring rounds overlap more than the {floor} floor"
        case "one seed":
            return "Whether the mask drifts cannot be tested with one seed"
        case "no spread":
            return "Whether the mask drifts cannot be tested, since all seeds differ by exactly the same"
    return "Drift is not shown: not every interval lies above 0"


def _seeds(unclear: Sequence[Paired], margin: float) -> str:
    """Say how many seeds would show the one difference that is unclear, were it true; one below 0 has no number."""
    if len(unclear) != 1 or not unclear[0].difference > 0:
        return ""
    needed = seeds_needed(unclear[0], "direction", margin)
    if needed is None:
        return ""
    return f" Were this the true difference, {needed} seeds would show it (80 % power, over sd's 80 % interval)."


def _parts(floors: Floors) -> list[str]:
    """Say how much of the loss since the redraw floor is training noise, and how much is the labels'."""
    share = labels_share(floors)
    if share is None or floors.redraw is None:
        return []
    lost = number(floors.redraw.difference)
    ends = f"95 % interval by Fieller, {percent(share.low).removesuffix(' %')} to {percent(share.high)}"
    if share.value > 1:
        return [
            f"Training again is not seen to cost any of the {lost} of overlap lost since the redraw floor: what the "
            f"new labels changed is {percent(share.value)} of it ({ends})."
        ]
    if share.value <= 0:
        return [
            f"Nothing of the {lost} of overlap lost since the redraw floor is seen to come from the new labels rather "
            f"than from training noise: their part is {percent(share.value)} of it ({ends})."
        ]
    most = ", so training noise explains most of the loss" if share.high < 0.5 else ""
    sure = "" if share.low > 0 else "; the labels' part is not shown to be more than none"
    return [
        f"Of the {lost} of overlap lost since the redraw floor, {percent(1 - share.value)} is training noise and "
        f"{percent(share.value)} ({ends}) is what the new labels changed{most}{sure}."
    ]


def first_sentences(drift: Drift, variant: Variant) -> list[str]:
    """Say how the last round's mask overlaps with that of round 0, beside that with the round before."""
    masks = drift.masks(variant)
    first, previous, chance = masks.first[:, -1], masks.previous[:, -1], masks.chance[:, -1]
    known = np.isfinite(first) & np.isfinite(previous)
    if len(drift.rounds) < 3 or not known.any():
        return []
    gap, overlap = paired(previous[known], first[known]), mean_interval(first[known])
    ends = f"95 % interval {interval_ends(gap.low, gap.high, signed=True)}, {gap.n} seeds" if gap.n > 1 else "one seed"
    by_chance = f", where chance gives about {number(float(np.nanmean(chance)))}" if np.isfinite(chance).any() else ""
    added = ", so changes add up over the rounds" if gap.low > 0 else ""
    return [
        f"The last round's mask (round {drift.rounds[-1]}, {drift.labels[-1]:,} labels) still overlaps that of round 0 "
        f"({drift.labels[0]:,} labels) by J = {plus_minus(overlap)}"
        f"{by_chance}. Its overlap with the round before exceeds that by "
        f"{number(gap.difference)} ({ends}){added}."
    ]


def settling_sentences(drift: Drift, variant: Variant, margin: float) -> list[str]:
    """Say from which round on new labels move the mask by less than the margin."""
    if len(drift.rounds) < 2:
        return []
    result = settling(drift, variant, margin)
    floor = f"the {result.floor} floor"
    if result.floor == "redraw":
        floor += " (there is no retrain floor, and this one has no training noise in it)"
    last = f"90 % interval of the difference in the last round {interval_ends(*result.interval, signed=True)} J"
    if result.outcome == "settled" and result.number is not None:
        return [
            f"As far as new labels go, the mask {_settled_when(drift, result.number)}: there its overlap with the "
            f"round before is shown to lie less than {margin:g} below {floor}, tested back from the last round at "
            f"one-sided 5 % each ({last})."
        ]
    if result.outcome == "not settled":
        more = f"by more than the margin of {margin:g}"
        by = more if result.interval.low > margin else f"though not shown to be {more}"
        return [f"The mask has not settled: in the last round its overlap still lies below {floor}, {by} ({last})."]
    return [f"Whether the mask has settled, to within {margin:g} of {floor}, cannot be told: {_why(result, last)}."]


def _settled_when(drift: Drift, number: int) -> str:
    labels = drift.labels[drift.rounds.index(number)]
    if number == drift.rounds[-1]:
        return f"is settled in the last round ({labels:,} labels), and in no earlier one is that shown"
    return f"has settled from round {number} ({labels:,} labels) on"


def _why(result: Settling, last: str) -> str:
    """Say why it cannot be told whether the mask has settled."""
    gap = result.last
    if gap is None:
        return "in the last round the overlap is not defined in every seed"
    if gap.n == 1:
        return "one seed has no interval"
    if gap.low != gap.low:
        return "in the last round all seeds differ by exactly the same, which gives no interval"
    if not result.room:
        return "the floor is not shown to lie above chance by more than the margin"
    if result.floor == "redraw":
        return f"what training again would leave of it is not known ({last})"
    return f"the interval is too wide ({last})"
