"""Take finished runs into reports/reference/, draw them again, and put the README's table and findings in place.

    python tests/benchmarks/update_reference.py [NAME=RUN-FOLDER …]

Without arguments the runs that are there already are drawn again: do that after a change of wording or figures. No
number in the README is typed by hand.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

from fbench import registry
from fbench.results import figures, render, table

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reports" / "reference"
FILES = ("results.csv", "selections.csv", "options.json", "environment.json", "state.json")


def take(name: str, run: Path) -> None:
    """Copy a finished run's tables and descriptions."""
    (REFERENCE / name).mkdir(parents=True, exist_ok=True)
    for file in FILES:
        shutil.copyfile(run / file, REFERENCE / name / file)


def draw(folder: Path) -> None:
    """Write ``summary.md`` and the figures from the rows; the README's part if it shows this run."""
    identity = json.loads((folder / "options.json").read_text())
    suite = registry.SUITES.get(identity["suite"])
    rows = {name: table.read(folder / f"{name}.csv", columns) for name, columns in suite.all_tables().items()}
    summary = suite.summarise(rows, identity["options"])
    for figure in summary.figures:
        figures.draw(figure, folder / "figures")
    environment = json.loads((folder / "environment.json").read_text())
    where = render.provenance(environment, json.loads((folder / "state.json").read_text())["spent_s"])
    (folder / "summary.md").write_text(render.markdown(f"fbench {suite.name}", summary, [where]))
    if folder.name == "compare-digits":
        fill("table", f"{render.markdown_table(summary.tables[0])}\n\n{where}")
        fill("findings", "\n".join(f"- {finding}" for finding in summary.findings))


def fill(marker: str, text: str) -> None:
    """Replace what stands between two markers of the README."""
    path = ROOT / "README.md"
    pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    path.write_text(pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", path.read_text()))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        take(*(kind(part) for kind, part in zip((str, Path), argument.split("=", 1), strict=True)))
    for each in sorted(path.parent for path in REFERENCE.glob("*/results.csv")):
        draw(each)
