"""How much of a FISH mask stays from round to round, beside what another draw or another training would leave of it.

J of the masks m, m' of two networks is the mean of J(m^A, m'^B) and J(m^B, m'^A), A and B two disjoint draws of images
that last for all rounds. J(m^A, m^B) of one network is the floor of sampling; J with a network trained on the same
labels in another batch order is the floor of sampling and training (MATH.md, FISH: two floors). Were labels without
effect, J with the previous round would equal the second on average, and were training free of chance too, the first.
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

from .views import WHOLE, Pair, Variant, View, Watch

Counts = Mapping[str, Overlap]
"""Of two masks, by layer."""


@dataclass(frozen=True)
class Views:
    """A network beside those that it is compared with; None where there is none."""

    now: View
    previous: View | None = None
    first: View | None = None
    retrained: View | None = None

    def results(self, watch: Watch, key: Row) -> Iterator[Row]:
        """Every variant, every number of redraws, the whole and every layer."""
        for variant in watch.variants:
            compared, kept, captured = self._compared(variant), self._kept(variant), self._captured(variant)
            for redraws in watch.redraws:
                few = {name: list(itertools.chain(*own[:redraws])) for name, own in compared.items()}
                for place in self._places:
                    layer: str = place["layer"]
                    facts = {"kept": kept[layer], "share": kept[layer] / place["parameters"]}
                    overlaps = {f"jaccard_{name}": _mean(_jaccard(c, layer) for c in own) for name, own in few.items()}
                    chance = _mean(self._chance(c, layer) for c in few.get("previous", few["redraw"]))
                    more = {"captured": captured[layer], **overlaps, "jaccard_chance": chance}
                    yield {**key, **variant._asdict(), "redraws": redraws, **place, **facts, **more}

    def fisher(self, watch: Watch, key: Row) -> Iterator[Row]:
        """What does not depend on a mask: the size of the Fisher values, and how they are ordered."""
        for n in watch.samples:
            means = self._mean_values(n)
            for place in self._places:
                yield {**key, "samples": n, **place, **means[place["layer"]], **self._correlations(n, place["layer"])}

    def masks(self, key: Row) -> Iterator[Row]:
        """The first draw's, a layer each."""
        for variant, pairs in self.now.masks.items():
            for row in mask_rows(pairs[0][0]):
                yield {**key, **variant._asdict(), **row}

    @cached_property
    def _places(self) -> list[Row]:
        return list(places(self.now.layers))

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Weights by layer and of the whole."""
        return {place["layer"]: place["parameters"] for place in self._places}

    def _compared(self, variant: Variant) -> dict[str, list[list[Counts]]]:
        """By column, for every pair of draws."""
        own = self.now.masks[variant]
        found: dict[str, list[list[Counts]]] = {"redraw": [[first.overlap(second)] for first, second in own]}
        for name, other in (("previous", self.previous), ("first", self.first), ("retrain", self.retrained)):
            if other is not None:
                found[name] = [across(mine, theirs) for mine, theirs in zip(own, other.masks[variant], strict=True)]
        return found

    def _chance(self, counts: Counts, layer: str) -> float | None:
        """What random masks with as many weights in every layer would share on average."""
        names = [name for name in counts if layer in (WHOLE, name)]
        if not names:
            return None
        sizes = self._sizes
        first, second = ([getattr(counts[name], which) for name in names] for which in ("first", "second"))
        return expected_jaccard([sizes[name] for name in names], first, second)

    def _kept(self, variant: Variant) -> dict[str, int]:
        """Of the first draw's mask, the one that is written."""
        mask = self.now.masks[variant][0][0]
        return {**mask.counts(), WHOLE: mask.size}

    def _captured(self, variant: Variant) -> dict[str, float | None]:
        """Share of the Fisher mass in a mask by the other draw's diagonal: its own would flatter it."""
        (m_A, m_B), (F_A, F_B) = self.now.masks[variant][0], self.now.diagonals[variant.samples][0]
        inside, all_of = (_mass(F_B, m_A), _mass(F_A, m_B)), (_mass(F_B), _mass(F_A))
        return {
            name: _ratio(inside[0][name] + inside[1][name], all_of[0][name] + all_of[1][name]) for name in inside[0]
        }

    def _mean_values(self, n: int) -> dict[str, Row]:
        """Mean F_j and mean w_j²F_j over both draws, by layer and of the whole."""
        F_A, F_B = self.now.diagonals[n][0]
        F = {name: (value.double() + F_B[name]) / 2 for name, value in F_A.items()}
        plain = _mass(F)
        weighted = _mass({name: value * self.now.weights[name].double() ** 2 for name, value in F.items()})
        return {
            name: {"fisher_mean": plain[name] / size, "weighted_mean": weighted[name] / size}
            for name, size in self._sizes.items()
        }

    def _correlations(self, n: int, layer: str) -> Row:
        """Spearman's, on the same pairs of draws as the overlaps."""
        own = self.now.ranks[n]
        found = {"spearman_redraw": fmean(correlation(a[layer], b[layer]) for a, b in own)}
        for name, other in (("previous", self.previous), ("retrain", self.retrained)):
            if other is not None:
                both = zip(own, other.ranks[n], strict=True)
                crossed = [each for (a, b), (c, d) in both for each in ((a, d), (b, c))]
                found[f"spearman_{name}"] = fmean(correlation(one[layer], two[layer]) for one, two in crossed)
        return found


def across(first: Pair, second: Pair) -> list[Counts]:
    """Two networks' masks: never two from one draw."""
    return [first[0].overlap(second[1]), first[1].overlap(second[0])]


def places(layers: Sequence[ParameterLayer]) -> Iterator[Row]:
    """The whole, then the layers in forward order with their depth from 0 to 1."""
    yield {"layer": WHOLE, "kind": WHOLE, "parameters": sum(layer.parameters for layer in layers)}
    for index, layer in enumerate(layers):
        depth = index / max(1, len(layers) - 1)
        facts = {"kind": layer.layer_type, "parameters": layer.parameters}
        yield {"layer": layer.name, "layer_index": index, "depth": depth, **facts}


def _jaccard(counts: Counts, layer: str) -> float | None:
    """Of a layer, or of all; None where neither mask keeps a weight, and in a layer that is left out."""
    chosen = counts.values() if layer == WHOLE else [counts[layer]] if layer in counts else []
    shared, first, second = (sum(each) for each in zip(Overlap(0, 0, 0), *chosen, strict=True))
    return jaccard(shared, first, second)


def _mean(values: Iterable[float | None]) -> float | None:
    """Of those that are defined."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _mass(diagonal: FisherDiagonal, mask: Mask | None = None) -> dict[str, float]:
    """Σ F_j of the weights kept, or of all, by layer and of the whole."""
    kept = diagonal if mask is None else {name: value[mask[name]] for name, value in diagonal.items()}
    parts = {name: float(value.double().sum()) for name, value in kept.items()}
    return {**parts, WHOLE: sum(parts.values())}
