"""``fbench memory``: where does a round's memory go, phase by phase, and what is the largest chunk that fits?

A case is one method at one size, in a process of its own, so that no other case's memory shows in it; a unit is one
round. What a phase will hold is predicted from shapes alone, before it runs: ``--plan`` prints that and stops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from fbench.harness.contract import Case, Column, Context, Option, Row, Summary, Unit
from fbench.harness.parsing import one_of, parse_auto_sweep, parse_budget, parse_dtypes
from fbench.harness.registry import suite
from fbench.harness.sweep import parse_sweep

from . import plan as points

ROUND = Column("round", "int", "", "round of the case, from 0: data to backward removals, then all is let go")
PLACE = (
    Column("device", "str", "", "shards on one device are one device"),
    Column("source", "str", "", "nvml: the driver; torch: its allocator; rss: resident memory of the process"),
    Column("quantity", "str", "", "used; allocated, reserved, requested (torch); non_torch: used − reserved"),
)
SIZES = (
    Column("method", "str", "", "how the round selects; :mask is on the weights of a FISH mask"),
    Column("dtype", "str", "", "of the selection"),
    Column("candidates", "int", "samples", "n, the pool, its labelled ones included"),
    Column("classes", "int", "", "k"),
    Column("dim", "int", "weights", "d: classes × features, or a mask's size"),
    Column("batch", "int", "samples", "B, labels bought"),
    Column("chunk_size", "int", "samples", "candidates of a chunk; empty for methods without chunks"),
)
COLUMNS = (
    ROUND,
    Column("phase", "str", "", "data, train, diagonal, mask, embed, fisher, init, forward or backward"),
    *PLACE,
    Column("scope", "str", "", "process: of this one alone; device_delta: growth of all that use the device"),
    *SIZES,
    Column("peak_bytes", "int", "bytes", "the most held during the phase; a high-water mark but for nvml"),
    Column("baseline_bytes", "int", "bytes", "held before the first round"),
    Column("start_bytes", "int", "bytes", "held when the phase began"),
    Column("predicted_bytes", "int", "bytes", "of peak − baseline, from shapes; rss of a CPU, allocated of a GPU"),
    Column("start_s", "float", "s", "when the phase began, from the round's begin"),
    Column("end_s", "float", "s", "when it ended; phases are not timed for speed: memory is watched meanwhile"),
)
LIMITS = (
    ROUND,
    PLACE[0],
    *SIZES,
    Column("budget_bytes", "int", "bytes", "what may be held beyond the process before: --memory-budget, or free"),
    Column("margin", "float", "share", "of a prediction that is to be free beyond it"),
    Column("predicted_bytes", "int", "bytes", "of the dearest phase"),
    Column("phase", "str", "", "which that is"),
    Column("matrices_bytes", "int", "bytes", "of d×d matrices in it"),
    Column("largest_chunk", "int", "samples", "that fits with the margin, 0 if none; empty without chunks"),
    Column("largest_pool", "int", "samples", "that fits with the margin, all else as in the case; 0 if none"),
)
ROUNDS = (ROUND, *PLACE, Column("held_bytes", "int", "bytes", "at the round's end, when all should be let go"))
TIMELINE = (
    ROUND,
    *PLACE,
    Column("t_s", "float", "s", "from the round's begin"),
    Column("bytes", "int", "bytes", "the most of the readings about then"),
)
READERS = (
    ROUND,
    *PLACE[:2],
    Column("scope", "str", "", "as in results.csv"),
    Column("period_s", "float", "s", "between two readings, as meant"),
    Column("samples", "int", "", "readings taken"),
    Column("missed", "int", "", "periods without one"),
    Column("rate_hz", "float", "Hz", "readings a second, as reached"),
    Column("fault", "str", "", "why there are none, or none after some moment"),
)


def summarise(tables: Mapping[str, Sequence[Row]], options: Mapping[str, Any]) -> Summary:
    """Peaks, limits and leaks to tables, findings and figures."""
    from .summary import summary

    return summary(tables, options)


@suite(
    "memory",
    "Where does the memory of a round go, phase by phase, and what is the largest chunk that fits?",
    columns=COLUMNS,
    tables={"limits": LIMITS, "rounds": ROUNDS, "timeline": TIMELINE, "readers": READERS},
    unit="round",
    units=lambda options: options["rounds"],
    resolve=points.resolve,
    points=points.points,
    predict=lambda case, options, context: points.predict(case.point, options, context),
    summarise=summarise,
    executor="fresh",
)
def memory(
    case: Case,
    context: Context,
    *,
    methods: Annotated[
        str,
        Option(
            "comma-separated: incremental, published, fused, factored, diagonal; NAME:mask is on a FISH mask",
            parse=points.parse_methods,
        ),
    ] = "published,fused,incremental,incremental:mask",
    candidates: Annotated[str, Option("n, a sweep; auto suits the device", parse=parse_auto_sweep)] = "auto",
    classes: Annotated[str, Option("k, a sweep", parse=parse_sweep)] = "10",
    dim: Annotated[
        str, Option("d, a sweep; auto is classes × features, for a mask too", parse=parse_auto_sweep)
    ] = "auto",
    batch: Annotated[str, Option("B, a sweep", parse=parse_sweep)] = "20",
    chunk_size: Annotated[str, Option("candidates of a chunk, a sweep", parse=parse_sweep)] = "1024",
    dtype: Annotated[str, Option("of the selection: float32, float64, or both", parse=parse_dtypes)] = "float32",
    model: Annotated[
        str,
        Option(
            "see `fbench list models`; auto is a ResNet-18 as wide as classes × features = d", parse=points.check_model
        ),
    ] = "auto",
    features: Annotated[
        int, Option("h of the automatic network under a mask, and where --dim is auto; 0 is 128", minimum=0)
    ] = 0,
    image: Annotated[str, Option("channels × side × side of a pool's image", parse=points.parse_image)] = "3x32x32",
    labelled: Annotated[int, Option("n_L, candidates that have their labels", minimum=2)] = 100,
    train_batch: Annotated[int, Option("images in an optimiser's step", minimum=2)] = 32,
    fisher_samples: Annotated[int, Option("N, images behind the FISH diagonal", minimum=1)] = 128,
    oversample: Annotated[float, Option("forward picks over B, before the backward removals", minimum=1)] = 2.0,
    picks: Annotated[
        int, Option("picks and removals that published, fused and factored take: more need no more memory", minimum=1)
    ] = 1,
    rounds: Annotated[int, Option("of every case: what is left of one shows in the next", minimum=1, maximum=1000)] = 5,
    memory_budget: Annotated[
        str, Option("what a round may hold, such as 8GiB; what is free where not given", parse=parse_budget)
    ] = "",
    malloc: Annotated[
        str,
        Option(
            "on a CPU: returning gives freed blocks back at once, so that resident memory follows what is held; system "
            "leaves the C library as it is, which keeps many",
            parse=one_of("--malloc", "system", "returning"),
        ),
    ] = "returning",
    seed: Annotated[int, Option("of images, network and selection", minimum=0, maximum=2**31 - 1)] = 0,
) -> Iterator[Unit]:
    """One method at one size, a round at a time."""
    from .rounds import Task, run

    done = len({row["round"] for row in context.committed.get("results", ())})
    yield from run(Task(dict(case.point), context.options, context.devices), done)
