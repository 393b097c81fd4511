"""``fbench compare``: does BAIT on a FISH mask do as well as BAIT, better than random weights, better than chance?

Arms share, seed by seed, the split, the start set, the initial weights and the batch order; they differ in what
they choose to label. A case is one strategy on one block of seeds, a unit is one round of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from fbench.contract import Case, Column, Context, Option, Row, Summary, Unit
from fbench.errors import UsageError
from fbench.learning import plan
from fbench.registry import PRESETS, Preset, suite
from fbench.results.questions import parse_questions

QUESTIONS = "bait+fish >= bait, bait+fish > bait+random-mask, bait+fish > random"
"""The poster's, in a fixed sequence."""

COLUMNS = (
    Column("strategy", "str", "", "how the batch was chosen"),
    Column("seed", "int", "", "pairs the arms: split, start set, initial weights, batch order"),
    Column("round", "int", "", "0 is the start set"),
    Column("labels", "int", "samples", "labelled when the network was trained"),
    Column("accuracy", "float", "share", "on the test set, 0 to 1"),
    Column("nll", "float", "nats", "mean negative log likelihood on the test set"),
    Column("train_s", "float", "s", "training time of the block of seeds, over its seeds"),
    Column("select_s", "float", "s", "time to choose this round's labels; empty for the start set"),
    Column("dim", "int", "weights", "d of the embedding; empty where a strategy has none"),
    Column("regularisation", "float", "", "λ as a number"),
    Column("d_eff", "float", "weights", "effective dimension tr F(F + λI)⁻¹"),
)
SELECTIONS = (
    *COLUMNS[:3],
    Column("position", "int", "", "order within the batch, from 0"),
    Column("index", "int", "", "data-set index"),
)


def summarise(rows: Mapping[str, Sequence[Row]], options: Mapping[str, Any]) -> Summary:
    """Learning curves to a table, findings and a figure."""
    from fbench.results.learning_curves import summary

    return summary(rows["results"], options)


def resolve(options: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fill in what is automatic; the default questions are those whose arms are in the run."""
    resolved = plan.resolve_plan(options)
    arms = options["strategies"]
    asked = parse_questions(options["questions"])
    missing = [name for q in asked for name in (q.first, q.second) if name not in arms]
    if missing and options["questions"] != QUESTIONS:
        raise UsageError(f"--questions names {missing[0]!r}, which is not among --strategies {','.join(arms)}")
    resolved["questions"] = ", ".join(str(q) for q in asked if {q.first, q.second} <= set(arms))
    return resolved


@suite(
    "compare",
    "Does the FISH mask improve BAIT? Strategies side by side, paired by seed, with the statistics to say so",
    columns=COLUMNS,
    tables={"selections": SELECTIONS},
    unit="round",
    cost=lambda case, options: plan.relative_cost(case.point["strategy"], options),
    units=lambda options: options["rounds"] + 1,
    resolve=resolve,
    summarise=summarise,
    identify=lambda case: [{"strategy": case.point["strategy"], "seed": seed} for seed in case.point["seeds"]],
    predict=lambda case, options, context: plan.predict_plan(case.point["strategy"], case.point["seeds"], options),
)
def compare(
    case: Case,
    context: Context,
    *,
    strategies: Annotated[
        str,
        Option("comma-separated: see `fbench list strategies`", parse=plan.parse_strategies, axis="strategy"),
    ] = "random,bait,bait+fish,bait+random-mask",
    seeds: Annotated[
        int,
        Option(
            "repetitions, seeds 0 to N−1, the pairs of every comparison",
            minimum=1,
            maximum=1000,
            axis="seeds",
            expand=plan.seed_blocks,
        ),
    ] = 8,
    rounds: Annotated[int, Option("rounds of buying labels; round 0 is the start set", minimum=1, maximum=10_000)] = 10,
    batch: Annotated[int, Option("B, labels bought a round", minimum=1)] = 20,
    start: Annotated[int, Option("labels of the start set, drawn uniformly", minimum=1)] = 20,
    dataset: Annotated[str, Option("see `fbench list datasets`")] = "digits",
    model: Annotated[str, Option("see `fbench list models`; auto fits the images")] = "auto",
    data_dir: Annotated[str, Option("folder of data sets that are not embedded; or FBENCH_DATA_DIR")] = "",
    download: Annotated[bool, Option("fetch a missing data set into --data-dir")] = False,
    pool: Annotated[int, Option("keep a random part of the pool; 0 keeps all", minimum=0)] = 0,
    test: Annotated[int, Option("keep a random part of the test set; 0 keeps all", minimum=0)] = 0,
    epochs: Annotated[int, Option("passes over the labelled set, fresh weights every round", minimum=1)] = 30,
    train_batch: Annotated[int, Option("images in an optimiser's step", minimum=2)] = 32,
    learning_rate: Annotated[float, Option("AdamW's, after a linear warm-up, falling along a cosine", above=0)] = 0.02,
    weight_decay: Annotated[float, Option("AdamW's", minimum=0)] = 0.01,
    mask_fraction: Annotated[
        str,
        Option(
            "weights that a mask keeps, the classifier included; auto is twice the classifier",
            parse=plan.parse_mask_fraction,
        ),
    ] = "auto",
    fisher_samples: Annotated[int, Option("N, images behind the FISH diagonal, a random draw", minimum=1)] = 1024,
    fisher_on: Annotated[
        str,
        Option(
            "where they are drawn: pool, unlabelled or labelled",
            parse=plan.one_of("--fisher-on", "pool", "unlabelled", "labelled"),
        ),
    ] = "pool",
    regularisation: Annotated[str, Option("λ of BAIT; rel:c means c · tr F/d", parse=plan.check_regularisation)] = "1",
    oversample: Annotated[float, Option("forward picks over B, before the backward removals", minimum=1)] = 2.0,
    dtype: Annotated[
        str,
        Option("of the selection: float32 or float64", parse=plan.one_of("--dtype", "float32", "float64")),
    ] = "float32",
    margin: Annotated[float, Option("non-inferiority margin in AULC, fixed before the run", above=0)] = 0.005,
    questions: Annotated[
        str, Option("fixed sequence of tests: 'A >= B' is not inferior, 'A > B' is better")
    ] = QUESTIONS,
) -> Iterator[Unit]:
    """One arm on one block of seeds, a round at a time."""
    from fbench.learning.rounds import batches_of, play

    strategy, block = case.point["strategy"], case.point["seeds"]
    arm = plan.design(strategy, block, context.devices, context.options)
    bought = batches_of(context.committed.get("selections", ()), block)
    for played in play(arm, bought):
        rows, selections = [], []
        for each in played.outcomes:
            key = {"strategy": strategy, "seed": each.seed, "round": played.index}
            rows.append({**key, **each.row()})
            selections += [{**key, "position": i, "index": index} for i, index in enumerate(each.bought)]
        if rows:
            yield Unit(played.index, rows, {"selections": selections})


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
