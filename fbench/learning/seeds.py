"""Three families of random numbers, kept apart: what is labelled first, how a network trains, what is picked.

A comparison pairs its arms by seed: all arms of one seed share the ``start`` and the ``training`` family, so
that what differs between them is the strategy and nothing else. Each stream hangs on its whole key (family,
seed, and further integers such as the round), so a strategy that draws more numbers cannot shift anybody
else's, and a resumed run needs no generator state.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal, get_args

from fbench.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["FAMILIES", "Family", "derive", "generator"]

Family = Literal["start", "training", "strategy"]
FAMILIES: tuple[Family, ...] = get_args(Family)


def derive(family: Family, seed: int, *more: int) -> int:
    """A 32-bit seed for the key ``(family, seed, *more)``, equal in every process and on every machine.

    Hashed rather than added up, because sums such as seed + round meet again at (0, 1) and (1, 0). 32 bits,
    because torch's CPU generator ignores the higher ones: two given keys meet with probability 2⁻³².

    Raises:
        InputError: no such family.

    Example:
        >>> derive("training", 3, 7)
        221544621
    """
    if family not in FAMILIES:
        raise InputError(f"unknown seed family {family!r}; use one of {', '.join(FAMILIES)}")
    key = ":".join((family, str(int(seed)), *(str(int(part)) for part in more)))
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big")


def generator(family: Family, seed: int, *more: int) -> torch.Generator:
    """A fresh CPU generator for the key ``(family, seed, *more)``.

    On the CPU also where the networks are not: a CUDA generator would draw other numbers, and the arms of a
    seed would differ between machines.

    Raises:
        InputError: no such family.

    Example:
        >>> import torch
        >>> first, again = (torch.rand(2, generator=generator("start", 0)) for _ in range(2))
        >>> torch.equal(first, again)
        True
    """
    import torch

    return torch.Generator().manual_seed(derive(family, seed, *more))
