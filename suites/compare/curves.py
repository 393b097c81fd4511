"""The rows of ``fbench compare`` as learning curves, paired by seed."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fbench.harness.contract import Row
from fbench.measure.arrays import Floats
from fbench.measure.curves import aulc
from fbench.measure.statistics import Paired, paired
from fbench.results.words import count_seeds

from .metrics import METRICS, SCORES, Metric

_MEANS = ["train_s", "select_s", "d_eff", "dim"]
"""Columns that are averaged over seeds and rounds; rows may lack them."""
COLLAPSED_BELOW = 0.5
"""A training has collapsed where its accuracy is less than so much of the median of its round, over arms and seeds."""
_KEY = ("strategy", "seed", "round")
_COLUMNS = ["status", "strategy", "seed", "round", "labels", *SCORES, *_MEANS]


@dataclass(frozen=True)
class Curves:
    """The learning curves of the strategies that finished, on the seeds that all of these finished.

    Attributes:
        labels: [rounds], the labels bought so far.
        values: [seeds, rounds] of the metric by strategy; row s is the same seed in all.
        seconds: mean training and selection time of a seed and round, by strategy.
        dimensions: mean d_eff and d, by strategy; without those that have no embedding.
        seeds: how many there are.
        left_out: which strategies and seeds are missing, each with the reason.
        measured: the metric: what it is called, and which way is better.
        accuracy: [seeds, rounds] by strategy, by which a collapse is told; without it the metric tells.
        elapsed: [seeds, rounds] the seconds of training and selecting up to a round's network, of strategies that buy
            and whose seconds are known.
        finals: means at the last round, by strategy and column.
        whole: the strategies that had all labels from the start, and bought none.
        numbers: [seeds], what the seeds are called.
        choosing: [seeds] the mean seconds of a selection, of strategies that buy.
    """

    labels: Floats
    values: dict[str, Floats]
    seconds: dict[str, tuple[float, float]]
    dimensions: dict[str, tuple[float, float]]
    seeds: int
    left_out: list[tuple[str, str]]
    measured: Metric = SCORES["accuracy"]
    accuracy: dict[str, Floats] = field(default_factory=dict)
    elapsed: dict[str, Floats] = field(default_factory=dict)
    finals: dict[str, dict[str, float]] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    numbers: tuple[int, ...] = ()
    choosing: dict[str, Floats] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """What the metric is called."""
        return self.measured.title

    @property
    def lower(self) -> bool:
        """Whether less of the metric is better."""
        return self.measured.lower

    @property
    def buying(self) -> dict[str, Floats]:
        """What the strategies that buy labels reach."""
        return {name: values for name, values in self.values.items() if name not in self.whole}

    @property
    def areas(self) -> dict[str, Floats]:
        """AULC [seeds] by strategy."""
        return {name: aulc(self.labels, values) for name, values in self.values.items()}

    @property
    def pairs(self) -> dict[tuple[str, str], Paired]:
        """Every two strategies that buy, in their order, and the second's area less the first's."""
        areas = self.areas
        return {(one, other): paired(areas[other], areas[one]) for one, other in itertools.combinations(self.buying, 2)}

    @property
    def collapsed(self) -> dict[str, int]:
        """In how many seeds some training collapsed, by strategy; the start set's network is every arm's."""
        accuracy = self.accuracy or self.values
        median = np.median(np.concatenate(list(accuracy.values())), axis=0)
        fallen = {name: values < COLLAPSED_BELOW * median for name, values in accuracy.items()}
        return {name: int(below[:, 1:].any(axis=1).sum()) for name, below in fallen.items()}


def dimensions_apart(curves: Curves, first: str, second: str) -> float:
    """How many times apart the effective dimensions of two strategies lie; 1 where one of them has none."""
    sizes = [curves.dimensions[name][0] for name in (first, second) if name in curves.dimensions]
    return max(sizes) / min(sizes) if len(sizes) == 2 and min(sizes) > 0 else 1.0


def with_scores(rows: Sequence[Row], scores: Sequence[Row]) -> list[Row]:
    """The rows of ``results``, each with its row of ``scores`` beside it.

    Example:
        >>> key = {"strategy": "bait", "seed": 0, "round": 1}
        >>> with_scores([{**key, "accuracy": 0.9}], [{**key, "macro_f1": 0.8}])[0]["macro_f1"]
        0.8
    """
    beside = {tuple(row[name] for name in _KEY): row for row in scores}
    return [{**beside.get(tuple(row[name] for name in _KEY), {}), **row} for row in rows]


def read_curves(
    rows: Sequence[Row], strategies: Sequence[str], rounds: int, seeds: int, metric: str = "accuracy"
) -> Curves | None:
    """Read the complete, paired part of a run's rows; None where its strategies have finished no seed in common.

    ``metric`` is one of ``metrics.METRICS``.
    """
    frame = pd.DataFrame(rows, columns=_COLUMNS)
    frame = frame[(frame["status"] == "ok") & frame["strategy"].isin(strategies)]
    complete = _by_round(frame, metric.replace("-", "_"), rounds).dropna()
    arms = [name for name in strategies if name in complete.index.get_level_values("strategy")]
    finished = complete.groupby("seed").size()
    common = finished.index[finished == len(arms)]
    if common.empty:
        return None
    paired = frame[frame["seed"].isin(common)].astype(dict.fromkeys([*_MEANS, *SCORES], float))
    spent = paired.assign(spent=paired["train_s"] + paired["select_s"].where(paired["round"] > 0, 0.0))
    elapsed = _by_round(spent, "spent", rounds).cumsum(axis=1)
    accuracy = _by_round(paired, "accuracy", rounds)
    last = paired[paired["round"] == rounds].groupby("strategy")[[*SCORES]].mean()

    def of_seeds(values: pd.DataFrame) -> dict[str, Floats]:
        return {name: values.loc[name].loc[common].to_numpy(float) for name in arms}

    selecting = paired.groupby(["strategy", "seed"])["select_s"].mean()
    means = paired.groupby("strategy")[_MEANS].mean()
    bought = paired.groupby("strategy")["labels"].nunique()
    whole = frozenset(name for name in arms if bought[name] == 1)
    embedded = [name for name in arms if not np.isnan(means.d_eff[name])]
    here = [name for name in arms if not np.isnan(means.train_s[name])]  # trained by this run
    timed = [name for name in arms if name not in whole and not np.isnan(means.select_s[name])]
    return Curves(
        labels=paired.groupby("round")["labels"].min().to_numpy(float),  # `all` has the pool's from the start
        values=of_seeds(complete),
        seconds={name: (float(means.train_s[name]), float(means.select_s[name])) for name in arms},
        dimensions={name: (float(means.d_eff[name]), float(means.dim[name])) for name in embedded},
        seeds=len(common),
        left_out=_left_out(rows, strategies, arms, seeds - len(common)),
        measured=METRICS[metric],
        accuracy={name: values for name, values in of_seeds(accuracy).items() if not np.isnan(values).any()},
        elapsed={name: spent for name, spent in of_seeds(elapsed).items() if name in timed},
        finals={name: {score: float(last[score][name]) for score in SCORES} for name in here},
        whole=whole,
        numbers=tuple(int(seed) for seed in common),
        choosing={name: selecting[name].loc[common].to_numpy(float) for name in arms if name not in whole},
    )


def _by_round(frame: pd.DataFrame, column: str, rounds: int) -> pd.DataFrame:
    """A column of the rows as a table: strategies and seeds down, rounds across."""
    table = frame.pivot(index=["strategy", "seed"], columns="round", values=column)
    return table.reindex(columns=range(rounds + 1))


def _left_out(
    rows: Sequence[Row], strategies: Sequence[str], arms: Collection[str], seeds: int
) -> list[tuple[str, str]]:
    """Every strategy that finished no seed, and how many seeds some strategy did not finish, with the reasons."""
    missing = []
    for name in strategies:
        if name not in arms:
            reasons = sorted({row["reason"] for row in rows if row["strategy"] == name and row["status"] != "ok"})
            missing.append((name, f"finished no seed: {'; '.join(reasons) or 'no rows'}"))
    if seeds:
        missing.append((count_seeds(seeds), "not finished by every other strategy"))
    return missing
