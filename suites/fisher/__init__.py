"""``fbench fisher``: what do the FISH diagonal and the masked embedding cost, by our way and by others?

A case is one way to one of the two, a unit is one block: every case once, in shuffled order, so that a drift of the
machine meets all alike. Slow ways are timed on a few samples of their batch; what they would take for all is said in
the summary, as seconds a sample, and never written as if measured.
"""

from __future__ import annotations

from collections.abc import Iterator

from fbench.errors import TooLargeError, UsageError
from fbench.harness.contract import Case, Column, Context, Row, Summary, Tables, Unit
from fbench.harness.registry import MODELS, suite
from fbench.machine import free_bytes
from fbench.units import format_bytes

from .options import Options, Point

COLUMNS = (
    Column("quantity", "str", "", "diagonal or masked-embedding"),
    Column("method", "str", "", "loop (published), vmap, backpack, batched (ours), backward (k−1 passes, a yardstick)"),
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


def summarise(tables: Tables, options: Options) -> Summary:
    """Make answers of the passes, with a table, a figure and the evidence."""
    from .summary import summary

    return summary(tables["results"], options)


def resolve(options: Options, context: Context) -> Options:
    """Refuse options that cannot be met.

    Raises:
        UsageError: a mask larger than the network.
        TooLargeError: images that do not fit into memory.
        ForeignError: as ``model_checks.try_model``.
        UnknownNameError: no such model.
    """
    from fbench.learning.model_checks import try_model, warn_of_model

    _check_images_fit(options, context)
    model, shape = MODELS.get(options.model), options.input_shape
    try_model(model, shape, options.classes)
    warn_of_model(model, shape, options.classes)
    if "masked-embedding" in options.quantities:
        from .passes import parameter_count

        parameters = parameter_count(options)
        if options.weights > parameters:
            raise UsageError(
                f"--weights {options.weights:,}: must be at most the {parameters:,} weights of {options.model}"
            )
    return options


def _check_images_fit(options: Options, context: Context) -> None:
    """Refuse a run whose fewest images alone are more than is free."""
    samples, free = min(options.samples), free_bytes(context.devices[0])
    needed = samples * options.channels * options.size**2 * (8 if options.dtype == "float64" else 4)
    if free is not None and needed > free:
        raise TooLargeError(
            f"--samples {samples}, --channels {options.channels} and --size {options.size} make images of "
            f"{format_bytes(needed)}, and {format_bytes(free)} are free; lower one of them"
        )


def _key(point: Point, options: Options) -> Row:
    """The columns that all rows of a case share."""
    weights = options.weights if point.quantity == "masked-embedding" else None
    asked = {"dtype": options.dtype, "model": options.model, "classes": options.classes}
    return {**point._asdict(), **asked, "weights": weights}


def expect(case: Case[Point], options: Options, context: Context) -> list[float]:
    """Tell about how many seconds each block will take."""
    from .expected import expect_fisher_s

    return expect_fisher_s(case.point, options, context)


@suite(
    "fisher",
    "What the FISH diagonal and BAIT's embedding on a mask cost, by the batched way and by the published ones",
    columns=COLUMNS,
    unit="block",
    units=lambda options: options.passes,
    resolve=resolve,
    expect_s=expect,
    summarise=summarise,
    finds_limit=lambda options: len(options.samples) > 1,
    schedule="blocks",
    executor="worker",
    examples=(
        "fbench fisher",
        "fbench fisher --samples 256 --passes 8",
    ),
)
def measure(case: Case[Point], options: Options, context: Context) -> Iterator[Unit]:
    """Run one way to one quantity, a block at a time."""
    from .passes import run

    device = context.devices[0]
    key = {**_key(case.point, options), "device": device}
    blocks = range(context.done, options.passes)
    for block, rows in run(case.point, options, device, blocks):
        timed_s = sum(row.get("time_s", 0.0) for row in rows)  # memory and agreement are the first block's alone
        left_s = timed_s * (options.passes - block - 1)
        yield Unit(block, [{**key, "pass_index": i, **row} for i, row in enumerate(rows)], left_s=left_s)
