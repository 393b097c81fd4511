"""How much less masks of neighbouring rounds overlap than two baselines: other images, and training once more.

Both networks of an overlap between the rounds r − 1 and r have their own baseline: the overlap with a mask of other
images (``redraw``), and with that of a network trained again on the same labels (``retrain``). The baseline of the pair
is their mean. With that of r alone, an overlap that grows from round to round passes for drift.

Masks drift where J lies below both, each in a paired t test over seeds (an intersection-union test). What new labels
take is (retrain − J)/(retrain − chance): of the overlap above chance that training again leaves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from fbench.harness.contract import VerdictWord
from fbench.measure.arrays import Floats
from fbench.measure.shares import PartOfWhole, part_of_whole
from fbench.measure.statistics import holm, mean_interval
from fbench.measure.t_tests import p_of_mean

from .measured import Drift, FisherRounds, MaskRounds, Variant
from .places import WHOLE

DEFAULT_MARGIN = 0.2
"""The part of the overlap above chance that counts, where no option says."""
SIGNIFICANCE = 0.05
"""A p below this is shown."""
LEAST_SEEDS = 4
"""Seeds below which no verdict is given."""

BaselineName = Literal["redraw", "retrain"]


@dataclass(frozen=True)
class Compared:
    """Overlaps of one layer, or of the whole network, beside their baselines and chance.

    Attributes:
        rounds: the numbers of the rounds whose overlap with the one before has every baseline in some seed.
        values: [seeds] of ``previous``, ``redraw``, ``chance`` and, where it was measured, ``retrain``: each seed's
            mean over the rounds in which all of these are defined. Seeds without such a round are left out.
    """

    rounds: Sequence[int]
    values: dict[str, Floats]

    @property
    def seeds(self) -> int:
        """How many seeds have an overlap with its baselines in some round."""
        return len(self.values["previous"])

    @property
    def retrained(self) -> bool:
        """Whether networks were trained again."""
        return "retrain" in self.values

    def mean(self, name: str) -> float:
        """The mean over seeds; nan where it was not measured."""
        values = self.values.get(name, np.empty(0))
        return float(values.mean()) if len(values) else math.nan

    def below(self, baseline: BaselineName) -> Floats:
        """By how much [seeds] the overlap lies below a baseline."""
        return self.values[baseline] - self.values["previous"]

    @cached_property
    def p(self) -> float:
        """Two-sided, the larger of both baselines'; 1 where J is not the lower; nan where there is no test."""
        if not self.seeds or not self.retrained:
            return math.nan
        tests = [(self.below(baseline), p_of_mean(self.below(baseline))) for baseline in ("redraw", "retrain")]
        return max(p if math.isnan(p) or gap.mean() > 0 else 1.0 for gap, p in tests)

    @cached_property
    def taken(self) -> PartOfWhole:
        """What new labels take of the overlap above chance that training again leaves, with its 95 % interval."""
        if not self.seeds or not self.retrained:
            return PartOfWhole(math.nan, math.nan, math.nan)
        return part_of_whole(self.below("retrain"), self._room)

    def within(self, margin: float) -> bool:
        """Say whether the 95 % interval of what new labels take lies below the margin, of a room that there is."""
        return self.roomy and mean_interval(self.below("retrain") - margin * self._room).high < 0

    @property
    def roomy(self) -> bool:
        """Whether training again is shown to leave more overlap than chance."""
        return self.seeds > 0 and self.retrained and mean_interval(self._room).low > 0

    @property
    def _room(self) -> Floats:
        return self.values["retrain"] - self.values["chance"]


def compare(masks: MaskRounds | FisherRounds, rounds: Sequence[int]) -> Compared:
    """Compare what neighbouring rounds share, arrays [seeds, rounds], with its baselines; ranks have no chance."""
    columns = {"previous": masks.previous[:, 1:], "redraw": of_both(masks.redraw)}
    if isinstance(masks, MaskRounds):
        columns["chance"] = masks.chance[:, 1:]
    if np.isfinite(masks.retrain).any():
        columns["retrain"] = of_both(masks.retrain)
    known = np.isfinite(np.stack(list(columns.values()))).all(axis=0)  # [seeds, rounds from 1 on]
    compared = [rounds[place + 1] for place in np.flatnonzero(known.any(axis=0)).tolist()]
    count = known.sum(axis=1)
    sums = {name: np.where(known, values, 0.0).sum(axis=1) for name, values in columns.items()}
    return Compared(compared, {name: total[count > 0] / count[count > 0] for name, total in sums.items()})


def of_both(values: Floats) -> Floats:
    """The mean of a round and the one before [seeds, rounds from 1 on]; nan where either is."""
    return (values[:, 1:] + values[:, :-1]) / 2


def compared_of(drift: Drift, variant: Variant, layer: str = WHOLE) -> Compared:
    """Compare the overlaps of one layer, or of the whole network, with their baselines."""
    return compare(drift.masks(variant, layer), drift.rounds)


def corrected(family: Sequence[float]) -> list[float]:
    """Holm's p of a family; a test that could not be made is nan, and none of the family."""
    known = iter(holm([p for p in family if not math.isnan(p)]))
    return [p if math.isnan(p) else float(next(known)) for p in family]


def verdict_of(compared: Compared, p: float, margin: float) -> VerdictWord:
    """Whether masks drift: ``yes`` by a corrected p, ``no`` where new labels take less than the margin."""
    if compared.seeds < LEAST_SEEDS:
        return "too few"
    if p < SIGNIFICANCE:
        return "yes"
    return "no" if compared.within(margin) else "not shown"


def settled_from(drift: Drift, variant: Variant, margin: float) -> int | None:
    """The round from which on new labels are shown to take less than the margin; None where no round is.

    Goes back from the last round and stops at the first that fails, each tested at one-sided 5 %: a fixed sequence,
    which needs no correction.
    """
    masks, since = drift.masks(variant), None
    for number in reversed(range(1, len(drift.rounds))):
        pair = MaskRounds(*(values[:, number - 1 : number + 1] for values in masks))
        compared = compare(pair, drift.rounds[number - 1 : number + 1])
        if compared.seeds < len(drift.seeds) or not compared.within(margin):
            break
        since = drift.rounds[number]
    return since
