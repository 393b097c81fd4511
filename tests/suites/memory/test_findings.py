"""Sentences of a memory run say what was planted in the rows, and claim no more."""

from __future__ import annotations

from memory_rows import ALLOCATED, GIB, NVML, held, limit, rounds_of, row, tables

from fbench.harness import registry
from fbench.suites.memory.findings import findings
from fbench.suites.memory.peaks import memory_of_cases
from fbench.suites.memory.rows import read_rows

SUITE = registry.SUITES.get("memory")


def said(*groups, options=None, **more):
    rows = read_rows(tables(*groups, **more))
    return findings(memory_of_cases(rows.phases), rows, SUITE.typed(**(options or {"memory_budget": "8GiB"})))


def test_the_phase_that_sets_the_peak():
    rows = rounds_of("bait", {"train": [300, 300, 300], "forward": [1200, 1300, 1100]})
    assert said(rows)[0] == (
        "Forward sets the peak of bait in all 3 rounds: resident memory grows by 1.17 GiB over the 400 MiB held before "
        "the first round (median of 3 rounds, 1.07 to 1.27 GiB), 10 MiB of it there when the phase began; next is "
        "train with 300 MiB."
    )


def test_rounds_that_disagree_are_counted():
    rows = rounds_of("bait", {"train": [300, 100, 300], "embed": [1, 1, 400], "forward": [200, 310, 310]})
    assert said(rows)[0].startswith("Forward sets the peak of bait in 1 of 3 rounds (train in 1 and embed in 1): ")


def test_one_round_has_no_range():
    rows = rounds_of("bait", {"forward": [100]}, which=ALLOCATED, baseline=0)
    assert said(rows)[0] == (
        "Forward sets the peak of bait: torch's allocated memory on cuda:0 grows by 100 MiB over the 0 B held before "
        "the first round (one round), 10 MiB of it there when the phase began."
    )


def test_equal_rounds_have_no_range_either():
    assert "(median of 2 rounds, the same in each)" in said(rounds_of("bait", {"forward": [100, 100]}))[0]


def test_each_method_speaks_of_its_largest_problem():
    own = {"forward": [100]}
    rows = [*rounds_of("bait", own, candidates=100), *rounds_of("bait", own), *rounds_of("other", own)]
    peaks = [sentence for sentence in said(rows) if "sets the peak" in sentence]
    assert [sentence.split(":")[0] for sentence in peaks] == [
        "Forward sets the peak of bait (n = 5,000)",
        "Forward sets the peak of other (n = 5,000)",
    ]


def test_nothing_measured():
    text = said([row("bait", "train", predicted_bytes=10)])
    assert (
        text[0] == "No phase has a measured peak, so nothing can be said of where memory goes: see the rows' reasons."
    )
    assert text[1] == "No phase has both a prediction and a measured peak, so predictions cannot be judged."
    assert len(text) == 2


def test_predictions_of_large_phases_by_share_and_of_small_ones_by_bytes():
    peaks = {"train": [1000], "forward": [2000], "backward": [800], "data": [10], "embed": [400]}
    predicted = {"train": 1140, "forward": 2600, "backward": 600, "data": 40, "embed": 402}
    text = said(rounds_of("bait", peaks, predicted))
    assert text[1:3] == [
        "Predicted growth is within 15 % of the measured in 1 of 3 phases that grew by 500 MB or more; the farthest is "
        "forward of bait, 2.54 GiB predicted for 1.95 GiB (+30 %).",
        "Of smaller phases predicted growth is within 15 % in 1 of 2; the farthest in bytes is data of bait, 40 MiB "
        "predicted for 10 MiB.",
    ]


def test_the_bound_between_large_and_small_is_500_million_bytes():
    base = {"baseline_bytes": 0, "predicted_bytes": 575_000_000}
    rows = [row("bait", "train", peak_bytes=500_000_000, **base), row("bait", "embed", peak_bytes=499_999_999, **base)]
    text = said(rows)
    assert "in 1 of 1 phases that grew by 500 MB or more" in text[1]
    assert text[1].endswith("(+15 %).")
    assert text[2].startswith("Of smaller phases predicted growth is within 15 % in 0 of 1; ")


def test_without_large_phases_that_is_said():
    text = said(rounds_of("bait", {"data": [0]}, {"data": 0}))
    assert text[1] == (
        "Predicted growth cannot be judged of large phases: none with a prediction grew by 500 MB or more."
    )
    assert text[2].startswith("Of smaller phases predicted growth is within 15 % in 1 of 1; ")


def test_what_fits():
    rows = [
        limit("bait", candidates=100),
        limit("bait", largest_pool=50_000),
        limit("published", chunk_size=256, largest_chunk=4096, largest_pool=9_000),
        limit("tight", chunk_size=8, largest_chunk=0, largest_pool=0),
        limit("lost", largest_pool=None),
        limit("free", budget_bytes=None),
    ]
    assert [sentence for sentence in said(limits=rows) if "predict" in sentence.lower()][1:] == [
        "Predicted to stay within the budget of 8 GiB with a margin of 10 %: bait (n = 5,000): pools of up to 50,000 "
        "candidates; published (n = 5,000, chunk 256): pools of up to 9,000 candidates and chunks of up to 4,096 at "
        "n = 5,000; tight (n = 5,000, chunk 8): no pool and no chunk at n = 5,000; lost (n = 5,000): not known.",
        "In 1 of 5 cases no pool is predicted to fit.",
    ]


def test_budgets_have_sentences_of_their_own():
    rows = [limit("bait", margin=0), limit("bait", device="cuda:0", budget_bytes=80 * GIB)]
    text = [sentence for sentence in said(limits=rows) if sentence.startswith("Predicted to stay within")]
    assert text == [
        "Predicted to stay within the budget of 8 GiB: bait: pools of up to 40,000 candidates.",
        "Predicted to stay within the budget of 80 GiB with a margin of 10 %: bait: pools of up to 40,000 candidates.",
    ]


def test_what_is_free_differs_from_case_to_case():
    rows = [limit("bait", budget_bytes=7 * GIB), limit("fused", budget_bytes=8 * GIB), limit("none", budget_bytes=None)]
    text = [each for each in said(limits=rows, options={"memory_budget": ""}) if each.startswith("Predicted to")]
    assert text == [
        "Predicted to stay within what was free (7 GiB to 8 GiB) with a margin of 10 %: bait: pools of up to 40,000 "
        "candidates; fused: pools of up to 40,000 candidates.",
    ]


def test_what_the_c_library_keeps_is_said_where_it_shows():
    rss, torch = rounds_of("bait", {"train": [300]}), rounds_of("bait", {"train": [300]}, which=ALLOCATED)
    system, returning = {"malloc": "system"}, {"malloc": "returning"}
    assert any("--malloc returning" in each for each in said(rss, options=system))
    assert not any("--malloc" in each for each in [*said(rss, options=returning), *said(torch, options=system)])


def leaks(*rounds, results=()):
    return said(results, rounds=[each for group in rounds for each in group])[-2:]


HEAD = (
    "Leaks, memory held at a round's end that grows by 1 MiB a round or 0.1 % of the peak, whichever is more: found in "
)


def test_a_leak_is_named_with_its_interval():
    grown = held("bait", [400, 430, 432.1, 434, 436, 438.1])
    first, worst = leaks(grown, held("other", [400, 430] + [430] * 6))
    assert first == f"{HEAD}1 of 2 cases, ruled out in 1, too short to tell in 0."
    assert worst.startswith(
        "The worst is method=bait candidates=5000 dtype=float32, leak: resident memory grows by 2.03 MiB a round (95 % "
        "interval 1.87 to 2.18 MiB, over 4 differences between rounds, the first round left out)"
    )
    assert worst.endswith("; 2 series were judged, and of those that only wander 1 in 40 at most is called a leak.")


def test_a_case_that_was_measured_goes_by_its_name():
    _, worst = leaks(held("bait", [430] * 7), results=rounds_of("bait", {"train": [10]}))
    assert worst.startswith("The worst is bait, no leak: resident memory grows by 0 B a round (95 % interval 0 to 0 B")


def test_few_rounds_are_too_short():
    first, worst = leaks(held("bait", [400, 500, 600]), held("other", [400] * 8))
    assert first == f"{HEAD}0 of 2 cases, ruled out in 1, too short to tell in 1."
    assert worst.endswith("too short to tell: 1 difference between rounds, and 5 rounds are the least.")


def test_the_peak_decides_what_is_material():
    grown = held("bait", [400, 430, 432, 434, 436, 438])
    assert "found in 1 of 1 cases" in leaks(grown)[0]
    results = rounds_of("bait", {"train": [8 * 1024]})
    assert "found in 0 of 1 cases, ruled out in 1" in leaks(grown, results=results)[0]


def test_a_case_is_as_bad_as_its_worst_meter():
    first, worst = leaks(held("bait", [20] * 8, ALLOCATED), held("bait", [500 + 5 * i for i in range(8)], NVML))
    assert "found in 1 of 1 cases, ruled out in 0" in first
    assert "NVML's used memory on cuda:0 grows by 5 MiB a round" in worst
    reserved = held("bait", [500 + 5 * i for i in range(8)], ("cuda:0", "torch", "reserved", "process"))
    assert "found in 0 of 1 cases" in leaks(held("bait", [20] * 8, ALLOCATED), reserved)[0]


def test_rounds_that_are_missing_or_unknown_join_nothing():
    gone = [each for each in held("bait", [400, 430, None, 900, 900, 900, 900, 900]) if each["round"] != 4]
    assert leaks(gone)[1].endswith("too short to tell: 2 differences between rounds, and 5 rounds are the least.")
    assert not any("Leaks" in sentence for sentence in said(rounds=held("bait", [None] * 9)))
