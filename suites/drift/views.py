"""What is looked at of one trained network: its FISH masks of every kind asked for, a pair of them for every redraw.

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
from fbench.learning.strategies import LearnerState, classifier_parameters
from fbench.measure.ranks import ranks

WHOLE = "all"
"""In the column ``layer``: the whole network."""


class Variant(NamedTuple):
    """One kind of mask; the names are columns."""

    samples: int
    rule: str
    classifier: str
    fraction: float


@dataclass(frozen=True)
class Watch:
    """What masks are made of every network.

    Attributes:
        samples: N, images behind each of a pair of masks; several for several lengths of the same draws.
        redraws: R, pairs of draws that overlaps are averaged over; several to see what more of them change.
        rules: ``global``, ``layer``, or both.
        classifier: ``kept``, ``free``, or both.
        fractions: q.
    """

    samples: tuple[int, ...]
    redraws: tuple[int, ...] = (1,)
    rules: tuple[str, ...] = ("global",)
    classifier: tuple[str, ...] = ("kept",)
    fractions: tuple[float, ...] = (0.05,)

    @property
    def variants(self) -> list[Variant]:
        """Every kind of mask, the options' order kept."""
        every = itertools.product(self.samples, self.rules, self.classifier, self.fractions)
        return [Variant(*each) for each in every]


Pair = tuple[Mask, Mask]
Diagonals = tuple[FisherDiagonal, FisherDiagonal]
Ranks = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class View:
    """One network.

    Attributes:
        layers: in forward order.
        weights: w by parameter name.
        diagonals: by N, a pair (F^A, F^B) for every redraw.
        ranks: of these, by layer and of the whole.
        masks: by variant, a pair (m^A, m^B) for every redraw.
    """

    layers: Sequence[ParameterLayer]
    weights: Mapping[str, Tensor]
    diagonals: Mapping[int, Sequence[Diagonals]]
    ranks: Mapping[int, Sequence[tuple[Ranks, Ranks]]]
    masks: Mapping[Variant, Sequence[Pair]]

    def to_compare_with(self, *, ranks: bool) -> View:
        """What a later round needs of it; less than all of it, since it is kept for long."""
        return replace(self, weights={}, diagonals={}, ranks=self.ranks if ranks else {})


def diagonals_of(state: LearnerState, watch: Watch) -> dict[int, list[Diagonals]]:
    """The Fisher passes of a state's network that have not been made yet, and what they gave, on the CPU."""
    draws = [state.fisher, *(state.fisher_draws(pair) for pair in range(1, max(watch.redraws)))]
    return {n: [_on_cpu(each.pair(n)) for each in draws] for n in watch.samples}


def view(state: LearnerState, watch: Watch, diagonals: Mapping[int, Sequence[Diagonals]]) -> View:
    """What is seen of a state's network by its diagonals."""
    layers = forward_order(state.network, state.pool.images[:1])
    weights = {name: p.detach().cpu() for name, p in state.network.named_parameters()}
    return make_view(layers, weights, diagonals, classifier_parameters(state.network), watch)


def make_view(
    layers: Sequence[ParameterLayer],
    weights: Mapping[str, Tensor],
    diagonals: Mapping[int, Sequence[Diagonals]],
    classifier: Sequence[str],
    watch: Watch,
) -> View:
    """Masks and ranks from diagonals; ``classifier`` names the parameters that are kept whole where it is kept."""
    masks = {each: [_masks(pair, each, classifier) for pair in diagonals[each.samples]] for each in watch.variants}
    ranked = {n: [(_ranks(a), _ranks(b)) for a, b in pairs] for n, pairs in diagonals.items()}
    return View(layers, weights, diagonals, ranked, masks)


def _on_cpu(pair: Diagonals) -> Diagonals:
    first, second = ({name: value.cpu() for name, value in diagonal.items()} for diagonal in pair)
    return first, second


def _masks(pair: Diagonals, variant: Variant, classifier: Sequence[str]) -> Pair:
    always = classifier if variant.classifier == "kept" else ()
    first, second = (top_mask(each, variant.fraction, scope=variant.rule, always=always) for each in pair)
    return first, second


def _ranks(diagonal: FisherDiagonal) -> Ranks:
    flat = {name: value.flatten().numpy() for name, value in diagonal.items()}
    return {**{name: ranks(values) for name, values in flat.items()}, WHOLE: ranks(np.concatenate([*flat.values()]))}
