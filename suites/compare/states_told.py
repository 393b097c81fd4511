"""What ``--same-state`` says: how far each arm's batch goes for one network, what batches have in common, in tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fbench.harness.contract import Evidence, Table
from fbench.measure.shares import PartOfWhole, part_of_whole
from fbench.results.findings import number
from fbench.results.words import between, count_seeds, count_words, listed

from .family import FEWEST
from .states import BASELINE, States
from .states_drawn import state_figures

HEADING = "One network, every batch"
NEAR = 0.95
"""Of the way: nearly all of it."""
_CLAIM = 40
"""Words that a claim has at most."""
_NAMED = 8
"""Names that a sentence lists; of more it says their number."""
_SIZES = 4
"""Of a family's sizes, so many stand in a sentence; the table has all."""


def state_evidence(read: States) -> Evidence:
    """Everything that the batches for one network show."""
    claims = [_objectives(read), *_ways(read), *_in_common(read), *_part(read)]
    return Evidence(HEADING, claims, [_table(read), *_common(read), *_gaps(read)], state_figures(read))


def at_setting(part: Evidence, where: str) -> Evidence:
    """The evidence of one of several settings, by name."""
    figures = [replace(figure, name=f"{figure.name}{where}", title=f"{figure.title}{where}") for figure in part.figures]
    return replace(part, heading=f"{part.heading}{where}", figures=figures)


def objective_number(value: float) -> str:
    """An objective with four digits that count.

    Example:
        >>> objective_number(19.478), objective_number(1248.6), objective_number(0.012345)
        ('19.48', '1,249', '0.01235')
    """
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}".replace("-", "−")


def share_in_percent(share: float, digits: int = 1) -> str:
    """A share in per cent with a real minus sign.

    Example:
        >>> share_in_percent(0.9876), share_in_percent(-0.01)
        ('98.8 %', '−1.0 %')
    """
    return f"{number(100 * share, digits)} %"


def _objectives(states: States) -> str:
    """What the best, the baseline and no batch at all leave."""
    means = {name: float(values.mean()) for name, values in states.objective.items()}
    best = min(means, key=lambda name: means[name])
    others = [name for name in dict.fromkeys((states.end, BASELINE)) if name in means and name != best]
    rest = "".join(f"{name}'s at {objective_number(means[name])}, " for name in others if name)
    return (
        f"For one network a seed, {best}'s batch leaves tr(F M⁻¹) under all {states.weights:,} weights at "
        f"{objective_number(means[best])}, {rest}no batch at {objective_number(float(states.before.mean()))} "
        f"(means of {count_seeds(states.seeds)}, {_lambda(states)})."
    )


def _lambda(states: States) -> str:
    least, most = states.regularisation
    return f"λ = {least:.3g}" if least == most else f"λ = {least:.3g} to {most:.3g}"


def _ways(states: States) -> list[str]:
    """How far the arms go from the baseline to the end, a sentence an arm or a family of sizes."""
    if states.end is None:
        return []
    if states.seeds < FEWEST:
        return [f"{count_seeds(states.seeds)}: too few for an interval, {FEWEST} are the fewest."]
    if not states.way:
        return [
            f"{states.end}'s batch is not shown to be better than {BASELINE}'s: the interval of their difference holds "
            "0, so there is no way of which an arm could go a share."
        ]
    sized = states.families
    told = {BASELINE, states.end, *(name for arms in sized.values() for name in arms)}
    single = [name for name in states.objective if name not in told]
    sizes = [_sizes(states, name, arms) for name, arms in sized.items()]
    return [*_near(states), *sizes, *(_single(states, name) for name in single)]


def _near(states: States) -> list[str]:
    """Which arms are shown to go nearly all of the way, and which not to."""
    shares = {name: share for name in states.objective if (share := states.share(name))}
    above = [name for name, share in shares.items() if share.low > NEAR]
    below = [name for name, share in shares.items() if share.high < NEAR]
    way = f"{share_in_percent(NEAR, 0)} of the way from {BASELINE} to {states.end}"
    parts = [f"{_who(above)} at least {way}"] if above else []
    parts += [f"{_who(below)} less{'' if above else f' than {way}'}"] if below else []
    return [f"{', '.join(parts)} (whole intervals, each by itself)."] if parts else []


def _who(names: Sequence[str]) -> str:
    """Who goes: ``bait goes``, ``bait and badge go``, or how many do."""
    named = listed(names) if len(names) <= _NAMED else f"{len(names)} strategies"
    return f"{named} {'goes' if len(names) == 1 else 'go'}"


def _single(states: States, name: str) -> str:
    share = states.share(name)
    assert share is not None
    interval = f" (95 % interval {share_interval_in_percent(share)})" if share_interval_in_percent(share) else ""
    return f"{name} goes {share_in_percent(share.value)} of the way from {BASELINE} to {states.end}{interval}."


def _sizes(states: States, family: str, arms: Sequence[str]) -> str:
    """A family along its sizes: the smallest, the largest and some between."""
    arms = [name for name in arms if name != states.end]
    places = np.linspace(0, len(arms) - 1, min(_SIZES, len(arms))).round().astype(int)
    parts: list[str] = []
    words = "95 % interval "
    for name in (arms[i] for i in places):
        share = states.share(name)
        assert share is not None
        weights = "" if parts else f" of the way from {BASELINE} to {states.end}"
        interval = f" ({words}{share_interval_in_percent(share)})" if share_interval_in_percent(share) else ""
        parts.append(f"{share_in_percent(share.value)}{weights} at d = {states.dims[name]:,.0f}{interval}")
        words = ""
    return f"{family} goes {listed(parts)}."


def share_interval_in_percent(share: PartOfWhole) -> str:
    """A share's interval in per cent; empty where it has none.

    Example:
        >>> share_interval_in_percent(PartOfWhole(0.95, 0.9012, 0.99))
        '90.1 to 99.0 %'
    """
    if math.isnan(share.low):
        return ""
    return f"{share_in_percent(share.low).removesuffix(' %')} to {share_in_percent(share.high)}"


def _in_common(states: States) -> list[str]:
    """How many of their picks arms share with the end, beside chance."""
    others = [name for name in states.objective if name != states.end]
    if states.end is None or not others:
        return []
    chance = states.chance
    end = f"; two random batches {number(chance.mean, 1)}, more than {number(chance.high, 1)} in at most 5 % of runs."
    text = f"Of {states.batch} samples {states.end} has in common with"
    shared = {name: float(states.shared(name, states.end).mean()) for name in others}
    parts: list[str] = []
    for name in sorted(others, key=lambda name: -shared[name]):
        longer = [*parts, f"{name} {number(shared[name], 1)}"]
        if count_words(f"{text} {listed(longer)}{end}") > _CLAIM:
            break
        parts = longer
    return [f"{text} {listed(parts)}{end}"]


def _part(states: States) -> list[str]:
    """That F is over a part of the pool, where it is."""
    if not states.part:
        return []
    return [
        f"F is over {between(states.samples)} samples of each pool, the labelled and random others, of all arms alike: "
        "the inner products of all would be too many."
    ]


def _table(states: States) -> Table:
    """A row an arm."""
    end, arms = states.end, list(states.objective)
    columns: dict[str, list[str]] = {"strategy": arms}
    columns["d"] = [f"{states.dims[name]:,.0f}" if name in states.dims else "" for name in arms]
    columns["objective"] = [objective_number(float(states.objective[name].mean())) for name in arms]
    if end is not None:
        base = states.objective[end]
        over = [part_of_whole(states.objective[name], base).value - 1 for name in arms]
        columns[f"over {end}"] = ["" if n == end else _signed(o) for n, o in zip(arms, over, strict=True)]
        if states.way:
            shares = [states.share(name) for name in arms]
            columns["of the way"] = [share_in_percent(share.value) if share else "" for share in shares]
            if states.seeds >= FEWEST:
                columns["95 % interval"] = [share_interval_in_percent(share) if share else "" for share in shares]
        columns[f"shared with {end}"] = [
            "" if name == end else number(float(states.shared(name, end).mean()), 1) for name in arms
        ]
    columns["redundancy"] = [_mean(states.redundancy[name], 2) for name in arms]
    columns["classes"] = [_mean(states.classes[name], 1) if name in states.classes else "" for name in arms]
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    optional = [
        name for name in ("classes", "redundancy", "d", "95 % interval", f"shared with {end}") if name in filled
    ]
    rows = [list(row) for row in zip(*filled.values(), strict=True)]
    return Table("Batches for one network", list(filled), rows, _note(states), optional)


def _signed(value: float) -> str:
    return f"{number(100 * value, 1, signed=True)} %"


def _mean(values: np.ndarray, digits: int) -> str:
    return "" if np.isnan(values).any() else number(float(values.mean()), digits)


def _note(states: States) -> str:
    note = (
        f"Means of {count_seeds(states.seeds)}; batches of {states.batch} from {between(states.candidates)} "
        f"candidates. Objective: tr(F M⁻¹) under all {states.weights:,} weights at {_lambda(states)}, less is better; "
        f"{objective_number(float(states.before.mean()))} before a batch. "
    )
    if states.way:
        note += (
            f"Of the way: from {BASELINE}'s mean objective to {states.end}'s, a ratio of means over seeds"
            f"{', each interval (Fieller) by itself' if states.seeds >= FEWEST else ''}. "
        )
    note += "Redundancy: mean cosine of the Fisher matrices of a batch's pairs."
    return f"{note} Classes: in a batch." if states.classes else note


def _common(states: States) -> list[Table]:
    """How many samples every two arms have in common, arms by number across."""
    arms = list(states.objective)
    if len(arms) < 3:
        return []
    numbered = [f"{i} {name}" for i, name in enumerate(arms, 1)]
    rows = [
        [label, *("" if a == b else number(float(states.shared(a, b).mean()), 1) for b in arms)]
        for label, a in zip(numbered, arms, strict=True)
    ]
    chance = states.chance
    note = (
        f"Of {states.batch}, means of {count_seeds(states.seeds)}. Two random batches: {number(chance.mean, 2)} "
        f"(hypergeometric), their mean above {number(chance.high, 2)} in at most 5 % of runs."
    )
    return [Table("Samples in common", ["", *map(str, range(1, len(arms) + 1))], rows, note)]


def _gaps(states: States) -> list[Table]:
    """The seeds that are not here, and why."""
    if not states.left_out:
        return []
    return [Table("Batches left out", ["what", "why"], [list(row) for row in states.left_out])]
