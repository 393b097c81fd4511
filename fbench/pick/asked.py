"""What every way of picking asks and gives alike: how many, what is labelled, the CSV, and sentences about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fbench.errors import InputError, UnknownNameError, UsageError
from fbench.harness.contract import Option, Row
from fbench.harness.suite import Parameter
from fbench.pick.pool_files import PoolArrays, check_out, positions_of, read_labelled, write_picks

OnStep = Callable[[str, int, int], None]
"""Called with the selection's phase, the steps of it that are done, and those in all."""

_BATCH = Parameter("batch", int, "", Option("B, how many to pick", minimum=1))


@dataclass(frozen=True)
class PickResult:
    """The rows of the picks' CSV, and sentences about them."""

    rows: Sequence[Row]
    sentences: Sequence[str]


@dataclass(frozen=True)
class AskedBatch:
    """A batch that was asked for, read and checked, and nothing of it computed yet; whatever strategy chooses it.

    Attributes:
        source: the .npz.
        pool: its arrays, those that the strategy needs.
        labelled: positions in the pool.
        batch: B.
        out: the CSV to write.
        overwrite: whether it replaces what stands there.
        dtype: of what is computed.
        devices: where: all that share the candidates.
    """

    source: Path
    pool: PoolArrays
    labelled: Any
    batch: int
    out: Path
    overwrite: bool
    dtype: str
    devices: tuple[str, ...]

    def write(self, rows: Sequence[Row]) -> None:
        """The picks, whole or not at all."""
        write_picks(self.out, rows, overwrite=self.overwrite)


def asked_batch(
    source: Path, pool: PoolArrays, batch: int, typed: Mapping[str, Any], devices: tuple[str, ...], dtype: str
) -> AskedBatch:
    """What was typed of a batch; ``dtype`` is that of the arrays, taken where none was typed.

    Raises:
        UsageError: labelled ones, a batch or an output that cannot be.
    """
    labelled = labelled_of(source, pool, typed["labelled"])
    check_left(source, batch, pool, labelled)
    check_written(typed)
    return AskedBatch(
        source, pool, labelled, batch, Path(typed["out"]), typed["overwrite"], typed["dtype"] or dtype, devices
    )


def read_batch(typed: Mapping[str, Any]) -> int:
    """B.

    Raises:
        UsageError: it was not typed, or is no number from 1 on.
    """
    if not typed["batch"]:
        raise UsageError("fbench pick needs --batch N, how many to pick")
    batch: int = _BATCH.read(typed["batch"])
    return batch


def check_dtype(typed: Mapping[str, Any]) -> None:
    """Refuse a dtype that is none of the selection's.

    Raises:
        UnknownNameError: another than float32 and float64.
    """
    if typed["dtype"] not in ("", "float32", "float64"):
        raise UnknownNameError("--dtype", typed["dtype"], ("float32", "float64"))


def check_axes_filled(source: Path, pool: PoolArrays) -> None:
    """Refuse arrays of which there is nothing.

    Raises:
        InputError: an axis is empty.
    """
    empty = [name for name, array in pool.arrays.items() if 0 in array.shape]
    if empty:
        raise InputError(f"{source}: {empty[0]} has shape {list(pool.arrays[empty[0]].shape)}; no axis may be empty")


def check_same_candidates(source: Path, pool: PoolArrays) -> None:
    """Refuse logits and features of different pools.

    Raises:
        InputError: their lengths differ.
    """
    logits, features = pool.arrays.get("logits"), pool.arrays.get("features")
    if logits is not None and features is not None and len(logits) != len(features):
        raise InputError(
            f"{source}: logits are of {len(logits):,} candidates and features of {len(features):,}; they must be of "
            "the same, in the same order"
        )


def labelled_of(source: Path, pool: PoolArrays, typed: str) -> Any:
    """Positions of ``--labelled`` where given, else of the .npz's own ``labelled``, else none."""
    if typed:
        return positions_of(read_labelled(Path(typed)), pool.n, f"--labelled {typed}")
    return [] if pool.labelled is None else positions_of(pool.labelled, pool.n, f"{source}: labelled")


def check_left(source: Path, batch: int, pool: PoolArrays, labelled: Any) -> None:
    """Refuse a batch that is larger than what has no label.

    Raises:
        InputError: it is, or nothing has none.
    """
    left = pool.n - len(labelled)
    if not left:
        raise InputError(f"{source}: all {pool.n:,} candidates are labelled; nothing is left to pick")
    if batch > left:
        raise InputError(f"{source}: --batch {batch}: must be from 1 to {left}, what is left unlabelled")


def check_written(typed: Mapping[str, Any]) -> None:
    """Refuse an output that could not be written; a plan writes none.

    Raises:
        FolderError: as ``check_out``.
    """
    if not typed["dry_run"]:
        check_out(Path(typed["out"]), typed["overwrite"])
