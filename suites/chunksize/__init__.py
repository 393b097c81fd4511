"""``fbench chunksize``: does the chunk size of the batched trace kernel affect completion time, and why?

A case is one kernel at one chunk size (a ``sweep`` over the pool, or a ``single`` chunk alone), a unit is one block:
every case that has not converged once, in shuffled order, beside a control operation, so that a drift of the
machine meets all alike and is seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from fbench.harness.contract import Case, Column, Context, Row, Summary, Tables, Unit
from fbench.harness.registry import suite
from fbench.units import format_seconds, format_si

from . import plan
from .options import Options, Point

POINT = (
    Column("block", "int", "", "every case not yet converged runs once a block, in shuffled order"),
    Column("kernel", "str", "", "trace kernel; :no-inner is without A⁻¹, as the poster's"),
    Column("device", "str", "", "device ids, joined by +"),
    Column("gpus", "int", "devices", "that share the pool: the time is that of the slowest"),
    Column("dtype", "str", "", "float32 or float64"),
    Column("candidates", "int", "samples", "n that a pass goes over; of a single chunk its own"),
    Column("classes", "int", "", "k"),
    Column("dim", "int", "weights", "d"),
    Column("rows", "int", "", "r = k − 1, rows of V a candidate"),
    Column("chunk_size", "int", "samples", "c, candidates of a chunk, on each device"),
    Column("chunks", "int", "", "of a pass, on the device with the most"),
    Column(
        "phase", "str", "", "sweep: over the pool; single: one chunk alone, τ(c), on each device; memory: not timed"
    ),
)
COLUMNS = (
    *POINT,
    Column("pass_index", "int", "", "pass within the block"),
    Column("time_s", "float", "s", "of the pass; empty where nothing was timed"),
    Column("predicted_s", "float", "s", "⌊n/c⌋·τ(c) + τ(n mod c) of the largest shard, from single chunks alone"),
    Column("max_rel_error", "float", "share", "of the pass's scores, to float64 ones, over the largest"),
    Column("peak_bytes", "int", "bytes", "peak growth of a pass that is not timed; of several devices the first's"),
    Column("flops", "int", "FLOP", "operations of the pass, all devices together"),
    Column("bytes", "int", "bytes", "least traffic of the pass: each operand once"),
    Column("converged", "bool", "", "the point's interval is no wider than --precision"),
)
CONDITIONS = (
    Column("block", "int", "", "as in results.csv"),
    Column("control_s", "float", "s", "of the control, timed before the case's passes: thin products that miss caches"),
    Column("gemm_s", "float", "s", "of the ceiling, timed there as well: square matrix products"),
    Column("gemm_flops", "int", "FLOP", "operations of the ceiling"),
    Column("cpu_mhz", "float", "MHz", "mean clock of the CPUs"),
    Column("load_1m", "float", "", "load average over a minute"),
    Column("steal_share", "float", "share", "of CPU time that the hypervisor gave to others, since the last unit"),
    Column("gpu_clock_mhz", "float", "MHz", "clock of the slowest GPU in use"),
    Column("gpu_throttle", "str", "", "what slows a GPU down, joined by +"),
    Column("gpu_temperature_c", "float", "°C", "of the hottest GPU in use"),
    Column("multiprocessors", "int", "", "of a GPU"),
)
TIMES = (
    Column("block", "int", "", "as in results.csv"),
    Column("started_at_s", "float", "s", "since 1970 in UTC, when the block began"),
    Column("took_s", "float", "s", "of the whole block: control, warming up, passes and errors"),
)
POINTS = (
    *POINT,
    Column("samples", "int", "", "passes timed, none dropped"),
    Column("median_s", "float", "s", "median over blocks of the blocks' medians"),
    Column("low_s", "float", "s", "lower end of its 95 % interval, by order statistics"),
    Column("high_s", "float", "s", "upper end"),
    Column("repeat_low_s", "float", "s", "lower end of where a second run's median falls (95 %)"),
    Column("repeat_high_s", "float", "s", "upper end"),
    Column("converged", "bool", "", "the interval is no wider than --precision"),
    Column("predicted_s", "float", "s", "from single chunks alone"),
    Column("flops_per_s", "float", "FLOP/s", "operations over the median"),
    Column("gemm_share", "float", "share", "of the rate of the square matrix products"),
    Column("peak_bytes", "int", "bytes", "peak growth of a pass that is not timed"),
    Column("max_rel_error", "float", "share", "the largest of the passes"),
)


def summarise(tables: Tables, options: Options) -> Summary:
    """Give the tables, findings and figures of a run."""
    from .summary import summary

    return summary(tables, options)


def finish(tables: dict[str, list[Row]], options: Options) -> dict[str, list[Row]]:
    """Fill in what only the whole run can tell: points, predictions, convergence."""
    from .points import complete

    return complete(tables, options)


def resolve(options: Options, context: Context) -> Options:
    """Fill in pool, chunk sizes and single chunks for the devices and threads at hand."""
    return plan.resolve(options, context)


def points(options: Options) -> list[Point]:
    """Give every case: the sweep of each pool, then the single chunks."""
    return plan.points(options)


def predict(case: Case[Point], options: Options, context: Context) -> dict[str, str]:
    """Tell the operations of a pass and how long the case may be timed for."""
    reason = plan.misfit_reason(case.point)
    if reason:
        return {"a pass": "", "timed for": "", "note": reason}
    flops, _ = plan.operations(case.point)
    return {
        "a pass": format_si(flops, "FLOP"),
        "timed for": f"up to {format_seconds(plan.case_budget_s(case.point, options))}",
        "note": "",
    }


def finds_limit(options: Options) -> bool:
    """Tell a sweep over sizes, of which the largest may be too large, from a run at one size."""
    return max(map(len, (options.sizes, options.candidates, options.classes, options.dim))) > 1


def is_wrong(tables: Tables, options: Options) -> bool:
    """Tell whether the scores of a kernel are other numbers than the float64 ones, rounding apart."""
    from .kernels import wrong_scores

    return any(wrong_scores(row["max_rel_error"], row["dtype"]) for row in tables["results"])


@suite(
    "chunksize",
    "Does the chunk size of the batched trace kernel affect completion time, and why?",
    columns=COLUMNS,
    tables={"conditions": CONDITIONS, "times": TIMES, "points": POINTS},
    unit="block",
    resolve=resolve,
    points=points,
    predict=predict,
    expect_s=lambda case, options, context: [plan.expected_s(case.point, options)],
    limit_s=lambda options: options.max_time,
    finish=finish,
    summarise=summarise,
    finds_limit=finds_limit,
    is_wrong=is_wrong,
    schedule="blocks",
    executor="worker",
    examples=(
        "fbench chunksize",
        "fbench chunksize --kernels fused,published --sizes 64..1024 --candidates 4096",
        "fbench chunksize --null",
    ),
)
def measure(case: Case[Point], options: Options, context: Context) -> Iterator[Unit]:
    """Time one kernel at one chunk size, a block at a time, until its median is known or its time is spent."""
    from .blocks import ChunkCase, run

    point = case.point
    reason = plan.misfit_reason(point)
    if reason:
        if not context.committed.get("results"):
            yield Unit(0, [{**point._asdict(), "status": "skipped", "reason": reason}])
        return
    if context.over and not context.done:
        yield Unit(0, [{**point._asdict(), "status": "skipped", "reason": plan.too_late(options)}])
        return
    budget_s = plan.case_budget_s(point, options)
    pool = max(options.candidates)
    timed = ChunkCase(
        point,
        context.devices,
        budget_s,
        options.precision,
        pool,
        options.seed,
        context.ends_at,
        plan.work_size(point, options),
    )
    yield from run(timed, context.committed)
