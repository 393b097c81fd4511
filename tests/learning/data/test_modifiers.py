"""Modifiers: what they do to a pool, what they leave alone, and what is said of those that cannot be."""

from __future__ import annotations

import pytest
import torch

from fbench.errors import InputError, UnknownNameError, UsageError
from fbench.learning import data
from fbench.learning.data import Images, Modifiers, Pool, Records, parse_modified, split


@pytest.fixture(scope="module")
def images() -> Images:
    """Four classes of 100, every sample its own number, with ids."""
    x = torch.arange(400.0).view(400, 1)
    return Images("numbers", x, torch.arange(400) % 4, 4, records=Records([f"n{i}" for i in range(400)]))


def pools(images: Images, text: str, seed: int = 0, **more: int) -> tuple[Pool, Pool]:
    """The pool as it is, and as the modifiers make it."""
    modifiers = parse_modified(f"numbers:{text}").modifiers
    return split(images, seed, **more), split(images, seed, modifiers=modifiers, **more)


@pytest.mark.parametrize("text", ["imbalance=0.01", "missing=2", "duplicates=0.3", "noise=0.1"])
def test_the_test_set_stays(images: Images, text: str) -> None:
    plain, made = pools(images, text)
    assert torch.equal(plain.test_images, made.test_images)
    assert torch.equal(plain.test_targets, made.test_targets)


@pytest.mark.parametrize("text", ["imbalance=0.01", "missing=2", "duplicates=0.3", "noise=0.1"])
def test_what_is_drawn_belongs_to_the_seed(images: Images, text: str) -> None:
    def drawn(seed: int) -> list[object]:
        pool = pools(images, text, seed)[1]
        starters = pool.starters().tolist()
        return [pool.ids.tolist(), pool.targets.tolist(), starters]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_classes_become_rare_exponentially(images: Images) -> None:
    plain, made = pools(images, "imbalance=0.01")
    assert plain.targets.bincount().tolist() == [80] * 4
    assert made.targets.bincount().tolist() == [80, 17, 4, 1]  # 80 · 0.01^(c/3), at least one
    assert set(made.ids.tolist()) <= set(plain.ids.tolist())
    assert torch.equal(made.images[:, 0].long(), made.ids)
    assert made.ids.tolist() == sorted(made.ids.tolist())


def test_copies_stand_in_the_pool_alone_and_know_their_originals(images: Images) -> None:
    plain, made = pools(images, "duplicates=0.3")
    copies = made.ids[len(plain.ids) :]
    assert torch.equal(made.ids[: len(plain.ids)], plain.ids)
    assert len(copies) == round(0.3 * 320) == len(set(copies.tolist()))
    originals = set((copies - 400).tolist())
    assert originals <= set(plain.ids.tolist())
    assert not originals & set(made.test_images[:, 0].long().tolist())
    assert torch.equal(made.images[len(plain.ids) :, 0].long(), copies - 400)
    assert made.ids.tolist() == sorted(set(made.ids.tolist()))
    assert made.record_of(int(copies[0])) == made.record_of(int(copies[0]) - 400)
    assert made.record_of(int(copies[0]))["id"] == f"n{int(copies[0]) - 400}"


def test_wrong_labels_are_wrong_and_as_many_as_asked(images: Images) -> None:
    plain, made = pools(images, "noise=0.25")
    wrong = plain.targets != made.targets
    assert int(wrong.sum()) == 80
    assert made.targets[wrong].unique().tolist() == [0, 1, 2, 3]
    assert torch.equal(images.targets, torch.arange(400) % 4)  # the data set's own stay right


def test_wrong_labels_of_copies_are_drawn_apart(images: Images) -> None:
    made = split(images, 0, modifiers=Modifiers(duplicates=1.0, noise=0.5))
    first, second = made.targets.chunk(2)
    assert not torch.equal(first, second)


def test_the_start_set_lacks_classes_and_their_labels(images: Images) -> None:
    made = split(images, 0, modifiers=Modifiers(missing=2, noise=0.5))
    starters = made.starters()
    true, bought = images.targets[made.ids[starters]], made.targets[starters]
    assert len(true.unique()) == 2
    assert set(bought.tolist()) <= set(true.tolist())


def test_which_classes_are_missing_is_drawn_anew(images: Images) -> None:
    drawn = [pools(images, "missing=2", seed)[1] for seed in range(8)]
    assert len({tuple(images.targets[pool.ids[pool.starters()]].unique().tolist()) for pool in drawn}) > 1


def test_a_start_set_without_any_class_is_refused(images: Images) -> None:
    with pytest.raises(InputError, match=r"dataset …:missing=4: there are 4 classes; the start set needs at least one"):
        split(images, 0, modifiers=Modifiers(missing=4))


def test_the_pools_size_counts_before_copies_and_after_thinning(images: Images) -> None:
    made = pools(images, "imbalance=0.1:duplicates=0.5", pool_size=60)[1]
    assert len(made.ids) == 90
    assert int((made.ids < 400).sum()) == 60


def test_no_modifier_is_the_split_that_was() -> None:
    digits = data.digits(None, False)
    assert torch.equal(split(digits, 3).ids, split(digits, 3, modifiers=Modifiers()).ids)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "digits:nois=0.1",
            r"unknown modifier 'nois'; did you mean noise\? Give imbalance, missing, duplicates, noise, each",
        ),
        ("digits:", "--dataset digits:: unknown modifier ''. Give imb.*such as digits:noise=0.1"),
        ("digits:noise", "--dataset digits:noise: noise is empty; it must be a decimal above 0 and at most 1"),
        ("digits:noise=2", "noise is 2; it must be a decimal above 0 and at most 1"),
        ("digits:imbalance=0", "imbalance is 0; it must be a decimal above 0"),
        ("digits:missing=0", "missing is 0; it must be a whole number of classes, at least 1"),
        ("digits:missing=1.5", "missing is 1.5; it must be a whole number of classes"),
        ("digits:noise=0.1:noise=0.2", "noise stands twice; give it once"),
    ],
)
def test_modifiers_that_cannot_be_are_refused(text: str, match: str) -> None:
    with pytest.raises((UnknownNameError, UsageError), match=match):
        parse_modified(text)
