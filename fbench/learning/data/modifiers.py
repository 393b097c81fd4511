"""Pools made harder: rare classes, classes that the start set lacks, copies, wrong labels. Test sets stay as they are.

A modifier is typed after a data set's name, ``cifar10:imbalance=0.01:noise=0.1``, and works on the pool of every seed
after the split, from random numbers of its own: what one draws moves nobody else's.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from fbench.errors import InputError, UsageError, nearest, shorten
from fbench.harness.parsing import read_fraction, read_whole

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["UNMODIFIED", "ModifiedName", "Modifiers", "parse_modified"]


@dataclass(frozen=True)
class Modifiers:
    """How the pool differs from what the split gave; the defaults change nothing.

    Attributes:
        imbalance: μ, what the last class keeps of its candidates; the others lie between on an exponential
            (Cui et al. 2019, Class-Balanced Loss, section 5.1: n_c μ^{c/(k − 1)} are kept of class c).
        missing: how many classes the start set holds none of; which ones is drawn anew with every seed.
        duplicates: the share of the candidates that stand in the pool twice.
        noise: the share of the candidates whose label, once bought, is a wrong one, drawn uniformly.
    """

    imbalance: float = 1.0
    missing: int = 0
    duplicates: float = 0.0
    noise: float = 0.0


UNMODIFIED = Modifiers()
_NAMES = tuple(declared.name for declared in fields(Modifiers))


class ModifiedName(NamedTuple):
    """A data set's name, and what is done to its pool; spelled as it is typed, always in the same order."""

    name: str
    modifiers: Modifiers

    def __str__(self) -> str:
        changed = [name for name in _NAMES if getattr(self.modifiers, name) != getattr(UNMODIFIED, name)]
        return ":".join([self.name, *(f"{name}={getattr(self.modifiers, name):g}" for name in changed)])


def parse_modified(text: str) -> ModifiedName:
    """Read ``NAME`` or ``NAME:MODIFIER=VALUE:…``.

    Raises:
        UsageError: no such modifier; one that stands twice, has no value, or one out of range.

    Example:
        >>> parse_modified("digits:noise=0.10:imbalance=0.01").modifiers
        Modifiers(imbalance=0.01, missing=0, duplicates=0.0, noise=0.1)
        >>> str(parse_modified("digits:noise=0.10:imbalance=0.01"))
        'digits:imbalance=0.01:noise=0.1'
    """
    name, *typed = text.split(":")
    values: dict[str, float] = {}
    for item in typed:
        key, _, value = item.partition("=")
        if key not in _NAMES:
            near = nearest(key, _NAMES)
            what = f"unknown modifier {shorten(key)!r}" + (f"; did you mean {near}?" if near else ".")
            how = f"Give {', '.join(_NAMES)}, each with a value, such as {shorten(name)}:noise=0.1"
            raise UsageError(f"--dataset {shorten(text)}: {what} {how}")
        if key in values:
            raise UsageError(f"--dataset {shorten(text)}: {key} stands twice; give it once")
        number = read_whole(value) if key == "missing" else read_fraction(value)
        if number is None or number <= 0:
            rule = "a whole number of classes, at least 1" if key == "missing" else "a decimal above 0 and at most 1"
            raise UsageError(f"--dataset {shorten(text)}: {key} is {shorten(value) or 'empty'}; it must be {rule}")
        values[key] = number
    return ModifiedName(name, Modifiers(**values))  # type: ignore[arg-type]  # only missing is read as a whole number


def thin_classes(ids: Tensor, targets: Tensor, imbalance: float, classes: int, generator: torch.Generator) -> Tensor:
    """The ids [n] that stay where class c keeps n_c μ^{c/(k − 1)} of its members, rounded, one at least, in order.

    ``targets`` [n] are theirs, μ is ``imbalance`` and k ``classes``.

    Example:
        >>> import torch
        >>> targets = torch.arange(3).repeat(100)
        >>> ids = thin_classes(torch.arange(300), targets, 0.01, 3, torch.Generator().manual_seed(0))
        >>> targets[ids].bincount().tolist()
        [100, 10, 1]
    """
    import torch

    kept = []
    for label in range(classes):
        members = (targets == label).nonzero().flatten()
        size = min(len(members), max(1, round(len(members) * imbalance ** (label / (classes - 1)))))
        kept.append(members[torch.randperm(len(members), generator=generator)[:size]])
    return ids[torch.cat(kept).sort().values]


def with_copies(ids: Tensor, share: float, total: int, generator: torch.Generator) -> Tensor:
    """The ids [n], all below ``total``, and after them ``share`` of them once more; a copy's id is ``total`` higher.

    Example:
        >>> import torch
        >>> with_copies(torch.arange(4), 0.5, 10, torch.Generator().manual_seed(0)).tolist()
        [0, 1, 2, 3, 10, 11]
    """
    import torch

    copied = torch.randperm(len(ids), generator=generator)[: round(share * len(ids))]
    return torch.cat([ids, ids[copied.sort().values] + total])


def with_wrong_labels(targets: Tensor, share: float, classes: int, generator: torch.Generator) -> Tensor:
    """The targets [n] with ``share`` of them, rounded, replaced by another of the ``classes``.

    Example:
        >>> import torch
        >>> targets = torch.zeros(10, dtype=torch.int64)
        >>> int((with_wrong_labels(targets, 0.3, 4, torch.Generator().manual_seed(0)) > 0).sum())
        3
    """
    import torch

    wrong = torch.randperm(len(targets), generator=generator)[: round(share * len(targets))]
    further = torch.randint(1, classes, (len(wrong),), generator=generator)
    noisy = targets.clone()
    noisy[wrong] = (targets[wrong] + further) % classes
    return noisy


def outside_missing(targets: Tensor, bought: Tensor, missing: int, classes: int, generator: torch.Generator) -> Tensor:
    """Which candidates [n] may be in a start set that lacks ``missing`` classes: neither they nor their labels are.

    ``targets`` [n] are the true classes, ``bought`` [n] the labels that buyers get.

    Raises:
        InputError: no class would be left.

    Example:
        >>> import torch
        >>> targets = torch.arange(3)
        >>> outside_missing(targets, targets, 2, 3, torch.Generator().manual_seed(0)).sum()
        tensor(1)
    """
    import torch

    if missing >= classes:
        raise InputError(
            f"dataset …:missing={missing}: there are {classes} classes; the start set needs at least one of them"
        )
    absent = torch.randperm(classes, generator=generator)[:missing]
    return ~(torch.isin(targets, absent) | torch.isin(bought, absent))
