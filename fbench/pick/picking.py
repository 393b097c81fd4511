"""``fbench pick``: the batch that BAIT would buy from arrays that somebody exported, and what is to be said of it.

``read_pick`` turns what was typed into a ``Pick`` (the arrays, the method, the plan) or, for another strategy than
BAIT, into a ``BaselinePick``; ``run`` turns that into a ``PickResult`` (rows and sentences). Nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.acquisition.pool_strategies import pool_strategy_of
from fbench.errors import InputError, TooLargeError, UnknownNameError, UsageError
from fbench.fisher.planning.fitting import Alternative, alternatives, check_fits, device_plans
from fbench.fisher.planning.plan import MEMORY_MARGIN, SelectionPlan, Shape, StepCounts, replanned
from fbench.fisher.selection.methods import EmbeddingMethod, parse_embedding_method
from fbench.fisher.selection.regularisation import parse_regularisation
from fbench.harness.contract import Row
from fbench.harness.parsing import OVERSAMPLE
from fbench.harness.suite import Parameter
from fbench.machine import free_bytes
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
from fbench.pick.baseline_picking import BaselinePick, read_baseline_pick
from fbench.pick.pool_files import PoolArrays, map_pool
from fbench.pick.pool_ways import WAYS, PoolChoice, PoolSizes, pool_ways
from fbench.units import format_bytes, format_count, format_percent

if TYPE_CHECKING:
    from torch import Tensor

    from fbench.fisher.embeddings import Embedding
    from fbench.fisher.selection.bait import Selection
    from fbench.fisher.selection.sharded_pool import ShardedPool


_COUNTS = (2, 4, 8)
"""Processes for which a plan says what each would hold."""


@dataclass(frozen=True)
class Pick:
    """BAIT's batch.

    Attributes:
        asked: what was asked for.
        method, number: as ``parse_embedding_method`` gave them.
        regularisation, oversample: as ``bait_select`` takes them.
        pool_way: as ``--pool`` says, ``auto``, ``memory`` or ``streamed``.
    """

    asked: AskedBatch
    method: EmbeddingMethod
    number: int
    regularisation: str
    oversample: float
    pool_way: str = "auto"

    @property
    def shape(self) -> Shape:
        """The shape of the embedding that the selection will be made on."""
        arrays = self.asked.pool.arrays
        if "embedding" in arrays:
            return Shape(*arrays["embedding"].shape)
        (n, k), h = arrays["logits"].shape, arrays["features"].shape[1]
        return self.method.shape(n, k, h, self.number)

    @property
    def plans(self) -> dict[str, SelectionPlan]:
        """What each device will hold, by its name."""
        asked = self.asked
        bought = len(asked.labelled)
        counts = StepCounts.of(asked.batch, self.oversample, asked.pool.n - bought, labelled=bought)
        copied = not self.on_one_cpu  # there a pool's ways count what is copied
        return device_plans(self.held_shape, asked.dtype, self.method.engine, asked.devices, lambda _: copied, counts)

    @property
    def held_shape(self) -> Shape:
        """The shape of what this process holds of it."""
        return self.shape

    def free(self, device: str) -> int | None:
        """Bytes that may be taken on a device; None where nobody tells."""
        return free_bytes(device)

    @property
    def on_one_cpu(self) -> bool:
        """Whether the pool may be streamed as far as devices go."""
        return self.asked.devices == ("cpu",)

    @cached_property
    def choice(self) -> PoolChoice | None:
        """How the pool comes to the selection; None where it must go to other devices.

        Raises:
            UsageError: streaming was asked for, and cannot be.
        """
        asked, pool = self.asked, self.asked.pool
        if not self.on_one_cpu:
            if self.pool_way == "streamed":
                raise UsageError(f"--pool streamed works on one CPU, and --device is {','.join(asked.devices)}")
            return None
        large = "embedding" if "embedding" in pool.arrays else "features"
        sizes = PoolSizes(
            plan=self.plans["cpu"],
            arrays={name: array.nbytes for name, array in pool.arrays.items()},
            itemsize=pool.arrays[large].itemsize,
            there=sum(array.nbytes for name, array in pool.arrays.items() if name != pool.mapped),
            large=large,
            passes=self.method.passes(self.plans["cpu"].sizes.picks),
            projected=self.shape.n * self.shape.width if self.method.projects else 0,
        )
        return PoolChoice(pool_ways(sizes), large, pool.obstacle, self.pool_way, free_bytes("cpu"))

    def plan_lines(self) -> list[str]:
        """The plan as lines of text: the problem, then what each device will hold and has free."""
        asked, shape, arrays = self.asked, self.shape, self.asked.pool.arrays
        reduced = next(iter(self.plans.values())).reduced_shape
        sizes = f"n = {shape.n:,} candidates ({len(asked.labelled):,} labelled), r = {shape.rows:,}, d = {shape.dim:,}"
        sizes += f", of which {reduced.dim:,} suffice" if reduced.dim < shape.dim else ""
        if "logits" in arrays:
            sizes += f"; k = {arrays['logits'].shape[1]:,} classes, h = {arrays['features'].shape[1]:,} features"
        lines = [f"{asked.source}: {sizes}; {asked.dtype}"]
        for device, plan in self.plans.items():
            free = self.free(device)
            parts = {**plan.parts, f"in all, in {plan.phase}, its dearest phase": plan.growth}
            parts[f"with {format_percent(MEMORY_MARGIN)} to spare"] = plan.needed
            if free is not None:
                parts[f"free on {device}"] = free
            width = max(map(len, parts))
            lines += [f"  {name:<{width}}  {format_bytes(size)}" for name, size in parts.items()]
        return lines + self.sharded_lines() + (self.choice.lines() if self.choice else [])

    def sharded_lines(self) -> list[str]:
        """A line on what each process would hold were the pool shared out."""
        if self.shape.n < max(_COUNTS):
            return []
        plan = next(iter(self.plans.values()))
        shares = {count: replace(self.shape, n=-(-self.shape.n // count)) for count in _COUNTS}
        held = ", ".join(format_bytes(replanned(plan, shape=shape).total) for shape in shares.values())
        return [f"Sharded over {', '.join(map(str, _COUNTS))} processes, begun by torchrun, each would hold {held}."]

    def fitting_lines(self) -> list[str]:
        """Lines that tell whether the selection fits each device, and where it does not, what would."""
        lines = []
        for device, plan in self.plans.items():
            free = self.free(device)
            if free is None:
                lines.append(f"How much {device} has free is not known here.")
            elif self.choice.way.fits(free) if self.choice else plan.needed <= free:
                lines.append(f"On {device} it fits.")
            else:
                lines.append(f"On {device} it does not fit. What does:")
                lines += self._offers(plan, free) or ["  nothing; take a smaller pool"]
        return lines

    def _offers(self, plan: SelectionPlan, free: int) -> list[str]:
        way = self.choice.better if self.choice else None
        offers = [f"  --pool {way.name}: the same picks, {format_bytes(way.held)}"] if way else []
        return offers + [_offer(other) for other in alternatives(plan, free)]

    def run(self, progress: OnStep) -> PickResult:
        """Select and write; nothing is written unless all went well.

        Raises:
            TooLargeError: it would not fit, or did not.
            InputError: what ``bait_select`` refuses.
        """
        for device, plan in self.plans.items():
            if self.choice:
                self.choice.check(plan, str(self.asked.source))
            else:
                check_fits(plan, self.free(device), device)
        try:
            chosen = self.chosen(progress)
        except InputError as error:
            raise type(error)(f"{self.asked.source}: {error}") from None
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                reason = (str(error).splitlines() or ["no more to be had"])[0]
                raise TooLargeError(
                    f"{self.asked.source}: ran out of memory: {reason}; --dry-run says what would take less"
                ) from None
            raise
        rows = rows_of(chosen)
        self.write(rows)
        return PickResult(rows, pick_sentences(self, chosen))

    def chosen(self, progress: OnStep) -> Selection:
        """The selection, nothing written."""
        import torch

        from fbench.fisher.selection.bait import bait_select

        asked = self.asked
        return bait_select(
            self.candidates(),
            asked.batch,
            labelled=asked.labelled,
            regularisation=self.regularisation,
            oversample=self.oversample,
            method=self.method.engine,
            dtype=getattr(torch, asked.dtype),
            devices=asked.devices,
            progress=progress,
        )

    def candidates(self) -> Embedding | ShardedPool:
        """What ``bait_select`` chooses from."""
        return self.embedding()

    def embedding(self) -> Embedding:
        """V of the candidates that this process holds."""
        return self.embedding_of(self.tensors())

    def embedding_of(self, arrays: Mapping[str, Tensor]) -> Embedding:
        """V of candidates of which these are the arrays."""
        from fbench.fisher.embeddings import dense_embedding

        if "embedding" in arrays:
            return dense_embedding(arrays["embedding"])
        return self.method.make(arrays["logits"], arrays["features"], self.number)

    def tensors(self) -> Mapping[str, Tensor]:
        """The arrays of the candidates that this process holds."""
        from fbench.pick.pool_tensors import pool_tensors

        streams = self.choice is not None and self.choice.way.name == "streamed"
        return pool_tensors(self.asked.source, self.asked.pool, self.asked.devices[0], streams=streams)

    def write(self, rows: Sequence[Row]) -> None:
        """The picks, whole or not at all."""
        self.asked.write(rows)


def read_pick(
    features: Path,
    typed: Mapping[str, Any],
    devices: tuple[str, ...],
    read: Callable[[Path], PoolArrays] = map_pool,
) -> Pick | BaselinePick:
    """Check what was typed, and ``read`` the arrays; a plan writes nothing, and so may name a file that is there.

    Raises:
        UsageError: any of it that cannot be.
    """
    baseline = pool_strategy_of(typed["strategy"], "--strategy")
    if baseline is not None:
        return read_baseline_pick(features, typed, devices, baseline)
    batch = read_batch(typed)
    method, number = parse_embedding_method(typed["method"])
    oversample = Parameter("oversample", float, 2.0, OVERSAMPLE).read(typed["oversample"])
    try:
        parse_regularisation(typed["regularisation"])
    except InputError as error:
        raise UsageError(f"--{error}") from None
    check_dtype(typed)
    if typed["pool"] not in WAYS:
        raise UnknownNameError("--pool", typed["pool"], WAYS)
    pool = read(features)
    _check_arrays(features, pool, method)
    _check_number(features, pool, method, number)
    dtype = str(pool.arrays["embedding" if "embedding" in pool.arrays else "features"].dtype)
    asked = asked_batch(features, pool, batch, typed, devices, dtype)
    pick = Pick(asked, method, number, typed["regularisation"], oversample, typed["pool"])
    _ = pick.choice  # what cannot be is refused before anything is said of it
    return pick


def _check_arrays(source: Path, pool: PoolArrays, method: EmbeddingMethod) -> None:
    arrays = pool.arrays
    if "embedding" in arrays and not method.on_embedding:
        raise UsageError(
            f"--method {method.name} works on logits and features, and {source} holds an embedding; "
            "take exact or diagonal"
        )
    check_same_candidates(source, pool)
    check_axes_filled(source, pool)
    if "logits" in arrays and arrays["logits"].shape[1] < 2:
        raise InputError(f"{source}: logits of one class; BAIT needs at least 2")


def _check_number(source: Path, pool: PoolArrays, method: EmbeddingMethod, number: int) -> None:
    """Refuse more classes or components than the arrays have, and none."""
    if method.number:
        name, of = ("logits", "classes") if method.number == "classes" else ("features", "features")
        most = pool.arrays[name].shape[1]
        if not 1 <= number <= most:
            typed = f"--method {method.name}, {number} {method.number}"
            raise InputError(f"{source}: {typed}: must be a whole number from 1 to {most}, the {of} there are")


def _offer(other: Alternative) -> str:
    flag = f"--dtype {other.name}" if other.name.startswith("float") else f"--method {other.name}"
    return f"  {flag}: {other.meaning}, {format_bytes(other.plan.total)}"


def rows_of(chosen: Selection) -> list[Row]:
    """The kept picks in order, each with the score and the gap that it had when it was picked."""
    when = {index: i for i, index in enumerate(chosen.forward.tolist())}
    scores, gaps = chosen.scores.tolist(), chosen.gaps.tolist()
    return [
        {"position": at, "index": index, "score": scores[when[index]], "gap": gaps[when[index]]}
        for at, index in enumerate(chosen.indices.tolist())
    ]


def pick_sentences(pick: Pick, chosen: Selection) -> list[str]:
    """Sentences about a selection: how good it is, and how far rounding may have decided it."""
    from fbench.fisher.selection.pools import TIE

    whose = "of the diagonals " if pick.method.engine == "diagonal" else ""
    forward = len(chosen.forward)
    lines = [
        f"{format_count(len(chosen.indices))} picks are in {pick.asked.out}: tr(F M⁻¹) {whose}is "
        f"{chosen.objective:.4g} with them, after {format_count(forward)} forward picks had lowered it by "
        f"{float(chosen.scores.sum()):.4g} "
        f"(λ = {chosen.regularisation:.4g}, d_eff = {chosen.effective_dimension:.4g} of d = {pick.shape.dim:,})."
    ]
    near = int((chosen.gaps < 10 * TIE[chosen.scores.dtype]).sum())
    tolerance = f"{10 * TIE[chosen.scores.dtype]:.0e}"
    lines.append(
        f"Rounding: M⁻¹ drifted by {chosen.drift:.1e}, refreshes: {chosen.refreshes}; "
        + (
            f"{near:,} of the {forward:,} forward picks led the next by less than {tolerance} of their score: another "
            "machine may choose the other."
            if near
            else f"every forward pick led the next by {tolerance} of its score or more."
        )
    )
    if chosen.jitter:
        lines.append(
            f"M had lost its definiteness to rounding: {chosen.jitter:.1e} was added to its diagonal; "
            "a larger --regularisation, or --dtype float64, avoids that."
        )
    return lines
