"""Falls: planted ones found, flat profiles left alone, intervals that cover; the likelihood against its definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fbench.errors import InputError
from fbench.measure import falls, ramps
from fbench.measure.falls import LEAST_LAYERS, LEAST_SIMULATIONS, Fall, fit_fall
from fbench.measure.ramps import CORRELATIONS, autoregressive

PROFILES = 200
Noise = Callable[[np.random.Generator, int], np.ndarray]


def depths(layers: int) -> np.ndarray:
    """Unevenly spaced, as where layers of other kinds lie between."""
    chosen = np.random.default_rng(layers).choice(np.arange(1, 3 * layers - 1), layers - 2, replace=False)
    return np.array([0, *sorted(chosen), 3 * layers - 1]) / (3 * layers - 1)


def ramp(depth: np.ndarray, place: float, width: float) -> np.ndarray:
    if not width:
        return (depth > place).astype(np.float64)
    return np.clip((depth - place) / width + 0.5, 0, 1)


def correlated(correlation: float) -> Noise:
    return lambda generator, layers: autoregressive(generator.standard_normal((1, layers)), correlation)[0]


def lognormal(sign: float) -> Noise:
    return lambda generator, layers: sign * np.exp(generator.standard_normal(layers))


NOISES = {
    "independent": correlated(0.0),
    "AR(1) 0.3": correlated(0.3),
    "AR(1) 0.5": correlated(0.5),
    "AR(1) 0.7": correlated(0.7),
    "lognormal": lognormal(1),
    "lognormal downwards": lognormal(-1),
}


def alarms(noise: Noise, layers: int, simulations: int) -> int:
    """Flat profiles of ``PROFILES`` in which a fall is claimed at the 5 % level."""
    depth = depths(layers)
    flat = [noise(np.random.default_rng(seed), layers) for seed in range(PROFILES)]
    fits = [fit_fall(depth, profile, simulations=simulations) for profile in flat]
    return sum(fit is not None and fit.p <= 0.05 for fit in fits)


@pytest.mark.parametrize("noise", ["independent", "AR(1) 0.5", "AR(1) 0.7", "lognormal"])
@pytest.mark.parametrize("layers", [8, 12, 20])
def test_false_alarms(noise, layers):
    assert alarms(NOISES[noise], layers, simulations=200) <= 0.08 * PROFILES


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("layers", [8, 12, 20, 40, 62])
def test_false_alarms_at_every_length(noise, layers):
    assert alarms(NOISES[noise], layers, simulations=1000) <= 0.08 * PROFILES


def share_seen(noise: Noise, drop: float, layers: int = 20, simulations: int = 1000) -> float:
    depth = np.linspace(0, 1, layers)
    profiles = [noise(np.random.default_rng(seed), layers) - drop * (depth > 0.5) for seed in range(PROFILES)]
    fits = [fit_fall(depth, profile, simulations=simulations) for profile in profiles]
    return sum(fit is not None and fit.p <= 0.05 for fit in fits) / PROFILES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("correlation", "drop", "least"),
    [(0, 2, 0.5), (0, 3, 0.73), (0, 5, 0.95), (0.5, 2, 0.2), (0.5, 3, 0.5), (0.5, 5, 0.95)],
)
def test_power(correlation, drop, least):
    assert share_seen(correlated(correlation), drop) >= least


def covers(fit: Fall, place: float, width: float, drop: float) -> list[bool]:
    pairs = [(fit.place_interval, place), (fit.width_interval, width), (fit.drop_interval, drop)]
    return [interval.low - 1e-9 <= value <= interval.high + 1e-9 for interval, value in pairs]


def coverage(layers: int, correlation: float, drop: float, width: float, fits: int) -> np.ndarray:
    """Of place, width and drop, the places drawn from all that leave two layers on either side."""
    depth, generator, hits = depths(layers), np.random.default_rng(layers), []
    for _ in range(fits):
        place = generator.uniform(depth[1] + width / 2, depth[-2] - width / 2)
        profile = correlated(correlation)(generator, layers) - drop * ramp(depth, place, width)
        fit = fit_fall(depth, profile, simulations=200)
        assert fit is not None
        hits.append(covers(fit, place, width, drop))
    return np.mean(hits, axis=0)


@pytest.mark.parametrize(("correlation", "width"), [(0, 0), (0, 0.3), (0.5, 0)])
def test_intervals_cover(correlation, width):
    assert (coverage(12, correlation, 5, width, fits=60) >= 0.9).all()


@pytest.mark.slow
@pytest.mark.parametrize("layers", [8, 12, 20, 40])
@pytest.mark.parametrize("correlation", [0, 0.5])
@pytest.mark.parametrize("drop", [3, 5, 10])
@pytest.mark.parametrize("width", [0, 0.3])
def test_intervals_cover_everywhere(layers, correlation, drop, width):
    assert (coverage(layers, correlation, drop, width, fits=150) >= 0.84).all()


@pytest.mark.parametrize(("place", "width"), [(0.2, 0), (0.5, 0), (0.85, 0), (0.5, 0.4)])
def test_a_planted_fall_is_found(place, width):
    depth = np.linspace(0, 1, 24)
    noise = 0.01 * np.random.default_rng(3).standard_normal(24)
    fit = fit_fall(depth, 0.7 - 0.5 * ramp(depth, place, width) + noise)
    assert fit is not None
    assert all(covers(fit, place, width, 0.5))
    assert fit.p < 0.01
    assert fit.place == pytest.approx(place, abs=0.03)
    assert (fit.before, fit.after, fit.drop) == pytest.approx((0.7, 0.2, 0.5), abs=0.03)
    assert fit.before - fit.after == pytest.approx(fit.drop)
    assert fit.explained > 0.99


def test_a_step_without_noise():
    depth = np.linspace(0, 1, 11)
    fit = fit_fall(depth, np.where(depth > 0.45, 0.1, 0.6))
    assert fit is not None
    assert (fit.layers, fit.width, fit.autocorrelation) == (11, 0, 0)
    assert (fit.place, fit.before, fit.after, fit.explained) == pytest.approx((0.45, 0.6, 0.1, 1))
    assert fit.place_interval == pytest.approx((0.4, 0.5))
    assert fit.width_interval == pytest.approx((0, 0.1))
    assert fit.drop_interval == pytest.approx((0.5, 0.5), abs=1e-4)
    assert fit.p == pytest.approx(1 / 1001)


def test_a_smooth_decline_is_wide():
    depth = np.linspace(0, 1, 20)
    fit = fit_fall(depth, 1 - depth + 0.02 * np.random.default_rng(0).standard_normal(20))
    assert fit is not None
    assert fit.width > 0.7
    assert fit.width_interval.low > 0.5


def test_a_rise_is_no_fall():
    depth = np.linspace(0, 1, 20)
    assert fit_fall(depth, depth) is None
    for seed in range(20):
        fit = fit_fall(depth, 5 * depth + np.random.default_rng(seed).standard_normal(20), simulations=200)
        assert fit is None or fit.p > 0.3


@pytest.mark.parametrize("share", [np.full(20, 0.3), 0.1 + 1e-16 * np.arange(20), np.zeros(20)])
def test_a_constant_share_has_no_fall(share):
    assert fit_fall(np.linspace(0, 1, 20), share) is None


def test_few_layers_have_no_fit():
    depth = np.linspace(0, 1, LEAST_LAYERS)
    assert fit_fall(depth, 1.0 * (depth < 0.5)) is not None
    assert fit_fall(depth[1:], 1.0 * (depth[1:] < 0.5)) is None
    assert fit_fall([], []) is None


def test_the_same_profile_has_the_same_fit_in_any_unit():
    depth, profile = depths(16), np.random.default_rng(0).standard_normal(16)
    first, again = fit_fall(depth, profile, simulations=200), fit_fall(depth, profile, simulations=200)
    scaled = fit_fall(depth, 100 + 10 * profile, simulations=200)
    assert first == again
    assert first is not None
    assert scaled is not None
    assert (scaled.p, scaled.autocorrelation) == (first.p, first.autocorrelation)
    assert scaled.place_interval == pytest.approx(first.place_interval)
    assert scaled.drop_interval == pytest.approx([10 * end for end in first.drop_interval], rel=1e-6)
    assert scaled.before == pytest.approx(100 + 10 * first.before)


def dense_likelihood(profile: np.ndarray, design: np.ndarray, correlation: float) -> float:
    """Log L up to a constant, level, drop and variance at their best: from the covariance matrix, by its inverse."""
    order = np.arange(profile.size)
    covariance = correlation ** np.abs(order[:, None] - order)
    inverse = np.linalg.inv(covariance)
    rest = profile - design @ np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ profile)
    variance = (rest @ inverse @ rest) / profile.size
    return -0.5 * np.linalg.slogdet(covariance)[1] - profile.size / 2 * np.log(variance)


def test_the_likelihood_is_the_normal_densitys():
    """All ramps and φ at once against one after another with dense matrices; a ramp that rises counts as none."""
    depth = depths(10)
    bank = ramps.ramps(tuple(depth.tolist()))
    profile = np.random.default_rng(5).standard_normal(10)
    profile -= profile.mean()
    fitted = bank.fit(profile[None])
    level, constant = np.ones((10, 1)), 10 / 2 * np.log(10)
    by_ramp, flat = fitted.each_likelihood() + constant, fitted.flat_likelihood() + constant
    for p, correlation in enumerate(CORRELATIONS):
        assert flat[p, 0] == pytest.approx(dense_likelihood(profile, level, correlation))
        for c, shape in enumerate(bank.shapes):
            expected = dense_likelihood(profile, np.column_stack([level, -shape]), correlation)
            rises = fitted.along[p, 0, c] <= 0
            assert by_ramp[p, 0, c] == pytest.approx(flat[p, 0] if rises else expected)
    assert fitted.best_likelihood()[0] == pytest.approx(fitted.each_likelihood().max())


def test_the_likelihood_of_a_given_drop():
    bank = ramps.ramps(tuple(depths(10).tolist()))
    profile = np.random.default_rng(6).standard_normal(10)
    profile -= profile.mean()
    level, constant = np.ones((10, 1)), 10 / 2 * np.log(10)
    fallen = [profile + 0.7 * shape for shape in bank.shapes]
    expected = max(dense_likelihood(undone, level, correlation) for undone in fallen for correlation in CORRELATIONS)
    assert bank.fit(profile[None]).drop_likelihood(0.7)[0] + constant == pytest.approx(expected)


def test_the_interval_of_the_drop_is_where_its_likelihood_crosses_the_limit():
    bank = ramps.ramps(tuple(depths(12).tolist()))
    profile = np.random.default_rng(7).standard_normal(12) - 4 * (np.arange(12) > 5)
    fitted = bank.fit((profile - profile.mean())[None])
    least = float(fitted.best_likelihood()[0]) - 2.5
    low, high = falls._drop_limits(fitted, least)
    for end, outwards in ((low, -0.01), (high, 0.01)):
        assert fitted.drop_likelihood(end)[0] == pytest.approx(least)
        assert fitted.drop_likelihood(end + outwards)[0] < least


@pytest.mark.parametrize("layers", [8, 9, 30])
def test_every_ramp_leaves_two_layers_on_either_side(layers):
    bank = ramps.ramps(tuple(depths(layers).tolist()))
    assert (bank.shapes[:, :2] == 0).all()
    assert (bank.shapes[:, -2:] == 1).all()
    assert (np.diff(bank.shapes, axis=1) >= 0).all()
    steps = bank.widths().value == 0
    assert steps.sum() == layers - 3
    assert set(np.unique(bank.shapes[steps])) == {0, 1}
    for extent in (bank.places(), bank.widths()):
        assert (extent.low <= extent.value + 1e-12).all()
        assert (extent.value <= extent.high + 1e-12).all()


def test_the_noise_is_stationary():
    noise = autoregressive(np.random.default_rng(0).standard_normal((40_000, 6)), 0.6)
    np.testing.assert_allclose(noise.var(axis=0), 1, atol=0.03)
    np.testing.assert_allclose([np.mean(noise[:, 0] * noise[:, lag]) for lag in (1, 2)], [0.6, 0.36], atol=0.03)


@pytest.mark.parametrize(
    ("depth", "share", "message"),
    [
        ([0, 1], [1], r"depths of shape \(2,\) and shares of shape \(1,\): give two lists, one value a layer"),
        ([[0, 1]], [[1, 2]], "give two lists"),
        ([0, np.nan], [1, 2], "layer 1 has depth nan and share 2: leave out what is not finite"),
        ([0, 1], [-np.inf, 2], "layer 0 has depth 0 and share -inf: leave out"),
        ([0, 0.5, 0.5], [1, 2, 3], "depth 0.5 follows 0.5: give layers from the input on, each once"),
    ],
)
def test_profiles_that_are_none_are_refused(depth, share, message):
    with pytest.raises(InputError, match=message):
        fit_fall(depth, share)


def test_few_simulations_are_refused():
    with pytest.raises(InputError, match="simulations = 99: a 95 % point needs 100 or more"):
        fit_fall(np.arange(9), np.arange(9), simulations=LEAST_SIMULATIONS - 1)
