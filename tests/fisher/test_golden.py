"""The picks of the method's authors, reproduced in order. golden/README.md says how they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference
import torch

import fbench

GOLDEN = sorted((Path(__file__).parent / "golden").glob("bait_*.npz"))


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def select(data: dict[str, np.ndarray], dtype: torch.dtype, **how: object) -> list[int]:
    logits, features = (torch.tensor(data[name]).to(dtype) for name in ("logits", "features"))
    chosen = fbench.bait_select(
        fbench.last_layer_embedding(logits, features),
        int(data["batch_size"]),
        labelled=torch.tensor(data["labelled"]),
        regularisation=float(data["regularisation"]),
        dtype=dtype,
        **how,
    )
    return chosen.indices.tolist()


def test_all_six_are_here() -> None:
    assert [path.stem for path in GOLDEN] == [f"bait_{i}" for i in range(6)]


@pytest.mark.parametrize("method", ["published", "incremental"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_float64_picks_are_the_authors(path: Path, method: str) -> None:
    data = load(path)
    assert select(data, torch.float64, method=method) == data["picks_float64"].tolist()


# Every gap of the six is above 7.9e-5, eight of float32's tolerances (golden/README.md): all are decided.
@pytest.mark.parametrize("method", ["published", "incremental"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_float32_picks_are_the_authors(path: Path, method: str) -> None:
    data = load(path)
    assert select(data, torch.float32, method=method) == data["picks_float32"].tolist()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_three_shards_pick_the_same(path: Path) -> None:
    data = load(path)
    assert select(data, torch.float64, devices=["cpu"] * 3) == data["picks_float64"].tolist()


def test_the_slow_reference_agrees_with_the_authors() -> None:
    data = load(GOLDEN[3])
    V = reference.last_layer_rows(torch.tensor(data["logits"]), torch.tensor(data["features"]))
    chosen = reference.bait(V, int(data["batch_size"]), data["labelled"].tolist(), float(data["regularisation"]))
    assert chosen.kept == data["picks_float64"].tolist()
