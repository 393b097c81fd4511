"""What masks share against sets of positions, floors and turnover planted in small masks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import fmean

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from fbench.fisher.gradients.forward_order import ParameterLayer
from fbench.fisher.masks import Mask, kept, top_mask
from fbench.harness.contract import Row
from fbench.suites.drift.overlaps import Comparison, places
from fbench.suites.drift.places import WHOLE
from fbench.suites.drift.snapshots import MaskGrid, Snapshot, make_snapshot

SHAPES = {"conv": (3, 2), "norm": (4,), "classifier": (2, 3)}
LAYERS = [
    ParameterLayer("conv", "convolution", 6),
    ParameterLayer("norm", "norm", 4),
    ParameterLayer("classifier", "linear", 6),
]
GRID = MaskGrid(
    samples=(8,), redraws=(1, 2), rules=("global", "layer"), classifier=("kept", "free"), fractions=(0.5, 0.8)
)
KEY = {"strategy": "bait", "seed": 0, "round": 3, "labels": 50}


def network(seed: int, grid: MaskGrid = GRID, levels: int = 0) -> Snapshot:
    """A view of random diagonals; with ``levels`` they have few values, so that most of them tie."""
    g = torch.Generator().manual_seed(seed)

    def diagonal() -> dict[str, Tensor]:
        values = {name: torch.rand(shape, generator=g, dtype=torch.float64) for name, shape in SHAPES.items()}
        return {name: (v * levels).floor() if levels else v for name, v in values.items()}

    pairs = max(grid.redraws)
    diagonals = {n: [(diagonal(), diagonal()) for _ in range(pairs)] for n in grid.samples}
    weights = {name: torch.randn(shape, generator=g) for name, shape in SHAPES.items()}
    return make_snapshot(LAYERS, weights, diagonals, ["classifier"], grid)


def comparison_of(seed: int = 0, grid: MaskGrid = GRID, levels: int = 0) -> Comparison:
    return Comparison(*(network(4 * seed + i, grid, levels) for i in range(4)))


def positions(mask: Mask, layer: str, always: Sequence[str]) -> set[tuple[str, int]]:
    names = [name for name in mask if name not in always] if layer == WHOLE else [layer]
    return {(name, at) for name in names for at in mask.positions(name).tolist() if name not in always}


def slow_jaccard(first: set[tuple[str, int]], second: set[tuple[str, int]]) -> float | None:
    return len(first & second) / len(first | second) if first | second else None


def mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def rows_of(comparison: Comparison, grid: MaskGrid = GRID) -> list[Row]:
    return list(comparison.overlap_rows(grid, KEY))


@pytest.mark.parametrize("seed", range(3))
def test_overlaps_against_sets_of_positions(seed: int) -> None:
    comparison = comparison_of(seed)
    others = {"previous": comparison.previous, "first": comparison.first, "retrain": comparison.retrained}
    for row in rows_of(comparison):
        recipe = next(v for v in GRID.recipes if all(row[n] == value for n, value in v._asdict().items()))
        always = ["classifier"] if row["classifier"] == "kept" else []

        def at(mask: Mask, layer: str = row["layer"], always: Sequence[str] = always) -> set[tuple[str, int]]:
            return positions(mask, layer, always)

        pairs = comparison.now.masks[recipe][: row["redraws"]]
        assert row["jaccard_redraw"] == mean([slow_jaccard(at(a), at(b)) for a, b in pairs])
        for name, other in others.items():
            assert other is not None
            crossed = [
                slow_jaccard(at(mine), at(theirs))
                for (a, b), (c, d) in zip(pairs, other.masks[recipe][: row["redraws"]], strict=True)
                for mine, theirs in ((a, d), (b, c))
            ]
            expected = mean(crossed)
            assert row[f"jaccard_{name}"] == (expected if expected is None else pytest.approx(expected, rel=1e-12))


def test_chance_against_every_mask_of_the_same_counts() -> None:
    """All random masks with as many weights in every layer; the classifier is in none of them."""
    grid = MaskGrid(samples=(8,), fractions=(0.7,))
    comparison = Comparison(network(0, grid), network(1, grid))
    recipe = grid.recipes[0]
    a, b = comparison.now.masks[recipe][0]
    assert comparison.previous is not None
    c, d = comparison.previous.masks[recipe][0]
    expected = {}
    for layer in ("conv", "norm", WHOLE):
        names = ["conv", "norm"] if layer == WHOLE else [layer]
        expected[layer] = fmean(by_chance(mine, theirs, names) for mine, theirs in ((a, d), (b, c)))
    rows = {row["layer"]: row for row in rows_of(comparison, grid)}
    for layer, value in expected.items():
        assert rows[layer]["jaccard_chance"] == pytest.approx(value, rel=1e-12)
    assert rows["classifier"]["jaccard_chance"] is None


def by_chance(first: Mask, second: Mask, names: Sequence[str]) -> float:
    """Mean Jaccard of the first mask with every mask that has the second's counts."""
    every = [
        itertools.combinations([(name, i) for i in range(first[name].numel())], second.counts()[name]) for name in names
    ]
    mine = set().union(*(positions(first, name, []) for name in names))
    values = [slow_jaccard(mine, set().union(*map(set, chosen))) for chosen in itertools.product(*every)]
    return fmean(value for value in values if value is not None)


def test_the_first_round_has_nothing_before_it() -> None:
    grid = MaskGrid(samples=(8,), fractions=(0.5,))
    for row in rows_of(Comparison(network(0, grid)), grid):
        assert "jaccard_previous" not in row
        assert "jaccard_first" not in row
        assert "jaccard_retrain" not in row
        assert (row["jaccard_redraw"] is None) == (row["jaccard_chance"] is None)


@pytest.mark.parametrize(("rounds", "turnover"), [(1, 0.0), (1, 0.1), (1, 0.25), (4, 0.5), (1, 1.0)])
def test_a_planted_turnover(rounds: int, turnover: float) -> None:
    """A share q of the kept weights replaced by others gives (1 − q)/(1 + q)."""
    m, size = 400, 100
    moved = int(turnover * size)
    before, after = torch.zeros(m), torch.zeros(m)
    before[:size] = 1.0
    after[moved : size + moved] = 1.0
    grid = MaskGrid(samples=(8,), classifier=("free",), fractions=(size / m,))
    layers = [ParameterLayer("w", "linear", m)]
    now, previous = (
        make_snapshot(layers, {"w": torch.ones(m)}, {8: [({"w": F}, {"w": F})]}, [], grid) for F in (after, before)
    )
    row = rows_of(Comparison(now, previous, previous, now), grid)[0]
    assert row["jaccard_previous"] == row["jaccard_first"] == pytest.approx((1 - turnover) / (1 + turnover))
    assert row["jaccard_redraw"] == row["jaccard_retrain"] == 1


def test_without_drift_the_previous_round_is_at_the_floor_exactly() -> None:
    """The same network again: another draw is all that differs."""
    now = network(0)
    for row in rows_of(Comparison(now, now, now, now)):
        assert row["jaccard_previous"] == row["jaccard_first"] == row["jaccard_retrain"] == row["jaccard_redraw"]


@given(st.integers(0, 999), st.sampled_from([1, 2, 3]), st.sampled_from([0.4, 0.5, 0.75, 0.9]))
def test_ties_never_change_a_masks_size(seed: int, levels: int, fraction: float) -> None:
    grid = MaskGrid(samples=(8,), rules=("global", "layer"), classifier=("kept", "free"), fractions=(fraction,))
    for row in rows_of(comparison_of(seed, grid, levels), grid):
        if row["layer"] == WHOLE and row["rule"] == "global":
            assert row["kept"] == kept(fraction, 16)
        if row["layer"] != WHOLE and row["rule"] == "layer":
            whole = row["classifier"] == "kept" and row["layer"] == "classifier"
            assert row["kept"] == (row["parameters"] if whole else kept(fraction, row["parameters"]))


def test_share_and_captured_mass() -> None:
    comparison = comparison_of()
    for row in rows_of(comparison):
        recipe = next(v for v in GRID.recipes if all(row[n] == value for n, value in v._asdict().items()))
        (m_A, m_B), (F_A, F_B) = comparison.now.masks[recipe][0], comparison.now.diagonals[8][0]
        names = list(SHAPES) if row["layer"] == WHOLE else [row["layer"]]
        assert row["kept"] == sum(int(m_A[name].sum()) for name in names)
        assert row["share"] == row["kept"] / row["parameters"]
        inside = sum(float((F_B[n] * m_A[n]).sum() + (F_A[n] * m_B[n]).sum()) for n in names)
        assert row["captured"] == pytest.approx(inside / sum(float((F_A[n] + F_B[n]).sum()) for n in names))


def test_a_layer_without_fisher_information_captures_nothing_that_could_be_said() -> None:
    grid = MaskGrid(samples=(8,), classifier=("free",), fractions=(0.5,))
    F = {"w": torch.tensor([1.0, 2.0]), "dead": torch.zeros(2)}
    layers = [ParameterLayer("w", "linear", 2), ParameterLayer("dead", "linear", 2)]
    now = make_snapshot(layers, F, {8: [(F, F)]}, [], grid)
    rows = {row["layer"]: row for row in rows_of(Comparison(now), grid)}
    assert rows["dead"]["captured"] is None
    assert rows["dead"]["jaccard_redraw"] is None
    assert rows["dead"]["jaccard_chance"] is None
    assert rows["w"]["captured"] == 1


def test_fisher_values_and_their_order() -> None:
    comparison = comparison_of()
    (F_A, F_B), weights = comparison.now.diagonals[8][0], comparison.now.weights
    rows = {row["layer"]: row for row in comparison.fisher_rows(GRID, KEY)}
    flat = {name: torch.cat([F[n].flatten() for n in SHAPES]) for name, F in (("A", F_A), ("B", F_B))}
    w = torch.cat([weights[n].flatten() for n in SHAPES]).double()
    assert rows[WHOLE]["fisher_mean"] == pytest.approx(float((flat["A"] + flat["B"]).mean() / 2))
    assert rows[WHOLE]["weighted_mean"] == pytest.approx(float(((flat["A"] + flat["B"]) / 2 * w**2).mean()))
    assert rows["conv"]["fisher_mean"] == pytest.approx(float((F_A["conv"] + F_B["conv"]).mean() / 2))
    for layer in ("conv", "norm"):
        pairs = [(a[layer].flatten(), b[layer].flatten()) for a, b in comparison.now.diagonals[8]]
        assert rows[layer]["spearman_redraw"] == pytest.approx(fmean(slow_spearman(a, b) for a, b in pairs))
        assert comparison.previous is not None
        other = [(a[layer].flatten(), b[layer].flatten()) for a, b in comparison.previous.diagonals[8]]
        both = zip(pairs, other, strict=True)
        crossed = [slow_spearman(*crosswise) for (a, b), (c, d) in both for crosswise in ((a, d), (b, c))]
        assert rows[layer]["spearman_previous"] == pytest.approx(fmean(crossed))
    assert {"spearman_retrain"} <= rows["conv"].keys()


def slow_spearman(first: Tensor, second: Tensor) -> float:
    return float(stats.spearmanr(first.numpy(), second.numpy()).statistic)


def test_a_constant_layer_has_no_order() -> None:
    grid = MaskGrid(samples=(8,), classifier=("free",), fractions=(0.5,))
    F = {"w": torch.ones(4)}
    now = make_snapshot([ParameterLayer("w", "linear", 4)], F, {8: [(F, F)]}, [], grid)
    assert all(math.isnan(row["spearman_redraw"]) for row in Comparison(now).fisher_rows(grid, KEY))


def test_the_masks_written_are_the_first_draws() -> None:
    comparison = comparison_of()
    rows = list(comparison.written_masks(KEY))
    assert len(rows) == len(GRID.recipes) * len(SHAPES)
    for row in rows:
        recipe = next(v for v in GRID.recipes if all(row[n] == value for n, value in v._asdict().items()))
        assert row["kept"] == int(comparison.now.masks[recipe][0][0][row["layer"]].sum())


def test_masks_are_top_masks_of_their_draws() -> None:
    snapshot = network(5)
    for recipe, pairs in snapshot.masks.items():
        always = ["classifier"] if recipe.classifier == "kept" else []
        for mask, F in zip(pairs[1], snapshot.diagonals[8][1], strict=True):
            expected = top_mask(F, recipe.fraction, scope=recipe.rule, always=always)
            assert all(torch.equal(mask[name], expected[name]) for name in expected)


def test_depth_goes_from_0_to_1() -> None:
    in_order = places(LAYERS)
    assert [place.name for place in in_order] == ["conv", "norm", "classifier"]
    assert [place.depth for place in in_order] == [0, 0.5, 1]
    assert places(LAYERS[:1])[0].depth == 0


def test_the_whole_network_has_a_row_but_no_depth() -> None:
    first, second, *_ = comparison_of().fisher_rows(GRID, KEY)
    assert (first["layer"], first["parameters"]) == (WHOLE, 16)
    assert "depth" not in first
    assert (second["layer"], second["layer_index"], second["depth"]) == ("conv", 0, 0)


def test_what_a_later_round_needs_is_less() -> None:
    snapshot = network(0)
    assert snapshot.to_compare_with(ranks=True).ranks == snapshot.ranks
    slim = snapshot.to_compare_with(ranks=False)
    assert not slim.ranks
    assert not slim.diagonals
    assert slim.masks == snapshot.masks


def test_large_masks_are_compared_fast_enough_to_be_exact() -> None:
    """The network of 11 million weights: counts are exact, far beyond what float32 could count."""
    m = 17_000_001
    first, second = torch.ones(m, dtype=torch.bool), torch.ones(m, dtype=torch.bool)
    second[0] = False
    assert Mask({"w": first}).overlap(Mask({"w": second}))["w"] == (m - 1, m, m - 1)
