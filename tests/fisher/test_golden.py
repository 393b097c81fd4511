"""The picks of the method's authors, reproduced in order. golden/README.md says how they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference
import torch

import fbench

METHODS = ["published", "fused", "factored", "incremental"]
GOLDEN = sorted((Path(__file__).parent / "golden").glob("bait_*.npz"))


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def select(data: dict[str, np.ndarray], dtype: torch.dtype, *, dense: bool = False, **how: object) -> list[int]:
    logits, features = (torch.tensor(data[name]).to(dtype) for name in ("logits", "features"))
    embedding = fbench.last_layer_embedding(logits, features)
    chosen = fbench.bait_select(
        fbench.dense_embedding(embedding.dense()) if dense else embedding,
        int(data["batch_size"]),
        labelled=torch.tensor(data["labelled"]),
        regularisation=float(data["regularisation"]),
        dtype=dtype,
        **how,
    )
    return chosen.indices.tolist()


def test_all_six_are_here() -> None:
    assert [path.stem for path in GOLDEN] == [f"bait_{i}" for i in range(6)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_float64_picks_are_the_authors(path: Path, method: str) -> None:
    data = load(path)
    assert select(data, torch.float64, method=method) == data["picks_float64"].tolist()


# Every gap of the six is above 7.9e-5, eight of float32's tolerances (golden/README.md): all are decided.
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_float32_picks_are_the_authors(path: Path, method: str) -> None:
    data = load(path)
    assert select(data, torch.float32, method=method) == data["picks_float32"].tolist()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", GOLDEN[::3], ids=lambda path: path.stem)
def test_three_shards_pick_the_same(path: Path, method: str) -> None:
    data = load(path)
    assert select(data, torch.float64, method=method, devices=["cpu"] * 3) == data["picks_float64"].tolist()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("method", ["published", "fused", "incremental"])
@pytest.mark.parametrize("path", GOLDEN[::3], ids=lambda path: path.stem)
def test_v_built_gives_the_same_picks(path: Path, method: str, dtype: torch.dtype) -> None:
    data = load(path)
    expected = data["picks_float64" if dtype == torch.float64 else "picks_float32"].tolist()
    assert select(data, dtype, method=method, dense=True) == expected


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("chunk", [11, 10**6])
@pytest.mark.parametrize("method", ["published", "fused", "factored"])
def test_chunks_of_any_size_pick_the_same(method: str, chunk: int, dtype: torch.dtype, full: bool) -> None:
    for path in GOLDEN if full else GOLDEN[:1]:
        data = load(path)
        expected = data["picks_float64" if dtype == torch.float64 else "picks_float32"].tolist()
        assert select(data, dtype, method=method, chunk_size=chunk) == expected


def test_the_slow_reference_agrees_with_the_authors() -> None:
    data = load(GOLDEN[3])
    V = reference.last_layer_rows(torch.tensor(data["logits"]), torch.tensor(data["features"]))
    chosen = reference.bait(V, int(data["batch_size"]), data["labelled"].tolist(), float(data["regularisation"]))
    assert chosen.kept == data["picks_float64"].tolist()
