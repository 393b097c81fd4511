"""What ``fbench memory`` says at the end: answers first, peaks by phase in a table and a figure, then the evidence."""

from __future__ import annotations

from fbench.harness.contract import Summary, Tables

from .answers import memory_answers, memory_lead
from .evidence import memory_evidence
from .figures import peak_figures, timelines
from .leaks import judged_series
from .names import case_names
from .options import Options
from .peaks import largest_cases, memory_of_cases
from .rows import read_rows
from .tables import phase_tables


def summary(tables: Tables, options: Options) -> Summary:
    """The summary of a run, finished or not; ``options`` are those of the run."""
    rows = read_rows(tables)
    cases = memory_of_cases(rows.phases)
    series = judged_series(cases, rows.held, case_names(cases))
    replies = memory_answers(cases, rows.limits, series)
    return Summary(
        list(phase_tables(largest_cases(cases))),
        figures=peak_figures(cases),
        lead=memory_lead(cases, rows.limits, replies),
        answers=replies,
        evidence=memory_evidence(cases, rows, options, series, timelines(cases, rows)),
    )
