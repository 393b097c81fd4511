"""From rows to table, findings and figure: every number is the rows', and what is missing is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from fbench.harness.contract import Row, Summary
from fbench.harness.registry import SUITES
from fbench.measure.curves import aulc
from fbench.measure.statistics import mean_interval, paired
from fbench.suites.compare.curves import read_curves
from fbench.suites.compare.summary import summary

ROUNDS, SEEDS = 4, 3
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
    cells = [cell for table in compared.tables for row in table.rows for cell in row]
    return "\n".join([*compared.findings, *cells, *(table.note for table in compared.tables)])


def cells(compared: Summary) -> Mapping[str, Mapping[str, str]]:
    table = compared.tables[0]
    assert all(len(row) == len(table.columns) for row in table.rows)
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def by_hand(strategy: str, seeds: Sequence[int] = range(SEEDS)) -> list[float]:
    return [float(aulc(LABELS, [accuracy(strategy, seed, r) for r in range(ROUNDS + 1)])) for seed in seeds]


def test_curves_are_the_rows() -> None:
    curves = read_curves(rows(), tuple(RISE), ROUNDS, SEEDS)
    assert curves is not None
    assert curves.labels.tolist() == LABELS
    assert list(curves.accuracy) == list(RISE)
    for name, values in curves.accuracy.items():
        assert values.tolist() == [[accuracy(name, s, r) for r in range(ROUNDS + 1)] for s in range(SEEDS)]
        assert curves.areas[name] == pytest.approx(by_hand(name), abs=1e-12)
    assert (curves.seeds, curves.left_out) == (SEEDS, [])


def test_the_order_of_the_rows_does_not_matter() -> None:
    assert summarised(rows()[::-1], strategies=list(RISE), questions=QUESTIONS) == summarised(rows())


def test_the_tables_areas_are_those_of_the_rows() -> None:
    in_table = cells(summarised(rows()))
    assert list(in_table) == list(RISE)
    for name in RISE:
        area = mean_interval(by_hand(name))
        assert in_table[name]["AULC"].startswith(f"{area.mean:.4f}")
        final = np.mean([accuracy(name, seed, ROUNDS) for seed in range(SEEDS)])
        assert in_table[name]["final accuracy"].startswith(f"{final:.4f}")
        assert (in_table[name]["train s"], in_table[name]["select s"]) == ("0.250", "0.500")
    assert f"{(area.high - area.low) / 2:.4f}" in in_table["bait+fish"]["AULC"]


def test_differences_to_random_are_paired() -> None:
    in_table = cells(summarised(rows()))
    for name in ("bait", "bait+fish"):
        expected = paired(by_hand(name), by_hand("random"))
        assert in_table[name]["Δ AULC to random"].startswith(f"+{expected.difference:.4f}")
    assert in_table["random"]["Δ AULC to random"] == ""


def test_questions_are_answered_in_their_order() -> None:
    findings = summarised(rows()).findings
    assert "bait+fish" in findings[0]
    assert "bait" in findings[0]
    difference = paired(by_hand("bait+fish"), by_hand("bait")).difference
    assert f"{difference:+.4f}".replace("-", "−") in findings[0]
    assert "bait+fish" in findings[1]
    assert "random" in findings[1]
    other = [text for text in findings if text.startswith("Exploratory: ")]
    assert len(other) == 1
    assert other[0].startswith("Exploratory: bait against random")


def test_a_seed_that_an_arm_did_not_finish_is_left_out_everywhere_and_said() -> None:
    table = [row for row in rows() if not (row["strategy"] == "bait" and row["seed"] == 1 and row["round"] >= 3)]
    compared = summarised(table)
    assert cells(compared)["random"]["AULC"].startswith(f"{np.mean(by_hand('random', (0, 2))):.4f}")
    assert "2 seeds" in compared.tables[0].note
    assert any(
        "not finished by every other strategy" in text and text.startswith("1 seed") for text in compared.findings
    )
    assert len(compared.figures[0].panels[0].series[0].points) == 2 * (ROUNDS + 1)


def test_failed_rows_are_no_data() -> None:
    table = rows()
    for row in table:
        if row["strategy"] == "bait" and row["seed"] == 2 and row["round"] == ROUNDS:
            row.update(status="failed", reason="diverged", accuracy=None)
    compared = summarised(table)
    assert cells(compared)["bait"]["AULC"].startswith(f"{np.mean(by_hand('bait', (0, 1))):.4f}")
    assert "nan" not in text_of(compared)


def test_nothing_in_common_is_said() -> None:
    table = [row for row in rows() if (row["strategy"] == "bait") is (row["seed"] == 0)]
    compared = summarised(table)
    assert compared.tables == ()
    assert compared.findings == (
        "No seed was finished by every strategy, so nothing can be compared: see the rows' reasons.",
    )
    assert read_curves([], ("random",), ROUNDS, SEEDS) is None


@pytest.mark.parametrize("strategies", [("bait",), ("bait", "bait+fish")])
def test_without_the_baseline_nothing_is_held_to_it(strategies: Sequence[str]) -> None:
    compared = summarised(rows(strategies))
    assert not any("random" in column for column in compared.tables[0].columns)
    assert "random" not in "\n".join(compared.findings)
    assert len(compared.figures[0].panels) == 1
    assert len(compared.tables) == 1


def test_the_baseline_alone() -> None:
    compared = summarised(rows(("random",)))
    assert cells(compared)["random"]["AULC"].startswith(f"{np.mean(by_hand('random')):.4f}")
    assert len(compared.figures[0].panels) == 1


def test_one_seed_has_numbers_and_no_intervals() -> None:
    compared = summarised(rows(seeds=1), seeds=1)
    assert "nan" not in text_of(compared).lower()
    assert cells(compared)["bait"]["AULC"] == f"{by_hand('bait')[0]:.4f}"
    assert all("unresolved" in text for text in compared.findings[:2])
    assert "on one seed" in compared.findings[0]
    assert len(compared.tables) == 1


def test_nothing_prints_nan() -> None:
    level = [{**row, "accuracy": 0.5} for row in rows()]
    for table in (rows(), level, rows(seeds=2)):
        assert "nan" not in text_of(summarised(table, seeds=len({row["seed"] for row in table}))).lower()


def test_equal_arms_have_no_penalty_and_no_difference() -> None:
    table = [{**row, "accuracy": accuracy("random", row["seed"], row["round"])} for row in rows(seeds=6)]
    compared = summarised(table, seeds=6)
    assert cells(compared)["bait"]["Δ AULC to random"].startswith("+0.0000")
    penalties = compared.tables[1]
    assert {cell for row in penalties.rows for cell in row[1:]} == {"0.00"}
    assert compared.findings[0].startswith("bait+fish is equivalent to bait")


def test_an_arm_that_never_gets_there_saves_nothing() -> None:
    table = [{**row, "accuracy": row["accuracy"] - 0.3 * (row["strategy"] != "random")} for row in rows()]
    assert any("never reaches the accuracy at which random" in text for text in summarised(table).findings)


def test_an_accuracy_of_zero_is_no_reason_to_say_nothing() -> None:
    assert summarised([{**row, "accuracy": 0.0} for row in rows()]).tables


def test_a_saving_without_a_bound_is_not_printed_as_infinite() -> None:
    table = rows(seeds=2)
    late = {"random": {0: 0.3, 1: 0.3}, "bait": {0: 0.0, 1: 0.7}, "bait+fish": {0: -0.5, 1: 0.2}}
    for row in table:
        row["accuracy"] = 0.5 + row["round"] / ROUNDS * late[row["strategy"]][row["seed"]]
    text = text_of(summarised(table, seeds=2))
    assert "inf" not in text.replace("inferior", "")


def test_every_seed_is_a_dot_in_both_panels() -> None:
    absolute, relative = summarised(rows()).figures[0].panels
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
    interval = mean_interval(expected)
    assert bait.low is not None
    assert bait.low[-1] == pytest.approx(interval.low)


def test_an_arm_that_finished_no_seed_is_named_and_the_others_compared() -> None:
    table = [
        {**row, "status": "failed", "reason": "it broke", "accuracy": None} if row["strategy"] == "bait" else row
        for row in rows()
    ]
    compared = summarised(table)
    assert set(cells(compared)) == {"random", "bait+fish"}
    assert any(text == "bait finished no seed and is left out: it broke." for text in compared.findings)
    assert not any("bait+fish is not inferior" in text for text in compared.findings)
