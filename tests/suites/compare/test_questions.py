"""Questions of a comparison, as they are typed."""

from __future__ import annotations

import warnings

import pytest

from fbench.errors import UsageError
from fbench.harness.contract import Context
from fbench.harness.registry import SUITES
from fbench.suites.compare.options import QUESTIONS
from fbench.suites.compare.questions import Question, default_questions, parse_questions


def test_both_relations() -> None:
    assert parse_questions("bait+fish >= bait, bait+fish > random") == (
        Question("bait+fish", ">=", "bait"),
        Question("bait+fish", ">", "random"),
    )


@pytest.mark.parametrize("text", ["a>b", " a > b ", "a  >b", "a > b,", ",a > b"])
def test_spaces_do_not_matter(text: str) -> None:
    assert parse_questions(text) == (Question("a", ">", "b"),)


def test_greater_or_equal_is_not_read_as_greater() -> None:
    assert parse_questions("a>=b") == (Question("a", ">=", "b"),)


@pytest.mark.parametrize("text", ["", "  ", ","])
def test_no_question_at_all(text: str) -> None:
    assert parse_questions(text) == ()


@pytest.mark.parametrize(
    "item",
    ["a", "a >", "> b", "a < b", "a <= b", "a = b", "a == b", "a > b > c", "a > a", "a >= a", "a b > c", "a ≥ b"],
)
def test_anything_else_is_refused(item: str) -> None:
    with pytest.raises(UsageError, match=r"write 'A >= B' \(not inferior\) or 'A > B' \(better\)") as refused:
        parse_questions(f"x > y, {item}")
    assert repr(item.strip()) in str(refused.value)


def test_a_question_reads_as_it_was_typed() -> None:
    text = next(p.default for p in SUITES.get("compare").parameters if p.name == "questions")
    assert ", ".join(map(str, parse_questions(text))) == text
    assert len(parse_questions(text)) == 4


@pytest.mark.parametrize(
    ("arms", "asked"),
    [
        ("random,bait,bait+fish,bait+random-mask", QUESTIONS),
        ("random,bait", "bait > random"),
        ("bait,bait+fish", "bait+fish >= bait"),
        ("random,mine,bait+fish", "bait+fish > random, mine > random"),
        (
            "random,bait,bait+fish@328,bait+random-mask@328,bait+sketch@328",
            "bait+fish@328 > random, bait+fish@328 > bait+random-mask@328, bait+random-mask@328 > bait, "
            "bait+fish@328 >= bait, bait+sketch@328 > random",
        ),
        (
            "random,bait+fish@200,bait+random-mask@300,bait+fish",
            "bait+fish > random, bait+fish@200 > random, bait+random-mask@300 > random",
        ),
        ("mine,yours", ""),
        ("random", ""),
    ],
)
def test_default_questions_fit_the_arms(arms: str, asked: str) -> None:
    assert ", ".join(map(str, default_questions(QUESTIONS, arms.split(",")))) == asked


def test_a_margin_of_nobodys_choice_is_warned_of_where_nothing_bounds_the_score() -> None:
    suite = SUITES.get("compare")
    plain = suite.typed(metric="nll", strategies="random,bait", questions="bait >= random")
    with pytest.warns(UserWarning, match=r"--margin 0.005 is in units of nll, which has no upper bound: type the loss"):
        suite.resolve(plain, Context())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        suite.resolve(plain, Context(asked=frozenset({"margin"})))
        suite.resolve(suite.typed(metric="nll", strategies="random,bait", questions="bait > random"), Context())


def test_no_default_question_asks_whether_all_labels_are_better_than_some() -> None:
    suite = SUITES.get("compare")
    resolved = suite.resolve(suite.typed(strategies="random,margin,all"), Context())
    assert resolved.questions == "margin > random"
