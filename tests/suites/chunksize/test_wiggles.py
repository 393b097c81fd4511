"""Why times wiggle: planted periods are found, noise gives none, and what is proposed could be measured."""

from __future__ import annotations

import math

import pytest
from chunk_rows import OPTIONS, passes, swept, tables

from fbench.suites.chunksize.decomposition import needed
from fbench.suites.chunksize.explanations import more_sizes, predictions, why
from fbench.suites.chunksize.findings import findings
from fbench.suites.chunksize.points import complete, read_run
from fbench.suites.chunksize.sweeps import Sweep, group_sweeps
from fbench.suites.chunksize.wiggles import expected_period, single_wiggle, suggested

SIZES = [64 * 2**i for i in range(6)]
GPU = {"device": "cuda:0", "candidates": 16384}


def sentences_of(*groups, **more):
    return findings(read_run(complete(tables(*groups, **more), OPTIONS)), OPTIONS)


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
    rows = waves(188, list(range(64, 2081, 32)), 16384, **GPU)
    sentence = sentences_of(rows, multiprocessors=132)[1]
    assert "the staircase of single chunks 100 %" in sentence
    assert "fused's t(c) has a period of 19" in sentence
    assert "p = 0.001 against red noise" in sentence
    assert "The spread of t(c) about its trend falls: " in sentence
    assert "A wave of 128×128 tiles, one a multiprocessor, would be 188 candidates." in sentence


def test_a_period_of_two_steps_is_not_claimed():
    """A zigzag from size to size: a period of 16, or of 5.33, which shows alike at every eighth size."""
    sizes = list(range(8, 513, 8))
    rows = swept("fused", lambda c: (1e-3 + 1e-6 * c) * (1.05 if c % 16 else 1.0), sizes, noise=0.004)
    rows += swept("fused", lambda m: 1e-5 + 1e-6 * m, sorted(needed(512, sizes)), phase="single", noise=0.004)
    sentence = sentences_of(rows)[1]
    assert "fused's t(c) may have a period of 16" in sentence
    assert "that is under 3 steps of 8, where a shorter one shows as well: a finer step would tell." in sentence


def test_without_waves_no_period_is_claimed():
    sizes = list(range(16, 1025, 16))
    rows = [
        *swept("fused", lambda c: 0.01, sizes, noise=0.02),
        *swept("fused", lambda m: 0.01 * m / 4096, sorted(needed(4096, sizes)), phase="single", noise=0.001),
    ]
    sentence = sentences_of(rows)[1]
    assert sentence.startswith("Over 64 sizes fused's time strays from its trend by ")
    assert "no more than noise would." in sentence
    assert "fused's t(c) shows no period over 64 sizes: the strongest, " in sentence
    assert "On a CPU no pattern of waves is expected." in sentence


def test_a_step_too_coarse_for_the_expected_period_is_said():
    rows = waves(47, list(range(128, 128 + 40 * 128, 128)), 16384, dim=5120, **GPU)
    assert (
        "; at a step of 128 the one expected would show as a slower, false one"
        in sentences_of(rows, multiprocessors=132)[1]
    )


def test_single_chunks_over_few_periods_are_said_to_be_few():
    rows = waves(188, [64, 128], 16384, singles=range(1, 600, 12), **GPU)
    sweep = sweep_of(rows, multiprocessors=132)
    wiggle = single_wiggle(sweep)
    assert wiggle is not None
    assert wiggle.step == 12
    text = " ".join(why(sweep, 132, 0))
    assert "; they span 3.2 of the period expected, and 8 are needed)" in text
    assert "The period expected is not known" in " ".join(why(sweep, None, 0))


def test_few_sizes_are_not_explained_but_proposed_once_for_all_kernels():
    """Ten sizes would do for shares of the variance, which few would believe."""
    sizes = [64 + 16 * i for i in range(10)]
    few = [timed for size in sizes[:3] for timed in passes("fused", size, blocks(1.0))]
    sentences = sentences_of(waves(47, sizes, 4096, kernel="published"), few)
    assert not any("variance" in sentence for sentence in sentences)
    assert [sentence for sentence in sentences if "period" in sentence] == [
        "From 3 to 10 sizes a period cannot be measured; --sizes 64..190:+2 would (64 sizes)."
    ]


def test_kernels_of_enough_sizes_are_explained_beside_those_of_few():
    sizes = list(range(64, 64 + 40 * 32, 32))
    few = [timed for size in SIZES[:3] for timed in passes("slow", size, blocks(1.0), **GPU)]
    sentences = sentences_of(waves(188, sizes, **GPU, kernel="fused", n=16384), few)
    assert any(sentence.startswith("Of the variance of fused's time") for sentence in sentences)
    assert any(sentence.startswith("From 3 sizes of slow a period cannot be measured; ") for sentence in sentences)


def test_sizes_that_are_not_evenly_spaced_are_counted():
    sizes = [64 * i + i % 2 * i for i in range(1, 41)]
    (sentence,) = more_sizes(sweeps_of(*(passes("fused", size, blocks(1.0)) for size in sizes)), None)
    assert sentence.startswith("From 40 sizes, 20 of them evenly spaced, a period cannot be measured; ")


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


@pytest.mark.parametrize(
    ("sizes", "n", "end"),
    [
        ((4,), 20, "From 1 size a period cannot be measured, and 20 candidates are too few for a sweep that could: "
         "take more."),
        ((64, 80), 4096, "From 2 sizes a period cannot be measured: give --sizes a range that holds 32 or more, up to "
         "4,096."),
    ],
)  # fmt: skip
def test_a_range_too_narrow_for_a_period(sizes, n, end):
    sweeps = sweeps_of(*(passes("fused", size, [[1.0]], candidates=n) for size in sizes))
    assert list(more_sizes(sweeps, None)) == [end]


def test_no_wave_is_expected_of_a_cpu():
    sweep = sweep_of(passes("fused", 64, [[1.0]]))
    assert expected_period(sweep, 132) is None
    sweep = sweep_of(passes("fused", 64, [[1.0]], **GPU))
    assert expected_period(sweep, 132) == pytest.approx(187.73, abs=0.01)


def test_prediction_and_how_many_lie_where_a_repeat_would():
    singles = [*passes("fused", 64, blocks(*[1.0] * 8), "single"), *passes("fused", 128, blocks(*[2.0] * 8), "single")]
    good = passes("fused", 64, blocks(63.0, 64.0, 64.0, 64.0, 64.0, 64.0, 65.0, 66.0))
    bad = passes("fused", 128, blocks(*[80.0] * 8))
    text = sentences_of(singles, good, bad)
    assert text[2] == (
        "Single chunks alone, ⌊n/c⌋·τ(c) + τ(n mod c), predict a pass to 12 % (fused), in the median over 2 sizes; "
        "1 of 2 predictions lie where a second run's median would."
    )


def test_kernels_are_predicted_in_one_sentence():
    singles = [*passes("fused", 64, blocks(1.0), "single"), *passes("slow", 64, blocks(*[2.0] * 8), "single")]
    swept_ = [*passes("fused", 64, blocks(70.4)), *passes("slow", 64, blocks(*[128.0] * 8))]
    rest = passes("slow", 128, blocks(1.0))  # no τ(128)
    assert list(predictions(sweeps_of(singles, swept_, rest))) == [
        "Single chunks alone, ⌊n/c⌋·τ(c) + τ(n mod c), predict a pass to 10 % (fused), 0 % (slow), in the median over "
        "1 size; 1 of 1 predictions lie where a second run's median would."
    ]
    (sentence,) = predictions(sweeps_of(singles, passes("fused", 64, blocks(70.4))))
    assert sentence.endswith("to 10 % (fused), in the median over 1 size.")  # one block has no interval
