"""The commands that read runs and write none of their rows: show, runs, merge."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fbench.cli.console import err, out, show_warning
from fbench.cli.report import print_report
from fbench.units import format_seconds

if TYPE_CHECKING:
    import typer

    from fbench.runs.listing import Listed
    from fbench.runs.opening import Run


def add_runs_commands(app: typer.Typer) -> None:
    """Give the program its commands for runs."""
    import typer

    def flag(text: str, *names: str) -> tuple[Any, Any]:
        return Annotated[bool, typer.Option(*names, help=text)], False

    as_json = flag("as JSON, for a program to read", "--json")
    run = Annotated[str, typer.Argument(metavar="RUN", help="a run's folder, or a RUN-ID under reports/")]
    show = {
        "run": (run, ...),
        "details": flag("every setting, and the machine", "--details"),
        "as_json": as_json,
        "render": flag("write summary.md and the figures again", "--render"),
    }
    folder = Annotated[str, typer.Argument(metavar="[FOLDER]", help="where to look: in it, and two folders deep")]
    runs = Annotated[list[str], typer.Argument(metavar="RUN RUN…", help="folders or RUN-IDs; the first one's rows win")]
    merge = {
        "runs": (runs, ...),
        "out_folder": (Annotated[str, typer.Option("--out", help="the folder to make")], ...),
        "accept_version": flag("join runs of other code too; it is noted there", "--accept-version"),
        "as_json": as_json,
    }
    app.command("show", help=SHOW)(_signed(show_run, show))
    app.command("runs", help=RUNS)(_signed(show_runs, {"folder": (folder, "reports"), "as_json": as_json}))
    app.command("merge", help=MERGE)(_signed(merge_run_folders, merge))


def _signed(function: Callable[..., int], parameters: Mapping[str, tuple[Any, Any]]) -> Callable[..., int]:
    """The function with the signature that typer reads: every parameter's annotation, and its default if it has one."""

    def command(**typed: Any) -> int:
        return function(**typed)

    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
            if default is ...
            else inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in parameters.items()
        ]
    )
    command.__annotations__ = {name: annotation for name, (annotation, _) in parameters.items()}
    return command


SHOW = """What a run says, once more from its rows: finished or not, from any machine; nothing is measured.

Example: fbench show reports/reference/fisher
"""
RUNS = """The runs that are there, the newest first: how far they are, when and where they were measured, and how.

Example: fbench runs reports/reference
"""
MERGE = """Runs of one design from several machines as one run: other seeds, arms or sizes of the same study.

Example: fbench merge reports/laptop reports/server --out reports/both
"""


def show_run(run: str, *, details: bool, as_json: bool, render: bool) -> int:
    """Print what a run's rows say; gives the exit code."""
    from fbench.runs.opening import open_run
    from fbench.runs.reading import find_run

    opened = open_run(find_run(run))
    for note in opened.notes:
        show_warning(note)
    if render:
        _render(opened)
    if as_json:
        return _print_json(_described(opened))
    if not opened.finished:
        err.print(f"{opened.path} is unfinished: {opened.progress} are there; what follows is of these", markup=False)
    print_report(opened.report, f"The rows are in {opened.path}")
    for line in _details(opened) if details else ():
        out.print(line, markup=False)
    return 0


def _render(run: Run) -> None:
    """Write the summary and the figures anew, under the folder's lock."""
    from fbench.harness.folder import RunFolder
    from fbench.runs.report import write_report

    suite = run.reading.suite
    folder = RunFolder(run.path, suite.all_tables(), suite.unit)
    try:
        folder.take_up()
        for warning in write_report(run.report, folder):
            show_warning(warning)
    finally:
        folder.close()


def _described(run: Run) -> dict[str, Any]:
    done, units = run.units
    return {
        "path": str(run.path),
        "suite": run.suite,
        "finished": run.finished,
        "done": done,
        "units": units,
        "unit": run.reading.suite.unit,
        "spent_s": run.spent_s,
        "answers": run.answers,
        "tables": [asdict(table) for table in run.summary.tables],
        "figures": run.figures,
        "where": run.report.where,
        "settings": run.settings,
        "environment": run.environment,
    }


def _details(run: Run) -> Iterator[str]:
    """Every setting, and where it was measured, a line each."""
    yield "\nSettings"
    for name, value in run.settings.items():
        yield f"  {name}: {_spelled(value)}"
    yield "Environment"
    for name, value in run.environment.items():
        yield f"  {name}: {_spelled(value)}"


def show_runs(folder: str, *, as_json: bool) -> int:
    """Print what runs are there; gives the exit code."""
    from fbench.runs.listing import list_runs

    listed = list_runs(Path(folder))
    if as_json:
        return _print_json([asdict(run) for run in listed])
    if not listed:
        out.print(f"No runs in {folder}", markup=False)
    for run in listed:
        for line in run_lines(run, min(out.width, 80)):
            out.print(line, markup=False, soft_wrap=True)
    return 0


def run_lines(run: Listed, width: int) -> Iterator[str]:
    """A run in lines of at most ``width`` letters, its path uncut: that is what is copied."""
    yield f"{run.path}"
    state = f"damaged: {run.why}" if run.state == "damaged" else run.state
    done = "" if run.done is None else f"{run.done} of {run.units or '?'} {run.unit}s"
    began = run.started[:16].replace("T", " ")
    took = "" if run.spent_s is None else format_seconds(run.spent_s)
    known = filter(None, [run.suite, state, done, began and f"since {began} UTC", took, run.machine])
    changed = " ".join(f"{name}={_spelled(value)}" for name, value in run.settings.items())
    for text in filter(None, [" · ".join(known), changed]):
        yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _spelled(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_spelled, value))
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_spelled(held)}" for name, held in value.items())
    return "" if value is None else str(value)


def merge_run_folders(runs: list[str], out_folder: str, *, accept_version: bool, as_json: bool) -> int:
    """Join runs to one and print what it says; gives the exit code."""
    from fbench.runs.merging import merge_runs
    from fbench.runs.reading import find_run

    merged = merge_runs([find_run(run) for run in runs], out_folder, accept_version=accept_version)
    if as_json:
        return _print_json(_described(merged))
    if merged.finished:
        print_report(merged.report, f"Rows, findings and figures are in {merged.path}")
    else:
        out.print(f"{merged.path} has {merged.progress} of {len(runs)} runs.", markup=False)
        out.print(f"`fbench {merged.suite} --out {merged.path}` measures what is missing.", markup=False)
    return 0


def _print_json(value: Any) -> int:
    out.print(json.dumps(value, indent=2, ensure_ascii=False, default=str), markup=False, soft_wrap=True)
    return 0
