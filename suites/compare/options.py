"""The options of ``fbench compare``: those of every arm, and the questions asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fbench.harness.contract import Option, typed
from fbench.harness.parsing import one_of
from fbench.harness.sweep import parse_names
from fbench.learning import arm_options as arm
from fbench.learning.data.brought import DEFAULT_DATASET
from fbench.learning.named_files import parse_named_files

from .metrics import METRICS
from .questions import more_questions

QUESTIONS = "bait+fish > random, bait+fish > bait+random-mask, bait+random-mask > bait, bait+fish >= bait"
"""Does labelling by BAIT on a FISH mask pay, does choosing the weights, do more weights, and is nothing lost?"""


def parse_datasets(text: str) -> str:
    """Read a comma-separated list of data sets with their modifiers, and spell it as always.

    Example:
        >>> parse_datasets("digits, digits:noise=0.10")
        'digits,digits:noise=0.1'
    """
    return ",".join(parse_names(",".join(map(arm.parse_dataset, parse_names(text, "data set"))), "data set"))


def parse_regularisations(text: str) -> str:
    """Read a comma-separated list of λ; each stays as typed.

    Example:
        >>> parse_regularisations("1, rel:0.1")
        '1,rel:0.1'
    """
    return ",".join(map(arm.check_regularisation, parse_names(text, "λ")))


@dataclass(frozen=True, kw_only=True)
class Options(arm.ReplayOptions):
    """Options of ``fbench compare``; ``margin`` is an area under the learning curve."""

    strategies: arm.Strategies = typed("random,bait,bait+fish,bait+random-mask")
    dataset: Annotated[
        str,
        Option(
            "one or, with commas, several: see `fbench list datasets`; the pool is made harder by :imbalance=0.01 "
            "(what the rarest class keeps), :missing=2 (classes absent from the start set), :duplicates=0.3, "
            ":noise=0.1 (wrong labels)",
            parse=parse_datasets,
            excludes=arm.other_data,
        ),
    ] = typed(DEFAULT_DATASET)
    regularisation: Annotated[
        str,
        Option("λ of BAIT, one or, with commas, several; rel:c means c · tr F/d", parse=parse_regularisations),
    ] = "1"
    by_dataset: Annotated[
        str, Option("what is resolved for every one of several data sets, as JSON", hidden=True, recorded=True)
    ] = ""
    fisher_samples: Annotated[int, Option("N, images behind the FISH diagonal, a random draw", minimum=1)] = 1024
    metric: Annotated[
        str,
        Option(f"what areas and questions are about: {', '.join(METRICS)}", parse=one_of("--metric", *METRICS)),
    ] = "accuracy"
    keep_predictions: Annotated[
        bool, Option("keep the logits of every network on its test set, in predictions.csv")
    ] = False
    margin: Annotated[float, Option("non-inferiority margin in AULC, fixed before the run", above=0, maximum=1)] = 0.005
    curves: Annotated[
        tuple[str, ...],
        Option(
            "learning curves of others beside the arms: .csv files with strategy, seed, labels and the metric, "
            "comma-separated; NAME=FILE calls them otherwise",
            parse=parse_named_files("--curves"),
        ),
    ] = typed("")
    paired_curves: Annotated[
        bool,
        Option("a seed of --curves has the split and start set of the run's: pair them; else seeds are not paired"),
    ] = False
    imported: Annotated[str, Option("strategies of --curves", hidden=True, recorded=True)] = ""
    drift: Annotated[
        bool,
        Option("watch every arm's FISH mask, as `fbench drift` does: by the halves of its draw, without retraining"),
    ] = False
    same_state: Annotated[
        bool,
        Option("score all batches of round 1, chosen for one and the same network, by the objective under all weights"),
    ] = False
    questions: Annotated[
        str,
        Option("family of tests, corrected by Holm: 'A >= B' is not inferior, 'A > B' is better", grows=more_questions),
    ] = QUESTIONS
    later: Annotated[
        str, Option("those of the questions that were asked when rows were there", hidden=True, grows=more_questions)
    ] = ""
