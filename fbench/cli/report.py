"""One run of a suite, from what was typed to what is printed and written at its end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.cli.console import err, out
from fbench.cli.progress import Progress
from fbench.errors import NothingMeasuredError
from fbench.harness.suite import Suite

if TYPE_CHECKING:
    from fbench.harness.contract import Row
    from fbench.harness.folder import RunFolder
    from fbench.harness.runner import Settings


def run_suite(suite: Suite, loads: tuple[Path, ...], typed: Mapping[str, Any], by_hand: Set[str]) -> int:
    """One run of a suite, from what was typed to the exit code."""
    from fbench.harness import options, runner
    from fbench.harness.contract import Context

    typed = options.read_numbers(suite, options.apply_preset(suite, typed, by_hand))
    settings = options.settings(suite, typed, loads)
    resolved = options.resolve_options(suite, typed, Context(settings.devices, settings.threads))
    if typed["dry_run"]:
        for line in options.plan_lines(suite, resolved, settings.devices, out.width):
            out.print(line, markup=False)
        return 0
    identity = runner.identify(suite, resolved, settings)
    path, resumed = runner.place(suite, identity, settings)
    run_folder = runner.open_folder(suite, path, resumed, identity, settings)
    try:
        _announce(suite, run_folder, resumed, settings)
        with Progress(suite) as progress:
            rows = runner.run(suite, resolved, settings, run_folder, progress)
        return write_report(suite, resolved, rows, run_folder)
    finally:
        run_folder.close()


def _announce(suite: Suite, run_folder: RunFolder, resumed: bool, settings: Settings) -> None:
    verb = ("Rendering again the finished" if run_folder.finished else "Taking up the unfinished") if resumed else "New"
    where = "+".join(settings.devices)
    err.print(
        f"{verb} run of {suite.name} in {run_folder.path} ({where}, {settings.jobs} × {settings.threads} threads)",
        markup=False,
    )


def write_report(suite: Suite, options: Any, rows: Mapping[str, list[Row]], run_folder: RunFolder) -> int:
    """Summarise, write ``summary.md`` and the figures, print; the exit code says how it went."""
    from fbench.harness.folder import writing
    from fbench.harness.outcome import exit_code
    from fbench.results import figures, render

    statuses = [row["status"] for row in rows["results"]]
    if "ok" not in statuses:
        reasons = {row["reason"] for row in rows["results"]}
        raise NothingMeasuredError(
            f"nothing was measured in {run_folder.path}: {'; '.join(sorted(reasons)) or 'no cases'}"
        )
    summary = suite.summarise(rows, options)
    with writing(run_folder.path):
        for figure in summary.figures:
            figures.draw(figure, run_folder.path / "figures")
    environment = json.loads((run_folder.path / "environment.json").read_text(encoding="utf-8"))
    where = render.provenance(environment, run_folder.spent_s)
    run_folder.write_text("summary.md", render.markdown(f"fbench {suite.name}", summary, [where]))
    for table in summary.tables:
        out.print(render.rich_table(table), "")
    for finding in summary.findings:
        out.print(f"• {finding}", markup=False)
    out.print(f"\n{where} Rows, findings and figures are in {run_folder.path}", markup=False)
    return exit_code(suite, options, rows)
