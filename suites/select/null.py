"""``fbench select --null``: every way is given twice, and what is claimed of the two is counted.

Both have the same work, so every difference that is called shown is a false claim. From the blocks of the run,
stretches of 4 to 20 are drawn, 5 and 10 among them as real runs have, and in each the two names of a way are swapped at
random: their order was.

The same draws tell the power. A way that were f times as slow would have all its ratios times f, so that each draw has
a least f at which the suite would say yes; four draws in five have theirs below the effect that is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fbench.harness.contract import Answer, Evidence, Figure, Panel, Series, Summary, Table, VerdictWord
from fbench.measure.power import NULL_BLOCKS, POWER
from fbench.measure.proportions import clopper_pearson
from fbench.measure.statistics import Interval, t_quantile
from fbench.results.faster import FAMILY_LEVEL, Pair, compare_times, with_ends
from fbench.results.ratios import Seconds
from fbench.results.words import between, listed
from fbench.units import format_percent

from .cases import MeasuredCase, NotMeasured
from .comparisons import seconds
from .ways import AGAIN

ALLOWED = 0.05
_DRAWS = 1000

Twins = Mapping[str, Pair]
"""Seconds by block of a way and of the same way again, by its name."""


class Rate(NamedTuple):
    """False claims in draws of so many blocks, and the true ratio of times that would be found in 80 % of them."""

    blocks: int
    claims: int
    draws: int
    detectable: float

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the share."""
        return clopper_pearson(self.claims, self.draws)


def null_summary(cases: Sequence[MeasuredCase], left_out: Sequence[NotMeasured]) -> Summary:
    """How often the suite would have claimed a difference on this machine."""
    twins = twins_of(cases)
    rates = [rate for blocks in NULL_BLOCKS if (rate := false_claims(twins, blocks)) is not None]
    answer = _answer(rates)
    lines = [_first_line(rates) or answer.sentence, _power_line(rates), answer.advice]
    reasons = [f"{group.cases[0]} ({group.status}): {' '.join(group.reason.split()[:25])}." for group in left_out]
    behind = [Evidence("Not measured", reasons)] if reasons else []
    figures = [_figure(twins)] if twins else []
    return Summary([_table(twins, rates)], figures=figures, lead=lines, answers=[answer], evidence=behind)


def twins_of(cases: Sequence[MeasuredCase]) -> Twins:
    """Every way that was timed twice."""
    by_name = {(case.method, case.sizes): case for case in cases if case.timed}
    twins = {}
    for (method, sizes), case in by_name.items():
        again = by_name.get((method + AGAIN, sizes))
        if again is not None:
            name = method if len({c.sizes for c in by_name.values()}) == 1 else f"{method}, {sizes.equations()}"
            twins[name] = Pair(seconds(again), seconds(case))
    return twins


def false_claims(twins: Twins, blocks: int, draws: int = _DRAWS) -> Rate | None:
    """Claims in ``draws`` stretches of so many successive blocks; None where the run has fewer.

    The draws are seeded: the same rows give the same rate.
    """
    common = sorted(set.intersection(*(set(pair.slow) & set(pair.fast) for pair in twins.values()))) if twins else []
    if len(common) < blocks:
        return None
    generator = np.random.default_rng(blocks)
    claims, least = 0, list[float]()
    for _ in range(draws):
        start = int(generator.integers(len(common) - blocks + 1))
        stretch = common[start : start + blocks]
        swapped = {name: _swapped(pair, stretch, generator) for name, pair in twins.items()}
        claims += any(result.shown for result in compare_times(swapped).values())
        least.append(max(_least_found(pair, len(twins)) for pair in swapped.values()))
    return Rate(blocks, claims, draws, float(np.quantile(least, POWER)))


def _least_found(pair: Pair, family: int) -> float:
    """The least ratio of times that would be shown in these blocks, were it the only true one of the family.

    Holm's first step then decides: the t test at the family's level over all its comparisons.
    """
    logs = np.log([pair.slow[block] / pair.fast[block] for block in pair.slow])
    error = float(logs.std(ddof=1)) / math.sqrt(len(logs))
    return math.exp(max(0.0, t_quantile(1 - FAMILY_LEVEL / family / 2, len(logs)) * error - float(logs.mean())))


def _swapped(pair: Pair, blocks: Iterable[int], generator: np.random.Generator) -> Pair:
    """The pair's times in these blocks, its two names swapped at random in each."""
    slow, fast = dict[int, float](), dict[int, float]()
    for block in blocks:
        one, other = pair.slow[block], pair.fast[block]
        slow[block], fast[block] = (one, other) if generator.integers(2) else (other, one)
    return Pair(slow, fast)


def _share(rate: Rate) -> float:
    return rate.claims / rate.draws


def _answer(rates: Sequence[Rate]) -> Answer:
    question = "Does the suite find a difference where there is none?"
    if not rates:
        sentence = f"Both cases of a way were timed in fewer than {NULL_BLOCKS[0]} common blocks."
        return Answer(question, "too few", sentence, f"Give --passes {NULL_BLOCKS[-1]} or more.")
    worst = max(rates, key=_share)
    verdict: VerdictWord = "yes" if worst.interval.low > ALLOWED else "no"
    sentence = (
        f"False claims come in {_percents(rates)} of {worst.draws:,} draws of {between(rate.blocks for rate in rates)} "
        f"blocks; {format_percent(ALLOWED)} is allowed."
    )
    good = "Trust the verdicts of select on this machine."
    return Answer(
        question, verdict, sentence, good if verdict == "no" else "Leave the machine alone while it measures."
    )


def _first_line(rates: Sequence[Rate]) -> str:
    """The most that equal ways are called different, whatever the number of blocks."""
    if not rates:
        return ""
    worst = max(rates, key=_share)
    low, high = (format_percent(end) for end in worst.interval)
    return (
        f"Two equal ways are called different in {format_percent(_share(worst))} of draws ({low} to {high}) at most, "
        f"with {worst.blocks} blocks."
    )


def _power_line(rates: Sequence[Rate]) -> str:
    """What true difference would be found, with the fewest blocks, with 10 as in real runs, and with the most."""
    if not rates:
        return "Nothing can be said of this machine yet."
    told = [rate for rate in rates if rate.blocks in (rates[0].blocks, 10, rates[-1].blocks)]
    first, *others = [f"{rate.detectable:.2f} times with {rate.blocks}" for rate in told]
    differences = listed([f"{first} blocks", *others])
    return f"Found in {format_percent(POWER)} of draws would be a true difference of {differences}."


def _percents(rates: Sequence[Rate]) -> str:
    """``2.1 to 3.6 %``."""
    low, high = (format_percent(end(map(_share, rates))) for end in (min, max))
    return high if low == high else f"{low.removesuffix(' %')} to {high}"


def _table(twins: Twins, rates: Sequence[Rate]) -> Table:
    rows = [
        [
            str(rate.blocks),
            f"{rate.draws:,}",
            format_percent(_share(rate)),
            " to ".join(map(format_percent, rate.interval)),
            f"{rate.detectable:.2f} times",
        ]
        for rate in rates
    ]
    ratios = "; ".join(f"{name} {with_ends(result.times)}" for name, result in compare_times(twins).items())
    note = (
        "95 % Clopper–Pearson intervals. 5 % is allowed. Found: the true ratio of times at which the suite would say "
        f"yes in {format_percent(POWER)} of these draws, whichever way has it."
    )
    if ratios:
        note += f" A way again over itself, in all blocks: {ratios}."
    return Table("False claims", ("blocks", "draws", "false claims", "95 % interval", "found"), rows, note)


def _figure(twins: Twins) -> Figure:
    """A dot a block: the second case's time over the first's."""
    series = []
    for place, (name, pair) in enumerate(twins.items()):
        ratios = _ratios(pair.slow, pair.fast)
        times = compare_times({name: pair})[name].times
        x, points = [float(place)], [(float(place), value) for value in ratios]
        low, high = ([times.low], [times.high]) if len(ratios) > 1 else (None, None)
        series.append(Series("", x, [times.mean], low, high, points, "points", colour=place))
    panel = Panel(series, "", "time again over time", x_names=list(twins), y_log=True, dodge=0.0)
    return Figure("twins", "The same work, timed twice", [panel], "a dot a block; the mean with its 95 % interval")


def _ratios(slow: Seconds, fast: Seconds) -> list[float]:
    return [slow[block] / fast[block] for block in sorted(slow.keys() & fast.keys())]
