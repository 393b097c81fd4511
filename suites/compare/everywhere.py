"""What holds at every setting of a comparison: every λ, every data set.

A claim over all settings is an intersection-union test (Berger 1982): it holds where it holds at each of them, and its
p is the largest. That needs no correction for the number of settings, only Holm's for the number of claims. It is
much to ask, so the mean over settings is tested too, a family of its own. That a claim is contradicted is said where
one setting shows the opposite, corrected by Holm over all questions of all settings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fbench.harness.contract import VerdictWord
from fbench.measure.arrays import Floats
from fbench.measure.statistics import holm

from .curves import Curves, dimensions_apart
from .family import ALPHA, FEWEST, Asked, JudgedQuestion, judge_together
from .mean_of_settings import GainsAt, MeanOfSettings, mean_of_settings
from .questions import AboutTwo, Question
from .settings import CompareSetting
from .wording import mirrored


@dataclass(frozen=True)
class AtSetting:
    """What was measured at a setting, and what it says of the questions; ``overlap`` as in ``JudgedQuestion``."""

    setting: CompareSetting
    curves: Curves
    judged: Sequence[JudgedQuestion]
    overlap: float | None

    def test_of(self, question: Question) -> JudgedQuestion | None:
        """What it says of one of them; None where a strategy of it finished no seed."""
        return next((test for test in self.judged if test.question == question), None)


Answered = Sequence[tuple[AtSetting, JudgedQuestion]]
"""The settings that answer a question, each with its answer."""


@dataclass(frozen=True)
class Claim(AboutTwo):
    """A question over several settings.

    Attributes:
        question: what is asked at each of them.
        tests: what each says.
        settings: which they are.
        corrected: the largest p of all, after Holm's correction for ``family`` claims.
        mean: of the differences, over the settings, paired by seed; None where the settings share no seed.
        mean_corrected: its p, after Holm's correction for the means of the family; nan where there is none.
        overlap: the largest of the settings', test images over the others; None where no splits overlap.
        most_apart: how many times apart the strategies' effective dimensions lie at a setting, at most.
    """

    question: Question
    settings: Sequence[CompareSetting]
    tests: Sequence[JudgedQuestion]
    corrected: float
    family: int
    mean: MeanOfSettings | None
    mean_corrected: float
    overlap: float | None
    most_apart: float

    @property
    def lower(self) -> bool:
        """Whether smaller areas are better."""
        return self.tests[0].lower

    @property
    def later(self) -> bool:
        """Whether it was asked when rows were there."""
        return self.tests[0].later

    def count(self, verdict: VerdictWord) -> int:
        """At how many settings the question has this answer."""
        return sum(test.verdict == verdict for test in self.tests)

    def where(self, verdict: VerdictWord) -> list[CompareSetting]:
        """At which settings the question has this answer."""
        return [setting for setting, test in zip(self.settings, self.tests, strict=True) if test.verdict == verdict]

    @property
    def least(self) -> tuple[CompareSetting, JudgedQuestion]:
        """The setting at which the difference is the least gain, and what it says."""
        place = min(range(len(self.tests)), key=lambda i: self.tests[i].comparison.difference)
        return self.settings[place], self.tests[place]

    @property
    def verdict(self) -> VerdictWord:
        """Yes where every setting shows it, no where one shows the opposite."""
        if any(test.comparison.n < FEWEST for test in self.tests):
            return "too few"
        if any(test.verdict == "unreliable" for test in self.tests):
            return "unreliable"
        if self.count("no"):
            return "no"
        above = all(test.comparison.difference > -threshold_of(test) for test in self.tests)
        return "yes" if above and self.corrected <= ALPHA else "not shown"

    @property
    def mean_verdict(self) -> VerdictWord:
        """What the mean over settings shows by itself: yes, no (the opposite), or not shown."""
        if self.mean is None or self.verdict in ("too few", "unreliable") or not self.mean_corrected <= ALPHA:
            return "not shown"
        return "yes" if self.mean.comparison.difference > -threshold_of(self.tests[0]) else "no"

    @property
    def in_the_mean(self) -> bool:
        """Whether it is shown of the mean over settings."""
        return self.mean_verdict == "yes"

    def mean_interval(self) -> tuple[float, float]:
        """The 95 % interval of ``mean``, counting overlapping splits where there are any; as sentences have it."""
        if self.mean is None:
            return math.nan, math.nan
        return mirrored(*self.mean.interval) if self.lower else self.mean.interval

    @property
    def mean_apart(self) -> float:
        """How far the first's area lies above the second's, in the mean over settings; nan where there is none."""
        if self.mean is None:
            return math.nan
        gain = self.mean.comparison.difference
        return -gain if self.lower else gain


def threshold_of(test: JudgedQuestion) -> float:
    """What a difference is held to, below 0: the margin of ``A >= B``, 0 of ``A > B``."""
    return test.margin if test.question.relation == ">=" else 0.0


def judge_settings(
    measured: Sequence[tuple[CompareSetting, Curves, float | None]],
    questions: Sequence[Question],
    later: Sequence[Question],
    margin: float,
    regularised: frozenset[str],
) -> list[AtSetting]:
    """Every question at every setting; one of strategies without λ once a data set.

    Args:
        measured: settings, their curves, and how much their splits overlap.
        questions: all of them.
        later: those asked when rows were there.
        margin: of ``A >= B``.
        regularised: strategies that λ changes.
    """
    asked, seen = [], set()
    for setting, curves, overlap in measured:
        here = []
        for question in questions:
            plain = not {question.first, question.second} & regularised
            known = {question.first, question.second} <= set(curves.values)
            if known and not (plain and (setting.dataset, question) in seen):
                seen.add((setting.dataset, question))
                here.append(question)
        asked.append(Asked(here, curves.areas, later, curves.collapsed, overlap))
    lower = bool(measured) and measured[0][1].lower
    judged = judge_together(asked, margin, lower=lower)
    return [AtSetting(at, here, tests, overlap) for (at, here, overlap), tests in zip(measured, judged, strict=True)]


def claims_over(places: Sequence[AtSetting], questions: Sequence[Question], regularised: frozenset[str]) -> list[Claim]:
    """Every question over all the settings that answer it, in one family."""
    tested = [[(place, test) for place in places if (test := place.test_of(question))] for question in questions]
    kept = [(question, pairs) for question, pairs in zip(questions, tested, strict=True) if pairs]
    asked = [place for place, (_, pairs) in enumerate(kept) if not pairs[0][1].later]
    means = [_mean_over(pairs) for _, pairs in kept]
    everywhere = _corrected([_largest_p(pairs) for _, pairs in kept], asked)
    in_the_mean = _corrected([mean.p if mean else math.nan for mean in means], asked)
    return [
        Claim(
            question,
            [_shown(at.setting, question, regularised) for at, _ in pairs],
            [test for _, test in pairs],
            everywhere[place],
            len(asked),
            means[place],
            in_the_mean[place],
            _overlap_of(pairs),
            _most_apart(pairs),
        )
        for place, (question, pairs) in enumerate(kept)
    ]


def _corrected(p: Sequence[float], asked: Sequence[int]) -> list[float]:
    """Holm's correction for those of the p that were asked before the run; nan for the others."""
    corrected = [math.nan] * len(p)
    for place, value in zip(asked, holm([p[place] for place in asked]), strict=True):
        corrected[place] = float(value)
    return corrected


def _shown(setting: CompareSetting, question: Question, regularised: frozenset[str]) -> CompareSetting:
    """The setting as a question of it names it: without λ where neither strategy has one."""
    return setting if {question.first, question.second} & regularised else CompareSetting(setting.dataset, "")


def _largest_p(pairs: Answered) -> float:
    """The p of all settings together; nan where one has none."""
    ps = [test.p for _, test in pairs]
    return math.nan if any(map(math.isnan, ps)) else max(ps)


def _overlap_of(pairs: Answered) -> float | None:
    """The largest of the settings'."""
    return max((test.overlap for _, test in pairs if test.overlap is not None), default=None)


def _mean_over(pairs: Answered) -> MeanOfSettings | None:
    """The mean over the settings, of the seeds that all of them have."""
    seeds = set.intersection(*(set(at.curves.numbers) for at, _ in pairs))
    return mean_of_settings([GainsAt(at.setting.dataset, test, _gains_of(at, test, seeds)) for at, test in pairs])


def _most_apart(pairs: Answered) -> float:
    """How many times apart the two strategies' effective dimensions lie at one setting, at most."""
    return max(dimensions_apart(at.curves, test.question.first, test.question.second) for at, test in pairs)


def _gains_of(at: AtSetting, test: JudgedQuestion, seeds: set[int]) -> Floats:
    """The gains of some seeds at a setting, in their order."""
    kept = [place for place, number in enumerate(at.curves.numbers) if number in seeds]
    return test.differences[kept]
