"""Take finished runs into reports/reference/, draw them again, and put the README's tables and findings in place.

    python tests/benchmarks/update_reference.py [NAME=RUN-FOLDER …]

Without arguments the runs that are there already are drawn again: do that after a change of wording or figures. No
number in the README is typed by hand: `<!-- findings NAME 1,3 -->` … `<!-- /findings NAME -->` holds the first and
third finding of a run, `<!-- table NAME 2 -->` … `<!-- /table NAME -->` its second table; without numbers, all.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import fbench
from fbench.harness.contract import Summary
from fbench.harness.folder import RunFolder
from fbench.results import figures, render

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reports" / "reference"
LEFT_OUT = ("masks",)
"""Tables whose rows stay out of the repository: megabytes that the same command makes again."""


def take(name: str, run: Path) -> None:
    """Write a finished run's tables and descriptions into a folder of the repository's, sealed as every run is."""
    reading = fbench.open_run(run).reading
    folder = RunFolder(REFERENCE / name, reading.suite.all_tables(), reading.suite.unit)
    try:
        folder.create(reading.identity, reading.environment, reading.state.spent_s)
        rows = {table: [] if table in LEFT_OUT else reading.rows.get(table, []) for table in folder.tables}
        folder.rewrite(rows, finished=True)
    finally:
        folder.close()
    (REFERENCE / name / ".lock").unlink()


def draw(folder: Path) -> None:
    """Write ``summary.md`` and the figures from the rows; the README's part if it shows this run."""
    report = fbench.open_run(folder).report
    for old in (folder / "figures").glob("*"):
        old.unlink()
    for figure in report.summary.all_figures:
        figures.draw(figure, folder / "figures")
    (folder / "summary.md").write_text(report.markdown)
    fill(folder.name, report.summary, report.where)


def fill(name: str, summary: Summary, where: str) -> None:
    """Replace what stands between the README's markers for this run."""

    def chosen(found: re.Match[str]) -> str:
        kind, numbers = found["kind"], found["numbers"].strip()
        values = summary.tables if kind == "table" else summary.findings
        if numbers:
            values = [values[int(number) - 1] for number in numbers.split(",")]
        if kind == "table":
            text = "\n\n".join([*map(render.markdown_table, values), where])
        else:
            text = "\n".join(f"- {finding}" for finding in values)
        return f"{found['start']}{text}\n{found['end']}"

    path = ROOT / "README.md"
    start = rf"(?P<start><!-- (?P<kind>table|findings) {name}(?P<numbers>[ 0-9,]*) -->\n)"
    pattern = re.compile(rf"{start}.*?(?P<end><!-- /(?P=kind) {name} -->)", re.DOTALL)
    path.write_text(pattern.sub(chosen, path.read_text()))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        take(*(kind(part) for kind, part in zip((str, Path), argument.split("=", 1), strict=True)))
    for each in sorted(path.parent for path in REFERENCE.glob("*/results.csv")):
        draw(each)
