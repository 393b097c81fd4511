"""What is said of batches for one network: every number is the rows', paired by seed, and what is missing is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from plain import faults

from fbench.harness.contract import Answer, Evidence, Row, Summary
from fbench.measure.shares import part_of_whole
from fbench.suites.compare.settings import CompareSetting
from fbench.suites.compare.states import States, read_states
from fbench.suites.compare.states_everywhere import ways_evidence
from fbench.suites.compare.states_told import objective_number, share_in_percent, state_evidence

SIZES = {f"bait+fish@{size}": size for size in (100, 300, 1000, 3000, 9000)}
DIMS = {"bait": 160, **SIZES, "bait-full": 9648}
LEFT = {"random": 36.0, "bait": 24.0, "bait-full": 20.0, "badge": 30.0} | {
    name: 20 + 8 / (1 + i) for i, name in enumerate(SIZES)
}
ARMS = tuple(LEFT)
START, BATCH = 3, 5


def objective(name: str, seed: int) -> float:
    return float(LEFT[name] + 2 * seed + np.random.default_rng([seed, ARMS.index(name)]).normal(0, 0.4))


def tables(arms: Sequence[str] = ARMS, seeds: int = 6, network: Mapping[str, str] = {}) -> dict[str, list[Row]]:
    """Rows as a run writes them: arm number a buys 10 + a … 14 + a of 40 candidates."""
    made: dict[str, list[Row]] = {"states": [], "selections": [], "classes": []}
    for name in arms:
        for seed in range(seeds):
            key = {"strategy": name, "seed": seed, "round": 1}
            measured = {
                "d": DIMS.get(name), "objective": objective(name, seed), "objective_before": 70.0 + seed,
                "redundancy": 0.25, "samples": START + 40, "candidates": 40, "weights": 9648, "regularisation": 1.0,
                "network": network.get(name, f"net {seed}"),
            }  # fmt: skip
            made["states"].append({**key, **measured})
            bought = [(0, range(START)), (1, range(10 + ARMS.index(name), 10 + ARMS.index(name) + BATCH))]
            made["selections"] += [{**key, "round": r, "index": i} for r, batch in bought for i in batch]
            made["classes"] += [{**key, "class": k, "bought": n} for k, n in ((0, 3), (1, 2), (2, 0))]
    return made


def read(**made: list[Row]) -> States:
    states = read_states(made["states"], made["selections"], made["classes"], ARMS)
    assert states is not None
    return states


def told(arms: Sequence[str] = ARMS, seeds: int = 6, network: Mapping[str, str] = {}) -> Evidence:
    made = tables(arms, seeds, network)
    states = read_states(made["states"], made["selections"], made["classes"], arms)
    assert states is not None
    evidence = state_evidence(states)
    lead, answer = ("One.", "Two.", "Three."), Answer("Is it so?", "yes", "Yes.")
    main = [evidence.tables[0]]
    assert faults(Summary(lead=lead, answers=[answer], tables=main, evidence=[evidence])) == []
    return evidence


def column(evidence: Evidence, name: str) -> dict[str, str]:
    table = evidence.tables[0]
    return {row[0]: row[list(table.columns).index(name)] for row in table.rows}


def test_a_share_of_the_way_is_a_ratio_of_means_paired_by_seed() -> None:
    states = read(**tables())
    values = {name: np.array([objective(name, seed) for seed in range(6)]) for name in ARMS}
    ratio = part_of_whole(values["random"] - values["bait"], values["random"] - values["bait-full"])
    assert states.share("bait") == ratio
    assert ratio.value == pytest.approx((36 - 24) / (36 - 20), abs=0.06)
    assert states.share("random") is None
    assert states.share("bait-full") is None
    shares = (values["random"] - values["bait"]) / (values["random"] - values["bait-full"])
    assert states.shares("bait") == pytest.approx(shares)
    evidence = told()
    interval = f"{share_in_percent(ratio.low).removesuffix(' %')} to {share_in_percent(ratio.high)}"
    assert (
        f"bait goes {share_in_percent(ratio.value)} of the way from random to bait-full (95 % interval {interval})."
        in (evidence.claims)
    )
    assert column(evidence, "of the way")["bait"] == share_in_percent(ratio.value)
    assert column(evidence, "95 % interval")["bait"] == interval
    assert column(evidence, "objective")["bait"] == objective_number(float(values["bait"].mean()))
    over = values["bait"].mean() / values["bait-full"].mean() - 1
    assert column(evidence, "over bait-full")["bait"] == f"+{100 * over:.1f} %"


def test_the_first_claim_says_what_is_left() -> None:
    first = told().claims[0]
    assert first.startswith("For one network a seed, bait-full's batch leaves tr(F M⁻¹) under all 9,648 weights at ")
    assert "random's at " in first
    assert first.endswith("no batch at 72.50 (means of 6 seeds, λ = 1).")


def test_sizes_of_an_arm_are_one_sentence_and_a_figure() -> None:
    evidence = told()
    [sentence] = [claim for claim in evidence.claims if claim.startswith("bait+fish goes")]
    assert sentence.count("at d = ") == 4  # of five
    assert "at d = 100 " in sentence
    assert "at d = 9,000 " in sentence
    arms, sizes = evidence.figures
    assert (arms.name, sizes.name) == ("same_state", "same_state_by_size")
    left, right = sizes.panels
    assert left.x_log
    assert list(left.series[0].x) == list(SIZES.values())
    assert [series.label for series in left.series[1:]] == ["random", "bait", "bait-full"]
    assert [series.label for series in right.series] == ["bait+fish", "random", "bait", "by chance"]
    assert len(arms.panels[0].series[0].points) == 6 * len(ARMS)
    assert [figure.name for figure in told(("random", "bait", "bait-full")).figures] == ["same_state"]


def test_who_goes_nearly_all_of_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """36 to 20 is the way: badge goes 6/16 of it and bait 12/16."""
    arms = ("random", "bait", "badge", "bait-full")
    way = "95 % of the way from random to bait-full"
    assert told(arms).claims[1] == f"bait and badge go less than {way} (whole intervals, each by itself)."
    monkeypatch.setitem(LEFT, "bait", 16.0)
    assert told(arms).claims[1] == (f"bait goes at least {way}, badge goes less (whole intervals, each by itself).")
    monkeypatch.setitem(LEFT, "bait", 24.0)
    monkeypatch.setattr("fbench.suites.compare.states_told._NAMED", 1)
    assert told(arms).claims[1].startswith("2 strategies go less than 95 % of the way")


def test_samples_in_common_stand_beside_chance() -> None:
    evidence = told(("random", "bait", "bait-full"))
    assert column(evidence, "shared with bait-full") == {"random": "3.0", "bait": "4.0", "bait-full": ""}
    assert evidence.claims[-1] == (
        "Of 5 samples bait-full has in common with bait 4.0 and random 3.0; two random batches 0.6, more than 1.2 in "
        "at most 5 % of runs."
    )
    common = evidence.tables[1]
    assert [row[1:] for row in common.rows] == [["", "4.0", "3.0"], ["4.0", "", "4.0"], ["3.0", "4.0", ""]]
    assert "Two random batches: 0.62 (hypergeometric)" in common.note
    assert column(evidence, "classes") == dict.fromkeys(("random", "bait", "bait-full"), "2.0")


def test_without_bait_full_the_way_ends_at_the_best() -> None:
    evidence = told(("random", "bait", "badge"))
    assert any(claim.startswith("badge goes ") and "to bait (" in claim for claim in evidence.claims)
    assert not any("bait-full" in claim for claim in evidence.claims)


@pytest.mark.parametrize("arms", [("bait", "bait-full"), ("random",)])
def test_without_a_way_there_are_no_shares(arms: Sequence[str]) -> None:
    evidence = told(arms)
    assert "of the way" not in evidence.tables[0].columns
    assert len(evidence.claims) == 1


def test_a_way_that_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LEFT, "bait-full", 36.0)
    evidence = told(("random", "bait", "bait-full"))
    assert evidence.claims[1].startswith("bait-full's batch is not shown to be better than random's: ")
    assert "of the way" not in evidence.tables[0].columns


def test_few_seeds_have_no_intervals() -> None:
    evidence = told(seeds=2)
    assert evidence.claims[1] == "2 seeds: too few for an interval, 4 are the fewest."
    assert "95 % interval" not in evidence.tables[0].columns
    assert all(series.low is None for figure in evidence.figures for panel in figure.panels for series in panel.series)
    assert told(seeds=1).claims[0].endswith("(means of 1 seed, λ = 1).")


def test_what_is_not_paired_is_left_out_and_said() -> None:
    made = tables(("random", "bait"))
    made["states"] = [row for row in made["states"] if (row["strategy"], row["seed"]) != ("bait", 5)]
    for row in made["states"]:
        if (row["strategy"], row["seed"]) == ("random", 2):
            row["network"] = "another"
    states = read(**made)
    assert states.seeds == 4
    assert states.left_out == [
        ("1 seed", "not finished by every strategy"),
        ("1 seed", "its network differs between strategies"),
    ]
    evidence = state_evidence(states)
    assert [table.title for table in evidence.tables] == ["Batches for one network", "Batches left out"]
    assert read_states([], [], [], ARMS) is None
    unlike = tables(("random", "bait"), network={"bait": "x"})
    assert read_states(unlike["states"], unlike["selections"], unlike["classes"], ARMS) is None


def test_a_part_of_the_pool_is_said() -> None:
    made = tables(("random", "bait"))
    for row in made["states"]:
        row["samples"] = 30
    evidence = state_evidence(read(**made))
    assert evidence.claims[-1].startswith("F is over 30 samples of each pool, the labelled and random others")
    assert not any(claim.startswith("F is over") for claim in told(("random", "bait")).claims)


def settings(*names: tuple[str, str]) -> dict[CompareSetting, States]:
    """The same rows at every setting."""
    return {CompareSetting(*name): read(**tables()) for name in names}


def test_the_ways_of_several_settings_stand_beside_each_other() -> None:
    measured = settings(("digits", "1"), ("digits", "0.1"), ("mnist5k", "1"))
    lower = read(**tables())
    lower.objective["bait+fish@9000"] = lower.objective["bait+fish@9000"] + 9.0  # it goes no more than a third there
    measured[CompareSetting("mnist5k", "0.1")] = lower
    [evidence] = ways_evidence(measured)
    lead, answer = ("One.", "Two.", "Three."), Answer("Is it so?", "yes", "Yes.")
    assert faults(Summary(lead=lead, answers=[answer], tables=evidence.tables, evidence=[evidence])) == []
    [table] = evidence.tables
    assert [row[:2] for row in table.rows] == [list(at) for at in measured]
    going = [name for name in ARMS if name not in ("random", "bait-full")]
    assert list(table.columns) == ["data set", "λ", *going]
    share = measured[CompareSetting("digits", "1")].share("bait")
    assert share is not None
    low, high = (share_in_percent(end) for end in (share.low, share.high))
    assert table.rows[0][2] == f"{share_in_percent(share.value)} ({low.removesuffix(' %')} to {high})"
    least, most = lower.share("bait+fish@9000"), measured[CompareSetting("digits", "1")].share("bait+fish@9000")
    assert least is not None
    assert most is not None
    between = f"{share_in_percent(least.value).removesuffix(' %')} to {share_in_percent(most.value)}"
    [claim] = [claim for claim in evidence.claims if claim.startswith("bait+fish@9000")]
    assert claim.startswith(f"bait+fish@9000 goes {between} of the way from random to bait-full over 4 settings")
    assert most.high < 0.95
    assert "at least 95 % at 0 of them, less at 4" in claim
    assert evidence.claims[0].startswith("bait+fish@3000")  # whose least is the largest
    [figure] = evidence.figures
    assert [panel.title for panel in figure.panels] == ["digits", "mnist5k"]
    assert [series.label for series in figure.panels[0].series] == going
    assert list(figure.panels[0].series[0].y) == [share.value] * 2
    assert list(figure.panels[0].x_names) == ["1", "0.1"]


def test_settings_without_a_way_are_counted_and_one_has_nothing_beside_it() -> None:
    measured = settings(("digits", "1"), ("digits", "0.1"), ("digits", "0.01"))
    no_way = measured[CompareSetting("digits", "0.01")]
    no_way.objective["bait-full"] = no_way.objective["random"].copy()
    [evidence] = ways_evidence(measured)
    assert len(evidence.tables[0].rows) == 2
    assert evidence.claims[-1].startswith(
        "At 1 of 3 settings there is no way to have shares of: bait-full is not shown"
    )
    assert ways_evidence(settings(("digits", "1"))) == []
