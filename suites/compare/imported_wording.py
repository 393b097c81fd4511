"""What is said of curves of others: answers, first lines, tables and the figure's lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from fbench.harness.contract import Answer, Evidence, Figure, Row, Table
from fbench.learning.named_files import path_of
from fbench.measure.curves import aulc
from fbench.measure.statistics import mean_interval
from fbench.results.findings import number, p_value
from fbench.results.words import count_words, listed

from .answers import UNIT, question_text
from .curve_files import run_labels
from .curves import Curves
from .family import FEWEST
from .figure import curve_series
from .imported import ImportedCurves, UnpairedTest, common_labels, values_at
from .lead import LINE
from .options import Options
from .questions import parse_questions
from .wording import as_many, ends, with_sign

_WHOLE = "Replay its picks (--replay) before choosing: unpaired curves compare whole programs, not picks alone."
_VERBS = {
    ("yes", ">"): "beats",
    ("yes", ">="): "is no worse than",
    ("no", ">"): "is worse than",
    ("no", ">="): "is worse, by more than the margin, than",
    ("not shown", ">"): "is not shown to beat",
    ("not shown", ">="): "is not shown to be no worse than",
    ("too few", ">"): "has too few seeds beside",
    ("too few", ">="): "has too few seeds beside",
    ("unreliable", ">"): "cannot be held to",
    ("unreliable", ">="): "cannot be held to",
}


def unpaired_answers(
    tests: Sequence[UnpairedTest], options: Options, brought: Sequence[Row], overlap: float | None
) -> list[Answer]:
    """An answer for every question about unpaired curves of a file; and one where the rows of any are not there yet."""
    answers = [
        Answer(
            question_text(test.question, test.margin, lower=test.lower),
            test.verdict,
            _sentence(test, overlap),
            _advice(test),
        )
        for test in tests
    ]
    absent = set(filter(None, options.imported.split(", "))) - {row["strategy"] for row in brought}
    for question in parse_questions(options.questions) if absent else ():
        if {question.first, question.second} & absent:
            which = listed(sorted(absent))
            sentence = f"The curves of {which} are kept with the first arm's first round, which is not there yet."
            answers.append(Answer(f"Is it so that {question}?", "too few", sentence, "Run the same command again."))
    return answers


def _sentence(test: UnpairedTest, overlap: float | None) -> str:
    first, _, second = test.question
    if test.verdict == "unreliable":
        return "In more than a quarter of its seeds a training of the run's side collapsed, so its mean says little."
    if not test.meets:
        return f"{first} and {second} have fewer than two of the run's label counts in common."
    seeds = f"{test.comparison.sizes[0]} and {test.comparison.sizes[1]} seeds"
    apart = f"{_gap(test)} over {test.labels[0]:.0f} to {test.labels[-1]:.0f} labels"
    if test.verdict == "too few":
        return f"{apart} ({seeds}, unpaired); we give no verdict on fewer than {FEWEST} a side."
    interval = ends(*test.interval)
    if not interval:
        return f"{apart} in every one of {seeds}: differences without spread have no interval."
    if test.later:
        return f"{apart} (95 % interval {interval}, unpaired); asked when rows were there, so it cannot count as shown."
    counting = "" if overlap is None else " counting overlapping splits"
    p = p_value(test.corrected) + (" after Holm" if test.family > 1 else "")
    return f"{apart} (95 % interval {interval}{counting}, unpaired; {seeds}, {p})."


def _gap(test: UnpairedTest) -> str:
    first, _, second = test.question
    if abs(test.apart) < 5e-5:
        return f"{first} and {second} have the same {UNIT}"
    return f"{first} lies {number(abs(test.apart))} {UNIT} {'above' if test.apart > 0 else 'below'} {second}"


def _advice(test: UnpairedTest) -> str:
    if not test.meets:
        return "Give curves over the same labels."
    match test.verdict:
        case "too few":
            return f"Give {FEWEST} seeds a side or more."
        case "unreliable":
            return "Lower --learning-rate or raise --epochs until no training collapses."
        case "not shown":
            return "Pair the seeds: --replay the picks, or give --paired-curves if splits and start sets are the same."
    return _WHOLE


def with_unpaired(lines: tuple[str, str, str], tests: Sequence[UnpairedTest]) -> tuple[str, str, str]:
    """The run's three lines, with what was found of curves of files where the first has room for all of it."""
    first = f"{lines[0]} Not paired: {'; '.join(map(_found, _planned(tests)))}."
    return lines if not tests or count_words(first) > LINE else (first, *lines[1:])


def _planned(tests: Sequence[UnpairedTest]) -> list[UnpairedTest]:
    return [test for test in tests if not test.later] or list(tests)


def _found(test: UnpairedTest) -> str:
    return f"{test.question.first} {_VERBS[test.verdict, test.question.relation]} {test.question.second}"


def unpaired_lines(tests: Sequence[UnpairedTest], dataset: str, overlap: float | None) -> tuple[str, str, str]:
    """The three lines of a run whose questions are all about curves of a file."""
    planned = _planned(tests)
    counting = "" if overlap is None else " counting overlapping splits"
    numbers = []
    for test in filter(lambda test: test.meets, planned):
        interval = ends(*test.interval, 3) if min(test.comparison.sizes) >= FEWEST else ""
        difference = f"{test.question.first} − {test.question.second} {with_sign(test.apart, 3)}"
        numbers.append(f"{difference} ({interval})" if interval else difference)
    first = as_many(f"On {dataset}, seeds not paired:", map(_found, planned), LINE, "; ")
    return first, as_many(f"{UNIT} (95 % interval{counting}):", numbers, LINE), _advice(planned[0])


def imported_evidence(
    tests: Sequence[UnpairedTest], curves: Curves, options: Options, rows: Sequence[Row], imported: ImportedCurves
) -> list[Evidence]:
    """Whose curves they are, how they were compared, and the numbers; ``imported`` are those that are not paired."""
    if not rows:
        return []
    names = listed(list(dict.fromkeys(row["strategy"] for row in rows)))
    files = listed([path_of(text) for text in options.curves])
    if options.paired_curves:
        claims = [
            f"{names}: read from {files}, not trained here; seeds are paired, since --paired-curves says that splits "
            "and start sets are the same."
        ]
    else:
        claims = [
            f"{names}: read from {files}, not trained here; seeds are not paired, and splits, networks and training "
            "may differ: differences are of whole programs, by Welch's t test.",
            "Areas are taken at the run's rounds, over the labels that both sides have.",
        ]
    if set(run_labels(options)) - {row["labels"] for row in rows}:
        claims.append("Between a file's label counts values are interpolated, never beyond them.")
    if sum(not test.later for test in tests) > 1:
        claims.append("The questions about these curves are a family of their own, corrected by Holm.")
    tables = [*_curves_table(curves, imported), *_tests_table(tests)]
    return [Evidence("Curves of others", claims, tables)]


def _curves_table(curves: Curves, imported: ImportedCurves) -> list[Table]:
    rows = []
    for name, seeds in imported.items():
        labels = common_labels(curves.labels, seeds)
        if len(labels) < 2:
            continue
        areas = mean_interval(aulc(labels, values_at(seeds, labels)))
        spread = "" if math.isnan(areas.sd) else number(areas.sd)
        rows.append([name, str(len(seeds)), f"{labels[0]:.0f} to {labels[-1]:.0f}", number(areas.mean), spread])
    note = f"{UNIT}: {curves.metric} averaged over the labels named, which the run's rounds have too; sd over seeds."
    columns = ["strategy", "seeds", "labels", UNIT, f"sd of {UNIT}"]
    return [Table("Curves of others", columns, rows, note)] if rows else []


def _tests_table(tests: Sequence[UnpairedTest]) -> list[Table]:
    if not tests:
        return []
    rows = [
        [
            str(test.question),
            str(test.verdict),
            f"{test.comparison.sizes[0]}, {test.comparison.sizes[1]}" if test.meets else "",
            with_sign(test.apart) if test.meets else "",
            ends(*test.interval),
            _p(test.p),
            "asked later" if test.later else _p(test.corrected),
            "" if math.isnan(test.comparison.hedges_g) else number(_facing(test), 2),
        ]
        for test in tests
    ]
    note = (
        "Welch's t test, two-sided; A >= B: one-sided against the margin. Intervals: each question by itself. g: the "
        "difference over the pooled sd of both sides' seeds, without its bias."
    )
    columns = ["question", "answer", "seeds", f"Δ {UNIT}", "95 % interval", "p", "p, Holm", "g"]
    return [Table("Seeds that are not paired", columns, rows, note, ["g", "p", "seeds"])]


def _facing(test: UnpairedTest) -> float:
    return -test.comparison.hedges_g if test.lower else test.comparison.hedges_g


def _p(p: float) -> str:
    return "" if math.isnan(p) else p_value(p).removeprefix("p = ").removeprefix("p ")


def with_imported(figure: Figure, curves: Curves, imported: ImportedCurves) -> Figure:
    """The figure of the learning curves, with those of the files beside them."""
    lines = []
    for name, seeds in imported.items():
        labels = common_labels(curves.labels, seeds)
        if len(labels) >= 2:
            lines.append(curve_series(name, labels, values_at(seeds, labels), dots=False))
    first, *others = figure.panels
    return replace(figure, panels=[replace(first, series=[*first.series, *lines]), *others]) if lines else figure
