"""The blocks of one case of ``fbench select`` as rows: what was timed, and in the first block memory and agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch

from fbench.errors import TooLargeError
from fbench.fisher.planning.plan import CHUNK_SIZE
from fbench.harness.contract import Row
from fbench.pick.chunk_choice import choose_chunk

from .passes import Steps, memory_pass, timed_pass, warm_up
from .problem import Picked, agreement, exact_objective, outputs, prepare, random_batch, reference
from .scoring import score_passes
from .ways import Problem, Way, check_memory, fitted, unfit

_SCORE_PASSES = 3
"""Passes of the score a block: one takes milliseconds."""


@dataclass(frozen=True)
class Task:
    """One case: a way put to a problem, in a dtype, on devices, with the suite's options."""

    way: Way
    problem: Problem
    dtype: str
    devices: tuple[str, ...]
    options: Mapping[str, Any]

    @property
    def kind(self) -> torch.dtype:
        """The dtype as torch's."""
        found: torch.dtype = getattr(torch, self.dtype)
        return found

    @property
    def steps(self) -> Steps:
        """Picks and removals of a pass."""
        return Steps.of(self.way, self.problem, self.options["extrapolate"])


def run(task: Task, done: int) -> Iterator[tuple[int, list[Row]]]:
    """Blocks after the first ``done``, each with its number; a case that cannot run is one row that says why."""
    if task.way.anew and not unfit(task.problem, task.way, task.devices):
        task = replace(task, way=_chunked(task))
    refused = _refused(task)
    if refused:
        yield from [] if done else [(0, [refused])]
        return
    if task.way.kind == "selection" and done < task.options["passes"]:
        warm_up(task.way, task.problem, task.kind, task.devices)
    for block in range(done, task.options["passes"]):
        yield block, _BLOCKS[task.way.kind](task, block)


def _chunked(task: Task) -> Way:
    """With the chunk typed, or the kernel's knee on this problem; a smaller one where memory does not last for it."""
    typed: int = task.options["chunk_size"]
    way = fitted(task.problem, replace(task.way, chunk_size=typed or CHUNK_SIZE), task.dtype, task.devices)
    if typed or _refused(replace(task, way=way)):
        return way
    return replace(way, chunk_size=_knee(way, task.problem, task.kind, task.devices))


@lru_cache(maxsize=32)
def _knee(way: Way, problem: Problem, dtype: torch.dtype, devices: tuple[str, ...]) -> int:
    V = prepare(way, problem, outputs(problem, dtype, devices[0])).embedding
    F = V.gram() / V.n
    inverse = torch.linalg.inv(F + torch.eye(V.dim, dtype=dtype, device=V.device))
    return choose_chunk(V, inverse, F, kernel=way.engine, most=way.chunk_size)


def _refused(task: Task) -> Row | None:
    reason = unfit(task.problem, task.way, task.devices)
    if reason:
        return {"status": "skipped", "reason": reason}
    try:
        check_memory(task.problem, task.way, task.dtype, task.devices)
    except TooLargeError as error:  # oom, so that --retry asks again when more is free
        return {"status": "oom", "reason": str(error)}
    return None


def _selection(task: Task, block: int) -> list[Row]:
    first, rows = block == 0, list[Row]()
    sizes: Row = {"rows": task.way.shape(task.problem).rows, "pass_index": 0}
    if task.way.anew:
        sizes["chunk_size"] = task.way.chunk_size
    case = (task.way, task.problem, task.kind, task.devices, task.steps)
    if first:  # before the clock runs: it warms up what the tiny problem did not
        rows.append({**sizes, "phase": "memory", "peak_bytes": memory_pass(*case)})
    phases, chosen = timed_pass(*case, keep=first)
    for each in phases:
        counts = {"picks": each.picks, "picks_total": each.picks_total}
        rows.append({**sizes, "phase": each.name, **counts, "time_s": each.seconds})
    return [*rows, {**sizes, **_agreement(task, chosen)}] if chosen else rows


def _random(task: Task, block: int) -> list[Row]:
    """A draw a block: their objectives scatter."""
    return [{"pass_index": block, **_agreement(task, random_batch(task.problem, block))}]


def _agreement(task: Task, chosen: Picked) -> Row:
    """How a selection compares with the reference, and what it said of itself."""
    row: Row = {"phase": "agreement"}
    if chosen.facts is not None:
        facts = chosen.facts
        row.update(d_eff=facts.effective_dimension, regularisation=facts.regularisation, jitter=facts.jitter)
        if task.way.engine == "incremental":  # the others update nothing that could drift
            row.update(drift=facts.drift, refreshes=facts.refreshes)
    found = reference(task.problem, task.options["reference_budget"], task.devices)
    if found is None:
        return row
    whole = task.way.kind == "random" or task.steps.whole(task.problem)
    row.update(reference=found.how, reference_objective=found.objective)
    row.update(agreement(chosen, found, whole, task.kind))
    if whole:
        row["objective"] = exact_objective(task.problem, chosen.kept, task.devices[0])
    return row


def _score(task: Task, block: int) -> list[Row]:
    rows: list[Row] = []
    passes = score_passes(task.way, task.problem, task.kind, task.devices[0], _SCORE_PASSES, first=block == 0)
    for scored in passes:
        sizes: Row = {"rows": scored.rows, "phase": "score"}
        rows += [{**sizes, "pass_index": i, "time_s": seconds} for i, seconds in enumerate(scored.seconds)]
        if block == 0:
            sizes["pass_index"] = 0
            rows.append({**sizes, "phase": "memory", "peak_bytes": scored.peak_bytes})
            rows.append({**sizes, "phase": "agreement", "max_rel_error": scored.max_rel_error})
    return rows


_BLOCKS: dict[str, Callable[[Task, int], list[Row]]] = {"selection": _selection, "random": _random, "score": _score}
