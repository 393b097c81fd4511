"""What the tables of a run hold, as arrays over seeds, rounds and layers.

This is the one module that reads these tables by the names of their columns. A value is nan where it was not measured,
and where it is not defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fbench.harness.contract import Row, Tables

from .places import PLACE_COLUMNS, WHOLE, Place

Floats = NDArray[np.float64]


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
        """What is alike in variants that differ in how much they keep."""
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


class Failure(NamedTuple):
    """A row of ``results`` without a measurement: whose it is, its status (oom, failed or skipped), and the reason."""

    strategy: str
    seed: int
    status: str
    reason: str


_JACCARDS = [f"jaccard_{name}" for name in ("previous", "first", "redraw", "retrain", "chance")]
_MASK_COLUMNS = ["share", "captured", *_JACCARDS]
_FISHER_COLUMNS = ["fisher_mean", "weighted_mean", "spearman_previous", "spearman_redraw", "spearman_retrain"]
_SECONDS_COLUMNS = ["train_s", "retrain_s", "select_s", "diagonal_s", "masks_s"]
"""Columns in the order of the fields above."""
_VARIANT_COLUMNS = list(Variant._fields)


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
        return _strategies(self.variants)

    def main(self, strategy: str) -> Variant:
        """The variant to speak of: it has the most samples and redraws, and comes first of those in the rows."""
        variants = [variant for variant in self.variants if variant.strategy == strategy]
        return max(variants, key=lambda variant: (variant.samples, variant.redraws))  # the first of equals

    @property
    def _names(self) -> list[str]:
        return [WHOLE, *(layer.name for layer in self.layers)]

    def _fisher_of(self, variant: Variant) -> Floats:
        """[layers and the whole, seeds, rounds, columns]; Fisher values know no rule, classifier, fraction or R."""
        at = _draws(self.variants).index((variant.strategy, variant.samples))
        cells: Floats = self._fisher[at]
        return cells


def read_drift(tables: Tables) -> Drift | None:
    """The seeds that were measured in every round of every variant; None where there is none.

    A strategy that no seed finished is left out with its variants, or nothing would be left of the others.

    Args:
        tables: ``results``, and ``fisher`` and ``rounds`` where they were written. Rows without a status are good.
    """
    frame = _measured(tables["results"])
    finished, seeds = _finished(frame)
    if not seeds:
        return None
    labels = frame.groupby("round")["labels"].last()
    layers, rounds = _layers(frame), labels.index.tolist()
    frame = frame[frame["strategy"].isin(finished)]
    frame = frame.assign(variant=_tuples(frame, _VARIANT_COLUMNS))
    variants = [Variant(*fields) for fields in dict.fromkeys(frame["variant"])]
    times = {"seed": seeds, "round": rounds}
    places = {"layer": [WHOLE, *(layer.name for layer in layers)], **times}
    return Drift(
        variants,
        seeds,
        rounds,
        labels.tolist(),
        layers,
        _masks=_spread(frame, {"variant": variants, **places}, _MASK_COLUMNS),
        _fisher=_read_fisher(tables.get("fisher", ()), {"draws": _draws(variants), **places}),
        _seconds=_read_seconds(tables.get("rounds", ()), {"strategy": _strategies(variants), **times}),
    )


def _measured(rows: Sequence[Row]) -> pd.DataFrame:
    """The good rows of ``results``; those of a side table have no status, and are good."""
    good = [row for row in rows if row.get("status", "ok") == "ok"]
    return pd.DataFrame(good, columns=["seed", "round", "labels", *_VARIANT_COLUMNS, *PLACE_COLUMNS, *_MASK_COLUMNS])


def read_failures(rows: Sequence[Row]) -> list[Failure] | None:
    """The rows of ``results`` whose status is not ok; None where no row has a status, as in a side table."""
    if not any("status" in row for row in rows):
        return None
    failures = [row for row in rows if row.get("status", "ok") != "ok"]
    return [Failure(*(row[name] for name in Failure._fields)) for row in failures]


def _finished(frame: pd.DataFrame) -> tuple[set[str], list[int]]:
    """The strategies with a seed that has every round of all their variants, and the seeds that all of them have."""
    whole = frame[frame["layer"] == WHOLE]
    rounds = whole.groupby([*_VARIANT_COLUMNS, "seed"])["round"].nunique().unstack("seed", fill_value=0)
    complete = (rounds == frame["round"].nunique()).groupby(level="strategy").all()  # [strategies, seeds]
    complete = complete[complete.any(axis=1)]
    seeds = complete.columns[complete.all()] if len(complete) else ()
    return set(complete.index), [int(seed) for seed in seeds]


def _layers(frame: pd.DataFrame) -> list[Place]:
    """The layers in forward order."""
    places = frame.loc[frame["layer"] != WHOLE, list(PLACE_COLUMNS)]
    places = places.drop_duplicates("layer_index").sort_values("layer_index").astype({"layer_index": int})
    return [Place(*cells) for cells in places.itertuples(index=False)]


def _strategies(variants: Sequence[Variant]) -> list[str]:
    return list(dict.fromkeys(variant.strategy for variant in variants))


def _draws(variants: Sequence[Variant]) -> list[tuple[str, int]]:
    """What Fisher values are told apart by: the strategy and N."""
    return list(dict.fromkeys((variant.strategy, variant.samples) for variant in variants))


def _read_fisher(rows: Sequence[Row], axes: Mapping[str, Sequence[Any]]) -> Floats:
    """The table ``fisher`` as an array [strategies and N, layers, seeds, rounds, columns]."""
    frame = pd.DataFrame(rows, columns=["strategy", "samples", "layer", "seed", "round", *_FISHER_COLUMNS])
    return _spread(frame.assign(draws=_tuples(frame, ["strategy", "samples"])), axes, _FISHER_COLUMNS)


def _read_seconds(rows: Sequence[Row], axes: Mapping[str, Sequence[Any]]) -> Floats:
    """The table ``rounds`` as an array [strategies, seeds, rounds, columns]."""
    return _spread(pd.DataFrame(rows, columns=["strategy", "seed", "round", *_SECONDS_COLUMNS]), axes, _SECONDS_COLUMNS)


def _tuples(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series[Any]:
    """Several columns as one, of tuples."""
    return pd.Series(list(frame[list(columns)].itertuples(index=False, name=None)), index=frame.index, dtype=object)


def _spread(frame: pd.DataFrame, axes: Mapping[str, Sequence[Any]], columns: Sequence[str]) -> Floats:
    """Columns of rows as an array [axes…, columns], nan where there is no row; rows off the axes are left out."""
    indexes = {name: pd.Index(values, tupleize_cols=False) for name, values in axes.items()}
    at = np.array([index.get_indexer(frame[name]) for name, index in indexes.items()])
    known = (at >= 0).all(axis=0)
    cells = np.full([*map(len, indexes.values()), len(columns)], np.nan)
    cells[tuple(at[:, known])] = frame[list(columns)].to_numpy(np.float64)[known]
    return cells
