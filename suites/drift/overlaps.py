"""How much of a FISH mask stays from round to round, beside what another draw or another training would leave of it.

J of the masks m, m' of two networks is the mean of J(m^A, m'^B) and J(m^B, m'^A), A and B two disjoint draws of images
that last for all rounds. J(m^A, m^B) of one network is the baseline of sampling; J with a network trained on the same
labels in another batch order is that of sampling and training. Were labels without effect,
J with the previous round would equal the second on average, and were training free of chance too, the first.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from fbench.fisher.gradients.forward_order import ParameterLayer
from fbench.fisher.masks import Mask, Overlap
from fbench.harness.contract import Row
from fbench.learning.fisher_draws import FisherDiagonal
from fbench.learning.mask_files import mask_rows
from fbench.measure.overlap import expected_jaccard, jaccard
from fbench.measure.ranks import correlation

from .places import WHOLE, Place, whole_row
from .snapshots import MaskGrid, MaskPair, MaskRecipe, Snapshot

LayerOverlaps = Mapping[str, Overlap]
"""The weights that two masks keep and share, by layer; layers kept whole by decree are left out."""


@dataclass(frozen=True)
class Comparison:
    """A network beside those that it is compared with: of the round before, of round 0, and trained again.

    A network that there is not is None.
    """

    now: Snapshot
    previous: Snapshot | None = None
    first: Snapshot | None = None
    retrained: Snapshot | None = None

    def overlap_rows(self, grid: MaskGrid, key: Row) -> Iterator[Row]:
        """Give a row for every recipe, every number of redraws, the whole network and every layer."""
        for recipe in grid.recipes:
            compared, facts = self._compared(recipe), self._facts(recipe)
            for redraws in grid.redraws:
                averaged = {name: list(itertools.chain(*pairs[:redraws])) for name, pairs in compared.items()}
                for layer, place in self._place_rows.items():
                    overlaps = {
                        f"jaccard_{name}": _mean(_jaccard(overlap, layer) for overlap in several)
                        for name, several in averaged.items()
                    }
                    by_chance = averaged.get("previous", averaged["redraw"])
                    chance = _mean(self._chance(overlap, layer) for overlap in by_chance)
                    cells = {**facts[layer], **overlaps, "jaccard_chance": chance}
                    yield {**key, **recipe._asdict(), "redraws": redraws, **place, **cells}

    def fisher_rows(self, grid: MaskGrid, key: Row) -> Iterator[Row]:
        """Give a row for every N, the whole network and every layer: the size of Fisher values, and their order."""
        for n in grid.samples:
            means = self._mean_values(n)
            for layer, place in self._place_rows.items():
                yield {**key, "samples": n, **place, **means[layer], **self._correlations(n, layer)}

    def written_masks(self, key: Row) -> Iterator[Row]:
        """Give the masks of the first draw: a row for every recipe and layer."""
        for recipe, pairs in self.now.masks.items():
            for row in mask_rows(pairs[0][0]):
                yield {**key, **recipe._asdict(), **row}

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """How many weights the whole network and every layer have."""
        sizes = {layer.name: layer.parameters for layer in self.now.layers}
        return {WHOLE: sum(sizes.values()), **sizes}

    @cached_property
    def _place_rows(self) -> dict[str, Row]:
        """The cells that say which layer a row is of: the whole network's, then each layer's in forward order."""
        rows = {place.name: place.row() for place in places(self.now.layers)}
        return {WHOLE: whole_row(self._sizes[WHOLE]), **rows}

    def _compared(self, recipe: MaskRecipe) -> dict[str, list[list[LayerOverlaps]]]:
        """The overlaps with each of the other networks, by column, for every pair of draws."""
        pairs = self.now.masks[recipe]
        compared: dict[str, list[list[LayerOverlaps]]] = {
            "redraw": [[first.overlap(second)] for first, second in pairs]
        }
        for name, other in (("previous", self.previous), ("first", self.first), ("retrain", self.retrained)):
            if other is not None:
                both = zip(pairs, other.masks[recipe], strict=True)
                compared[name] = [across(mine, theirs) for mine, theirs in both]
        return compared

    def _chance(self, overlaps: LayerOverlaps, layer: str) -> float | None:
        """The J that random masks with as many weights in every layer would have on average."""
        names = [name for name in overlaps if layer in (WHOLE, name)]
        if not names:
            return None
        first, second = [overlaps[name].first for name in names], [overlaps[name].second for name in names]
        return expected_jaccard([self._sizes[name] for name in names], first, second)

    def _facts(self, recipe: MaskRecipe) -> dict[str, Row]:
        """What the first draw's mask, the one that is written, keeps of the whole network and of every layer."""
        mask, captured = self.now.masks[recipe][0][0], self._captured(recipe)
        kept = {**mask.counts(), WHOLE: mask.size}
        return {
            name: {"kept": kept[name], "share": kept[name] / size, "captured": captured[name]}
            for name, size in self._sizes.items()
        }

    def _captured(self, recipe: MaskRecipe) -> dict[str, float | None]:
        """The share of the Fisher mass in a mask by the other draw's diagonal: its own would flatter it."""
        (m_A, m_B), (F_A, F_B) = self.now.masks[recipe][0], self.now.diagonals[recipe.samples][0]
        inside, all_of = (_mass(F_B, m_A), _mass(F_A, m_B)), (_mass(F_B), _mass(F_A))
        return {
            name: _ratio(inside[0][name] + inside[1][name], all_of[0][name] + all_of[1][name]) for name in inside[0]
        }

    def _mean_values(self, n: int) -> dict[str, Row]:
        """Mean F_j and mean w_j²F_j over both draws, of the whole network and of every layer."""
        F_A, F_B = self.now.diagonals[n][0]
        F = {name: (value.double() + F_B[name]) / 2 for name, value in F_A.items()}
        plain = _mass(F)
        weighted = _mass({name: value * self.now.weights[name].double() ** 2 for name, value in F.items()})
        return {
            name: {"fisher_mean": plain[name] / size, "weighted_mean": weighted[name] / size}
            for name, size in self._sizes.items()
        }

    def _correlations(self, n: int, layer: str) -> Row:
        """Spearman's rank correlations, on the same pairs of draws as the overlaps."""
        ranks = self.now.ranks[n]
        correlations = {"spearman_redraw": fmean(correlation(a[layer], b[layer]) for a, b in ranks)}
        for name, other in (("previous", self.previous), ("retrain", self.retrained)):
            if other is not None:
                both = zip(ranks, other.ranks[n], strict=True)
                crossed = [pair for (a, b), (c, d) in both for pair in ((a, d), (b, c))]
                correlations[f"spearman_{name}"] = fmean(correlation(one[layer], two[layer]) for one, two in crossed)
        return correlations


def across(first: MaskPair, second: MaskPair) -> list[LayerOverlaps]:
    """Compare two networks' masks crosswise: never two from one draw."""
    return [first[0].overlap(second[1]), first[1].overlap(second[0])]


def places(layers: Sequence[ParameterLayer]) -> list[Place]:
    """Number the layers, which are in forward order, and give each its depth from 0 to 1."""
    last = max(1, len(layers) - 1)
    return [Place(layer.name, i, i / last, layer.layer_type, layer.parameters) for i, layer in enumerate(layers)]


def _jaccard(overlaps: LayerOverlaps, layer: str) -> float | None:
    """J of a layer, or of all; None where neither mask keeps a weight, and in a layer that is left out."""
    chosen = overlaps.values() if layer == WHOLE else [overlaps[layer]] if layer in overlaps else []
    shared, first, second = (sum(counts) for counts in zip(Overlap(0, 0, 0), *chosen, strict=True))
    return jaccard(shared, first, second)


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of those values that are defined."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _mass(diagonal: FisherDiagonal, mask: Mask | None = None) -> dict[str, float]:
    """Σ F_j of the weights that the mask keeps, or of all, by layer and of the whole network."""
    kept = diagonal if mask is None else {name: value[mask[name]] for name, value in diagonal.items()}
    parts = {name: float(value.double().sum()) for name, value in kept.items()}
    return {**parts, WHOLE: sum(parts.values())}
