"""Names of ways, what they will hold, and which problems they cannot be put to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fbench.errors import SweepError, TooLargeError, UnknownNameError
from fbench.fisher import fitting
from fbench.fisher.plan import Shape
from fbench.learning import ways
from fbench.learning.ways import Problem, parse_way, parse_ways

PROBLEM = Problem(n=100, k=4, d=32, batch=5, labelled=10)


def test_sizes_of_a_problem():
    assert (PROBLEM.h, PROBLEM.picks, PROBLEM.removals) == (8, 10, 5)
    few = replace(PROBLEM, n=17, oversample=1.7)
    assert (few.picks, few.removals) == (7, 2)  # ⌈1.7·5⌉ is 9, 7 are left
    assert replace(PROBLEM, oversample=1.0).removals == 0


@pytest.mark.parametrize(
    ("text", "embedding", "number", "engine"),
    [
        ("incremental", "exact", 0, "incremental"),
        ("published", "dense", 0, "published"),
        ("diagonal", "exact", 0, "diagonal"),
        ("top2", "top", 2, "incremental"),
        ("top12", "top", 12, "incremental"),
        ("pca", "pca", 0, "incremental"),
        ("pca:16", "pca", 16, "incremental"),
        ("subsample:70", "subsample", 70, "incremental"),
    ],
)
def test_a_way_by_its_name(text, embedding, number, engine):
    way = parse_way(text)
    assert (way.name, way.kind, way.embedding, way.number, way.engine) == (
        text,
        "selection",
        embedding,
        number,
        engine,
    )


@pytest.mark.parametrize("text", ["top", "top0", "top-1", "pca:", "pca:0", "pca16", "subsample:x", "bait", "topx2"])
def test_another_name_is_refused(text):
    with pytest.raises(UnknownNameError, match=f"unknown --methods '{text}'.*Known: .*published"):
        parse_way(text)


def test_a_list_of_ways():
    assert parse_ways("published, incremental,top3") == ("published", "incremental", "top3")
    with pytest.raises(SweepError, match="method 'top3' stands twice"):
        parse_ways("top3,top3")


def test_automatic_numbers_are_the_strategies():
    assert parse_way("pca").count(PROBLEM) == 2  # a quarter of 8 features
    assert parse_way("subsample").count(PROBLEM) == 50  # 10·B
    assert parse_way("subsample").count(replace(PROBLEM, n=40)) == 30  # all that are left


def test_shapes():
    assert parse_way("incremental").shape(PROBLEM) == Shape(100, 3, 32, 4)
    assert parse_way("published").shape(PROBLEM) == Shape(100, 4, 32)
    assert parse_way("subsample:20").shape(PROBLEM) == Shape(30, 3, 32, 4)
    assert parse_way("top2").shape(PROBLEM) == Shape(100, 2, 32, 4)
    assert parse_way("binary").shape(PROBLEM) == Shape(100, 1, 8, 1)
    assert parse_way("pca").shape(PROBLEM) == Shape(100, 3, 8, 4)


def test_which_are_exact():
    names = ("incremental", "published", "diagonal", "top2", "binary", "pca", "subsample", "random", "score-packed")
    assert [name for name in names if parse_way(name).exact] == ["incremental", "published"]


@pytest.mark.parametrize(
    ("way", "problem", "devices", "reason"),
    [
        ("incremental", PROBLEM, ("cpu",), ""),
        ("incremental", replace(PROBLEM, d=33), ("cpu",), "dim 33 is not a multiple of classes 4"),
        ("random", replace(PROBLEM, batch=91), ("cpu",), "batch 91 is more than the 90 unlabelled of 100 candidates"),
        ("random", replace(PROBLEM, n=5), ("cpu",), "batch 5 is more than the 0 unlabelled of 5 candidates"),
        ("top5", PROBLEM, ("cpu",), "top5 keeps 5 classes, more than the 4 there are"),
        ("pca:9", PROBLEM, ("cpu",), "pca:9 keeps 9 components, more than the 8 features"),
        ("subsample:4", PROBLEM, ("cpu",), "subsample:4 keeps 4 unlabelled candidates, fewer than batch 5"),
        ("score-packed", PROBLEM, ("cuda:0",), "score-packed is compiled for CPUs"),
    ],
)
def test_why_a_way_cannot_be_put_to_a_problem(way, problem, devices, reason):
    found = ways.unfit(problem, parse_way(way), devices)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_packed_scores_need_numba(monkeypatch):
    monkeypatch.setattr(ways.importlib.util, "find_spec", lambda name: None)
    assert ways.unfit(PROBLEM, parse_way("score-packed"), ("cpu",)) == "score-packed needs numba; pip install numba"


@pytest.mark.parametrize("name", ["incremental", "published", "score-inverse"])
def test_what_does_not_fit_is_refused_with_its_bytes(monkeypatch, name):
    monkeypatch.setattr(fitting, "free_bytes", lambda device: 1000)
    with pytest.raises(TooLargeError, match=r"the selection needs .* and 1,?000 B are free on cpu.*What fits"):
        ways.check_memory(PROBLEM, parse_way(name), "float32", ("cpu",))
    ways.check_memory(PROBLEM, parse_way("random"), "float32", ("cpu",))


def test_a_score_is_planned_with_its_stacks():
    bare = ways.plan_way(PROBLEM, parse_way("incremental"), "float32")
    assert ways.plan_way(PROBLEM, parse_way("score-inverse"), "float32").total > bare.total + 6 * 100 * 16 * 4


def test_the_reference_is_the_first_that_the_budget_allows():
    published, incremental = ways.published_operations(PROBLEM), ways.incremental_operations(PROBLEM)
    assert published == 8 * 100 * 4 * 32**2 * 10
    assert ways.published_operations(PROBLEM, 1) == 8 * 100 * 4 * 32**2
    assert incremental < published
    assert ways.choose_reference(PROBLEM, published) == "published"
    assert ways.choose_reference(PROBLEM, published - 1) == "incremental"
    assert ways.choose_reference(PROBLEM, incremental - 1) == ""
    assert ways.choose_reference(PROBLEM, 0) == ""
