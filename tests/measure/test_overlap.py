"""Chance, by enumeration, by drawing and by scipy; planted turnovers; edges and errors."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fbench.errors import InputError
from fbench.measure.overlap import expected_jaccard, jaccard


def every_set(sizes: list[int], counts: list[int]) -> list[frozenset[tuple[int, int]]]:
    """Every set that takes just so many members of every layer."""
    choices = [itertools.combinations(range(size), count) for size, count in zip(sizes, counts, strict=True)]
    return [
        frozenset((layer, member) for layer, members in enumerate(chosen) for member in members)
        for chosen in itertools.product(*choices)
    ]


def enumerated(sizes: list[int], first: list[int], second: list[int]) -> float:
    pairs = itertools.product(every_set(sizes, first), every_set(sizes, second))
    return float(np.mean([len(one & other) / len(one | other) for one, other in pairs]))


def convolved(sizes: list[int], first: list[int], second: list[int]) -> float:
    """The definition with scipy's probabilities and a direct convolution of full supports."""
    chances = np.ones(1)
    for size, a, b in zip(sizes, first, second, strict=True):
        chances = np.convolve(chances, stats.hypergeom(size, a, b).pmf(np.arange(min(a, b) + 1)))
    shared, taken = np.arange(chances.size), sum(first) + sum(second)
    return float(chances @ (shared / (taken - shared)))


@st.composite
def tiny_layers(draw: st.DrawFn) -> tuple[list[int], list[int], list[int]]:
    sizes = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
    counts = [[draw(st.integers(0, size)) for size in sizes] for _ in range(2)]
    return sizes, counts[0], counts[1]


@pytest.mark.parametrize(
    ("sizes", "first", "second"),
    [
        ([5], [2], [3]),
        ([5], [1], [1]),
        ([6], [5], [4]),
        ([4, 3], [2, 1], [1, 2]),
        ([3, 3, 3], [1, 0, 2], [1, 3, 1]),
        ([1, 5], [1, 2], [1, 2]),
    ],
)
def test_chance_is_the_mean_over_all_pairs_of_sets(sizes, first, second):
    assert expected_jaccard(sizes, first, second) == pytest.approx(enumerated(sizes, first, second), abs=1e-13)


@given(tiny_layers())
def test_chance_of_any_tiny_layers(layers):
    if sum(layers[1]) + sum(layers[2]):
        assert expected_jaccard(*layers) == pytest.approx(enumerated(*layers), abs=1e-13)
    else:
        assert expected_jaccard(*layers) is None


@pytest.mark.parametrize("share", [0.002, 0.05, 0.4, 0.9])
def test_chance_is_the_direct_convolution(share):
    generator = np.random.default_rng(0)
    sizes = [9, 64, 300, 1728, 2500, 10]
    first, second = ([int(generator.binomial(size, share)) for size in sizes] for _ in range(2))
    assert expected_jaccard(sizes, first, second) == pytest.approx(convolved(sizes, first, second), abs=1e-12)


def test_chance_of_a_large_layer():
    """2.4 million weights, where scipy's logarithms of factorials have lost digits and ratios have not."""
    size, first, second = 2_359_296, 400_000, 300_000
    shared = np.arange(48_000, 54_000)
    chances = stats.hypergeom(size, first, second).pmf(shared)
    expected = chances @ (shared / (first + second - shared)) / chances.sum()
    assert expected_jaccard([size], [first], [second]) == pytest.approx(expected, rel=1e-10)


def test_chance_is_what_drawing_gives():
    generator = np.random.default_rng(1)
    sizes, first, second = np.array([40, 400, 7]), np.array([6, 30, 3]), np.array([10, 20, 3])
    shared = generator.hypergeometric(first, sizes - first, second, size=(200_000, 3)).sum(axis=1)
    drawn = shared / (first.sum() + second.sum() - shared)
    error = drawn.std() / np.sqrt(drawn.size)
    assert abs(expected_jaccard(sizes, first, second) - drawn.mean()) < 4 * error


def test_the_mean_number_shared_would_be_half_off_for_small_sets():
    """Two sets of one member each are equal once in m times: 1/m, where the mean's index is 1/(2m − 1)."""
    assert expected_jaccard([1000], [1], [1]) == pytest.approx(1 / 1000)


def test_layers_matter():
    """Two sets that both live in one of two layers share more than chance over the network says."""
    assert expected_jaccard([100, 100], [20, 0], [20, 0]) > 1.8 * expected_jaccard([200], [20], [20])


def test_chance_where_nothing_is_left_to_it():
    assert expected_jaccard([5, 7], [5, 7], [5, 7]) == 1
    assert expected_jaccard([5, 7], [5, 0], [0, 7]) == 0
    assert expected_jaccard([5, 7], [5, 0], [5, 7]) == pytest.approx(5 / 12)
    assert expected_jaccard([5, 7], [3, 0], [0, 0]) == 0
    assert expected_jaccard([5, 7], [0, 0], [0, 0]) is None
    assert expected_jaccard([], [], []) is None


def test_chance_is_symmetric_and_blind_to_the_order_of_layers():
    sizes, first, second = [50, 900, 31], [7, 80, 30], [20, 3, 1]
    expected = expected_jaccard(sizes, first, second)
    assert expected_jaccard(sizes, second, first) == pytest.approx(expected, abs=1e-14)
    assert expected_jaccard(sizes[::-1], first[::-1], second[::-1]) == pytest.approx(expected, abs=1e-14)


def test_a_network_of_eleven_million_weights_takes_milliseconds():
    """About 9 ms on a core of an EPYC; the limit leaves room for a busy machine."""
    sizes = [2_359_296] * 3 + [1_179_648, *[589_824] * 3, *[147_456] * 4, *[36_864] * 5] + [512] * 46
    counts = [size // 5 for size in sizes]
    spent = []
    for _ in range(5):
        begun = time.process_time()
        expected_jaccard(sizes, counts, counts)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.1


@pytest.mark.parametrize("turnover", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_a_planted_turnover(turnover):
    kept = 1000
    shared = round(kept * (1 - turnover))
    assert jaccard(shared, kept, kept) == pytest.approx((1 - turnover) / (1 + turnover))


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_the_index_of_sets(first, second):
    expected = len(first & second) / len(first | second) if first | second else None
    assert jaccard(len(first & second), len(first), len(second)) == expected


@pytest.mark.parametrize("counts", [(3, 2, 5), (-1, 2, 5), (0, -1, 5)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(InputError, match="no more shared than the smaller set has"):
        jaccard(*counts)


def test_unequal_lengths_are_refused():
    with pytest.raises(InputError, match="2 layers with 1 and 2 counts: give one count of each set a layer"):
        expected_jaccard([5, 5], [1], [1, 1])


@pytest.mark.parametrize(("first", "second"), [(6, 1), (1, 6), (-1, 1), (1, -1)])
def test_counts_that_a_layer_cannot_give_are_refused(first, second):
    with pytest.raises(InputError, match=r"layer 1 of 5 members .* give counts from 0 to the layer's size"):
        expected_jaccard([5, 5], [1, first], [1, second])
