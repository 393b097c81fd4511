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
    OnStep,
    PickResult,
    check_axes_filled,
    check_dtype,
    check_left,
    check_same_candidates,
    check_written,
    labelled_of,
    read_batch,
)
from fbench.pick.pool_files import PoolArrays, read_pool, write_picks
from fbench.units import format_count

_OF_BAIT = {"method": "exact", "regularisation": "1", "oversample": "2"}
"""Options that a baseline does not know, as they are when nobody types them."""
_SEED = Parameter("seed", int, "0", Option("of what a strategy draws", minimum=0))


@dataclass(frozen=True)
class BaselinePick:
    """A baseline's batch that has been read and checked, and nothing of it computed yet.

    Attributes:
        source: the .npz.
        pool: its arrays, those that the baseline needs.
        labelled: positions in the pool.
        batch: B.
        out: the CSV to write.
        overwrite: whether it replaces what stands there.
        baseline: what chooses.
        dtype: of what is computed.
        device: where.
        seed: of what is drawn.
    """

    source: Path
    pool: PoolArrays
    labelled: Any
    batch: int
    out: Path
    overwrite: bool
    baseline: PoolStrategy
    dtype: str
    device: str
    seed: int

    def plan_lines(self) -> list[str]:
        """The problem as a line of text."""
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in self.pool.arrays.items())
        labelled = f"{self.pool.n:,} candidates ({len(self.labelled):,} labelled)"
        return [f"{self.source}: n = {labelled}; {shapes}; {self.dtype}; {self.baseline.name}"]

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

        dtype = getattr(torch, self.dtype)
        arrays = {name: torch.from_numpy(array).to(self.device, dtype) for name, array in self.pool.arrays.items()}
        labelled = torch.as_tensor(self.labelled, dtype=torch.int64)
        try:
            view = PoolView(self.pool.n, labelled, torch.Generator().manual_seed(self.seed), **arrays)
            picks = self.baseline.pick(view, self.batch)
        except InputError as error:
            raise type(error)(f"{self.source}: {error}") from None
        pairs = zip(picks.positions.tolist(), picks.scores.tolist(), strict=True)
        rows = [
            {"position": at, "index": index, "score": None if math.isnan(score) else score}
            for at, (index, score) in enumerate(pairs)
        ]
        write_picks(self.out, rows, overwrite=self.overwrite)
        drawn = f"; their score is {self.baseline.score}" if self.baseline.score else ""
        return PickResult(rows, [f"{format_count(len(rows))} picks of {self.baseline.name} are in {self.out}{drawn}."])


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
    labelled = labelled_of(features, pool, typed["labelled"])
    check_left(features, batch, pool, labelled)
    check_written(typed)
    return BaselinePick(
        source=features,
        pool=pool,
        labelled=labelled,
        batch=batch,
        out=Path(typed["out"]),
        overwrite=typed["overwrite"],
        baseline=baseline,
        dtype=typed["dtype"] or str(next(iter(pool.arrays.values())).dtype),
        device=devices[0],
        seed=seed,
    )
