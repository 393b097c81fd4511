"""``fbench pick``: the batch that BAIT would buy from arrays that somebody exported, and what is to be said of it.

``read_pick`` turns what was typed into a ``Pick`` (the arrays, the method, the plan), and ``run_pick`` turns that into
a ``PickResult`` (rows and sentences). Nothing is printed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.errors import InputError, TooLargeError, UnknownNameError, UsageError
from fbench.fisher.planning.fitting import Alternative, alternatives, check_fits, device_plans
from fbench.fisher.planning.plan import MEMORY_MARGIN, SelectionPlan, Shape, StepCounts
from fbench.fisher.selection.methods import EmbeddingMethod, parse_embedding_method
from fbench.fisher.selection.regularisation import parse_regularisation
from fbench.harness.contract import Option, Row
from fbench.harness.parsing import OVERSAMPLE
from fbench.harness.suite import Parameter
from fbench.machine import free_bytes
from fbench.pick.pool_files import PoolArrays, check_out, positions_of, read_labelled, read_pool, write_picks
from fbench.units import format_bytes, format_count, format_percent

if TYPE_CHECKING:
    from fbench.fisher.embeddings import Embedding
    from fbench.fisher.selection.bait import Selection

OnStep = Callable[[str, int, int], None]
"""Called with the selection's phase, the steps of it that are done, and those in all."""


_BATCH = Parameter("batch", int, "", Option("B, how many to pick", minimum=1))


@dataclass(frozen=True)
class Pick:
    """A selection that has been read and checked, and nothing of it computed yet.

    Attributes:
        source: the .npz.
        pool: its arrays.
        labelled: positions in the pool.
        batch: B.
        out: the CSV to write.
        overwrite: whether it replaces what stands there.
        method, number: as ``parse_embedding_method`` gave them.
        dtype: of the selection.
        devices: that share the candidates.
        regularisation, oversample: as ``bait_select`` takes them.
    """

    source: Path
    pool: PoolArrays
    labelled: Any
    batch: int
    out: Path
    overwrite: bool
    method: EmbeddingMethod
    number: int
    dtype: str
    devices: tuple[str, ...]
    regularisation: str
    oversample: float

    @property
    def shape(self) -> Shape:
        """The shape of the embedding that the selection will be made on."""
        arrays = self.pool.arrays
        if "embedding" in arrays:
            return Shape(*arrays["embedding"].shape)
        (n, k), h = arrays["logits"].shape, arrays["features"].shape[1]
        return self.method.shape(n, k, h, self.number)

    @property
    def plans(self) -> dict[str, SelectionPlan]:
        """What each device will hold, by its name."""
        counts = StepCounts.of(self.batch, self.oversample, self.pool.n - len(self.labelled))
        return device_plans(self.shape, self.dtype, self.method.engine, self.devices, counts=counts)


def read_pick(features: Path, typed: Mapping[str, Any], devices: tuple[str, ...]) -> Pick:
    """Check what was typed, and read the arrays; a plan writes nothing, and so may name a file that is there.

    Raises:
        UsageError: any of it that cannot be.
    """
    if not typed["batch"]:
        raise UsageError("fbench pick needs --batch N, how many to pick")
    batch = _BATCH.read(typed["batch"])
    method, number = parse_embedding_method(typed["method"])
    oversample = Parameter("oversample", float, 2.0, OVERSAMPLE).read(typed["oversample"])
    try:
        parse_regularisation(typed["regularisation"])
    except InputError as error:
        raise UsageError(f"--{error}") from None
    if typed["dtype"] not in ("", "float32", "float64"):
        raise UnknownNameError("--dtype", typed["dtype"], ("float32", "float64"))
    pool = read_pool(features)
    _check_arrays(features, pool, method)
    labelled = _labelled(features, pool, typed["labelled"])
    _check_number(features, pool, method, number)
    left = pool.n - len(labelled)
    if not left:
        raise InputError(f"{features}: all {pool.n:,} candidates are labelled; nothing is left to pick")
    if batch > left:
        raise InputError(f"{features}: --batch {batch}: must be from 1 to {left}, what is left unlabelled")
    if not typed["dry_run"]:
        check_out(Path(typed["out"]), typed["overwrite"])
    return Pick(
        source=features,
        pool=pool,
        labelled=labelled,
        batch=batch,
        out=Path(typed["out"]),
        overwrite=typed["overwrite"],
        method=method,
        number=number,
        dtype=typed["dtype"] or str(pool.arrays["embedding" if "embedding" in pool.arrays else "features"].dtype),
        devices=devices,
        regularisation=typed["regularisation"],
        oversample=oversample,
    )


def _check_arrays(source: Path, pool: PoolArrays, method: EmbeddingMethod) -> None:
    arrays = pool.arrays
    if "embedding" in arrays:
        if not method.on_embedding:
            raise UsageError(
                f"--method {method.name} works on logits and features, and {source} holds an embedding; "
                "take exact or diagonal"
            )
    elif len(arrays["logits"]) != len(arrays["features"]):
        raise InputError(
            f"{source}: logits are of {len(arrays['logits']):,} candidates and features of "
            f"{len(arrays['features']):,}; they must be of the same, in the same order"
        )
    elif arrays["logits"].shape[1] < 2:
        raise InputError(f"{source}: logits have {arrays['logits'].shape[1]} classes; BAIT needs at least 2")
    empty = [name for name, array in arrays.items() if 0 in array.shape]
    if empty:
        raise InputError(f"{source}: {empty[0]} has shape {list(arrays[empty[0]].shape)}; no axis may be empty")


def _check_number(source: Path, pool: PoolArrays, method: EmbeddingMethod, number: int) -> None:
    """Refuse more classes or components than the arrays have, and none."""
    if method.number:
        name, of = ("logits", "classes") if method.number == "classes" else ("features", "features")
        most = pool.arrays[name].shape[1]
        if not 1 <= number <= most:
            typed = f"--method {method.name}, {number} {method.number}"
            raise InputError(f"{source}: {typed}: must be a whole number from 1 to {most}, the {of} there are")


def _labelled(source: Path, pool: PoolArrays, typed: str) -> Any:
    """Positions of ``--labelled`` where given, else of the .npz's own ``labelled``, else none."""
    if typed:
        return positions_of(read_labelled(Path(typed)), pool.n, f"--labelled {typed}")
    return [] if pool.labelled is None else positions_of(pool.labelled, pool.n, f"{source}: labelled")


def pick_plan_lines(pick: Pick) -> list[str]:
    """The plan as lines of text: the problem, then what each device will hold and has free."""
    shape, arrays = pick.shape, pick.pool.arrays
    sizes = f"n = {shape.n:,} candidates ({len(pick.labelled):,} labelled), r = {shape.rows:,}, d = {shape.dim:,}"
    if "logits" in arrays:
        sizes += f"; k = {arrays['logits'].shape[1]:,} classes, h = {arrays['features'].shape[1]:,} features"
    lines = [f"{pick.source}: {sizes}; {pick.dtype}"]
    for device, plan in pick.plans.items():
        free = free_bytes(device)
        parts = {**plan.parts, f"in all, in {plan.phase}, its dearest phase": plan.growth}
        parts[f"with {format_percent(MEMORY_MARGIN)} to spare"] = plan.needed
        if free is not None:
            parts[f"free on {device}"] = free
        width = max(map(len, parts))
        lines += [f"  {name:<{width}}  {format_bytes(size)}" for name, size in parts.items()]
    return lines


def pick_fitting_lines(pick: Pick) -> list[str]:
    """Lines that tell whether the selection fits each device, and where it does not, what would."""
    lines = []
    for device, plan in pick.plans.items():
        free = free_bytes(device)
        if free is None:
            lines.append(f"How much {device} has free is not known here.")
        elif plan.needed <= free:
            lines.append(f"On {device} it fits.")
        else:
            lines.append(f"On {device} it does not fit. What does:")
            lines += [_offer(other) for other in alternatives(plan, free)] or ["  nothing; take a smaller pool"]
    return lines


def _offer(other: Alternative) -> str:
    flag = f"--dtype {other.name}" if other.name.startswith("float") else f"--method {other.name}"
    return f"  {flag}: {other.meaning}, {format_bytes(other.plan.total)}"


@dataclass(frozen=True)
class PickResult:
    """The rows of the picks' CSV, and sentences about them."""

    rows: Sequence[Row]
    sentences: Sequence[str]


def run_pick(pick: Pick, progress: OnStep) -> PickResult:
    """Select and write; nothing is written unless all went well.

    Raises:
        TooLargeError: it would not fit, or did not.
        InputError: what ``bait_select`` refuses.
    """
    for device, plan in pick.plans.items():
        check_fits(plan, free_bytes(device), device)
    try:
        chosen, embedding = _select(pick, progress)
    except InputError as error:
        raise type(error)(f"{pick.source}: {error}") from None
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            reason = (str(error).splitlines() or ["no more to be had"])[0]
            raise TooLargeError(
                f"{pick.source}: ran out of memory: {reason}; --dry-run says what would take less"
            ) from None
        raise
    rows = rows_of(chosen)
    write_picks(pick.out, rows, overwrite=pick.overwrite)
    return PickResult(rows, pick_sentences(pick, chosen, embedding))


def _select(pick: Pick, progress: OnStep) -> tuple[Selection, Embedding]:
    import torch

    from fbench.fisher.embeddings import dense_embedding
    from fbench.fisher.selection.bait import bait_select

    arrays = {name: torch.from_numpy(array).to(pick.devices[0]) for name, array in pick.pool.arrays.items()}
    if "embedding" in arrays:
        embedding: Embedding = dense_embedding(arrays["embedding"])
    else:
        embedding = pick.method.make(arrays["logits"], arrays["features"], pick.number)
    chosen = bait_select(
        embedding,
        pick.batch,
        labelled=pick.labelled,
        regularisation=pick.regularisation,
        oversample=pick.oversample,
        method=pick.method.engine,
        dtype=getattr(torch, pick.dtype),
        devices=pick.devices,
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
        f"{format_count(len(chosen.indices))} picks are in {pick.out}: tr(F M⁻¹) {whose}is {chosen.objective:.4g} with "
        f"them, after {format_count(forward)} forward picks had lowered it by {float(chosen.scores.sum()):.4g} "
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
