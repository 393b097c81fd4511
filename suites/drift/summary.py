"""What ``fbench drift`` says at the end: the answers, overlaps beside their baselines, and what lies behind."""

from __future__ import annotations

from collections.abc import Sequence

from fbench.harness.contract import Answer, Evidence, Summary, Tables
from fbench.learning.arm_options import ArmOptions

from .answers import DRIFT, both_answers, lead
from .baselines import DEFAULT_MARGIN
from .evidence import all_evidence
from .left_out import left_out
from .options import Options
from .rows import read_drift, read_failures
from .tables import claim_table, overlap_table
from .verdicts import judge

_OVERLAP, _FALL = "overlap_by_round", "fall_by_fraction"
"""Figures that stand beside the answers: the second where no network was trained again."""


def summary(tables: Tables, options: Options) -> Summary:
    """Give the answers, tables and figures of a run, finished or not."""
    return _summary(tables, options, options.margin, confirmatory=True)


def compare_summary(tables: Tables, options: ArmOptions) -> Summary:
    """Give those of ``fbench compare --drift``: no times, no second training; its own margin is of accuracy."""
    watched = {"results": tables["drift"], "fisher": tables.get("fisher", ())}
    return _summary(watched, options, DEFAULT_MARGIN, confirmatory=False)


def compare_evidence(tables: Tables, options: ArmOptions) -> list[Evidence]:
    """The same as evidence alone, for a summary whose answers are those of the comparison."""
    masks = compare_summary(tables, options)
    first = Evidence("Masks from round to round", masks.lead[:2], masks.tables, masks.figures)
    return [first, *masks.evidence]


def _summary(rows: Tables, options: ArmOptions, margin: float, *, confirmatory: bool) -> Summary:
    """Summarise a run; ``confirmatory`` says that the options fixed the comparison of overlaps before it."""
    from .figures import figures

    drift, failures = read_drift(rows), read_failures(rows["results"])
    gaps = left_out(drift, failures, options)
    if drift is None:
        return _nothing(gaps)
    verdicts = judge(drift, margin)
    drawn = {figure.name: figure for figure in figures(drift, options, verdicts.falls)}
    tables = {"overlaps": overlap_table(drift, verdicts)}
    if claim := claim_table(verdicts):
        tables["claim"] = claim
    fall_first = claim is not None and not verdicts.retrained
    main = [tables.pop("claim" if fall_first else "overlaps")]
    name = _FALL if fall_first else _OVERLAP
    beside = [drawn.pop(name)] if name in drawn else []
    parts = all_evidence(drift, verdicts, tables, drawn, gaps, confirmatory=confirmatory)
    return Summary(main, (), beside, lead(drift, verdicts), both_answers(drift, verdicts), parts)


def _nothing(gaps: Sequence[str]) -> Summary:
    """The summary of a run without a whole seed."""
    none = "No seed was measured in every round of every mask."
    first = "Whether masks drift cannot be told: no seed was measured in every round."
    lines = (first, "Nothing is compared.", "See the reasons in the rows, and take the run again.")
    return Summary(lead=lines, answers=[Answer(DRIFT, "too few", none)], evidence=[Evidence("Left out", gaps)])
