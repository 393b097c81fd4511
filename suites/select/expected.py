"""About how many seconds each block of a case takes: what it computes, at the rate of products on this machine."""

from __future__ import annotations

from collections.abc import Iterable

from fbench.fisher.planning.operations import selection_operations
from fbench.fisher.planning.plan import CHUNK_SIZE, StepCounts
from fbench.harness.contract import Context
from fbench.measure.speed import product_rate

from .options import Options
from .ways import (
    SelectionProblem,
    Way,
    choose_reference,
    incremental_operations,
    plan_way,
    published_operations,
    unfit_reason,
)

_CALL_S = 5e-4
"""Of a pick or a removal, whatever its size."""
_DOUBLE = 2.0
"""Times as long as in float32."""
_COLD_S = 0.2
"""What is loaded before a way's first block."""
_COMPILED_S = 3.0
"""What is compiled and loaded in the first block of all."""


def expect_selection_s(
    way: Way, problem: SelectionProblem, dtype: str, options: Options, context: Context
) -> list[float]:
    """Seconds of every block of a way: the first has a watched pass too."""
    if way.purpose == "random" or unfit_reason(problem, way, context.devices):
        return [0.0] * options.passes
    rate = product_rate(context.devices[0], context.threads)
    slower = _DOUBLE if dtype == "float64" else 1.0
    block = slower * _operations(way, problem, dtype, options) / rate + _CALL_S * (problem.picks + problem.removals)
    return [2 * block + _COLD_S, *[block] * (options.passes - 1)]


def expect_once_s(problems: Iterable[SelectionProblem], options: Options, context: Context) -> float:
    """Seconds of what the first block of all has beside: compiling, and of every problem its selection in float64."""
    operations = sum(_reference_operations(problem, options) for problem in problems)
    return _COMPILED_S + _DOUBLE * operations / product_rate(context.devices[0], context.threads)


def _operations(way: Way, problem: SelectionProblem, dtype: str, options: Options) -> float:
    """Of a timed pass, which of a way that scores anew is cut short."""
    if way.anew:
        steps = min(options.extrapolate or problem.picks, problem.picks)
        return published_operations(problem, steps) + incremental_operations(problem)
    chunk = options.chunk_size or CHUNK_SIZE
    counts = StepCounts(problem.picks, problem.removals, chunk, problem.labelled)
    return selection_operations(plan_way(problem, way, dtype), counts)


def _reference_operations(problem: SelectionProblem, options: Options) -> float:
    match choose_reference(problem, options.reference_budget):
        case "published":
            return published_operations(problem)
        case "incremental":
            return incremental_operations(problem)
    return 0.0
