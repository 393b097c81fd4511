"""Learning-curve statistics against hand-computed curves, loops over scipy's t test, and simulation."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from fbench.errors import InputError, UnknownNameError
from fbench.measure import curves
from fbench.measure.curves import aulc, checkpoints, penalty_matrix, round_weights

LABELS = [100, 200, 300, 400, 500, 600]


def arms(rng, count=3, seeds=6, shift=0.0, labels=LABELS):
    """Curves [seeds, rounds] that rise to 0.9, the first arm ``shift`` higher, part of the noise per seed."""
    rise = 0.9 - 0.5 * 0.5 ** np.arange(len(labels))
    shared = rng.normal(0, 0.02, size=(seeds, 1))
    noise = rng.normal(0, 0.01, size=(count, seeds, len(labels)))
    values = rise + shared + noise
    values[0] += shift
    return dict(zip(["fish", "bait", "random", "entropy"][:count], values, strict=True))


def test_all_lists_the_public_names():
    defined = {name for name, value in vars(curves).items() if getattr(value, "__module__", "") == curves.__name__}
    assert {name for name in defined if not name.startswith("_")} == set(curves.__all__)


# --- areas


def test_aulc_by_hand():
    # (100·0.6 + 200·0.75)/300 with uneven rounds
    assert float(aulc([100, 200, 400], [0.5, 0.7, 0.8])) == pytest.approx(0.7)


def test_aulc_per_seed_is_scipys_trapezoid():
    values = np.random.default_rng(0).uniform(size=(4, 6))
    labels = np.cumsum([10, 5, 20, 20, 1, 7])
    assert aulc(labels, values) == pytest.approx(integrate.trapezoid(values, labels, axis=1) / (labels[-1] - labels[0]))
    assert aulc(labels, values[2]).shape == ()


def test_a_level_curve_has_its_own_height():
    assert aulc([3, 5, 11], np.full((2, 3), 0.8)) == pytest.approx([0.8, 0.8])


# --- penalty matrix


def test_checkpoints_double_until_the_reference_is_level():
    labels = np.arange(100, 2000, 100)
    rising = np.linspace(0.1, 0.9, labels.size)
    assert labels[list(checkpoints(labels, rising))].tolist() == [200, 300, 500, 900, 1700]
    level_from_500 = np.where(labels < 500, rising, 0.9)
    assert checkpoints(labels, level_from_500) == (1, 2)
    assert checkpoints(labels, np.full((3, labels.size), 0.9)) == ()


def test_checkpoints_use_the_mean_over_seeds_and_stop_for_good():
    labels = [10, 20, 30, 40, 50]
    assert checkpoints(labels, [[0.1, 0.5, 0.8, 0.9, 1.0], [0.1, 0.7, 0.6, 0.9, 0.8]]) == (1, 2)
    assert checkpoints(labels, [0.1, 0.95, 0.2, 0.3, 0.9]) == ()  # it dips again: no second start
    assert checkpoints(labels, [0.1, 0.99, 0.99, 0.3, 1.0]) == (1, 2)  # 0.99 of the last is still in
    assert checkpoints(labels, [0.1, 0.5, 0.992, 0.3, 1.0]) == (1,)
    assert checkpoints(labels, [-2.0, -1.5, -1.02, -1.3, -1.0]) == (1, 2)  # of −nll, 1.01 of the last is still in
    assert checkpoints(labels, [-2.0, -1.5, -1.005, -1.3, -1.0]) == (1,)


def test_a_short_last_round_is_no_fault():
    assert checkpoints([100, 200, 250], [0.2, 0.4, 0.8]) == (1,)


def loop_penalties(values, rounds):
    """Slow twin: one t test of scipy's at a time."""
    matrix = np.zeros((len(values), len(values)))
    for i, first in enumerate(values):
        for j, second in enumerate(values):
            for index in rounds:
                if i != j and not np.array_equal(first[:, index], second[:, index]):
                    test = stats.ttest_rel(first[:, index], second[:, index])
                    matrix[i, j] += (test.statistic > 0 and test.pvalue < 0.05) / len(rounds)
    return matrix


@pytest.mark.parametrize("seed", range(5))
def test_penalty_matrix_is_the_loop(seed):
    accuracies = arms(np.random.default_rng(seed), count=4, shift=0.012)
    result = penalty_matrix(LABELS, accuracies)
    rounds = checkpoints(LABELS, accuracies["random"])
    assert len(rounds) in (2, 3)
    assert (result.names, result.checkpoints) == (tuple(accuracies), tuple(LABELS[index] for index in rounds))
    expected = loop_penalties(list(accuracies.values()), rounds)
    assert expected.any()
    assert result.matrix == pytest.approx(expected)
    assert result.columns == pytest.approx(expected.sum(axis=0) / 4)


def test_a_clear_winner():
    accuracies = arms(np.random.default_rng(1), shift=0.2)
    result = penalty_matrix(LABELS, accuracies)
    assert result.matrix[0].tolist() == [0.0, 1.0, 1.0]
    assert result.columns[0] == 0.0
    assert result.matrix[0, 1] > result.band_entry


def test_the_band_is_that_of_flipped_data():
    """Slow twin: flip the deviations themselves and run the loop."""
    accuracies = arms(np.random.default_rng(2), seeds=5, shift=0.01)
    values = np.stack(list(accuracies.values()))
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=5)))
    centre = values.mean(axis=0)
    some = [loop_penalties(centre + sign[:, None] * (values - centre), [1, 2, 4]) for sign in signs[:20]]
    differences = (values[:, None] - values[None])[..., [1, 2, 4]]
    assert curves._penalties(differences, signs[:20]) == pytest.approx(np.stack(some))
    result = penalty_matrix(LABELS, accuracies)
    flipped = curves._penalties(differences, signs)
    share = np.mean(flipped.any(axis=(1, 2)))
    assert result.nonzero_share == share
    assert np.mean(flipped.max(axis=(1, 2)) > result.band_entry) <= 0.05
    assert np.mean(flipped.max(axis=(1, 2)) >= result.band_entry) > 0.05
    assert np.mean(flipped.mean(axis=1).max(axis=1) > result.band_column) <= 0.05
    assert np.mean(flipped.mean(axis=1).max(axis=1) >= result.band_column) > 0.05


def test_equal_arms_stay_within_the_band_though_often_not_at_zero():
    rng, runs = np.random.default_rng(3), 200
    results = [penalty_matrix(LABELS, arms(rng, count=4, seeds=8)) for _ in range(runs)]
    nonzero = np.mean([result.matrix.any() for result in results])
    expected = np.mean([result.nonzero_share for result in results])
    assert 0.3 < nonzero < 0.7
    assert abs(nonzero - expected) < 4 * math.sqrt(0.25 / runs)
    outside = np.mean([result.matrix.max() > result.band_entry for result in results])
    assert outside < 0.05 + 4 * math.sqrt(0.05 * 0.95 / runs)


def test_without_spread_nothing_is_won():
    rise = np.tile([0.2, 0.4, 0.6, 0.7, 0.8, 0.9], (4, 1))
    result = penalty_matrix(LABELS, {"bait": rise + 0.05, "random": rise})
    assert not result.matrix.any()
    assert (result.band_entry, result.nonzero_share) == (0.0, 0.0)


@pytest.mark.parametrize("seeds", [1, 4])
def test_one_seed_or_no_checkpoint_gives_nan_and_not_zero(seeds):
    flat = np.full((seeds, 6), 0.9) if seeds > 1 else np.linspace(0.1, 0.9, 6)
    result = penalty_matrix(LABELS, {"bait": flat, "random": flat})
    assert len(result.checkpoints) == (0 if seeds > 1 else 3)
    assert np.isnan(result.matrix).all()
    assert np.isnan([*result.columns, result.band_entry, result.band_column, result.nonzero_share]).all()


def test_more_than_twelve_seeds_have_signs_that_are_drawn():
    accuracies = arms(np.random.default_rng(4), seeds=14)
    first, second = penalty_matrix(LABELS, accuracies, seed=3), penalty_matrix(LABELS, accuracies, seed=3)
    assert first.nonzero_share == second.nonzero_share
    assert first.nonzero_share != penalty_matrix(LABELS, accuracies, seed=4).nonzero_share


def test_rounds_weigh_as_they_do_in_the_area():
    labels, accuracy = [10, 30, 40, 100], np.array([0.2, 0.5, 0.6, 0.7])
    assert round_weights(labels).sum() == pytest.approx(1)
    assert round_weights(labels) @ accuracy == pytest.approx(float(aulc(labels, accuracy)))


def test_quantile_is_one_of_the_values():
    values = np.array([3.0, -math.inf, 2.0, math.inf])
    assert [curves._quantile_up(values, share) for share in (0.25, 0.5, 0.75, 0.9)] == [
        -math.inf,
        2,
        3,
        math.inf,
    ]


# --- messages

RISE = [0.2, 0.4, 0.8]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aulc([100, 100, 200], RISE), r"labels \[100.0, 100.0, 200.0\] do not rise from 1 or more"),
        (lambda: aulc([0, 100, 200], RISE), r"labels \[0.0, .* do not rise from 1 or more: give two rounds"),
        (lambda: aulc([100], [0.2]), r"labels \[100.0\] do not rise"),
        (lambda: aulc([100, 200], RISE), r"the accuracy has shape \(3,\): give \[2\] or \[seeds, 2\]"),
        (
            lambda: aulc([100, 200], [0.2, math.nan]),
            r"the accuracy holds nan.*leave that seed out of every arm",
        ),
        (
            lambda: checkpoints([100, 200, 250, 400], [0.2, 0.4, 0.5, 0.8]),
            r"no round has the 300 labels of a checkpoint.*the same number of labels",
        ),
        (
            lambda: penalty_matrix([1, 2, 3], {"random": RISE}),
            r"1 arm cannot be compared: give two strategies",
        ),
        (
            lambda: penalty_matrix([1, 2, 3], {"bait": [RISE, RISE], "random": RISE}),
            r"random has 1 seeds and bait has 2: keep the seeds that every arm has",
        ),
    ],
)
def test_input_errors(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_unknown_reference():
    with pytest.raises(UnknownNameError, match=r"unknown reference strategy 'random'.*Known: bait, fish"):
        penalty_matrix([1, 2, 3], {"bait": RISE, "fish": RISE})
