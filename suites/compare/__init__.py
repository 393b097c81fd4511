"""``fbench compare``: does BAIT on a FISH mask do as well as BAIT, better than random weights, better than chance?

Arms share, seed by seed, the split, the start set, the initial weights and the batch order; they differ in what
they choose to label. A case is one strategy on one block of seeds, a unit is one round of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fbench.errors import UsageError, shorten
from fbench.harness.contract import Case, Column, Context, Summary, Tables, Unit
from fbench.harness.registry import PRESETS, Preset, suite
from fbench.learning import arm_options as arm
from fbench.learning import arms
from fbench.learning.arm_options import ArmPoint

from ..drift import columns as drift_columns
from ..drift import plan as drift_plan
from .curve_files import CURVE_ROWS, carried_rows, resolve_curves
from .options import QUESTIONS, Options
from .questions import Question, default_questions, parse_questions

COLUMNS = (
    *arm.ARM_KEY,
    *arm.OUTCOME,
    Column("dim", "int", "weights", "d of the embedding; empty where a strategy has none"),
    Column("regularisation", "float", "", "λ as a number"),
    Column("d_eff", "float", "weights", "effective dimension tr F(F + λI)⁻¹"),
    Column("considered", "int", "candidates", "of the pool, where a strategy says how many it chose among"),
)


_SIDE_TABLES = ("selections", "scores", "classes", "predictions", "test_samples")
"""Those that a round fills by itself."""


def summarise(tables: Tables, options: Options) -> Summary:
    """Answer the questions from the learning curves; evidence of the masks follows where they were watched."""
    from .summary import summary

    curves = summary(tables["results"], options, tables.get("scores", ()), tables.get("curves", ()))
    if not options.drift:
        return curves
    from ..drift.summary import compare_evidence

    return replace(curves, evidence=(*curves.evidence, *compare_evidence(tables, options)))


def resolve(options: Options, context: Context) -> Options:
    """Fill in what is automatic, and fit the default questions to the arms of the run.

    Raises:
        UsageError: a question of an arm that is not in the run, too few images to watch masks, or as
            ``arms.resolve_plan``.
    """
    resolved = resolve_curves(arms.resolve_plan(options))
    imported = tuple(filter(None, resolved.imported.split(", ")))
    if options.questions == QUESTIONS:
        buying = [name for name in resolved.strategies if not arms.strategy_of(name, resolved).whole]
        asked = default_questions(QUESTIONS, [*buying, *imported])
    else:
        asked = parse_questions(options.questions)
        _hold_to_arms(asked, (*resolved.strategies, *imported))
    if options.drift:
        drift_plan.halves(resolved, options.fisher_samples)
    return replace(resolved, questions=", ".join(map(str, asked)))


def _hold_to_arms(asked: Sequence[Question], arms: Sequence[str]) -> None:
    """Refuse a question of an arm that is not in the run."""
    missing = [name for question in asked for name in (question.first, question.second) if name not in arms]
    if missing:
        raise UsageError(f"--questions names {shorten(missing[0])!r}, which is not among --strategies {','.join(arms)}")


def grown(before: Options, after: Options) -> Options:
    """Note the questions that are asked only now, when their answers could have been seen."""
    known = parse_questions(before.questions)
    late = [str(question) for question in parse_questions(after.questions) if question not in known]
    return replace(after, later=", ".join([*filter(None, [before.later]), *late]))


def expect(case: Case[ArmPoint], options: Options, context: Context) -> list[float]:
    """Tell about how many seconds each round will take."""
    from fbench.learning.durations import expect_rounds

    return expect_rounds(case.point, options, context, options.fisher_samples)


@suite(
    "compare",
    "Does the FISH mask improve BAIT? Strategies side by side, paired by seed, with the statistics to say so",
    columns=COLUMNS,
    tables={
        "selections": arm.SELECTIONS,
        "scores": arm.SCORE_ROWS,
        "classes": arm.CLASS_COUNTS,
        "predictions": arm.PREDICTION_ROWS,
        "test_samples": arm.TEST_SAMPLES,
        "curves": CURVE_ROWS,
        "drift": drift_columns.OVERLAP_COLUMNS,
        "fisher": drift_columns.FISHER_COLUMNS,
        "masks": drift_columns.MASK_COLUMNS,
    },
    resolve=resolve,
    grown=grown,
    summarise=summarise,
    **arms.PLAYED,
    predict=lambda case, options, context: arms.predict_plan(case.point, options),
    expect_s=expect,
    examples=(
        "fbench compare",
        "fbench compare --strategies random,bait,bait+fish --questions 'bait+fish > bait' --seeds 4 --rounds 5",
        "fbench compare --rounds 3 --drift --out my-run",
    ),
)
def measure(case: Case[ArmPoint], options: Options, context: Context) -> Iterator[Unit]:
    """Run one arm on one block of seeds, a round at a time."""
    from fbench.learning.rounds import batches_of, play_rounds

    from ..drift.watcher import Watcher

    strategy, block = case.point
    watcher = None
    if options.drift:
        design, grid = drift_plan.shown(case.point, context.devices, options, options.fisher_samples)
        watcher = Watcher(design, grid, retrain=False)
    else:
        design = arms.design(case.point, context.devices, options, options.fisher_samples)
    design = replace(design, keep_predictions=options.keep_predictions)
    bought = batches_of(context.committed.get("selections", ()), block)
    for played in play_rounds(design, bought, first=options.drift, done=context.done):
        seen = watcher.see(played, strategy) if watcher else {}
        seen.pop("rounds", None)  # results.csv has them
        if played.outcomes:
            rows = [
                {**key, **outcome.row()} for key, outcome in zip(played.keys(strategy), played.outcomes, strict=True)
            ]
            side = {name: getattr(played, name)(strategy) for name in _SIDE_TABLES}
            side["curves"] = carried_rows(case.point, options) if played.index == 0 else []
            yield Unit(played.index, rows, {**side, **seen})


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
        "BAIT as published on CIFAR-10: λ = 0.01, twofold oversampling, batches of 128 to 99 % training accuracy",
        "compare",
        {
            "dataset": "cifar10",
            "model": "resnet18",
            "strategies": "random,bait",
            "regularisation": "0.01",
            "start": 100,
            "batch": 100,
            "train_batch": 128,
            "stop": 0.99,
            "epochs": 100,  # 5 or 6 are enough for 100 and for 400 labels; the published code has no limit
            "learning_rate": 0.0001,
            "weight_decay": 0.0,
        },
    ),
):
    PRESETS.add(_preset)
