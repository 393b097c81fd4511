"""A run's summary: the answers first, one table, one figure, and what lies behind by heading."""

from __future__ import annotations

import pytest
from drift_rows import compare_tables, failed, make_options, make_tables
from plain import faults

from fbench.harness import registry
from fbench.suites.drift.summary import compare_evidence, compare_summary, summary

AXES = {"layers": 32, "rounds": 2, "seeds": 4, "fractions": (0.05, 0.2)}


def of(edit=lambda row: row, **more):
    axes = {**AXES, **more}
    tables = make_tables(**axes)
    tables["results"] = [edit(dict(row)) for row in tables["results"]]
    return summary(tables, make_options(**axes))


def part(found, heading):
    (one,) = [one for one in found.evidence if one.heading == heading]
    return one


@pytest.mark.parametrize(
    "more",
    [
        {}, {"seeds": 1}, {"seeds": 3}, {"rounds": 0}, {"rounds": 1}, {"retrain": None}, {"fall": None},
        {"rules": ("layer",)}, {"layers": 11}, {"strategies": ("random", "bait+fish")}, {"previous": 0.6},
        {"classifier": ("kept", "free"), "redraws": (1, 2)}, {"noise": 0.2},
        {"classifier": ("kept", "free"), "redraws": (1, 2), "samples": (64, 1024), "rules": ("global", "layer"),
         "strategies": ("bait", "bait+fish"), "layers": 11},
    ],
)  # fmt: skip
def test_every_summary_keeps_the_contract(more):
    assert faults(of(**more)) == []


def test_the_order_of_a_whole_run():
    found = of()
    assert len(found.lead) == 3
    assert [answer.verdict for answer in found.answers] == ["yes", "no"]
    assert [table.title.split(":")[0] for table in found.tables] == ["Overlap of masks"]
    assert [figure.name for figure in found.figures] == ["overlap_by_round"]
    assert [one.heading for one in found.evidence] == [
        "Overlap and its baselines", "The fall of the share kept", "Round by round", "Layer by layer", "Time",
    ]  # fmt: skip
    assert [figure.name for one in found.evidence for figure in one.figures] == ["fall_by_fraction", "share_by_depth"]


def test_the_claims_behind():
    found = of()
    overlap = part(found, "Overlap and its baselines")
    assert overlap.claims[1].startswith("Neighbouring rounds overlap less than redrawn images leave by 0.4")
    fall = part(found, "The fall of the share kept")
    assert [table.title.split(":")[0] for table in fall.tables] == ["The fall of the share kept", "What masks capture"]
    assert fall.claims[0].startswith("The fall is shown to be steep (over less than 0.25 of the depth) at ")
    assert fall.claims[1].startswith("Mean F_j in the first third of the layers is ")
    rounds = part(found, "Round by round")
    assert [claim[:20] for claim in rounds.claims] == [
        "The last round's mas", "In no round up to th", "The ranks of all F_j",
    ]  # fmt: skip
    assert part(found, "Layer by layer").claims[0].startswith("Drift in ")


@pytest.mark.parametrize(
    ("previous", "words"),
    [
        ((0.4, 0.6), "Only in the last round is the mask shown to have settled: less than 20 %"),
        ((0.6, 0.6), "From round 1 on (150 labels) the mask is shown to have settled"),
        ((0.6, 0.4), "In no round up to the last"),
    ],
)
def test_from_when_on_it_has_settled(previous, words):
    claims = part(of(previous=previous, noise=0.003), "Round by round").claims
    assert any(claim.startswith(words) for claim in claims)


def test_nothing_finished_has_words_alone():
    empty = summary({"results": [failed("random", 0, "why")]}, make_options())
    assert (list(empty.tables), list(empty.figures)) == ([], [])
    assert len(empty.lead) == 3
    assert [answer.verdict for answer in empty.answers] == ["too few"]
    assert empty.evidence[0].claims == ["random finished no seed and is left out: failed: why."]


def test_a_comparison_has_neither_time_nor_a_second_training():
    tables = compare_tables(make_tables(**{**AXES, "strategies": ("random", "bait"), "fractions": (0.05,)}))
    options = registry.SUITES.get("compare").restored({"strategies": ("random", "bait"), "seeds": 4, "rounds": 2})
    assert options.margin == 0.005
    compared = compare_summary(tables, options)
    assert faults(compared) == []
    assert "Time" not in [one.heading for one in compared.evidence]
    overlap = part(compared, "Overlap and its baselines")
    assert "that part is shown to be below 20 %" in overlap.tables[0].note
    claims = overlap.claims
    assert "This run was made to compare arms, so that all it says of masks is exploratory." in claims
    first, *rest = compare_evidence(tables, options)
    assert (first.claims, first.tables, first.figures) == (compared.lead[:2], compared.tables, compared.figures)
    assert [table.title.split(":")[0] for table in compared.tables] == ["The fall of the share kept"]
    assert rest == compared.evidence
