"""The rule for pairs: what is called, what is not, and how many pairs it takes."""

import math

import numpy as np
import pytest

from fbench.errors import InputError
from fbench.regression.paired_rule import PAIRED_LEVEL, fewest_pairs, judge_pairs, time_verdict


def logs(change, n=20, sd=0.02, seed=0):
    return np.random.default_rng(seed).normal(math.log1p(change), sd, n).tolist()


def test_the_four_verdicts():
    judged = judge_pairs({"a": logs(0.1), "b": logs(0.0), "c": logs(-0.1), "d": logs(0.04, sd=0.2)})
    words = [judgement.verdict for judgement in judged.values()]
    assert words == ["slower", "same within the margin", "faster", "not shown"]
    assert judged["a"].low < judged["a"].ratio < judged["a"].high
    assert judged["a"].ratio == pytest.approx(1.1, abs=0.02)
    assert not any(judgement.why for judgement in judged.values())


def test_what_is_shown_and_below_the_margin_is_not_called():
    [judgement] = judge_pairs({"a": logs(0.02, n=60, sd=0.01)}).values()
    assert judgement.adjusted < PAIRED_LEVEL
    assert judgement.verdict == "same within the margin"
    assert judge_pairs({"a": logs(0.02, n=60, sd=0.01)}, margin=0.01)["a"].verdict == "slower"


def test_a_family_is_corrected():
    alone = judge_pairs({"a": [0.1] * 7})["a"]
    among = judge_pairs({"a": [0.1] * 7, "b": [0.0] * 7})["a"]
    assert (alone.verdict, among.verdict) == ("slower", "not shown")
    assert among.adjusted == 2 * alone.p
    assert among.why == "7 pairs cannot show a change among 2: 8 can"


@pytest.mark.parametrize("family", [1, 2, 10, 100])
def test_the_fewest_pairs_can_show_it_and_one_less_cannot(family):
    n = fewest_pairs(family)
    others = {str(i): [0.0, 0.0] for i in range(family - 1)}
    assert judge_pairs({"a": [0.1] * n, **others})["a"].verdict == "slower"
    assert judge_pairs({"a": [0.1] * (n - 1), **others})["a"].verdict == "not shown"


def test_slower_and_faster_are_one_rule():
    values = logs(0.1)
    up, down = judge_pairs({"a": values})["a"], judge_pairs({"a": [-value for value in values]})["a"]
    assert (up.verdict, down.verdict) == ("slower", "faster")
    assert (up.p, up.ratio) == (down.p, pytest.approx(1 / down.ratio))


def test_an_interval_that_is_none_shows_nothing():
    assert time_verdict(0.0, math.nan, math.nan, False, 0.03) == "not shown"


def test_no_pairs():
    with pytest.raises(InputError, match="one or more"):
        judge_pairs({"a": []})
