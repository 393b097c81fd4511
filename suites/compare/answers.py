"""The questions of a comparison answered in their fixed order, and every other pair explored.

A fixed order needs no correction: the first question that is not answered yes ends the confirmatory part, and what
follows is labelled exploratory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from numpy.typing import ArrayLike

from fbench.measure.power import Goal, seeds_needed
from fbench.measure.statistics import Paired, Verdict, holm, paired, verdict
from fbench.results.findings import evidence, interval_ends, number, p_value

from .questions import Question

_SEEN = " This was asked when rows were there, so it is exploratory: --replicate asks it of new seeds."


def answer_question(
    question: Question, comparison: Paired, delta: float, unit: str, *, confirmatory: bool
) -> tuple[bool, str]:
    """Tell whether the question is answered yes, and the sentence that says so.

    ``comparison`` is the first strategy minus the second, ``delta`` the margin, both in ``unit``.
    """
    judged = verdict(comparison, delta)
    goal: Goal = "not inferior" if question.relation == ">=" else "direction"
    yes, claim = _not_inferior(question, judged) if goal == "not inferior" else _better(question, judged)
    text = f"{claim}: {evidence(comparison, unit)}."
    if "unresolved" in claim:
        text += _needed(comparison, goal, delta)
    if not confirmatory:
        text += " An earlier question of the sequence was not answered yes, so this one is exploratory."
    return yes, text


def _not_inferior(question: Question, judged: Verdict) -> tuple[bool, str]:
    """Whether ``first`` is not inferior by the margin, and the claim that the verdict allows."""
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
    """Whether ``first`` is better, and the claim that the verdict allows."""
    a, b = question.first, question.second
    if judged.direction == "unresolved":
        return False, f"Whether {a} is better than {b} is unresolved"
    return judged.direction == "better", f"{a} is {judged.direction} than {b}"


def _needed(comparison: Paired, goal: Goal, delta: float) -> str:
    """How many seeds would resolve the question; empty where nothing can be said."""
    if goal == "direction":
        needed = seeds_needed(comparison, "direction", delta)
        return (
            f" Were this the true difference, {needed} seeds would show it (80 % power, over sd's 80 % interval)."
            if needed
            else ""
        )
    fit, same = seeds_needed(comparison, "not inferior", delta), seeds_needed(comparison, "equivalent", delta)
    if fit is None or same is None:
        return ""
    return (
        f" Two equal arms would need {fit} seeds to show it, {same} for equivalence (80 % power, sd's 80 % interval)."
    )


def sequence(
    questions: Sequence[Question],
    values: Mapping[str, ArrayLike],
    delta: float,
    unit: str,
    later: Sequence[Question] = (),
) -> list[str]:
    """Answer the questions in their fixed order, a sentence each; those asked ``later``, on rows that were there, last.

    ``values`` has one number a seed for every arm.
    """
    confirmatory, sentences = True, []
    for question in sorted(questions, key=later.__contains__):
        comparison = paired(values[question.first], values[question.second])
        seen = question in later
        yes, text = answer_question(question, comparison, delta, unit, confirmatory=confirmatory or seen)
        confirmatory = confirmatory and (yes or seen)
        sentences.append(f"{text}{_SEEN}" if seen else text)
    return sentences


def exploratory(pairs: Sequence[tuple[str, str]], values: Mapping[str, ArrayLike], unit: str) -> list[str]:
    """A sentence on every other pair that is shown: labelled exploratory, p corrected by Holm over the family."""
    comparisons = [paired(values[a], values[b]) for a, b in pairs]
    corrected = holm([comparison.p for comparison in comparisons])
    holm_note = f" after Holm's correction for {len(pairs)}" if len(pairs) > 1 else ""
    sentences = []
    for (a, b), comparison, p in zip(pairs, comparisons, corrected, strict=True):
        interval = f"95 % interval {interval_ends(comparison.low, comparison.high, signed=True)}, uncorrected"
        difference = f"{number(comparison.difference, signed=True)} {unit} ({interval}; {p_value(p)}{holm_note})"
        text = evidence(comparison, unit) if math.isnan(p) else difference
        sentences.append(f"Exploratory: {a} against {b}: {text}.")
    return sentences
