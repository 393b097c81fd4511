"""The commands that read runs and write none of their rows: show, runs, merge."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.cli.console import err, out, show_warning
from fbench.cli.fixed import examples_below
from fbench.cli.parameters import figure_parameters, keyword, load_parameter, signed
from fbench.cli.report import print_report
from fbench.harness.suite import flag_of, spell_value
from fbench.units import format_seconds

if TYPE_CHECKING:
    import typer

    from fbench.results.figures import FigureFiles
    from fbench.runs.listing import Listed
    from fbench.runs.opening import Run


RUNS_COMMANDS = {
    "show": ("fbench show reports/reference/fisher", "fbench show reports/reference/fisher --details"),
    "runs": ("fbench runs", "fbench runs reports/reference"),
    "merge": ("fbench merge reports/laptop reports/server --out reports/both",),
}
"""Commands by name, with the examples of their help."""


def add_runs_commands(app: typer.Typer) -> None:
    """Give the program its commands for runs."""
    for name, (function, parameters) in _declared().items():
        below = examples_below(RUNS_COMMANDS[name])
        command = signed(_called(function), [*parameters, load_parameter()])
        app.command(name, help=function.__doc__, epilog=below)(command)


def _called(function: Callable[..., int]) -> Callable[..., int]:
    def command(*, load: str = "", **typed: Any) -> int:
        return function(**typed)

    return command


def _declared() -> dict[str, tuple[Callable[..., int], list[inspect.Parameter]]]:
    """Every command's function, and the parameters that typer reads."""
    import typer

    def flag(name: str, text: str) -> inspect.Parameter:
        return keyword(name, bool, False, typer.Option(flag_of(name), help=text))

    none = inspect.Parameter.empty
    as_json = keyword("as_json", bool, False, typer.Option("--json", help="print it as JSON"))
    run = keyword("run", str, none, typer.Argument(metavar="RUN", help="a run's folder, or a RUN-ID under reports/"))
    folder = typer.Argument(metavar="FOLDER", help="where to look: in it, and two folders deep", show_default=True)
    several = typer.Argument(metavar="RUN…", help="two folders or RUN-IDs, or more; the first one's rows win")
    out_folder = keyword("out_folder", str, none, typer.Option("--out", metavar="FOLDER", help="the folder to make"))
    details, render = (
        flag("details", "the evidence, every setting, and the machine"),
        flag("render", "write its files again"),
    )
    accept = flag("accept_version", "join what other code measured, too; it is noted there")
    return {
        "show": (show_run, [run, details, render, as_json, *figure_parameters()]),
        "runs": (show_runs, [keyword("folder", str, "reports", folder), as_json]),
        "merge": (merge_run_folders, [keyword("runs", list[str], none, several), out_folder, accept, as_json]),
    }


def show_run(run: str, *, details: bool, as_json: bool, render: bool, figure_format: str, figure_width: str) -> int:
    """What a run says, once more from its rows: finished or not, from any machine; nothing is measured."""
    from fbench.harness.options import FIGURE_INCHES
    from fbench.results.figures import figure_files
    from fbench.runs.opening import open_run
    from fbench.runs.reading import find_run

    files = figure_files(figure_format, FIGURE_INCHES.read(figure_width))
    opened = open_run(find_run(run))
    for note in opened.notes:
        show_warning(note)
    if render:
        _render(opened, files)
    if as_json:
        return _print_json(_described(opened))
    if not opened.finished:
        err.print(f"{opened.path} is unfinished: {opened.progress} are there; what follows is of these", markup=False)
    print_report(opened.report, opened.path, details=details)
    for line in _details(opened) if details else ():
        out.print(line, markup=False)
    return 0


def _render(run: Run, files: FigureFiles) -> None:
    """Write the summary and the figures anew, under the folder's lock."""
    from fbench.harness.folder import RunFolder
    from fbench.runs.report import write_report

    suite = run.reading.suite
    folder = RunFolder(run.path, suite.all_tables(), suite.unit)
    try:
        folder.take_up()
        for warning in write_report(run.report, folder, files):
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
        "lead": run.lead,
        "answers": [asdict(answer) for answer in run.answers],
        "findings": run.findings,
        "tables": [asdict(table) for table in run.summary.all_tables],
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
    """The runs that are there, the newest first: how far they are, when and where they began, how they were asked."""
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
    from fbench.results.words import counted  # it imports numpy, which a command that says little does without

    yield f"{run.path}"
    state = f"damaged: {run.why}" if run.state == "damaged" else run.state
    done = "" if run.done is None else f"{run.done} of {run.units or '?'} {run.unit}s in {counted([run.cases], 'case')}"
    began = run.started[:16].replace("T", " ")
    took = "" if run.spent_s is None else format_seconds(run.spent_s)
    known = filter(None, [run.suite, state, done, began and f"since {began} UTC", took, run.machine])
    changed = " ".join(f"{name}={_spelled(value)}" for name, value in run.settings.items())
    for text in filter(None, [" · ".join(known), changed]):
        yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _spelled(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_spelled(held)}" for name, held in value.items())
    return "" if value is None else spell_value(value)


def merge_run_folders(runs: list[str], out_folder: str, *, accept_version: bool, as_json: bool) -> int:
    """Join runs of one design from several machines: other seeds, arms or sizes of the same study."""
    from fbench.runs.merging import merge_runs
    from fbench.runs.reading import find_run

    merged = merge_runs([find_run(run) for run in runs], out_folder, accept_version=accept_version)
    if as_json:
        return _print_json(_described(merged))
    if merged.finished:
        print_report(merged.report, merged.path, details=False)
    else:
        out.print(f"{merged.path} has {merged.progress} from {len(runs)} runs.", markup=False)
        out.print(f"`fbench {merged.suite} --out {merged.path}` measures what is missing.", markup=False)
    return 0


def _print_json(value: Any) -> int:
    out.print(json.dumps(value, indent=2, default=str), markup=False, soft_wrap=True)
    return 0
