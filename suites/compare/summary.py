"""What ``fbench compare`` says at the end: the answers, then what they rest on."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fbench.harness.contract import Answer, Evidence, Row, Summary
from fbench.learning.seed_groups import every_seed
from fbench.results.words import count_seeds, listed

from . import tables
from .along import along, along_evidence
from .answers import Background, all_answers
from .curve_files import kept_curves
from .curves import Curves, read_curves, with_scores
from .family import FEWEST, JudgedQuestion, judge_family
from .figure import cost_curves, learning_curves
from .imported import judge_unpaired, paired_beside
from .imported_wording import imported_evidence, unpaired_answers, unpaired_lines, with_imported, with_unpaired
from .lead import three_lines
from .options import Options
from .questions import Question, parse_questions
from .replayed import beginning, replay_evidence
from .splits import overlap
from .wording import whole_percent

_MOST_NAMED = 20
"""Of images that were left out."""


def summary(rows: Sequence[Row], options: Options, scores: Sequence[Row] = (), brought: Sequence[Row] = ()) -> Summary:
    """Everything that ``fbench compare`` says of its learning curves; old runs have no ``scores``.

    ``brought`` are the rows of ``curves.csv``.
    """
    seeds = len(every_seed(options.seeds))
    rows, options, imported = paired_beside(rows, options, kept_curves(brought))
    scored = with_scores(rows, scores)
    curves = read_curves(scored, options.strategies, options.rounds, seeds, options.metric)
    if curves is None:
        return nothing_compared(rows, options)
    asked = [q for q in parse_questions(options.questions) if {q.first, q.second} <= set(curves.values)]
    later, shared = parse_questions(options.later), overlap(options)
    judged = judge_family(asked, curves.areas, options.margin, later, curves.collapsed, shared, lower=curves.lower)
    background = Background(curves, shared, bool(options.folds))
    unpaired = judge_unpaired(curves, options, imported, shared)
    place = beginning(options)
    lines = three_lines(judged, background, place)
    ours = judged or not unpaired
    return Summary(
        tables=[tables.strategies(curves, options.regularisation)],
        figures=[with_imported(learning_curves(curves, options), curves, imported)],
        lead=with_unpaired(lines, unpaired) if ours else unpaired_lines(unpaired, place, shared),
        answers=[
            *all_answers(judged, background),
            *unpaired_answers(unpaired, options, brought, shared),
            *_unanswered(curves, options),
        ],
        evidence=[
            *_evidence(curves, judged, background),
            *replay_evidence(options),
            *unread_evidence(options.left_out),
            *imported_evidence(unpaired, curves, options, brought, imported),
        ],
    )


def _unanswered(curves: Curves, options: Options) -> list[Answer]:
    """What was asked of strategies of which not a seed was finished."""
    answers = []
    for question in parse_questions(options.questions):
        gone = [name for name in (question.first, question.second) if name not in curves.values]
        if gone and set(gone) <= set(options.strategies):
            sentence = f"{listed(gone)} finished no seed."
            advice = "See why under Left out in summary.md; run the same command again with --retry."
            answers.append(_open(question, sentence, advice))
    return answers


def _open(question: Question, sentence: str, advice: str = "") -> Answer:
    """A question that no rows are there for."""
    return Answer(f"Is it so that {question}?", "too few", sentence, advice)


def nothing_compared(rows: Sequence[Row], options: Options) -> Summary:
    """The summary of a run without a seed that every strategy finished."""
    reasons = sorted({str(row["reason"]) for row in rows if row["status"] != "ok"})
    sentence = "No seed was finished by every strategy."
    few = [_open(question, sentence) for question in parse_questions(options.questions)]
    repair = "See why in the rows' reasons, then run it again with --retry."
    advice = repair if reasons else "Run the same command again: it goes on where it stopped."
    lines = ("Nothing can be compared.", sentence, advice)
    return Summary(lead=lines, answers=few, evidence=[Evidence("Reasons", reasons)] if reasons else [])


def _evidence(curves: Curves, judged: Sequence[JudgedQuestion], background: Background) -> list[Evidence]:
    """The tests behind the answers, rounds, labels saved, penalties, what is missing; without what has no content."""
    tested = [tables.family_table(judged)] if judged else []
    parts = [
        Evidence("The tests", _tested(curves, judged), [*tested, *tables.pairs(curves, background.overlap)]),
        *along_evidence(along(curves, judged), curves),
        Evidence("How many labels are saved", (), tables.savings(curves)),
        Evidence("Who wins at the checkpoints", (), tables.penalties(curves)),
        Evidence("Beside the metric of the questions", (), tables.every_score(curves)),
        Evidence("What it costs", (), tables.against_seconds(curves), cost_curves(curves)),
        Evidence("Left out", (), tables.not_compared(curves)),
    ]
    return [part for part in parts if part.claims or part.tables]


def unread_evidence(left_out: str) -> list[Evidence]:
    """The images that --skip-corrupt left out, as ``options.json`` has them; nothing where all were read."""
    if not left_out:
        return []
    names = json.loads(left_out)
    more = f" and {len(names) - _MOST_NAMED} more, which options.json names" if len(names) > _MOST_NAMED else ""
    what = "1 image" if len(names) == 1 else f"{len(names):,} images"
    claim = f"{what} could not be read and {'is' if len(names) == 1 else 'are'} left out by --skip-corrupt: "
    return [Evidence("Images that were left out", [f"{claim}{', '.join(names[:_MOST_NAMED])}{more}."])]


def _tested(curves: Curves, judged: Sequence[JudgedQuestion]) -> list[str]:
    """How the family was corrected, and which trainings collapsed."""
    planned, claims = [test for test in judged if not test.later], []
    if len(planned) > 1:
        claims.append(
            f"All {len(planned)} questions are one family, corrected by Holm: where strategies are equal, at most 5 % "
            "of runs answer any of them wrongly."
        )
    if any(test.later for test in judged):
        claims.append(
            "A question that was asked when rows were there is never counted as shown: they may have suggested it."
        )
    if curves.seeds >= FEWEST:
        claims.append(
            "The 95 % intervals are t intervals: they cover 95 % of draws with normal and t₃ noise, and up to 98 % "
            "where trainings crash now and then in every strategy."
        )
    fallen = {name: count for name, count in curves.collapsed.items() if count}
    for name, count in fallen.items():
        claims.append(
            f"A training of {name} collapsed in {count} of {count_seeds(curves.seeds)}: accuracy below half of its "
            "round's median. These seeds are in all numbers."
        )
    if not fallen and curves.seeds > 1:
        most = 1 - 0.05 ** (1 / curves.seeds)
        claims.append(
            f"No training collapsed (accuracy below half of its round's median); {count_seeds(curves.seeds)} cannot "
            f"exclude a strategy that collapses in fewer than {whole_percent(most)} of runs."
        )
    return claims
