"""``fbench compare``: does BAIT on a FISH mask do as well as BAIT, better than random weights, better than chance?

Arms share, seed by seed, the split, the start set, the initial weights and the batch order; they differ in what
they choose to label. A case is one strategy on one block of seeds, a unit is one round of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fbench.errors import UsageError, shorten
from fbench.harness.contract import Case, Column, Context, Row, Summary, Tables, Unit
from fbench.harness.registry import STRATEGIES, suite
from fbench.learning import arm_options as arm
from fbench.learning import arms

from ..drift import columns as drift_columns
from ..drift import plan as drift_plan
from . import presets as presets  # registers them
from .metrics import METRICS
from .options import QUESTIONS, Options
from .questions import Question, default_questions, parse_questions
from .settings import SETTING, ComparePoint, of_case, points, resolve_settings, setting_key, settings_of

COLUMNS = (
    *SETTING,
    *arm.ARM_KEY,
    *arm.OUTCOME,
    Column("dim", "int", "weights", "d of the embedding; empty where a strategy has none"),
    Column("regularisation", "float", "", "λ as a number"),
    Column("d_eff", "float", "weights", "effective dimension tr F(F + λI)⁻¹"),
    Column("considered", "int", "candidates", "of the pool, where a strategy says how many it chose among"),
)


_OF_A_ROUND = {
    "selections": arm.SELECTIONS,
    "scores": arm.SCORE_ROWS,
    "classes": arm.CLASS_COUNTS,
    "predictions": arm.PREDICTION_ROWS,
    "test_samples": arm.TEST_SAMPLES,
}
"""Tables that a round fills by itself."""
_SIDE_TABLES = {
    **_OF_A_ROUND,
    "drift": drift_columns.OVERLAP_COLUMNS,
    "fisher": drift_columns.FISHER_COLUMNS,
    "masks": drift_columns.MASK_COLUMNS,
}


def summarise(tables: Tables, options: Options) -> Summary:
    """Answer the questions from the learning curves; evidence of the masks follows where they were watched."""
    from .several import summary_of_settings
    from .summary import summary

    say = summary if len(settings_of(options)) == 1 else summary_of_settings
    curves = say(tables["results"], options, tables.get("scores", ()))
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
    resolved = resolve_settings(options)
    if options.questions == QUESTIONS:
        buying = [name for name in options.strategies if not STRATEGIES.get(name).whole]
        asked = default_questions(QUESTIONS, buying)
    else:
        asked = parse_questions(options.questions)
        _hold_to_arms(asked, options.strategies)
    if options.drift:
        _check_drift(resolved)
    _warn_of_margin(options, asked, context)
    return replace(resolved, questions=", ".join(map(str, asked)))


def _warn_of_margin(options: Options, asked: Sequence[Question], context: Context) -> None:
    """Warn of a margin that was meant for shares, and that nobody has chosen for a score without bound."""
    unbounded = METRICS[options.metric].most is None
    if unbounded and "margin" not in context.asked and any(question.relation == ">=" for question in asked):
        warnings.warn(
            f"--margin {options.margin:g} is in units of {options.metric}, which has no upper bound: type the loss "
            "that you would accept",
            stacklevel=2,
        )


def _check_drift(options: Options) -> None:
    """Refuse to watch masks where they could not be: too few images, or what has no figures of several settings."""
    if len(settings_of(options)) > 1:
        raise UsageError(
            "--drift watches the masks of one data set at one λ; leave it out, or give one --dataset and one "
            "--regularisation"
        )
    drift_plan.halves(options, options.fisher_samples)


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


def expect(case: Case[ComparePoint], options: Options, context: Context) -> list[float]:
    """Tell about how many seconds each round will take."""
    from fbench.learning.durations import expect_rounds

    return expect_rounds(case.point, of_case(case.point, options), context, options.fisher_samples)


def _identify(case: Case[ComparePoint]) -> list[Row]:
    dataset, strategy, regularisation, seeds = case.point
    return [{"dataset": dataset, "lambda": regularisation, "strategy": strategy, "seed": seed} for seed in seeds]


@suite(
    "compare",
    "Does the FISH mask improve BAIT? Strategies side by side, paired by seed, with the statistics to say so",
    columns=COLUMNS,
    tables={name: (*SETTING, *columns) for name, columns in _SIDE_TABLES.items()},
    resolve=resolve,
    grown=grown,
    summarise=summarise,
    points=points,
    unit="round",
    units=lambda options: options.rounds + 1,
    identify=_identify,
    cost=lambda case, options: arms.relative_cost(case.point.strategy, of_case(case.point, options)),
    hold_bytes=lambda case, options, context: arms.held_bytes(case.point, of_case(case.point, options)),
    predict=lambda case, options, context: arms.predict_plan(case.point, of_case(case.point, options)),
    expect_s=expect,
    examples=(
        "fbench compare",
        "fbench compare --strategies random,bait,bait+fish --questions 'bait+fish > bait' --seeds 4 --rounds 5",
        "fbench compare --rounds 3 --drift --out my-run",
    ),
)
def measure(case: Case[ComparePoint], options: Options, context: Context) -> Iterator[Unit]:
    """Run one arm on one block of seeds, a round at a time."""
    from fbench.learning.rounds import batches_of, play_rounds

    from ..drift.watcher import Watcher

    alone, (_, strategy, _, block) = of_case(case.point, options), case.point
    watcher = None
    if alone.drift:
        design, grid = drift_plan.shown(case.point, context.devices, alone, alone.fisher_samples)
        watcher = Watcher(design, grid, retrain=False)
    else:
        design = arms.design(case.point, context.devices, alone, alone.fisher_samples)
    design = replace(design, keep_predictions=alone.keep_predictions)
    bought, key = batches_of(context.committed.get("selections", ()), block), setting_key(case.point, options)
    for played in play_rounds(design, bought, first=alone.drift, done=context.done):
        seen = watcher.see(played, strategy) if watcher else {}
        seen.pop("rounds", None)  # results.csv has them
        if played.outcomes:
            outcomes = zip(played.keys(strategy), played.outcomes, strict=True)
            rows = [{**arm_key, **outcome.row()} for arm_key, outcome in outcomes]
            side = {**{name: getattr(played, name)(strategy) for name in _OF_A_ROUND}, **seen}
            keyed = {name: [{**key, **row} for row in side_rows] for name, side_rows in side.items()}
            yield Unit(played.index, [{**key, **row} for row in rows], keyed)
