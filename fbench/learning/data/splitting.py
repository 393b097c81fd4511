"""The division of a data set into a pool to label from and a test set, for one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fbench.errors import InputError
from fbench.learning import seeds
from fbench.learning.data.images import Images, Pool
from fbench.learning.data.modifiers import (
    UNMODIFIED,
    Modifiers,
    outside_missing,
    thin_classes,
    with_copies,
    with_wrong_labels,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["TEST_SHARE", "split"]

TEST_SHARE = 0.2
"""Share of every class that is held out when a data set has no test set of its own."""

_HELD_OUT, _POOL, _TEST, _FOLDS, _IMBALANCE, _DUPLICATES, _NOISE, _MISSING = 0, 1, 2, 4, 5, 6, 7, 8
"""Streams of the family ``start``; 3 is the start set's."""


def split(
    images: Images,
    seed: int,
    *,
    pool_size: int | None = None,
    test_size: int | None = None,
    folds: int = 0,
    modifiers: Modifiers = UNMODIFIED,
) -> Pool:
    """The pool and the test set of ``seed``.

    A fixed test set is used where there is one; elsewhere a fifth of every class is drawn anew with every
    seed (360 test images have a standard error of more than a point), or the seed's fold is taken. Every draw has a
    stream of its own, so that a smaller test set does not change the pool.

    Args:
        images: the data set.
        seed: of the family ``start``.
        pool_size: keep a random subset of this many candidates; all by default.
        test_size: keep a random subset of this many test images; all by default.
        folds: K: every class is shuffled and dealt to K folds, anew every K seeds, and ``seed`` tests on fold
            seed mod K; 0 for none.
        modifiers: what is done to the pool, and never to the test set: classes are thinned out before ``pool_size``
            counts, copies come after it, and labels get wrong last.

    Raises:
        InputError: a size below 1, or above what there is; folds of a data set that has a test set; a start set
            without any class.

    Example:
        >>> from fbench.learning.data import digits
        >>> pool = split(digits(None, download=False), seed=0, pool_size=100)
        >>> pool.images.shape, pool.test_images.shape
        (torch.Size([100, 1, 8, 8]), torch.Size([359, 1, 8, 8]))
    """
    total, classes = len(images.targets), images.classes
    ids, test_ids = _divided(images, seed, folds)
    if modifiers.imbalance < 1:
        ids = thin_classes(ids, images.targets[ids], modifiers.imbalance, classes, _stream(seed, _IMBALANCE))
    ids = _subset(ids, pool_size, "pool", _stream(seed, _POOL))
    if modifiers.duplicates:
        ids = with_copies(ids, modifiers.duplicates, total, _stream(seed, _DUPLICATES))
    rows = ids % total
    true = bought = images.targets[rows]
    if modifiers.noise:
        bought = with_wrong_labels(true, modifiers.noise, classes, _stream(seed, _NOISE))
    may_start = None
    if modifiers.missing:
        may_start = outside_missing(true, bought, modifiers.missing, classes, _stream(seed, _MISSING))
    test_ids = _subset(test_ids, test_size, "test", _stream(seed, _TEST))
    test_images, test_targets, test_records = images.test_images, images.test_targets, images.test_records
    if test_images is None or test_targets is None:
        test_images, test_targets, test_records = images.images, images.targets, images.records
    return Pool(
        images=_rows(images.images, rows),
        targets=bought,
        ids=ids,
        test_images=_rows(test_images, test_ids),
        test_targets=test_targets[test_ids],
        classes=classes,
        may_start=may_start,
        records=images.records,
        total=total,
        test_index=test_ids,
        test_records=test_records,
    )


def _stream(seed: int, draw: int) -> torch.Generator:
    return seeds.generator("start", seed, draw)


def _divided(images: Images, seed: int, folds: int) -> tuple[Tensor, Tensor]:
    """Indices of the candidates, and of the test samples, into the test set where there is a fixed one."""
    import torch

    ids = torch.arange(len(images.targets))
    if images.test_targets is None:
        held_out = _fold(images.targets, seed, folds) if folds else _stratified(images.targets, seed)
        return ids[~held_out], ids[held_out]
    if folds:
        raise InputError(
            f"folds {folds}: {images.name} has a test set of its own, the same for every seed; leave it out"
        )
    return ids, torch.arange(len(images.test_targets))


def _stratified(targets: Tensor, seed: int) -> Tensor:
    """Which images are held out, [N] bool: ``TEST_SHARE`` of every class, rounded."""
    import torch

    generator = _stream(seed, _HELD_OUT)
    held_out = torch.zeros(len(targets), dtype=torch.bool)
    for label in torch.unique(targets):
        members = (targets == label).nonzero().flatten()
        shuffled = members[torch.randperm(len(members), generator=generator)]
        held_out[shuffled[: round(TEST_SHARE * len(members))]] = True
    return held_out


def _fold(targets: Tensor, seed: int, folds: int) -> Tensor:
    """Which images are held out, [N] bool: fold seed mod K of a permutation that K seeds share; fold 0 is largest."""
    import torch

    if not sum(int(count) // folds for count in torch.bincount(targets)):
        raise InputError(f"folds {folds}: a fold would be empty, since no class has so many images; give fewer folds")
    generator = _stream(seed // folds, _FOLDS)
    held_out = torch.zeros(len(targets), dtype=torch.bool)
    for label in torch.unique(targets):
        members = (targets == label).nonzero().flatten()
        shuffled = members[torch.randperm(len(members), generator=generator)]
        held_out[shuffled[seed % folds :: folds]] = True
    return held_out


def _subset(ids: Tensor, size: int | None, name: str, generator: torch.Generator) -> Tensor:
    """``size`` of the ids at random, in their old order; all of them when ``size`` is None."""
    import torch

    if size is None:
        return ids
    if not 1 <= size <= len(ids):
        raise InputError(f"{name} {size}: this data set allows 1 to {len(ids)}")
    return ids[torch.randperm(len(ids), generator=generator)[:size].sort().values]


def _rows(values: Tensor, rows: Tensor) -> Tensor:
    """``values[rows]``; without a copy where that is all of them, and unread where they are stored."""
    import torch

    from fbench.stored_samples import StoredSamples

    if torch.equal(rows, torch.arange(len(values))):
        return values
    return values.at(rows) if isinstance(values, StoredSamples) else values[rows]
