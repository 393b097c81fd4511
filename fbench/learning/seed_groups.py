"""The seeds of a study, in groups: those of one group are trained side by side, and a study grows by whole groups.

A case is a block of seeds and rows are known by their case; so seeds that come later get a group of their own, and the
rows that are there keep their cases. A seed's numbers do not depend on its block. ``--seeds 0..2,3..5`` is, to the last
byte, ``--seeds 3`` that grew by ``--seeds 3..5``.
"""

from __future__ import annotations

from fbench.errors import SweepError, UsageError
from fbench.harness.sweep import split_items

SeedGroups = tuple[tuple[int, ...], ...]
"""Seeds by group, all of them different."""

MOST = 1000
"""Seeds of a study."""
_LARGEST = 10**9


def parse_seeds(text: str) -> SeedGroups:
    """Read ``8`` (the seeds 0 to 7), ``8..15``, or several ranges, which are a group each.

    Example:
        >>> parse_seeds("3"), parse_seeds("0..1,4..5")
        (((0, 1, 2),), ((0, 1), (4, 5)))

    Raises:
        SweepError: neither a count nor ranges; a seed that stands twice; more than ``MOST``.
    """
    text = str(text)
    if text.isdecimal() and text.isascii():
        if not 1 <= _whole(text, 0, text) <= MOST:
            raise SweepError(text, 0, f"seeds must number 1 to {MOST:,}")
        return (tuple(range(int(text))),)
    groups: list[tuple[int, ...]] = []
    for at, item in split_items(text, "range of seeds"):
        first, dots, last = item.partition("..")
        low, high = _whole(first, at, text), _whole(last, at + len(first) + len(dots), text)
        if high < low or high - low >= MOST or sum(map(len, groups)) + high - low >= MOST:
            raise SweepError(text, at, f"a range of seeds runs upwards, and there are at most {MOST:,} seeds in all")
        groups.append(tuple(range(low, high + 1)))
        if len({seed for group in groups for seed in group}) < sum(map(len, groups)):
            raise SweepError(text, at, "a seed stands twice")
    return tuple(groups)


def _whole(text: str, at: int, whole: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= _LARGEST):
        raise SweepError(whole, at, f"seeds are a count such as 8, or ranges such as 8..15, up to {_LARGEST:,}")
    return int(text)


def every_seed(groups: SeedGroups) -> tuple[int, ...]:
    """All seeds, in order.

    Example:
        >>> every_seed(((0, 1), (4,)))
        (0, 1, 4)
    """
    return tuple(seed for group in groups for seed in group)


def more_seeds(before: SeedGroups, after: SeedGroups) -> SeedGroups:
    """The groups that were there, and a group of every range of seeds that are new.

    Example:
        >>> more_seeds(((0, 1, 2),), parse_seeds("5"))
        ((0, 1, 2), (3, 4))
    """
    there = set(every_seed(before))
    fresh: list[tuple[int, ...]] = []
    for group in after:
        for seed in group:
            if seed in there:
                continue
            follows = fresh and seed in group and fresh[-1][-1] == seed - 1 and seed - 1 in group
            fresh[-1:] = [(*fresh[-1], seed)] if follows else [*fresh[-1:], (seed,)]
    return (*before, *fresh)


def other_seeds(before: SeedGroups, asked: SeedGroups | None) -> SeedGroups:
    """Seeds for a replication: those asked, or as many as there were, after the last of them.

    Example:
        >>> other_seeds(((0, 1, 2),), None)
        ((3, 4, 5),)

    Raises:
        UsageError: one of those asked was there.
    """
    seeds = every_seed(before)
    if asked is None:
        return (tuple(range(max(seeds) + 1, max(seeds) + 1 + len(seeds))),)
    if shared := sorted(set(seeds) & set(every_seed(asked))):
        raise UsageError(f"--seeds: seed {shared[0]} is in the run that is replicated; give others, or leave it out")
    return asked
