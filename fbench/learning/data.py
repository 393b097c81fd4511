"""Images as tensors, and their division into a pool to label from and a test set.

Layout: images [n, c, h, w] float32, targets [n] int64 from 0 to k − 1. Nothing is augmented: Fisher
information is to be measured on the images themselves.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.errors import DataError, InputError
from fbench.harness.registry import dataset
from fbench.learning import seeds

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Images", "Pool", "cifar10", "digits", "split"]

TEST_SHARE = 0.2
"""Share of every class that is held out when a data set has no test set of its own."""

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)
"""Means and deviations of red, green and blue in the 50,000 training images, 0 to 1; no subset moves them."""


@dataclass(frozen=True, eq=False)
class Images:
    """A data set in memory.

    Attributes:
        name: as registered.
        images: [N, c, h, w] float32: values from 0 to 1, standardised where the loader says so.
        targets: [N] int64.
        classes: k.
        test_images: the fixed test set, or None where there is none.
        test_targets: its targets.
    """

    name: str
    images: Tensor
    targets: Tensor
    classes: int
    test_images: Tensor | None = None
    test_targets: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Pool:
    """The candidates that one seed may label, and the images that it is tested on.

    Attributes:
        images: [n, c, h, w] float32.
        targets: [n] int64; a strategy looks only at those already labelled.
        ids: [n] int64, index of each into ``Images.images``, ascending.
        test_images: [m, c, h, w] float32.
        test_targets: [m] int64.
        classes: k.
    """

    images: Tensor
    targets: Tensor
    ids: Tensor
    test_images: Tensor
    test_targets: Tensor
    classes: int

    def to(self, device: torch.device | str) -> Pool:
        """The same pool on ``device``; tensors already there are shared."""
        names = ("images", "targets", "ids", "test_images", "test_targets")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def split(
    images: Images, seed: int, *, pool_size: int | None = None, test_size: int | None = None, folds: int = 0
) -> Pool:
    """The pool and the test set of ``seed``.

    A fixed test set is used where there is one; elsewhere a fifth of every class is drawn anew with every
    seed (360 test images have a standard error of more than a point), or the seed's fold is taken. The three draws
    have a stream each, so that a smaller test set does not change the pool.

    Args:
        images: the data set.
        seed: of the family ``start``.
        pool_size: keep a random subset of this many candidates; all by default.
        test_size: keep a random subset of this many test images; all by default.
        folds: K: every class is shuffled and dealt to K folds, anew every K seeds, and ``seed`` tests on fold
            seed mod K; 0 for none.

    Raises:
        InputError: a size below 1, or above what there is; folds of a data set that has a test set.

    Example:
        >>> pool = split(digits(None, download=False), seed=0, pool_size=100)
        >>> pool.images.shape, pool.test_images.shape
        (torch.Size([100, 1, 8, 8]), torch.Size([359, 1, 8, 8]))
    """
    import torch

    ids = torch.arange(len(images.targets))
    if folds and images.test_images is not None:
        raise InputError(
            f"folds {folds}: {images.name} has a test set of its own, the same for every seed; leave it out"
        )
    if images.test_images is None or images.test_targets is None:
        held_out = _fold(images.targets, seed, folds) if folds else _stratified(images.targets, seed)
        ids, test_ids = ids[~held_out], ids[held_out]
        test_images, test_targets = images.images, images.targets
    else:
        test_images, test_targets = images.test_images, images.test_targets
        test_ids = torch.arange(len(test_targets))
    ids = _subset(ids, pool_size, "pool", seeds.generator("start", seed, 1))
    test_ids = _subset(test_ids, test_size, "test", seeds.generator("start", seed, 2))
    return Pool(
        images=_rows(images.images, ids),
        targets=images.targets[ids],
        ids=ids,
        test_images=_rows(test_images, test_ids),
        test_targets=test_targets[test_ids],
        classes=images.classes,
    )


def _stratified(targets: Tensor, seed: int) -> Tensor:
    """Which images are held out, [N] bool: ``TEST_SHARE`` of every class, rounded."""
    import torch

    generator = seeds.generator("start", seed, 0)
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
    generator = seeds.generator("start", seed // folds, 4)
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


def _rows(values: Tensor, ids: Tensor) -> Tensor:
    """``values[ids]`` for ascending distinct ids, without a copy when that is all of them."""
    return values if len(ids) == len(values) else values[ids]


@dataset("digits", "1,797 handwritten digits of 8×8 pixels, embedded in scikit-learn", in_folder=False)
def digits(folder: Path | None, download: bool) -> Images:
    """scikit-learn's digits, values 0 to 16 divided by 16; no fixed test set. Both arguments are ignored.

    Example:
        >>> images = digits(None, download=False)
        >>> images.images.shape, images.classes
        (torch.Size([1797, 1, 8, 8]), 10)
    """
    import torch
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = torch.from_numpy(raw.images).to(torch.float32).div_(16).unsqueeze(1)
    return Images("digits", images, torch.from_numpy(raw.target).to(torch.int64), 10)


@dataset("cifar10", "CIFAR-10: 50,000 + 10,000 photographs of 32×32 pixels, from --data-dir")
def cifar10(folder: Path | None, download: bool) -> Images:
    """CIFAR-10 through torchvision, (value/255 − ``CIFAR10_MEAN``) / ``CIFAR10_STD`` per channel.

    Args:
        folder: holds, or is to hold, ``cifar-10-batches-py``.
        download: fetch the files that are missing or corrupt.

    Raises:
        DataError: no folder given, a file missing or not what was published, a download that failed.
    """
    if folder is None:
        raise DataError(
            "cifar10 needs a folder: give --data-dir FOLDER or set FBENCH_DATA_DIR; "
            "add --download to fetch it there (170 MB)"
        )
    from torchvision.datasets import CIFAR10

    if download:
        _download(CIFAR10, folder)
    _check_files(CIFAR10, folder)
    images, targets = _standardised(CIFAR10(folder, train=True))
    test_images, test_targets = _standardised(CIFAR10(folder, train=False))
    return Images("cifar10", images, targets, 10, test_images, test_targets)


def _download(source: Any, folder: Path) -> None:
    try:
        source(folder, train=True, download=True)
    except (OSError, RuntimeError) as error:  # no network, no room, a broken archive
        raise DataError(
            f"cifar10 could not be downloaded into {folder}: {error}; check the network and the folder, or "
            f"unpack {source.url} there by hand"
        ) from error


def _check_files(source: Any, folder: Path) -> None:
    """Hold every file to torchvision's MD5 checksum; torchvision itself would not say which one failed."""
    published = [*source.train_list, *source.test_list, (source.meta["filename"], source.meta["md5"])]
    for name, checksum in published:
        path = Path(folder) / source.base_folder / name
        if not path.is_file():
            raise DataError(
                f"cifar10: {path} is missing; point --data-dir or FBENCH_DATA_DIR at the folder that holds "
                f"{source.base_folder}, or add --download"
            )
        with path.open("rb") as file:
            actual = hashlib.file_digest(file, "md5").hexdigest()
        if actual != checksum:
            raise DataError(
                f"cifar10: {path} is corrupt: its MD5 checksum is {actual}, not {checksum} as published; "
                "delete it and run again with --download"
            )


def _standardised(source: Any) -> tuple[Tensor, Tensor]:
    """Images [n, 3, 32, 32] and targets of a torchvision CIFAR10, in one pass over its raw array."""
    import torch

    raw = torch.from_numpy(source.data).permute(0, 3, 1, 2)
    images = torch.empty(raw.shape, dtype=torch.float32).copy_(raw).div_(255)
    images.sub_(torch.tensor(CIFAR10_MEAN).view(3, 1, 1)).div_(torch.tensor(CIFAR10_STD).view(3, 1, 1))
    return images, torch.tensor(source.targets, dtype=torch.int64)
