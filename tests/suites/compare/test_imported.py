"""Curves of others beside the run's: areas over common labels, Welch's answers, pairs, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compare_curves import curves_of
from plain import faults
from scipy import stats

from fbench.harness.contract import Row, Summary
from fbench.harness.registry import SUITES
from fbench.measure.curves import aulc
from fbench.measure.statistics import holm, paired
from fbench.suites.compare.imported import common_labels, judge_unpaired, paired_beside, values_at
from fbench.suites.compare.options import Options
from fbench.suites.compare.summary import summary

LABELS = [20, 30, 40, 50]
SEEDS = 6
Curve = dict[int, dict[int, float]]


def level(seed: int, labels: float, gain: float = 0.0) -> float:
    noise = np.random.default_rng([seed, int(labels)]).normal(0, 0.01)
    return round(float(0.4 + 0.008 * (labels - 20) + gain + noise), 4)


def theirs(gain: float = 0.0, seeds: int = 5, labels: tuple[int, ...] = (15, 25, 35, 45, 55)) -> Curve:
    return {seed: {at: level(100 + seed, at, gain) for at in labels} for seed in range(seeds)}


def run_rows(metric: str = "accuracy") -> list[Row]:
    return [
        {
            "case": name, "strategy": name, "seed": seed, "round": r, "labels": at, "status": "ok", "reason": "",
            "accuracy": level(seed, at, gain), metric: level(seed, at, gain), "train_s": 0.1,
            "select_s": 0.2 if r else None,
        }
        for name, gain in (("random", 0.0), ("bait", 0.05))
        for seed in range(SEEDS)
        for r, at in enumerate(LABELS)
    ]  # fmt: skip


def options(questions: str, **changed: Any) -> Options:
    made = {
        "strategies": ["random", "bait"], "rounds": 3, "seeds": SEEDS, "start": 20, "batch": 10, "model": "small",
        "questions": questions, "curves": ["theirs.csv#sha256-0"], "imported": "theirs", **changed,
    }  # fmt: skip
    restored = SUITES.get("compare").restored(made)
    assert isinstance(restored, Options)
    return restored


def kept_rows(**curves: Curve) -> list[Row]:
    return [
        {"strategy": name, "seed": seed, "labels": at, "value": value, "source": "theirs.csv"}
        for name, seeds in curves.items()
        for seed, curve in seeds.items()
        for at, value in curve.items()
    ]


def said(questions: str, rows: list[Row], metric: str = "accuracy", **changed: Any) -> Summary:
    made = summary(run_rows(metric.replace("-", "_")), options(questions, metric=metric, **changed), (), rows)
    assert faults(made) == []
    return made


def words_of(made: Summary) -> str:
    return " ".join([*made.lead, *map(str, made.answers), *(c for part in made.evidence for c in part.claims)])


def test_areas_are_over_the_labels_that_both_have() -> None:
    grid = np.array(LABELS, dtype=float)
    side = {0: {25: 0.5, 45: 0.7}, 1: {10: 0.1, 60: 0.6}}
    labels = common_labels(grid, side)
    assert labels.tolist() == [30, 40]
    assert values_at(side, labels) == pytest.approx(np.array([[0.55, 0.65], [0.3, 0.4]]))
    assert common_labels(grid, side, {0: {40: 0.1, 90: 0.2}}).tolist() == [40]


def test_answers_are_welchs_and_corrected_together() -> None:
    asked = options("bait > random, theirs > random, bait >= theirs, theirs > bait", later="theirs > bait")
    base = np.array([[level(seed, at) for at in LABELS] for seed in range(SEEDS)])
    curves = curves_of({"random": base, "bait": base + 0.05}, np.array(LABELS, dtype=float))
    other = theirs(0.02)
    over, under, late = judge_unpaired(curves, asked, {"theirs": other}, None)
    mine = aulc(LABELS, base)
    areas = aulc(LABELS, values_at(other, np.array(LABELS, dtype=float)))
    assert over.p == pytest.approx(stats.ttest_ind(areas, mine, equal_var=False).pvalue)
    margin = stats.ttest_ind(mine + 0.05 + asked.margin, areas, equal_var=False, alternative="greater").pvalue
    assert under.p == pytest.approx(margin)
    assert [over.corrected, under.corrected] == pytest.approx(holm([over.p, under.p]).tolist())
    assert (over.verdict, under.verdict, late.verdict, late.family) == ("yes", "yes", "not shown", 2)
    wider = judge_unpaired(curves, asked, {"theirs": other}, 0.25)[0]
    assert wider.interval[0] < over.interval[0] < over.apart < over.interval[1] < wider.interval[1]


@pytest.mark.parametrize(
    ("gain", "seeds", "verdict"), [(0.05, 5, "yes"), (-0.05, 5, "no"), (0.0, 5, "not shown"), (0.05, 3, "too few")]
)
def test_what_is_said_of_curves_that_are_not_paired(gain: float, seeds: int, verdict: str) -> None:
    made = said("theirs > random", kept_rows(theirs=theirs(gain, seeds)))
    assert [answer.verdict for answer in made.answers] == [verdict]
    assert made.lead[0].startswith("On digits, seeds not paired: theirs ")
    text = words_of(made)
    assert "read from theirs.csv, not trained here; seeds are not paired" in text
    assert "over 20 to 50 labels" in text
    assert "interpolated, never beyond" in text
    assert [series.label for series in made.figures[0].panels[0].series] == ["random", "bait", "theirs"]
    beside = said("bait > random, theirs > random", kept_rows(theirs=theirs(gain, seeds)))
    assert "Not paired: theirs " in beside.lead[0]


def test_what_else_is_said() -> None:
    late = said("theirs > random", kept_rows(theirs=theirs(0.05)), later="theirs > random")
    assert "asked when rows were there, so it cannot count as shown" in words_of(late)
    flat = {seed: dict.fromkeys((20, 50), 0.5) for seed in range(4)}
    same = said("theirs > other", kept_rows(theirs=flat, other=flat), imported="theirs, other")
    assert "theirs and other have the same AULC" in words_of(same)
    apart = {"theirs": theirs(labels=(20, 30)), "other": theirs(labels=(40, 50))}
    none = said("theirs > other", kept_rows(**apart), imported="theirs, other")
    assert "have fewer than two of the run's label counts in common. Give curves over the same labels." in words_of(
        none
    )
    step = {seed: dict.fromkeys((20, 50), 0.6) for seed in range(4)}
    without = said("theirs > other", kept_rows(theirs=step, other=flat), imported="theirs, other")
    assert "differences without spread have no interval" in words_of(without)
    absent = said("bait > random, theirs > random", [])
    assert "kept with the first arm's first round, which is not there yet. Run the same command again." in words_of(
        absent
    )


def test_less_is_better_where_it_is() -> None:
    made = said("theirs > random", kept_rows(theirs=theirs(-0.05)), metric="nll")
    assert (made.answers[0].verdict, made.answers[0].question) == (
        "yes",
        "Is theirs better than random (lower is better)?",
    )
    assert " below random" in made.answers[0].sentence


def test_collapsed_trainings_of_the_run_make_it_unreliable() -> None:
    base = np.full((4, 4), 0.8)
    fallen = base.copy()
    fallen[:2, 2] = 0.1
    curves = curves_of({"random": base, "margin": base, "bait": fallen}, np.array(LABELS, dtype=float))
    test = judge_unpaired(curves, options("theirs > bait"), {"theirs": theirs()}, None)[0]
    assert test.verdict == "unreliable"


def test_paired_curves_are_arms() -> None:
    other = theirs(0.05, seeds=SEEDS + 2)
    rows = kept_rows(theirs=other)
    joined, told, rest = paired_beside(run_rows(), options("", paired_curves=True), {"theirs": other})
    assert (told.strategies, rest, len(joined)) == (("random", "bait", "theirs"), {}, 3 * SEEDS * len(LABELS))
    made = said("theirs > random, theirs >= bait", rows, paired_curves=True)
    assert len(made.answers) == 2
    ours = {seed: [level(seed, at) for at in LABELS] for seed in range(SEEDS)}
    wanted = paired(
        aulc(LABELS, values_at({s: other[s] for s in ours}, np.array(LABELS, dtype=float))),
        aulc(LABELS, list(ours.values())),
    )
    assert f"{wanted.difference:.4f} AULC above random" in made.answers[0].sentence
    text = words_of(made)
    assert "since --paired-curves says that splits and start sets are the same" in text
    assert "theirs" in [row[0] for row in made.tables[0].rows]
    assert "fastest" not in text
    scored = said("theirs > random", rows, paired_curves=True, metric="macro-f1")
    assert scored.answers[0].question == "Is theirs better than random?"


def test_equal_programs_are_seldom_told_apart() -> None:
    """Of 300 draws at most the share of wrong answers that 5 % and chance allow, two questions corrected together."""
    rng, wrong = np.random.default_rng(1), 0
    asked = options("theirs > random, theirs > bait")
    grid = np.array(LABELS, dtype=float)
    for _ in range(300):
        ours = {name: rng.normal(0.7, 0.02, (SEEDS, 1)) + np.zeros(len(LABELS)) for name in ("random", "bait")}
        other = {seed: dict.fromkeys((20, 50), float(rng.normal(0.7, 0.005))) for seed in range(4)}
        tests = judge_unpaired(curves_of(ours, grid), asked, {"theirs": other}, None)
        wrong += any(test.verdict != "not shown" for test in tests)
    assert wrong <= 24  # 99 % of draws at 5 %
