"""The tables of a run, read into arrays: the one module that knows them by the names of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fbench.harness.contract import Row, Tables
from fbench.measure.arrays import Floats

from .measured import Drift, Variant, draws_of, strategies_of
from .places import LAYER_COLUMNS, WHOLE, Place

_JACCARDS = [f"jaccard_{name}" for name in ("previous", "first", "redraw", "retrain", "chance")]
_MASK_COLUMNS = ["share", "captured", *_JACCARDS]
_FISHER_COLUMNS = ["fisher_mean", "weighted_mean", "spearman_previous", "spearman_redraw", "spearman_retrain"]
_SECONDS_COLUMNS = ["train_s", "retrain_s", "select_s", "diagonal_s", "masks_s"]
"""Columns in the order of the fields of ``MaskRounds``, ``FisherRounds`` and ``RoundSeconds``."""
_VARIANT_COLUMNS = list(Variant._fields)


class Failure(NamedTuple):
    """A row of ``results`` without a measurement: whose it is, its status (oom, failed or skipped), and the reason."""

    strategy: str
    seed: int
    status: str
    reason: str


def read_drift(tables: Tables) -> Drift | None:
    """Read what was measured of the seeds that have every round of every variant; None where there is no such seed.

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
        _fisher=_read_fisher(tables.get("fisher", ()), {"draws": draws_of(variants), **places}),
        _seconds=_read_seconds(tables.get("rounds", ()), {"strategy": strategies_of(variants), **times}),
    )


def _measured(rows: Sequence[Row]) -> pd.DataFrame:
    """The good rows of ``results``; those of a side table have no status, and are good."""
    good = [row for row in rows if row.get("status", "ok") == "ok"]
    return pd.DataFrame(good, columns=["seed", "round", "labels", *_VARIANT_COLUMNS, *LAYER_COLUMNS, *_MASK_COLUMNS])


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
    places = frame.loc[frame["layer"] != WHOLE, list(LAYER_COLUMNS)]
    places = places.drop_duplicates("layer_index").sort_values("layer_index").astype({"layer_index": int})
    return [Place(*cells) for cells in places.itertuples(index=False)]


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
