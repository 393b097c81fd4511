"""``fbench pick --strategy``: the batch of one of BAIT's baselines, from the same arrays, to the same CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbench.acquisition.pool_strategies import PoolStrategy
from fbench.errors import InputError, UsageError
from fbench.harness.contract import Option
from fbench.harness.suite import Parameter
from fbench.pick.asked import (
    AskedBatch,
    OnStep,
    PickResult,
    asked_batch,
    check_axes_filled,
    check_dtype,
    check_same_candidates,
    read_batch,
)
from fbench.pick.pool_files import read_pool
from fbench.units import format_count

_OF_BAIT = {"method": "exact", "regularisation": "1", "oversample": "2", "pool": "auto"}
"""Options that a baseline does not know, as they are when nobody types them."""
_SEED = Parameter("seed", int, "0", Option("of what a strategy draws", minimum=0))


@dataclass(frozen=True)
class BaselinePick:
    """A baseline's batch: what was asked for, what chooses, and the seed of what it draws."""

    asked: AskedBatch
    baseline: PoolStrategy
    seed: int

    def plan_lines(self) -> list[str]:
        """The problem as a line of text."""
        asked = self.asked
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in asked.pool.arrays.items())
        labelled = f"{asked.pool.n:,} candidates ({len(asked.labelled):,} labelled)"
        return [f"{asked.source}: n = {labelled}; {shapes}; {asked.dtype}; {self.baseline.name}"]

    def fitting_lines(self) -> list[str]:
        """A line that tells what it will hold."""
        return [f"{self.baseline.name} holds no d×d matrix: little beside its arrays."]

    def run(self, progress: OnStep) -> PickResult:
        """Choose and write; nothing is written unless all went well.

        Raises:
            InputError: arrays that are not finite.
        """
        import torch

        from fbench.acquisition.views import PoolView

        asked = self.asked
        where = (asked.devices[0], getattr(torch, asked.dtype))
        arrays = {name: torch.from_numpy(array).to(*where) for name, array in asked.pool.arrays.items()}
        labelled = torch.as_tensor(asked.labelled, dtype=torch.int64)
        try:
            view = PoolView(asked.pool.n, labelled, torch.Generator().manual_seed(self.seed), **arrays)
            picks = self.baseline.pick(view, asked.batch)
        except InputError as error:
            raise type(error)(f"{asked.source}: {error}") from None
        pairs = zip(picks.positions.tolist(), picks.scores.tolist(), strict=True)
        rows = [
            {"position": at, "index": index, "score": None if math.isnan(score) else score}
            for at, (index, score) in enumerate(pairs)
        ]
        asked.write(rows)
        score = self.baseline.score
        return PickResult(
            rows,
            [
                f"{format_count(len(rows))} picks of {self.baseline.name} are in {asked.out}"
                + (f"; their score is {score}." if score else "; they are drawn, and have no score."),
                "The column gap is BAIT's alone, and empty.",
            ],
        )


def read_baseline_pick(
    features: Path, typed: Mapping[str, Any], devices: tuple[str, ...], baseline: PoolStrategy
) -> BaselinePick:
    """Check what was typed, and read the arrays.

    Raises:
        UsageError: any of it that cannot be, an option of BAIT's among it.
    """
    batch, seed = read_batch(typed), _SEED.read(typed["seed"])
    for name, usual in _OF_BAIT.items():
        if typed[name] != usual:
            raise UsageError(f"--{name} {typed[name]} is BAIT's; leave it out with --strategy {baseline.name}")
    check_dtype(typed)
    pool = read_pool(features, baseline.needs or ("logits",))
    check_same_candidates(features, pool)
    check_axes_filled(features, pool)
    dtype = str(next(iter(pool.arrays.values())).dtype)
    return BaselinePick(asked_batch(features, pool, batch, typed, devices, dtype), baseline, seed)
