"""``fbench pick``: the batch that BAIT would buy from arrays that somebody exported, and what is to be said of it.

``read_pick`` turns what was typed into a ``Pick`` (the arrays, the method, the plan) or, for another strategy than
BAIT, into a ``BaselinePick``; ``run`` turns that into a ``PickResult`` (rows and sentences). Nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.acquisition.pool_strategies import pool_strategy_of
from fbench.errors import InputError, TooLargeError, UsageError
from fbench.fisher.planning.fitting import Alternative, alternatives, check_fits, device_plans
from fbench.fisher.planning.plan import MEMORY_MARGIN, SelectionPlan, Shape, StepCounts
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
from fbench.pick.pool_files import PoolArrays, read_pool
from fbench.units import format_bytes, format_count, format_percent

if TYPE_CHECKING:
    from fbench.fisher.embeddings import Embedding
    from fbench.fisher.selection.bait import Selection


@dataclass(frozen=True)
class Pick:
    """BAIT's batch.

    Attributes:
        asked: what was asked for.
        method, number: as ``parse_embedding_method`` gave them.
        regularisation, oversample: as ``bait_select`` takes them.
    """

    asked: AskedBatch
    method: EmbeddingMethod
    number: int
    regularisation: str
    oversample: float

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
        return device_plans(self.shape, asked.dtype, self.method.engine, asked.devices, counts=counts)

    def plan_lines(self) -> list[str]:
        """The plan as lines of text: the problem, then what each device will hold and has free."""
        asked, shape, arrays = self.asked, self.shape, self.asked.pool.arrays
        sizes = f"n = {shape.n:,} candidates ({len(asked.labelled):,} labelled), r = {shape.rows:,}, d = {shape.dim:,}"
        if "logits" in arrays:
            sizes += f"; k = {arrays['logits'].shape[1]:,} classes, h = {arrays['features'].shape[1]:,} features"
        lines = [f"{asked.source}: {sizes}; {asked.dtype}"]
        for device, plan in self.plans.items():
            free = free_bytes(device)
            parts = {**plan.parts, f"in all, in {plan.phase}, its dearest phase": plan.growth}
            parts[f"with {format_percent(MEMORY_MARGIN)} to spare"] = plan.needed
            if free is not None:
                parts[f"free on {device}"] = free
            width = max(map(len, parts))
            lines += [f"  {name:<{width}}  {format_bytes(size)}" for name, size in parts.items()]
        return lines

    def fitting_lines(self) -> list[str]:
        """Lines that tell whether the selection fits each device, and where it does not, what would."""
        lines = []
        for device, plan in self.plans.items():
            free = free_bytes(device)
            if free is None:
                lines.append(f"How much {device} has free is not known here.")
            elif plan.needed <= free:
                lines.append(f"On {device} it fits.")
            else:
                lines.append(f"On {device} it does not fit. What does:")
                lines += [_offer(other) for other in alternatives(plan, free)] or ["  nothing; take a smaller pool"]
        return lines

    def run(self, progress: OnStep) -> PickResult:
        """Select and write; nothing is written unless all went well.

        Raises:
            TooLargeError: it would not fit, or did not.
            InputError: what ``bait_select`` refuses.
        """
        for device, plan in self.plans.items():
            check_fits(plan, free_bytes(device), device)
        try:
            chosen, embedding = _select(self, progress)
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
        self.asked.write(rows)
        return PickResult(rows, pick_sentences(self, chosen, embedding))


def read_pick(features: Path, typed: Mapping[str, Any], devices: tuple[str, ...]) -> Pick | BaselinePick:
    """Check what was typed, and read the arrays; a plan writes nothing, and so may name a file that is there.

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
    pool = read_pool(features)
    _check_arrays(features, pool, method)
    _check_number(features, pool, method, number)
    dtype = str(pool.arrays["embedding" if "embedding" in pool.arrays else "features"].dtype)
    asked = asked_batch(features, pool, batch, typed, devices, dtype)
    return Pick(asked, method, number, typed["regularisation"], oversample)


def _check_arrays(source: Path, pool: PoolArrays, method: EmbeddingMethod) -> None:
    arrays = pool.arrays
    if "embedding" in arrays and not method.on_embedding:
        raise UsageError(
            f"--method {method.name} works on logits and features, and {source} holds an embedding; "
            "take exact or diagonal"
        )
    check_same_candidates(source, pool)
    if "logits" in arrays and arrays["logits"].shape[1] < 2:
        raise InputError(f"{source}: logits have {arrays['logits'].shape[1]} classes; BAIT needs at least 2")
    check_axes_filled(source, pool)


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


def _select(pick: Pick, progress: OnStep) -> tuple[Selection, Embedding]:
    import torch

    from fbench.fisher.embeddings import dense_embedding
    from fbench.fisher.selection.bait import bait_select

    asked = pick.asked
    arrays = {name: torch.from_numpy(array).to(asked.devices[0]) for name, array in asked.pool.arrays.items()}
    if "embedding" in arrays:
        embedding: Embedding = dense_embedding(arrays["embedding"])
    else:
        embedding = pick.method.make(arrays["logits"], arrays["features"], pick.number)
    chosen = bait_select(
        embedding,
        asked.batch,
        labelled=asked.labelled,
        regularisation=pick.regularisation,
        oversample=pick.oversample,
        method=pick.method.engine,
        dtype=getattr(torch, asked.dtype),
        devices=asked.devices,
        progress=progress,
    )
    return chosen, embedding


def rows_of(chosen: Selection) -> list[Row]:
    """The kept picks in order, each with the score and the gap that it had when it was picked."""
    when = {index: i for i, index in enumerate(chosen.forward.tolist())}
    scores, gaps = chosen.scores.tolist(), chosen.gaps.tolist()
    return [
        {"position": at, "index": index, "score": scores[when[index]], "gap": gaps[when[index]]}
        for at, index in enumerate(chosen.indices.tolist())
    ]


def pick_sentences(pick: Pick, chosen: Selection, embedding: Embedding) -> list[str]:
    """Sentences about a selection: how good it is, and how far rounding may have decided it."""
    from fbench.fisher.selection.greedy import TIE

    whose = "of the diagonals " if pick.method.engine == "diagonal" else ""
    forward = len(chosen.forward)
    lines = [
        f"{format_count(len(chosen.indices))} picks are in {pick.asked.out}: tr(F M⁻¹) {whose}is "
        f"{chosen.objective:.4g} with them, after {format_count(forward)} forward picks had lowered it by "
        f"{float(chosen.scores.sum()):.4g} "
        f"(λ = {chosen.regularisation:.4g}, d_eff = {chosen.effective_dimension:.4g} of d = {embedding.dim:,})."
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
