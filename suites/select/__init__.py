"""``fbench select``: what does a way of choosing a batch cost in time and memory, and does it choose the same?

A case is one way on one problem in one dtype. A unit is one block: every case runs once, in shuffled order, so that a
drift of the machine meets all cases alike. A published pass may be cut short; the summary then says in words what a
whole one would have taken, and no row holds it as if it were measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from fbench.errors import UsageError
from fbench.fisher.planning.plan import CHUNK_SIZE
from fbench.harness.contract import Case, Column, Context, Summary, Tables, Unit
from fbench.harness.registry import suite
from fbench.units import format_bytes, format_si

from . import ways
from .options import Options, Point

COLUMNS = (
    Column("method", "str", "", "how the batch was chosen; score-… is the batched score alone"),
    Column("device", "str", "", "device ids, joined by +"),
    Column("dtype", "str", "", "of the selection; removals run in float64 always"),
    Column("candidates", "int", "samples", "n, the pool, its labelled ones included"),
    Column("classes", "int", "", "k"),
    Column("dim", "int", "weights", "d of the last layer, classes × features"),
    Column("batch", "int", "samples", "B, labels bought"),
    Column("block", "int", "", "every case runs once a block, in shuffled order"),
    Column("pass_index", "int", "", "pass within the block; random: the draw"),
    Column("phase", "str", "", "setup, forward, first_removal, backward, score: timed; memory, agreement: never timed"),
    Column("rows", "int", "", "r, rows of V a candidate"),
    Column("chunk_size", "int", "samples", "of published, fused and factored; empty for ways without such chunks"),
    Column("picks", "int", "", "picks or removals that time_s covers; of agreement: picks compared"),
    Column("picks_total", "int", "", "picks or removals of the phase in a whole selection"),
    Column("time_s", "float", "s", "of the phase; empty where nothing was timed"),
    Column("peak_bytes", "int", "bytes", "peak growth beyond logits and features, in a pass of its own"),
    Column("same_picks", "float", "share", "of the picks compared, those of the float64 reference"),
    Column("first_difference", "int", "", "first forward pick, from 0, where the order leaves the reference's"),
    Column("gap_there", "float", "share", "the reference's lead over its runner-up at that pick, of the score"),
    Column("tolerance", "float", "share", "leads below it are ties in this dtype"),
    Column("objective", "float", "", "tr(F M⁻¹) of the batch, in float64 with all of V; less is better"),
    Column("reference_objective", "float", "", "the same of the reference's batch"),
    Column("reference", "str", "", "the float64 selection compared with: published or incremental"),
    Column("regularisation", "float", "", "λ as a number, as the way itself found it"),
    Column("d_eff", "float", "weights", "effective dimension tr F(F + λI)⁻¹ of the way's own F"),
    Column("drift", "float", "share", "‖P M v − v‖ / ‖v‖ on a probe after the forward picks"),
    Column("refreshes", "int", "", "how often P, Q, G and H were made afresh from M"),
    Column("jitter", "float", "", "added to M's diagonal to factorise it"),
    Column("max_rel_error", "float", "share", "of scores, to float64 ones of the same state, over the largest"),
)


def summarise(tables: Tables, options: Options) -> Summary:
    """Answers of the rows, with a table, a figure and the evidence."""
    from .summary import summary

    return summary(tables["results"], options)


def resolve(options: Options, context: Context) -> Options:
    """Refuse a grid in which no case could run; ``--null`` gives every way twice.

    Raises:
        UsageError: says why the first case cannot run.
    """
    if options.null:
        options = replace(options, methods=ways.given_twice(options.methods))
        if not options.methods:
            raise UsageError("--null needs a way that is timed; give --methods incremental")
    first = ""
    for problem in _problems(options):
        for name in options.methods:
            reason = ways.unfit_reason(problem, ways.parse_way(name), ("cpu",))
            if not reason:
                return options
            first = first or reason
    raise UsageError(f"nothing can be selected: {first}")


def predict(case: Case[Point], options: Options, context: Context) -> dict[str, str]:
    """What a case will hold in memory, the published order's operations a pick, and the reference to compare with."""
    problem, way = _problem_of(case.point, options), ways.parse_way(case.point.method)
    reason = ways.unfit_reason(problem, way, context.devices)
    if reason or way.purpose == "random":
        return {"memory": "", "published, a pick": "", "reference": "", "note": reason}
    way = replace(way, chunk_size=options.chunk_size or CHUNK_SIZE)
    return {
        "memory": format_bytes(ways.plan_way(problem, way, case.point.dtype).growth),
        "published, a pick": format_si(ways.published_operations(problem, 1), "FLOP"),
        "reference": ways.choose_reference(problem, options.reference_budget) or "none",
        "note": "",
    }


def expect(case: Case[Point], options: Options, context: Context) -> list[float]:
    """Tell about how many seconds each block will take."""
    from .expected import expect_selection_s

    way, problem = ways.parse_way(case.point.method), _problem_of(case.point, options)
    return expect_selection_s(way, problem, case.point.dtype, options, context)


def expect_once(options: Options, context: Context) -> float:
    """Tell about how many seconds are spent once, whichever way begins."""
    from .expected import expect_once_s

    return expect_once_s(_problems(options), options, context)


def _problems(options: Options) -> Iterator[ways.SelectionProblem]:
    """All that the sizes span."""
    for n, k, d, B in itertools.product(options.candidates, options.classes, options.dim, options.batch):
        yield _problem_of(Point("", n, k, d, B, ""), options)


def _problem_of(point: Point, options: Options) -> ways.SelectionProblem:
    return ways.SelectionProblem(
        n=point.candidates,
        k=point.classes,
        d=point.dim,
        batch=point.batch,
        labelled=options.labelled,
        regularisation=options.regularisation,
        oversample=options.oversample,
        seed=options.seed,
    )


@suite(
    "select",
    "What choosing a batch costs: time, memory and agreement of exact and approximate ways, side by side",
    columns=COLUMNS,
    unit="block",
    units=lambda options: options.passes,
    resolve=resolve,
    predict=predict,
    expect_s=expect,
    once_s=expect_once,
    summarise=summarise,
    finds_limit=lambda options: max(map(len, (options.candidates, options.classes, options.dim, options.batch))) > 1,
    schedule="blocks",
    executor="worker",
    examples=(
        "fbench select",
        "fbench select --candidates 2000 --classes 10 --dim 640 --batch 20",
        "fbench select --null --methods incremental --passes 40",
    ),
)
def measure(case: Case[Point], options: Options, context: Context) -> Iterator[Unit]:
    """Measure one way on one problem, a block at a time."""
    from .blocks import SelectionTask, run

    problem, way = _problem_of(case.point, options), ways.parse_way(case.point.method)
    key = {**case.point._asdict(), "device": "+".join(context.devices)}
    for index, rows in run(SelectionTask(way, problem, case.point.dtype, context.devices, options), context.done):
        timed_s = sum(row.get("time_s", 0.0) for row in rows)  # memory and agreement are the first block's alone
        left_s = timed_s * (options.passes - index - 1)
        yield Unit(index, [{**key, **row} for row in rows], left_s=left_s)
