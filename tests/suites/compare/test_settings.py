"""Several λ and data sets in one run: its cases, what holds at all of them, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Ended, table
from compare_curves import LABELS, curves_of, mean_curve
from plain import faults

from fbench import cli
from fbench.errors import DataError
from fbench.harness.contract import Context, Row
from fbench.harness.registry import SUITES
from fbench.learning.prediction_files import load_predictions
from fbench.measure.split_overlap import corrected_interval
from fbench.measure.statistics import paired
from fbench.suites.compare.everywhere import Claim, claims_over, judge_settings
from fbench.suites.compare.everywhere_figures import along_lambda
from fbench.suites.compare.everywhere_tables import claims_table
from fbench.suites.compare.everywhere_words import Grid, claim_answers, three_lines_of
from fbench.suites.compare.questions import parse_questions
from fbench.suites.compare.settings import CompareSetting, at, settings_of
from fbench.suites.compare.several import summary_of_settings

COMPARE = SUITES.get("compare")
SETTINGS = [CompareSetting(dataset, λ) for dataset in ("digits", "digits:noise=0.1") for λ in ("1", "0.1")]
REGULARISED = frozenset({"bait", "bait+fish"})
SEEDS = 8


def typed(**options: Any) -> Any:
    return COMPARE.resolve(COMPARE.typed(**options), Context())


# Cases


def test_one_setting_has_the_cases_that_it_always_had() -> None:
    ids = [case.id for case in COMPARE.grid(typed(strategies="random,bait", seeds="2"))]
    assert ids == ["strategy=random seeds=0-1", "strategy=bait seeds=0-1"]


def test_a_strategy_without_lambda_runs_once_a_data_set() -> None:
    options = typed(dataset="digits,digits:noise=0.10", regularisation="1,rel:0.1", strategies="margin,bait", seeds="2")
    assert [case.id for case in COMPARE.grid(options)] == [
        "dataset=digits strategy=margin seeds=0-1",
        "dataset=digits strategy=bait regularisation=1 seeds=0-1",
        "dataset=digits strategy=bait regularisation=rel:0.1 seeds=0-1",
        "dataset=digits:noise=0.1 strategy=margin seeds=0-1",
        "dataset=digits:noise=0.1 strategy=bait regularisation=1 seeds=0-1",
        "dataset=digits:noise=0.1 strategy=bait regularisation=rel:0.1 seeds=0-1",
    ]


def test_what_is_automatic_is_found_for_every_data_set() -> None:
    options = typed(dataset="digits,breast-cancer", strategies="random,bait+fish", seeds="2", rounds=2)
    assert (options.model, options.mask_fraction) == ("auto", 0.0)
    digits, cancer = (at(options, CompareSetting(name, "1")) for name in ("digits", "breast-cancer"))
    assert (digits.model, cancer.model) == ("small", "linear")
    assert digits == replace(typed(dataset="digits", strategies="random,bait+fish", seeds="2", rounds=2))
    assert cancer.mask_fraction == pytest.approx(0.1)
    assert settings_of(options) == [CompareSetting("digits", "1"), CompareSetting("breast-cancer", "1")]


# Verdicts


def measured(gains: Mapping[CompareSetting, Mapping[str, float]], sd: float = 0.004, seeds: int = SEEDS) -> Any:
    """Curves at every setting with these gains over random."""
    rng = np.random.default_rng(0)
    out = []
    for setting in gains:
        level = rng.normal(0, 0.01, size=seeds)
        accuracy = {
            name: mean_curve(level + gains[setting].get(name, 0.0) + rng.normal(0, sd, size=seeds))
            for name in ("random", "margin", "bait", "bait+fish")
        }
        out.append((setting, replace(curves_of(accuracy), numbers=tuple(range(seeds))), None))
    return out


def claim_of(question: str, gains: Mapping[CompareSetting, Mapping[str, float]], **more: Any) -> Claim:
    asked = parse_questions(question)
    later = parse_questions(more.pop("later", ""))
    places = judge_settings(measured(gains, **more), asked, later, 0.005, REGULARISED)
    return claims_over(places, asked, REGULARISED)[0]


def everywhere(gain: float) -> dict[CompareSetting, dict[str, float]]:
    return {setting: {"bait": gain} for setting in SETTINGS}


def test_a_claim_holds_where_every_setting_shows_it() -> None:
    claim = claim_of("bait > random", everywhere(0.03))
    assert claim.verdict == "yes"
    assert claim.corrected == max(test.p for test in claim.tests)
    assert claim.count("yes") == 4


def test_one_setting_without_the_gain_is_enough_to_show_nothing() -> None:
    claim = claim_of("bait > random", {**everywhere(0.03), SETTINGS[2]: {"bait": 0.0}})
    assert claim.verdict == "not shown"
    assert claim.count("yes") == 3
    assert claim.least[0] == SETTINGS[2]


def test_one_setting_that_shows_the_opposite_contradicts() -> None:
    claim = claim_of("bait > random", {**everywhere(0.03), SETTINGS[1]: {"bait": -0.03}})
    assert (claim.verdict, claim.where("no")) == ("no", [SETTINGS[1]])


def test_worse_everywhere_is_no_gain() -> None:
    assert claim_of("bait > random", everywhere(-0.03)).verdict == "no"
    assert claim_of("bait >= random", everywhere(-0.001), sd=0.0015).verdict == "yes"


def test_few_seeds_give_no_verdict_and_a_late_question_is_not_shown() -> None:
    assert claim_of("bait > random", everywhere(0.03), seeds=3).verdict == "too few"
    assert claim_of("bait > random", everywhere(0.03), later="bait > random").verdict == "not shown"


def test_the_largest_p_of_each_claim_is_corrected_for_the_claims_alone() -> None:
    asked = parse_questions("bait > random, bait+fish > random")
    gains = {setting: {"bait": 0.005, "bait+fish": 0.03} for setting in SETTINGS}
    places = judge_settings(measured(gains), asked, (), 0.005, REGULARISED)
    first, second = claims_over(places, asked, REGULARISED)
    assert (first.family, first.tests[0].family) == (2, 8)
    largest = [max(test.p for test in claim.tests) for claim in (first, second)]
    assert second.corrected == pytest.approx(2 * largest[1])
    assert first.corrected == pytest.approx(max(largest[0], second.corrected))


def test_strategies_without_lambda_are_tested_once_a_data_set() -> None:
    claim = claim_of("margin > random", everywhere(0.0))
    assert claim.settings == [CompareSetting("digits", ""), CompareSetting("digits:noise=0.1", "")]
    assert claim.tests[0].family == 2


def test_the_mean_is_that_of_the_seeds_over_all_settings() -> None:
    claim = claim_of("bait > random", everywhere(0.03))
    by_hand = np.mean([test.differences for test in claim.tests], axis=0)
    assert claim.mean.comparison == paired(by_hand, np.zeros(SEEDS))
    assert claim.mean_interval() == pytest.approx((claim.mean.comparison.low, claim.mean.comparison.high))
    assert claim.mean.p == pytest.approx(claim.mean.comparison.p)


def test_splits_that_overlap_may_have_made_it() -> None:
    asked = parse_questions("bait > random")
    plain = measured(everywhere(0.008))
    shown = claims_over(judge_settings(plain, asked, (), 0.005, REGULARISED), asked, REGULARISED)[0]
    overlapping = [(setting, curves, 0.25) for setting, curves, _ in plain]
    doubted = claims_over(judge_settings(overlapping, asked, (), 0.005, REGULARISED), asked, REGULARISED)[0]
    assert (shown.verdict, doubted.verdict) == ("yes", "not shown")
    assert doubted.mean_interval()[0] < shown.mean_interval()[0]
    grid = Grid(("digits", "digits:noise=0.1"), ("1", "0.1"))
    why = "Intervals and p count overlapping splits, and of the mean that settings of one data set share images."
    assert why in claims_table([doubted], grid).note
    assert why not in claims_table([shown], grid).note


def test_what_is_shown_in_the_mean_alone_is_said() -> None:
    """One setting of four without the gain: nothing is shown everywhere, and the mean lies well above 0."""
    gains = everywhere(0.03) | {SETTINGS[0]: {"bait": 0.0}}
    claim = claim_of("bait > random, bait+fish > random", gains)
    assert (claim.verdict, claim.in_the_mean, claim.count("yes")) == ("not shown", True, 3)
    assert claim.mean_corrected == pytest.approx(2 * claim.mean.p)
    grid = Grid(("digits", "digits:noise=0.1"), ("1", "0.1"))
    [answer] = claim_answers([claim], grid)
    assert answer.sentence.startswith(
        "Shown in the mean and at 3 of 4 settings, contradicted at none; bait − random is "
    )
    assert answer.advice == "In the mean bait is better than random; look up your setting in the table, or add seeds."
    found, _, advice = three_lines_of([claim], [], grid)
    assert found == "On 2 digits variants at 2 λ, bait beats random in the mean and at 3 of 4 settings."
    assert advice == "Take bait, in the mean of settings."


def test_the_opposite_in_the_mean_is_said() -> None:
    """No setting shows it by itself, since the family is large; their mean does."""
    many = ", ".join(
        f"{a} > {b}" for a in ("bait", "bait+fish", "margin") for b in ("random", "margin", "bait") if a != b
    )
    claim = claim_of(many, everywhere(-0.0025), sd=0.003)
    assert (claim.verdict, claim.mean_verdict) == ("not shown", "no")
    [answer] = claim_answers([claim], Grid(("digits", "digits:noise=0.1"), ("1", "0.1")))
    assert answer.sentence.startswith(
        "The opposite is shown in the mean, and this at 0 of 4 settings; bait − random is "
    )
    assert answer.advice.startswith("In the mean random is the better one; look up your setting")


def test_embeddings_far_apart_are_named() -> None:
    made = [
        (setting, replace(curves, dimensions={"bait": (2.0, 160), "bait+fish": (9.0, 328)}), overlap)
        for setting, curves, overlap in measured({setting: {"bait+fish": 0.03} for setting in SETTINGS})
    ]
    asked = parse_questions("bait+fish > bait, bait+fish > random")
    claims = claims_over(judge_settings(made, asked, (), 0.005, REGULARISED), asked, REGULARISED)
    one, other = claim_answers(claims, Grid(("digits", "digits:noise=0.1"), ("1", "0.1")))
    apart = "compare at deff:c, too: effective dimensions lie 4 times apart."
    assert one.advice == f"Choose bait+fish over bait; {apart}"
    assert other.advice == "Choose bait+fish over random."


def test_of_no_gain_the_mean_shows_nothing() -> None:
    claim = claim_of("bait > random", everywhere(0.0))
    assert (claim.verdict, claim.in_the_mean) == ("not shown", False)
    [answer] = claim_answers([claim], Grid(("digits", "digits:noise=0.1"), ("1", "0.1")))
    assert answer.sentence.startswith("Shown at 0 of 4 settings, contradicted at none; bait − random is ")
    assert answer.advice == "Don't count on bait over random; add seeds to narrow the intervals."


def test_a_mean_that_is_worse_or_asked_late_or_of_few_seeds_is_not_shown() -> None:
    assert not claim_of("bait > random", everywhere(-0.03)).in_the_mean
    assert not claim_of("bait > random", everywhere(0.03), later="bait > random").in_the_mean
    few = claim_of("bait > random", everywhere(0.03), seeds=3)
    assert math.isnan(few.mean_corrected)
    assert not few.in_the_mean


def test_the_mean_is_held_to_the_margin() -> None:
    """.008 below on the whole, .005 allowed, and then .002."""
    assert not claim_of("bait >= random", everywhere(-0.008)).in_the_mean
    assert claim_of("bait >= random", everywhere(-0.001)).in_the_mean


@pytest.mark.parametrize("overlap", [None, 0.25])
def test_intervals_along_lambda_count_overlapping_splits(overlap: float | None) -> None:
    made = [(setting, curves, overlap) for setting, curves, _ in measured(everywhere(0.03))]
    places = judge_settings(made, parse_questions("bait > random"), (), 0.005, REGULARISED)
    grid = Grid(("digits", "digits:noise=0.1"), ("1", "0.1"))
    [figure] = along_lambda(places, grid, REGULARISED)
    assert ("counting overlapping splits" in figure.note) is (overlap is not None)
    bait = next(series for series in figure.panels[0].series if series.label == "bait")
    areas = places[0].curves.areas
    low, high = corrected_interval(paired(areas["bait"], areas["random"]), overlap or 0.0)
    assert (bait.low[0], bait.high[0]) == pytest.approx((low, high))


def test_of_a_loss_less_is_better() -> None:
    asked = parse_questions("bait > random")
    lower = [
        (setting, replace(curves, measured=replace_lower(curves.measured)), overlap)
        for setting, curves, overlap in measured(everywhere(-0.03))
    ]
    claim = claims_over(judge_settings(lower, asked, (), 0.005, REGULARISED), asked, REGULARISED)[0]
    assert claim.verdict == "yes"
    assert claim.mean_apart < 0
    answer = claim_answers([claim], Grid(("digits",), ("1", "0.1")))[0]
    assert "(lower is better)" in answer.question
    assert ", most " in answer.sentence


def replace_lower(metric: Any) -> Any:
    return metric._replace(title="nll", lower=True, most=None)


# Summaries


def rows(
    gains: Mapping[CompareSetting, Mapping[str, float]], seeds: int = SEEDS, fallen: Sequence[CompareSetting] = ()
) -> list[Row]:
    made: list[Row] = []
    for setting, curves, _ in measured(gains, seeds=seeds):
        for name, values in curves.values.items():
            plain = name not in REGULARISED
            if plain and setting.regularisation != "1":
                continue
            for seed in range(seeds):
                made += [
                    {
                        "case": f"{setting} {name}", "dataset": setting.dataset,
                        "lambda": None if plain else setting.regularisation, "strategy": name, "seed": seed,
                        "round": number, "labels": int(LABELS[number]), "accuracy": values[seed, number], "nll": 1.0,
                        "train_s": 0.1, "select_s": 0.2 if number else None, "dim": None if plain else 160,
                        "regularisation": None, "d_eff": None if plain or not number else 20.0,
                        "status": "failed" if setting in fallen and not plain else "ok", "reason": "made to fail",
                    }
                    for number in range(len(LABELS))
                ]  # fmt: skip
    return made


def summarised(made: Sequence[Row], settings: Sequence[CompareSetting] = SETTINGS, **options: Any) -> Any:
    restored = COMPARE.restored(
        {
            "strategies": ["random", "margin", "bait", "bait+fish"], "rounds": len(LABELS) - 1, "seeds": SEEDS,
            "questions": "bait > random, margin > random, bait >= bait+fish",
            "dataset": ",".join(dict.fromkeys(s.dataset for s in settings)),
            "regularisation": ",".join(dict.fromkeys(s.regularisation for s in settings)), "model": "small",
            "folds": 5, **options,
        }
    )  # fmt: skip
    return summary_of_settings(made, restored)


MIXED = {**everywhere(0.03), SETTINGS[2]: {"bait": -0.03}}


@pytest.mark.parametrize("gains", [everywhere(0.03), everywhere(0.0), MIXED], ids=["all", "none", "mixed"])
@pytest.mark.parametrize("settings", [SETTINGS, SETTINGS[:2], SETTINGS[::2]], ids=["grid", "lambda", "datasets"])
@pytest.mark.parametrize("seeds", [1, 2, 8])
def test_the_contract_is_kept(gains: Any, settings: Sequence[CompareSetting], seeds: int) -> None:
    made = rows({setting: gains[setting] for setting in settings}, seeds)
    assert faults(summarised(made, settings, seeds=seeds)) == []


def test_the_tables_are_the_rows() -> None:
    compared = summarised(rows(MIXED))
    claims = {row[0]: row for row in compared.tables[0].rows}
    assert claims["bait > random"][1:4] == ["no", "3 of 4", "1"]
    at_settings = next(t for part in compared.evidence for t in part.tables if t.title.startswith("bait > random,"))
    assert [row[:2] for row in at_settings.rows] == [
        ["digits, λ = 1", "yes"], ["digits, λ = 0.1", "yes"],
        ["digits:noise=0.1, λ = 1", "no"], ["digits:noise=0.1, λ = 0.1", "yes"],
    ]  # fmt: skip
    areas = next(t for part in compared.evidence for t in part.tables if t.title == "Areas")
    assert [row[:2] for row in areas.rows] == [
        ["random", ""], ["margin", ""], ["bait", "1"], ["bait", "0.1"], ["bait+fish", "1"], ["bait+fish", "0.1"],
    ]  # fmt: skip
    by_dataset = next(part for part in compared.evidence if part.heading == "Data set by data set")
    assert by_dataset.claims[0] == ("bait > random: at every λ on 1 of 2 data sets, contradicted on digits:noise=0.1.")
    part = next(part for part in compared.evidence if part.heading == "Setting by setting")
    forest = part.figures[0].panels[0]
    assert forest.y_names == ["mean", *[row[0] for row in at_settings.rows][::-1]]
    shown = [f"{x:+.4f}".replace("-", "−") for x in forest.series[0].x]
    assert shown == [row[2] for row in at_settings.rows]
    about = f"2 digits variants, one network and {LABELS[0]:.0f} to {LABELS[-1]:.0f} labels"
    assert part.claims[-2] == f"All of it is about {about}: others may differ."
    settings, means = compared.figures[0].panels[0].series
    assert compared.figures[0].panels[0].y_names[-1] == "bait − random"
    assert [f"{x:+.4f}".replace("-", "−") for x in settings.x[: len(shown)]] == shown
    assert f"{means.x[0]:+.4f}".replace("-", "−") == claims["bait > random"][4]


def test_a_setting_that_failed_is_left_out_and_named() -> None:
    compared = summarised(rows(everywhere(0.03), fallen=SETTINGS[1:2]))
    assert compared.answers[0].verdict == "yes"  # of what is there
    left_out = next(part for part in compared.evidence if part.heading == "Left out")
    assert any("digits, λ = 0.1" in claim and "made to fail" in claim for claim in left_out.claims)


def test_nothing_finished_is_nothing_compared() -> None:
    assert summarised([]).lead[0] == "Nothing can be compared."


def test_ranks_need_eight_data_sets() -> None:
    few = summarised(rows(everywhere(0.03)))
    ranks = next(part for part in few.evidence if part.heading == "Ranks")
    assert ranks.claims == (
        ["2 data sets are too few for ranks: they have next to no power below 8 (Demšar 2006). The differences above "
         "carry the answer."]
    )  # fmt: skip
    settings = [CompareSetting(f"digits:noise={i / 10}", "1") for i in range(1, 9)]
    many = summarised(rows({setting: {"bait": 0.05} for setting in settings}), settings)
    ranks = next(part for part in many.evidence if part.heading == "Ranks")
    assert ranks.tables[0].rows[0] == ["bait", "1.00"]
    assert "bait ranks first and is shown apart from" in ranks.claims[0]
    assert len(ranks.figures) == 1


# The command

TINY = (
    "--rounds 1 --seeds 4 --epochs 2 --pool 150 --test 60 --batch 5 --start 12 --fisher-samples 64 "
    "--threads 1 --device cpu --jobs 1"
)


@pytest.fixture
def fbench(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def run(*words: Any) -> Ended:
        capfd.readouterr()
        code = cli.run(["compare", *TINY.split(), *map(str, words)])
        return Ended(code, *capfd.readouterr())

    return run


def test_a_run_of_settings_is_the_runs_of_each(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    arms = ("--strategies", "random,bait,bait+fish")
    both = fbench(
        "--dataset", "digits,digits:noise=0.2", "--regularisation", "1,0.01", *arms, "--out", tmp_path / "both",
        "--keep-predictions",
    )  # fmt: skip
    assert both.code == 0, both.err
    assert "at every λ on every data set" in both.out
    one = fbench("--dataset", "digits:noise=0.2", "--regularisation", "0.01", *arms, "--out", tmp_path / "one")
    assert one.code == 0, one.err
    times = {"case", "train_s", "select_s"}

    def kept(folder: str, name: str = "results") -> list[dict[str, str]]:
        rows = [row for row in table(tmp_path / folder, name) if row["dataset"] == "digits:noise=0.2"]
        rows = [row for row in rows if row["lambda"] in ("", "0.01")]
        return [{key: value for key, value in row.items() if key not in times} for row in rows]

    for name in ("results", "selections", "scores", "classes"):
        assert kept("both", name) == kept("one", name) != []
    assert {(row["dataset"], row["lambda"]) for row in table(tmp_path / "both") if row["strategy"] == "random"} == {
        ("digits", ""), ("digits:noise=0.2", ""),
    }  # fmt: skip
    with pytest.raises(DataError, match="give dataset=… and regularisation=…"):
        load_predictions(tmp_path / "both")
    kept_at = load_predictions(tmp_path / "both", dataset="digits", regularisation="0.01")
    assert {key.strategy for key in kept_at} == {"random", "bait", "bait+fish"}
    assert len(kept_at) == 3 * 4 * 2
    assert (tmp_path / "both" / "figures" / "forest.svg").exists()
    assert (tmp_path / "both" / "figures" / "areas_along_lambda.png").exists()


def test_a_plan_of_many_cases_tells_equal_ones_together(fbench: Callable[..., Ended]) -> None:
    grid = ("--dataset", "digits,digits:noise=0.2", "--regularisation", "1,0.1,0.01", "--seeds", 20)
    text = " ".join(fbench(*grid, "--strategies", "random,bait", "--dry-run").out.split())
    assert "dataset=digits,digits:noise=0.2 strategy=random seeds=0-7,8-15 (4 cases of this cost each)" in text
    last = "dataset=digits,digits:noise=0.2 strategy=bait regularisation=1,0.1,0.01 seeds=16-19"
    assert f"{last} (6 cases of this cost each)" in text
    few = fbench(*grid[:2], "--strategies", "random,bait", "--dry-run").out
    assert "of this cost each" not in few


def test_every_batch_for_one_network_at_every_lambda(fbench: Callable[..., Ended], tmp_path: Path) -> None:
    arms = ("--strategies", "random,bait", "--questions", "bait > random", "--same-state")
    ended = fbench("--regularisation", "1,0.01", *arms, "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    rows = table(tmp_path / "run", "states")
    assert {(row["strategy"], row["lambda"]) for row in rows} == {
        (name, lambda_) for name in ("random", "bait") for lambda_ in ("1", "0.01")
    }
    assert len({row["network"] for row in rows if row["seed"] == "0"}) == 1
    objectives = [float(row["objective"]) for row in rows if row["strategy"] == "random" and row["seed"] == "0"]
    assert objectives[0] < objectives[1]  # λ = 1, then 0.01
    summary = (tmp_path / "run/summary.md").read_text()
    assert "One network, every batch (digits, λ = 0.01)" in summary


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--regularisation", "1,deff:160"], "--regularisation deff:160: bait has d = 160, and d_eff lies below d"),
        (["--same-state", "--regularisation", "1,deff:5"], "give --regularisation as a number, or as rel:c"),
        (["--dataset", "digits,digits"], "data set 'digits' stands twice; name each once"),
        (["--dataset", "digits:noise=0.1,digits:noise=0.10"], "stands twice; name each once"),
        (["--dataset", "digits,"], "--dataset"),
        (["--dataset", "digits,nope"], "nope"),
        (["--regularisation", "1,1"], "λ '1' stands twice"),
        (["--regularisation", "1,-1"], "--regularisation -1: must be a positive number"),
        (["--regularisation", "1,0.1", "--drift"], "--drift watches the masks of one data set at one λ; leave it out"),
        (["--dataset", "digits,breast-cancer", "--model", "small"], "small"),
    ],
)
def test_what_cannot_be_is_refused(
    fbench: Callable[..., Ended], tmp_path: Path, words: Sequence[str], message: str
) -> None:
    ended = fbench(*words, "--out", tmp_path / "run")
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert not (tmp_path / "run").exists()


def test_no_difference_without_a_number_is_written() -> None:
    claim = claim_of("bait > random", everywhere(0.03), seeds=1)
    assert math.isnan(claim.corrected)
    assert "nan" not in str(claim_answers([claim], Grid(("digits", "b"), ("1", "2")))[0])
