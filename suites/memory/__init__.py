"""``fbench memory``: where does a round's memory go, phase by phase, and what is the largest chunk that fits?

A case is one method at one size, in a process of its own, so that no other case's memory shows in it; a unit is one
round. What a phase will hold is predicted from shapes alone, before it runs: ``--plan`` prints that and stops.
"""

from __future__ import annotations

from collections.abc import Iterator

from fbench.harness.contract import Case, Column, Context, Summary, Tables, Unit
from fbench.harness.registry import suite

from . import plan
from .options import Options, Point

ROUND_COLUMN = Column("round", "int", "", "round of the case, from 0: data to backward removals, then all is let go")
PLACE_COLUMNS = (
    Column("device", "str", "", "shards on one device are one device"),
    Column("source", "str", "", "nvml: the driver; torch: its allocator; rss: resident memory of the process"),
    Column("quantity", "str", "", "used; allocated, reserved, requested (torch); non_torch: used − reserved"),
)
SIZE_COLUMNS = (
    Column("method", "str", "", "how the round selects; :mask is on the weights of a FISH mask"),
    Column("dtype", "str", "", "of the selection"),
    Column("candidates", "int", "samples", "n, the pool, its labelled ones included"),
    Column("classes", "int", "", "k"),
    Column("dim", "int", "weights", "d: classes × features, or a mask's size"),
    Column("batch", "int", "samples", "B, labels bought"),
    Column("chunk_size", "int", "samples", "candidates of a chunk; empty for methods without chunks"),
)
COLUMNS = (
    ROUND_COLUMN,
    Column("phase", "str", "", "data, train, diagonal, mask, embed, fisher, init, forward or backward"),
    *PLACE_COLUMNS,
    Column("scope", "str", "", "process: of this one alone; device_delta: growth of all that use the device"),
    *SIZE_COLUMNS,
    Column("peak_bytes", "int", "bytes", "the most held during the phase; a high-water mark but for nvml"),
    Column("baseline_bytes", "int", "bytes", "held before the first round"),
    Column("start_bytes", "int", "bytes", "held when the phase began"),
    Column("predicted_bytes", "int", "bytes", "of peak − baseline, from shapes; rss of a CPU, allocated of a GPU"),
    Column("start_s", "float", "s", "when the phase began, from the round's begin"),
    Column("end_s", "float", "s", "when it ended; phases are not timed for speed: memory is watched meanwhile"),
)
LIMITS_COLUMNS = (
    ROUND_COLUMN,
    PLACE_COLUMNS[0],
    *SIZE_COLUMNS,
    Column("budget_bytes", "int", "bytes", "what may be held beyond the process before: --memory-budget, or free"),
    Column(
        "margin", "float", "share", "of a prediction that is to be free beyond it; 64 MiB more of what a CPU has free"
    ),
    Column("predicted_bytes", "int", "bytes", "of the dearest phase"),
    Column("phase", "str", "", "which that is"),
    Column("matrices_bytes", "int", "bytes", "of d×d matrices in it"),
    Column("largest_chunk", "int", "samples", "that fits with the margin, 0 if none; empty without chunks"),
    Column("largest_pool", "int", "samples", "that fits with the margin, all else as in the case; 0 if none"),
)
HELD_COLUMNS = (
    ROUND_COLUMN,
    *PLACE_COLUMNS,
    Column("held_bytes", "int", "bytes", "at the round's end, when all should be let go"),
)
TIMELINE_COLUMNS = (
    ROUND_COLUMN,
    *PLACE_COLUMNS,
    Column("t_s", "float", "s", "from the round's begin"),
    Column("bytes", "int", "bytes", "the most of the readings about then"),
)
READERS_COLUMNS = (
    ROUND_COLUMN,
    *PLACE_COLUMNS[:2],
    Column("scope", "str", "", "as in results.csv"),
    Column("period_s", "float", "s", "between two readings, as meant"),
    Column("samples", "int", "", "readings taken"),
    Column("missed", "int", "", "periods without one"),
    Column("rate_hz", "float", "Hz", "readings a second, as reached"),
    Column("fault", "str", "", "why there are none, or none after some moment"),
)


def summarise(tables: Tables, options: Options) -> Summary:
    """Turn peaks, limits and leaks into tables, findings and figures."""
    from .summary import summary

    return summary(tables, options)


def resolve(options: Options, context: Context) -> Options:
    """Fill in pool and features for the devices and the model at hand."""
    return plan.resolve(options, context)


def points(options: Options) -> list[Point]:
    """Give every case of the grid: methods, dtypes and sizes."""
    return plan.points(options)


def predict(case: Case[Point], options: Options, context: Context) -> dict[str, str]:
    """Say what a case will hold beyond what its process holds before it, phase by phase, and what would fit."""
    return plan.predict(case.point, options, context)


def finds_limit(options: Options) -> bool:
    """Tell whether the run asks what fits: a sweep over sizes, of which the largest may be too large, or a budget."""
    sizes = (options.candidates, options.classes, options.dim, options.batch, options.chunk_size)
    return max(map(len, sizes)) > 1 or options.memory_budget is not None


def expect(case: Case[Point], options: Options, context: Context) -> list[float]:
    """Tell about how many seconds each round will take."""
    from .expected import expect_memory_s

    return expect_memory_s(case.point, options, context)


@suite(
    "memory",
    "Where does the memory of a round go, phase by phase, and what is the largest chunk that fits?",
    columns=COLUMNS,
    tables={
        "limits": LIMITS_COLUMNS,
        "rounds": HELD_COLUMNS,
        "timeline": TIMELINE_COLUMNS,
        "readers": READERS_COLUMNS,
    },
    unit="round",
    units=lambda options: options.rounds,
    resolve=resolve,
    points=points,
    predict=predict,
    expect_s=expect,
    summarise=summarise,
    finds_limit=finds_limit,
    executor="fresh",
    examples=(
        "fbench memory --methods incremental --candidates 2000 --classes 10 --dim 640",
        "fbench memory --methods published,incremental --candidates 50000 --classes 100 --dim 51200 --dry-run",
    ),
)
def measure(case: Case[Point], options: Options, context: Context) -> Iterator[Unit]:
    """Measure one method at one size, a round at a time."""
    from .rounds import PlannedCase, run

    yield from run(PlannedCase(case.point, options, context.devices), context.done)
