"""``fbench drift``: do the weights with the largest Fisher information change from round to round?

An active-learning run is watched: of every round's network, masks from two disjoint draws of images, and masks of a
network trained once more on the same labels, so that drift has a floor of sampling and one of training beside it. A
case is one strategy on one block of seeds, a unit is one round of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from fbench.harness.contract import Case, Context, Option, Row, Summary, Unit
from fbench.harness.parsing import parse_auto_sweep, some_of
from fbench.harness.registry import PRESETS, Preset, suite
from fbench.harness.sweep import parse_sweep
from fbench.learning import arm_options as arm
from fbench.learning import arms
from fbench.units import format_count

from . import plan


def summarise(tables: Mapping[str, Sequence[Row]], options: Mapping[str, Any]) -> Summary:
    """Masks and what they share to tables, findings and figures."""
    from .summary import summary

    return summary(tables, options)


def resolve(options: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fill in what is automatic, and refuse draws and masks that cannot be had."""
    return plan.resolve_drift(options)


def predict(case: Case, options: Mapping[str, Any], context: Context) -> dict[str, str]:
    """The arm's own cost, and what watching adds."""
    point, again = case.point, options["retrain"]
    networks = (options["rounds"] + 1) * len(point["seeds"]) * (1 + again)
    passes = networks * 2 * max(options["fisher_samples"]) * max(options["redraws"])
    own = arms.predict_plan(point["strategy"], point["seeds"], options, again=again)
    return {**own, "trainings": format_count(networks), "Fisher samples": format_count(passes)}


@suite(
    "drift",
    "Do the important weights change across rounds? FISH masks round by round, beside what sampling and training do",
    columns=plan.MASKED,
    tables={
        "fisher": plan.FISHER,
        "rounds": plan.ROUNDS,
        "masks": plan.MASKS,
        "selections": arm.SELECTIONS,
    },
    resolve=resolve,
    summarise=summarise,
    **arm.PLAYED,
    predict=predict,
)
def drift(
    case: Case,
    context: Context,
    *,
    strategies: arm.Strategies = "random",
    seeds: arm.Seeds = 3,
    rounds: arm.Rounds = 10,
    batch: arm.Batch = 20,
    start: arm.Start = 20,
    dataset: arm.Dataset = "digits",
    model: arm.Model = "thin-resnet18",
    data_dir: arm.DataDir = "",
    download: arm.Download = False,
    pool: arm.PoolSize = 0,
    test: arm.TestSize = 0,
    epochs: arm.Epochs = 20,
    train_batch: arm.TrainBatch = 32,
    learning_rate: arm.LearningRate = 0.02,
    weight_decay: arm.WeightDecay = 0.01,
    fractions: Annotated[
        str,
        Option(
            "q, weights that a mask keeps, as 0.01,0.05, the one to speak of first; auto is --mask-fraction and "
            "0.01,0.02,0.05,0.2 above it",
            parse=plan.parse_fractions,
        ),
    ] = "auto",
    rules: Annotated[
        str,
        Option(
            "global: the largest over the network; layer: the same fraction of every layer; or both",
            parse=some_of("--rules", "global", "layer"),
        ),
    ] = "global",
    classifier: Annotated[
        str,
        Option(
            "kept whole by every mask, and in no overlap; or free; or both",
            parse=some_of("--classifier", "kept", "free"),
        ),
    ] = "kept",
    fisher_samples: Annotated[
        str,
        Option(
            "N, images behind each of two masks of a network; a sweep; auto is 1,024, or a tenth of what there is",
            parse=parse_auto_sweep,
        ),
    ] = "auto",
    fisher_on: arm.FisherOn = "pool",
    redraws: Annotated[
        str, Option("R, pairs of disjoint draws that overlaps are averaged over; a sweep", parse=parse_sweep)
    ] = "1",
    retrain: Annotated[
        int,
        Option(
            "1: train every network once more on the same labels, for the floor of training; 0: do not",
            minimum=0,
            maximum=1,
        ),
    ] = 1,
    mask_fraction: arm.MaskFraction = "auto",
    regularisation: arm.Regularisation = "1",
    oversample: arm.Oversample = 2.0,
    dtype: arm.Dtype = "float32",
    margin: Annotated[
        float, Option("overlap that counts: a mask has settled where new labels move it by less", above=0)
    ] = 0.05,
) -> Iterator[Unit]:
    """One arm on one block of seeds, watched a round at a time."""
    from fbench.learning.rounds import batches_of, play_rounds

    from .watcher import Watcher

    strategy, block = case.point["strategy"], case.point["seeds"]
    design, watch = plan.watched(strategy, block, context.devices, context.options)
    watcher = Watcher(design, watch, retrain=bool(retrain))
    bought = batches_of(context.committed.get("selections", ()), block)
    for played in play_rounds(design, bought, first=True):
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
