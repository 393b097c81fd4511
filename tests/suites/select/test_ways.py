"""Names of ways, what they will hold, and which problems they cannot be put to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fbench.errors import SweepError, TooLargeError, UnknownNameError
from fbench.fisher.planning import fitting
from fbench.fisher.planning.plan import Shape
from fbench.suites.select import ways
from fbench.suites.select.ways import SelectionProblem, parse_way, parse_ways

PROBLEM = SelectionProblem(n=100, k=4, d=32, batch=5, labelled=10)


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
        ("fused", "built", 0, "fused"),
        ("factored", "exact", 0, "factored"),
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
    assert (way.name, way.purpose, way.embedding, way.number, way.engine) == (
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
    assert parse_way("fused").shape(PROBLEM) == Shape(100, 3, 32)
    assert parse_way("factored").shape(PROBLEM) == Shape(100, 3, 32, 4)
    assert parse_way("subsample:20").shape(PROBLEM) == Shape(30, 3, 32, 4)
    assert parse_way("top2").shape(PROBLEM) == Shape(100, 2, 32, 4)
    assert parse_way("binary").shape(PROBLEM) == Shape(100, 1, 8, 1)
    assert parse_way("pca").shape(PROBLEM) == Shape(100, 3, 8, 4)


def test_which_are_exact():
    anew, others = ["published", "fused", "factored"], ["diagonal", "top2", "binary", "pca", "subsample"]
    names = ("incremental", *anew, *others, "random", "score-packed")
    assert [name for name in names if parse_way(name).exact] == ["incremental", *anew]
    assert [name for name in names if parse_way(name).anew] == anew


@pytest.mark.parametrize(
    ("way", "problem", "devices", "reason"),
    [
        ("incremental", PROBLEM, ("cpu",), ""),
        ("incremental", replace(PROBLEM, d=33), ("cpu",), "dim 33 is not a multiple of classes 4"),
        (
            "random",
            replace(PROBLEM, batch=91),
            ("cpu",),
            "--batch 91 is more than the 90 that --labelled 10 leaves of --candidates 100",
        ),
        (
            "random",
            replace(PROBLEM, n=5),
            ("cpu",),
            "--batch 5 is more than the 0 that --labelled 10 leaves of --candidates 5",
        ),
        ("top5", PROBLEM, ("cpu",), "top5 keeps 5 classes, more than the 4 there are"),
        ("pca:9", PROBLEM, ("cpu",), "pca:9 keeps 9 components, more than the 8 features"),
        ("subsample:4", PROBLEM, ("cpu",), "subsample:4 keeps 4 unlabelled candidates, fewer than batch 5"),
        ("score-packed", PROBLEM, ("cuda:0",), "score-packed is compiled for CPUs"),
    ],
)
def test_why_a_way_cannot_be_put_to_a_problem(way, problem, devices, reason):
    sentence = ways.unfit_reason(problem, parse_way(way), devices)
    assert sentence.startswith(reason)
    assert bool(sentence) == bool(reason)


def test_packed_scores_need_numba(monkeypatch):
    monkeypatch.setattr(ways.importlib.util, "find_spec", lambda name: None)
    assert (
        ways.unfit_reason(PROBLEM, parse_way("score-packed"), ("cpu",)) == "score-packed needs numba; pip install numba"
    )


@pytest.mark.parametrize("name", ["incremental", "published", "fused", "factored", "score-inverse"])
def test_what_does_not_fit_is_refused_with_its_bytes(monkeypatch, name):
    monkeypatch.setattr(fitting, "free_bytes", lambda device: 1000)
    with pytest.raises(TooLargeError, match=r"the selection needs .* to spare, and 1000 B are free on cpu.*What fits"):
        ways.check_way_fits(PROBLEM, parse_way(name), "float32", ("cpu",))
    ways.check_way_fits(PROBLEM, parse_way("random"), "float32", ("cpu",))


def test_a_score_is_planned_with_its_stacks():
    bare = ways.plan_way(PROBLEM, parse_way("incremental"), "float32")
    assert ways.plan_way(PROBLEM, parse_way("score-inverse"), "float32").total > bare.total + 6 * 100 * 16 * 4


ANEW = ["published", "fused", "factored"]


@pytest.mark.parametrize("name", ["incremental", "diagonal", "pca", *ANEW])
def test_an_embedding_is_planned_for_before_it_is_made(name):
    """V built as much as the factors: growth is held to what is free, and V is yet to come."""
    way = parse_way(name)
    plan = ways.plan_way(PROBLEM, way, "float32")
    assert plan.others["the embedding in float32"] == plan.inputs == way.shape(PROBLEM).numbers * 4


def room(monkeypatch, **sizes):
    """What devices have free, by their names with underscores."""
    for module in (ways, fitting):
        monkeypatch.setattr(module, "free_bytes", lambda device: sizes[device.replace(":", "_")])


MANY = SelectionProblem(n=3000, k=30, d=240, batch=5, labelled=10)
"""Of fewer classes F takes more than a chunk of ``factored``."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ANEW)
def test_a_chunk_is_made_smaller_where_memory_does_not_last(monkeypatch, name, dtype):
    way = replace(parse_way(name), chunk_size=2500)

    def needed(size):
        return ways.plan_way(MANY, replace(way, chunk_size=size), dtype).needed

    for size in (2499, 2000, 1500):
        assert needed(size) < needed(size + 1)
        room(monkeypatch, cpu=needed(size))
        smaller = ways.with_fitting_chunk(MANY, way, dtype, ("cpu",))
        assert smaller == replace(way, chunk_size=size)
        ways.check_way_fits(MANY, smaller, dtype, ("cpu",))
        with pytest.raises(TooLargeError):
            ways.check_way_fits(MANY, replace(way, chunk_size=size + 1), dtype, ("cpu",))


@pytest.mark.parametrize("name", ANEW)
def test_a_chunk_that_fits_stays_as_it_was_typed(monkeypatch, name):
    for size in (1, 1024, 10**9):  # more than there are candidates is all of them
        way = replace(parse_way(name), chunk_size=size)
        room(monkeypatch, cpu=ways.plan_way(MANY, way, "float32").needed)
        assert ways.with_fitting_chunk(MANY, way, "float32", ("cpu",)) == way
        room(monkeypatch, cpu=None)  # nobody tells
        assert ways.with_fitting_chunk(MANY, way, "float32", ("cpu",)) == way


def test_where_not_even_one_candidate_fits_it_stays_and_is_refused(monkeypatch):
    room(monkeypatch, cpu=1000)
    way = parse_way("fused")
    assert ways.with_fitting_chunk(MANY, way, "float32", ("cpu",)) == way
    with pytest.raises(TooLargeError):
        ways.check_way_fits(MANY, way, "float32", ("cpu",))


def test_ways_without_chunks_are_not_fitted(monkeypatch):
    monkeypatch.setattr(ways, "device_plans", lambda *_, **__: pytest.fail("there is nothing to fit"))
    for name in ("incremental", "diagonal", "top2", "random", "score-inverse"):
        assert ways.with_fitting_chunk(MANY, parse_way(name), "float32", ("cpu",)) == parse_way(name)


def test_the_device_with_the_least_room_sets_the_chunk(monkeypatch):
    way = replace(parse_way("published"), chunk_size=1400)
    half = replace(MANY, n=1500)
    small = ways.plan_way(half, replace(way, chunk_size=900), "float32").needed
    room(monkeypatch, cuda_0=10**12, cuda_1=small, cuda_2=None)
    assert ways.with_fitting_chunk(MANY, way, "float32", ("cuda:0", "cuda:1")).chunk_size == 900
    third = replace(MANY, n=4500)
    assert ways.with_fitting_chunk(third, way, "float32", ("cuda:0", "cuda:1", "cuda:2")).chunk_size == 900
    assert ways.with_fitting_chunk(MANY, way, "float32", ("cuda:0", "cuda:2")) == way


def test_the_reference_is_the_first_that_the_budget_allows():
    published, incremental = ways.published_operations(PROBLEM), ways.incremental_operations(PROBLEM)
    assert published == 8 * 100 * 4 * 32**2 * 10
    assert ways.published_operations(PROBLEM, 1) == 8 * 100 * 4 * 32**2
    assert incremental < published
    assert ways.choose_reference(PROBLEM, published) == "published"
    assert ways.choose_reference(PROBLEM, published - 1) == "incremental"
    assert ways.choose_reference(PROBLEM, incremental - 1) == ""
    assert ways.choose_reference(PROBLEM, 0) == ""
