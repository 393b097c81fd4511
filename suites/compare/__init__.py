"""``fbench compare``: does BAIT on a FISH mask do as well as BAIT, better than random weights, better than chance?

Arms share, seed by seed, the split, the start set, the initial weights and the batch order; they differ in what
they choose to label. A case is one strategy on one block of seeds, a unit is one round of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fbench.errors import UsageError, shorten
from fbench.harness.contract import Case, Column, Context, Evidence, Row, Summary, Tables, Unit
from fbench.harness.registry import suite
from fbench.harness.suite import SharedData
from fbench.learning import arm_options as arm
from fbench.learning import arms, sending

from ..drift import columns as drift_columns
from ..drift import plan as drift_plan
from . import presets as presets  # registers them
from . import state_plan
from .curve_files import CURVE_ROWS, carried_rows, check_imports, resolve_curves
from .metrics import METRICS
from .options import QUESTIONS, Options
from .questions import Question, default_questions, parse_questions
from .settings import (
    SETTING,
    ComparePoint,
    at,
    judged_at,
    of_case,
    points,
    resolve_settings,
    rows_at,
    setting_key,
    settings_of,
)

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
    "curves": CURVE_ROWS,
    "drift": drift_columns.OVERLAP_COLUMNS,
    "fisher": drift_columns.FISHER_COLUMNS,
    "masks": drift_columns.MASK_COLUMNS,
    "states": state_plan.STATES,
}


def summarise(tables: Tables, options: Options) -> Summary:
    """Answer the questions from the learning curves; evidence of the masks follows where they were watched."""
    from .several import summary_of_settings
    from .summary import summary

    brought = tables.get("curves", ())
    if len(settings_of(options)) == 1:
        curves = summary(tables["results"], options, tables.get("scores", ()), brought)
    else:
        curves = summary_of_settings(tables["results"], options, tables.get("scores", ()))
    if options.same_state:
        curves = replace(curves, evidence=(*_of_states(tables, options), *curves.evidence))
    if not options.drift:
        return curves
    from ..drift.summary import compare_evidence

    return replace(curves, evidence=(*curves.evidence, *compare_evidence(tables, options)))


def _of_states(tables: Tables, options: Options) -> list[Evidence]:
    """What the batches for one network show, at every setting."""
    from .states import read_states
    from .states_everywhere import ways_evidence
    from .states_told import at_setting, state_evidence

    settings, measured = settings_of(options), {}
    for setting in settings:
        states, selections, classes = (rows_at(tables[name], setting) for name in ("states", "selections", "classes"))
        read = read_states(states, selections, classes, options.strategies)
        if read is not None:  # a seed has batches of all arms
            measured[setting] = read
    if len(settings) == 1:
        return [state_evidence(read) for read in measured.values()]
    alone = [
        at_setting(state_evidence(read), f" ({setting.dataset}, λ = {setting.regularisation})")
        for setting, read in measured.items()
    ]
    return [*ways_evidence(measured), *alone]


def resolve(options: Options, context: Context) -> Options:
    """Fill in what is automatic, and fit the default questions to the arms of the run.

    Raises:
        UsageError: a question of an arm that is not in the run, too few images to watch masks, too many labels to score
            batches, or as ``arms.resolve_plan``.
    """
    check_imports(options)
    resolved = resolve_curves(resolve_settings(options))
    imported = tuple(filter(None, resolved.imported.split(", ")))
    if options.questions == QUESTIONS:
        buying = [name for name in resolved.strategies if not arms.strategy_of(name, resolved).whole]
        asked = default_questions(QUESTIONS, [*buying, *imported])
    else:
        asked = parse_questions(options.questions)
        _hold_to_arms(asked, (*resolved.strategies, *imported))
    if options.drift:
        _check_drift(resolved)
    if options.same_state:
        for setting in settings_of(resolved):
            state_plan.check_states(at(resolved, setting))
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

    alone = of_case(case.point, options)
    rounds = expect_rounds(case.point, alone, context, options.fisher_samples)
    if options.same_state:
        rounds[1] += state_plan.state_seconds(case.point, alone, context)
    return rounds


def _hold_bytes(case: Case[ComparePoint], options: Options, context: Context) -> int:
    alone = of_case(case.point, options)
    scoring = state_plan.state_bytes(case.point, alone) if options.same_state else 0
    return max(arms.held_bytes(case.point, alone), scoring)


def _settings_alone(options: Options) -> list[Options]:
    return [at(options, setting) for setting in settings_of(options)]


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
    hold_bytes=_hold_bytes,
    data=SharedData(
        lambda options: sending.paths_read(options, options.curves),
        lambda options: sending.read_to_send(_settings_alone(options), options.curves),
        lambda options, sent: sending.keep_sent(_settings_alone(options), sent),
    ),
    predict=lambda case, options, context: arms.predict_plan(case.point, of_case(case.point, options)),
    expect_s=expect,
    examples=(
        "fbench compare",
        "fbench compare --strategies random,bait,bait+fish --questions 'bait+fish > bait' --seeds 4 --rounds 5",
        "fbench compare --rounds 3 --drift --out my-run",
        "fbench compare --same-state --rounds 1 --strategies random,bait,bait+fish,bait-full",
    ),
)
def measure(case: Case[ComparePoint], options: Options, context: Context) -> Iterator[Unit]:
    """Run one arm on one block of seeds, a round at a time."""
    from fbench.learning.rounds import batches_of, play_rounds

    from ..drift.watcher import Watcher
    from .state_scores import StateScores

    alone, (_, strategy, _, block) = of_case(case.point, options), case.point
    watcher = None
    if alone.drift:
        design, grid = drift_plan.shown(case.point, context.devices, alone, alone.fisher_samples)
        watcher = Watcher(design, grid, retrain=False)
    else:
        design = arms.design(case.point, context.devices, alone, alone.fisher_samples)
    design = replace(design, keep_predictions=alone.keep_predictions)
    bought, key = batches_of(context.committed.get("selections", ()), block), setting_key(case.point, options)
    scores = StateScores(judged_at(case.point, options)) if alone.same_state else None
    for played in play_rounds(design, bought, first=alone.drift, done=context.done):
        seen = watcher.see(played, strategy) if watcher else {}
        seen.pop("rounds", None)  # results.csv has them
        states = scores.see(played, strategy) if scores else []
        if played.outcomes:
            outcomes = zip(played.keys(strategy), played.outcomes, strict=True)
            rows = [{**arm_key, **outcome.row()} for arm_key, outcome in outcomes]
            side = {**{name: getattr(played, name)(strategy) for name in _OF_A_ROUND}, **seen, "states": states}
            keyed = {name: [{**key, **row} for row in side_rows] for name, side_rows in side.items()}
            keyed["curves"] = carried_rows(case.point, options) if played.index == 0 else []
            yield Unit(played.index, [{**key, **row} for row in rows], keyed)
