"""``fbench diff``: two runs, or a file of interleaved pairs, compared; and the history of many."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fbench.cli.console import out
from fbench.cli.fixed import examples_below
from fbench.cli.forms import Told, check_form, print_in_form
from fbench.cli.parameters import keyword, load_parameter, signed
from fbench.errors import UsageError, shorten
from fbench.harness.contract import Option
from fbench.harness.parsing import read_number
from fbench.harness.suite import flag_of

if TYPE_CHECKING:
    import typer

    from fbench.regression.compared import RevisionDiff
    from fbench.regression.history import TimeHistory

DIFF_EXAMPLES = (
    "fbench diff reports/reference/fisher reports/reference/fisher",
    "fbench diff reports/reference/fisher reports/reference/fisher --format github",
)
"""Of runs that are in the repository."""
_MARGIN = Option("share that does not matter", above=0, maximum=10)


def add_diff(app: typer.Typer) -> None:
    """Give the program its command ``diff``."""
    import typer

    def flag(name: str, text: str) -> inspect.Parameter:
        return keyword(name, bool, False, typer.Option(flag_of(name), help=text))

    def text(name: str, default: str, metavar: str, help_text: str) -> inspect.Parameter:
        declared = typer.Option(flag_of(name), metavar=metavar, help=help_text, show_default=bool(default))
        return keyword(name, str, default, declared)

    def command(*, load: str = "", **typed: Any) -> int:
        return diff(**typed)

    runs = typer.Argument(metavar="BASE NEW", help="runs, JSON files, folders of them; or one file of pairs")
    parameters = [
        keyword("runs", list[str], None, runs),
        text("margin", "", "SHARE", "of a time or a peak, that does not matter: 0.03, or what a gate was asked for"),
        text("format", "text", "FORMAT", "text, github (Markdown for a pull request) or json"),
        flag("json", "the same as --format json"),
        flag("strict", "exit with 3 where anything is not shown, or lost without proof"),
        flag("force", "compare other machines, versions or options all the same"),
        text("history", "", "FOLDER", "the runs in a folder, commit by commit: a figure with steps marked"),
        text("out", "reports/history", "FOLDER", "of --history: where history.csv, .svg and .png go"),
        load_parameter(),
    ]
    app.command("diff", help=diff.__doc__, epilog=examples_below(DIFF_EXAMPLES))(signed(command, parameters))


def diff(runs: list[str] | None, *, margin: str, format: str, json: bool, strict: bool, **typed: Any) -> int:
    """Compare two runs, two JSON files of pytest-benchmark, two folders of them, or interleaved pairs."""
    share = read_number("--margin", margin, float, _MARGIN) if margin else None
    force = bool(typed["force"])
    check_form(format)
    if typed["history"]:
        if json or format != "text":
            raise UsageError("--history has no other --format: its numbers are in history.csv, below --out")
        return _show_history(runs or [], typed["history"], typed["out"], share, force=force)
    comparison = _compared(runs or [], share, force=force)
    _print(comparison, "json" if json else format, strict=strict)
    return comparison.exit_code(strict=strict)


def _compared(runs: list[str], margin: float | None, *, force: bool) -> RevisionDiff:
    from fbench.regression.comparing import compare_pairs, compare_sides
    from fbench.regression.paired_rule import TIME_MARGIN
    from fbench.regression.sides import read_baseline, read_paired, read_side

    if len(runs) == 1:
        return compare_pairs(read_paired(runs[0]), Path(runs[0]), margin)
    if len(runs) != 2:
        raise UsageError(f"fbench diff takes BASE and NEW, or one file of pairs, and not {len(runs)} names")
    return compare_sides(read_baseline(runs[0]), read_side(runs[1]), margin or TIME_MARGIN, force=force)


def _print(comparison: RevisionDiff, form: str, *, strict: bool) -> None:
    from fbench.regression import saying

    told = Told(
        partial(saying.as_json, comparison, strict=strict),
        partial(saying.github_markdown, comparison),
        partial(saying.lead_of, comparison),
        partial(saying.table_of, comparison),
    )
    print_in_form(told, form)


def _show_history(runs: list[str], folder: str, out_folder: str, margin: float | None, *, force: bool) -> int:
    """Print what stepped, and write the figure and its numbers."""
    from fbench.regression import history
    from fbench.regression.paired_rule import TIME_MARGIN
    from fbench.results.terminal import rich_table

    if runs:
        raise UsageError(f"--history takes its folder alone, and not {shorten(runs[0])} beside it")
    read = history.read_history(Path(folder), margin or TIME_MARGIN, force=force)
    written = _write_history(read, Path(out_folder))
    for line in history.history_lead(read):
        out.print(line, markup=False)
    out.print("", rich_table(history.history_table(read), out.width, "in history.csv"), sep="\n")
    out.print(f"\n{', '.join(written)} are in {out_folder}", markup=False)
    return 0


def _write_history(read: TimeHistory, folder: Path) -> list[str]:
    """Write history.csv and the figure's files, in the place of those that are there; gives their names."""
    from fbench.harness.disk import make_folder, writing
    from fbench.harness.publish import publish
    from fbench.regression import history
    from fbench.results import table
    from fbench.runs.report import drawn

    files = {"history.csv": table.text(history.HISTORY_COLUMNS, history.history_rows(read)).encode()}
    files |= {Path(name).name: image for name, image in drawn(history.history_figure(read)).items()}
    with writing(folder):
        make_folder(folder)
    for name, data in files.items():
        with writing(folder / name):
            publish(folder / name, data, replace=True)
    return list(files)
