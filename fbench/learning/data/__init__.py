"""Data sets: where samples come from, what is done to them, and their division into a pool and a test set."""

from __future__ import annotations

from fbench.learning.data.embedded import digits, mnist5k
from fbench.learning.data.images import NO_RECORDS, Images, Pool, Records
from fbench.learning.data.modifiers import UNMODIFIED, ModifiedName, Modifiers, parse_modified
from fbench.learning.data.published import CIFAR10_MEAN, CIFAR10_STD, cifar10
from fbench.learning.data.splitting import TEST_SHARE, split

__all__ = [
    "CIFAR10_MEAN",
    "CIFAR10_STD",
    "NO_RECORDS",
    "TEST_SHARE",
    "UNMODIFIED",
    "Images",
    "ModifiedName",
    "Modifiers",
    "Pool",
    "Records",
    "cifar10",
    "digits",
    "mnist5k",
    "parse_modified",
    "split",
]
