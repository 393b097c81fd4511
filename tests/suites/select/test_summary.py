"""Sentences and tables carry the numbers of the rows, and claim no more."""

from __future__ import annotations

import pytest
from selection_rows import row, selection

from fbench.harness import registry
from fbench.results import figures
from fbench.suites.select.cases import measured_selections, not_measured
from fbench.suites.select.findings import factor, findings
from fbench.suites.select.summary import summary

SUITE = registry.SUITES.get("select")
OPTIONS = SUITE.typed()
EQUAL = {"picks": 4, "same_picks": 1.0, "tolerance": 1e-5, "reference": "published", "reference_objective": 2.0}


def exact(**more):
    """Incremental and published on one problem, agreement included."""
    agreed = {**EQUAL, "objective": 2.0, "drift": 3e-7, "refreshes": 0, "d_eff": 5.0}
    return [
        *selection("incremental", [0.01, 0.02, 0.04], **more),
        row("incremental", "agreement", **{**agreed, **more}),
        row("incremental", "memory", peak_bytes=7200, **more),
        *selection("published", [1.0, 2.0, 4.0], picks=(3, 1, 2), **more),
        row("published", "agreement", **{**EQUAL, "picks": 3, **more}),
    ]


def sentences(rows, options=OPTIONS):
    return "\n".join(findings(measured_selections(rows), not_measured(rows), options))


@pytest.mark.parametrize(
    ("value", "text"), [(1420.4, "1,420"), (105.2, "105"), (31.84, "31.8"), (0.0123, "0.0123"), (float("nan"), "n/a")]
)
def test_factors(value, text):
    assert factor(value) == text


def test_speed_with_its_interval_and_what_was_not_measured():
    text = sentences(exact())
    assert "A forward pick by incremental takes 20 ms, 100 times less than in the published order (95 %" in text
    assert "100 to 100; 3 blocks of one interleaved run; published timed on 3 of its 8 picks)" in text
    assert "times less than the" in text
    assert "that published would take, carried on in proportion" in text


def test_a_slower_way_is_said_to_be_slower():
    rows = [*selection("incremental", [2.0, 2.0]), *selection("published", [1.0, 1.0])]
    text = sentences(rows)
    assert "2 times more than in the published order (95 % interval 2 to 2" in text
    assert "published's" in text
    assert "carried on" not in text


def test_one_block_has_no_interval():
    text = sentences([*selection("incremental", [1.0]), *selection("published", [2.0])])
    assert "(one block, which has no interval)" in text
    assert "nan" not in text


def test_incremental_alone():
    assert "A forward pick by incremental takes 1 s, a whole selection 13 s." in sentences(
        selection("incremental", [1.0])
    )


def test_agreement_and_drift():
    text = sentences(exact())
    assert "incremental has all of the float64 reference's 4 picks, and the order of all 8 forward picks." in text
    assert "published has all of the float64 reference's 3 first forward picks." in text
    assert "After 8 forward picks P = M⁻¹ had drifted by 3.0e-07 (never made afresh on the way)." in text
    assert "The reference is the published order in float64." in text


@pytest.mark.parametrize(("gap", "tie"), [(3e-6, ": a near-tie in float32"), (0.02, ": not a near-tie in float32")])
def test_where_the_order_is_left(gap, tie):
    rows = exact(same_picks=0.5, first_difference=88, gap_there=gap)
    text = sentences(rows)
    assert "incremental has 2 of the float64 reference's 4 picks; it leaves its order at pick 89" in text
    assert f"the reference's lead was {gap:.1e} of the score{tie}" in text


def test_the_reference_is_not_compared_with_itself():
    rows = [*selection("incremental", [1.0], dtype="float64")]
    rows.append(row("incremental", "agreement", **{**EQUAL, "reference": "incremental"}, dtype="float64"))
    text = sentences(rows)
    assert "incremental in float64 is the reference itself." in text
    assert "the published order would take more than --reference-budget 1e+12 operations" in text


def test_without_a_reference():
    rows = [*selection("incremental", [1.0]), row("incremental", "agreement", drift=1e-7, refreshes=1)]
    text = sentences(rows, SUITE.restored({"reference_budget": 0.0}))
    assert "Same picks and objective are empty where no float64 reference keeps to --reference-budget 0." in text
    assert "(once made afresh on the way)" in text


def test_approximations_against_exact_and_random():
    agreed = {**EQUAL, "objective": 2.1, "same_picks": 0.25, "first_difference": 0, "gap_there": 0.1}
    draws = [row("random", "agreement", b, **{**EQUAL, "objective": o}) for b, o in enumerate((3.0, 3.4))]
    rows = [*exact(), *selection("top2", [0.005, 0.01, 0.02]), row("top2", "agreement", **agreed), *draws]
    text = sentences(rows)
    assert "top2 picks 1 of 4 alike, an objective 5 % above the reference's (random batches: 60 % above)" in text
    assert "times less than incremental" in text
    better = [*selection("pca", [1.0]), row("pca", "agreement", **{**agreed, "objective": 1.9})]
    assert "pca picks 1 of 4 alike, an objective 5 % below the reference's." in sentences(better)


@pytest.mark.parametrize("method", ["fused", "factored"])
def test_other_kernels_are_exact_and_no_approximations(method):
    whole = [*exact(), *selection(method, [0.5, 0.5, 0.5]), row(method, "agreement", **{**EQUAL, "objective": 2.0})]
    text = sentences(whole)
    assert f"{method} has all of the float64 reference's 4 picks, and the order of all 8 forward picks." in text
    assert f"{method} picks" not in text
    left = {**EQUAL, "objective": 2.0, "first_difference": 4, "gap_there": 3e-5}
    text = sentences([*exact(), *selection(method, [0.5]), row(method, "agreement", **left)])
    assert f"{method} has all of the float64 reference's 4 picks; it leaves its order at pick 5" in text


def test_a_figure_names_what_was_carried_on():
    top = [*selection("top2", [0.3, 0.3]), row("top2", "agreement", **{**EQUAL, "objective": 2.2})]
    short = selection("fused", [0.5, 0.5], picks=(3, 1, 2))
    fused = [*short, row("fused", "agreement", **{**EQUAL, "picks": 3})]
    (figure,) = summary([*exact(), *fused, *top], OPTIONS).figures
    assert figure.note.endswith("; published, fused carried on from a few picks")
    whole = [*selection("incremental", [1.0]), row("incremental", "agreement", **{**EQUAL, "objective": 2.0})]
    (figure,) = summary([*whole, *top], OPTIONS).figures
    assert "carried on" not in figure.note


def test_memory_against_the_dense_rows():
    text = sentences(exact())
    assert "V built with all its rows, n·k·d numbers, is 14.1 KiB; memory grows by 7.03 KiB by incremental, 0.5" in text


def test_scores():
    rows = [
        *(row("score-packed", "score", b, rows=2, time_s=0.001) for b in (0, 1)),
        *(row("score-inverse", "score", b, rows=r, time_s=0.03 * r) for b in (0, 1) for r in (3, 2)),
    ]
    text = sentences(rows)
    assert "Scoring all 100 candidates takes 1 ms by score-packed 2×2, 90 times less than score-inverse 3×3" in text
    shown = summary(rows, OPTIONS)
    (table,) = shown.tables
    assert table.columns == ["method", "a pass", "a candidate", "× inverse"]
    assert [r[3] for r in table.rows] == ["90 (90 to 90)", "", "1.5 (1.5 to 1.5)"]
    assert "block by block" in shown.figures[0].title


def test_a_sweep_tells_the_largest_problem_and_how_times_grow():
    rows = [*exact(), *selection("incremental", [0.08] * 3, candidates=400)]
    text = sentences(rows)
    assert "n = 400: A forward pick by incremental takes 80 ms" in text
    assert "How the time of a forward pick grows with n: incremental (float32) × 4 for × 4." in text
    shown = summary(rows, OPTIONS)
    assert shown.tables[0].columns[0] == "n"
    panel = shown.figures[0].panels[0]
    assert [series.label for series in panel.series] == ["published", "incremental"]
    assert panel.series[1].x == [100.0, 400.0]
    assert len(panel.series[1].points) == 6


def test_dtypes_side_by_side():
    rows = [*selection("incremental", [1.0, 1.0]), *selection("incremental", [2.0, 2.0], dtype="float64")]
    assert "incremental in float32 takes 1.92 times less than in float64 (95 % interval 1.92 to 1.92" in sentences(rows)


def test_what_was_not_measured_is_said_with_its_reason():
    lost = [row("published", None, case=f"c{i}", status="oom", reason="too large") for i in range(3)]
    assert "Not measured (oom): c0 and 2 more: too large." in sentences([*selection("incremental", [1.0]), *lost])
    assert "Not measured (oom)" in sentences(lost)
    assert summary(lost, OPTIONS).figures == []


def test_tables():
    times, agreement = summary(exact(), OPTIONS).tables
    assert times.title == "Time: n = 100, k = 3, d = 12, B = 4, float32"
    assert [r[0] for r in times.rows] == ["incremental", "published"]
    assert times.rows[1][times.columns.index("whole")].startswith("≈ ")
    assert times.rows[0][times.columns.index("× a pick")] == "100 (100 to 100)"
    assert "≈: carried on in proportion" in times.note
    assert agreement.rows[0][agreement.columns.index("same picks")] == "4 of 4"
    assert agreement.rows[0][agreement.columns.index("of n·k·d")] == "0.5"
    assert agreement.rows[1][agreement.columns.index("same picks")] == "3 of 3"
    assert "lead there" not in agreement.columns  # nothing left the order: an empty column is left out


def test_figures_are_drawn(tmp_path):
    approximate = row("top2", "agreement", **{**EQUAL, "objective": 2.2})
    worth = [*exact(), *selection("top2", [0.5] * 3), approximate]
    titles = []
    for number, rows in enumerate((exact(), worth)):
        (figure,) = summary(rows, OPTIONS).figures
        titles.append(figure.title.split(":")[0])
        assert all(path.stat().st_size > 1000 for path in figures.draw(figure, tmp_path / str(number)))
    assert titles == ["Time of a forward pick, block by block", "What a batch costs and what it is worth"]
