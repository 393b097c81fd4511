"""Masks: which weights, how many, what they overlap, and what they refuse."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import partial

import cases
import pytest
import reference
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from torch import Tensor

import fbench
from fbench.errors import InputError, UnknownNameError
from fbench.fisher.masks import even_counts, largest_mask


def diagonal(sizes: list[int], seed: int, levels: int = 0) -> dict[str, Tensor]:
    """Return a diagonal of layers a, b, …; with ``levels`` its values are few, so that most of them tie."""
    g = torch.Generator().manual_seed(seed)
    values = [torch.rand(m, generator=g, dtype=torch.float64) for m in sizes]
    if levels:
        values = [(v * levels).floor() for v in values]
    return {chr(97 + i): v.view(-1, 1) for i, v in enumerate(values)}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    seed=st.integers(0, 2**31),
    levels=st.sampled_from([0, 1, 2, 5]),
    sixteenths=st.integers(1, 16),
    scope=st.sampled_from(["global", "layer"]),
    keep_last=st.booleans(),
)
@cases.randomised(120)
def test_top_mask_is_the_sorted_one(
    sizes: list[int], seed: int, levels: int, sixteenths: int, scope: str, keep_last: bool
) -> None:
    values, fraction = diagonal(sizes, seed, levels), sixteenths / 16  # exact, so that floor is not in doubt
    always = [max(values)] if keep_last else []
    assume(math.floor(fraction * sum(sizes)) >= max(1, sum(values[name].numel() for name in always)))
    expected = reference.top_mask(values, fraction, scope, always)
    size = sum(int(layer.sum()) for layer in expected.values())
    assume(size)
    mask = fbench.top_mask(values, fraction, scope=scope, always=always)
    assert mask.size == size
    assert mask.keys() == values.keys()
    assert all(torch.equal(mask[name], expected[name]) for name in values)
    if scope == "global":
        assert mask.size == math.floor(fraction * sum(sizes))


@pytest.mark.parametrize(("fraction", "size"), [(0.29, 29), (0.57, 57), (0.58, 58), (0.07, 7), (1.0, 100)])
def test_a_decimal_fraction_means_what_it_says(fraction: float, size: int) -> None:
    """0.29 · 100 is 28.999999999999996 in float64; the weights asked for are 29."""
    assert fbench.top_mask(diagonal([60, 40], 0), fraction).size == size


def test_a_scalar_parameter_and_another_dtype() -> None:
    values = {"scale": torch.tensor(3.0), "weight": torch.tensor([[1.0, 4.0], [2.0, 0.0]])}
    mask = fbench.top_mask(values, 0.4)
    assert mask["scale"].shape == ()
    assert bool(mask["scale"])
    assert mask["weight"].tolist() == [[False, True], [False, False]]
    assert mask["weight"].dtype == torch.bool


@given(sizes=st.lists(st.integers(1, 400), min_size=2, max_size=4))
@cases.randomised(80)
@example(sizes=[29, 71])
def test_the_error_names_the_least_fraction_that_works(sizes: list[int]) -> None:
    values = diagonal(sizes, 0)
    total, forced = sum(sizes), sizes[0]
    assume(forced >= 2)
    with pytest.raises(InputError, match=r"least fraction") as caught:
        fbench.top_mask(values, 1.5 / total if forced > 2 else 1 / total, always=["a"])
    least = float(re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", str(caught.value))[-1])
    assert least == pytest.approx(forced / total, abs=1e-5)
    assert fbench.top_mask(values, least, always=["a"]).size == forced


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, float("nan"), float("inf")])
def test_fractions_are_in_the_unit_interval(fraction: float) -> None:
    with pytest.raises(InputError, match=f"fraction.*{fraction}"):
        fbench.top_mask(diagonal([5], 0), fraction)


def test_a_fraction_that_keeps_nothing() -> None:
    with pytest.raises(InputError, match=r"fraction.*0\.01"):
        fbench.top_mask(diagonal([5, 5], 0), 0.01)


def test_a_fraction_that_keeps_nothing_in_any_layer() -> None:
    with pytest.raises(InputError, match="empty"):
        fbench.top_mask(diagonal([5] * 10, 0), 0.1, scope="layer")


def test_a_diagonal_of_nothing() -> None:
    with pytest.raises(InputError):
        fbench.top_mask({}, 0.5)


def test_a_diagonal_with_nan_is_named() -> None:
    values = diagonal([5, 5], 0)
    values["b"][2] = float("nan")
    with pytest.raises(InputError, match=r"'b'.*(?i:nan)"):
        fbench.top_mask(values, 0.5)


def test_unknown_names() -> None:
    values = diagonal([5, 5], 0)
    with pytest.raises(UnknownNameError, match=r"'globl'.*'global'"):
        fbench.top_mask(values, 0.5, scope="globl")
    with pytest.raises(UnknownNameError, match=r"'fc\.weight'"):
        fbench.top_mask(values, 0.5, always=["fc.weight"])
    with pytest.raises(UnknownNameError, match=r"'fc\.weight'"):
        fbench.random_mask(values, 3, generator=generator(), always=["fc.weight"])
    with pytest.raises(UnknownNameError, match=r"'fc\.weight'"):
        fbench.random_mask(values, {"fc.weight": 2}, generator=generator())


def test_a_name_given_twice_is_kept_once() -> None:
    values = diagonal([20, 10], 0)
    once = fbench.top_mask(values, 0.5, always=["b"])
    twice = fbench.top_mask(values, 0.5, always=["b", "b"])
    assert once.size == twice.size == 15
    assert fbench.random_mask(values, 15, generator=generator(), always=["b", "b"]).size == 15


def test_the_largest_values_of_every_layer_by_counts() -> None:
    values = diagonal([30, 20, 10], 1)
    mask = largest_mask(values, {"a": 7, "b": 0, "c": 3}, always=["c"])
    assert mask.counts() == {"a": 7, "b": 0, "c": 10}
    assert values["a"][mask["a"]].min() >= values["a"][~mask["a"]].max()
    values["a"][0] = float("nan")
    with pytest.raises(InputError, match=r"values of 'a' hold NaN; weights, outputs or gradients of the network were"):
        largest_mask(values, 30)
    assert largest_mask(values, 40, always=["a"]).size == 40


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    part=st.fractions(0, 1),
    ends=st.sampled_from([((), ()), (("a",), ()), ((), ("a",))]),
)
@cases.randomised(60)
def test_even_counts_are_an_equal_share_of_every_layer(
    sizes: list[int], part: Fraction, ends: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    (always, never), like = ends, diagonal(sizes, 0)
    free = sum(m for name, m in zip(like, sizes, strict=True) if name not in (*always, *never))
    chosen = math.floor(part * free)
    counts = even_counts(like, chosen + sum(sizes[:1] if always else []), always=always, never=never)
    assert sum(counts.values()) == chosen + sum(sizes[:1] if always else [])
    for name, m in zip(like, sizes, strict=True):
        fixed = m if name in always else 0 if name in never else None
        assert counts[name] == fixed if fixed is not None else abs(counts[name] - chosen * m / free) < 1
        assert 0 <= counts[name] <= m


def test_even_counts_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"mask size 6 in the layers that may choose: must be from 0 to their 5 we"):
        even_counts(diagonal([5, 5], 0), 11, always=["b"])
    with pytest.raises(InputError, match="mask size -1 in the layers"):
        even_counts(diagonal([5, 5], 0), 4, always=["b"])
    with pytest.raises(UnknownNameError, match=r"'fc\.weight'"):
        even_counts(diagonal([5, 5], 0), 4, never=["fc.weight"])


def test_share_is_the_part_of_every_layer() -> None:
    mask = fbench.Mask({"a": torch.tensor([True, False, True, False]), "b": torch.zeros(3, dtype=torch.bool)})
    assert mask.share() == {"a": 0.5, "b": 0.0}
    assert mask.size == 2


def test_a_mask_is_not_changed_from_outside() -> None:
    kept = torch.tensor([True, False])
    mask = fbench.Mask({"a": kept})
    kept[1] = True
    assert mask.size == 1


def test_a_mask_of_numbers_is_refused() -> None:
    with pytest.raises(InputError, match=r"'a'.*bool"):
        fbench.Mask({"a": torch.ones(3)})


def test_jaccard_by_hand() -> None:
    first = fbench.Mask({"a": torch.tensor([True, True, False]), "fc": torch.ones(5, dtype=torch.bool)})
    second = fbench.Mask({"a": torch.tensor([False, True, True]), "fc": torch.ones(5, dtype=torch.bool)})
    assert first.jaccard(second) == pytest.approx(6 / 8)
    assert first.jaccard(second, without=["fc"]) == pytest.approx(1 / 3)
    assert first.jaccard(second) == second.jaccard(first)
    assert first.jaccard(first) == 1.0


def test_forced_weights_are_no_overlap() -> None:
    """Disjoint masks that share a classifier kept whole overlap by nothing."""
    values = {"a": torch.arange(10.0), "fc": torch.ones(10)}
    flipped = {"a": torch.arange(10.0).flip(0), "fc": torch.ones(10)}
    masks = [fbench.top_mask(diagonal, 0.75, always=["fc"]) for diagonal in (values, flipped)]
    assert masks[0].size == 15
    assert masks[0].jaccard(masks[1]) == 0.0


def test_an_empty_layer_has_no_jaccard() -> None:
    nothing = fbench.Mask({"a": torch.zeros(3, dtype=torch.bool), "b": torch.ones(1, dtype=torch.bool)})
    assert nothing.jaccard(nothing, without=["b"]) is None


def test_masks_of_other_networks_do_not_overlap() -> None:
    with pytest.raises(InputError, match=r"'b'"):
        fbench.Mask({"a": torch.ones(3, dtype=torch.bool)}).jaccard(fbench.Mask({"b": torch.ones(3, dtype=torch.bool)}))


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4), seed=st.integers(0, 2**31), data=st.data())
@cases.randomised(60)
def test_random_masks_have_the_size_asked_for(sizes: list[int], seed: int, data: st.DataObject) -> None:
    values = diagonal(sizes, seed)
    always = data.draw(st.sampled_from([[], ["a"]]))
    size = data.draw(st.integers(max(1, sizes[0] if always else 0), sum(sizes)))
    mask = fbench.random_mask(values, size, generator=generator(seed), always=always)
    assert mask.size == size
    assert all(bool(mask[name].all()) for name in always)
    again = fbench.random_mask(mask, size, generator=generator(seed), always=always)
    assert all(torch.equal(mask[name], again[name]) for name in mask)


def test_layer_matched_control_has_the_fish_masks_counts() -> None:
    values = diagonal([30, 20, 10], 1)
    fish = fbench.top_mask(values, 0.5, always=["c"])
    control = fbench.random_mask(fish, fish.counts(), generator=generator(2), always=["c"])
    assert control.share() == fish.share()
    assert any(not torch.equal(control[name], fish[name]) for name in fish)


def test_random_masks_are_uniform() -> None:
    """Every weight is kept equally often, and two masks overlap as chance says."""
    values, g, draws = diagonal([4, 3], 0), generator(3), 4000
    masks = [fbench.random_mask(values, 3, generator=g) for _ in range(draws)]
    often = sum(torch.cat([mask[name].flatten() for name in values]).double() for mask in masks) / draws
    assert bool(((often - 3 / 7).abs() < 5 * (3 / 7 * 4 / 7 / draws) ** 0.5).all())
    overlaps = torch.tensor([a.jaccard(b) for a, b in zip(masks[::2], masks[1::2], strict=True)])
    error = float(overlaps.std()) / len(overlaps) ** 0.5
    assert float(overlaps.mean()) == pytest.approx(reference.expected_jaccard(7, 3, 3), abs=5 * error)


@pytest.mark.parametrize("size", [0, -1, 11, {"a": 6}, {"a": -1, "b": 3}, {"a": 0, "b": 0}])
def test_random_sizes_fit(size: int | dict[str, int]) -> None:
    for make in (largest_mask, partial(fbench.random_mask, generator=generator())):
        with pytest.raises(InputError, match=r"mask (size|is empty)"):
            make(diagonal([5, 5], 0), size)


def test_a_random_mask_smaller_than_what_is_always_kept() -> None:
    with pytest.raises(InputError, match=r"\b3\b"):
        fbench.random_mask(diagonal([5, 5], 0), 3, generator=generator(), always=["b"])


def test_overlap_counts_layer_by_layer_without_what_is_always_kept() -> None:
    g = torch.Generator().manual_seed(0)
    shapes = {"a": (3, 4), "b": (7,), "c": (2, 2)}
    first, second = (
        fbench.Mask({name: torch.rand(shape, generator=g) < 0.5 for name, shape in shapes.items()}, always)
        for always in (("c",), ())
    )
    overlap = first.overlap(second, without=["b"])
    positions = [set(mask.positions("a").tolist()) for mask in (first, second)]
    assert overlap == {"a": (len(positions[0] & positions[1]), len(positions[0]), len(positions[1]))}
    assert set(second.overlap(first)) == {"a", "b"}
    with pytest.raises(InputError, match="lacks the layer 'c'"):
        first.overlap(fbench.Mask({name: second[name] for name in "ab"}))
