"""Answers in words: what each verdict says and advises, in so many words at most."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from compare_curves import NAMES, curves_of, made
from hypothesis import given
from hypothesis import strategies as st
from plain import words

from fbench.harness.contract import Answer
from fbench.measure.power import seeds_needed
from fbench.suites.compare.answers import Background, all_answers
from fbench.suites.compare.family import judge_family
from fbench.suites.compare.lead import three_lines
from fbench.suites.compare.metrics import SCORES
from fbench.suites.compare.options import QUESTIONS
from fbench.suites.compare.questions import Question, parse_questions

FAMILY = parse_questions(QUESTIONS)
SPREAD = np.array([-1.0, 0.5, 1.0, -0.5, 0.25, -0.25, 0.75, -0.75])  # mean 0
LABELS = np.array([20.0, 40.0, 60.0])


def two(mean: float, sd: float, n: int = 8, overlap: float | None = None, d_eff: float = 12.0) -> Background:
    """Curves of ``new`` and ``old`` that differ by this mean and spread in their area."""
    old = np.tile([0.6, 0.7, 0.8], (n, 1)) + 0.01 * np.arange(n)[:, None]
    curves = curves_of({"new": old + mean + sd * SPREAD[:n, None], "old": old}, LABELS)
    return Background(replace(curves, dimensions={"new": (12.0, 328), "old": (d_eff, 160)}), overlap)


def answer(relation: str, background: Background, margin: float = 0.005, **more) -> Answer:
    shared = background.overlap
    judged = judge_family([Question("new", relation, "old")], background.curves.areas, margin, overlap=shared, **more)
    (only,) = all_answers(judged, background)
    return only


def test_a_yes_names_the_gain_its_interval_and_p() -> None:
    said = answer(">", two(0.05, 0.01))
    assert (said.question, said.verdict) == ("Is new better than old?", "yes")
    assert said.sentence == "new lies 0.0500 AULC above old (95 % interval +0.0439 to +0.0561; 8 seeds, p < 0.001)."
    assert said.advice == "Choose new over old."


def test_a_no_says_what_is_better() -> None:
    said = answer(">", two(-0.05, 0.01))
    assert said.verdict == "no"
    assert said.sentence.startswith("new lies 0.0500 AULC below old (95 % interval −0.0561 to −0.0439;")
    assert said.advice == "Prefer old."


def test_not_shown_names_the_seeds_for_the_margin_and_not_for_what_was_seen() -> None:
    background = two(0.001, 0.02)
    said = answer(">", background)
    comparison = judge_family([Question("new", ">", "old")], background.curves.areas, 0.005)[0].comparison
    needed = seeds_needed(comparison, "better by the margin", 0.005)
    assert said.verdict == "not shown"
    assert said.advice == f"Take either, at equal cost; {needed} seeds would show even a gain of 0.005."
    slow = replace(background.curves, seconds={"new": (0.1, 1.0), "old": (0.1, 2.0)})
    advice = answer(">", replace(background, curves=slow)).advice
    assert advice == f"Take the faster, new; {needed} seeds would show even a gain of 0.005."


def test_not_shown_names_no_seeds_for_a_gain_that_is_ruled_out() -> None:
    """The same spread, and a margin on either side of the interval's end."""
    background = two(0.0, 0.002)
    [judged] = judge_family([Question("new", ">", "old")], background.curves.areas, 0.005)
    end = judged.largest_gain
    assert end == judged.comparison.high
    assert "seeds would show" in answer(">", background, margin=0.9 * end).advice
    assert answer(">", background, margin=0.01).advice == (
        "Take either, at equal cost; its interval leaves no gain of 0.01."
    )
    overlapping = replace(judged, overlap=0.5)
    assert overlapping.largest_gain == overlapping.overlapping[1] > end


def test_a_margin_prints_the_bound_that_decided() -> None:
    said = answer(">=", two(0.002, 0.005))
    assert said.question == "Is new no worse than old, by a margin of 0.005 AULC?"
    assert said.verdict == "yes"
    assert "; its lower bound, −0.0005 (95 %, by sign flips), lies above −0.005." in said.sentence
    assert said.advice == "new may replace old."


def test_where_less_is_better_the_upper_bound_decides() -> None:
    background = two(-0.002, 0.005)
    background = replace(background, curves=replace(background.curves, measured=SCORES["nll"]))
    said = answer(">=", background, lower=True)
    assert (said.question, said.verdict) == (
        "Is new no worse than old, by a margin of 0.005 AULC (lower is better)?",
        "yes",
    )
    assert said.sentence.startswith("new lies 0.0020 AULC below old (95 % interval −0.0051 to +0.0011;")
    assert "; its upper bound, +0.0005 (95 %, by sign flips), lies below +0.005." in said.sentence
    missed = answer(">=", two(0.0, 0.02), lower=True)
    assert "its upper bound, +" in missed.sentence
    assert "lies not below +0.005" in missed.sentence
    overlapping = two(-0.05, 0.01, overlap=0.25)
    said = answer(">", overlapping, lower=True)
    assert said.verdict == "yes"
    plain = answer(">", two(0.05, 0.01, overlap=0.25))
    digits = [re.findall(r"[−+]0\.\d+", text) for text in (said.sentence, plain.sentence)]
    ends = [[-float(end.replace("−", "-")) for end in digits[0]], [float(end.replace("−", "-")) for end in digits[1]]]
    assert [*sorted(ends[0][:2]), *sorted(ends[0][2:])] == ends[1]


def test_a_margin_that_is_missed_prints_its_bound_too() -> None:
    said = answer(">=", two(0.0, 0.02))
    assert said.verdict == "not shown"
    assert "lies not above −0.005" in said.sentence
    assert "seeds would show that equals differ by less than 0.005." in said.advice
    said = answer(">=", two(-0.05, 0.01))
    assert (said.verdict, said.advice) == ("no", "Prefer old.")


def test_four_seeds_have_no_sign_flip_bound() -> None:
    said = answer(">=", two(0.05, 0.01, n=4))
    assert said.verdict == "too few"
    assert "so few seeds have no sign-flip bound at 95 %" in said.sentence
    assert said.advice == "Add seeds to the same run (--seeds 8), and read this again."


def test_too_few_seeds_have_no_interval() -> None:
    said = answer(">", two(0.05, 0.01, n=3))
    assert said.verdict == "too few"
    assert said.sentence == "new lies 0.0517 AULC above old on 3 seeds; we give no verdict on fewer than 4."
    assert said.advice == "Add seeds: at this spread, some 50 would show even a gain of 0.005."
    margin = answer(">=", two(0.05, 0.01, n=2)).advice
    assert margin == "Add seeds: at this spread, some 50 would show that equals differ by less than 0.005."
    for alone in (two(0.05, 0.01, n=1), two(0.05, 0.0, n=3)):
        assert answer(">", alone).advice == "Add seeds to the same run (--seeds 8), and read this again."
    assert answer(">", two(0.05, 0.01, n=1)).sentence.startswith("new lies 0.0400 AULC above old on 1 seed;")


def test_collapsed_trainings_are_counted_and_nothing_is_claimed() -> None:
    said = answer(">", two(0.05, 0.01), collapsed={"new": 1, "old": 4})
    assert said.verdict == "unreliable"
    assert said.sentence == "A training collapsed in 1 of 8 seeds of new and in 4 of old, so the means say little."
    assert "--learning-rate" in said.advice


def test_what_was_asked_afterwards_says_so_and_counts_for_nothing() -> None:
    question = Question("new", ">", "old")
    said = answer(">", two(0.05, 0.01), later=[question])
    assert said.verdict == "not shown"
    assert said.sentence.endswith("asked when rows were there, so it cannot count as shown.")
    assert said.advice == "Ask it of new seeds with --replicate."


def test_differences_without_spread_have_no_interval() -> None:
    said = answer(">", two(0.1, 0.0))
    assert said.verdict == "not shown"
    assert said.sentence == (
        "new lies 0.1000 AULC above old in every one of 8 seeds: differences without spread have no interval."
    )


def test_equal_arms_are_not_above_or_below() -> None:
    assert answer(">", two(0.0, 0.01)).sentence.startswith("new and old have the same AULC (95 % interval −")


def test_splits_that_overlap_have_their_interval_beside_the_t_interval() -> None:
    said = answer(">", two(0.01, 0.01, overlap=0.25))
    assert said.verdict == "not shown"
    both = "95 % interval +0.0039 to +0.0161; counting overlapping splits −0.0006 to +0.0206, p = 0.061; 8 seeds"
    assert both in said.sentence
    assert said.advice == "Ask it on disjoint folds (--folds 5): it is shown for these splits alone, which overlap."
    assert answer(">", two(0.05, 0.01, overlap=0.25)).advice == "Choose new over old."


def test_repeated_folds_overlap_and_more_of_them_would_not_help() -> None:
    background = replace(two(0.01, 0.01, overlap=0.25), folded=True)
    judged = judge_family([Question("new", ">", "old")], background.curves.areas, 0.005, overlap=0.25)
    [said] = all_answers(judged, background)
    assert said.advice == "Ask it on other images: it is shown for these splits alone, which overlap."
    assert three_lines(judged, background, "digits")[2].count("--folds") == 0


def test_what_holds_on_these_splits_alone_is_not_shown() -> None:
    repeat = "Ask it on disjoint folds (--folds 5): it is shown for these splits alone, which overlap."
    for relation, mean, verdict in (
        (">", 0.01, "yes"),
        (">", -0.01, "no"),
        (">=", 0.002, "yes"),
        (">=", -0.0125, "no"),
    ):
        said = answer(relation, two(mean, 0.01, overlap=0.25))
        assert (said.verdict, said.advice) == ("not shown", repeat), said
        assert answer(relation, two(mean, 0.01)).verdict == verdict


def test_effective_dimensions_that_are_far_apart_are_named() -> None:
    said = answer(">", two(0.05, 0.01, d_eff=2.3))
    assert said.advice == "Compare at a smaller λ too: this one leaves old 2.3 effective dimensions and new 12.0."


# The three lines


def lines(gains: dict[str, float], seeds: int = 8, overlap: float | None = None, **more) -> tuple[str, str, str]:
    curves = made(np.random.default_rng(1), seeds, gains=gains, sd=0.003)
    background = Background(replace(curves, dimensions=more.pop("dimensions", {})), overlap)
    return three_lines(judge_family(FAMILY, curves.areas, 0.005, overlap=overlap, **more), background, "digits")


COMMITTED = {"bait": 0.024, "bait+random-mask": 0.043, "bait+fish": 0.043}
"""Gains over random as 24 seeds of the digits have them."""


def test_the_lead_says_what_beats_what() -> None:
    first, numbers, advice = lines(COMMITTED, dimensions={"bait": (2.3, 160), "bait+fish": (11.9, 328)})
    assert first == (
        "On digits, bait+fish beats random; bait+random-mask beats bait; bait+fish is no worse than bait; "
        "bait+fish is not shown to beat bait+random-mask."
    )
    assert numbers.startswith("AULC (95 % interval, 8 seeds): bait+fish − random +0.04")
    assert numbers.count("(") == 5
    assert advice == "Take bait+fish or bait+random-mask, neither being shown better; compare with bait at a smaller λ."


def test_a_win_that_overlap_may_have_made_is_not_shown_and_is_to_be_confirmed() -> None:
    gains = {**COMMITTED, "bait+fish": 0.052}
    first, _, advice = lines(gains, overlap=0.25)
    assert first.startswith("On digits, bait+fish beats random; ")
    assert "bait+fish is not shown to beat bait+random-mask" in first
    assert "confirm its gain over bait+random-mask with --folds 5" in advice


def test_too_few_seeds_name_no_winner() -> None:
    first, numbers, advice = lines(COMMITTED, seeds=3)
    assert first == "3 seeds on digits are too few to say which strategy is better."
    assert numbers.startswith("AULC, mean of 3 seeds: random 0.8")
    assert "to" not in numbers.split()
    assert advice == "Add seeds to the same run: at this spread, some 20 would settle a margin of 0.005."
    assert "--seeds 8" in lines(COMMITTED, seeds=1)[2]
    assert lines(COMMITTED, seeds=1)[0].startswith("1 seed on digits is too few")


def test_collapsed_trainings_come_first() -> None:
    first, _, advice = lines(COMMITTED, collapsed={"bait": 5})
    assert first.startswith("On digits, trainings of bait collapse, so their means say little; ")
    assert "--learning-rate" in advice


def test_equal_arms_have_no_winner() -> None:
    first, _, advice = lines({})
    assert "beats" not in first
    assert advice == "Take random, the fastest, or add seeds: no strategy is shown to be better."


@pytest.mark.parametrize(
    ("slow", "taken"),
    [
        ((), "any, at equal cost"),
        (("bait", "bait+fish"), "random or bait+random-mask, equally fast"),
        (("bait", "bait+fish", "bait+random-mask"), "random, the fastest"),
    ],
)
def test_what_costs_the_same_is_not_ranked(slow: tuple[str, ...], taken: str) -> None:
    curves = made(np.random.default_rng(0), 8)
    curves = replace(curves, seconds={name: (0.1, 1.0 if name in slow else 0.001) for name in NAMES})
    judged = judge_family(FAMILY, curves.areas, 0.005)
    untimed = replace(curves, seconds=dict.fromkeys(NAMES, (0.1, float("nan"))))
    assert three_lines(judged, Background(untimed, None), "digits")[2].startswith("Take any strategy, or add seeds: ")
    assert three_lines(judged, Background(curves, None), "digits")[2].startswith(
        f"Take {taken}, or add seeds: no strat"
    )


def test_a_gain_that_no_question_was_about_is_to_be_asked_of_new_seeds() -> None:
    gains = {"bait": 0.026, "bait+random-mask": 0.016, "bait+fish": 0.012}
    first, _, advice = lines(gains, overlap=2.0)
    assert "beats" not in first
    assert advice == "Ask bait > random of new seeds (--replicate): no question was about it, and bait lies above."
    assert "add seeds" in lines({"bait": 0.005}, overlap=2.0)[2]


def test_questions_asked_afterwards_alone_show_nothing() -> None:
    first, _, advice = lines(COMMITTED, later=FAMILY)
    assert first == "No question was fixed before this run, so it shows nothing."
    assert "--questions" in advice


ARMS = st.sampled_from([*NAMES])
ASKED = st.lists(
    st.builds(Question, ARMS, st.sampled_from([">", ">="]), ARMS).filter(lambda q: q.first != q.second),
    unique=True,
    max_size=9,
)


@given(ASKED, st.integers(1, 9), st.sampled_from([0.0, 0.01, 0.05]), st.data())
def test_every_sentence_is_short_and_plain(asked, seeds, spread, data) -> None:
    gains = {name: data.draw(st.floats(-0.2, 0.2)) * spread for name in NAMES}
    curves = made(
        np.random.default_rng(seeds), seeds, data.draw(st.sampled_from(["normal", "crash"])), gains, sd=spread
    )
    background = Background(curves, data.draw(st.sampled_from([None, 0.25])))
    later = [question for question in asked if data.draw(st.booleans())]
    fallen = {name: data.draw(st.integers(0, seeds)) for name in NAMES}
    judged = judge_family(asked, curves.areas, 0.005, later, fallen, background.overlap)
    for said in all_answers(judged, background):
        assert words(said.sentence) <= 30, said.sentence
        assert words(said.advice) <= 20, said.advice
        assert not {"nan", "inf"} & set(said.sentence.replace("(", " ").split())
    for line, most in zip(three_lines(judged, background, "digits"), (30, 30, 20), strict=True):
        assert words(line) <= most, line
