"""The questions of a comparison: each verdict says what the numbers allow, and no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from fbench.measure.power import seeds_needed
from fbench.measure.statistics import Paired, paired
from fbench.results.findings import number, p_value
from fbench.suites.compare.answers import answer_question, exploratory, sequence
from fbench.suites.compare.questions import Question

AT_LEAST, BETTER = Question("new", ">=", "old"), Question("new", ">", "old")
DELTA = 0.005
SPREAD = np.array([-1.0, 0.5, 1.0, -0.5, 0.25, -0.25, 0.75, -0.75])  # mean 0


def comparison(mean: float, sd: float, n: int = 8) -> Paired:
    """Differences with about this mean and spread, around a level of 0.8."""
    return paired(0.8 + mean + sd * SPREAD[:n], [0.8] * n)


def say(question: Question, mean: float, sd: float, *, confirmatory: bool = True, n: int = 8) -> tuple[bool, str]:
    return answer_question(question, comparison(mean, sd, n), DELTA, "AULC", confirmatory=confirmatory)


@pytest.mark.parametrize(
    ("question", "mean", "sd", "yes", "claim"),
    [
        (AT_LEAST, 0, 0.002, True, "new is equivalent to old, and so not inferior (margin 0.005):"),
        (AT_LEAST, 0.002, 0.001, True, "new is equivalent to old, and so not inferior (margin 0.005) and better"),
        (AT_LEAST, -0.002, 0.001, True, "new is equivalent to old, and so not inferior (margin 0.005) and worse"),
        (AT_LEAST, 0.01, 0.02, True, "new is not inferior to old (margin 0.005):"),
        (AT_LEAST, 0.05, 0.02, True, "new is not inferior to old (margin 0.005) and better than it:"),
        (AT_LEAST, -0.05, 0.02, False, "new is inferior to old by more than the margin of 0.005 and worse than it:"),
        (AT_LEAST, 0, 0.02, False, "Whether new is not inferior to old (margin 0.005) is unresolved:"),
        (AT_LEAST, -0.008, 0.02, False, "Whether new is not inferior to old (margin 0.005) is unresolved"),
        (BETTER, 0.05, 0.02, True, "new is better than old:"),
        (BETTER, -0.05, 0.02, False, "new is worse than old:"),
        (BETTER, 0.005, 0.02, False, "Whether new is better than old is unresolved:"),
    ],
)
def test_each_verdict(question: Question, mean: float, sd: float, yes: bool, claim: str) -> None:
    answered, text = say(question, mean, sd)
    assert answered is yes
    assert text.startswith(claim)
    assert f"mean paired difference {number(mean, signed=True)} AULC (95 % interval " in text
    assert "8 seeds, paired t against 0 p" in text
    assert ("seeds to show it" in text or "seeds would show it" in text) is ("is unresolved" in claim)
    assert "exploratory" not in text
    assert text.endswith(".")


def test_unresolved_not_inferior_names_seeds_for_both_claims() -> None:
    level = comparison(0, 0.02)
    fit, same = (seeds_needed(level, goal, DELTA) for goal in ("not inferior", "equivalent"))
    assert (
        f"Two equal arms would need {fit} seeds to show it, {same} for equivalence (80 % power, sd's 80 % interval)."
        in answer_question(AT_LEAST, level, DELTA, "AULC", confirmatory=True)[1]
    )
    assert str(fit) != str(same)


def test_unresolved_direction_names_the_seeds_for_what_was_observed() -> None:
    above = comparison(0.005, 0.02)
    text = answer_question(BETTER, above, DELTA, "AULC", confirmatory=True)[1]
    needed = seeds_needed(above, "direction", DELTA)
    assert text.endswith(
        f"Were this the true difference, {needed} seeds would show it (80 % power, over sd's 80 % interval)."
    )


@pytest.mark.parametrize("question", [AT_LEAST, BETTER])
def test_one_seed_resolves_nothing(question: Question) -> None:
    yes, text = answer_question(question, paired([0.9], [0.1]), DELTA, "AULC", confirmatory=True)
    assert not yes
    assert "is unresolved: +0.8000 AULC on one seed, which has no interval." in text
    assert "nan" not in text
    assert "80 % power" not in text


@pytest.mark.parametrize("question", [AT_LEAST, BETTER])
def test_equal_differences_measure_no_spread(question: Question) -> None:
    yes, text = answer_question(question, paired([0.9] * 8, [0.8] * 8), DELTA, "AULC", confirmatory=True)
    assert not yes
    assert "is unresolved" in text
    assert "95 % interval n/a" in text
    assert "80 % power" not in text
    assert "nan" not in text
    assert "d_z" not in text


def test_identical_arms_are_equivalent_and_not_better() -> None:
    same = paired([0.8, 0.9, 0.7], [0.8, 0.9, 0.7])
    yes, text = answer_question(AT_LEAST, same, DELTA, "AULC", confirmatory=True)
    assert yes
    assert "equivalent" in text
    assert "+0.0000 to +0.0000" in text
    yes, text = answer_question(BETTER, same, DELTA, "AULC", confirmatory=True)
    assert not yes
    assert "unresolved" in text
    assert "nan" not in text


def test_two_seeds_have_an_effect_size_without_hedges_correction() -> None:
    text = answer_question(BETTER, comparison(0.01, 0.02, n=2), DELTA, "AULC", confirmatory=True)[1]
    assert "2 seeds" in text
    assert "nan" not in text
    assert "the smallest possible being 0.5" in text


ARMS: dict[str, Sequence[float]] = {
    "high": 0.9 + 0.001 * SPREAD,
    "low": 0.7 + 0.001 * SPREAD[::-1],
    "mid": 0.8 + 0.001 * np.roll(SPREAD, 3),
}


def test_a_sequence_goes_on_while_the_answer_is_yes() -> None:
    asked = [Question("high", ">=", "mid"), Question("high", ">", "mid"), Question("mid", ">", "low")]
    sentences = sequence(asked, ARMS, DELTA, "AULC")
    assert len(sentences) == 3
    assert not any("exploratory" in text for text in sentences)


def test_what_follows_the_first_no_is_exploratory() -> None:
    asked = [Question("high", ">", "mid"), Question("low", ">", "mid"), Question("high", ">", "low"), asked_last()]
    marked = ["exploratory" in text for text in sequence(asked, ARMS, DELTA, "AULC")]
    assert marked == [False, False, True, True]


def asked_last() -> Question:
    return Question("mid", ">=", "low")


def test_no_question_no_sentence() -> None:
    assert sequence([], ARMS, DELTA, "AULC") == []
    assert exploratory([], ARMS, "AULC") == []


def test_exploratory_pairs_are_corrected_by_holm_and_labelled() -> None:
    values = {"base": [0.5] * 8, "a": 0.5 + 0.01 + 0.01 * SPREAD, "b": 0.5 + 0.004 + 0.01 * SPREAD}
    sentences = exploratory([("b", "base"), ("a", "base")], values, "AULC")
    p = {name: paired(values[name], values["base"]).p for name in "ab"}
    assert p["a"] < p["b"]
    assert sentences[1].startswith("Exploratory: a against base: +0.0100 AULC (95 % interval +")
    assert f"{p_value(2 * p['a'])} after Holm's correction for 2)" in sentences[1]
    assert f"{p_value(max(p['b'], 2 * p['a']))} after Holm's correction for 2)" in sentences[0]


def test_exploratory_on_one_seed_has_no_nan() -> None:
    (text,) = exploratory([("a", "b")], {"a": [0.9], "b": [0.8]}, "AULC")
    assert "+0.1000 AULC" in text
    assert "nan" not in text


def test_what_was_asked_when_rows_were_there_comes_last_and_says_so() -> None:
    late, planned = Question("high", ">", "low"), Question("high", ">", "mid")
    first, last = sequence([late, planned], ARMS, DELTA, "AULC", later=[late])
    assert first.startswith("high is better than mid")
    assert "asked when rows were there" not in first
    assert last.startswith("high is better than low")
    assert last.endswith(
        " This was asked when rows were there, so it is exploratory: --replicate asks it of new seeds."
    )
