"""What ``fbench compare`` says after several λ or data sets: what holds at all of them, and where not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fbench.harness.contract import Answer, Evidence, Row, Summary
from fbench.learning.seed_groups import every_seed
from fbench.measure.friedman import FEWEST_DATASETS, RankTest, rank_test
from fbench.measure.power import least_shown
from fbench.results.findings import number
from fbench.results.words import between, count_seeds, counted, listed

from . import everywhere_figures as figures
from . import everywhere_tables as tables
from .curves import Curves, read_curves, with_scores
from .everywhere import AtSetting, Claim, claims_over, judge_settings
from .everywhere_words import Grid, claim_answers, three_lines_of
from .family import ALPHA, FEWEST
from .options import Options
from .questions import parse_questions
from .replayed import replay_evidence, with_beginning
from .settings import CompareSetting, at, regularised_strategies, rows_at, settings_of
from .splits import overlap
from .summary import nothing_compared, unread_evidence


def summary_of_settings(rows: Sequence[Row], options: Options, scores: Sequence[Row] = ()) -> Summary:
    """Everything that is said of several settings."""
    settings = settings_of(options)
    datasets, lambdas = zip(*settings, strict=True)
    grid = Grid(tuple(dict.fromkeys(datasets)), tuple(dict.fromkeys(lambdas)))
    measured = [
        (setting, curves, overlap(at(options, setting)))
        for setting in settings
        if (curves := _curves(rows, scores, setting, options))
    ]
    if not measured:
        return nothing_compared(rows, options)
    regularised = regularised_strategies(options)
    questions, later = parse_questions(options.questions), parse_questions(options.later)
    places = judge_settings(measured, questions, later, options.margin, regularised)
    claims = claims_over(places, questions, regularised)
    answered = {claim.question for claim in claims}
    return Summary(
        tables=[tables.claims_table(claims, grid)] if claims else [tables.areas_table(places, grid, regularised)],
        figures=[figures.forest(claims)] if claims else [],
        lead=with_beginning(three_lines_of(claims, places, grid), options),
        answers=[
            *claim_answers(claims, grid),
            *(
                Answer(f"Is it so that {question}?", "too few", "A strategy of it finished no seed at any setting.")
                for question in questions
                if question not in answered
            ),
        ],
        evidence=[
            *_evidence(claims, places, grid, regularised, settings),
            *replay_evidence(options),
            *unread_evidence(options.left_out),
        ],
    )


def _curves(rows: Sequence[Row], scores: Sequence[Row], setting: CompareSetting, options: Options) -> Curves | None:
    here = with_scores(rows_at(rows, setting), rows_at(scores, setting))
    return read_curves(here, options.strategies, options.rounds, len(every_seed(options.seeds)), options.metric)


def _evidence(
    claims: Sequence[Claim],
    places: Sequence[AtSetting],
    grid: Grid,
    regularised: frozenset[str],
    settings: Sequence[CompareSetting],
) -> list[Evidence]:
    ranked = [] if len(grid.datasets) < FEWEST_DATASETS else _ranked(places, grid)
    parts = [
        Evidence(
            "Setting by setting",
            _how_tested(claims, places, grid),
            tables.question_tables(claims, grid),
            [figures.forest_by_setting(claims, grid)] if claims else [],
        ),
        Evidence("Data set by data set", _by_dataset(claims, grid)),
        Evidence(
            "Areas",
            (),
            [
                tables.areas_table(places, grid, regularised),
                *tables.dimensions_table(places, grid, regularised),
                tables.seconds_table(places, grid, regularised),
            ],
            [*figures.along_lambda(places, grid, regularised), *figures.curves_by_lambda(places, grid)],
        ),
        Evidence("Ranks", _ranks_say(ranked, grid), tables.rank_tables(ranked), figures.rank_figures(ranked)),
        Evidence("Left out", _left_out(places, settings, grid)),
    ]
    return [part for part in parts if part.claims or part.tables]


def _how_tested(claims: Sequence[Claim], places: Sequence[AtSetting], grid: Grid) -> list[str]:
    """How the answers were corrected, and for what."""
    if not claims:
        return []
    questions, tests = counted([claims[0].family], "question"), claims[0].tests[0].family
    labels = between(int(count) for place in places for count in place.curves.labels)
    claims_made = [
        "A claim over all settings holds where every one of them shows it (intersection-union): its p is the largest, "
        f"corrected by Holm for {questions}.",
        f"The means over settings are a family of their own, and the answers of single settings a third, of {tests} "
        "tests: stricter than a claim over all settings, which may hold where not every setting's answer is yes.",
        "Where strategies are equal, a family says otherwise in at most 5 % of runs, any of the three in at most 15 %.",
        *_if_overlap(claims),
        f"All of it is about {grid.data}, one network and {labels} labels: others may differ.",
    ]
    if blind := _cannot_show(claims):
        claims_made.append(blind)
    fallen = [
        f"{name} in {count} of {count_seeds(at.curves.seeds)} at {at.setting.dataset}, λ = {at.setting.regularisation}"
        for at in places
        for name, count in at.curves.collapsed.items()
        if count
    ]
    if fallen:
        claims_made.append(f"Trainings collapsed (accuracy below half of the round's median): {listed(fallen[:4])}.")
    return claims_made


def _if_overlap(claims: Sequence[Claim]) -> list[str]:
    """What the rates rest on where splits overlap."""
    ratio = max((claim.overlap for claim in claims if claim.overlap is not None), default=None)
    if ratio is None:
        return []
    return [
        f"These rates hold if the mean of n seeds has the variance sd²·(1/n + {number(ratio, 2)}), as Nadeau and "
        "Bengio (2003) take it where splits overlap; settings of one data set share the second part."
    ]


def _cannot_show(claims: Sequence[Claim]) -> str:
    """How small a difference the run would overlook at a setting; nothing where no spread was measured."""
    tests = [test for claim in claims for test in claim.tests if test.comparison.n >= FEWEST and test.comparison.sd > 0]
    if not tests:
        return ""
    level = 1 - ALPHA / tests[0].family
    least = sorted(
        least_shown(test.comparison.sd, test.comparison.n, ratio=test.overlap or 0.0, level=level) for test in tests
    )
    ends = number(least[0], 3) if least[0] == least[-1] else f"{number(least[0], 3)} to {number(least[-1], 3)}"
    seeds = count_seeds(min(test.comparison.n for test in tests))
    return (
        f"What it cannot show: with {seeds}, 80 % of runs see a difference of {ends} AULC (by question and setting) at "
        "one setting, where it comes first of all tests; smaller ones are overlooked more often."
    )


def _by_dataset(claims: Sequence[Claim], grid: Grid) -> list[str]:
    """On how many data sets a claim holds at every λ, and that none contradicts it."""
    if len(grid.datasets) < 2 or len(grid.regularisations) < 2:
        return []
    claims_made = []
    for claim in (claim for claim in claims if claim.settings[0].regularisation):
        by_dataset = {
            dataset: [t.verdict for s, t in zip(claim.settings, claim.tests, strict=True) if s.dataset == dataset]
            for dataset in grid.datasets
        }
        whole = [name for name, verdicts in by_dataset.items() if verdicts and set(verdicts) == {"yes"}]
        against = [name for name, verdicts in by_dataset.items() if "no" in verdicts]
        held = f"{claim.question}: at every λ on {len(whole)} of {len(grid.datasets)} data sets"
        contradicted = f"contradicted on {listed(against)}" if against else "contradicted on none"
        claims_made.append(f"{held}, {contradicted}.")
    return claims_made


def _ranked(places: Sequence[AtSetting], grid: Grid) -> list[tuple[str, RankTest]]:
    """The strategies that every data set has, ranked at every λ."""
    tests = []
    for lambda_ in grid.regularisations:
        curves = [place.curves for place in places if place.setting.regularisation == lambda_]
        names = [name for name in curves[0].buying if all(name in one.buying for one in curves)] if curves else []
        if len(curves) >= FEWEST_DATASETS and len(names) > 1:
            sign = -1 if curves[0].lower else 1
            values = np.array([[sign * one.areas[name].mean() for name in names] for one in curves])
            tests.append((lambda_, rank_test(names, values)))
    return tests


def _ranks_say(ranked: Sequence[tuple[str, RankTest]], grid: Grid) -> list[str]:
    """What the ranks show, or why there are none."""
    count = len(grid.datasets)
    if count < 2:
        return []
    if not ranked:
        return [
            f"{count} data sets are too few for ranks: they have next to no power below {FEWEST_DATASETS} "
            "(Demšar 2006). The differences above carry the answer."
        ]
    claims_made = []
    for lambda_, test in ranked:
        best = test.names[int(np.argmin(test.mean_ranks))]
        worse = [
            name
            for name, rank in zip(test.names, test.mean_ranks, strict=True)
            if rank - test.mean_ranks.min() > test.critical_difference
        ]
        apart = f"{best} ranks first and is shown apart from {listed(worse)}" if worse else "no two are shown apart"
        claims_made.append(f"At λ = {lambda_}, {apart}.")
    return claims_made


def _left_out(places: Sequence[AtSetting], settings: Sequence[CompareSetting], grid: Grid) -> list[str]:
    """Settings without a seed that every strategy finished, and what the others lack."""
    known = {place.setting: place.curves for place in places}
    missing = [grid.name(setting) for setting in settings if setting not in known]
    claims_made = [f"No seed was finished by every strategy at {name}." for name in missing]
    for setting, curves in known.items():
        claims_made += [f"{grid.name(setting)}: {what}, {why}."[:300] for what, why in curves.left_out]
    return claims_made
