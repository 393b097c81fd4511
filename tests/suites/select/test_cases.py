"""Seconds by block, what is carried on in proportion, and ratios paired by block."""

from __future__ import annotations

import pytest
from selection_rows import row, selection

from fbench.suites.select.cases import measured_selections, not_measured, problems


def test_seconds_of_a_step_and_of_a_whole():
    (case,) = measured_selections(selection("incremental", [0.5, 2.0]))
    assert case.step("forward") == {0: 0.5, 1: 2.0}
    assert case.removal() == {0: 0.5, 1: 2.0}
    assert case.whole() == {0: 1 + 12 * 0.5, 1: 1 + 12 * 2.0}
    assert not case.cut_short
    assert case.timed
    assert case.picks("forward") == (8, 8)


def test_what_was_cut_short_is_carried_on_phase_by_phase():
    (case,) = measured_selections(selection("published", [0.5], picks=(3, 1, 2), totals=(40, 1, 19)))
    assert case.cut_short
    assert case.step("forward") == {0: 0.5}
    assert case.whole() == {0: pytest.approx(1 + 40 * 0.5 + 0.5 + 19 * 0.5)}


def test_a_single_removal_stands_for_all():
    rows = [row("incremental", "first_removal", picks=1, picks_total=1, time_s=0.25)]
    assert measured_selections(rows)[0].removal() == {0: 0.25}


def test_a_score_is_the_median_of_a_block_and_is_told_by_its_rows():
    rows = [row("score-inverse", "score", rows=r, time_s=t) for r in (3, 2) for t in (9.0, 1.0, r)]
    cases = measured_selections(rows)
    assert [case.method for case in cases] == ["score-inverse 3×3", "score-inverse 2×2"]
    assert [case.score for case in cases] == [{0: 3}, {0: 2}]


COMPARED = {"picks": 4, "tolerance": 1e-5, "reference": "published", "reference_objective": 2.0}


def test_agreement_and_memory():
    draws = [
        row("random", "agreement", b, same_picks=s, objective=o, **COMPARED)
        for b, (s, o) in enumerate([(0.0, 3.0), (0.5, 4.0)])
    ]
    memory = row("incremental", "memory", peak_bytes=700)
    random, incremental = measured_selections([*draws, memory, row("incremental", "agreement", refreshes=2)])
    assert (random.agreement.picks, random.agreement.same_picks) == (4, 0.25)
    assert random.agreement.reference == "published"
    assert random.agreement.departure is None
    assert random.drift is None
    assert (random.objective_ratio().mean, random.objective_ratio().n) == (1.75, 2)
    assert random.peak_bytes is None
    assert incremental.objective_ratio() is None
    assert (incremental.was_compared, incremental.agreement) == (True, None)
    assert (incremental.peak_bytes, incremental.refreshes) == (700, 2)
    assert incremental.sizes.embedding_bytes == 100 * 3 * 12 * 4


def test_rows_without_a_measurement_are_no_cases():
    rows = [row(method, None, status="skipped", reason="why") for method in ("published", "fused")]
    assert measured_selections(rows) == []
    assert not_measured(rows) == [("skipped", "why", ["method=published", "method=fused"])]


def test_problems_go_from_small_to_large():
    rows = [row("random", "agreement", candidates=n, dim=d) for n, d in ((900, 12), (100, 24), (100, 12))]
    assert [sizes[:3] for sizes in problems(measured_selections(rows))] == [(100, 3, 12), (100, 3, 24), (900, 3, 12)]
