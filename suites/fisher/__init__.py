"""``fbench fisher``: what do the FISH diagonal and the masked embedding cost, by our way and by others?

A case is one way to one of the two, a unit is one block: every case once, in shuffled order, so that a drift of the
machine meets all alike. Slow ways are timed on a few samples of their batch; what they would take for all is said in
the summary, as seconds a sample, and never written as if measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from fbench.errors import UsageError
from fbench.harness.contract import Case, Column, Context, Option, Row, Summary, Unit
from fbench.harness.parsing import one_of, some_of
from fbench.harness.registry import MODELS, suite
from fbench.harness.sweep import parse_sweep

QUANTITIES = ("diagonal", "masked-embedding")
METHODS = ("loop", "vmap", "backpack", "batched", "backward")
"""As in ``fbench.suites.fisher.baselines``, which cannot be asked without importing torch."""

COLUMNS = (
    Column("quantity", "str", "", "diagonal or masked-embedding"),
    Column("method", "str", "", "loop (published), vmap, backpack, batched (ours), backward (k−1 passes, the floor)"),
    Column("device", "str", "", "the first of the devices given"),
    Column("dtype", "str", "", "float32 or float64"),
    Column("model", "str", "", "the network, at its initial weights"),
    Column("samples", "int", "samples", "images in all"),
    Column("classes", "int", "", "k"),
    Column("weights", "int", "weights", "kept by the mask; empty for the diagonal"),
    Column("batch_size", "int", "samples", "images of a pass"),
    Column("block", "int", "", "every case runs once a block, in shuffled order"),
    Column("pass_index", "int", "", "row within the block"),
    Column("phase", "str", "", "pass: timed; agreement, memory: passes of their own, never timed"),
    Column("timed_samples", "int", "samples", "that time_s, peak_bytes or max_rel_error covers"),
    Column("time_s", "float", "s", "of the pass, for timed_samples; empty where nothing was timed"),
    Column("peak_bytes", "int", "bytes", "peak growth, the result included"),
    Column("max_rel_error", "float", "share", "to the loop in float64, over the parameter's largest value"),
)


def summarise(tables: Mapping[str, Sequence[Row]], options: Mapping[str, Any]) -> Summary:
    """Passes to a table, findings and a figure."""
    from .summary import summary

    return summary(tables["results"], options)


def resolve(options: dict[str, Any], context: Context) -> dict[str, Any]:
    """Refuse what cannot be asked.

    Raises:
        UsageError: a mask larger than the network.
        UnknownNameError: no such model.
    """
    MODELS.get(options["model"])
    if "masked-embedding" in options["quantities"]:
        from .passes import parameter_count

        shape = (options["channels"], options["size"], options["classes"])
        parameters = parameter_count(options["model"], *shape)
        if options["weights"] > parameters:
            raise UsageError(
                f"--weights {options['weights']:,}: must be at most the {parameters:,} weights of {options['model']}"
            )
    return options


def _key(case: Case, options: Mapping[str, Any]) -> Row:
    masked = case.point["quantity"] == "masked-embedding"
    own = {name: options[name] for name in ("dtype", "model", "classes")}
    return {**case.point, **own, "weights": options["weights"] if masked else None}


@suite(
    "fisher",
    "What the FISH diagonal and BAIT's embedding on a mask cost, by the batched way and by the published ones",
    columns=COLUMNS,
    unit="block",
    units=lambda options: options["passes"],
    resolve=resolve,
    summarise=summarise,
    schedule="blocks",
    executor="worker",
)
def fisher(
    case: Case,
    context: Context,
    *,
    quantities: Annotated[
        str,
        Option(
            "comma-separated: diagonal, masked-embedding",
            parse=some_of("--quantities", *QUANTITIES),
            axis="quantity",
        ),
    ] = ",".join(QUANTITIES),
    methods: Annotated[
        str,
        Option(
            f"comma-separated: {', '.join(METHODS)}",
            parse=some_of("--methods", *METHODS),
            axis="method",
        ),
    ] = ",".join(METHODS),
    samples: Annotated[str, Option("images, a sweep", parse=parse_sweep, axis="samples")] = "128",
    model: Annotated[str, Option("see `fbench list models`")] = "thin-resnet18",
    channels: Annotated[int, Option("of an image", minimum=1)] = 3,
    size: Annotated[int, Option("an image's height and width", minimum=1)] = 32,
    classes: Annotated[int, Option("k", minimum=2)] = 10,
    weights: Annotated[int, Option("kept by the mask, the classifier first", minimum=1)] = 1402,
    batch_size: Annotated[int, Option("images of a pass; 0 takes each way's own, the loop's is 128", minimum=0)] = 0,
    dtype: Annotated[str, Option("float32 or float64", parse=one_of("--dtype", "float32", "float64"))] = "float32",
    loop_samples: Annotated[int, Option("images of its batch that the published loop is timed on", minimum=1)] = 1,
    passes: Annotated[int, Option("blocks: every case once a block", minimum=1, maximum=1000)] = 5,
    seed: Annotated[int, Option("of the weights and the images", minimum=0, maximum=2**31 - 1)] = 0,
) -> Iterator[Unit]:
    """One way to one quantity, a block at a time."""
    from .passes import Setting, run

    key, device = _key(case, context.options), context.devices[0]
    setting = Setting(
        model, case.point["samples"], channels, size, classes, key["weights"] or 0, batch_size, dtype, device, seed
    )
    done = len({row["block"] for row in context.committed.get("results", ())})
    for index, rows in run(setting, case.point["method"], loop_samples, range(done, passes)):
        yield Unit(index, [{**key, "device": device, "pass_index": i, **row} for i, row in enumerate(rows)])
