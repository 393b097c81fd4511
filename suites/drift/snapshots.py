"""What is kept of one trained network: its FISH masks by every recipe asked for, a pair of them for every redraw.

m^A and m^B are masks from two disjoint draws of N images each (``fisher_draws``); everything is moved to the CPU.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fbench.fisher.gradients.forward_order import ParameterLayer, forward_order
from fbench.fisher.masks import Mask, top_mask
from fbench.learning.fisher_draws import FisherDiagonal
from fbench.learning.strategies import LearnerState, kept_whole
from fbench.measure.ranks import ranks

from .places import WHOLE


class MaskRecipe(NamedTuple):
    """How a mask is made from a Fisher diagonal; the names of the fields are columns.

    Attributes:
        samples: N, the images behind the diagonal.
        rule: ``global``, the largest over the network, or ``layer``, the same fraction of every layer.
        classifier: ``kept`` whole by decree, or ``free``.
        fraction: q, the share of the weights that the mask keeps.
    """

    samples: int
    rule: str
    classifier: str
    fraction: float


@dataclass(frozen=True)
class MaskGrid:
    """The masks that are made of every network: all that these values span.

    Attributes:
        samples: N, images behind each of a pair of masks; several for several lengths of the same draws.
        redraws: R, pairs of draws that overlaps are averaged over; several to see what more of them change.
        rules: ``global``, ``layer``, or both.
        classifier: ``kept``, ``free``, or both.
        fractions: q, one or more.
    """

    samples: tuple[int, ...]
    redraws: tuple[int, ...] = (1,)
    rules: tuple[str, ...] = ("global",)
    classifier: tuple[str, ...] = ("kept",)
    fractions: tuple[float, ...] = (0.05,)

    @property
    def recipes(self) -> list[MaskRecipe]:
        """Every way to make a mask, in the order of the options."""
        axes = itertools.product(self.samples, self.rules, self.classifier, self.fractions)
        return [MaskRecipe(*coordinates) for coordinates in axes]


MaskPair = tuple[Mask, Mask]
DiagonalPair = tuple[FisherDiagonal, FisherDiagonal]
LayerRanks = Mapping[str, NDArray[np.float64]]
"""Ranks [weights] of the Fisher values of every layer, and of all of them as ``WHOLE``."""


@dataclass(frozen=True)
class Snapshot:
    """One trained network, as far as it is compared with others.

    Attributes:
        layers: in forward order.
        weights: w by parameter name.
        diagonals: by N, a pair (F^A, F^B) for every redraw.
        ranks: by N, the ranks of these diagonals.
        masks: by recipe, a pair (m^A, m^B) for every redraw.
    """

    layers: Sequence[ParameterLayer]
    weights: Mapping[str, Tensor]
    diagonals: Mapping[int, Sequence[DiagonalPair]]
    ranks: Mapping[int, Sequence[tuple[LayerRanks, LayerRanks]]]
    masks: Mapping[MaskRecipe, Sequence[MaskPair]]

    def to_compare_with(self, *, ranks: bool) -> Snapshot:
        """Keep what a later round needs of it: less than all of it, since it is kept for long."""
        return replace(self, weights={}, diagonals={}, ranks=self.ranks if ranks else {})


def diagonals_of(state: LearnerState, grid: MaskGrid) -> dict[int, list[DiagonalPair]]:
    """Make the Fisher passes of a state's network that have not been made yet; give all diagonals by N, on the CPU."""
    draws = [state.fisher, *(state.fisher_draws(pair) for pair in range(1, max(grid.redraws)))]
    return {n: [_on_cpu(draw.pair(n)) for draw in draws] for n in grid.samples}


def snapshot_of(state: LearnerState, grid: MaskGrid, diagonals: Mapping[int, Sequence[DiagonalPair]]) -> Snapshot:
    """Make the masks and ranks of a state's network from its diagonals."""
    layers = forward_order(state.network, state.pool.images[:1])
    weights = {name: p.detach().cpu() for name, p in state.network.named_parameters()}
    return make_snapshot(layers, weights, diagonals, kept_whole(state.network), grid)


def make_snapshot(
    layers: Sequence[ParameterLayer],
    weights: Mapping[str, Tensor],
    diagonals: Mapping[int, Sequence[DiagonalPair]],
    classifier: Sequence[str],
    grid: MaskGrid,
) -> Snapshot:
    """Make masks and ranks from diagonals; ``classifier`` names the parameters that are kept whole where it is kept."""
    masks = {
        recipe: [_masks(pair, recipe, classifier) for pair in diagonals[recipe.samples]] for recipe in grid.recipes
    }
    ranked = {n: [(_ranks(a), _ranks(b)) for a, b in pairs] for n, pairs in diagonals.items()}
    return Snapshot(layers, weights, diagonals, ranked, masks)


def _on_cpu(pair: DiagonalPair) -> DiagonalPair:
    first, second = ({name: value.cpu() for name, value in diagonal.items()} for diagonal in pair)
    return first, second


def _masks(pair: DiagonalPair, recipe: MaskRecipe, classifier: Sequence[str]) -> MaskPair:
    always = classifier if recipe.classifier == "kept" else ()
    first, second = (top_mask(diagonal, recipe.fraction, scope=recipe.rule, always=always) for diagonal in pair)
    return first, second


def _ranks(diagonal: FisherDiagonal) -> LayerRanks:
    flat = {name: value.flatten().numpy() for name, value in diagonal.items()}
    return {**{name: ranks(values) for name, values in flat.items()}, WHOLE: ranks(np.concatenate([*flat.values()]))}
