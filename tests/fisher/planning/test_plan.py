"""The plan of a selection's memory: from shapes alone, and held to what a selection was seen to take."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import fbench
from fbench.fisher.planning import plan as planning
from fbench.fisher.planning.phases import SelectionSizes, phases
from fbench.fisher.planning.plan import MEMORY_MARGIN, Shape, StepCounts, plan_selection, shape_of
from fbench.fisher.selection.bait import Search

GIB = 2**30
WIDE = Shape(n=1000, rows=99, dim=51_200, classes=100)  # 100 classes × 512 features
METHODS = ["incremental", "published", "fused", "factored", "diagonal"]


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
    assert plan.growth == sum(plan.matrices.values()) + sum(plan.others.values()) == sum(plan.parts.values())
    assert plan.total == plan.inputs + plan.growth
    assert (plan.shape, plan.method, plan.dtype) == (WIDE, method, dtype)
    copied = plan_selection(WIDE, dtype=dtype, method=method, copied=True)
    assert copied.others[f"the embedding in {dtype}"] == plan.inputs
    assert copied.growth == plan.growth + plan.inputs


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [WIDE, Shape(100, 3, 20, 4), Shape(7, 2, 15)], ids=["wide", "small", "dense"])
def test_nothing_is_added_to_the_formulas(method: str, shape: Shape) -> None:
    """No floor and no surcharge: a plan is its dearest phase, however small."""
    plan = plan_selection(shape, method=method, counts=StepCounts(6, 2, 50))
    formulas = phases(method, SelectionSizes(shape, 4, "cpu", 1, 6, 2, 50))
    assert plan.phases == formulas
    assert list(formulas) == ["fisher", "init", "forward", "backward"]
    assert plan.growth == max(held.bytes for held in formulas.values()) == formulas[plan.phase].bytes


def test_the_matrices_are_those_of_d() -> None:
    """Float32: F stays, P and Q of the removals are float64. Float64: M besides, which measures P's drift."""
    square = 51_200**2
    assert plan_selection(WIDE).phase == "backward"
    assert plan_selection(WIDE).matrices == {"F": 4 * square, "P and Q in float64": 16 * square}
    wide = plan_selection(WIDE, dtype="float64").matrices
    assert wide == {"F": 8 * square, "P and Q": 16 * square, "M in float64": 8 * square}
    assert plan_selection(WIDE, method="diagonal").matrices == {}
    assert plan_selection(WIDE, method="diagonal").growth < GIB // 10


@pytest.mark.parametrize(("method", "kernels"), [("published", {}), ("fused", {"Q": 4})])
def test_the_matrices_of_a_trace_kernel(method: str, kernels: dict[str, int]) -> None:
    """F, F/α, M, M⁻¹ and what the kernel makes of them; at the peak a chunk's two products and V, which it builds."""
    plan = plan_selection(WIDE, method=method, counts=StepCounts(10, 0, 1000))
    square, rows = 51_200**2, 99 * 51_200 * 4
    itemsizes = {"F": 4, "F/α": 4, "M in float64": 8, "M⁻¹": 4, **kernels}
    assert plan.phase == "forward"
    assert plan.matrices == {name: size * square for name, size in itemsizes.items()}
    assert plan.others["V, built"] == 1000 * rows
    assert plan.others["two products of a chunk"] == 2 * 1000 * rows + 1000 * 99**2 * 4
    dense = plan_selection(Shape(1000, 99, 51_200), method=method, counts=StepCounts(10, 0, 1000))
    assert "V, built" not in dense.others
    assert dense.matrices == plan.matrices


def test_factored_never_builds_v() -> None:
    plan = plan_selection(WIDE, method="factored", counts=StepCounts(10, 0, 200))
    square = 51_200**2
    assert "V, built" not in plan.others
    itemsizes = {"F": 4, "F/α": 4, "M in float64": 8, "M⁻¹": 4, "Q": 4, "upper blocks of M⁻¹ and Q": 4 * 101 / 100}
    assert plan.matrices == {name: int(size * square) for name, size in itemsizes.items()}


@pytest.mark.parametrize(("method", "size"), [("incremental", 8), ("published", 12), ("fused", 12), ("factored", 12)])
def test_every_shard_of_a_device_has_its_own_matrices(method: str, size: int) -> None:
    """P and Q of the incremental update; F/α, and M in float64, of the others."""
    five, six = (
        sum(plan_selection(WIDE, shards=shards, method=method, counts=StepCounts(10, 0)).matrices.values())
        for shards in (5, 6)
    )
    assert six - five == size * 51_200**2


@pytest.mark.parametrize(
    ("device", "rows", "numbers"),
    [("cpu", 32, 32 * 33), ("cpu", 33, 2 * 33**2), ("cuda:1", 32, 2 * 32**2), ("cuda:1", 33, 2 * 33**2)],
)
def test_few_rows_are_packed_on_a_cpu(device: str, rows: int, numbers: int) -> None:
    plan = plan_selection(Shape(1000, rows, 50, 50), device=device)
    for phase in ("init", "forward"):
        assert plan.phases[phase].others["G and H of every candidate"] == 4 * 1000 * numbers
    assert plan.device == device.partition(":")[0]


def test_counts_are_those_of_a_selection() -> None:
    """As ``Search`` takes them."""
    for batch, oversample, n, labelled in [(8, 2.0, 100, 20), (5, 1.0, 30, 0), (5, 1.7, 17, 10), (7, 3.0, 17, 10)]:
        V = fbench.dense_embedding(torch.randn(n, 2, 3))
        search = Search(V, batch, labelled=range(labelled), oversample=oversample)
        counts = StepCounts.of(batch, oversample, n - labelled, 64)
        chosen = fbench.bait_select(V, batch, labelled=range(labelled), oversample=oversample)
        assert counts.picks == search.picks == len(chosen.forward)
        assert counts.removals == len(chosen.forward) - len(chosen.indices)
        assert counts.chunk_size == 64
    assert StepCounts.of(9, 2.0, 5).removals == 0  # more than there are: refused elsewhere, and never less than none


def test_without_counts_a_tenth_is_picked_and_half_of_it_removed() -> None:
    few, many = (plan_selection(Shape(n, 3, 20, 4)).sizes for n in (1001, 10**6))
    assert (few.picks, few.removals, few.chunk) == (102, 51, 1024)
    assert (many.picks, many.removals) == (1024, 512)
    assert plan_selection(Shape(1, 3, 20, 4)).sizes.picks == 1


def test_without_removals_nothing_is_widened() -> None:
    with_, without = (plan_selection(WIDE, method="fused", counts=StepCounts(10, n)).phases["backward"] for n in (5, 0))
    assert "F/α in float64" in with_.matrices
    assert without.bytes < with_.bytes
    assert set(without.matrices) == {"F", "F/α", "M in float64"}


@pytest.mark.parametrize("growth", [0, 1, 100, 10**12 + 7])
def test_the_margin(growth: int) -> None:
    assert planning.with_margin(growth) == pytest.approx(growth * 115 / 100, abs=1)


def test_what_is_needed_has_the_margin() -> None:
    plan = plan_selection(WIDE)
    assert plan.growth * 1.15 - 1 < plan.needed <= plan.growth * 1.15


@pytest.mark.parametrize("most", [-1, 0, 1, 2, 3, 10, 1000])
def test_the_largest_that_fits(most: int) -> None:
    """Against asking of every number; it is asked of a few."""
    for bound in (-1, 0, 1, 2, 7, 999, 1000, 5000):
        asked: list[int] = []

        def fits(number: int, bound: int = bound, asked: list[int] = asked) -> bool:
            asked.append(number)
            return number <= bound

        assert planning.largest_fitting(most, fits) == max((i for i in range(1, most + 1) if i <= bound), default=0)
        assert len(asked) <= 12
        assert all(1 <= number <= most for number in asked)


def test_another_plan_changes_what_is_asked_and_nothing_else() -> None:
    plan = plan_selection(
        WIDE, dtype="float64", method="fused", device="cuda:1", shards=2, counts=StepCounts(30, 10, 77)
    )
    assert planning.replanned(plan) == plan
    small = Shape(10, 3, 20, 4)
    assert planning.replanned(plan, shape=small, dtype="float32", method="incremental") == plan_selection(
        small, device="cuda", shards=2, counts=StepCounts(30, 10, 77)
    )
    copied = plan_selection(WIDE, method="fused", copied=True, counts=StepCounts(30, 10, 77))
    other = plan_selection(WIDE, method="fused", copied=True, counts=StepCounts(30, 10, 5))
    assert planning.rechunked(copied, 5) == other


GROWTH = """
import sys, torch
from fbench.fisher.selection.bait import bait_select
from fbench.fisher.embeddings import dense_embedding, last_layer_embedding
from fbench.fisher.planning.plan import StepCounts, plan_selection, shape_of
from fbench.measure.memory.growth import peak_growth
method, dense, dtype, n, k, h, chunk = *sys.argv[1:4], *map(int, sys.argv[4:])
def made(n, h):
    embedding = last_layer_embedding(*(torch.randn(n, size, dtype=getattr(torch, dtype)) for size in (k, h)))
    return dense_embedding(embedding.dense()) if dense == "dense" else embedding
def select(embedding):
    bait_select(embedding, 1, labelled=range(10), method=method, chunk_size=chunk)
torch.set_num_threads(1)
select(made(60, 300 // k))  # what is loaded and compiled once is not a selection's
embedding = made(n, h)
with peak_growth() as growth:
    select(embedding)
plan = plan_selection(shape_of(embedding), method=method, dtype=dtype, counts=StepCounts(2, 1, chunk))
print(growth.peak_bytes, plan.growth)
"""
LARGE = {
    "incremental, matrices": ("incremental", "factored", "float32", 1000, 5, 1000, 1),
    "incremental, matrices in float64": ("incremental", "dense", "float64", 1000, 2, 2200, 1),
    "incremental, candidates": ("incremental", "factored", "float32", 200_000, 20, 20, 1),
    "incremental, candidates of many rows": ("incremental", "factored", "float32", 30_000, 50, 8, 1),
    "published, V built": ("published", "factored", "float32", 30_000, 6, 150, 256),
    "published, chunk": ("published", "dense", "float32", 9000, 6, 300, 9000),
    "published, matrices": ("published", "dense", "float32", 300, 3, 1600, 64),
    "fused, V built": ("fused", "factored", "float32", 30_000, 6, 150, 256),
    "fused, chunk": ("fused", "dense", "float32", 9000, 6, 300, 9000),
    "fused, matrices": ("fused", "dense", "float64", 300, 3, 1400, 64),
    "factored, chunk": ("factored", "factored", "float32", 30_000, 40, 10, 30_000),
    "factored, matrices": ("factored", "factored", "float32", 300, 3, 1400, 64),
}
"""Method, how V is given, dtype, n, k, h and candidates of a chunk; each grows by more than 500 MB."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are the Linux kernel's to tell")
@pytest.mark.parametrize("case", LARGE)
def test_a_large_selection_grows_by_its_plan(case: str) -> None:
    """Resident memory, within the margin both ways."""
    words = [sys.executable, "-c", GROWTH, *map(str, LARGE[case])]
    grown, planned = map(int, subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())
    print(f"{case}: {grown / 1e6:.1f} MB grown, {planned / 1e6:.1f} MB planned, {grown / planned:.3f}")
    assert planned > 500e6
    assert grown == pytest.approx(planned, rel=MEMORY_MARGIN)
