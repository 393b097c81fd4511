"""The family of questions: every one is tested, and the answers are corrected together by Holm.

``A > B`` is the paired t test, two-sided. ``A >= B`` is that A lies less than the margin below B, one-sided; it is
claimed where both the t bound and the sign-flip bound say so, since differences with a long tail (trainings that
collapse in one arm) make the t bound too bold. Where test sets are drawn from the same images again and again, every t
counts this (Nadeau and Bengio 2003), before Holm corrects: one rule for both kinds of question. A question that was
asked when rows were there is in no family.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from fbench.harness.contract import VerdictWord
from fbench.measure.arrays import Floats
from fbench.measure.sign_flips import flip_bound, flip_p_above
from fbench.measure.split_overlap import corrected_interval, standard_error
from fbench.measure.statistics import Paired, holm, paired, two_sided_p

from .questions import AboutTwo, Question
from .wording import mirrored

ALPHA = 0.05
"""How often the family says anything wrong where arms are equal, at most."""
FEWEST = 4
"""Seeds with which a question is answered at all."""
MOST_COLLAPSED = 0.25
"""Share of an arm's seeds with a collapsed training above which its mean says little."""


@dataclass(frozen=True)
class Bound:
    """The lower end of a difference that decided on a margin, one-sided: ``by`` t or sign flips, the lower of both."""

    value: float
    level: float
    by: str


@dataclass(frozen=True)
class JudgedQuestion(AboutTwo):
    """One question with what the rows say of it.

    ``p`` is its own, ``corrected`` after Holm's correction for the ``family`` of so many questions (nan for one that
    was asked ``later``), and ``level`` is 1 less the share of errors at which Holm decided. ``overlap`` is test images
    over the others where the seeds' splits share images, None where they do not; p counts it, and ``p_of_splits`` does
    not: it is for more seeds on these splits. ``differences`` are those of the seeds; ``collapsed`` are how many of the
    first and of the second arm had a collapsed training.

    All this is of gains: where ``lower`` areas are better, of the second's area less the first's. ``apart``,
    ``interval`` and ``overlapping`` are of the first's less the second's, as tables and sentences have them.
    """

    question: Question
    comparison: Paired
    margin: float
    p: float
    p_of_splits: float
    corrected: float
    family: int
    level: float
    differences: Floats = field(compare=False, repr=False)
    later: bool
    collapsed: tuple[int, int]
    overlap: float | None = None
    lower: bool = False

    @property
    def apart(self) -> float:
        """How far the first's area lies above the second's."""
        return -self.comparison.difference if self.lower else self.comparison.difference

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % t interval of ``apart``."""
        return self._facing(self.comparison.low, self.comparison.high)

    @property
    def overlapping(self) -> tuple[float, float]:
        """The 95 % interval that counts the overlap of the splits; without any it is ``interval``."""
        if self.overlap is None:
            return self.interval
        return self._facing(*corrected_interval(self.comparison, self.overlap))

    @property
    def largest_gain(self) -> float:
        """The upper end of the gain's 95 % interval, which counts the overlap of the splits where there is one."""
        if self.overlap is None:
            return self.comparison.high
        return corrected_interval(self.comparison, self.overlap)[1]

    def _facing(self, low: float, high: float) -> tuple[float, float]:
        return mirrored(low, high) if self.lower else (low, high)

    @property
    def _unbounded(self) -> bool:
        """Whether so few seeds have no sign-flip bound at Holm's level, whatever their differences."""
        bound = self.bound
        return bound is not None and math.isinf(bound.value) and not (self.later or math.isnan(self.p))

    @property
    def bound(self) -> Bound | None:
        """What decided on a margin; None of a question without one."""
        if self.question.relation != ">=":
            return None
        return _bound(self.comparison, self.differences, self.level, self.overlap)

    @property
    def only_on_these_splits(self) -> bool:
        """Whether more seeds on these splits would answer alike, and other images of the kind need not."""
        if self.overlap is None or self.later or self.verdict != "not shown":
            return False
        return self.p_of_splits <= 1 - self.level

    @property
    def verdict(self) -> VerdictWord:
        """The answer; to a question asked later ``not shown`` at best: the rows may have suggested it."""
        if self.comparison.n < FEWEST:
            return "too few"
        if max(self.collapsed) > MOST_COLLAPSED * self.comparison.n:
            return "unreliable"
        if self.later or not self.corrected <= ALPHA:
            return "too few" if self._unbounded else "not shown"
        above = self.comparison.difference > (-self.margin if self.question.relation == ">=" else 0)
        return "yes" if above else "no"


@dataclass(frozen=True)
class Asked:
    """What was asked at one setting of a comparison, and what was measured there.

    Attributes:
        questions: all of them.
        areas: one number a seed for every arm [seeds].
        later: those of the questions that were asked when rows were there.
        collapsed: seeds with a collapsed training, by arm.
        overlap: test images over the others, where the test sets of the seeds share images.
    """

    questions: Sequence[Question]
    areas: Mapping[str, Floats]
    later: Collection[Question] = ()
    collapsed: Mapping[str, int] = field(default_factory=dict)
    overlap: float | None = None


def judge_family(
    questions: Sequence[Question],
    areas: Mapping[str, Floats],
    margin: float,
    later: Collection[Question] = (),
    collapsed: Mapping[str, int] | None = None,
    overlap: float | None = None,
    *,
    lower: bool = False,
) -> list[JudgedQuestion]:
    """Every question of one setting judged, those of the family first; the arguments are those of ``Asked``."""
    return judge_together([Asked(questions, areas, later, collapsed or {}, overlap)], margin, lower=lower)[0]


def judge_together(settings: Sequence[Asked], margin: float, *, lower: bool = False) -> list[list[JudgedQuestion]]:
    """Every question of every setting judged: one family, corrected by Holm over all of them.

    Args:
        settings: what was asked and measured at each.
        margin: of ``A >= B``, above 0, in the unit of the areas.
        lower: whether the smaller area is better.

    Returns:
        the questions of every setting, those of the family first.
    """
    tests = [[_test(asked, question, margin, lower=lower) for question in _in_order(asked)] for asked in settings]
    p = [test.p for of_setting in tests for test in of_setting if not test.later]
    decided = zip(map(float, holm(p)), holm_levels(p), strict=True)
    return [[replace(test, **_decision(test, decided, len(p))) for test in of_setting] for of_setting in tests]


def _decision(test: JudgedQuestion, decided: Iterator[tuple[float, float]], family: int) -> dict[str, Any]:
    """The next decision for a question of the family; none for one that was asked later."""
    corrected, level = (math.nan, 1 - ALPHA) if test.later else next(decided)
    return {"corrected": corrected, "level": level, "family": family}


def _in_order(asked: Asked) -> list[Question]:
    """The questions, those asked later last."""
    return sorted(asked.questions, key=lambda question: question in asked.later)


def _test(asked: Asked, question: Question, margin: float, *, lower: bool) -> JudgedQuestion:
    """A question by itself, not yet corrected for the others."""
    sign = -1 if lower else 1
    first, second = (sign * asked.areas[name] for name in (question.first, question.second))
    comparison = paired(first, second)
    p = partial(question_p, question.relation, comparison, first - second, margin)
    return JudgedQuestion(
        question=question,
        comparison=comparison,
        margin=margin,
        p=p(standard_error(comparison, asked.overlap or 0.0)),
        p_of_splits=p(standard_error(comparison, 0.0)),
        corrected=math.nan,
        family=0,
        level=1 - ALPHA,
        differences=first - second,
        later=question in asked.later,
        collapsed=(asked.collapsed.get(question.first, 0), asked.collapsed.get(question.second, 0)),
        overlap=asked.overlap,
        lower=lower,
    )


def question_p(relation: str, comparison: Paired, differences: Floats, margin: float, error: float) -> float:
    """A question's p, from the differences of the seeds: ``A > B`` two-sided, ``A >= B`` against the margin.

    ``error`` is that of the mean difference; nan where no spread was measured, and then p is, too.
    """
    if math.isnan(error):
        return math.nan
    if relation == ">":
        return two_sided_p(comparison.difference / error if error else 0.0, comparison.n)
    return _margin_p(comparison, differences, margin, error)


def _margin_p(comparison: Paired, differences: Floats, margin: float, error: float) -> float:
    """P that the difference lies above −margin, one-sided, or below it, two-sided: the larger of t's and the flips'.

    Claims to the one and to the other side are never wrong together.
    """
    above = comparison.difference + margin
    by_t = float(special.stdtr(comparison.n - 1, -abs(above) / error)) if error else 0.0
    if above > 0:
        return max(by_t, flip_p_above(differences, -margin))
    return min(1.0, 2 * max(by_t, flip_p_above(-differences, margin)))


def holm_levels(p: Sequence[float]) -> list[float]:
    """The one-sided level at which Holm decided on every question; where he stopped, that of the first one kept."""
    order = np.argsort(p)  # nan last
    levels, stopped = [0.0] * len(p), False
    level = 1 - ALPHA
    for rank, i in enumerate(order):
        if not stopped:
            level = 1 - ALPHA / (len(p) - rank)
            stopped = not p[i] <= 1 - level
        levels[i] = level
    return levels


def _bound(comparison: Paired, differences: Floats, level: float, overlap: float | None) -> Bound:
    """The lower of the two lower bounds of the difference; −inf where there are too few seeds for one."""
    if comparison.n < 2 or math.isnan(comparison.p):
        return Bound(-math.inf, level, "t")
    by_t = corrected_interval(comparison, overlap or 0.0, 2 * level - 1).low
    by_flips = flip_bound(differences, level)
    if by_t > by_flips:
        return Bound(by_flips, level, "sign flips")
    return Bound(by_t, level, "t" if overlap is None else "t counting overlapping splits")
