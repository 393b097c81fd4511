"""The split: what is held out, what is copied, and what a seed decides."""

from __future__ import annotations

import pytest
import torch

from fbench.errors import InputError
from fbench.learning import data


@pytest.fixture(scope="module")
def digits() -> data.Images:
    return data.digits(None, False)


@pytest.fixture
def fixed() -> data.Images:
    """Twelve images to label and six in a fixed test set."""
    x = torch.arange(18.0).view(18, 1, 1, 1).expand(18, 1, 4, 4).contiguous()
    y = torch.arange(18) % 3
    return data.Images("fixed", x[:12], y[:12], 3, x[12:], y[12:])


def test_a_fifth_of_every_class_is_held_out(digits: data.Images) -> None:
    pool = data.split(digits, seed=0)
    share = pool.test_targets.bincount() / digits.targets.bincount()
    assert (share - 0.2).abs().max() < 0.5 / 174
    assert len(pool.ids) + len(pool.test_targets) == 1797


def test_pool_and_test_set_do_not_overlap(digits: data.Images) -> None:
    pool = data.split(digits, seed=1)
    held_out = torch.ones(1797, dtype=torch.bool)
    held_out[pool.ids] = False
    assert torch.equal(pool.images, digits.images[pool.ids])
    assert torch.equal(pool.targets, digits.targets[pool.ids])
    assert torch.equal(pool.test_images, digits.images[held_out])
    assert torch.equal(pool.test_targets, digits.targets[held_out])


def test_the_split_belongs_to_the_seed(digits: data.Images) -> None:
    assert torch.equal(data.split(digits, 3).ids, data.split(digits, 3).ids)
    assert not torch.equal(data.split(digits, 3).ids, data.split(digits, 4).ids)


def test_a_class_of_one_image_stays_in_the_pool() -> None:
    images = data.Images("tiny", torch.zeros(6, 1, 2, 2), torch.tensor([0, 0, 0, 0, 0, 1]), 2)
    pool = data.split(images, 0)
    assert pool.targets.bincount().tolist() == [4, 1]
    assert pool.test_targets.tolist() == [0]


def test_a_fixed_test_set_is_used_and_nothing_is_copied(fixed: data.Images) -> None:
    pool = data.split(fixed, 0)
    assert pool.images is fixed.images
    assert pool.test_images is fixed.test_images
    assert pool.ids.tolist() == list(range(12))


def test_subsets_are_random_distinct_and_in_order(fixed: data.Images) -> None:
    pools = [data.split(fixed, seed, pool_size=7, test_size=4) for seed in range(4)]
    for pool in pools:
        assert pool.ids.tolist() == sorted(set(pool.ids.tolist()))
        assert torch.equal(pool.images, fixed.images[pool.ids])
        assert (len(pool.ids), len(pool.test_targets), pool.classes) == (7, 4, 3)
    assert len({tuple(pool.ids.tolist()) for pool in pools}) > 1


def test_the_size_of_the_test_set_leaves_the_pool_alone(digits: data.Images) -> None:
    small = data.split(digits, 2, pool_size=100, test_size=10)
    assert torch.equal(small.ids, data.split(digits, 2, pool_size=100).ids)


@pytest.mark.parametrize("size", [0, -1, 13])
def test_an_impossible_pool_size_is_refused(fixed: data.Images, size: int) -> None:
    with pytest.raises(InputError, match=f"pool {size}: this data set allows 1 to 12"):
        data.split(fixed, 0, pool_size=size)


def test_an_impossible_test_size_is_refused(fixed: data.Images) -> None:
    with pytest.raises(InputError, match="test 7: this data set allows 1 to 6"):
        data.split(fixed, 0, test_size=7)


def test_a_pool_moves_whole(fixed: data.Images) -> None:
    pool = data.split(fixed, 0).to("meta")
    moved = (pool.images, pool.targets, pool.ids, pool.test_images, pool.test_targets)
    assert {tensor.device.type for tensor in moved} == {"meta"}
    assert pool.classes == 3


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_share_no_test_image_and_hold_every_image(digits: data.Images, folds: int) -> None:
    for first in (0, folds):
        pools = [data.split(digits, seed, folds=folds) for seed in range(first, first + folds)]
        held_out = [set(range(1797)) - set(pool.ids.tolist()) for pool in pools]
        assert sorted(index for fold in held_out for index in fold) == list(range(1797))
        for pool, fold in zip(pools, held_out, strict=True):
            assert torch.equal(pool.test_images, digits.images[sorted(fold)])
            counts = pool.test_targets.bincount()
            assert (counts - digits.targets.bincount() / folds).abs().max() < 1


def test_folds_are_shuffled_anew_once_every_one_was_tested(digits: data.Images) -> None:
    assert torch.equal(data.split(digits, 3, folds=5).ids, data.split(digits, 3, folds=5).ids)
    assert not torch.equal(data.split(digits, 3, folds=5).ids, data.split(digits, 8, folds=5).ids)


def test_the_first_fold_is_the_largest(digits: data.Images) -> None:
    sizes = [len(data.split(digits, seed, folds=7).test_targets) for seed in range(7)]
    assert max(sizes) == sizes[0]


def test_no_folds_is_the_split_that_was(digits: data.Images) -> None:
    assert torch.equal(data.split(digits, 3, folds=0).ids, data.split(digits, 3).ids)


def test_folds_of_a_data_set_with_a_test_set_are_refused(fixed: data.Images) -> None:
    with pytest.raises(
        InputError, match=r"folds 5: .* has a test set of its own, the same for every seed; leave it out"
    ):
        data.split(fixed, 0, folds=5)


def test_folds_that_would_be_empty_are_refused() -> None:
    images = data.Images("tiny", torch.zeros(6, 1, 2, 2), torch.tensor([0, 0, 0, 0, 0, 1]), 2)
    with pytest.raises(InputError, match="folds 6: a fold would be empty"):
        data.split(images, 0, folds=6)
