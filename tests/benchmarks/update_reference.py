"""Take finished runs into reports/reference/, draw them again, and put their answers and tables in place on the pages.

    python tests/benchmarks/update_reference.py [--only NAME,…] [NAME=RUN-FOLDER …]

Without arguments the runs that are there already are drawn again: do that after a change of wording or figures. No
number on a page is typed by hand. In README.md and suites/*/README.md, `<!-- answers NAME -->` to
`<!-- /answers NAME -->` holds all that a run answers, `<!-- table NAME -->` to `<!-- /table NAME -->` its main table,
`<!-- evidence NAME -->` to `<!-- /evidence NAME -->` the first part of its evidence: all claims, and the first table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from marked_pages import fill_mark

import fbench
from fbench.harness.contract import Evidence, Row
from fbench.harness.folder import RunFolder
from fbench.harness.state import read_state
from fbench.results import render
from fbench.runs.report import Report, write_report

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reports" / "reference"
PAGES = (ROOT / "README.md", *sorted((ROOT / "suites").glob("*/README.md")))
LEFT_OUT = ("masks", "predictions", "test_samples")
"""Tables whose rows stay out of the repository: megabytes that the same command makes again."""


MANY_LABELS = 100_000
"""Labels of a run above which its tables of labels, the selections and their classes, stay out as well."""


def left_out(rows: Mapping[str, Sequence[Row]]) -> set[str]:
    """The tables of a run that stay out."""
    many = len(rows.get("selections", ())) > MANY_LABELS
    return set(LEFT_OUT) | ({"selections", "classes"} if many else set())


def take(name: str, run: Path) -> None:
    """Write a finished run's tables and descriptions into a folder of the repository's, sealed as every run is."""
    reading = fbench.open_run(run).reading
    folder = RunFolder(REFERENCE / name, reading.suite.all_tables(), reading.suite.unit)
    try:
        folder.create(reading.identity, reading.environment, reading.state.spent_s)
        out = left_out(reading.rows)
        rows = {table: [] if table in out else reading.rows.get(table, []) for table in folder.tables}
        folder.rewrite(rows, finished=True)
    finally:
        folder.close()
    state = read_state(REFERENCE / name)
    assert state is not None
    replace(state, spent_s=reading.state.spent_s).write(REFERENCE / name)  # taking it here took time, too
    (REFERENCE / name / ".lock").unlink()


def draw(folder: Path) -> None:
    """Write ``summary.md`` and the figures from the rows, and what pages show of this run."""
    run = fbench.open_run(folder)
    report, suite = run.report, run.reading.suite
    for old in [folder / "summary.md", *(folder / "figures").glob("*")]:
        old.unlink(missing_ok=True)
    sealed = RunFolder(folder, run.reading.columns, suite.unit)  # a run from before a side table has none
    try:
        sealed.take_up()
        write_report(report, sealed)
    finally:
        sealed.close()
    (folder / ".lock").unlink()
    for page in PAGES:
        page.write_text(filled(page.read_text(), folder.name, report))


def filled(page: str, name: str, report: Report) -> str:
    """The page with what stands between its markers for a run."""
    for part, text in quotes(report).items():
        page = fill_mark(page, f"{part} {name}", text)
    return page


def quotes(report: Report) -> dict[str, str]:
    """What a page may show of a run: all of its lead and answers, or a table and where that was measured."""
    summary, first = report.summary, next(iter(report.summary.evidence), Evidence(""))
    return {
        "answers": "\n\n".join(
            filter(None, [*map(render.markdown_text, summary.lead), render.answer_list(summary.answers)])
        ),
        "table": "\n\n".join([*map(render.markdown_table, summary.tables[:1]), report.where]),
        "evidence": "\n\n".join(
            [
                "\n".join(f"- {render.markdown_text(claim)}" for claim in first.claims),
                *map(render.markdown_table, first.tables[:1]),
                report.where,
            ]
        ),
    }


def wanted(arguments: list[str]) -> Iterator[Path]:
    """The folders to draw: those of ``--only NAME,…``, or all."""
    only = arguments[arguments.index("--only") + 1].split(",") if "--only" in arguments else None
    for path in sorted(path.parent for path in REFERENCE.glob("*/results.csv")):
        if only is None or path.name in only:
            yield path


if __name__ == "__main__":
    for argument in filter(lambda word: "=" in word, sys.argv[1:]):
        take(*(kind(part) for kind, part in zip((str, Path), argument.split("=", 1), strict=True)))
    for folder in wanted(sys.argv[1:]):
        draw(folder)
