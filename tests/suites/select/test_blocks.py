"""Blocks as rows: the first also tells memory and agreement, a refused case is one row."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fbench.fisher.planning import fitting
from fbench.harness import registry
from fbench.suites.select import blocks, passes, ways
from fbench.suites.select import problem as selection
from fbench.suites.select.blocks import SelectionTask
from fbench.suites.select.ways import SelectionProblem, parse_way

PROBLEM = SelectionProblem(n=60, k=3, d=12, batch=4, labelled=6)
SUITE = registry.SUITES.get("select")


def task(name, problem=PROBLEM, dtype="float64", devices=("cpu",), **options):
    return SelectionTask(parse_way(name), problem, dtype, devices, SUITE.restored({"passes": 2, **options}))


def phases(rows):
    return [row["phase"] for row in rows]


TIMED = ["setup", "forward", "first_removal", "backward"]


def test_a_selections_blocks():
    (zero, first), (one, second) = blocks.run(task("incremental"), 0)
    assert (zero, one) == (0, 1)
    assert phases(first) == ["memory", *TIMED, "agreement"]
    assert phases(second) == TIMED
    assert all("time_s" not in row for row in first if row["phase"] in ("memory", "agreement"))
    row = first[-1]
    assert (row["same_picks"], row["picks"], row["reference"]) == (1.0, 4, "published")
    assert row["objective"] == pytest.approx(row["reference_objective"], rel=1e-9)
    assert row["drift"] < 1e-8
    assert row["refreshes"] >= 0


@pytest.mark.parametrize("name", ["published", "fused", "factored"])
def test_a_cut_short_selection_has_no_batch(name):
    row = next(blocks.run(task(name), 0))[1][-1]
    assert (row["phase"], row["picks"], row["same_picks"]) == ("agreement", 3, 1.0)
    assert "objective" not in row
    assert "drift" not in row
    whole = next(blocks.run(task(name, extrapolate=0), 0))[1][-1]
    assert whole["picks"] == 4
    assert whole["objective"] == pytest.approx(whole["reference_objective"], rel=1e-9)


def test_without_a_reference_agreement_is_empty():
    row = next(blocks.run(task("incremental", reference_budget=0), 0))[1][-1]
    assert row["phase"] == "agreement"
    assert not {"same_picks", "objective", "reference"} & row.keys()
    assert row["regularisation"] == 1.0


def test_random_draws_a_batch_a_block():
    drawn = [rows for _, rows in blocks.run(task("random"), 0)]
    assert [phases(rows) for rows in drawn] == [["agreement"]] * 2
    assert [rows[0]["pass_index"] for rows in drawn] == [0, 1]
    worth = [rows[0]["objective"] / rows[0]["reference_objective"] for rows in drawn]
    assert min(worth) > 1
    assert worth[0] != worth[1]


def test_scores():
    (_, first), (_, second) = blocks.run(task("score-inverse", dtype="float32"), 0)
    assert phases(first) == [*["score"] * 3, "memory", "agreement"] * 2
    assert [row["rows"] for row in second] == [3, 3, 3, 2, 2, 2]
    assert [row["pass_index"] for row in second] == [0, 1, 2, 0, 1, 2]


def test_it_goes_on_after_what_is_done(monkeypatch):
    ((index, rows),) = blocks.run(task("incremental"), 1)
    assert (index, phases(rows)) == (1, TIMED)
    monkeypatch.setattr(blocks, "warm_up_way", lambda *_: pytest.fail("nothing is left to warm up for"))
    assert list(blocks.run(task("incremental"), 2)) == []


def test_a_case_that_makes_no_sense_is_skipped():
    odd = SelectionProblem(n=60, k=5, d=12, batch=4, labelled=6)
    ((index, (row,)),) = blocks.run(task("incremental", odd), 0)
    assert (index, row["status"]) == (0, "skipped")
    assert "dim 12 is not a multiple of classes 5" in row["reason"]
    assert list(blocks.run(task("incremental", odd), 1)) == []


@pytest.mark.parametrize("chunk_size", [0, 64])
@pytest.mark.parametrize("name", ["published", "fused", "factored", "incremental"])
def test_a_case_that_would_not_fit_is_refused_before_it_begins(monkeypatch, name, chunk_size):
    for module in (ways, fitting):
        monkeypatch.setattr(module, "free_bytes", lambda device: 1000)
    monkeypatch.setattr(blocks, "warm_up_way", lambda *_: pytest.fail("it began"))
    monkeypatch.setattr(blocks, "choose_chunk", lambda *_, **__: pytest.fail("it began"))
    ((_, (row,)),) = blocks.run(task(name, chunk_size=chunk_size), 0)
    assert row["status"] == "oom"
    assert "1000 B are free on cpu" in row["reason"]


def test_dtypes_by_name():
    assert task("incremental", dtype="float32").torch_dtype is torch.float32


@pytest.mark.parametrize("name", ["published", "fused", "factored"])
@pytest.mark.parametrize("typed", [7, 10**6])
def test_the_chunk_is_the_one_typed(monkeypatch, name, typed):
    monkeypatch.setattr(blocks, "choose_chunk", lambda *_, **__: pytest.fail("it was typed"))
    for _, rows in blocks.run(task(name, chunk_size=typed), 0):
        assert {row["chunk_size"] for row in rows} == {typed}
    assert not any("chunk_size" in row for row in next(blocks.run(task("incremental", chunk_size=7), 0))[1])


@pytest.mark.parametrize("name", ["published", "fused", "factored"])
@pytest.mark.parametrize(("typed", "room", "most", "used"), [(2000, 1500, [], 1500), (0, 900, [900], 31)])
def test_a_chunk_that_memory_shrinks_is_the_one_on_record(monkeypatch, name, typed, room, most, used):
    """And the one that the selection is given; an automatic one is sought below it."""
    k, d = (30, 240) if name == "factored" else (6, 36)  # of fewer classes F takes more than its chunks
    problem = SelectionProblem(n=3000, k=k, d=d, batch=2, labelled=6)
    plan = ways.plan_way(problem, replace(parse_way(name), chunk_size=room), "float32")
    for module in (ways, fitting):
        monkeypatch.setattr(module, "free_bytes", lambda device: plan.needed)
    searched, asked, search = set(), [], selection.search
    monkeypatch.setattr(passes, "search", lambda way, *how: searched.add(way.chunk_size) or search(way, *how))
    monkeypatch.setattr(blocks, "choose_chunk", lambda *_, most, **__: asked.append(most) or 31)
    blocks._knee.cache_clear()
    small = task(name, problem, "float32", chunk_size=typed, passes=1, reference_budget=0)
    ((_, rows),) = blocks.run(small, 0)
    blocks._knee.cache_clear()
    assert {row["chunk_size"] for row in rows} == searched == {used}
    assert asked == most


def test_an_automatic_chunk_is_measured_once_on_the_problems_own_embedding(monkeypatch):
    seen = []

    def choose(V, inverse, F, *, kernel, most):
        seen.append((V.n, V.rows, V.dim, V.dtype, inverse.shape, F.shape, kernel, most))
        return 16

    monkeypatch.setattr(blocks, "choose_chunk", choose)
    blocks._knee.cache_clear()
    for dtype in ("float64", "float32", "float64"):
        (_, first), (_, second) = blocks.run(task("published", dtype=dtype, chunk_size=0), 0)
        assert {row["chunk_size"] for row in first + second} == {16}
        assert first[-1]["same_picks"] == 1.0
    blocks._knee.cache_clear()
    sizes = (60, 3, 12), ((12, 12), (12, 12), "published", 1024)
    assert seen == [(*sizes[0], dtype, *sizes[1]) for dtype in (torch.float64, torch.float32)]
