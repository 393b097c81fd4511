"""The rows of a drift run as arrays over seeds, rounds and layers, by what was measured on them.

Everything is nan where it was not measured, or where it is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fbench.harness.contract import Row

Floats = NDArray[np.float64]

WHOLE = "all"
"""The layer column's name of the whole network."""


class Variant(NamedTuple):
    """What a mask is: ``samples`` N behind each, ``redraws`` pairs of draws that overlaps are averaged over."""

    strategy: str
    samples: int
    redraws: int
    rule: str
    classifier: str
    fraction: float


class Layer(NamedTuple):
    """A parameter tensor in its place of the forward order, ``depth`` from 0 to 1."""

    name: str
    depth: float
    kind: str
    parameters: int


@dataclass(frozen=True)
class Drift:
    """A run's rows.

    Attributes:
        variants: in the order of the rows, without strategies that no seed finished.
        seeds: those with every round of every variant.
        rounds: 0, 1, 2, …; ``labels`` has as many of each.
        layers: in forward order, without the whole.
    """

    variants: list[Variant]
    seeds: list[int]
    rounds: list[int]
    labels: list[int]
    layers: list[Layer]
    _cells: Mapping[tuple[Variant, str], Mapping[tuple[int, int], Row]]

    def values(self, variant: Variant, column: str, layer: str = WHOLE) -> Floats:
        """A column of a layer, [seeds, rounds]."""
        cells = self._cells.get((variant, layer), {})
        found = [[cells.get((seed, number), {}).get(column) for number in self.rounds] for seed in self.seeds]
        return np.array(found, dtype=np.float64)

    def by_layer(self, variant: Variant, column: str) -> Floats:
        """A column of every layer, [seeds, rounds, layers]."""
        return np.stack([self.values(variant, column, layer.name) for layer in self.layers], axis=2)

    @property
    def strategies(self) -> list[str]:
        """In the order of the rows."""
        return list(dict.fromkeys(variant.strategy for variant in self.variants))

    def main(self, strategy: str) -> Variant:
        """The most samples and redraws, and the first of everything else in the order of the rows."""
        own = [variant for variant in self.variants if variant.strategy == strategy]
        return max(own, key=lambda variant: (variant.samples, variant.redraws))  # the first of equals


def read_drift(rows: Sequence[Row]) -> Drift | None:
    """The seeds that were measured in every round of every variant; None where there is none.

    A strategy that no seed finished is left out with its variants, or nothing would be left of the others. Side tables
    have no status: their rows are good.
    """
    good = [row for row in rows if row.get("status", "ok") == "ok"]
    cells: dict[tuple[Variant, str], dict[tuple[int, int], Row]] = {}
    for row in good:
        variant = Variant(*(row[name] for name in Variant._fields))
        cells.setdefault((variant, row["layer"]), {})[row["seed"], row["round"]] = row
    rounds = sorted({row["round"] for row in good})
    labels = {row["round"]: row["labels"] for row in good}
    finished = _finished(cells, rounds)
    arms = [strategy for strategy, seeds in finished.items() if seeds]
    seeds = sorted(set.intersection(*(finished[arm] for arm in arms))) if arms else []
    if not seeds:
        return None
    layers = {
        row["layer_index"]: Layer(row["layer"], row["depth"], row["kind"], row["parameters"])
        for row in good
        if row["layer"] != WHOLE
    }
    return Drift(
        variants=list(dict.fromkeys(variant for variant, _ in cells if variant.strategy in arms)),
        seeds=seeds,
        rounds=rounds,
        labels=[labels[number] for number in rounds],
        layers=[layers[index] for index in sorted(layers)],
        _cells=cells,
    )


def _finished(
    cells: Mapping[tuple[Variant, str], Mapping[tuple[int, int], Row]], rounds: Sequence[int]
) -> dict[str, set[int]]:
    """The seeds of each strategy with every round of each of its variants."""
    found: dict[str, set[int]] = {}
    for (variant, layer), own in cells.items():
        if layer == WHOLE:
            seeds = {seed for seed, _ in own}
            whole = {seed for seed in seeds if all((seed, number) in own for number in rounds)}
            found[variant.strategy] = found.get(variant.strategy, whole) & whole
    return found


def fisher_values(
    rows: Sequence[Row], drift: Drift, strategy: str, samples: int, column: str, layer: str = WHOLE
) -> Floats:
    """A column of the table ``fisher``, which knows no masks: [seeds, rounds] as those of ``drift``."""
    cells = {
        (row["seed"], row["round"]): row[column]
        for row in rows
        if (row["strategy"], row["samples"], row["layer"]) == (strategy, samples, layer)
    }
    return np.array([[cells.get((seed, number)) for number in drift.rounds] for seed in drift.seeds], dtype=np.float64)
