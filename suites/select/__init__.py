"""``fbench select``: what does a way of choosing a batch cost in time and memory, and does it choose the same?

A case is one way on one problem in one dtype, a unit is one block: every case once, in shuffled order, so that a
drift of the machine meets all alike. A published pass may be cut short; what it would have taken whole is said in
the summary, in words, and never written as if measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fbench.errors import UsageError
from fbench.fisher.planning.plan import CHUNK_SIZE
from fbench.harness.contract import Case, Column, Context, Option, Row, Summary, Unit
from fbench.harness.parsing import parse_dtypes
from fbench.harness.registry import suite
from fbench.harness.sweep import parse_sweep
from fbench.learning.arm_options import check_regularisation
from fbench.units import format_bytes, format_si

from . import ways

_MOST_CHUNK = 10**9

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


def summarise(tables: Mapping[str, Sequence[Row]], options: Mapping[str, Any]) -> Summary:
    """Passes to tables, findings and a figure."""
    from .summary import summary

    return summary(tables["results"], options)


def parse_chunk_size(text: str) -> int:
    """A whole number; 0 for ``auto``."""
    if text.strip() == "auto":
        return 0
    size = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= size <= _MOST_CHUNK:
        raise UsageError(f"--chunk-size {text}: must be auto, or a whole number from 1 to {_MOST_CHUNK:,}")
    return size


def resolve(options: dict[str, Any], context: Context) -> dict[str, Any]:
    """Refuse a grid without one case that could run."""
    names = ("candidates", "classes", "dim", "batch")
    first = ""
    for sizes in itertools.product(*(options[name] for name in names)):
        problem = _problem(dict(zip(names, sizes, strict=True)), options)
        for name in options["methods"]:
            reason = ways.unfit(problem, ways.parse_way(name), ("cpu",))
            if not reason:
                return options
            first = first or reason
    raise UsageError(f"nothing can be selected: {first}")


def predict(case: Case, options: Mapping[str, Any], context: Context) -> dict[str, str]:
    """What a case will hold in memory, and the published order's operations a pick to compare with."""
    problem, way = _problem(case.point, options), ways.parse_way(case.point["method"])
    reason = ways.unfit(problem, way, context.devices)
    if reason or way.kind == "random":
        return {"memory": "", "published, a pick": "", "reference": "", "note": reason}
    way = replace(way, chunk_size=options["chunk_size"] or CHUNK_SIZE)
    return {
        "memory": format_bytes(ways.plan_way(problem, way, case.point["dtype"]).growth),
        "published, a pick": format_si(ways.published_operations(problem, 1), "FLOP"),
        "reference": ways.choose_reference(problem, options["reference_budget"]) or "none",
        "note": "",
    }


def _problem(point: Mapping[str, Any], options: Mapping[str, Any]) -> ways.Problem:
    n, k, d, B = (point[name] for name in ("candidates", "classes", "dim", "batch"))
    asked = {name: options[name] for name in ("labelled", "regularisation", "oversample", "seed")}
    return ways.Problem(n, k, d, B, **asked)


@suite(
    "select",
    "What choosing a batch costs: time, memory and agreement of exact and approximate ways, side by side",
    columns=COLUMNS,
    unit="block",
    units=lambda options: options["passes"],
    resolve=resolve,
    predict=predict,
    summarise=summarise,
    schedule="blocks",
    executor="worker",
)
def select(
    case: Case,
    context: Context,
    *,
    methods: Annotated[
        str,
        Option(
            "comma-separated: incremental, published, fused, factored, diagonal, topC, binary, pca:H, subsample:N, "
            "random, score-packed, score-cholesky, score-inverse",
            parse=ways.parse_ways,
            axis="method",
        ),
    ] = "incremental,published,top2,binary,diagonal,pca,subsample,random",
    candidates: Annotated[str, Option("n, a sweep", parse=parse_sweep, axis="candidates")] = "2000",
    classes: Annotated[str, Option("k, a sweep", parse=parse_sweep, axis="classes")] = "10",
    dim: Annotated[str, Option("d = classes × features, a sweep", parse=parse_sweep, axis="dim")] = "320",
    batch: Annotated[str, Option("B, a sweep", parse=parse_sweep, axis="batch")] = "20",
    dtype: Annotated[str, Option("float32, float64, or both", parse=parse_dtypes, axis="dtype")] = "float32",
    labelled: Annotated[int, Option("n_L, candidates that have their labels", minimum=0)] = 100,
    regularisation: Annotated[str, Option("λ; rel:c means c · tr F/d", parse=check_regularisation)] = "1",
    oversample: Annotated[float, Option("forward picks over B, before the backward removals", minimum=1)] = 2.0,
    passes: Annotated[int, Option("blocks: every case once a block", minimum=1, maximum=1000)] = 5,
    extrapolate: Annotated[
        int, Option("picks and removals that published, fused and factored are timed for; 0 takes all", minimum=0)
    ] = 3,
    chunk_size: Annotated[
        str,
        Option(
            "candidates of a chunk of published, fused and factored, less where memory does not last; "
            "auto measures the knee, as `fbench chunksize` does",
            parse=parse_chunk_size,
        ),
    ] = str(CHUNK_SIZE),
    reference_budget: Annotated[
        float,
        Option(
            "operations that the float64 reference may take: the published order, else the incremental one, "
            "else none; 0 leaves agreement empty",
            minimum=0,
            maximum=1e15,
        ),
    ] = 1e12,
    seed: Annotated[int, Option("of the synthetic pool", minimum=0, maximum=2**31 - 1)] = 0,
) -> Iterator[Unit]:
    """One way on one problem, a block at a time."""
    from .blocks import Task, run

    problem, way = _problem(case.point, context.options), ways.parse_way(case.point["method"])
    key = {**case.point, "device": "+".join(context.devices)}
    done = len({row["block"] for row in context.committed.get("results", ())})
    for index, rows in run(Task(way, problem, case.point["dtype"], context.devices, context.options), done):
        yield Unit(index, [{**key, **row} for row in rows])
