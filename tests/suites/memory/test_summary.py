"""Tables of a memory run carry the numbers of its rows."""

from __future__ import annotations

from memory_rows import ALLOCATED, GIB, NON_TORCH, NVML, limit, rounds_of, row, tables, trace, whole_round

from fbench.harness import registry
from fbench.suites.memory.summary import summary

OPTIONS = registry.SUITES.get("memory").typed(memory_budget="8GiB")
PEAKS = {"train": [100, 110, 90], "forward": [1024, 1034, 1014]}


def shown(*groups, **more):
    return {table.title: table for table in summary(tables(*groups, **more), OPTIONS).all_tables}


def lines(table):
    return [list(line) for line in table.rows]


def test_peaks_by_phase_and_what_was_predicted_over_them():
    mask = rounds_of("bait:mask", {"mask": [50] * 3, "train": [80] * 3}, dim=700, chunk_size=64)
    found = shown(rounds_of("bait", PEAKS, {"train": 130, "forward": 1024}), mask)
    growth, before, ratios, *_ = found.values()
    assert growth.title == "Peak growth by phase: n = 5,000, k = 10, B = 100, float32"
    assert list(growth.columns) == ["phase", "bait", "bait:mask"]
    assert lines(growth) == [
        ["train", "100 MiB", "80 MiB"],
        ["mask", "", "50 MiB"],
        ["forward", "1 GiB", ""],
    ]
    assert growth.note == (
        "Growth of resident memory at its peak over what was held before the first round. Medians of 3 rounds; the "
        "widest range is 90 to 110 MiB (train of bait). d: 1,280 (bait), 700 (bait:mask). chunk: 64 (bait:mask)."
    )
    assert list(before.columns) == ["method", "d", "chunk", "held before"]
    assert lines(before) == [["bait", "1,280", "", "400 MiB"], ["bait:mask", "700", "64", "400 MiB"]]
    assert ratios.title == "Predicted / measured: n = 5,000, k = 10, B = 100, float32"
    assert lines(ratios) == [["train", "1.30", ""], ["mask", "", ""], ["forward", "1.00", ""]]


def test_one_round_says_so_and_no_prediction_has_no_table():
    table = next(iter(shown(rounds_of("bait", {"train": [100]})).values()))
    assert table.note.endswith(" One round.")


def test_several_cases_of_a_method_have_a_table_of_their_own():
    small = rounds_of("bait", {"train": [60], "forward": [50]}, {"train": 90}, candidates=100)
    found = shown(small, rounds_of("bait", PEAKS))
    table = found["Peak of every case: k = 10, d = 1,280, B = 100, float32"]
    assert list(table.columns) == ["method", "n", "phase", "growth", "predicted", "ratio"]
    assert lines(table) == [
        ["bait", "100", "train", "60 MiB", "90 MiB", "1.50"],
        ["bait", "5,000", "forward", "1 GiB", "", ""],
    ]
    assert lines(next(iter(found.values())))[1] == ["forward", "1 GiB"]


def test_many_cases_are_left_to_the_file():
    many = [each for n in range(1, 62) for each in rounds_of("bait", {"train": [n]}, candidates=n)]
    assert not any(title.startswith("Peak of every case") for title in shown(many))


def test_a_gpus_sources_stand_side_by_side():
    rows = [each for which in (ALLOCATED, NVML, NON_TORCH) for each in rounds_of("bait", PEAKS, which=which)]
    table = shown(rows)["Peak growth by source: n = 5,000, k = 10, d = 1,280, B = 100, float32"]
    assert list(table.columns) == ["method", "torch allocated", "nvml used", "nvml non_torch"]
    assert lines(table) == [["bait", "1 GiB", "1 GiB", "1 GiB"]]
    assert "used: this process's, by NVML" in table.note


def test_a_devices_growth_is_said_to_be_that():
    delta = ("cuda:0", "nvml", "used", "device_delta")
    other = ("cuda:1", "torch", "allocated", "process")
    empty = [row("bait", "train", which=other)]
    rows = [*rounds_of("bait", PEAKS, which=ALLOCATED), *rounds_of("bait", PEAKS, which=delta), *empty]
    table = next(table for title, table in shown(rows).items() if title.startswith("Peak growth by source"))
    assert list(table.columns) == ["method", "torch allocated cuda:0", "nvml used cuda:0"]  # nothing of the other
    assert "the whole device's, other processes included" in table.note


def test_what_fits():
    rows = [
        limit("bait", largest_pool=40_000),
        limit("published", chunk_size=256, largest_chunk=4096, largest_pool=0, predicted_bytes=9 * GIB),
    ]
    (table,) = shown(limits=rows).values()
    assert table.title == "What fits: n = 5,000, k = 10, d = 1,280, B = 100, float32"
    assert list(table.columns) == ["method", "chunk", "predicted", "phase", "d×d", "chunk ≤", "pool ≤"]
    assert lines(table) == [
        ["bait", "", "2 GiB", "forward", "50 MiB", "", "40,000"],
        ["published", "256", "9 GiB", "forward", "50 MiB", "4,096", "none"],
    ]
    assert "keep the budget of 8 GiB with 10 % to spare, or more, all else" in table.note


def test_budgets_and_devices_that_differ_are_columns():
    rows = [limit("bait"), limit("bait", device="cuda:0", budget_bytes=80 * GIB, margin=0.2)]
    (table,) = shown(limits=rows).values()
    assert list(table.columns)[:3] == ["method", "device", "budget"]
    assert [line[1:3] for line in table.rows] == [["cpu", "8 GiB"], ["cuda:0", "80 GiB"]]
    assert "keep the budget with 10 % or 20 % to spare, or more" in table.note


def test_a_whole_run_has_one_table_one_figure_and_evidence():
    rows = whole_round("bait:mask")
    said = summary(tables(rows, timeline=trace(rows)), OPTIONS)
    assert [figure.name for figure in said.figures] == ["peaks"]
    assert [figure.name for figure in said.all_figures] == ["peaks", "timeline-bait-mask"]
    assert len(said.tables) == 1


def test_nothing_measured_says_so():
    said = summary({"results": [row("bait", "train", status="failed", reason="why")]}, OPTIONS)
    assert (list(said.tables), list(said.figures)) == ([], [])
    assert said.lead[0] == "No phase has a measured peak."
    assert "Not finished (failed): 1 of 1 cases" in said.evidence[-1].claims[-1]
