"""Planted laws of one chunk's time: each effect must be found where it is, and only there."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fbench.errors import InputError
from fbench.suites.chunksize import decomposition
from fbench.suites.chunksize.decomposition import chunks, decompose, needed, predicted_seconds, smooth_curve

SIZES = [*range(64, 1025, 16), 1280, 1536, 2048]
POOL = 10_000
QUIET = dict.fromkeys(SIZES, 0.0)


def affine(m):
    return 1e-3 + 1e-6 * m


def waves(m, period=100):
    """Whole waves of ``period`` candidates, on a small fixed cost."""
    return 1e-6 + 1e-6 * period * math.ceil(m / period)


def tau_of(law, n=POOL, noise=0.0, seed=0):
    """Single chunks: step 1 over three periods and whatever the sizes need."""
    rng = np.random.default_rng(seed)
    return {m: law(m) * math.exp(rng.normal(0, noise)) for m in sorted({*range(1, 301)} | needed(n, SIZES))}


def passes_of(law, n=POOL, noise=0.0, seed=1):
    rng = np.random.default_rng(seed)
    return {size: walked(n, size, law) * math.exp(rng.normal(0, noise)) for size in SIZES}


def walked(n, size, law):
    """Slow twin: the pool chunk by chunk."""
    return math.fsum(law(len(range(start, min(start + size, n)))) for start in range(0, n, size))


def errors(curve, law, sizes=SIZES):
    return np.array([curve(m) / law(m) - 1 for m in sizes])


def test_all_lists_the_public_names():
    def defined_here(value):
        return getattr(value, "__module__", "") == decomposition.__name__

    here = decomposition.__name__
    public = {name for name, value in vars(decomposition).items() if getattr(value, "__module__", "") == here}
    assert {name for name in public if not name.startswith("_")} == set(decomposition.__all__)


# --- a pool in chunks


@given(st.integers(0, 3000), st.integers(1, 4000))
def test_chunks_needed_and_predicted_seconds_walk_the_pool(n, size):
    lengths = [len(range(start, min(start + size, n))) for start in range(0, n, size)]
    tau = {m: 1e-3 + m**1.3 for m in lengths}
    assert chunks(n, size) == len(lengths)
    assert needed(n, [size]) == set(lengths)
    assert predicted_seconds(n, size, tau) == pytest.approx(math.fsum(tau[m] for m in lengths))


def test_needed_of_many_sizes():
    assert needed(1000, [300, 500, 2000]) == {300, 100, 500, 1000}
    assert needed(1000, []) == set()


@pytest.mark.parametrize("missing", [300, 100])
def test_no_prediction_without_a_tau_it_needs(missing):
    tau = {300: 3.0, 100: 1.5}
    assert predicted_seconds(1000, 300, tau) == 10.5
    assert predicted_seconds(900, 300, {300: 3.0}) == 9.0
    assert predicted_seconds(1000, 300, {m: seconds for m, seconds in tau.items() if m != missing}) is None
    assert predicted_seconds(1000, 300, {**tau, missing: math.nan}) is None


# --- the smooth curve


@pytest.mark.parametrize("count", [3, 5, 6, 9, 10, 19, 20, 300])
@pytest.mark.parametrize(("alpha", "beta"), [(1e-3, 1e-6), (0.0, 2e-6), (1e-2, 1e-9)])
def test_an_affine_law_is_met(count, alpha, beta):
    tau = {m: alpha + beta * m for m in np.unique(np.geomspace(1, 4096, count).astype(int)).tolist()}
    assert np.abs(errors(smooth_curve(tau), lambda m: alpha + beta * m)).max() < 1e-9


def cache(m):
    """A row costs a third more once some 500 of them are in hand."""
    return 5e-5 + 1e-6 * m * (1 + 0.33 / (1 + math.exp(-1.5 * (math.log2(m) - 9))))


def small(m):
    """Small matrices run slower: τ grows as m^0.9."""
    return 5e-5 + 1e-6 * m**0.9


@pytest.mark.parametrize("law", [cache, small])
def test_curvature_over_decades_is_followed(law):
    relative = errors(smooth_curve(tau_of(law)), law)
    assert relative.std() < 0.011


@pytest.mark.parametrize("period", [42, 100])
def test_the_staircase_is_not_followed(period):
    sizes = [size for size in SIZES if size >= period]  # below, the law is its first step
    tau = tau_of(lambda m: waves(m, period))

    def middle(m):
        return 1e-6 * (1 + period / 2 + m)

    bends, steps = errors(smooth_curve(tau), middle, sizes), errors(tau.get, middle, sizes)
    left = errors(tau.get, smooth_curve(tau), sizes)
    assert abs(np.corrcoef(bends, steps)[0, 1]) < 0.3
    assert left.std() > 0.95 * steps.std()


def test_noise_is_not_followed():
    assert errors(smooth_curve(tau_of(affine, noise=0.02)), affine).std() < 0.006


def test_a_curve_is_positive_where_it_was_measured():
    rng = np.random.default_rng(2)
    for count in (3, 6, 10, 20, 40):
        for _ in range(50):
            sizes = sorted(set(rng.integers(1, 3000, count).tolist()) | {1, 3000})
            curve = smooth_curve({m: 1e-9 + 1e-6 * m * math.exp(rng.normal(0, 1)) for m in sizes})
            assert min(curve(m) for m in np.geomspace(1, 3000, 400)) > 0


def test_no_curve_from_two_points():
    assert smooth_curve({1: 1.0, 2: 2.0}) is None
    assert smooth_curve({1: 1.0, 2: 2.0, 3: math.nan, 4: 0.0, 0: 1.0}) is None
    assert smooth_curve({1: 1.0, 2: 2.0, 3: 3.0}) is not None


# --- what explains the wiggle


def test_an_affine_law_is_all_whole_chunks():
    parts = decompose(POOL, passes_of(affine), tau_of(affine), QUIET)
    assert parts.spread > 0.001
    assert parts.stepped == pytest.approx(0, abs=1e-9)
    assert parts.unexplained == pytest.approx(0, abs=1e-9)
    assert parts.noise == 0


def test_whole_waves_are_all_staircase():
    n = 1_000_000  # the last chunk is of no account
    parts = decompose(n, passes_of(waves, n), tau_of(waves, n), QUIET)
    assert parts.stepped == pytest.approx(parts.spread, rel=0.02)
    assert parts.unexplained == pytest.approx(0, abs=1e-9)


def test_a_wiggle_that_has_both_is_less_after_each():
    def law(m):
        return 8e-4 + waves(m)

    parts = decompose(POOL, passes_of(law), tau_of(law), QUIET)
    assert parts.stepped < 0.95 * parts.spread
    assert parts.unexplained == pytest.approx(0, abs=1e-9)


def test_noise_alone_is_explained_by_nothing():
    def law(m):
        return 1e-6 * m

    parts = decompose(POOL, passes_of(law, noise=0.01), tau_of(law), dict.fromkeys(SIZES, 1e-4))
    assert parts.stepped == pytest.approx(parts.spread, rel=0.02)
    assert parts.unexplained == pytest.approx(parts.spread, rel=0.02)
    assert parts.noise == pytest.approx(0.01)


def test_noise_of_tau_makes_predictions_worse_than_none():
    def law(m):
        return 1e-6 * m

    parts = decompose(POOL, passes_of(law, noise=0.01), tau_of(law, noise=0.01), dict.fromkeys(SIZES, 1e-4))
    assert parts.unexplained > 1.1 * parts.spread


def test_a_constant_factor_is_no_wiggle():
    times, tau = passes_of(waves, noise=0.01), tau_of(waves, noise=0.01)
    parts = decompose(POOL, times, tau, QUIET)
    dearer = decompose(POOL, {size: 1.05 * seconds for size, seconds in times.items()}, tau, QUIET)
    assert dearer.unexplained == pytest.approx(1.05 * parts.unexplained)
    assert np.mean(dearer.residual) - np.mean(parts.residual) == pytest.approx(0.05, abs=0.001)


def test_the_parts_are_those_of_the_formulas():
    times, tau = passes_of(waves, noise=0.01), tau_of(waves)
    parts, curve = decompose(POOL, times, tau, QUIET), smooth_curve(tau)
    assert parts.sizes == SIZES
    assert parts.trend == pytest.approx([POOL / size * curve(size) for size in SIZES])
    assert parts.steps == pytest.approx([walked(POOL, size, curve) for size in SIZES])
    assert parts.predicted == pytest.approx([walked(POOL, size, waves) for size in SIZES])
    assert parts.residual == pytest.approx([times[c] / trend - 1 for c, trend in zip(SIZES, parts.trend, strict=True)])
    assert parts.beyond == pytest.approx([times[c] / whole - 1 for c, whole in zip(SIZES, parts.steps, strict=True)])


def test_sizes_that_lack_something_are_left_out():
    times, tau = passes_of(affine), tau_of(affine)
    gone = {m: seconds for m, seconds in tau.items() if m != 512}
    patchy = {**times, 64: math.nan, 80: None, POOL + 1: 1.0}
    assert set(SIZES) - set(decompose(POOL, patchy, gone, QUIET).sizes) == {64, 80, 512}


def test_noise_of_what_is_known():
    times, tau = passes_of(affine), tau_of(affine)
    assert math.isnan(decompose(POOL, times, tau, {}).noise)
    assert decompose(POOL, times, tau, {64: 4e-4, 80: math.nan, 96: None}).noise == pytest.approx(0.02)


def test_nothing_to_decompose():
    times, tau = passes_of(affine), tau_of(affine)
    assert decompose(POOL, {size: times[size] for size in SIZES[:7]}, tau, QUIET) is None
    assert decompose(POOL, {size: times[size] for size in SIZES[:8]}, tau, QUIET) is not None
    assert decompose(POOL, times, {}, QUIET) is None
    even = {size: 4096 / size * affine(size) for size in (1, 2, 4, 8, 16, 32, 64, 128, 256)}
    assert decompose(4096, even, {size: affine(size) for size in even}, {}) is None  # no remainder anywhere


@pytest.mark.parametrize(
    "call",
    [
        lambda: chunks(10, 0),
        lambda: needed(10, [5, 0]),
        lambda: predicted_seconds(10, 0, {}),
        lambda: decompose(10, {0: 1.0}, {}, {}),
    ],
)
def test_a_size_of_no_candidates(call):
    with pytest.raises(InputError, match=r"10 candidates in chunks of 0 make no pass: give a size of 1 or more"):
        call()


def test_a_pool_of_less_than_nothing():
    with pytest.raises(InputError, match=r"-1 candidates in chunks of 5 make no pass.*a pool of 0 or more"):
        chunks(-1, 5)
