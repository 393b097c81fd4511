"""What every suite of active-learning arms declares alike: columns, units, and options of arms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fbench.errors import InputError, UsageError
from fbench.fisher.selection.regularisation import parse_regularisation
from fbench.harness.contract import Column, Option
from fbench.harness.parsing import one_of, read_fraction
from fbench.harness.registry import MODELS, STRATEGIES
from fbench.harness.sweep import parse_names
from fbench.learning import arms

KEY = (
    Column("strategy", "str", "", "how the batch was chosen"),
    Column("seed", "int", "", "pairs the arms: split, start set, initial weights, batch order"),
    Column("round", "int", "", "0 is the start set"),
)
SELECTIONS = (
    *KEY,
    Column("position", "int", "", "order within the batch, from 0"),
    Column("index", "int", "", "data-set index"),
)
OUTCOME = (
    Column("labels", "int", "samples", "labelled when the network was trained"),
    Column("accuracy", "float", "share", "on the test set, 0 to 1"),
    Column("nll", "float", "nats", "mean negative log likelihood on the test set"),
    Column("train_s", "float", "s", "training time of the block of seeds, over its seeds"),
    Column("select_s", "float", "s", "time to choose this round's labels; empty for the start set"),
)
"""Of a round."""

PLAYED: dict[str, Any] = {
    "unit": "round",
    "cost": lambda case, options: arms.relative_cost(case.point["strategy"], options),
    "units": lambda options: options["rounds"] + 1,
    "identify": lambda case: [{"strategy": case.point["strategy"], "seed": seed} for seed in case.point["seeds"]],
}
"""What ``@suite`` is told where a case is a strategy on a block of seeds, and a unit one round of it."""


def parse_strategies(text: str) -> tuple[str, ...]:
    """Comma-separated strategies, each of them registered."""
    return tuple(STRATEGIES.get(name).name for name in parse_names(text, "strategy"))


def parse_mask_fraction(text: str) -> float | str:
    """``auto``, or a decimal above 0 and at most 1."""
    if text == "auto":
        return text
    value = read_fraction(text)
    if value is None:
        raise UsageError(f"--mask-fraction {text}: must be above 0 and at most 1, or auto (twice the classifier)")
    return value


def check_regularisation(text: str) -> str:
    """A positive number or ``rel:c``; kept as typed, since ``rel:`` depends on each round's Fisher."""
    try:
        parse_regularisation(text)
    except InputError as error:
        raise UsageError(f"--{error}") from None
    return text


def seed_blocks(count: int, options: Mapping[str, Any]) -> list[tuple[int, ...]]:
    """Seeds 0 … count−1 in the blocks that the model trains side by side."""
    block = MODELS.get(options["model"]).block
    return [tuple(range(first, min(first + block, count))) for first in range(0, count, block)]


Strategies = Annotated[
    str, Option("comma-separated: see `fbench list strategies`", parse=parse_strategies, axis="strategy")
]
Seeds = Annotated[
    int,
    Option(
        "repetitions, seeds 0 to N−1, the pairs of every comparison",
        minimum=1,
        maximum=1000,
        axis="seeds",
        expand=seed_blocks,
    ),
]
Rounds = Annotated[int, Option("rounds of buying labels; round 0 is the start set", minimum=1, maximum=10_000)]
Batch = Annotated[int, Option("B, labels bought a round", minimum=1)]
Start = Annotated[int, Option("labels of the start set, drawn uniformly", minimum=1)]
Dataset = Annotated[str, Option("see `fbench list datasets`")]
Model = Annotated[str, Option("see `fbench list models`; auto fits the images")]
DataDir = Annotated[str, Option("folder of data sets that are not embedded; or FBENCH_DATA_DIR")]
Download = Annotated[bool, Option("fetch a missing data set into --data-dir")]
PoolSize = Annotated[int, Option("keep a random part of the pool; 0 keeps all", minimum=0)]
TestSize = Annotated[int, Option("keep a random part of the test set; 0 keeps all", minimum=0)]
Epochs = Annotated[int, Option("passes over the labelled set, fresh weights every round", minimum=1)]
TrainBatch = Annotated[int, Option("images in an optimiser's step", minimum=2)]
LearningRate = Annotated[float, Option("AdamW's, after a linear warm-up, falling along a cosine", above=0)]
WeightDecay = Annotated[float, Option("AdamW's", minimum=0)]
MaskFraction = Annotated[
    str,
    Option(
        "weights that a strategy's mask keeps, the classifier included; auto is twice the classifier",
        parse=parse_mask_fraction,
    ),
]
FisherOn = Annotated[
    str,
    Option(
        "where they are drawn: pool, unlabelled or labelled",
        parse=one_of("--fisher-on", "pool", "unlabelled", "labelled"),
    ),
]
Regularisation = Annotated[str, Option("λ of BAIT; rel:c means c · tr F/d", parse=check_regularisation)]
Oversample = Annotated[float, Option("forward picks over B, before the backward removals", minimum=1)]
Dtype = Annotated[
    str,
    Option("of the selection: float32 or float64", parse=one_of("--dtype", "float32", "float64")),
]
