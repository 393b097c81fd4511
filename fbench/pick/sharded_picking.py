"""``fbench pick`` begun by torchrun: every process reads its own rows of the file, and all choose one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.errors import UsageError
from fbench.fisher.planning.plan import Shape
from fbench.harness.contract import Row
from fbench.machine import free_bytes
from fbench.pick.baseline_picking import BaselinePick
from fbench.pick.launch import Launch
from fbench.pick.picking import Pick, read_pick
from fbench.pick.pool_files import describe_pool, read_candidates
from fbench.pick.pool_ways import PoolChoice

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.fisher.embeddings import Embedding
    from fbench.fisher.selection.sharded_pool import ShardedPool
    from fbench.pick.asked import OnStep, PickResult


@dataclass(frozen=True)
class ShardedPick(Pick):
    """A process's part of a pick; ``launch`` says which one it is. The first alone writes."""

    launch: Launch = field(default_factory=Launch)

    @property
    def rows(self) -> slice:
        """The candidates that this process holds."""
        return self.launch.share(self.asked.pool.n)

    @property
    def held_shape(self) -> Shape:
        """Of this process's share, or of one as large as any."""
        n = self.shape.n
        return replace(self.shape, n=-(-n // self.launch.count))

    @property
    def choice(self) -> PoolChoice | None:
        """None: a share is read into memory."""
        return None

    def free(self, device: str) -> int | None:
        """Bytes that each process on this machine may take."""
        free = free_bytes(device)
        return free if free is None or device != "cpu" else free // self.launch.local_count

    def plan_lines(self) -> list[str]:
        """The problem, and what each process will hold and has free."""
        first, *parts = super().plan_lines()
        count, most = self.launch.count, self.held_shape.n
        return [first, f"Sharded over {count} processes; each has {most:,} candidates at most, and holds:", *parts]

    def sharded_lines(self) -> list[str]:
        """None: it is."""
        return []

    def run(self, progress: OnStep) -> PickResult:
        """As ``Pick.run``, together with all other processes.

        Raises:
            LostRankError: another of them has ended or does not answer.
        """
        with self.launch.group(self.asked.devices[0]):
            return super().run(progress)

    def tensors(self, rows: slice | None = None) -> Mapping[str, Tensor]:
        """Rows of the arrays, this process's if none are named."""
        import torch

        arrays = read_candidates(self.asked.source, rows or self.rows)
        return {name: torch.from_numpy(array).to(self.asked.devices[0]) for name, array in arrays.items()}

    def candidates(self) -> ShardedPool:
        """The pool, this process's share of it here."""
        from fbench.fisher.selection.sharded_pool import sharded_pool

        return sharded_pool(self.embedding())

    def embedding(self) -> Embedding:
        """V of this process's candidates, of which there may be none."""
        here = self.rows
        if here.stop > here.start:
            return super().embedding()
        return self.embedding_of(self.tensors(slice(0, 1)))[:0]

    def write(self, rows: Sequence[Row]) -> None:
        """The picks, by the first process."""
        if not self.launch.rank:
            super().write(rows)


def read_sharded_pick(
    features: Path, typed: Mapping[str, Any], devices: tuple[str, ...], launch: Launch
) -> Pick | BaselinePick:
    """Check what was typed, and read what the arrays are: their numbers are read by ``run``.

    Raises:
        UsageError: any of it that cannot be, or works in one process alone.
    """
    if typed["strategy"] != "bait":
        raise UsageError(f"--strategy {typed['strategy']} works in one process; begin it without torchrun")
    if typed["pool"] == "streamed":
        raise UsageError("--pool streamed works in one process; over several each has its share in memory")
    # the first alone writes, so that on other machines the folder need not be there
    asked = {**typed, "dry_run": typed["dry_run"] or launch.rank > 0}
    whole = read_pick(features, asked, (launch.device(devices),), describe_pool)
    assert isinstance(whole, Pick)
    if whole.method.projects:
        raise UsageError(
            f"--method {typed['method']} looks at all features at once, in one process; begin it without torchrun, or "
            "save the projected features"
        )
    fields = {name: getattr(whole, name) for name in ("asked", "method", "number", "regularisation", "oversample")}
    return ShardedPick(**fields, launch=launch)
