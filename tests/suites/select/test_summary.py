"""Tables, evidence and figures of a selection run carry the numbers of its rows."""

from __future__ import annotations

import pytest
from plain import faults
from selection_rows import EQUAL, exact, row, selection

from fbench.harness import registry
from fbench.results import figures
from fbench.suites.select.summary import summary

SUITE = registry.SUITES.get("select")
OPTIONS = SUITE.typed()


def claims(rows, options=OPTIONS):
    return "\n".join(claim for part in summary(rows, options).evidence for claim in part.claims)


def tables(rows):
    return {table.title.split(":")[0]: table for table in summary(rows, OPTIONS).all_tables}


def test_the_main_table():
    table = summary(exact(), OPTIONS).tables[0]
    assert table.title == "What a batch takes, and what it is worth: n = 100, k = 3, d = 12, B = 4, float32"
    assert list(table.columns) == ["way", "whole selection", "× faster", "a pick", "same picks", "objective", "peak"]
    assert table.rows[0] == ["incremental", "1.29 s", "21 (10 to 44)", "22.1 ms", "4 of 4", "1.0000", "7.03 KiB"]
    assert table.rows[1][1:5] == ["≈ 27.7 s", "", "2.21 s", "3 of 3"]
    assert "× faster: than published, with its 95 % interval." in table.note
    assert (
        "≈: extrapolated from the picks and removals that were timed; the interval has timing noise alone" in table.note
    )
    assert "Whole: set-up, picks (more than are kept) and removals." in table.note


def test_random_batches_are_said_to_be_a_mean():
    drawn = [row("random", "agreement", block, **{**EQUAL, "same_picks": 0.05, "objective": 3.4}) for block in range(3)]
    assert "random: mean of 3 batches." in summary([*exact(), *drawn], OPTIONS).tables[0].note


def test_the_main_table_of_few_blocks_has_no_interval():
    rows = [*selection("incremental", [0.01] * 3), *selection("published", [1.0] * 3)]
    table = summary(rows, OPTIONS).tables[0]
    assert table.rows[0][2] == "12"
    assert "interval" not in table.note


def test_phases_and_comparisons_are_evidence():
    found = tables(exact())
    phases = found["Time by phase"]
    assert phases.rows[0][list(phases.columns).index("× faster a pick")] == "100 (100 to 100)"
    tests = found["Is the first faster than the second?"]
    assert tests.rows[0][:3] == ["incremental", "published", "4"]
    assert tests.rows[0][-1] == "yes"
    agreement = found["Agreement and memory"]
    assert agreement.rows[0][list(agreement.columns).index("share of V")] == "0.5"
    assert "lead there" not in agreement.columns  # nothing left the order: an empty column is left out


def test_claims():
    text = claims(exact())
    assert (
        "After 8 forward picks by incremental in float32, P = M⁻¹ had drifted by 3e−7; it was not made afresh." in text
    )
    assert "The reference is the published order in float64." in text
    own = [row("incremental", "agreement", **{**EQUAL, "reference": "incremental"})]
    assert "than --reference-budget 1e+12 operations" in claims([*selection("incremental", [1.0]), *own])
    none = [*selection("incremental", [1.0]), row("incremental", "agreement", drift=1e-7, refreshes=1)]
    text = claims(none, SUITE.restored({"reference_budget": 0.0}))
    assert "Same picks and objective are empty where no float64 reference keeps to --reference-budget 0." in text
    assert "it was once made afresh" in text


def test_what_was_not_measured_is_said_with_its_reason():
    lost = [row("published", None, case=f"c{i}", status="oom", reason="too large") for i in range(3)]
    assert "c0 and 2 more (oom): too large." in claims([*selection("incremental", [1.0]), *lost])
    shown = summary(lost, OPTIONS)
    assert shown.figures == []
    assert len(shown.lead) == 3


def test_a_sweep_tells_the_largest_problem_and_how_times_grow():
    rows = [*exact(), *selection("incremental", [0.08] * 4, candidates=400)]
    shown = summary(rows, OPTIONS)
    assert "With 4 times n a forward pick by incremental (float32) takes 3.61 times as long." in claims(rows)
    assert "takes 1.96 s" in shown.lead[0]
    assert shown.tables[0].columns[0] == "n"
    panel = shown.figures[0].panels[0]
    assert [series.label for series in panel.series] == ["published", "incremental"]
    assert panel.series[1].x == [100.0, 400.0]
    assert len(panel.series[1].points) == 8


def test_scores():
    rows = [
        *(row("score-packed", "score", b, rows=2, time_s=0.001, max_rel_error=None) for b in range(4)),
        *(row("score-inverse", "score", b, rows=r, time_s=0.03 * r) for b in range(4) for r in (3, 2)),
        row("score-packed", "agreement", rows=2, max_rel_error=3e-7),
    ]
    shown = summary(rows, OPTIONS)
    assert shown.lead[0] == (
        "score-packed 2×2 scores 100 candidates in 1 ms: 90 times faster than score-inverse 3×3 (90 to 90), 60 times "
        "faster than score-inverse 2×2 (60 to 60)."
    )
    assert [answer.verdict for answer in shown.answers] == ["yes", "yes"]
    (table,) = shown.tables
    assert list(table.columns) == ["way", "a pass", "× faster", "a candidate", "error"]
    assert [line[2] for line in table.rows] == ["90 (90 to 90)", "", "1.50 (1.50 to 1.50)"]
    assert shown.figures[0].panels[0].x_names == ["score-packed 2×2", "score-inverse 3×3", "score-inverse 2×2"]
    both = summary([*exact(), *rows], OPTIONS)
    assert both.tables[0].title.startswith("What a batch takes")
    assert both.evidence[0].heading == "The batched score alone"


def test_figures_are_drawn_and_name_what_was_extrapolated(tmp_path):
    approximate = row("top2", "agreement", **{**EQUAL, "objective": 2.2})
    worth = [*exact(), *selection("top2", [0.5] * 4), approximate]
    titles = []
    for number, rows in enumerate((exact(), worth)):
        (figure,) = summary(rows, OPTIONS).figures
        titles.append(figure.title.split(":")[0])
        assert all(path.stat().st_size > 1000 for path in figures.draw(figure, tmp_path / str(number)))
    assert titles == ["Time of a selection", "What a batch costs and what it is worth"]
    assert "published extrapolated from a few picks" in summary(worth, OPTIONS).figures[0].note


@pytest.mark.parametrize("rows", [exact(), selection("incremental", [1.0]), [row("random", "agreement", **EQUAL)]])
def test_the_contract_is_kept(rows):
    shown = summary(rows, OPTIONS)
    assert [fault for fault in faults(shown) if "no question" not in fault or shown.answers] == []
