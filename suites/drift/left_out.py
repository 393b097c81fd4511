"""Who is left out of what is said, and why."""

from __future__ import annotations

from collections.abc import Sequence

from fbench.learning.arm_options import ArmOptions
from fbench.learning.seed_groups import every_seed
from fbench.results.words import listed

from .measured import Drift
from .rows import Failure

_WORDS = 20
"""Words of a reason that are repeated."""


def left_out(drift: Drift | None, failures: Sequence[Failure] | None, options: ArmOptions) -> list[str]:
    """Name the arms that finished no seed, seeds that failed, and seeds that are missing without a reason.

    ``failures`` is None of a side table, which has no status; whoever has the table of results then says what failed.
    """
    sentences: list[str] = []
    explained: set[int] = set()
    for strategy in options.strategies if failures is not None else ():
        failed = [failure for failure in failures or () if failure.strategy == strategy]
        reasons = "; ".join(
            dict.fromkeys(f"{failure.status}: {_shortened(failure.reason).rstrip('.')}" for failure in failed)
        )
        if drift is None or strategy not in drift.strategies:
            sentences.append(f"{strategy} finished no seed and is left out: {reasons or 'no rows'}.")
        elif failed:
            seeds = sorted({failure.seed for failure in failed})
            explained.update(seeds)
            sentences.append(f"{_seeds(seeds)} left out, for {strategy}: {reasons}.")
    missing = sorted(set(every_seed(options.seeds)) - set(drift.seeds) - explained) if drift else []
    if missing:
        sentences.append(f"{_seeds(missing)} left out: not every round of every variant is there.")
    return sentences


def _shortened(reason: str) -> str:
    """The first words of a reason; all of it stands in the rows."""
    words = reason.split()
    return " ".join(words[:_WORDS]) + (" …" if len(words) > _WORDS else "")


def _seeds(seeds: Sequence[int]) -> str:
    return f"Seed {seeds[0]} is" if len(seeds) == 1 else f"Seeds {listed([str(seed) for seed in seeds])} are"
