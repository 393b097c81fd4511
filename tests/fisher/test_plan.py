"""The plan of a selection's memory: from shapes alone, and held to what a selection was seen to take."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import fbench
from fbench.fisher import candidates, embeddings, information
from fbench.fisher import plan as planning
from fbench.fisher.plan import Shape, plan_selection, shape_of

GIB = 2**30
WIDE = Shape(n=1000, rows=99, dim=51_200, classes=100)  # 100 classes × 512 features
METHODS = ["incremental", "published", "diagonal"]


def test_shapes_of_embeddings() -> None:
    factored = fbench.last_layer_embedding(torch.zeros(7, 3), torch.ones(7, 5))
    assert shape_of(factored) == Shape(7, 2, 15, 3)
    assert shape_of(factored).width == 5
    assert shape_of(factored).numbers == factored.S.numel() + factored.h.numel()
    dense = fbench.dense_embedding(torch.ones(7, 2, 15))
    assert shape_of(dense) == Shape(7, 2, 15)
    assert shape_of(dense).numbers == 7 * 2 * 15


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("dtype", "itemsize"), [("float32", 4), ("float64", 8)])
def test_a_plan_adds_up(method: str, dtype: str, itemsize: int) -> None:
    plan = plan_selection(WIDE, dtype=dtype, method=method)
    assert plan.inputs == (1000 * 99 * 100 + 1000 * 512) * itemsize
    assert plan.growth == sum(plan.matrices.values()) + sum(plan.others.values())
    assert plan.total == plan.inputs + plan.growth
    copied = plan_selection(WIDE, dtype=dtype, method=method, copied=True)
    assert copied.others[f"the embedding in {dtype}"] == plan.inputs
    assert copied.growth >= plan.growth + plan.inputs


def test_the_matrices_are_those_of_d() -> None:
    square = 51_200**2
    assert plan_selection(WIDE).matrices["F"] == 4 * square
    assert sum(plan_selection(WIDE).matrices.values()) > (4 + 16) * square  # P and Q in float64, whatever the dtype
    assert sum(plan_selection(WIDE, dtype="float64").matrices.values()) > 3 * 8 * square
    assert plan_selection(WIDE, method="diagonal").matrices == {}
    assert plan_selection(WIDE, method="diagonal").growth < GIB // 10


def test_every_shard_of_a_device_has_its_own_matrices() -> None:
    five, six = (sum(plan_selection(WIDE, shards=shards).matrices.values()) for shards in (5, 6))
    assert six - five == 2 * 4 * 51_200**2


@pytest.mark.parametrize(
    ("device", "rows", "numbers"),
    [("cpu", 32, 32 * 33), ("cpu", 33, 2 * 33**2), ("cuda:1", 32, 2 * 32**2), ("cuda:1", 33, 2 * 33**2)],
)
def test_few_rows_are_packed_on_a_cpu(device: str, rows: int, numbers: int) -> None:
    plan = plan_selection(Shape(1000, rows, 50, 50), device=device)
    assert plan.parts["G and H of every candidate"] == 4 * 1000 * numbers
    assert plan.device == device.partition(":")[0]


def test_small_problems_hold_no_more_than_as_much_again() -> None:
    plan = plan_selection(Shape(100, 3, 20, 4))
    named = sum(size for name, size in plan.parts.items() if not name.startswith("temporaries"))
    assert named < plan.growth <= 2 * (named + 8 * 4 * 100 * 20)


def test_the_sizes_that_it_takes_from_elsewhere() -> None:
    """They are written down twice, since those modules import torch."""
    assert planning._CHUNK == embeddings._CHUNK_ELEMENTS
    assert planning._TILE == information._TILE
    assert planning._PACKED_ROWS == candidates._MOST_ROWS


GROWTH = """
import sys, torch
from fbench.fisher.bait import bait_select
from fbench.fisher.embeddings import dense_embedding, last_layer_embedding
from fbench.fisher.plan import plan_selection, shape_of
from fbench.measure.memory import peak_growth
n, k, h, method, dtype = *map(int, sys.argv[1:4]), *sys.argv[4:6]
def made(n, h):
    if k == 1:
        return dense_embedding(torch.randn(n, 3, h, dtype=getattr(torch, dtype)))
    return last_layer_embedding(torch.randn(n, k, dtype=getattr(torch, dtype)), torch.randn(n, h))
def select(embedding):
    bait_select(embedding, 1, labelled=range(10), method=method)
torch.set_num_threads(1)
select(made(60, 300 // k))  # what is loaded and compiled once is not a selection's
embedding = made(n, h)
with peak_growth() as growth:
    select(embedding)
print(growth.peak_bytes, plan_selection(shape_of(embedding), method=method, dtype=str(embedding.dtype)[6:]).growth)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are the Linux kernel's to tell")
@pytest.mark.parametrize(
    ("n", "k", "h", "method", "dtype"),
    [
        (2000, 6, 600, "incremental", "float32"),
        (2000, 1, 3600, "incremental", "float64"),
        (110_000, 20, 20, "incremental", "float32"),
        (16_000, 50, 8, "incremental", "float32"),
        (11_000, 6, 150, "published", "float32"),
        (60_000, 10, 100, "diagonal", "float32"),
    ],
    ids=["matrices", "matrices in float64", "candidates", "candidates of many rows", "published", "diagonal"],
)
def test_a_selection_grows_by_no_more_than_its_plan(n: int, k: int, h: int, method: str, dtype: str) -> None:
    words = [sys.executable, "-c", GROWTH, *map(str, (n, k, h)), method, dtype]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    grown, planned = map(int, said.split())
    assert grown <= planned
    if method != "diagonal":  # it takes nothing worth planning
        assert grown > 300e6
        assert planned < 1.7 * grown
