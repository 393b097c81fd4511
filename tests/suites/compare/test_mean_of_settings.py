"""The mean over settings: its error by hand, and what settings that share their images do to it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fbench.measure.split_overlap import corrected_interval, corrected_p
from fbench.measure.statistics import paired
from fbench.suites.compare.family import judge_family
from fbench.suites.compare.mean_of_settings import GainsAt, mean_of_settings
from fbench.suites.compare.questions import Question

RHO, N = 0.25, 8


def part(dataset: str, seed: int, overlap: float | None = RHO, gain: float = 0.02) -> GainsAt:
    gains = np.random.default_rng(seed).normal(gain, 0.01, size=N)
    areas = {"new": 0.8 + gains, "old": np.full(N, 0.8)}
    [test] = judge_family([Question("new", ">", "old")], areas, 0.005, overlap=overlap)
    return GainsAt(dataset, test, gains)


def test_the_mean_of_one_setting_is_that_setting() -> None:
    one = part("digits", 0)
    mean = mean_of_settings([one])
    low, high = corrected_interval(one.test.comparison, RHO)
    assert mean is not None
    assert mean.interval == pytest.approx((low, high))
    assert mean.p == pytest.approx(corrected_p(one.test.comparison, RHO)) == pytest.approx(one.test.p)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (("digits", "digits"), [[0, 1]]),
        (("digits", "digits:noise=0.1"), [[0, 1]]),
        (("digits", "mnist5k"), [[0], [1]]),
        (("digits", "mnist5k", "digits:imbalance=0.1"), [[0, 2], [1]]),
    ],
)
def test_settings_of_one_data_set_share_what_their_images_do(names: tuple[str, ...], groups: list[list[int]]) -> None:
    parts = [part(name, seed) for seed, name in enumerate(names)]
    sd = [float(np.std(each.gains, ddof=1)) for each in parts]
    gains = np.mean([each.gains for each in parts], axis=0)
    shared = sum((sum(sd[i] for i in group) / len(parts)) ** 2 for group in groups)
    mean = mean_of_settings(parts)
    assert mean is not None
    assert mean.error == pytest.approx(math.sqrt(np.var(gains, ddof=1) / N + RHO * shared))


def test_without_overlap_it_is_the_t_interval_of_the_means() -> None:
    parts = [part("digits", seed, overlap=None) for seed in (0, 1)]
    gains = np.mean([each.gains for each in parts], axis=0)
    plain = paired(gains, np.zeros(N))
    mean = mean_of_settings(parts)
    assert mean is not None
    assert mean.interval == pytest.approx((plain.low, plain.high))
    assert mean.p == pytest.approx(plain.p)


def test_differences_without_spread_have_no_p() -> None:
    one = part("digits", 0)
    mean = mean_of_settings([GainsAt("digits", one.test, np.full(N, 0.02))])
    assert mean is not None
    assert math.isnan(mean.p)
    assert all(map(math.isnan, mean.interval))


def test_no_seed_is_no_mean_and_few_are_one_without_p() -> None:
    one = part("digits", 0)
    assert mean_of_settings([GainsAt("digits", one.test, one.gains[:0])]) is None
    few = mean_of_settings([GainsAt("digits", one.test, one.gains[:3])])
    assert few is not None
    assert math.isnan(few.p)
    single = mean_of_settings([GainsAt("digits", one.test, one.gains[:1])])
    assert single is not None
    assert all(map(math.isnan, single.interval))
