"""One run of a suite, from what was typed to what is printed and written at its end."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.cli.console import err, out, show_warning
from fbench.cli.progress import Progress
from fbench.harness.suite import Suite

if TYPE_CHECKING:
    from fbench.harness.folder import RunFolder
    from fbench.harness.runner import Settings
    from fbench.runs.report import Report
    from fbench.runs.study import Study

_OPENINGS = {
    "new": "New run",
    "taken up": "Taking up the unfinished run",
    "grown": "Growing the run",
    "finished": "Rendering again the finished run",
}


def run_suite(suite: Suite, loads: tuple[Path, ...], typed: Mapping[str, Any], by_hand: Set[str]) -> int:
    """One run of a suite, from what was typed to the exit code."""
    from fbench.harness import options, runner
    from fbench.runs.study import plan_study, start

    study = plan_study(suite, typed, by_hand, loads)
    for note in study.notes:
        err.print(note, markup=False)
    if typed["dry_run"]:
        for line in options.plan_lines(suite, study.options, study.settings, out.width):
            out.print(line, markup=False)
        return 0
    run_folder, opening = start(study)
    try:
        _announce(suite, run_folder, opening, study.settings)
        with Progress(suite) as progress:
            rows = runner.run(suite, study.options, study.settings, run_folder, progress)
        return _report(study, rows, run_folder, details=typed["details"])
    finally:
        run_folder.close()


def _announce(suite: Suite, run_folder: RunFolder, opening: str, settings: Settings) -> None:
    where = "+".join(settings.devices)
    cluster = "" if settings.cluster is None else f"; {settings.cluster}"
    err.print(
        f"{_OPENINGS[opening]} of {suite.name} in {run_folder.path} "
        f"({where}, {settings.jobs} × {settings.threads} threads{cluster})",
        markup=False,
    )
    for note in run_folder.notes:
        show_warning(note)


def _report(study: Study, rows: Mapping[str, Any], run_folder: RunFolder, *, details: bool) -> int:
    """Write and print what the rows say; the exit code says how it went."""
    from fbench.harness.disk import read_checked
    from fbench.harness.outcome import exit_code
    from fbench.runs.report import summarised, write_report

    suite, options, path = study.suite, study.options, run_folder.path
    identity, environment = (read_checked(path / name) for name in ("options.json", "environment.json"))
    report = summarised(suite, options, rows, identity, environment, run_folder.spent_s, path)
    for warning in write_report(report, run_folder, study.files):
        show_warning(warning)
    print_report(report, path, details=details)
    return exit_code(suite, options, rows)


def print_report(report: Report, folder: Path, *, details: bool) -> None:
    """The answers and the main table, or with ``details`` all of it, and where the rest lies."""
    from fbench.results.terminal import printed

    summary = report.summary
    for part in printed(summary, out.width, details=details):
        out.print(part, markup=False)
    for line in report.how[1:] if details else ():
        out.print(f"\n{line}", markup=False)
    more = "" if details or not summary.lead else f"; all of it: fbench show {folder} --details"
    out.print(f"\n{report.where} Rows, summary.md and figures are in {folder}{more}", markup=False)
