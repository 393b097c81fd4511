"""Judged questions as answers: one sentence with its numbers, one piece of advice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fbench.harness.contract import Answer
from fbench.measure.power import AboutSeeds, Goal, about_seeds, seeds_needed
from fbench.results.findings import number, p_value
from fbench.results.words import count_seeds

from .cost import faster
from .curves import Curves, dimensions_apart
from .family import FEWEST, JudgedQuestion
from .questions import Question
from .wording import ends, with_sign

UNIT = "AULC"
SPREAD_APART = 3.0
"""Ratio of two arms' effective dimensions from which λ may explain their difference."""


@dataclass(frozen=True)
class Background:
    """What advice rests on beside a question's own test: the curves, and how much the splits of the seeds overlap.

    ``overlap`` is test images over the others where splits overlap, None where they do not; ``folded`` says that they
    are repeats of disjoint folds.
    """

    curves: Curves
    overlap: float | None
    folded: bool = False

    def unlike(self, judged: JudgedQuestion) -> bool:
        """Whether λ left the two embeddings effective dimensions that are far apart."""
        return dimensions_apart(self.curves, judged.question.first, judged.question.second) > SPREAD_APART

    def cheaper(self, judged: JudgedQuestion) -> str:
        """The arm of the two that takes clearly less time to choose a batch; empty where they cost the same."""
        return faster(self.curves, judged.question.first, judged.question.second)


def all_answers(judged: Sequence[JudgedQuestion], background: Background) -> list[Answer]:
    """An answer for every question."""
    return [
        Answer(
            question_text(test.question, test.margin, lower=test.lower),
            test.verdict,
            _sentence(test, background),
            _advice(test, background),
        )
        for test in judged
    ]


def question_text(question: Question, margin: float, *, lower: bool, where: str = "") -> str:
    """A question as answers ask it, of areas of which less is better where ``lower`` says so; ``where`` it is asked.

    Example:
        >>> question_text(Question("bait", ">=", "random"), 0.005, lower=False, where="at every λ")
        'Is bait no worse than random at every λ, by a margin of 0.005 AULC?'
    """
    first, relation, second = question
    held_to, better = f"{second} {where}".rstrip(), " (lower is better)" if lower else ""
    if relation == ">":
        return f"Is {first} better than {held_to}{better}?"
    return f"Is {first} no worse than {held_to}, by a margin of {margin:g} {UNIT}{better}?"


def _sentence(judged: JudgedQuestion, background: Background) -> str:
    first, second, n = judged.question.first, judged.question.second, judged.comparison.n
    match judged.verdict:
        case "too few" if n < FEWEST:
            asked = ", asked when rows were there" if judged.later else ""
            return f"{gap(judged)} on {count_seeds(n)}{asked}; we give no verdict on fewer than {FEWEST}."
        case "unreliable":
            fallen = f"{judged.collapsed[0]} of {n} seeds of {first} and in {judged.collapsed[1]} of {second}"
            return f"A training collapsed in {fallen}, so the means say little."
    interval = ends(*judged.interval)
    if not interval:
        return f"{gap(judged)} in every one of {count_seeds(n)}: differences without spread have no interval."
    if judged.later:
        return f"{gap(judged)} (95 % interval {interval}); asked when rows were there, so it cannot count as shown."
    if judged.bound:
        return f"{gap(judged)} (95 % interval {interval}; {count_seeds(n)}); {_bound(judged)}."
    if judged.overlap is None:
        return f"{gap(judged)} (95 % interval {interval}; {count_seeds(n)}, {_p(judged)})."
    counted = f"counting overlapping splits {ends(*judged.overlapping)}, {_p(judged)}"
    return f"{gap(judged)} (95 % interval {interval}; {counted}; {count_seeds(n)})."


def gap(judged: JudgedQuestion) -> str:
    """How far the first arm lies above or below the second, as the beginning of a sentence."""
    first, _, second = judged.question
    difference = judged.apart
    if abs(difference) < 5e-5:
        return f"{first} and {second} have the same {UNIT}"
    return f"{first} lies {number(abs(difference))} {UNIT} {'above' if difference > 0 else 'below'} {second}"


def _bound(judged: JudgedQuestion) -> str:
    """The bound that decided, beside the margin."""
    bound = judged.bound
    if bound is None:
        return ""
    level = f"{100 * bound.level:.1f} %".replace(".0 %", " %")
    if not math.isfinite(bound.value):
        return f"so few seeds have no sign-flip bound at {level}"
    shown = bound.value > -judged.margin
    if judged.lower:
        side = "below" if shown else "not below"
        return f"its upper bound, {with_sign(-bound.value)} ({level}, by {bound.by}), lies {side} +{judged.margin:g}"
    side = "above" if shown else "not above"
    return f"its lower bound, {with_sign(bound.value)} ({level}, by {bound.by}), lies {side} −{judged.margin:g}"


def _p(judged: JudgedQuestion) -> str:
    return f"{p_value(judged.corrected)} after Holm" if judged.family > 1 else p_value(judged.corrected)


def _advice(judged: JudgedQuestion, background: Background) -> str:
    first, relation, second = judged.question
    match judged.verdict:
        case "too few":
            return _more_seeds(judged)
        case "unreliable":
            return "Lower --learning-rate or raise --epochs until no training collapses."
    if judged.later:
        return "Ask it of new seeds with --replicate."
    if judged.only_on_these_splits:
        where = "other images" if background.folded else "disjoint folds (--folds 5)"
        return f"Ask it on {where}: it is shown for these splits alone, which overlap."
    if judged.verdict == "no":
        return f"Prefer {second}."
    if judged.verdict == "yes":
        if background.unlike(judged):
            return f"Compare at a smaller λ too: this one leaves {_sizes(judged, background)}."
        return f"Choose {first} over {second}." if relation == ">" else f"{first} may replace {second}."
    cheaper = background.cheaper(judged)
    return f"Take {f'the faster, {cheaper}' if cheaper else 'either, at equal cost'}{_needed(judged)}."


def _sizes(judged: JudgedQuestion, background: Background) -> str:
    sizes = background.curves.dimensions
    few, many = sorted((judged.question.first, judged.question.second), key=lambda name: sizes[name][0])
    return f"{few} {number(sizes[few][0], 1)} effective dimensions and {many} {number(sizes[many][0], 1)}"


def _more_seeds(judged: JudgedQuestion) -> str:
    """How many seeds the spread of two or three suggests for the margin, else that there should be more."""
    seeds = suggested_seeds(judged)
    if seeds is None:
        return "Add seeds to the same run (--seeds 8), and read this again."
    what = "even a gain of" if judged.question.relation == ">" else "that equals differ by less than"
    return f"Add seeds: at this spread, {seeds} would show {what} {judged.margin:g}."


def suggested_seeds(judged: JudgedQuestion) -> AboutSeeds | None:
    """For the margin, at the spread of seeds that are too few for a verdict; None where there is none."""
    if judged.comparison.n >= FEWEST:
        return None
    goal: Goal = "better by the margin" if judged.question.relation == ">" else "not inferior"
    return about_seeds(judged.comparison, goal, judged.margin, least=FEWEST)


def _needed(judged: JudgedQuestion) -> str:
    """How many seeds would show a difference of the margin, or that equal arms do not differ by it."""
    better = judged.question.relation == ">"
    if better and judged.largest_gain < judged.margin:
        return f"; its interval leaves no gain of {judged.margin:g}"
    seeds = seeds_needed(judged.comparison, "better by the margin" if better else "not inferior", judged.margin)
    if seeds is None:
        return ""
    what = "even a gain of" if better else "that equals differ by less than"
    return f"; {seeds} seeds would show {what} {judged.margin:g}"
