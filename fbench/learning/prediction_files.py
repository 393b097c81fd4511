"""Predictions on the test set as rows of a CSV, and back: every metric can be had from them later.

A row of ``predictions.csv`` is a network: ``logits`` [m, k] in float32 and ``targets`` [m] in int32, both row by row
with the low byte first, compressed by zlib, in base64. Nothing is unpickled, and no library of ours is needed to read
them:

    numpy.frombuffer(zlib.decompress(base64.b64decode(logits)), "<f4").reshape(samples, classes)

A row of ``test_samples.csv`` is a seed's test set, the same in all rounds of an arm: ``indices`` [m] likewise, in
int64, and ``ids``, the samples' own, as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fbench.errors import DataError
from fbench.harness.contract import Row
from fbench.learning.run_tables import packed_cell, table_file, table_rows, unpacked_cell

__all__ = ["PredictionKey", "Predictions", "load_predictions", "prediction_row", "samples_row"]

_KEY = ("strategy", "seed", "round")
_COLUMNS = (*_KEY, "samples", "classes", "logits", "targets")
_TESTED = (*_KEY, "samples", "indices", "ids")


class PredictionKey(NamedTuple):
    """Whose predictions they are: an arm, a seed and a round."""

    strategy: str
    seed: int
    round: int


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network said of its test set; it unpacks into logits and targets.

    Attributes:
        logits: [m, k] float32.
        targets: [m] int64.
        ids: of the m samples, in the user's data; empty where these have none.
        indices: [m] int64, where each sample stands in the data set, or in its test set where it has one of its own;
            None in a run from before they were kept.

    Example:
        >>> logits, targets = Predictions(torch.zeros(2, 3), torch.tensor([0, 2]), ids=("a.png", "b.png"))
        >>> targets.tolist()
        [0, 2]
    """

    logits: Tensor
    targets: Tensor
    ids: Sequence[str] = ()
    indices: Tensor | None = None

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.logits, self.targets))


def prediction_row(predictions: Predictions) -> Row:
    """The columns ``samples``, ``classes``, ``logits`` and ``targets`` of a row.

    Example:
        >>> row = prediction_row(Predictions(torch.zeros(2, 3), torch.tensor([0, 2])))
        >>> row["samples"], row["classes"]
        (2, 3)
    """
    samples, classes = predictions.logits.shape
    return {
        "samples": samples,
        "classes": classes,
        "logits": _packed(predictions.logits, "<f4"),
        "targets": _packed(predictions.targets, "<i4"),
    }


def samples_row(predictions: Predictions) -> Row:
    """The columns ``samples``, ``indices`` and ``ids`` of a row; None where there are none.

    Example:
        >>> samples_row(Predictions(torch.zeros(2, 3), torch.tensor([0, 2]), ("a.png", "b.png")))["ids"]
        '["a.png", "b.png"]'
    """
    indices, ids = predictions.indices, list(predictions.ids)
    return {
        "samples": len(predictions.targets),
        "indices": None if indices is None else _packed(indices, "<i8"),
        "ids": json.dumps(ids, ensure_ascii=False) if ids else None,
    }


class _Tested(NamedTuple):
    """A seed's test set."""

    ids: Sequence[str] = ()
    indices: Tensor | None = None


_UNTOLD = _Tested()


def load_predictions(
    path: str | Path, *, dataset: str = "", regularisation: str = ""
) -> dict[PredictionKey, Predictions]:
    """The predictions that ``fbench compare --keep-predictions`` wrote, in the file's order.

    Args:
        path: a ``predictions.csv``, or the run's folder. Ids and indices are those of ``test_samples.csv`` beside it.
        dataset: of a run of several, which, as it is written there; empty for all.
        regularisation: of a run of several λ, which, as it was typed; strategies without one are always there.

    Raises:
        DataError: no such file, other columns, or a damaged row, naming the line; several rows of a network, where a
            run of several data sets or λ is read without saying which.

    Example:
        >>> import tempfile
        >>> import pandas
        >>> kept = Predictions(torch.tensor([[0.5, -1.0]]), torch.tensor([1]))
        >>> row = {"strategy": "bait", "seed": 0, "round": 2, **prediction_row(kept)}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pandas.DataFrame([row]).to_csv(Path(folder) / "predictions.csv", index=False)
        ...     predictions = load_predictions(folder)
        >>> predictions["bait", 0, 2].logits.tolist()
        [[0.5, -1.0]]
    """
    kept: dict[PredictionKey, Predictions] = {}
    path = table_file(path, "predictions.csv")
    asked = {"dataset": dataset, "lambda": regularisation}
    tested = _test_sets(path.with_name("test_samples.csv"), asked)
    for line, row in table_rows(path, "predictions.csv", _COLUMNS):
        if _elsewhere(row, asked):
            continue
        try:
            key = PredictionKey(row["strategy"], int(row["seed"]), int(row["round"]))
            predictions = _predictions(row, tested.get(key[:2], _UNTOLD))
        except ValueError as error:
            raise _damaged(path, line, error) from error
        if key in kept:
            raise DataError(
                f"{path}, line {line}: {key.strategy}, seed {key.seed}, round {key.round} stands twice, as in a run of "
                "several data sets or λ; give dataset=… and regularisation=…"
            )
        kept[key] = predictions
    return kept


def _elsewhere(row: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    """Whether a row is of another data set or λ than the one asked for."""
    return any(value and row.get(name) not in (None, "", value) for name, value in asked.items())


def _damaged(path: Path, line: int, error: ValueError) -> DataError:
    return DataError(f"{path}, line {line}: the row is damaged: {error}; was it cut?")


def _predictions(row: Mapping[str, str], tested: _Tested) -> Predictions:
    samples, classes = int(row["samples"]), int(row["classes"])
    if tested.indices is not None and len(tested.indices) != samples:
        raise ValueError(f"{samples} samples, and test_samples.csv has {len(tested.indices)}")
    logits, targets = _unpacked(row, "logits", "<f4", samples * classes), _unpacked(row, "targets", "<i4", samples)
    return Predictions(logits.reshape(samples, classes), targets.to(torch.int64), tested.ids, tested.indices)


def _test_sets(path: Path, asked: Mapping[str, str]) -> dict[tuple[str, int], _Tested]:
    """The test set of every arm and seed; none in a run from before they were kept."""
    if not path.exists():
        return {}
    test_sets = {}
    for line, row in table_rows(path, "test_samples.csv", _TESTED):
        if _elsewhere(row, asked):
            continue
        try:
            test_sets[row["strategy"], int(row["seed"])] = _test_set(row)
        except ValueError as error:
            raise _damaged(path, line, error) from error
    return test_sets


def _test_set(row: Mapping[str, str]) -> _Tested:
    samples = int(row["samples"])
    indices = _unpacked(row, "indices", "<i8", samples) if row["indices"] else None
    ids: Any = json.loads(row["ids"]) if row["ids"] else []
    if not isinstance(ids, list) or len(ids) not in (0, samples):
        raise ValueError(f"ids are no list of {samples}")
    return _Tested(tuple(map(str, ids)), indices)


def _packed(values: Tensor, dtype: str) -> str:
    return packed_cell(values.cpu().numpy().astype(dtype).tobytes())


def _unpacked(row: Mapping[str, str], column: str, dtype: str, count: int) -> Tensor:
    """The numbers of a cell, exactly so many."""
    try:
        data = unpacked_cell(row[column], count * np.dtype(dtype).itemsize)
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from error
    return torch.from_numpy(np.frombuffer(data, dtype).copy())
