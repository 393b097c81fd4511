"""The blocks of one case of ``fbench select`` as rows: times in every block, memory and agreement in the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from fbench.errors import TooLargeError
from fbench.fisher.embeddings import Embedding
from fbench.fisher.planning.plan import CHUNK_SIZE
from fbench.harness.contract import Row
from fbench.pick.chunk_choice import choose_chunk

from .options import Options
from .passes import Steps, memory_pass, timed_pass, warm_up_way
from .problem import (
    PoolSelection,
    agreement,
    exact_objective,
    float64_reference,
    outputs,
    prepare_embedding,
    random_batch,
)
from .scoring import score_passes
from .ways import SelectionProblem, Way, check_way_fits, unfit_reason, with_fitting_chunk

_SCORE_PASSES = 3
"""Passes of the score in a block; one takes only milliseconds."""


@dataclass(frozen=True)
class SelectionTask:
    """One case: a way that solves a problem in a dtype on devices, and the suite's options."""

    way: Way
    problem: SelectionProblem
    dtype: str
    devices: tuple[str, ...]
    options: Options

    @property
    def torch_dtype(self) -> torch.dtype:
        """``dtype`` as torch has it."""
        dtype: torch.dtype = getattr(torch, self.dtype)
        return dtype

    @property
    def steps(self) -> Steps:
        """Picks and removals of a timed pass."""
        return Steps.of(self.way, self.problem, self.options.extrapolate)


def run(task: SelectionTask, done: int) -> Iterator[tuple[int, list[Row]]]:
    """Run the blocks after the first ``done`` and give every block's number and rows.

    A case that cannot run gives one row that says why.
    """
    if task.way.anew and not unfit_reason(task.problem, task.way, task.devices):
        task = replace(task, way=_chunked(task))
    refused = _refused(task)
    if refused:
        yield from [] if done else [(0, [refused])]
        return
    if task.way.purpose == "selection" and done < task.options.passes:
        warm_up_way(task.way, task.problem, task.torch_dtype, task.devices)
    for block in range(done, task.options.passes):
        yield block, _BLOCKS[task.way.purpose](task, block)


def _chunked(task: SelectionTask) -> Way:
    """The way with the chunk that was typed, or with its kernel's knee on this problem; smaller if memory is short."""
    typed_size = task.options.chunk_size
    sized = replace(task.way, chunk_size=typed_size or CHUNK_SIZE)
    way = with_fitting_chunk(task.problem, sized, task.dtype, task.devices)
    if typed_size or _refused(replace(task, way=way)):
        return way
    return replace(way, chunk_size=_knee(way, task.problem, task.torch_dtype, task.devices))


@lru_cache(maxsize=32)
def _knee(way: Way, problem: SelectionProblem, dtype: torch.dtype, devices: tuple[str, ...]) -> int:
    V = prepare_embedding(way, problem, outputs(problem, dtype, devices[0])).embedding
    assert isinstance(V, Embedding)  # only ways of one process have a kernel with chunks
    F = V.gram() / V.n
    inverse = torch.linalg.inv(F + torch.eye(V.dim, dtype=dtype, device=V.device))
    return choose_chunk(V, inverse, F, kernel=way.engine, most=way.chunk_size)


def _refused(task: SelectionTask) -> Row | None:
    reason = unfit_reason(task.problem, task.way, task.devices)
    if reason:
        return {"status": "skipped", "reason": reason}
    try:
        check_way_fits(task.problem, task.way, task.dtype, task.devices)
    except TooLargeError as error:  # oom, so that --retry asks again when more is free
        return {"status": "oom", "reason": str(error)}
    return None


def _selection(task: SelectionTask, block: int) -> list[Row]:
    first, rows = block == 0, list[Row]()
    sizes: Row = {"rows": task.way.shape(task.problem).rows, "pass_index": 0}
    if task.way.anew:
        sizes["chunk_size"] = task.way.chunk_size
    settings = (task.way, task.problem, task.torch_dtype, task.devices, task.steps)
    if first:  # before the clock runs: it warms up what the tiny problem did not
        rows.append({**sizes, "phase": "memory", "peak_bytes": memory_pass(*settings)})
    phases, chosen = timed_pass(*settings, keep=first)
    for phase in phases:
        counts = {"picks": phase.picks, "picks_total": phase.picks_total}
        rows.append({**sizes, "phase": phase.name, **counts, "time_s": phase.seconds})
    return [*rows, {**sizes, **_agreement(task, chosen)}] if chosen else rows


def _random(task: SelectionTask, block: int) -> list[Row]:
    """One random batch a block, since their objectives scatter."""
    return [{"pass_index": block, **_agreement(task, random_batch(task.problem, block))}]


def _agreement(task: SelectionTask, chosen: PoolSelection) -> Row:
    """The row that compares a selection with the reference, and holds its own λ, d_eff, jitter and drift."""
    row: Row = {"phase": "agreement"}
    if chosen.selection is not None:
        selection = chosen.selection
        row.update(d_eff=selection.effective_dimension, regularisation=selection.regularisation)
        row.update(jitter=selection.jitter)
        if task.way.engine == "incremental":  # the others update nothing that could drift
            row.update(drift=selection.drift, refreshes=selection.refreshes)
    reference = float64_reference(task.problem, task.options.reference_budget, task.devices)
    if reference is None:
        return row
    whole = task.way.purpose == "random" or task.steps.whole(task.problem)
    row.update(reference=reference.method, reference_objective=reference.objective)
    row.update(agreement(chosen, reference, whole, task.torch_dtype))
    if whole:
        row["objective"] = exact_objective(task.problem, chosen.kept, task.devices[0])
    return row


def _score(task: SelectionTask, block: int) -> list[Row]:
    rows: list[Row] = []
    passes = score_passes(task.way, task.problem, task.torch_dtype, task.devices[0], _SCORE_PASSES, first=block == 0)
    for scored in passes:
        sizes: Row = {"rows": scored.rows, "phase": "score"}
        rows += [{**sizes, "pass_index": i, "time_s": seconds} for i, seconds in enumerate(scored.seconds)]
        if block == 0:
            sizes["pass_index"] = 0
            rows.append({**sizes, "phase": "memory", "peak_bytes": scored.peak_bytes})
            rows.append({**sizes, "phase": "agreement", "max_rel_error": scored.max_rel_error})
    return rows


_BLOCKS: dict[str, Callable[[SelectionTask, int], list[Row]]] = {
    "selection": _selection,
    "random": _random,
    "score": _score,
}
