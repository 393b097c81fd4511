"""From rows to answers, tables and figure: every number is the rows', and what is missing is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from compare_curves import curves_of
from plain import faults

from fbench.harness.contract import Row, Summary, Table
from fbench.harness.registry import SUITES
from fbench.learning.data import TEST_SHARE
from fbench.measure.curves import aulc
from fbench.measure.split_overlap import corrected_interval, corrected_p
from fbench.measure.statistics import holm, mean_interval, paired
from fbench.results.findings import p_value
from fbench.suites.compare import splits
from fbench.suites.compare.along import along, along_evidence
from fbench.suites.compare.curves import read_curves
from fbench.suites.compare.family import judge_family
from fbench.suites.compare.metrics import SCORES
from fbench.suites.compare.questions import Question
from fbench.suites.compare.summary import summary

ROUNDS, SEEDS = 4, 4
LABELS = [20 + 10 * r for r in range(ROUNDS + 1)]
RISE = {"random": 0.06, "bait": 0.08, "bait+fish": 0.085}
QUESTIONS = "bait+fish >= bait, bait+fish > random"


def accuracy(strategy: str, seed: int, number: int) -> float:
    noise = np.random.default_rng([seed, number, len(strategy)]).normal(0, 0.01)
    return round(0.4 + 0.01 * seed + RISE[strategy] * number + (noise if number else 0), 4)


def rows(strategies: Sequence[str] = tuple(RISE), seeds: int = SEEDS, rounds: int = ROUNDS) -> list[Row]:
    made = []
    for name in strategies:
        for number in range(rounds + 1):
            for seed in range(seeds):
                embedded = name != "random" and number > 0
                row = {
                    "case": f"strategy={name}", "strategy": name, "seed": seed, "round": number,
                    "labels": LABELS[number], "accuracy": accuracy(name, seed, number), "nll": 1.0,
                    "train_s": 0.25, "select_s": 0.5 if number else None,
                    "dim": 160 if embedded else None, "regularisation": 1.0 if embedded else None,
                    "d_eff": 22.0 if embedded else None, "status": "ok", "reason": "",
                }  # fmt: skip
                made.append(row)
    return made


def summarised(table: Sequence[Row], **changed: Any) -> Summary:
    strategies = list(dict.fromkeys(row["strategy"] for row in table))
    arms = set(strategies)
    asked = ", ".join(q for q in QUESTIONS.split(", ") if {q.split()[0], q.split()[2]} <= arms)
    options = {"strategies": strategies, "rounds": ROUNDS, "seeds": SEEDS, "questions": asked, "model": "small"}
    return summary(table, SUITES.get("compare").restored({**options, **changed}))


def text_of(compared: Summary) -> str:
    cells = [cell for table in compared.all_tables for row in table.rows for cell in row]
    claims = [claim for part in compared.evidence for claim in part.claims]
    return "\n".join(
        [*compared.lead, *map(str, compared.answers), *claims, *cells, *(table.note for table in compared.all_tables)]
    )


def table_of(compared: Summary, title: str) -> Table:
    return next(table for table in compared.all_tables if table.title == title)


def cells(compared: Summary, title: str = "Strategies") -> Mapping[str, Mapping[str, str]]:
    table = table_of(compared, title)
    assert all(len(row) == len(table.columns) for row in table.rows)
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def by_hand(strategy: str, seeds: Sequence[int] = range(SEEDS)) -> list[float]:
    return [float(aulc(LABELS, [accuracy(strategy, seed, r) for r in range(ROUNDS + 1)])) for seed in seeds]


@pytest.mark.parametrize("seeds", [1, 2, 3, 4, 6, 14])
@pytest.mark.parametrize("arms", [("random",), ("bait",), ("bait", "bait+fish"), tuple(RISE)])
def test_the_contract_is_kept(arms: Sequence[str], seeds: int) -> None:
    compared = summarised(rows(arms, seeds), seeds=seeds)
    assert [fault for fault in faults(compared) if fault != "no question is answered" or "bait+fish" in arms[1:]] == []
    assert "nan" not in text_of(compared).lower()


def test_curves_are_the_rows() -> None:
    curves = read_curves(rows(), tuple(RISE), ROUNDS, SEEDS)
    assert curves is not None
    assert curves.labels.tolist() == LABELS
    assert list(curves.values) == list(RISE)
    for name, values in curves.values.items():
        assert values.tolist() == [[accuracy(name, s, r) for r in range(ROUNDS + 1)] for s in range(SEEDS)]
        assert curves.areas[name] == pytest.approx(by_hand(name), abs=1e-12)
    assert (curves.seeds, curves.left_out) == (SEEDS, [])


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert summarised(rows()[::-1], strategies=list(RISE), questions=QUESTIONS) == summarised(rows())


def test_the_tables_areas_are_those_of_the_rows() -> None:
    in_table = cells(summarised(rows()))
    assert list(in_table) == list(RISE)
    for name in RISE:
        assert in_table[name]["AULC"] == f"{np.mean(by_hand(name)):.4f}"
        assert in_table[name]["sd of AULC"] == f"{np.std(by_hand(name), ddof=1):.4f}"
        final = np.mean([accuracy(name, seed, ROUNDS) for seed in range(SEEDS)])
        assert in_table[name]["final"] == f"{final:.4f}"
        assert (in_table[name]["train s"], in_table[name]["select s"]) == ("0.250", "0.500")
    assert in_table["bait"]["d_eff"] == "22.0 of 160"


def signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def test_lambda_stands_in_the_caption_where_an_arm_uses_it() -> None:
    expected = {
        "0.01": "at λ = 0.01, of the weights",
        "rel:1": "at λ = 1 · tr F/d, of the weights",
        "deff:12": "effective dimension tr F(F + λI)⁻¹ at the λ that makes it 12, of the weights",
    }
    for typed, words in expected.items():
        assert words in table_of(summarised(rows(), regularisation=typed), "Strategies").note
    alone = table_of(summarised(rows(("random",)), questions=""), "Strategies").note
    assert "λ" not in alone
    assert "d_eff" not in alone


def test_differences_to_random_are_paired() -> None:
    in_table = cells(summarised(rows()))
    for name in ("bait", "bait+fish"):
        expected = paired(by_hand(name), by_hand("random"))
        assert in_table[name]["Δ to random"] == signed(expected.difference)
        assert in_table[name]["95 % interval"] == f"{signed(expected.low)} to {signed(expected.high)}"
    assert in_table["random"]["Δ to random"] == ""


def test_every_question_is_answered_and_every_pair_stands_in_a_table() -> None:
    compared = summarised(rows())
    assert [answer.question for answer in compared.answers] == [
        "Is bait+fish no worse than bait, by a margin of 0.005 AULC?",
        "Is bait+fish better than random?",
    ]
    values = {name: by_hand(name) for name in RISE}
    pairs = [("bait", "random"), ("bait+fish", "random"), ("bait+fish", "bait")]
    expected = [paired(values[a], values[b]) for a, b in pairs]
    table = cells(compared, "Every pair")
    assert list(table) == [f"{a} − {b}" for a, b in pairs]
    assert [row["Δ AULC"] for row in table.values()] == [signed(each.difference) for each in expected]
    ps = holm([corrected_p(each, TEST_SHARE / (1 - TEST_SHARE)) for each in expected])  # the seeds draw their splits
    corrected = [p_value(p).removeprefix("p = ").removeprefix("p ") for p in ps]
    assert [row["p, Holm"] for row in table.values()] == corrected
    low, high = corrected_interval(expected[0], 0.25)
    assert table["bait − random"]["with overlap"] == f"{signed(low)} to {signed(high)}"


def test_the_family_stands_in_a_table_with_its_bound() -> None:
    family = cells(summarised(rows(seeds=8), seeds=8), "The family of questions")
    assert list(family) == QUESTIONS.split(", ")
    by = "(t)", "(sign flips)", "(t counting overlapping splits)"
    assert family["bait+fish >= bait"]["lower bound"].endswith(by)
    assert family["bait+fish > random"]["answer"] == "yes"
    assert "lower bound" in family["bait+fish > random"]


@pytest.mark.parametrize(
    ("changed", "seeds", "overlap"),
    [
        ({}, 8, 0.25),
        ({"folds": 4}, 4, None),
        ({"folds": 4}, 8, 1 / 3),
        ({"dataset": "cifar10"}, 8, None),
        ({"dataset": "somebody-elses"}, 8, None),
        ({"dataset": "digits:noise=0.1"}, 8, 0.25),
        ({"dataset": "features", "fixed_test": True}, 8, None),
    ],
)
def test_splits_overlap_where_seeds_redraw_them(changed: Mapping[str, Any], seeds: int, overlap: float | None) -> None:
    options = SUITES.get("compare").restored({"seeds": seeds, **changed})
    assert splits.overlap(options) == (overlap if overlap is None else pytest.approx(overlap))
    compared = summarised(rows(seeds=seeds), seeds=seeds, **changed)
    assert ("with overlap" in table_of(compared, "Every pair").columns) is (overlap is not None)
    assert ("counting overlapping splits" in str(compared.answers[1])) is (overlap is not None)


def test_fewer_than_four_seeds_have_no_interval_anywhere() -> None:
    compared = summarised(rows(seeds=3), seeds=3)
    assert {answer.verdict for answer in compared.answers} == {"too few"}
    assert " to " not in "".join(cell for table in compared.all_tables for row in table.rows for cell in row)
    assert all(series.low is None for panel in compared.figures[0].panels for series in panel.series)


def test_a_seed_that_an_arm_did_not_finish_is_left_out_everywhere_and_said() -> None:
    table = [row for row in rows() if not (row["strategy"] == "bait" and row["seed"] == 1 and row["round"] >= 3)]
    compared = summarised(table)
    assert cells(compared)["random"]["AULC"] == f"{np.mean(by_hand('random', (0, 2, 3))):.4f}"
    assert "3 seeds" in compared.tables[0].note
    assert cells(compared, "Left out")["1 seed"]["why"] == "not finished by every other strategy"
    assert len(compared.figures[0].panels[0].series[0].points) == 3 * (ROUNDS + 1)


def test_failed_rows_are_no_data() -> None:
    table = rows()
    for row in table:
        if row["strategy"] == "bait" and row["seed"] == 2 and row["round"] == ROUNDS:
            row.update(status="failed", reason="diverged", accuracy=None)
    compared = summarised(table)
    assert cells(compared)["bait"]["AULC"] == f"{np.mean(by_hand('bait', (0, 1, 3))):.4f}"
    assert "nan" not in text_of(compared)


def test_nothing_in_common_is_said() -> None:
    table = [row for row in rows() if (row["strategy"] == "bait") is (row["seed"] == 0)]
    compared = summarised(table)
    assert compared.tables == ()
    assert compared.lead[:2] == ("Nothing can be compared.", "No seed was finished by every strategy.")
    assert compared.lead[2] == "Run the same command again: it goes on where it stopped."
    assert {answer.verdict for answer in compared.answers} == {"too few"}
    failed = summarised([{**row, "status": "failed", "reason": "diverged"} for row in table])
    assert "--retry" in failed.lead[2]
    assert read_curves([], ("random",), ROUNDS, SEEDS) is None


@pytest.mark.parametrize("strategies", [("bait",), ("bait", "bait+fish")])
def test_without_the_baseline_nothing_is_held_to_it(strategies: Sequence[str]) -> None:
    compared = summarised(rows(strategies))
    assert "random" not in text_of(compared).replace("random-mask", "")
    assert len(compared.figures[0].panels) == 1


def test_the_baseline_alone() -> None:
    compared = summarised(rows(("random",)))
    assert cells(compared)["random"]["AULC"] == f"{np.mean(by_hand('random')):.4f}"
    assert len(compared.figures[0].panels) == 1
    assert compared.answers == []


def test_one_seed_has_numbers_and_no_intervals() -> None:
    compared = summarised(rows(seeds=1), seeds=1)
    assert cells(compared)["bait"]["AULC"] == f"{by_hand('bait')[0]:.4f}"
    assert all("on 1 seed" in answer.sentence for answer in compared.answers)


def test_nothing_prints_nan() -> None:
    level = [{**row, "accuracy": 0.5} for row in rows()]
    for table in (rows(), level, rows(seeds=2)):
        compared = summarised(table, seeds=len({row["seed"] for row in table}))
        assert "nan" not in text_of(compared).lower()
        assert faults(compared) == []


def test_equal_arms_have_no_penalty_and_no_difference() -> None:
    table = [{**row, "accuracy": accuracy("random", row["seed"], row["round"])} for row in rows(seeds=6)]
    compared = summarised(table, seeds=6)
    assert cells(compared)["bait"]["Δ to random"] == "0.0000"
    penalties = table_of(compared, "Pairwise penalties")
    assert {cell for row in penalties.rows for cell in row[1:]} == {"0.00"}
    assert [answer.verdict for answer in compared.answers] == ["yes", "not shown"]


def test_trainings_that_collapse_are_counted() -> None:
    table = rows(seeds=8)
    for row in table:
        if row["strategy"] == "bait+fish" and row["round"] == 3 and row["seed"] in (1, 4, 6):
            row["accuracy"] = 0.1
    compared = summarised(table, seeds=8)
    assert cells(compared)["bait+fish"]["collapsed"] == "3"
    assert {answer.verdict for answer in compared.answers} == {"unreliable"}
    assert "A training of bait+fish collapsed in 3 of 8 seeds" in text_of(compared)
    whole = summarised(rows(seeds=8), seeds=8)
    assert "collapsed" not in whole.tables[0].columns
    assert "cannot exclude a strategy that collapses in fewer than 31 % of runs" in text_of(whole)


def test_an_arm_that_never_gets_there_saves_nothing() -> None:
    table = [{**row, "accuracy": row["accuracy"] - 0.3 * (row["strategy"] != "random")} for row in rows()]
    saved = cells(summarised(table), "Labels saved")
    assert {row["labels"] for row in saved.values()} == {"not reached"}


def test_an_accuracy_of_zero_is_no_reason_to_say_nothing() -> None:
    assert summarised([{**row, "accuracy": 0.0} for row in rows()]).tables


def test_a_saving_without_a_bound_is_not_printed_as_infinite() -> None:
    table = rows(seeds=4)
    late = {"random": [0.3] * 4, "bait": [0.0, 0.7, 0.1, 0.6], "bait+fish": [-0.5, 0.2, 0.0, 0.4]}
    for row in table:
        row["accuracy"] = 0.5 + row["round"] / ROUNDS * late[row["strategy"]][row["seed"]]
    saved = cells(summarised(table), "Labels saved")
    assert saved["bait"]["95 % interval"].startswith("at most ")


def test_every_seed_is_a_dot_in_both_panels() -> None:
    absolute, relative = summarised(rows()).figures[0].panels
    assert absolute.y_most == 1
    assert [series.label for series in absolute.series] == list(RISE)
    for series in absolute.series:
        every = sorted((LABELS[r], accuracy(series.label, s, r)) for s in range(SEEDS) for r in range(ROUNDS + 1))
        assert sorted(series.points) == every
        assert series.y[-1] == pytest.approx(np.mean([accuracy(series.label, s, ROUNDS) for s in range(SEEDS)]))
    zero, *rest = relative.series
    assert (zero.label, set(zero.y)) == ("random", {0.0})
    bait = rest[0]
    expected = [accuracy("bait", s, ROUNDS) - accuracy("random", s, ROUNDS) for s in range(SEEDS)]
    assert bait.y[-1] == pytest.approx(np.mean(expected))
    assert bait.low is not None
    assert bait.low[-1] == pytest.approx(mean_interval(expected).low)


def test_an_arm_that_finished_no_seed_is_named_and_the_others_compared() -> None:
    table = [
        {**row, "status": "failed", "reason": "it broke", "accuracy": None} if row["strategy"] == "bait" else row
        for row in rows()
    ]
    compared = summarised(table)
    assert set(cells(compared)) == {"random", "bait+fish"}
    assert cells(compared, "Left out")["bait"]["why"] == "finished no seed: it broke"
    assert compared.answers[0].question == "Is bait+fish better than random?"
    assert {answer.verdict for answer in compared.answers[1:]} == {"too few"}
    assert {answer.sentence for answer in compared.answers[1:]} == {"bait finished no seed."}
    assert "--retry" in compared.answers[1].advice


# Along the curve


def test_the_rounds_of_a_pair_add_up_to_its_area() -> None:
    compared = summarised(rows(seeds=8), seeds=8)
    gap = np.mean(by_hand("bait+fish", range(8))) - np.mean(by_hand("random", range(8)))
    table = cells(compared, "bait+fish − random, round by round")
    assert list(table) == [str(labels) for labels in LABELS[1:]]
    parts = [float(row["part"].replace("−", "-")) for row in table.values()]
    assert sum(parts) == pytest.approx(gap, abs=2e-4)
    assert sum(int(row["share"].removesuffix(" %")) for row in table.values()) == pytest.approx(100, abs=2)
    last = np.mean([accuracy("bait+fish", s, ROUNDS) - accuracy("random", s, ROUNDS) for s in range(8)])
    assert table[str(LABELS[-1])]["Δ accuracy"] == signed(last)


def test_the_claim_names_rounds_and_the_one_that_makes_most() -> None:
    table = rows(seeds=8)
    for row in table:
        row["accuracy"] += 0.2 * (row["strategy"] == "bait+fish" and row["round"] == 1)
    compared = summarised(table, seeds=8)
    claims = next(part for part in compared.evidence if part.heading == "Where along the curve").claims
    assert any("shown to differ at 30" in claim and "the round of 30 labels makes" in claim for claim in claims)


def test_few_seeds_cannot_show_a_round() -> None:
    assert "4 seeds cannot show a round, 6 are the fewest" in text_of(summarised(rows()))
    headings = [part.heading for part in summarised(rows(seeds=3), seeds=3).evidence]
    assert "Where along the curve" not in headings


def test_of_many_rounds_those_that_add_most_are_shown() -> None:
    labels = np.arange(20.0, 620.0, 20.0)
    rng = np.random.default_rng(0)
    accuracy = {name: np.sort(rng.random((8, 30)), axis=1) for name in ("new", "old")}
    curves = curves_of(accuracy, labels)
    judged = judge_family([Question("new", ">", "old")], curves.areas, 0.005)
    (shown,) = along_evidence(along(curves, judged), curves)
    assert len(shown.tables[0].rows) == 12
    assert "The 12 of 29 rounds that add most." in shown.tables[0].note


def test_equal_curves_add_nothing_and_have_no_share() -> None:
    same = np.tile([0.4, 0.6, 0.8], (8, 1))
    curves = curves_of({"new": same, "old": same}, np.array([20.0, 40.0, 60.0]))
    judged = judge_family([Question("new", ">", "old")], curves.areas, 0.005)
    (shown,) = along_evidence(along(curves, judged), curves)
    assert shown.claims == ["new − old: no single round is shown to differ."]
    assert {row[4] for row in shown.tables[0].rows} == {""}


# Other scores, and cost


def scores(**metrics: float) -> list[Row]:
    """Rows of ``scores.csv`` beside ``rows()``, the same number in all but the metrics that are named."""
    names = ("balanced_accuracy", "macro_f1", "worst_recall", "calibration_error", "train_accuracy")
    keys = [{name: row[name] for name in ("strategy", "seed", "round")} for row in rows()]
    return [{**key, **dict.fromkeys(names, 0.5 + key["round"] / 100), **metrics} for key in keys]


def scored(beside: Sequence[Row], **changed: Any) -> Summary:
    options = {"strategies": list(RISE), "rounds": ROUNDS, "seeds": SEEDS, "questions": "", "model": "small"}
    return summary(rows(), SUITES.get("compare").restored({**options, **changed}), beside)


def test_another_metric_takes_accuracys_place() -> None:
    compared = scored(scores(), metric="macro-f1")
    table = cells(compared)
    level = f"{np.trapezoid([0.5 + r / 100 for r in range(ROUNDS + 1)], LABELS) / (LABELS[-1] - LABELS[0]):.4f}"
    assert {row["AULC"] for row in table.values()} == {level}
    assert {row["final"] for row in table.values()} == {f"{0.5 + ROUNDS / 100:.4f}"}
    assert "AULC: macro F1 averaged over labels" in table_of(compared, "Strategies").note
    asked = scored(scores(), metric="macro-f1", questions="bait > random")
    assert asked.lead[1].startswith("AULC of macro F1 (95 % interval counting overlapping splits, 4 seeds): bait − ra")
    assert {figure.panels[0].y_label for figure in compared.all_figures} == {"test macro F1"}


FALLING = {"random": 0.0, "bait": -0.12, "bait+fish": 0.06}
"""What an arm's curve of a score of which less is better has on random's."""


def falling(strategy: str, seed: int, number: int, scale: float) -> float:
    noise = np.random.default_rng([seed, number, len(strategy)]).normal(0, 0.01)
    return scale * (0.8 - 0.1 * number + 0.01 * seed + (FALLING[strategy] + noise if number else 0.0))


@pytest.mark.parametrize(("metric", "scale", "top"), [("nll", 4.0, None), ("calibration-error", 0.5, 1.0)])
def test_less_of_some_scores_is_better(metric: str, scale: float, top: float | None) -> None:
    """The lower curve wins; numbers keep their signs, and bounds are the upper ones."""
    column = metric.replace("-", "_")

    def with_column(table: Sequence[Row]) -> list[Row]:
        return [{**row, column: falling(row["strategy"], row["seed"], row["round"], scale)} for row in table]

    asked = {"metric": metric, "questions": "bait > random, bait+fish > random"}
    options = {"strategies": list(RISE), "rounds": ROUNDS, "seeds": SEEDS, "model": "small", "folds": 5, **asked}
    compared = summary(with_column(rows()), SUITES.get("compare").restored(options), with_column(scores()))
    curves = {n: [[falling(n, s, r, scale) for r in range(ROUNDS + 1)] for s in range(SEEDS)] for n in RISE}
    lost = paired(aulc(LABELS, curves["bait"]), aulc(LABELS, curves["random"]))
    name = SCORES[column].title

    assert faults(compared) == []
    verdicts = {answer.question: answer.verdict for answer in compared.answers}
    assert verdicts == {
        "Is bait better than random (lower is better)?": "yes",
        "Is bait+fish better than random (lower is better)?": "no",
    }
    sentence = compared.answers[0].sentence
    assert lost.difference < 0
    interval = f"95 % interval {signed(lost.low)} to {signed(lost.high)}"
    assert sentence.startswith(f"bait lies {-lost.difference:.4f} AULC below random ({interval};")
    assert compared.lead[0].startswith("On digits, bait beats random; bait+fish is worse than random.")
    assert compared.lead[1].startswith(f"AULC of {name}, lower is better (95 % interval, 4 seeds): bait − random −")
    assert compared.lead[2].startswith("Take bait")

    strategies = table_of(compared, "Strategies")
    assert f"AULC: {name} averaged over labels, lower is better;" in strategies.note
    assert cells(compared)["bait"]["Δ to random"] == signed(lost.difference)
    family = cells(compared, "The family of questions")
    assert family["bait > random"]["Δ AULC"] == signed(lost.difference)
    assert family["bait > random"]["d_z"].startswith("−")
    assert cells(compared, "Labels saved")["bait"]["saving"].rstrip(" %").isdecimal()
    assert cells(compared, "Labels saved")["bait+fish"]["saving"].startswith("−")
    for figure in compared.all_figures:
        assert figure.panels[0].y_label == f"test {name}, lower is better"
        assert figure.panels[0].y_most == top
    assert compared.figures[0].panels[1].title == "below random is better"


def test_a_worst_class_that_is_never_found_is_no_collapse() -> None:
    beside = [{**row, "worst_recall": 0.0 if row["seed"] == 1 else 0.9} for row in scores()]
    assert "No training collapsed" in text_of(scored(beside, metric="worst-recall"))


def test_every_score_stands_beside_the_metric() -> None:
    table = cells(scored(scores(calibration_error=0.125)), "Every score at the end")
    final = np.mean([accuracy("bait", seed, ROUNDS) for seed in range(SEEDS)])
    assert table["bait"]["accuracy"] == f"{final:.4f}"
    assert table["bait"]["balanced accuracy"] == f"{0.5 + ROUNDS / 100:.4f}"
    assert table["bait"]["calibration error"] == "0.1250"
    assert "Every score at the end" not in {table.title for table in scored([]).all_tables}


def test_strategies_stand_where_they_were_when_the_fastest_ended() -> None:
    slow = {"random": 0.25, "bait": 1.0, "bait+fish": 100.0}
    table = [{**row, "train_s": slow.get(row["strategy"], 0.25), "select_s": 0.0} for row in rows()]
    then = cells(summarised(table), "Against seconds")
    total = 0.25 * (ROUNDS + 1)
    assert then["random"]["seconds"] == f"{total:.3f}"
    assert then["random"]["when the fastest ends"] == then["random"]["final accuracy"]
    reached = int(total) - 1
    expected = np.mean([accuracy("bait", seed, reached) for seed in range(SEEDS)]) if reached >= 0 else None
    assert then["bait"]["when the fastest ends"] == ("none yet" if expected is None else f"{expected:.4f}")
    assert then["bait+fish"]["when the fastest ends"] == "none yet"


def test_curves_without_all_times_have_no_cost() -> None:
    table = [{**row, "train_s": None} for row in rows()]
    assert "Against seconds" not in {table.title for table in summarised(table).all_tables}
    assert [figure.name for figure in summarised(table).all_figures] == ["learning_curves"]


def test_dots_of_many_arms_are_left_out():
    many = [{**row, "strategy": f"{row['strategy']}{copy}"} for copy in ("", "-again", "-anew") for row in rows()]
    assert len({row["strategy"] for row in many}) > 6
    figure = summarised(many).figures[0]
    assert not any(series.points for panel in figure.panels for series in panel.series)
    assert "dot" in summarised(rows()).figures[0].note
    assert "dot" not in figure.note
