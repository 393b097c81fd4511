"""``fbench compare``: does BAIT on a FISH mask do as well as BAIT, better than random weights, better than chance?

Arms share, seed by seed, the split, the start set, the initial weights and the batch order; they differ in what
they choose to label. A case is one strategy on one block of seeds, a unit is one round of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from fbench.errors import UsageError
from fbench.harness.contract import Case, Column, Context, Option, Row, Summary, Unit
from fbench.harness.registry import PRESETS, Preset, suite
from fbench.learning import arm_options as arm
from fbench.learning import arms

from ..drift import plan
from .questions import parse_questions

QUESTIONS = "bait+fish >= bait, bait+fish > bait+random-mask, bait+fish > random"
"""The poster's, in a fixed sequence."""

COLUMNS = (
    *arm.KEY,
    *arm.OUTCOME,
    Column("dim", "int", "weights", "d of the embedding; empty where a strategy has none"),
    Column("regularisation", "float", "", "λ as a number"),
    Column("d_eff", "float", "weights", "effective dimension tr F(F + λI)⁻¹"),
)


def summarise(tables: Mapping[str, Sequence[Row]], options: Mapping[str, Any]) -> Summary:
    """Learning curves to a table, findings and a figure; masks to theirs, where they were watched."""
    from .summary import summary

    curves = summary(tables["results"], options)
    if not options.get("drift"):  # a run from before there was such an option
        return curves
    from ..drift.summary import compare_summary

    masks = compare_summary(tables, options)
    return Summary(
        (*curves.tables, *masks.tables), (*curves.findings, *masks.findings), (*curves.figures, *masks.figures)
    )


def resolve(options: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fill in what is automatic; the default questions are those whose arms are in the run."""
    resolved = arms.resolve_plan(options)
    strategies = options["strategies"]
    asked = parse_questions(options["questions"])
    missing = [name for q in asked for name in (q.first, q.second) if name not in strategies]
    if missing and options["questions"] != QUESTIONS:
        raise UsageError(f"--questions names {missing[0]!r}, which is not among --strategies {','.join(strategies)}")
    if options["drift"]:
        plan.halves(resolved)
    resolved["questions"] = ", ".join(str(q) for q in asked if {q.first, q.second} <= set(strategies))
    return resolved


@suite(
    "compare",
    "Does the FISH mask improve BAIT? Strategies side by side, paired by seed, with the statistics to say so",
    columns=COLUMNS,
    tables={
        "selections": arm.SELECTIONS,
        "drift": plan.MASKED,
        "fisher": plan.FISHER,
        "masks": plan.MASKS,
    },
    resolve=resolve,
    summarise=summarise,
    **arm.PLAYED,
    predict=lambda case, options, context: arms.predict_plan(case.point["strategy"], case.point["seeds"], options),
)
def compare(
    case: Case,
    context: Context,
    *,
    strategies: arm.Strategies = "random,bait,bait+fish,bait+random-mask",
    seeds: arm.Seeds = 8,
    rounds: arm.Rounds = 10,
    batch: arm.Batch = 20,
    start: arm.Start = 20,
    dataset: arm.Dataset = "digits",
    model: arm.Model = "auto",
    data_dir: arm.DataDir = "",
    download: arm.Download = False,
    pool: arm.PoolSize = 0,
    test: arm.TestSize = 0,
    epochs: arm.Epochs = 30,
    train_batch: arm.TrainBatch = 32,
    learning_rate: arm.LearningRate = 0.02,
    weight_decay: arm.WeightDecay = 0.01,
    mask_fraction: arm.MaskFraction = "auto",
    fisher_samples: Annotated[int, Option("N, images behind the FISH diagonal, a random draw", minimum=1)] = 1024,
    fisher_on: arm.FisherOn = "pool",
    regularisation: arm.Regularisation = "1",
    oversample: arm.Oversample = 2.0,
    dtype: arm.Dtype = "float32",
    margin: Annotated[float, Option("non-inferiority margin in AULC, fixed before the run", above=0)] = 0.005,
    drift: Annotated[
        bool,
        Option("watch every arm's FISH mask, as `fbench drift` does: by the halves of its draw, without retraining"),
    ] = False,
    questions: Annotated[
        str, Option("fixed sequence of tests: 'A >= B' is not inferior, 'A > B' is better")
    ] = QUESTIONS,
) -> Iterator[Unit]:
    """One arm on one block of seeds, a round at a time."""
    from fbench.learning.rounds import batches_of, play_rounds

    from ..drift.watcher import Watcher

    strategy, block = case.point["strategy"], case.point["seeds"]
    arguments = (strategy, block, context.devices, context.options)
    watcher = None
    if drift:
        design, watch = plan.shown(*arguments)
        watcher = Watcher(design, watch, retrain=False)
    else:
        design = arms.design(*arguments)
    bought = batches_of(context.committed.get("selections", ()), block)
    for played in play_rounds(design, bought, first=drift):
        seen = watcher.see(played, strategy) if watcher else {}
        seen.pop("rounds", None)  # results.csv has them
        if played.outcomes:
            rows = [{**key, **each.row()} for key, each in zip(played.keys(strategy), played.outcomes, strict=True)]
            yield Unit(played.index, rows, {"selections": played.selections(strategy), **seen})


for _preset in (
    Preset(
        "fish-cifar10",
        "BAIT on FISH masks as published: thin ResNet-18, 0.2 % of the weights, no backward removals",
        "compare",
        {
            "dataset": "cifar10",
            "model": "thin-resnet18",
            "mask_fraction": "0.002",
            "oversample": 1.0,
            "start": 250,
            "batch": 250,
        },
    ),
    Preset(
        "fish-cifar10-large",
        "the same with 1 % of the weights and larger batches",
        "compare",
        {
            "dataset": "cifar10",
            "model": "thin-resnet18",
            "mask_fraction": "0.01",
            "oversample": 1.0,
            "start": 1000,
            "batch": 1200,
        },
    ),
    Preset(
        "bait-cifar10",
        "BAIT as published on CIFAR-10: λ = 0.01, twofold oversampling, training batches of 128, but fixed epochs",
        "compare",
        {
            "dataset": "cifar10",
            "model": "resnet18",
            "strategies": "random,bait",
            "regularisation": "0.01",
            "start": 100,
            "batch": 100,
            "train_batch": 128,
        },
    ),
):
    PRESETS.add(_preset)
