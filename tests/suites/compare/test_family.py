"""The family of questions: every verdict, what Holm corrects, which bound decides on a margin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fbench.measure.sign_flips import flip_bound, flip_p_above
from fbench.measure.split_overlap import corrected_p
from fbench.measure.statistics import holm, paired
from fbench.suites.compare.family import ALPHA, JudgedQuestion, judge_family
from fbench.suites.compare.questions import Question

AT_LEAST, BETTER = Question("new", ">=", "old"), Question("new", ">", "old")
MARGIN = 0.005
SPREAD = np.array([-1.0, 0.5, 1.0, -0.5, 0.25, -0.25, 0.75, -0.75])  # mean 0
OLD = 0.8 + 0.01 * np.arange(8)


def one(question: Question, mean: float, sd: float, n: int = 8, **more) -> JudgedQuestion:
    """The question alone, of differences of about this mean and spread."""
    areas = {"new": OLD[:n] + mean + sd * SPREAD[:n], "old": OLD[:n]}
    return judge_family([question], areas, MARGIN, **more)[0]


@pytest.mark.parametrize(
    ("question", "mean", "sd", "verdict"),
    [
        (AT_LEAST, 0, 0.002, "yes"),
        (AT_LEAST, -0.002, 0.001, "yes"),
        (AT_LEAST, 0.05, 0.02, "yes"),
        (AT_LEAST, -0.05, 0.02, "no"),
        (AT_LEAST, 0, 0.02, "not shown"),
        (AT_LEAST, -0.005, 0.001, "not shown"),
        (AT_LEAST, -0.008, 0.02, "not shown"),
        (BETTER, 0.05, 0.02, "yes"),
        (BETTER, -0.05, 0.02, "no"),
        (BETTER, 0.005, 0.02, "not shown"),
        (BETTER, 0, 0.02, "not shown"),
    ],
)
def test_every_verdict(question, mean, sd, verdict):
    assert one(question, mean, sd).verdict == verdict


@pytest.mark.parametrize("question", [AT_LEAST, BETTER])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_than_four_seeds_are_too_few(question, n):
    assert one(question, 0.05, 0.001, n).verdict == "too few"


@pytest.mark.parametrize("question", [AT_LEAST, BETTER])
def test_trainings_that_collapse_make_it_unreliable(question):
    assert one(question, 0.05, 0.001, collapsed={"new": 3}).verdict == "unreliable"
    assert one(question, 0.05, 0.001, collapsed={"old": 3}).verdict == "unreliable"
    assert one(question, 0.05, 0.001, collapsed={"new": 2, "other": 8}).verdict == "yes"


@pytest.mark.parametrize("question", [AT_LEAST, BETTER])
def test_equal_differences_measure_no_spread(question):
    judged = one(question, 0.1, 0)
    assert judged.verdict == "not shown"
    assert math.isnan(judged.p)


def test_identical_arms_are_no_worse_and_not_better():
    assert one(AT_LEAST, 0, 0).verdict == "yes"
    assert one(BETTER, 0, 0).verdict == "not shown"


def test_four_seeds_can_show_a_gain_but_not_that_nothing_is_lost():
    assert one(BETTER, 0.05, 0.005, 4).verdict == "yes"
    judged = one(AT_LEAST, 0.05, 0.005, 4)
    assert (judged.verdict, judged.bound.value) == ("too few", -math.inf)


def areas(*means: float) -> dict[str, np.ndarray]:
    return {
        name: OLD + mean + 0.01 * np.roll(SPREAD, 3 * i)
        for i, (name, mean) in enumerate(zip("abcd", means, strict=False))
    }


def test_all_planned_questions_are_corrected_together():
    values = areas(0.03, 0.02, 0.0)
    asked = [Question("a", ">", "b"), Question("b", ">", "c"), Question("a", ">", "c")]
    judged = judge_family(asked, values, MARGIN)
    p = [paired(values[q.first], values[q.second]).p for q in asked]
    assert [each.p for each in judged] == pytest.approx(p)
    assert [each.corrected for each in judged] == pytest.approx(holm(p).tolist())
    assert {each.family for each in judged} == {3}


def test_overlap_is_counted_before_the_correction():
    """One rule for both kinds of question: a p by the standard error that counts the overlap, and Holm over these."""
    values = areas(0.03, 0.02, 0.0)
    asked = [Question("a", ">", "b"), Question("b", ">", "c"), Question("a", ">=", "b")]
    plain, counted = (judge_family(asked, values, MARGIN, overlap=overlap) for overlap in (None, 0.25))
    compared = [paired(values[q.first], values[q.second]) for q in asked]
    t = (compared[2].difference + MARGIN) / (compared[2].sd * math.sqrt(1 / compared[2].n + 0.25))
    p = [*(corrected_p(each, 0.25) for each in compared[:2]), stats.t.sf(t, compared[2].n - 1)]
    assert [each.p for each in counted] == pytest.approx(p)
    assert [each.corrected for each in counted] == pytest.approx(holm(p).tolist())
    assert [each.p_of_splits for each in counted] == [each.p for each in plain]
    assert [each.verdict for each in plain] == ["yes"] * 3
    assert [each.verdict for each in counted] == ["not shown"] * 3
    assert [each.only_on_these_splits for each in counted] == [False, True, True]


def test_an_answer_no_does_not_end_the_family():
    judged = judge_family(
        [Question("c", ">", "a"), Question("a", ">", "b"), Question("b", ">", "c")], areas(0.1, 0.05, 0), MARGIN
    )
    assert [each.verdict for each in judged] == ["no", "yes", "yes"]


def test_what_was_asked_later_is_in_no_family_and_never_shown():
    planned, late = Question("a", ">", "b"), Question("b", ">", "c")
    alone = judge_family([planned], areas(0.1, 0.05, 0), MARGIN)[0]
    first, last = judge_family([late, planned], areas(0.1, 0.05, 0), MARGIN, later=[late])
    assert (first.question, first.corrected, first.family) == (planned, alone.corrected, 1)
    assert (last.question, last.verdict, last.later) == (late, "not shown", True)
    assert math.isnan(last.corrected)
    assert last.p < 0.001


def test_a_margin_takes_the_larger_p_of_t_and_flips():
    judged = one(AT_LEAST, 0.002, 0.01)
    t = (0.002 + MARGIN) / (judged.comparison.sd / math.sqrt(8))
    assert judged.p == pytest.approx(max(stats.t.sf(t, 7), flip_p_above(0.002 + 0.01 * SPREAD, -MARGIN)))


def test_the_bound_and_the_corrected_p_say_the_same():
    """Where the bound at Holm's level lies above the margin, and only there, the answer is yes."""
    rng, verdicts = np.random.default_rng(0), []
    for _ in range(300):
        values = {name: OLD + rng.normal(rng.choice([-0.01, 0, 0.01]), 0.006, size=8) for name in "abc"}
        asked = [Question("a", ">=", "b"), Question("b", ">", "c"), Question("a", ">=", "c")]
        for each in judge_family(asked, values, MARGIN):
            if each.bound:
                assert (each.verdict == "yes") == (each.bound.value > -MARGIN)
                assert each.bound.level in (1 - ALPHA, 1 - ALPHA / 2, 1 - ALPHA / 3)
                verdicts.append(each.verdict)
    assert {"yes", "no", "not shown"} == set(verdicts)


def test_the_lower_of_the_two_bounds_decides():
    rng, by = np.random.default_rng(0), set()
    for _ in range(50):
        differences = rng.exponential(0.005, size=8) * rng.choice([-1, 1])
        bound = judge_family([AT_LEAST], {"new": OLD + differences, "old": OLD}, MARGIN)[0].bound
        t, flips = paired(OLD + differences, OLD).interval(0.9).low, flip_bound(differences, 0.95)
        assert (bound.value, bound.by) == (pytest.approx(min(t, flips)), "t" if t < flips else "sign flips")
        by.add(bound.by)
    assert by == {"t", "sign flips"}
