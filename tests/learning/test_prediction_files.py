"""Kept predictions: what is written is what is read, and what is damaged is named."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from fbench.errors import DataError
from fbench.learning.prediction_files import (
    PredictionKey,
    Predictions,
    load_predictions,
    prediction_row,
    samples_row,
)
from fbench.learning.run_tables import packed_cell

KEPT = Predictions(
    torch.randn(7, 3, generator=torch.Generator().manual_seed(0)),
    torch.arange(7) % 3,
    [f"é{i}.png" for i in range(7)],
    torch.arange(20, 27),
)


def written(path: Path, **changed: object) -> Path:
    return to_csv(path, {"strategy": "bait", "seed": 4, "round": 2, **prediction_row(KEPT), **changed})


def to_csv(path: Path, values: dict[str, object]) -> Path:
    row = {"case": "c", **values}
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
    assert (read.ids, read.indices) == ((), None)  # a run from before
    to_csv(tmp_path / "test_samples.csv", {"strategy": "bait", "seed": 4, "round": 0, **samples_row(KEPT)})
    ((key, read),) = load_predictions(tmp_path).items()
    assert (list(read.ids), list(read)) == (KEPT.ids, [read.logits, read.targets])
    assert torch.equal(read.indices, KEPT.indices)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"samples": 6}, "line 2: the row is damaged: logits: 73 bytes or more, not 72; was it cut"),
        ({"classes": 4}, "line 2: the row is damaged: logits: 84 bytes, not 112; was it cut"),
        ({"classes": -3}, "line 2: the row is damaged: logits: -84 is no number of bytes"),
        ({"logits": "AAAA"}, "line 2: the row is damaged: logits: Error -3 while decompressing"),
        ({"targets": packed_cell(bytes(10**8))}, "line 2: the row is damaged: targets: 29 bytes or more, not 28"),
        ({"targets": "?"}, "line 2: the row is damaged"),
        ({"seed": "x"}, "line 2: the row is damaged: invalid literal"),
    ],
)
def test_a_damaged_row_is_named(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=rf"p\.csv, {message}"):
        load_predictions(written(tmp_path / "p.csv", **changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ids": '["a"]'}, r"test_samples\.csv, line 2: the row is damaged: ids are no list of 7"),
        ({"ids": "{}"}, r"test_samples\.csv, line 2: the row is damaged: ids are no list of 7"),
        ({"ids": "["}, r"test_samples\.csv, line 2: the row is damaged: Expecting value"),
        (
            {"indices": packed_cell(bytes(8))},
            r"test_samples\.csv, line 2: the row is damaged: indices: 8 bytes, not 56",
        ),
        (
            {"samples": 1, "indices": packed_cell(bytes(8)), "ids": json.dumps(["a"])},
            r"predictions\.csv, line 2: the row is damaged: 7 samples, and test_samples.csv has 1",
        ),
    ],
)
def test_a_damaged_row_of_the_test_set_is_named(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    written(tmp_path / "predictions.csv")
    key = {"strategy": "bait", "seed": 4, "round": 0}
    to_csv(tmp_path / "test_samples.csv", {**key, **samples_row(KEPT), **changed})
    with pytest.raises(DataError, match=message):
        load_predictions(tmp_path)


def test_another_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"other\.csv has no column 'strategy': give the predictions.csv of a run"):
        load_predictions(tmp_path / "other.csv")
    with pytest.raises(DataError, match=r"predictions\.csv: no such file; give the predictions.csv of a run"):
        load_predictions(tmp_path)
