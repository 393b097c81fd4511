"""Rows of a memory run to growth by phase: medians, orders, what is missing, what a case is called."""

from __future__ import annotations

import pytest
from memory_rows import ALLOCATED, MIB, NVML, RSS, rounds_of, row

from fbench.suites.memory.names import bytes_range, case_names, gauge_in_short, gauge_in_words, sizes_in_words
from fbench.suites.memory.peaks import largest_cases, memory_of_cases, phase_order
from fbench.suites.memory.rows import Gauge, read_rows
from fbench.suites.memory.spec import ROUND_PHASES

GROWN = {"forward": [300, 200, 250], "data": [10, 10, 10]}


def cases_of(rows):
    return memory_of_cases(read_rows({"results": rows}).phases)


def one(rows):
    (case,) = cases_of(rows)
    return case


def test_a_phase_is_the_median_of_its_rounds():
    case = one(rounds_of("bait", GROWN, {"forward": 500}))
    assert (case.method, case.sizes) == ("bait", (5000, 10, 1280, 100, "float32", None))
    main = case.main
    assert main.gauge == Gauge("cpu", "rss", "used")
    assert (main.baseline, main.scope) == (400 * MIB, "process")
    data, forward = main.phases
    assert (data.name, forward.name) == ("data", "forward")
    assert forward.growth == {0: 300 * MIB, 1: 200 * MIB, 2: 250 * MIB}
    assert (forward.measured, forward.held_before, forward.predicted) == (250 * MIB, 10 * MIB, 500 * MIB)
    assert forward.ratio == 2
    assert (data.predicted, data.ratio) == (None, None)
    assert main.top is forward


def test_growth_is_over_the_rounds_own_baseline():
    """A run that was resumed is another process, with another baseline."""
    rows = [
        row("bait", "train", number, peak_bytes=base + 70 * MIB, baseline_bytes=base, start_bytes=base)
        for number, base in enumerate((400 * MIB, 900 * MIB))
    ]
    assert one(rows).main.phases[0].growth == {0: 70 * MIB, 1: 70 * MIB}


def test_what_is_missing_stays_unknown():
    rows = [
        row("bait", "train", peak_bytes=None, baseline_bytes=MIB),
        row("bait", "embed", peak_bytes=MIB, baseline_bytes=None),
    ]
    case = one(rows)
    assert case.main is None
    (profile,) = case.profiles.values()
    assert profile.top is None
    assert [phase.measured for phase in profile.phases] == [None, None]
    assert [phase.ratio for phase in profile.phases] == [None, None]
    assert largest_cases([case]) == []


def test_memory_that_did_not_grow_has_no_ratio():
    case = one(rounds_of("bait", {"data": [0], "train": [-5]}, {"data": 10, "train": 10}))
    assert [phase.ratio for phase in case.main.phases] == [None, None]
    assert case.main.top.name == "data"


def test_phases_follow_each_other():
    assert phase_order(["other", *sorted(ROUND_PHASES)]) == [*ROUND_PHASES, "other"]


def test_rows_that_did_not_end_are_not_read():
    rows = [row("bait", "train", status="oom"), row("bait", None, peak_bytes=1, baseline_bytes=0)]
    assert cases_of(rows) == []


def test_a_gpus_allocator_is_what_predictions_speak_of():
    grown = {"forward": [100]}
    rows = [
        *rounds_of("bait", grown),
        *rounds_of("bait", grown, which=NVML),
        *rounds_of("bait", grown, which=ALLOCATED),
    ]
    assert one(rows).main.gauge == Gauge("cuda:0", "torch", "allocated")
    more = rounds_of("bait", {"forward": [200]}, which=("cuda:1", "torch", "allocated", "process"))
    assert one([*rows, *more]).main.gauge.device == "cuda:1"
    empty = [row("bait", "forward", which=ALLOCATED, baseline_bytes=None)]
    assert one([*rounds_of("bait", grown), *empty]).main.gauge.source == "rss"


def test_the_largest_problem_of_each_method():
    sizes = ({"candidates": 100}, {"candidates": 5000, "dim": 64}, {"candidates": 5000, "chunk_size": 8})
    rows = [each for own in sizes for each in rounds_of("published", GROWN, case=str(own), **own)]
    cases = cases_of([*rows, *rounds_of("bait", GROWN)])
    assert [(case.method, case.sizes[5]) for case in largest_cases(cases)] == [("published", 8), ("bait", None)]


def test_names_have_the_sizes_that_vary():
    cases = cases_of([*rounds_of("published", GROWN, chunk_size=256), *rounds_of("bait", GROWN, candidates=100)])
    assert list(case_names(cases).values()) == ["published (n = 5,000, chunk 256)", "bait (n = 100)"]
    assert list(case_names(cases[1:]).values()) == ["bait"]
    assert case_names([]) == {}
    assert sizes_in_words(cases[0].sizes) == "n = 5,000, k = 10, d = 1,280, B = 100, float32, chunk 256"


@pytest.mark.parametrize(
    ("which", "long", "short"),
    [
        (RSS, "resident memory", "resident memory"),
        (ALLOCATED, "torch's allocated memory on cuda:0", "torch allocated"),
        (NVML, "NVML's used memory on cuda:0", "NVML used"),
    ],
)
def test_gauges_are_named(which, long, short):
    assert (gauge_in_words(Gauge(*which[:3])), gauge_in_short(Gauge(*which[:3]))) == (long, short)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(2, 2.04, "2 to 2.04 GiB"), (0.5, 1.5, "512 MiB to 1.5 GiB"), (-1, 1, "-1 to 1 GiB"), (0, 1, "0 B to 1 GiB")],
)
def test_ends(low, high, said):
    assert bytes_range(low * 2**30, high * 2**30) == said
