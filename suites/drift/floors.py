"""Whether masks of neighbouring rounds overlap less than noise explains: paired over seeds, against two floors.

``redraw`` is what another draw of images for the same network leaves of the overlap, ``retrain`` what training again on
the same labels leaves of it. Below both is a claim that every one of two tests must allow (an intersection-union test),
so that neither needs a correction; over layers Holm's is applied to the larger of the two p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from scipy import special

from fbench.measure.arrays import Floats
from fbench.measure.statistics import Interval, Mean, Paired, holm, mean_interval, paired

from .measured import Drift, Variant
from .places import WHOLE

DEFAULT_MARGIN = 0.05
"""The overlap that counts, where no option says: what has settled may still lie so far below the floor."""
SIGNIFICANCE = 0.05
"""A p below this is shown."""

Word = Literal[
    "below both", "below redraw", "not after Holm", "at the floor", "near chance", "above the floor", "not shown",
    "no spread", "one seed", "undefined",
]  # fmt: skip
BELOW: tuple[Word, ...] = ("below both", "below redraw")
"""The verdicts that say that there is drift."""


@dataclass(frozen=True)
class Floors:
    """Overlaps of one layer, or of the whole network, beside their floors.

    Attributes:
        values: [seeds] of previous, redraw and, where it was measured, retrain: each seed's mean over the rounds from 1
            on in which all of these are defined. Seeds without such a round are left out.
        redraw: redraw less previous; None where nothing is defined.
        retrain: retrain less previous; None as well where no network was trained again.
        word: the verdict. "below both": both 95 % intervals lie above 0 ("below redraw" where there is no other floor);
            "at the floor": the 90 % interval of the last floor less previous lies within the margin, which is
            equivalence at 5 %, where the floor is shown to lie above chance by more than the margin, and "near chance"
            where it is not: there random masks would be as near; "above the floor": its 95 % interval lies below 0;
            "not after Holm": below, but not after a correction over layers; "no spread": all seeds differ by exactly
            the same, which measures nothing.
        p: two-sided, the larger of the two floors', 1 where previous is not the lower; nan where there is no test.
        small: below, but by less than the margin: the 90 % interval lies within it.
    """

    values: dict[str, Floats]
    redraw: Paired | None
    retrain: Paired | None
    word: Word
    p: float
    small: bool = False

    @property
    def seeds(self) -> int:
        """How many seeds have an overlap in some round."""
        return len(self.values["previous"])

    def mean(self, name: str) -> Mean | None:
        """The mean over seeds of ``previous``, ``redraw`` or ``retrain``; None where it was not measured."""
        values = self.values.get(name)
        return mean_interval(values) if values is not None and len(values) else None


def compare_with_floors(
    previous: Floats, redraw: Floats, retrain: Floats, margin: float, chance: Floats | None = None
) -> Floors:
    """Compare overlaps with the neighbouring round with their floors, paired over seeds.

    Args:
        previous: [seeds, rounds], nan where not defined, as in round 0.
        redraw: [seeds, rounds], what another draw leaves of the overlap.
        retrain: [seeds, rounds], what another training leaves of it; nan throughout where there was none.
        margin: what counts as equal; 0 never finds equivalence.
        chance: [seeds, rounds] of random masks, which equivalence must leave out; None where that means nothing.
    """
    columns = {"previous": previous, "redraw": redraw}
    if np.isfinite(retrain).any():
        columns["retrain"] = retrain
    names = list(columns)[1:]
    if chance is not None and np.isfinite(chance).any():
        columns["chance"] = chance
    values = seed_means(columns)
    if not len(values["previous"]):
        return Floors(values, None, None, "undefined", math.nan)
    gaps = [paired(values[name], values["previous"]) for name in names]
    room = "chance" not in values or above(values[names[-1]], values["chance"], margin)
    word = _word(gaps, margin, room)
    p = math.nan
    if word not in ("one seed", "no spread"):
        p = max(1.0 if gap.difference <= 0 else gap.p for gap in gaps)
    small = word in BELOW and room and _within(gaps[-1], margin)
    return Floors(values, gaps[0], gaps[1] if len(gaps) > 1 else None, word, p, small)


def seed_means(columns: dict[str, Floats]) -> dict[str, Floats]:
    """Take each seed's mean over the rounds in which every column is defined; seeds without one are left out."""
    known = np.isfinite(np.stack(list(columns.values()))).all(axis=0)
    rounds = known.sum(axis=1)
    sums = {name: np.where(known, values, 0.0).sum(axis=1) for name, values in columns.items()}
    return {name: total[rounds > 0] / rounds[rounds > 0] for name, total in sums.items()}


def above(values: Floats, others: Floats, margin: float) -> bool:
    """Say whether paired values are shown, at one-sided 5 %, to lie above others by more than the margin."""
    gap = paired(values, others)
    return gap.interval(0.90).low > margin if gap.sd else gap.difference > margin


def _word(gaps: Sequence[Paired], margin: float, room: bool) -> Word:
    if gaps[0].n == 1:
        return "one seed"
    if any(math.isnan(gap.low) for gap in gaps):
        return "no spread"
    if all(gap.low > 0 for gap in gaps):
        return "below both" if len(gaps) > 1 else "below redraw"
    if _within(gaps[-1], margin):
        return "at the floor" if room else "near chance"
    return "above the floor" if gaps[-1].high < 0 else "not shown"


def _within(gap: Paired, margin: float) -> bool:
    low, high = gap.interval(0.90)
    return -margin < low and high < margin


def floors_of(drift: Drift, variant: Variant, margin: float, layer: str = WHOLE) -> Floors:
    """Compare the overlaps of one layer, or of the whole network, with their floors."""
    masks = drift.masks(variant, layer)
    return compare_with_floors(masks.previous, masks.redraw, masks.retrain, margin, masks.chance)


def floors_by_layer(drift: Drift, variant: Variant, margin: float) -> list[Floors]:
    """Compare every layer in forward order, with Holm's correction over those that have overlaps."""
    return corrected([floors_of(drift, variant, margin, layer.name) for layer in drift.layers])


def corrected(family: Sequence[Floors]) -> list[Floors]:
    """Give the comparisons Holm's p over those that are defined, and words that hold after it."""
    p = iter(holm([floors.p for floors in family if floors.word != "undefined"]))
    return [floors if floors.word == "undefined" else _after_holm(floors, float(next(p))) for floors in family]


def _after_holm(floors: Floors, p: float) -> Floors:
    lost = floors.word in BELOW and not p < SIGNIFICANCE
    word: Word = "not after Holm" if lost else floors.word
    return replace(floors, p=p, word=word, small=floors.small and not lost)


class FiellerRatio(NamedTuple):
    """A ratio of two means with Fieller's interval."""

    value: float
    low: float
    high: float


def labels_share(floors: Floors) -> FiellerRatio | None:
    """Say how much of the overlap lost since the redraw floor new labels changed; the rest is training noise.

    A ratio of paired means: ρ belongs to the 95 % interval where a t test of the seeds' retrain − previous −
    ρ(redraw − previous) against 0 allows it (Fieller 1954). None where no loss is shown, which leaves nothing to share.
    """
    if floors.redraw is None or floors.retrain is None or not floors.redraw.low > 0:
        return None
    part = floors.values["retrain"] - floors.values["previous"]
    whole = floors.values["redraw"] - floors.values["previous"]
    n = len(part)
    t2 = float(special.stdtrit(n - 1, 0.975)) ** 2 / n
    (s_aa, s_ab), (_, s_bb) = np.cov(part, whole)
    a, b = part.mean(), whole.mean()
    square, cross, constant = b * b - t2 * s_bb, a * b - t2 * s_ab, a * a - t2 * s_aa
    root = math.sqrt(max(cross * cross - square * constant, 0.0))
    return FiellerRatio(float(a / b), float((cross - root) / square), float((cross + root) / square))


@dataclass(frozen=True)
class Settling:
    """The round from which masks stay as near to each other as their floor allows.

    Attributes:
        floor: "retrain", or "redraw" where no network was trained again: that one is stricter, since it has no training
            noise in it.
        outcome: "settled" from ``number`` on; "not settled"; "cannot tell", as always where the floor has no training
            noise in it, or lies within the margin of chance.
        number: the round, where settled.
        last: floor less previous in the last round, over seeds; None where not defined.
        interval: the 90 % interval of that difference; each of its ends is a one-sided 95 % one.
        room: whether the floor of the last round is shown to lie above chance by more than the margin.
    """

    floor: Literal["redraw", "retrain"]
    outcome: Literal["settled", "not settled", "cannot tell"]
    number: int | None
    last: Paired | None
    interval: Interval
    room: bool = True


def settling(drift: Drift, variant: Variant, margin: float) -> Settling:
    """Go back from the last round for as long as the floor less previous is shown to be under the margin.

    This is a fixed sequence: every round is tested at 5 %, and the first that fails ends it, so that nothing needs a
    correction.
    """
    masks = drift.masks(variant)
    floor: Literal["redraw", "retrain"] = "retrain" if np.isfinite(masks.retrain).any() else "redraw"
    floors = masks.retrain if floor == "retrain" else masks.redraw
    gaps = [_gap(after, before) for after, before in zip(floors.T, masks.previous.T, strict=True)]
    rooms = [
        bool(np.isfinite(one).all() and np.isfinite(two).all()) and above(one, two, margin)
        for one, two in zip(floors.T, masks.chance.T, strict=True)
    ]
    since = None
    for number, gap, room in reversed(list(zip(drift.rounds, gaps, rooms, strict=True))):
        if gap is None or not room or not gap.interval(0.90).high < margin:
            break
        since = number
    interval = gaps[-1].interval(0.90) if gaps[-1] else Interval(math.nan, math.nan)
    if since is not None:
        return Settling(floor, "settled", since, gaps[-1], interval)
    below = interval.low > 0 and floor == "retrain"
    return Settling(floor, "not settled" if below else "cannot tell", None, gaps[-1], interval, rooms[-1])


def _gap(floor: Floats, previous: Floats) -> Paired | None:
    """Take floor less previous over the seeds of one round; None where it is not defined for each of them."""
    return paired(floor, previous) if np.isfinite(floor).all() and np.isfinite(previous).all() else None
