"""``fbench drift``: do the weights with the largest Fisher information change from round to round?

An active-learning run is watched: of every round's network, masks from two disjoint draws of images, and masks of a
network trained once more on the same labels, so that drift is compared with what sampling and training do. A
case is one strategy on one block of seeds, a unit is one round of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from fbench.harness.contract import Case, Context, Summary, Tables, Unit
from fbench.harness.registry import PRESETS, Preset, suite
from fbench.harness.suite import SharedData
from fbench.learning import arm_options as arm
from fbench.learning import arms, sending
from fbench.learning.arm_options import ArmPoint
from fbench.units import format_count

from . import columns, plan
from .options import Options


def summarise(tables: Tables, options: Options) -> Summary:
    """Turn the rows of masks and their overlaps into tables, findings and figures."""
    from .summary import summary

    return summary(tables, options)


def resolve(options: Options, context: Context) -> Options:
    """Fill in what is automatic, and refuse draws and masks that cannot be had."""
    return plan.resolve_drift(options)


def predict(case: Case[ArmPoint], options: Options, context: Context) -> dict[str, str]:
    """Say what a case will cost: the arm's own part, and what watching adds."""
    networks = (options.rounds + 1) * len(case.point.seeds) * (1 + options.retrain)
    passes = networks * 2 * max(options.fisher_samples) * max(options.redraws)
    costs = arms.predict_plan(case.point, options, again=options.retrain)
    return {**costs, "trainings": format_count(networks), "Fisher samples": format_count(passes)}


def expect(case: Case[ArmPoint], options: Options, context: Context) -> list[float]:
    """Tell about how many seconds each round will take: the arm's own part, and what watching adds."""
    from fbench.learning.durations import expect_rounds

    played = expect_rounds(case.point, options, context, 2 * max(options.fisher_samples))
    trained_again = expect_rounds(case.point._replace(strategy="random"), options, context, 0)
    looked = plan.expect_looks(case.point, options, context)
    return [a + options.retrain * b + looked for a, b in zip(played, trained_again, strict=True)]


@suite(
    "drift",
    "Do the important weights change across rounds? FISH masks round by round, beside what sampling and training do",
    columns=columns.OVERLAP_COLUMNS,
    tables={
        "fisher": columns.FISHER_COLUMNS,
        "rounds": columns.ROUND_COLUMNS,
        "masks": columns.MASK_COLUMNS,
        "selections": arm.SELECTIONS,
    },
    resolve=resolve,
    summarise=summarise,
    **arms.PLAYED,
    data=SharedData(
        sending.paths_read,
        lambda options: sending.read_to_send([options]),
        lambda options, sent: sending.keep_sent([options], sent),
    ),
    predict=predict,
    expect_s=expect,
    examples=(
        "fbench drift --rounds 5",
        "fbench drift --strategies random --fractions 0.01,0.1 --seeds 4",
    ),
)
def measure(case: Case[ArmPoint], options: Options, context: Context) -> Iterator[Unit]:
    """Play one arm on one block of seeds, and watch it a round at a time."""
    from fbench.learning.rounds import batches_of, play_rounds

    from .watcher import Watcher

    strategy, block = case.point
    design, grid = plan.watched(case.point, context.devices, options)
    watcher = Watcher(design, grid, retrain=bool(options.retrain))
    bought = batches_of(context.committed.get("selections", ()), block)
    for played in play_rounds(design, bought, first=True, done=context.done):
        tables = watcher.see(played, strategy)
        if played.outcomes:
            rows = tables.pop("drift")
            yield Unit(played.index, rows, {"selections": played.selections(strategy), **tables})


PRESETS.add(
    Preset(
        "drift-cifar10",
        "FISH masks as published: thin ResNet-18, N = 1,024, 0.2 % and 1 % of the weights, the classifier kept",
        "drift",
        {
            "dataset": "cifar10",
            "model": "thin-resnet18",
            "fractions": "0.002,0.01,0.05,0.2",
            "mask_fraction": "0.002",
            "fisher_samples": "1024",
            "oversample": 1.0,
            "start": 250,
            "batch": 250,
        },
    )
)
