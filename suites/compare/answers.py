"""The questions of a comparison answered in their fixed order, and every other pair explored.

A fixed order needs no correction: the first question that is not answered yes ends the confirmatory part, and what
follows is labelled exploratory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike

from fbench.measure.power import seeds_needed
from fbench.measure.statistics import Paired, Verdict, holm, paired, verdict
from fbench.results.findings import evidence, interval_ends, number, p_value

from .questions import Question


def answer(question: Question, found: Paired, delta: float, unit: str, *, confirmatory: bool) -> tuple[bool, str]:
    """Whether the question is answered yes, and the sentence that says so."""
    judged = verdict(found, delta)
    if question.relation == ">=":
        yes, claim = _not_inferior(question, judged)
        goal, delta_of = "not inferior", delta
    else:
        yes, claim = _better(question, judged)
        goal, delta_of = "direction", delta
    text = f"{claim}: {evidence(found, unit)}."
    if "unresolved" in claim:
        text += _seeds(found, goal, delta_of)
    if not confirmatory:
        text += " An earlier question of the sequence was not answered yes, so this one is exploratory."
    return yes, text


def _not_inferior(question: Question, judged: Verdict) -> tuple[bool, str]:
    a, b, margin = question.first, question.second, f"margin {judged.delta:g}"
    match judged.margin:
        case "equivalent":
            claim = f"{a} is equivalent to {b}, and so not inferior ({margin})"
        case "not inferior":
            claim = f"{a} is not inferior to {b} ({margin})"
        case "inferior":
            claim = f"{a} is inferior to {b} by more than the margin of {judged.delta:g}"
        case _:
            claim = f"Whether {a} is not inferior to {b} ({margin}) is unresolved"
    if judged.margin != "unresolved" and judged.direction != "unresolved":
        claim += f" and {judged.direction} than it"
    return judged.margin in ("equivalent", "not inferior"), claim


def _better(question: Question, judged: Verdict) -> tuple[bool, str]:
    a, b = question.first, question.second
    if judged.direction == "unresolved":
        return False, f"Whether {a} is better than {b} is unresolved"
    return judged.direction == "better", f"{a} is {judged.direction} than {b}"


def _seeds(found: Paired, goal: str, delta: float) -> str:
    if goal == "direction":
        needed = seeds_needed(found, "direction", delta)
        return (
            f" Were this the true difference, {needed} seeds would show it (80 % power, over sd's 80 % interval)."
            if needed
            else ""
        )
    fit, same = seeds_needed(found, "not inferior", delta), seeds_needed(found, "equivalent", delta)
    if fit is None or same is None:
        return ""
    return (
        f" Two equal arms would need {fit} seeds to show it, {same} for equivalence (80 % power, sd's 80 % interval)."
    )


def sequence(questions: Sequence[Question], values: Mapping[str, ArrayLike], delta: float, unit: str) -> list[str]:
    """The fixed sequence answered: one sentence a question. ``values`` has one number a seed for every arm."""
    confirmatory, sentences = True, []
    for question in questions:
        found = paired(values[question.first], values[question.second])
        yes, text = answer(question, found, delta, unit, confirmatory=confirmatory)
        confirmatory = confirmatory and yes
        sentences.append(text)
    return sentences


def exploratory(pairs: Sequence[tuple[str, str]], values: Mapping[str, ArrayLike], unit: str) -> list[str]:
    """Every other displayed pair, corrected by Holm over the family, and labelled so."""
    found = [paired(values[a], values[b]) for a, b in pairs]
    corrected = holm([each.p for each in found])
    holm_note = f" after Holm's correction for {len(found)}" if len(found) > 1 else ""
    return [
        f"Exploratory: {a} against {b}: {evidence(each, unit)}."
        if math.isnan(p)
        else f"Exploratory: {a} against {b}: {number(each.difference, signed=True)} {unit} (95 % interval "
        f"{interval_ends(each.low, each.high, signed=True)}, uncorrected; {p_value(p)}{holm_note})."
        for (a, b), each, p in zip(pairs, found, corrected, strict=True)
    ]
