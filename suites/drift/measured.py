"""What was measured in a run, as arrays over seeds, rounds and layers.

A value is nan where it was not measured, and where it is not defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fbench.measure.arrays import Floats

from .places import WHOLE, Place


class Variant(NamedTuple):
    """One way to make and compare masks; the names of its fields are columns.

    Attributes:
        strategy: the arm whose networks the masks are of.
        samples: N, the images behind each mask.
        redraws: R, the pairs of draws that overlaps are averaged over.
        rule: ``global`` or ``layer``: over what the largest weights are taken.
        classifier: ``kept`` whole by decree, or ``free``.
        fraction: q, the share of the weights that a mask keeps.
    """

    strategy: str
    samples: int
    redraws: int
    rule: str
    classifier: str
    fraction: float

    @property
    def all_but_fraction(self) -> tuple[str, int, int, str, str]:
        """Every field but the last: what is alike in variants that differ in how much they keep."""
        return self[:5]


class MaskRounds(NamedTuple):
    """What was measured of the masks of one variant: arrays [seeds, rounds] of a layer, or [seeds, rounds, layers].

    Attributes:
        share: weights kept over all weights.
        captured: the share of the Fisher mass that the mask keeps.
        previous: overlap J with the mask of the round before; nan in round 0.
        first: overlap J with the mask of round 0; nan in round 0.
        redraw: overlap J with the mask of other images for the same network.
        retrain: overlap J with the mask of a network trained again on the same labels.
        chance: overlap J that is expected of random masks with as many weights in every layer.
    """

    share: Floats
    captured: Floats
    previous: Floats
    first: Floats
    redraw: Floats
    retrain: Floats
    chance: Floats


class FisherRounds(NamedTuple):
    """What was measured of the Fisher values themselves: arrays [seeds, rounds] of a layer, or [seeds, rounds, layers].

    Attributes:
        mean: mean F_j.
        weighted_mean: mean w_j² F_j.
        previous: Spearman's rank correlation of F_j with the round before; nan in round 0.
        redraw: Spearman's rank correlation of F_j between two draws for the same network.
        retrain: Spearman's rank correlation of F_j with a network trained again on the same labels.
    """

    mean: Floats
    weighted_mean: Floats
    previous: Floats
    redraw: Floats
    retrain: Floats


class RoundSeconds(NamedTuple):
    """Seconds that the parts of a round took, each [seeds, rounds]."""

    train: Floats
    retrain: Floats
    select: Floats
    diagonals: Floats
    masks: Floats


@dataclass(frozen=True)
class Drift:
    """A run that was measured, as far as its arms can be compared.

    Attributes:
        variants: in the order of the rows, without strategies that no seed finished.
        seeds: those that have every round of every variant.
        rounds: 0, 1, 2, …
        labels: as many as there are rounds: how many labels the network of each had.
        layers: in forward order, without the whole network.
    """

    variants: list[Variant]
    seeds: list[int]
    rounds: list[int]
    labels: list[int]
    layers: list[Place]
    _masks: Floats
    _fisher: Floats
    _seconds: Floats

    def masks(self, variant: Variant, layer: str = WHOLE) -> MaskRounds:
        """What was measured of a variant's masks in one layer, or in the whole network: arrays [seeds, rounds]."""
        cells = self._masks[self.variants.index(variant), self._names.index(layer)]
        return MaskRounds(*np.moveaxis(cells, -1, 0))

    def masks_by_layer(self, variant: Variant) -> MaskRounds:
        """What was measured of a variant's masks in every layer: arrays [seeds, rounds, layers]."""
        cells = self._masks[self.variants.index(variant), 1:]
        return MaskRounds(*np.moveaxis(cells, (-1, 0), (0, -1)).copy())

    def fisher(self, variant: Variant, layer: str = WHOLE) -> FisherRounds:
        """What was measured of the Fisher values behind a variant's masks, in one layer or in all: [seeds, rounds]."""
        return FisherRounds(*np.moveaxis(self._fisher_of(variant)[self._names.index(layer)], -1, 0))

    def fisher_by_layer(self, variant: Variant) -> FisherRounds:
        """What was measured of the Fisher values behind a variant's masks in every layer: [seeds, rounds, layers]."""
        return FisherRounds(*np.moveaxis(self._fisher_of(variant)[1:], (-1, 0), (0, -1)).copy())

    def seconds(self, strategy: str) -> RoundSeconds:
        """What the rounds of one seed took: arrays [seeds, rounds]."""
        return RoundSeconds(*np.moveaxis(self._seconds[self.strategies.index(strategy)], -1, 0))

    @property
    def strategies(self) -> list[str]:
        """The strategies that have a seed, in the order of the rows."""
        return strategies_of(self.variants)

    def main(self, strategy: str) -> Variant:
        """The variant to speak of: it has the most samples and redraws, and comes first of those in the rows."""
        variants = [variant for variant in self.variants if variant.strategy == strategy]
        return max(variants, key=lambda variant: (variant.samples, variant.redraws))  # the first of equals

    @property
    def _names(self) -> list[str]:
        return [WHOLE, *(layer.name for layer in self.layers)]

    def _fisher_of(self, variant: Variant) -> Floats:
        """An array [the whole and layers, seeds, rounds, columns]; Fisher values know N, but no mask."""
        at = draws_of(self.variants).index((variant.strategy, variant.samples))
        cells: Floats = self._fisher[at]
        return cells


def strategies_of(variants: Sequence[Variant]) -> list[str]:
    """The strategies of variants, in their order."""
    return list(dict.fromkeys(variant.strategy for variant in variants))


def draws_of(variants: Sequence[Variant]) -> list[tuple[str, int]]:
    """What Fisher values are told apart by: the strategy and N."""
    return list(dict.fromkeys((variant.strategy, variant.samples) for variant in variants))
