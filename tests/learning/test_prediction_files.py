"""Kept predictions: what is written is what is read, and what is damaged is named."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from fbench.errors import DataError
from fbench.learning.prediction_files import PredictionKey, Predictions, load_predictions, prediction_row

KEPT = Predictions(torch.randn(7, 3, generator=torch.Generator().manual_seed(0)), torch.arange(7) % 3)


def written(path: Path, **changed: object) -> Path:
    row = {"case": "c", "strategy": "bait", "seed": 4, "round": 2, **prediction_row(KEPT), **changed}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "predictions.csv")
    ((key, read),) = load_predictions(tmp_path).items()
    assert key == PredictionKey("bait", 4, 2)
    assert torch.equal(read.logits, KEPT.logits)
    assert torch.equal(read.targets, KEPT.targets)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"samples": 6}, "line 2: the row is damaged: 21 logits and 7 targets for 6 samples; was it cut"),
        ({"classes": 4}, "line 2: the row is damaged: 21 logits and 7 targets for 7 samples"),
        ({"logits": "AAAA"}, "line 2: the row is damaged: Error -3 while decompressing"),
        ({"targets": "?"}, "line 2: the row is damaged"),
        ({"seed": "x"}, "line 2: the row is damaged: invalid literal"),
    ],
)
def test_a_damaged_row_is_named(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=rf"p\.csv, {message}"):
        load_predictions(written(tmp_path / "p.csv", **changed))


def test_another_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"other\.csv has no column 'strategy': give the predictions.csv of a run"):
        load_predictions(tmp_path / "other.csv")
    with pytest.raises(DataError, match=r"predictions\.csv: no such file; give the predictions.csv of a run"):
        load_predictions(tmp_path)
