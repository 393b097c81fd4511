"""A pass splits into its phases, counts what it covered, and chooses what an untimed selection chooses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fbench.suites.select import passes
from fbench.suites.select import problem as selection
from fbench.suites.select.passes import Steps
from fbench.suites.select.ways import SelectionProblem, parse_way

PROBLEM = SelectionProblem(n=60, k=3, d=12, batch=4, labelled=6)
CPU = ("cpu",)
EVERY = ["incremental", "published", "fused", "factored", "binary"]


def counts(phases):
    return {phase.name: (phase.picks, phase.picks_total) for phase in phases}


@pytest.mark.parametrize("name", [*EVERY, "diagonal"])
def test_a_whole_pass(name):
    way = parse_way(name)
    steps = Steps.of(way, PROBLEM, 0)
    assert steps.whole(PROBLEM)
    phases, chosen = passes.timed_pass(way, PROBLEM, torch.float64, CPU, steps, keep=True)
    assert counts(phases) == {"setup": (0, 0), "forward": (8, 8), "first_removal": (1, 1), "backward": (3, 3)}
    assert all(phase.seconds > 0 for phase in phases)
    whole = selection.select_batch(way, PROBLEM, torch.float64, CPU)
    assert (chosen.kept, chosen.forward) == (whole.kept, whole.forward)


@pytest.mark.parametrize("name", ["published", "fused", "factored"])
def test_a_pass_that_is_cut_short(name):
    way = parse_way(name)
    steps = Steps.of(way, PROBLEM, 3)
    assert steps == Steps(3, 3)
    phases, chosen = passes.timed_pass(way, PROBLEM, torch.float64, CPU, steps, keep=True)
    assert counts(phases) == {"setup": (0, 0), "forward": (3, 8), "first_removal": (1, 1), "backward": (2, 3)}
    assert chosen.forward == selection.select_batch(way, PROBLEM, torch.float64, CPU).forward[:3]


def test_only_what_makes_every_score_anew_is_cut_short():
    assert Steps.of(parse_way("incremental"), PROBLEM, 3) == Steps(8, 4)
    assert Steps.of(parse_way("diagonal"), PROBLEM, 3) == Steps(8, 4)
    for name in ("published", "fused", "factored"):
        assert Steps.of(parse_way(name), PROBLEM, 3) == Steps(3, 3)
        assert Steps.of(parse_way(name), PROBLEM, 100) == Steps(8, 4)
        assert Steps.of(parse_way(name), PROBLEM, 0) == Steps(8, 4)


def test_nothing_is_kept_unless_asked():
    way = parse_way("incremental")
    assert passes.timed_pass(way, PROBLEM, torch.float32, CPU, Steps(8, 4))[1] is None


@pytest.mark.parametrize("extrapolate", [0, 3])
def test_without_removals_there_are_no_such_phases(extrapolate):
    problem = replace(PROBLEM, oversample=1.0)
    way = parse_way("published")
    steps = Steps.of(way, problem, extrapolate)
    phases, chosen = passes.timed_pass(way, problem, torch.float64, CPU, steps, keep=True)
    assert list(counts(phases)) == ["setup", "forward"]
    assert len(chosen.forward) == (extrapolate or 4)


def test_one_removal_is_the_first():
    problem = replace(PROBLEM, oversample=1.25)
    phases, _ = passes.timed_pass(parse_way("incremental"), problem, torch.float64, CPU, Steps(5, 1))
    assert counts(phases) == {"setup": (0, 0), "forward": (5, 5), "first_removal": (1, 1)}


def test_two_shards_choose_as_one():
    way = parse_way("incremental")
    _, one = passes.timed_pass(way, PROBLEM, torch.float64, CPU, Steps(8, 4), keep=True)
    _, two = passes.timed_pass(way, PROBLEM, torch.float64, ("cpu", "cpu"), Steps(8, 4), keep=True)
    assert one.kept == two.kept


def test_memory_sees_the_dense_rows_once():
    problem = SelectionProblem(n=12_000, k=10, d=200, batch=2, labelled=10)
    way = replace(parse_way("published"), chunk_size=64)
    passes.warm_up_way(way, problem, torch.float32, CPU)
    peak = passes.memory_pass(way, problem, torch.float32, CPU, Steps(1, 1))
    V = 12_000 * 10 * 200 * 4
    assert peak is None or V <= peak < 1.8 * V  # V, and no second one
    incremental = parse_way("incremental")
    passes.warm_up_way(incremental, problem, torch.float32, CPU)  # what is compiled at first use takes memory, too
    few = passes.memory_pass(incremental, problem, torch.float32, CPU, Steps(4, 2))
    assert few is None or few < V  # a quarter of it and less, beside what glibc keeps of freed blocks


@pytest.mark.parametrize("name", [*EVERY, "top5", "pca", "pca:5", "subsample:9"])
def test_warming_up_fits_every_way(name):
    passes.warm_up_way(parse_way(name), SelectionProblem(n=500, k=5, d=25, batch=9, labelled=0), torch.float32, CPU)
