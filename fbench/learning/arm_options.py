"""What every suite of active-learning arms declares alike: the columns, options and points of its arms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol

from fbench.errors import InputError, UsageError, shorten
from fbench.fisher.selection.regularisation import parse_regularisation
from fbench.harness.contract import Column, Option, typed
from fbench.harness.parsing import OVERSAMPLE, one_of, read_fraction, read_whole, union
from fbench.harness.registry import MODELS, STRATEGIES
from fbench.harness.sweep import parse_names
from fbench.learning.data.brought import DEFAULT_DATASET
from fbench.learning.data.modifiers import parse_modified
from fbench.learning.named_files import parse_named_files
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
    Column("index", "int", "", "data-set index; that of a copy (:duplicates) is higher by the data set's length"),
    Column("id", "str", "", "the sample's id in the user's data; empty where it has none"),
    Column("metadata", "str", "", "what else the user's data say of the sample, as JSON; empty where they do not"),
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
TEST_SAMPLES = (
    *ARM_KEY,
    Column("samples", "int", "samples", "m, the test set, the same in all rounds: it stands in round 0"),
    Column("indices", "str", "", "[m] int64 of the data set, or of its own test set; low byte first, zlib, base64"),
    Column("ids", "str", "", "[m] ids in the user's data, as JSON; empty where they have none"),
)
"""Columns of ``test_samples.csv``: whom the rows of ``predictions.csv`` are about."""
OUTCOME = (
    Column("labels", "int", "samples", "labelled when the network was trained"),
    Column("accuracy", "float", "share", "on the test set, 0 to 1"),
    Column("nll", "float", "nats", "mean negative log likelihood on the test set"),
    Column("train_s", "float", "s", "training time of the block of seeds, over its seeds"),
    Column(
        "select_s", "float", "s", "time to choose this round's labels; empty for the start set and for picks of a file"
    ),
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


def parse_optional(text: str) -> str | None:
    """Read a text; None where nothing was typed."""
    return text or None


def parse_dataset(text: str) -> str:
    """Read a data set's name with its modifiers, and spell it as always.

    Example:
        >>> parse_dataset("digits:noise=0.10")
        'digits:noise=0.1'
    """
    return str(parse_modified(text))


def other_data(dataset: str) -> tuple[str, ...]:
    """The options that bring data in the place of this data set, or of these.

    Example:
        >>> other_data("digits"), other_data("digits,features:noise=0.1")
        (('images', 'features'), ('images',))
    """
    names = {parse_modified(item).name for item in dataset.split(",")}
    return tuple(option for option in ("images", "features") if option not in names)


def parse_image_size(text: str) -> tuple[int, int] | None:
    """Read ``48x40``, height and width, or ``32`` for both; None where nothing was typed.

    Example:
        >>> parse_image_size("48x40"), parse_image_size("32"), parse_image_size("")
        ((48, 40), (32, 32), None)
    """
    if not text:
        return None
    sides = [read_whole(side) for side in text.lower().split("x")]
    height, width = (sides * 2)[:2] if len(sides) < 3 else (None, None)
    if height is None or width is None or not (1 <= height <= _LARGEST_SIDE and 1 <= width <= _LARGEST_SIDE):
        raise UsageError(
            f"--image-size {shorten(text)}: give height and width, such as 48x40, or one number for both, from 1 to "
            f"{_LARGEST_SIDE:,}"
        )
    return height, width


def spell_image_size(size: tuple[int, int] | None) -> str:
    """A height and a width as they are typed.

    Example:
        >>> spell_image_size((48, 40)), spell_image_size(None)
        ('48x40', 'none')
    """
    return "none" if size is None else f"{size[0]}x{size[1]}"


def parse_columns(text: str) -> tuple[str, ...]:
    """Read a comma-separated list of a table's columns, which may hold blanks; none where nothing was typed.

    Example:
        >>> parse_columns("site, taken by")
        ('site', 'taken by')
    """
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    if "" in names or len(set(names)) < len(names):
        raise UsageError(f"--metadata-columns {shorten(text)}: give names of columns, every one once, as site,date")
    return names


def check_regularisation(text: str) -> str:
    """Check a positive number, ``rel:c`` or ``deff:c``, and keep it as typed: the last two ask each round's Fisher."""
    try:
        parse_regularisation(text)
    except InputError as error:
        raise UsageError(f"--{error}") from None
    return text


def seed_blocks(groups: SeedGroups, options: ArmOptions) -> list[tuple[int, ...]]:
    """Cut every group of seeds into the blocks that the model trains side by side: one by one where units drop out."""
    block = 1 if options.dropout else MODELS.get(HEAD if options.freeze else options.model).block
    return [group[first : first + block] for group in groups for first in range(0, len(group), block)]


Strategies = Annotated[
    tuple[str, ...],
    Option(
        "comma-separated: see `fbench list strategies`; bait+fish@328 keeps 328 weights; or skactiveml:NAME",
        parse=parse_strategies,
        axis="strategy",
        grows=union,
    ),
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
_LARGEST_SIDE = 4096
"""Pixels along a side that images can be resized to."""
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
    dataset: Annotated[
        str,
        Option(
            "see `fbench list datasets`; its pool is made harder by :imbalance=0.01 (what the rarest class keeps), "
            ":missing=2 (classes absent from the start set), :duplicates=0.3, :noise=0.1 (wrong labels)",
            parse=parse_dataset,
            excludes=other_data,
        ),
    ] = typed(DEFAULT_DATASET)
    images: Annotated[
        str | None,
        Option(
            "a data set of your own: a folder with a folder a class, or with those in train and test",
            parse=parse_folder,
            recorded=True,
        ),
    ] = typed("")
    image_size: Annotated[
        tuple[int, int] | None,
        Option(
            "height x width that --images are resized to; needed where they differ",
            parse=parse_image_size,
            spell=spell_image_size,
        ),
    ] = typed("")
    skip_corrupt: Annotated[bool, Option("leave out --images that cannot be read")] = False
    features: Annotated[
        str | None,
        Option(
            "a data set of your own: arrays features and targets (.npz, .npy), or a table (.parquet, .csv)",
            parse=parse_folder,
            recorded=True,
        ),
    ] = typed("")
    targets: Annotated[
        str | None,
        Option("a .npy or .npz of the classes, where --features has none", parse=parse_folder, recorded=True),
    ] = typed("")
    target_column: Annotated[
        str | None,
        Option(
            "column or array of the classes in --features, if not target in a table, targets among arrays",
            parse=parse_optional,
        ),
    ] = typed("")
    id_column: Annotated[
        str | None,
        Option("column or array of ids in --features, if not id in a table, ids among arrays", parse=parse_optional),
    ] = typed("")
    metadata_columns: Annotated[
        tuple[str, ...],
        Option("columns of a table that are carried along, and are no features", parse=parse_columns),
    ] = typed("")
    scale: Annotated[
        str,
        Option(
            "of --features: standard gives every column mean 0 and variance 1; none leaves them as they are",
            parse=one_of("--scale", "standard", "none"),
        ),
    ] = "standard"
    contents: Annotated[str, Option("SHA-256 of the files that were brought", hidden=True)] = ""
    left_out: Annotated[
        str, Option("images that could not be read and are left out, as JSON", hidden=True, recorded=True)
    ] = ""
    class_names: Annotated[str, Option("names of the classes, as JSON, in order", hidden=True, recorded=True)] = ""
    fixed_test: Annotated[bool, Option("whether the data have a test set of their own", hidden=True, recorded=True)] = (
        False
    )
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
    dropout: Annotated[
        float,
        Option(
            "share of a hidden layer's units that training drops, where the model lets it be chosen; 0: none",
            minimum=0,
            maximum=0.95,
        ),
    ] = 0.0
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
            "weights that a strategy's mask keeps, the classifier included; auto is twice the classifier, or a tenth "
            "of a linear model",
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
    regularisation: Annotated[
        str, Option("λ of BAIT; rel:c means c · tr F/d, deff:c the λ at which d_eff = c", parse=check_regularisation)
    ] = "1"
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


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(FoldedOptions):
    """Those of a suite whose arms may be the picks of another program."""

    replay: Annotated[
        tuple[str, ...],
        Option(
            "picks of another program as arms: .csv files with the columns of selections.csv, comma-separated; "
            "NAME=FILE calls them otherwise; start sets in them are every arm's",
            parse=parse_named_files("--replay"),
        ),
    ] = typed("")
    replayed: Annotated[str, Option("strategies that are picks of a file", hidden=True, recorded=True)] = ""
    start_files: Annotated[str, Option("files whose start sets the arms begin from", hidden=True, recorded=True)] = ""


class Arm(Protocol):
    """What every case of such a suite has: one strategy on one block of seeds, trained side by side."""

    @property
    def strategy(self) -> str:
        """How batches are chosen."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The block."""


class ArmPoint(NamedTuple):
    """A case that is nothing else."""

    strategy: str
    seeds: tuple[int, ...]
