"""Predictions on the test set as rows of a CSV, and back: every metric can be had from them later.

A row is a network: ``logits`` [m, k] in float32 and ``targets`` [m] in int32, both row by row with the low byte first,
compressed by zlib, in base64. Nothing is unpickled, and no library of ours is needed to read them:

    numpy.frombuffer(zlib.decompress(base64.b64decode(logits)), "<f4").reshape(samples, classes)
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fbench.errors import DataError
from fbench.harness.contract import Row
from fbench.learning.run_tables import table_file, table_rows

__all__ = ["PredictionKey", "Predictions", "load_predictions", "prediction_row"]

_COLUMNS = ("strategy", "seed", "round", "samples", "classes", "logits", "targets")


class PredictionKey(NamedTuple):
    """Whose predictions they are: an arm, a seed and a round."""

    strategy: str
    seed: int
    round: int


class Predictions(NamedTuple):
    """What a network said of its test set.

    Attributes:
        logits: [m, k] float32.
        targets: [m] int64.
    """

    logits: Tensor
    targets: Tensor


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


def load_predictions(path: str | Path) -> dict[PredictionKey, Predictions]:
    """The predictions that ``fbench compare --keep-predictions`` wrote, in the file's order.

    Args:
        path: a ``predictions.csv``, or the run's folder.

    Raises:
        DataError: no such file, other columns, or a damaged row; naming the line.

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
    for line, row in table_rows(path, "predictions.csv", _COLUMNS):
        try:
            kept[PredictionKey(row["strategy"], int(row["seed"]), int(row["round"]))] = _predictions(row)
        except (ValueError, zlib.error) as error:
            raise DataError(f"{path}, line {line}: the row is damaged: {error}; was it cut?") from error
    return kept


def _predictions(row: Mapping[str, str]) -> Predictions:
    samples, classes = int(row["samples"]), int(row["classes"])
    logits, targets = _unpacked(row["logits"], "<f4"), _unpacked(row["targets"], "<i4")
    if (logits.numel(), len(targets)) != (samples * classes, samples):
        raise ValueError(f"{logits.numel()} logits and {len(targets)} targets for {samples} samples")
    return Predictions(logits.reshape(samples, classes), targets.to(torch.int64))


def _packed(values: Tensor, dtype: str) -> str:
    data = values.cpu().numpy().astype(dtype).tobytes()
    return base64.b64encode(zlib.compress(data)).decode("ascii")


def _unpacked(text: str, dtype: str) -> Tensor:
    data = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), dtype)
    return torch.from_numpy(data.copy())
