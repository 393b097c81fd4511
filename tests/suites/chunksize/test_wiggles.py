"""Why times wiggle: planted periods are found, noise gives none, and what is proposed could be measured."""

from __future__ import annotations

import math

import pytest
from chunk_rows import OPTIONS, passes, swept, tables

from fbench.suites.chunksize.answers import PERIOD
from fbench.suites.chunksize.decomposition import needed
from fbench.suites.chunksize.points import complete, read_run
from fbench.suites.chunksize.summary import summary
from fbench.suites.chunksize.sweeps import Sweep, group_sweeps
from fbench.suites.chunksize.wiggles import expected_period, single_wiggle, suggested

SIZES = [64 * 2**i for i in range(6)]
GPU = {"device": "cuda:0", "candidates": 16384}


def periods_of(*groups, **more):
    """The answer on periods, and the claims behind it."""
    said = summary(tables(*groups, **more), OPTIONS)
    (answer,) = (one for one in said.answers if one.question == PERIOD)
    claims = [claim for part in said.evidence if part.heading == "Periods" for claim in part.claims]
    return answer, " ".join(claims)


def sweeps_of(*groups, **more) -> list[Sweep]:
    return group_sweeps(read_run(complete(tables(*groups, **more), OPTIONS)).points)


def sweep_of(*groups, **more) -> Sweep:
    return sweeps_of(*groups, **more)[0]


def blocks(*seconds):
    return [[time_s] for time_s in seconds]


def staircase(period):
    return lambda m: 2e-5 + 1e-6 * period * math.ceil(m / period)


def waves(period, sizes, n, noise=0.004, singles=(), kernel="fused", **more):
    """Passes that are nothing but their single chunks."""
    tau = staircase(period)
    alone = sorted({*singles, *needed(n, sizes)})
    passes_ = swept(kernel, lambda c: n // c * tau(c) + (tau(n % c) if n % c else 0), sizes, noise=noise, **more)
    return [*passes_, *swept(kernel, tau, alone, phase="single", noise=noise, **more)]


def test_a_planted_period_is_found_and_the_expected_one_named():
    rows = waves(188, list(range(64, 2081, 32)), 16384, flops=10**6, **GPU)
    answer, claims = periods_of(rows, multiprocessors=132)
    assert answer.verdict == "yes"
    assert " of fused has a period of 1" in answer.sentence
    assert "fused: t(c) has a period of 1" in claims
    assert "a wave of 128×128 tiles, one a multiprocessor, would be 188 candidates." in claims


def test_a_period_of_two_steps_is_not_claimed():
    """A zigzag from size to size: a period of 16, or of 5.33, which shows alike at every eighth size."""
    sizes = list(range(8, 513, 8))
    rows = swept("fused", lambda c: (1e-3 + 1e-6 * c) * (1.05 if c % 16 else 1.0), sizes, noise=0.004, flops=10**5)
    rows += swept("fused", lambda m: 1e-5 + 1e-6 * m, sorted(needed(512, sizes)), phase="single", noise=0.004)
    answer, claims = periods_of(rows)
    assert answer.verdict == "not shown"
    assert "but a shorter one would look the same at a step of 8." in answer.sentence
    assert "fused: t(c) may have a period of 16" in claims


def test_without_waves_no_period_is_claimed():
    sizes = list(range(16, 1025, 16))
    rows = [
        *swept("fused", lambda c: 0.02, sizes, noise=0.02),
        *swept("fused", lambda m: 0.02 * m / 4096, sorted(needed(4096, sizes)), phase="single", noise=0.001),
    ]
    answer, claims = periods_of(rows)
    assert answer.verdict == "not shown"
    assert answer.sentence.startswith("No period is told from noise over 6")
    assert "fused: t(c) shows no period; the strongest, " in claims


def test_a_step_too_coarse_for_the_expected_period_is_said():
    rows = waves(47, list(range(128, 128 + 40 * 128, 128)), 16384, dim=5120, **GPU)
    assert "; a step of 128 is too coarse for the one expected." in periods_of(rows, multiprocessors=132)[1]


def test_single_chunks_over_few_periods_are_said_to_be_few():
    rows = waves(188, [64, 128], 16384, singles=range(1, 600, 12), **GPU)
    wiggle = single_wiggle(sweep_of(rows, multiprocessors=132))
    assert wiggle is not None
    assert wiggle.step == 12
    assert "; the sizes span 3.2 of the expected period, 8 are needed." in periods_of(rows, multiprocessors=132)[1]
    assert "would be" not in periods_of(rows)[1]


def test_few_sizes_are_not_explained_but_a_sweep_is_proposed():
    """Ten sizes would do for a spread, which few would believe."""
    sizes = [64 + 16 * i for i in range(10)]
    few = [timed for size in sizes[:3] for timed in passes("fused", size, blocks(1.0))]
    answer, claims = periods_of(waves(47, sizes, 4096, kernel="published"), few)
    assert (answer.verdict, claims) == ("too few", "")
    assert answer.sentence == "At most 10 of the sizes are evenly spaced, and a period needs 32."
    assert answer.advice == "Give --sizes 64..190:+2."


def test_how_far_times_stray_is_no_share():
    rows = waves(188, list(range(64, 2081, 32)), 16384, flops=10**6, **GPU)
    said = summary(tables(rows, multiprocessors=132), OPTIONS)
    (spreads,) = (part.tables[0] for part in said.evidence if part.heading == "Periods")
    (cells,) = spreads.rows
    trend, chunks, predicted, noise = (float(cell.split()[0]) for cell in cells[2:])
    assert spreads.columns[2:] == ["about trend", "about chunks", "about predicted", "noise"]
    assert predicted < chunks
    assert predicted < 3 * noise
    assert trend > noise


@pytest.mark.parametrize(("sizes", "n"), [((4,), 20), ((64, 80), 4096)])
def test_a_range_too_narrow_for_a_period(sizes, n):
    answer, _ = periods_of(*(passes("fused", size, [[1.0]], candidates=n) for size in sizes))
    assert answer.advice == "Give --sizes a range that holds more sizes, or take more --candidates."


@pytest.mark.parametrize(
    ("sizes", "n", "expected", "proposed"),
    [
        ([16, 32, 64, 128, 256, 1024], 4096, None, (16, 1024, 16)),
        (SIZES, 4096, 42.0, (64, 568, 8)),
        ([64, 4096], 16384, 169.0, (64, 2080, 32)),
        ([8, 39], 4096, None, (8, 39, 1)),
        ([8, 38], 4096, None, None),
        ([64, 8192], 256, None, (64, 256, 4)),
        ([64, 128], 40, None, None),
        ([4, 8], 20, None, None),
        ([64], 4096, None, None),
    ],
)
def test_a_sweep_that_would_show_a_period(sizes, n, expected, proposed):
    sweep = sweep_of(*(passes("fused", size, [[1.0]], candidates=n) for size in sizes))
    assert suggested(sweep, expected) == proposed


@pytest.mark.parametrize("expected", [None, 0.3, 7.0, 100.0, 5000.0])
def test_what_is_proposed_could_be_typed_and_was_within_reach(expected):
    for low, high in ((1, 32), (5, 100), (16, 512), (7, 95), (64, 4096), (30, 30_000)):
        sweep = sweep_of(*(passes("fused", size, [[1.0]], candidates=32_768) for size in (low, high)))
        proposed = suggested(sweep, expected)
        assert proposed is not None
        first, last, step = proposed
        assert first == low
        assert last <= high
        assert step >= 1
        assert len(range(first, last + 1, step)) >= 32


def test_no_wave_is_expected_of_a_cpu():
    sweep = sweep_of(passes("fused", 64, [[1.0]]))
    assert expected_period(sweep, 132) is None
    sweep = sweep_of(passes("fused", 64, [[1.0]], **GPU))
    assert expected_period(sweep, 132) == pytest.approx(187.73, abs=0.01)
