"""What every suite of active-learning arms declares alike: the columns, options and points of its arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from fbench.errors import InputError, UsageError, shorten
from fbench.fisher.selection.regularisation import parse_regularisation
from fbench.harness.contract import Column, Option, typed
from fbench.harness.parsing import OVERSAMPLE, one_of, read_fraction, union
from fbench.harness.registry import MODELS, STRATEGIES
from fbench.harness.sweep import parse_names
from fbench.learning.seed_groups import SeedGroups, more_seeds, other_seeds, parse_seeds

ARM_KEY = (
    Column("strategy", "str", "", "how the batch was chosen"),
    Column("seed", "int", "", "pairs the arms: split, start set, initial weights, batch order"),
    Column("round", "int", "", "0 is the start set"),
)
"""Columns that say which arm, seed and round a row is of."""
SELECTIONS = (
    *ARM_KEY,
    Column("position", "int", "", "order within the batch, from 0"),
    Column("index", "int", "", "data-set index"),
)
"""Columns of ``selections.csv``: the images that were bought, one a row."""
SCORE_ROWS = (
    *ARM_KEY,
    Column("balanced_accuracy", "float", "share", "mean recall of the test set's classes"),
    Column("macro_f1", "float", "share", "mean F1 of the classes in the test set or among the predictions"),
    Column("worst_recall", "float", "share", "least recall of a class in the test set"),
    Column("calibration_error", "float", "share", "mean |confidence − accuracy|, 15 bins of equal width"),
    Column("train_accuracy", "float", "share", "on the labelled set, as it is at the end of training"),
)
"""Columns of ``scores.csv``: what is measured of a network beside accuracy and likelihood, a row as in ``results``."""
CLASS_COUNTS = (
    *ARM_KEY,
    Column("class", "int", "", "class number; one without labels bought has no row"),
    Column("bought", "int", "samples", "labels of it bought this round, the start set in round 0"),
)
"""Columns of ``classes.csv``: the labels bought of each class."""
PREDICTION_ROWS = (
    *ARM_KEY,
    Column("samples", "int", "samples", "m, the test set"),
    Column("classes", "int", "", "k"),
    Column("logits", "str", "", "[m, k] float32, low byte first, by zlib in base64"),
    Column("targets", "str", "", "[m] int32, likewise"),
)
"""Columns of ``predictions.csv``, which ``prediction_files.load_predictions`` reads."""
OUTCOME = (
    Column("labels", "int", "samples", "labelled when the network was trained"),
    Column("accuracy", "float", "share", "on the test set, 0 to 1"),
    Column("nll", "float", "nats", "mean negative log likelihood on the test set"),
    Column("train_s", "float", "s", "training time of the block of seeds, over its seeds"),
    Column("select_s", "float", "s", "time to choose this round's labels; empty for the start set"),
)
"""Columns of a round's outcome."""


HEAD = "linear"
"""The model that learns on a frozen backbone's features."""


def parse_strategies(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of registered strategies."""
    return tuple(STRATEGIES.get(name).name for name in parse_names(text, "strategy"))


def parse_mask_fraction(text: str) -> float:
    """Read a decimal above 0 and at most 1; ``auto`` gives 0, for which ``arms.resolve_plan`` fills in the fraction."""
    if text == "auto":
        return 0.0
    fraction = read_fraction(text)
    if fraction is None:
        raise UsageError(
            f"--mask-fraction {shorten(text)}: must be above 0 and at most 1, or auto (twice the classifier)"
        )
    return fraction


def parse_folds(text: int | str) -> int:
    """Read 0 or a number of folds from 2 on."""
    folds = int(text) if str(text).isdecimal() and str(text).isascii() and len(str(text)) < 4 else 1
    if folds == 1 or folds > 100:
        raise UsageError(f"--folds {shorten(str(text))}: give 2 to 100, or 0 for test sets that are redrawn every seed")
    return folds


def parse_folder(text: str) -> str | None:
    """Read a path; None where nothing was typed."""
    return text or None


def check_regularisation(text: str) -> str:
    """Check a positive number or ``rel:c``, and keep it as typed, since ``rel:`` depends on each round's Fisher."""
    try:
        parse_regularisation(text)
    except InputError as error:
        raise UsageError(f"--{error}") from None
    return text


def seed_blocks(groups: SeedGroups, options: ArmOptions) -> list[tuple[int, ...]]:
    """Cut every group of seeds into the blocks that the model trains side by side."""
    block = MODELS.get(HEAD if options.freeze else options.model).block
    return [group[first : first + block] for group in groups for first in range(0, len(group), block)]


Strategies = Annotated[
    tuple[str, ...],
    Option("comma-separated: see `fbench list strategies`", parse=parse_strategies, axis="strategy", grows=union),
]
Seeds = Annotated[
    SeedGroups,
    Option(
        "repetitions, the pairs of every comparison: N for the seeds 0 to N−1, or A..B, or several of these",
        parse=parse_seeds,
        axis="seeds",
        expand=seed_blocks,
        grows=more_seeds,
        renew=other_seeds,
    ),
]
ModelName = Annotated[str, Option("see `fbench list models`; auto fits the images")]
Epochs = Annotated[int, Option("passes over the labelled set, fresh weights every round", minimum=1, maximum=1_000_000)]


@dataclass(frozen=True, kw_only=True)
class ArmOptions:
    """Options of a suite whose cases are arms: a strategy that buys labels for a network, round by round.

    The options of such a suite inherit these, and declare again those that have another default there.
    """

    strategies: Strategies = typed("random")
    seeds: Seeds = typed("8")
    rounds: Annotated[
        int, Option("rounds of buying labels; round 0 is the start set", minimum=1, maximum=10_000, grows=max)
    ] = 10
    batch: Annotated[int, Option("B, labels bought a round", minimum=1)] = 20
    start: Annotated[int, Option("labels of the start set, drawn uniformly", minimum=1)] = 20
    dataset: Annotated[str, Option("see `fbench list datasets`")] = "digits"
    model: ModelName = "auto"
    data_dir: Annotated[
        str | None,
        Option("folder of data sets that are not embedded; or FBENCH_DATA_DIR", parse=parse_folder, recorded=True),
    ] = typed("")
    download: Annotated[bool, Option("fetch a missing data set into --data-dir", recorded=True)] = False
    pool: Annotated[int, Option("keep a random part of the pool; 0 keeps all", minimum=0)] = 0
    test: Annotated[int, Option("keep a random part of the test set; 0 keeps all", minimum=0)] = 0
    epochs: Epochs = 30
    train_batch: Annotated[int, Option("images in an optimiser's step", minimum=2)] = 32
    learning_rate: Annotated[
        float, Option("AdamW's, after a linear warm-up, falling along a cosine", above=0, maximum=1000)
    ] = 0.02
    weight_decay: Annotated[float, Option("AdamW's", minimum=0, maximum=1000)] = 0.01
    stop: Annotated[
        float,
        Option(
            "end a training at this training accuracy, with a constant rate and --epochs at most; 0: never",
            minimum=0,
            maximum=1,
        ),
    ] = 0.0
    warm: Annotated[bool, Option("go on from the last round's network in place of fresh weights")] = False
    augment: Annotated[bool, Option("train on flips and crops; nothing else sees them")] = False
    hidden: Annotated[
        int,
        Option("width of a hidden layer, where the model has one to choose; 0 is its own", minimum=0, maximum=65_536),
    ] = 0
    weights: Annotated[
        str | None,
        Option(
            "file of pretrained weights (a state_dict by torch.save), for all but the last layer", parse=parse_folder
        ),
    ] = typed("")
    freeze: Annotated[
        bool,
        Option("a linear probe: the model's features, computed once a seed, and a linear head that learns on them"),
    ] = False
    mask_fraction: Annotated[
        float,
        Option(
            "weights that a strategy's mask keeps, the classifier included; auto is twice the classifier",
            parse=parse_mask_fraction,
        ),
    ] = typed("auto")
    fisher_on: Annotated[
        str,
        Option(
            "images from which the N behind the FISH diagonal are drawn: pool, unlabelled or labelled",
            parse=one_of("--fisher-on", "pool", "unlabelled", "labelled"),
        ),
    ] = "pool"
    regularisation: Annotated[str, Option("λ of BAIT; rel:c means c · tr F/d", parse=check_regularisation)] = "1"
    oversample: Annotated[float, OVERSAMPLE] = 2.0
    dtype: Annotated[
        str, Option("of the selection: float32 or float64", parse=one_of("--dtype", "float32", "float64"))
    ] = "float32"


@dataclass(frozen=True, kw_only=True)
class FoldedOptions(ArmOptions):
    """Those of a suite whose test sets may be disjoint: seeds are then repetitions that share no test image."""

    folds: Annotated[
        int,
        Option(
            "K: seed s tests on fold s mod K, the images shuffled anew every K seeds; 0: a fifth is redrawn every seed",
            parse=parse_folds,
        ),
    ] = 0


class ArmPoint(NamedTuple):
    """A case of such a suite: one strategy on one block of seeds, trained side by side."""

    strategy: str
    seeds: tuple[int, ...]
